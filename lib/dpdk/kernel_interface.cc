#include "dpdk/kernel_interface.h"

#include <dirent.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string_view>

namespace pollux::dpdk {
namespace {

/// The tap that a file of this process is a queue of, by the name that it has now. The kernel says
/// so in "iff:" (Linux, drivers/net/tun.c), which is empty once the interface was removed, as it is
/// of other files.
std::string tap_of(const std::string& file) {
  std::ifstream info("/proc/self/fdinfo/" + file);
  constexpr std::string_view field = "iff:";
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with(field)) continue;
    const std::size_t begin = line.find_first_not_of(" \t", field.size());
    return begin == line.npos ? std::string{} : line.substr(begin);
  }
  return {};
}

/// Asks the kernel something of an interface; 0, or the reason as a negative number.
int ask(unsigned long what, ifreq& request) {
  const int file = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (file < 0) return -errno;
  const int failure = ioctl(file, what, &request) == 0 ? 0 : -errno;
  close(file);
  return failure;
}

}  // namespace

std::vector<int> files_of_tap(const std::string& name) {
  std::vector<int> out;
  DIR* const files = opendir("/proc/self/fdinfo");
  if (files == nullptr) return out;
  while (const dirent* entry = readdir(files)) {
    if (entry->d_name[0] != '.' && tap_of(entry->d_name) == name) {
      out.push_back(std::atoi(entry->d_name));
    }
  }
  closedir(files);
  return out;
}

InterfaceState interface_state(unsigned index, std::span<const int> tap) {
  ifreq request{};
  if (if_indextoname(index, request.ifr_name) == nullptr) {
    if (errno != ENXIO) return InterfaceState::up;  // nobody can tell: no file is left to ask by
    const bool elsewhere = std::any_of(
        tap.begin(), tap.end(), [](int file) { return !tap_of(std::to_string(file)).empty(); });
    return elsewhere ? InterfaceState::up : InterfaceState::gone;
  }
  constexpr short both = IFF_UP | IFF_RUNNING;
  const bool told = ask(SIOCGIFFLAGS, request) == 0;
  return !told || (request.ifr_flags & both) == both ? InterfaceState::up : InterfaceState::down;
}

std::uint16_t channels_of(const std::string& name) {
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&channels);
  if (ask(SIOCETHTOOL, request) != 0) return 1;
  return static_cast<std::uint16_t>(std::clamp(channels.combined_count, 1u, 0xFFFFu));
}

int set_interface_mtu(const std::string& name, std::uint16_t mtu) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_mtu = mtu;
  return ask(SIOCSIFMTU, request);
}

}  // namespace pollux::dpdk
