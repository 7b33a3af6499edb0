#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <set>

#include "doctor/checks.h"
#include "dpdk/run_folder.h"
#include "dpdk/unix_socket.h"

namespace pollux::doctor {
namespace {

/// Where programs of ours and of DPDK's put what lasts as long as they run.
std::vector<std::string> places() {
  std::vector<std::string> out{"/run", "/tmp"};
  if (const char* const own = std::getenv("XDG_RUNTIME_DIR"); own != nullptr) out.emplace_back(own);
  return out;
}

bool like_ours(std::string_view name) {
  for (const std::string_view word : {"pollux", "memif", "vhost"}) {
    if (name.find(word) != name.npos) return true;
  }
  return false;
}

std::string joined(const std::set<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

}  // namespace

Findings check_leftovers(const Machine& machine) {
  std::set<std::string> folders;
  std::set<std::string> sockets;
  for (const std::string& place : places()) {
    const std::string below = machine.root.path(place);
    for (const std::string& parent : {below, below + "/dpdk"}) {
      for (const std::string& name : dpdk::RunFolder::left_in(parent)) {
        folders.insert(parent + "/" + name);
      }
    }
    for (const std::string& name : machine.root.list(place)) {
      const std::string path = below + "/" + name;
      if (like_ours(name) && dpdk::look_at_socket(path) == dpdk::SocketState::stale) {
        sockets.insert(path);
      }
    }
  }
  Finding finding{.name = "leftovers", .text = "none"};
  if (folders.empty() && sockets.empty()) return {finding};
  finding.level = Level::warn;
  finding.text = fmt::format("{} folders of killed programs, {} sockets that nobody listens on",
                             folders.size(), sockets.size());
  if (!folders.empty()) finding.command = "rm -r " + joined(folders);
  if (!sockets.empty()) {
    if (!folders.empty()) finding.command += "; ";
    finding.command += "rm " + joined(sockets);
  }
  finding.anybody = true;
  return {finding};
}

Findings check_drivers(const dpdk::Drivers& drivers, std::string_view version) {
  Finding finding{.name = "DPDK", .text = std::string(version)};
  if (drivers.folder.empty()) {
    finding.text += ", its drivers are built in";
    return {finding};
  }
  std::vector<std::string> missing;
  std::string words;
  bool needed = false;
  for (const auto kind : {dpdk::DeviceSpec::Kind::tap, dpdk::DeviceSpec::Kind::memif,
                          dpdk::DeviceSpec::Kind::vhost, dpdk::DeviceSpec::Kind::virtio_user,
                          dpdk::DeviceSpec::Kind::af_packet, dpdk::DeviceSpec::Kind::af_xdp}) {
    const std::string driver = *dpdk::driver_name(kind);
    if (drivers.has(driver)) continue;
    words += (words.empty() ? "" : ", ") + driver;
    missing.push_back(driver);
    // What only some kernels have is not counted as a failure.
    needed = needed || kind != dpdk::DeviceSpec::Kind::af_xdp;
  }
  finding.text +=
      fmt::format(", {} drivers of network devices in {}", drivers.names.size(), drivers.folder);
  if (missing.empty()) return {finding};
  finding.level = needed ? Level::fail : Level::warn;
  finding.text += fmt::format(", but not {}", words);
  finding.command = dpdk::install_command(missing);
  return {finding};
}

Machine Machine::look(Root root, std::string self) {
  Machine out{
      .root = std::move(root), .self = std::move(self), .nodes = {}, .cards = {}, .user = {}};
  out.nodes = doctor::nodes(out.root);
  out.cards = doctor::cards(out.root);
  out.user = doctor::user(out.root);
  return out;
}

std::string Machine::command(std::string_view arguments) const {
  std::string out = fmt::format("{} {}", self, arguments);
  if (!root.prefix().empty()) out += " --root " + root.prefix();
  return out;
}

}  // namespace pollux::doctor
