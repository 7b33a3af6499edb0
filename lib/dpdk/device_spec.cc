#include "dpdk/device_spec.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cerrno>
#include <climits>
#include <cstring>
#include <numeric>
#include <utility>

#include "dpdk/huge_pages.h"
#include "dpdk/unix_socket.h"

namespace pollux::dpdk {
namespace {

using Kind = DeviceSpec::Kind;
using Role = DeviceSpec::Role;

struct KindRow {
  Kind kind;
  std::string_view name;
  std::string_view form;
};
constexpr std::array<KindRow, 8> kinds{{
    {Kind::tap, "tap", "tap:NAME"},
    {Kind::memif, "memif", "memif:PATH[,role=server|client]"},
    {Kind::vhost, "vhost", "vhost:PATH"},
    {Kind::virtio_user, "virtio-user", "virtio-user:PATH"},
    {Kind::pci, "pci", "pci:0000:00:04.0"},
    {Kind::af_packet, "af_packet", "af_packet:IFACE"},
    {Kind::af_xdp, "af_xdp", "af_xdp:IFACE"},
    {Kind::vdev, "vdev", "vdev:DEVARGS"},
}};

const KindRow& row(Kind kind) noexcept { return kinds[static_cast<std::size_t>(kind)]; }

constexpr std::size_t longest_interface = IFNAMSIZ - 1;
/// A socket's path and its closing zero must fit into sockaddr_un.
constexpr std::size_t longest_path = sizeof(sockaddr_un::sun_path) - 1;

Error wrong(std::string_view text, std::string why, std::string remedy) {
  return {
      .what = "--device " + std::string(text), .why = std::move(why), .remedy = std::move(remedy)};
}

Error lacking(const DeviceSpec& spec, std::string why, std::string remedy) {
  return {.kind = Error::Kind::machine,
          .what = "--device " + spec.to_string(),
          .why = std::move(why),
          .remedy = std::move(remedy)};
}

std::string all_forms() {
  std::string text = "one of";
  for (const KindRow& each : kinds) {
    text += each.kind == Kind::tap ? " " : ", ";
    text += each.form;
  }
  return text;
}

Status check_interface_name(std::string_view text, const DeviceSpec& spec) {
  if (spec.target.size() > longest_interface) {
    return wrong(text, "the interface name \"" + spec.target + "\" is longer than 15 characters",
                 "a shorter name");
  }
  // The kernel takes "%d" for a number of its own choice, and neither dot for a name.
  const auto unfit = [](char c) {
    return c == '/' || c == ':' || c == ',' || c == '%' ||
           std::isspace(static_cast<unsigned char>(c)) != 0;
  };
  if (spec.target == "." || spec.target == ".." ||
      std::any_of(spec.target.begin(), spec.target.end(), unfit)) {
    return wrong(text, "\"" + spec.target + "\" cannot be an interface's name",
                 "letters, digits, - and _");
  }
  return std::monostate{};
}

Status check_path(std::string_view text, const DeviceSpec& spec) {
  if (spec.target.size() > longest_path) {
    return wrong(text, "the path is longer than a socket's 107 bytes", "a shorter path");
  }
  if (spec.target.find(',') != std::string::npos) {
    return wrong(text, "the path has a comma in it, which DPDK would cut it at", "another path");
  }
  if (spec.kind == Kind::memif && spec.target.front() == '@') {
    return wrong(text, "abstract sockets are not for this", "a path, or ./@... for such a file");
  }
  if (spec.target.back() == '/') {
    return wrong(text, "the path is a folder's", "the path of a socket in it");
  }
  return std::monostate{};
}

/// "0000:00:04.0", or without the domain; the result has it.
std::optional<std::string> bus_address(std::string_view text) {
  std::string full(text);
  if (std::count(full.begin(), full.end(), ':') == 1) full.insert(0, "0000:");
  constexpr std::string_view form = "xxxx:xx:xx.x";
  if (full.size() != form.size()) return std::nullopt;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const bool fits = form[i] == 'x' ? std::isxdigit(static_cast<unsigned char>(full[i])) != 0
                                     : full[i] == form[i];
    if (!fits) return std::nullopt;
    full[i] = static_cast<char>(std::tolower(static_cast<unsigned char>(full[i])));
  }
  return full;
}

Status take_memif_options(std::string_view text, DeviceSpec& spec) {
  const std::size_t comma = spec.target.find(',');
  if (comma == std::string::npos) return std::monostate{};
  const std::string option = spec.target.substr(comma + 1);
  spec.target.resize(comma);
  if (option == "role=server") {
    spec.role = Role::server;
  } else if (option == "role=client") {
    spec.role = Role::client;
  } else {
    return wrong(text, "\"" + option + "\" is no option of a memif", "role=server or role=client");
  }
  return std::monostate{};
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status check_server_socket(const DeviceSpec& spec) {
  switch (look_at_socket(spec.target)) {
    case SocketState::absent:
      break;
    case SocketState::stale:
      unlink(spec.target.c_str());
      break;
    case SocketState::alive:
      return lacking(spec, "another process listens there already",
                     spec.kind == Kind::memif ? "role=client, or another path"
                                              : "virtio-user to be its peer, or another path");
    case SocketState::not_a_socket:
      return lacking(spec, "it is no socket", "another path");
  }
  const std::string folder = folder_of(spec.target);
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    return lacking(spec, "no socket can be made in " + folder + " (" + std::strerror(errno) + ")",
                   "a folder that this user may write to");
  }
  return std::monostate{};
}

Status check_socket(const DeviceSpec& spec) {
  const std::string folder = folder_of(spec.target);
  struct stat status {};
  if (stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    return lacking(spec, "the folder " + folder + " is not there", "mkdir -p " + folder);
  }
  if (spec.kind == Kind::virtio_user) {
    switch (look_at_socket(spec.target)) {
      case SocketState::alive:
        return std::monostate{};
      case SocketState::absent:
        return lacking(spec, "there is no such socket", other_side(spec));
      case SocketState::stale:
        return lacking(spec, "nobody listens on that socket", other_side(spec));
      case SocketState::not_a_socket:
        return lacking(spec, "it is no socket", "another path");
    }
  }
  if (spec.kind == Kind::memif && resolved_role(spec) == Role::client) {
    if (look_at_socket(spec.target) != SocketState::not_a_socket) return std::monostate{};
    return lacking(spec, "it is no socket", "another path");
  }
  return check_server_socket(spec);
}

Status check_interface(const DeviceSpec& spec) {
  if (if_nametoindex(spec.target.c_str()) != 0) return std::monostate{};
  return lacking(spec, "there is no interface " + spec.target, "one of those that `ip link` lists");
}

/// The kernel's name of the driver of an interface; empty where it does not say. Asked of the
/// kernel and not of /sys, which may show another network namespace than this process is in.
std::string driver_of(const std::string& interface) {
  const int file = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (file < 0) return {};
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  ifreq request{};
  std::memcpy(request.ifr_name, interface.c_str(), interface.size() + 1);
  request.ifr_data = reinterpret_cast<char*>(&info);
  const bool told = ioctl(file, SIOCETHTOOL, &request) == 0;
  close(file);
  return told ? info.driver : "";
}

Status check_tap(const DeviceSpec& spec) {
  if (access("/dev/net/tun", R_OK | W_OK) != 0) {
    return lacking(spec,
                   std::string("/dev/net/tun cannot be opened (") + std::strerror(errno) + ")",
                   "modprobe tun, as root");
  }
  if (if_nametoindex(spec.target.c_str()) != 0 && driver_of(spec.target) != "tun") {
    return lacking(spec, "an interface of that name is there already, and is no tap",
                   "another name, or af_packet:" + spec.target);
  }
  return std::monostate{};
}

std::string pci_folder(const DeviceSpec& spec) { return "/sys/bus/pci/devices/" + spec.target; }

/// The last part of what a link of sysfs leads to; empty where there is none.
std::string name_of_link(const std::string& path) {
  std::array<char, PATH_MAX> link;
  const ssize_t size = readlink(path.c_str(), link.data(), link.size());
  if (size <= 0) return {};
  const std::string_view target(link.data(), static_cast<std::size_t>(size));
  return std::string(target.substr(target.rfind('/') + 1));
}

/// vfio lends a card to who may open the file of its IOMMU group.
Status check_vfio(const DeviceSpec& spec, const std::string& device) {
  const std::string group = name_of_link(device + "/iommu_group");
  if (group.empty()) return std::monostate{};  // the driver will say
  const std::string file = "/dev/vfio/" + group;
  if (access(file.c_str(), R_OK | W_OK) == 0 || errno != EACCES) return std::monostate{};
  return lacking(spec, file + " cannot be opened (" + std::strerror(EACCES) + ")",
                 "as root: chown " + std::to_string(geteuid()) + " " + file);
}

Status check_pci(const DeviceSpec& spec) {
  const std::string device = pci_folder(spec);
  if (access(device.c_str(), F_OK) != 0) {
    return lacking(spec, "there is no such PCI device", "an address that `lspci -D` lists");
  }
  const std::string driver = name_of_link(device + "/driver");
  // Mellanox's stay with the kernel's driver; all others must have been handed to user space.
  constexpr std::array<std::string_view, 6> fit{"vfio-pci",  "igb_uio",   "uio_pci_generic",
                                                "mlx4_core", "mlx5_core", "mana"};
  if (driver == "vfio-pci") return check_vfio(spec, device);
  if (std::find(fit.begin(), fit.end(), driver) != fit.end()) return std::monostate{};
  return lacking(spec,
                 driver.empty() ? "no driver is bound to it"
                                : "it is in the hands of the kernel's driver " + driver,
                 "pollux-doctor bind " + spec.target);
}

}  // namespace

