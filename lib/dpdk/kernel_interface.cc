#include "dpdk/kernel_interface.h"

#include <dirent.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace pollux::dpdk {
namespace {

/// Whether a file of this process is a queue of that tap. The kernel says so in "iff:" (Linux,
/// drivers/net/tun.c), which is empty once the interface was removed.
bool holds_tap(const std::string& name) {
  DIR* const files = opendir("/proc/self/fdinfo");
  if (files == nullptr) return true;  // nobody can tell
  bool found = false;
  while (const dirent* entry = found ? nullptr : readdir(files)) {
    if (entry->d_name[0] == '.') continue;
    std::ifstream info(std::string("/proc/self/fdinfo/") + entry->d_name);
    for (std::string word; !found && info >> word;) {
      found = word == "iff:" && info >> word && word == name;
    }
  }
  closedir(files);
  return found;
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

InterfaceState interface_state(unsigned index, const std::string& tap) {
  ifreq request{};
  if (if_indextoname(index, request.ifr_name) == nullptr) {
    return !tap.empty() && holds_tap(tap) ? InterfaceState::up : InterfaceState::gone;
  }
  constexpr short both = IFF_UP | IFF_RUNNING;
  const bool told = ask(SIOCGIFFLAGS, request) == 0;
  return !told || (request.ifr_flags & both) == both ? InterfaceState::up : InterfaceState::down;
}

int set_interface_mtu(const std::string& name, std::uint16_t mtu) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_mtu = mtu;
  return ask(SIOCSIFMTU, request);
}

}  // namespace pollux::dpdk
