#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <sstream>
#include <string_view>

#include "doctor/checks.h"

namespace pollux::doctor {
namespace {

// capabilities(7).
constexpr unsigned cap_net_admin = 12;
constexpr unsigned cap_net_raw = 13;
constexpr unsigned cap_ipc_lock = 14;

/// The soft limit of that name in /proc/self/limits; nothing: there is none, or it is unlimited.
std::optional<std::uint64_t> limit(const Root& root, std::string_view name) {
  std::istringstream lines(root.text("/proc/self/limits").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    const std::vector<std::string> words = words_of(std::string_view(line).substr(name.size()));
    std::uint64_t value = 0;
    if (words.empty() || words[0] == "unlimited") return std::nullopt;
    std::from_chars(words[0].data(), words[0].data() + words[0].size(), value);
    return value;
  }
  return std::nullopt;
}

/// The folder of this program, where the others lie too.
std::string programs_beside(const std::string& self) {
  const std::string path = self.substr(0, self.find(' '));
  const std::size_t slash = path.rfind('/');
  const auto each = [&](std::string_view name) {
    if (slash != std::string::npos) return path.substr(0, slash + 1) + std::string(name);
    return fmt::format("$(command -v {})", name);
  };
  return each("pollux-httpd") + " " + each("pollux-load") + " " + each("pollux-doctor");
}

Finding check_user(const Machine& machine) {
  const User& user = machine.user;
  const bool network = user.may(cap_net_admin) && user.may(cap_net_raw);
  Finding finding{.name = "permissions", .text = {}};
  if (user.id == 0 && network) {
    finding.text = "root";
  } else if (network) {
    finding.text = fmt::format("user {}, who may use interfaces", user.id);
  } else {
    finding.level = Level::warn;
    finding.text = fmt::format(
        "user {} may use memif, vhost and virtio-user, but no interface (tap, af_packet, af_xdp)",
        user.id);
    finding.command = fmt::format("for p in {}; do setcap cap_net_admin,cap_net_raw+ep $p; done",
                                  programs_beside(machine.self));
  }
  return finding;
}

Finding check_tun(const Machine& machine) {
  Finding finding{.name = "/dev/net/tun", .text = "can be opened, for tap devices"};
  const std::string path = machine.root.path("/dev/net/tun");
  if (!machine.root.exists("/dev/net/tun")) {
    finding.level = Level::warn;
    finding.text = "not there: no tap devices";
    finding.command = "modprobe tun";
  } else if (!machine.root.readable_and_writable("/dev/net/tun")) {
    finding.level = Level::warn;
    finding.text = "not for this user: no tap devices";
    finding.command = "chmod 666 " + path;
  }
  return finding;
}

/// A card reaches memory that is locked: all that it is to reach counts.
Finding check_locked(const Machine& machine) {
  constexpr std::uint64_t enough = std::uint64_t{1} << 30;
  const std::optional<std::uint64_t> most = limit(machine.root, "Max locked memory");
  Finding finding{.name = "locked memory", .text = "unlimited"};
  if (!most) return finding;
  finding.text = fmt::format("{} MiB", *most >> 20);
  if (*most >= enough) return finding;
  if (machine.user.may(cap_ipc_lock)) {
    finding.text += ", which does not bind this user";
    return finding;
  }
  finding.level = Level::warn;
  finding.text += ": too little for a card behind an IOMMU";
  // The shell that it is typed in passes its limit on.
  finding.command = "prlimit --memlock=unlimited --pid $$";
  return finding;
}

/// DPDK reserves far more addresses than it uses.
Finding check_address_space(const Machine& machine) {
  const std::optional<std::uint64_t> most = limit(machine.root, "Max address space");
  Finding finding{.name = "address space", .text = "unlimited"};
  if (!most) return finding;
  finding.level = Level::fail;
  finding.text = fmt::format("limited to {} MiB: DPDK reserves more", *most >> 20);
  finding.command = "prlimit --as=unlimited --pid $$";
  return finding;
}

Finding check_files(const Machine& machine) {
  constexpr std::uint64_t enough = 1'024;
  const std::optional<std::uint64_t> most = limit(machine.root, "Max open files");
  Finding finding{.name = "open files", .text = "unlimited"};
  if (!most) return finding;
  finding.text = fmt::format("{}", *most);
  if (*most >= enough) return finding;
  finding.level = Level::warn;
  finding.text += ": memory and devices are files, too";
  finding.command = fmt::format("prlimit --nofile={} --pid $$", enough);
  return finding;
}

}  // namespace

Findings check_rights(const Machine& machine) {
  return {check_user(machine), check_tun(machine), check_locked(machine),
          check_address_space(machine), check_files(machine)};
}

}  // namespace pollux::doctor