std::string_view name(DeviceSpec::Kind kind) noexcept { return row(kind).name; }

std::string other_side(const DeviceSpec& spec) {
  const bool serves = spec.kind == Kind::virtio_user || spec.role == Role::client;
  const std::string program =
      serves ? "pollux-httpd --address 10.0.0.1/24 --device "
             : "pollux-load --address 10.0.0.2/24 --target 10.0.0.1:80 --device ";
  switch (spec.kind) {
    case Kind::memif:
      return program + "memif:" + spec.target + (serves ? ",role=server" : ",role=client");
    case Kind::virtio_user:
      return program + "vhost:" + spec.target;
    case Kind::vhost:
      return program + "virtio-user:" + spec.target;
    case Kind::tap:
    case Kind::pci:
    case Kind::af_packet:
    case Kind::af_xdp:
    case Kind::vdev:
      return {};
  }
  return {};
}

Result<DeviceSpec> DeviceSpec::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view word = text.substr(0, colon);
  const auto* const found = std::find_if(kinds.begin(), kinds.end(),
                                         [&](const KindRow& each) { return each.name == word; });
  if (found == kinds.end()) {
    return wrong(text, "there is no kind of device \"" + std::string(word) + "\"", all_forms());
  }
  if (colon == std::string_view::npos || colon + 1 == text.size()) {
    return wrong(text, "nothing stands after \"" + std::string(word) + "\"",
                 std::string(found->form));
  }
  DeviceSpec spec{.kind = found->kind, .target = std::string(text.substr(colon + 1))};
  Status checked = std::monostate{};
  switch (spec.kind) {
    case Kind::tap:
    case Kind::af_packet:
    case Kind::af_xdp:
      checked = check_interface_name(text, spec);
      break;
    case Kind::memif:
      checked = take_memif_options(text, spec);
      if (checked && spec.target.empty()) {
        checked = wrong(text, "the path is empty", std::string(found->form));
      }
      if (checked) checked = check_path(text, spec);
      break;
    case Kind::vhost:
    case Kind::virtio_user:
      checked = check_path(text, spec);
      break;
    case Kind::pci:
      if (const auto address = bus_address(spec.target)) {
        spec.target = *address;
      } else {
        checked =
            wrong(text, "\"" + spec.target + "\" is no PCI address", std::string(found->form));
      }
      break;
    case Kind::vdev:
      break;
  }
  if (!checked) return checked.error();
  return spec;
}

