#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/counters.h"
#include "wire/address.h"
#include "wire/udp.h"

/// UDP on values (RFC 768; RFC 1122 s.4.1): a datagram is accepted or refused with a name, and a
/// header is written. Packets, routes and ICMP answers are the caller's.
namespace pollux::udp {

/// IPv4's 65,535 bytes less a header of each.
inline constexpr std::size_t max_payload = 65'507;

/// The ports on which datagrams are wanted: one bit each, 8 KiB in all.
class Ports {
 public:
  /// False when the port is 0 or in the set already.
  [[nodiscard]] bool add(std::uint16_t port) noexcept {
    if (port == 0 || contains(port)) return false;
    words_[port / 64] |= bit(port);
    ++size_;
    return true;
  }
  /// False when the port was not in the set.
  bool remove(std::uint16_t port) noexcept {
    if (!contains(port)) return false;
    words_[port / 64] &= ~bit(port);
    --size_;
    return true;
  }
  bool contains(std::uint16_t port) const noexcept { return (words_[port / 64] & bit(port)) != 0; }
  std::uint32_t size() const noexcept { return size_; }

 private:
  static constexpr std::uint64_t bit(std::uint16_t port) noexcept {
    return std::uint64_t{1} << port % 64;
  }

  std::array<std::uint64_t, 1024> words_{};
  std::uint32_t size_ = 0;
};

/// What a received datagram is. With Drop::udp_no_listener `datagram` is set too, and the caller
/// owes an ICMP port unreachable unless it came to a group (RFC 1122 s.4.1.3.1, s.3.2.2); with
/// every other drop there is no answer.
struct Verdict {
  Drop drop = Drop::none;
  wire::UdpView datagram;
};

/// Judges an IPv4 payload: length first (more bytes than the datagram's own length are cut off,
/// fewer make it udp_bad_length), then the checksum (0 means the sender made none; `verified`: the
/// device has checked it), then the destination port.
[[nodiscard]] Verdict arrives(std::span<const std::byte> payload, wire::Ipv4Address source,
                              wire::Ipv4Address destination, bool verified,
                              const Ports& ports) noexcept;

/// The header of a datagram with this payload of at most max_payload bytes, with its checksum:
/// never 0 (RFC 768; RFC 1122 s.4.1.3.4).
std::array<std::byte, wire::UdpFields::size> header(const wire::FourTuple& path,
                                                    std::span<const std::byte> payload) noexcept;

}  // namespace pollux::udp
