#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/assert.h"
#include "base/counters.h"
#include "wire/checksum.h"
#include "wire/field.h"

namespace pollux::wire {

/// Message types (RFC 792).
namespace icmp_type {
inline constexpr std::uint8_t echo_reply = 0;
inline constexpr std::uint8_t destination_unreachable = 3;
inline constexpr std::uint8_t source_quench = 4;
inline constexpr std::uint8_t redirect = 5;
inline constexpr std::uint8_t echo_request = 8;
inline constexpr std::uint8_t time_exceeded = 11;
inline constexpr std::uint8_t parameter_problem = 12;
}  // namespace icmp_type

/// Codes of destination_unreachable (RFC 792; RFC 1122 s.3.2.2.1; RFC 1812 s.5.2.7.1).
namespace icmp_unreachable {
inline constexpr std::uint8_t net = 0;
inline constexpr std::uint8_t host = 1;
inline constexpr std::uint8_t protocol = 2;
inline constexpr std::uint8_t port = 3;
inline constexpr std::uint8_t fragmentation_needed = 4;
inline constexpr std::uint8_t source_route_failed = 5;
inline constexpr std::uint8_t net_unknown = 6;
inline constexpr std::uint8_t host_unknown = 7;
inline constexpr std::uint8_t source_host_isolated = 8;
inline constexpr std::uint8_t net_prohibited = 9;
inline constexpr std::uint8_t host_prohibited = 10;
inline constexpr std::uint8_t net_for_tos = 11;
inline constexpr std::uint8_t host_for_tos = 12;
inline constexpr std::uint8_t communication_prohibited = 13;
}  // namespace icmp_unreachable

/// Codes of time_exceeded.
namespace icmp_time_exceeded {
inline constexpr std::uint8_t in_transit = 0;
inline constexpr std::uint8_t in_reassembly = 1;
}  // namespace icmp_time_exceeded

/// An ICMP message of at least eight bytes (RFC 792), which every type that is read here has. A
/// default view is of nothing, and only parse makes it readable.
class IcmpView {
 public:
  static constexpr std::size_t header_size = 8;
  static constexpr std::size_t checksum_offset = 2;

  IcmpView() noexcept = default;

  /// Drop::none, and `out` is the message that fills `bytes`, an IPv4 payload; or icmp_truncated,
  /// and `out` is unchanged. Type, code and checksum are not looked at.
  static Drop parse(std::span<const std::byte> bytes, IcmpView& out) noexcept {
    if (bytes.size() < header_size) return Drop::icmp_truncated;
    out.message_ = bytes;
    return Drop::none;
  }

  std::uint8_t type() const noexcept { return load_u8(at(0)); }
  std::uint8_t code() const noexcept { return load_u8(at(1)); }
  std::uint16_t checksum() const noexcept { return load_u16(at(checksum_offset)); }
  /// It covers the whole message.
  bool checksum_ok() const noexcept { return fold(Sum{message_}) == 0; }

  /// Of echo_request and echo_reply.
  bool is_echo() const noexcept {
    return type() == icmp_type::echo_request || type() == icmp_type::echo_reply;
  }
  std::uint16_t identifier() const noexcept { return load_u16(at(4)); }
  std::uint16_t sequence() const noexcept { return load_u16(at(6)); }
  /// What an echo carries, and an answer returns unchanged (RFC 1122 s.3.2.2.6).
  std::span<const std::byte> data() const noexcept { return message_.subspan(header_size); }

  /// Messages about a datagram of ours; none of them is ever answered (RFC 1122 s.3.2.2).
  bool is_error() const noexcept {
    switch (type()) {
      case icmp_type::destination_unreachable:
      case icmp_type::source_quench:
      case icmp_type::redirect:
      case icmp_type::time_exceeded:
      case icmp_type::parameter_problem:
        return true;
      default:
        return false;
    }
  }
  /// Of an error: the front of the datagram that it is about, for Ipv4View::parse_quoted. It should
  /// be the header and at least 8 bytes, but may be shorter, even empty.
  std::span<const std::byte> quoted() const noexcept { return data(); }
  /// Of fragmentation_needed; 0 from routers that do not say (RFC 1191 s.4).
  std::uint16_t next_hop_mtu() const noexcept { return load_u16(at(6)); }
  /// Of parameter_problem: the offset in the quoted header of the byte that is wrong.
  std::uint8_t pointer() const noexcept { return load_u8(at(4)); }

 private:
  const std::byte* at(std::size_t offset) const noexcept {
    POLLUX_ASSERT(message_.data() != nullptr);
    return message_.data() + offset;
  }

  std::span<const std::byte> message_;
};

/// The values of an ICMP header; `rest` is its second half, which each type has its own use for.
struct IcmpFields {
  static constexpr std::size_t size = IcmpView::header_size;
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  std::uint32_t rest = 0;

  static constexpr IcmpFields echo_request(std::uint16_t identifier,
                                           std::uint16_t sequence) noexcept {
    return {icmp_type::echo_request, 0, std::uint32_t{identifier} << 16 | sequence};
  }
  static constexpr IcmpFields echo_reply(std::uint16_t identifier,
                                         std::uint16_t sequence) noexcept {
    return {icmp_type::echo_reply, 0, std::uint32_t{identifier} << 16 | sequence};
  }
  /// `code` is one of icmp_unreachable; the MTU goes with fragmentation_needed alone.
  static constexpr IcmpFields unreachable(std::uint8_t code,
                                          std::uint16_t next_hop_mtu = 0) noexcept {
    return {icmp_type::destination_unreachable, code, next_hop_mtu};
  }
  static constexpr IcmpFields time_exceeded(std::uint8_t code) noexcept {
    return {icmp_type::time_exceeded, code, 0};
  }
  static constexpr IcmpFields parameter_problem(std::uint8_t pointer) noexcept {
    return {icmp_type::parameter_problem, 0, std::uint32_t{pointer} << 24};
  }

  /// Writes the first `size` bytes of `message`, whose data already stands behind them, and the
  /// checksum over all of it.
  void write(std::span<std::byte> message) const noexcept {
    POLLUX_ASSERT(message.size() >= size);
    std::byte* const at = message.data();
    store_u8(at, type);
    store_u8(at + 1, code);
    store_u16(at + IcmpView::checksum_offset, 0);
    store_u32(at + 4, rest);
    store_u16(at + IcmpView::checksum_offset, fold(Sum{message}));
  }
};

}  // namespace pollux::wire