std::string DeviceSpec::to_string() const {
  std::string text = std::string(name(kind)) + ":" + target;
  if (role == Role::server) text += ",role=server";
  if (role == Role::client) text += ",role=client";
  return text;
}

Status check_machine(const DeviceSpec& spec) {
  switch (spec.kind) {
    case Kind::tap:
      return check_tap(spec);
    case Kind::memif:
    case Kind::vhost:
    case Kind::virtio_user:
      return check_socket(spec);
    case Kind::pci:
      return check_pci(spec);
    case Kind::af_packet:
    case Kind::af_xdp:
      return check_interface(spec);
    case Kind::vdev:
      return std::monostate{};
  }
  return std::monostate{};
}

Status check_memory(const DeviceSpec& spec, bool huge_pages, std::string_view reason) {
  if (spec.kind != Kind::pci || huge_pages) return std::monostate{};
  const std::string driver = name_of_link(pci_folder(spec) + "/driver");
  if (driver != "uio_pci_generic" && driver != "igb_uio") return std::monostate{};
  auto [why, remedy] = why_and_remedy(reason);
  if (remedy.empty()) {
    remedy = why == "--no-huge" ? "without --no-huge"
                                : "pollux-doctor bind " + spec.target +
                                      " --driver vfio-pci, where there is an IOMMU";
  }
  return lacking(spec,
                 driver + " gives it physical addresses, which only huge pages have (" + why + ")",
                 remedy);
}

