#pragma once

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>

/// For the helpers of these tests: whole Ethernet frames on one interface of the kernel's.
namespace pollux::interop {

/// Sends frames out of an interface, and receives those that come in on it, whoever they are for.
/// It blocks only when asked to; a frame that the interface does not take is lost, as on a wire.
class PacketSocket {
 public:
  enum class Use : bool { send, send_and_receive };

  /// Nothing, and a line on standard error, when there is no such interface or no right to it.
  static std::optional<PacketSocket> open(const std::string& interface, Use use) {
    PacketSocket made{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = use == Use::send ? 0 : htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    const int yes = 1;
    // Room for the bursts that come while this process does not run; less will do.
    const int room = 16 << 20;
    packet_mreq everybody{};
    everybody.mr_ifindex = address.sll_ifindex;
    everybody.mr_type = PACKET_MR_PROMISC;
    if (made.file_ < 0 || address.sll_ifindex == 0 ||
        ::setsockopt(made.file_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes) != 0 ||
        ::setsockopt(made.file_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &everybody, sizeof everybody) !=
            0 ||
        (::setsockopt(made.file_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0 &&
         ::setsockopt(made.file_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) != 0) ||
        ::bind(made.file_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      std::fprintf(stderr, "error: %s: %s\n", interface.c_str(), std::strerror(errno));
      return std::nullopt;
    }
    return made;
  }

  PacketSocket(PacketSocket&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  PacketSocket& operator=(PacketSocket&&) = delete;
  PacketSocket(const PacketSocket&) = delete;
  PacketSocket& operator=(const PacketSocket&) = delete;
  ~PacketSocket() {
    if (file_ >= 0) ::close(file_);
  }

  int file() const noexcept { return file_; }
  /// The next frame's length; nothing when there is none now.
  std::optional<std::size_t> receive(std::span<std::byte> to) const noexcept {
    const ssize_t size = ::recv(file_, to.data(), to.size(), MSG_DONTWAIT);
    if (size < 0) return std::nullopt;
    return static_cast<std::size_t>(size);
  }
  /// Whether the interface took it.
  bool send(std::span<const std::byte> frame) const noexcept {
    return ::send(file_, frame.data(), frame.size(), MSG_DONTWAIT) ==
           static_cast<ssize_t>(frame.size());
  }

 private:
  explicit PacketSocket(int file) noexcept : file_(file) {}
  int file_;
};

}  // namespace pollux::interop
