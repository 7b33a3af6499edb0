#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pollux::test {

/// Takes this process, before it starts any thread, into a network namespace of its own. Returns
/// why that cannot be, or nothing.
inline std::optional<std::string> enter_own_network() {
  const uid_t user = geteuid();
  const gid_t group = getegid();
  const int flags = user == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET;
  if (unshare(flags) != 0) {
    return std::string("no network namespace can be made: ") + std::strerror(errno);
  }
  if (user != 0) {
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
    std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
  }
  return std::nullopt;
}

/// Runs a command of the shell; true if it succeeds.
inline bool run(const std::string& command) { return std::system(command.c_str()) == 0; }

/// The kernel's side of an interface: whatever passes it, frame by frame.
class RawSocket {
 public:
  explicit RawSocket(const std::string& interface)
      : file_(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    const int size = 8 << 20;
    setsockopt(file_, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    bound_ = bind(file_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;
  ~RawSocket() { close(file_); }

  bool bound() const { return bound_; }
  bool send(std::span<const std::byte> frame) {
    return ::send(file_, frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size());
  }
  /// The next frame that came in (not what this host sent); nothing if there is none now.
  std::optional<std::vector<std::byte>> receive() {
    std::vector<std::byte> frame(65'536);
    sockaddr_ll from{};
    socklen_t from_size = sizeof(from);
    const ssize_t size = recvfrom(file_, frame.data(), frame.size(), 0,
                                  reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0 || from.sll_pkttype == PACKET_OUTGOING) return std::nullopt;
    frame.resize(static_cast<std::size_t>(size));
    return frame;
  }

 private:
  int file_;
  bool bound_ = false;
};

/// The Ethernet address of one of the kernel's interfaces, as `ip link` shows it; empty if none.
inline std::string mac_of(const std::string& interface) {
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
  const int file = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool known = ioctl(file, SIOCGIFHWADDR, &request) == 0;
  close(file);
  if (!known) return {};
  std::array<char, 18> text;
  const auto* const octets = reinterpret_cast<const unsigned char*>(request.ifr_hwaddr.sa_data);
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", octets[0], octets[1],
                octets[2], octets[3], octets[4], octets[5]);
  return text.data();
}

}  // namespace pollux::test