Role resolved_role(const DeviceSpec& spec) {
  if (spec.role != Role::automatic) return spec.role;
  return look_at_socket(spec.target) == SocketState::alive ? Role::client : Role::server;
}

std::string device_name(const DeviceSpec& spec, unsigned index) {
  const std::string number = std::to_string(index);
  switch (spec.kind) {
    case Kind::tap:
      return "net_tap" + number;
    case Kind::memif:
      return "net_memif" + number;
    case Kind::vhost:
      return "net_vhost" + number;
    case Kind::virtio_user:
      return "net_virtio_user" + number;
    case Kind::af_packet:
      return "net_af_packet" + number;
    case Kind::af_xdp:
      return "net_af_xdp" + number;
    case Kind::pci:
      return spec.target;
    case Kind::vdev:
      return spec.target.substr(0, spec.target.find(','));
  }
  return {};
}

std::string devargs(const DeviceSpec& spec, const DevargsOptions& options) {
  const std::string queues = std::to_string(options.queues);
  const std::string device = device_name(spec, options.index);
  switch (spec.kind) {
    case Kind::tap:
      return device + ",iface=" + spec.target;
    case Kind::memif:
      return device + ",socket=" + spec.target +
             ",socket-abstract=no,id=0,role=" + (spec.role == Role::client ? "client" : "server") +
             ",rsize=" + std::to_string(std::bit_width(options.ring_entries) - 1) +
             ",bsize=" + std::to_string(std::bit_ceil(frame_room(options.mtu)));
    case Kind::vhost:
      // A guest may then leave its segments uncut.
      return device + ",iface=" + spec.target + ",queues=" + queues +
             (options.merging ? ",tso=1" : "");
    case Kind::virtio_user:
      // A frame always fits one buffer and buffers come back in order: both let the driver take its
      // shortest path. A merged one takes several.
      return device + ",path=" + spec.target + ",queues=" + queues +
             ",queue_size=" + std::to_string(options.ring_entries) +
             ",packed_vq=1,mrg_rxbuf=" + (options.merging ? "1" : "0") + ",in_order=1";
    case Kind::af_packet: {
      // The driver wants frames without gaps between them, in blocks of whole pages.
      const std::uint32_t room = frame_room(options.mtu);
      const std::uint32_t block = std::lcm(room, 4'096u);
      return device + ",iface=" + spec.target + ",qpairs=" + queues +
             ",blocksz=" + std::to_string(block) + ",framesz=" + std::to_string(room) +
             ",framecnt=" + std::to_string(options.ring_entries);
    }
    case Kind::af_xdp:
      return device + ",iface=" + spec.target + ",start_queue=0,queue_count=" + queues;
    case Kind::pci:
    case Kind::vdev:
      return spec.target;
  }
  return {};
}

}  // namespace pollux::dpdk
