#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "wire/ipv4.h"

namespace pollux::internet {

/// One piece of a datagram's payload, in bytes.
struct Fragment {
  std::uint16_t offset = 0;
  std::uint16_t length = 0;
  bool more = false;
};

/// The largest payload that a datagram without options can have.
inline constexpr std::size_t max_payload = 65535 - wire::Ipv4Fields::size;

/// Cuts a payload into pieces that fit (RFC 791 s.3.2), all but the last the same multiple of eight
/// bytes. What fits whole is one piece; an empty payload is one empty piece. For UDP and ICMP: TCP
/// cuts its own segments and is never fragmented here.
class Fragmenter {
 public:
  /// `payload` at most max_payload, `mtu` at least 68 (RFC 791 s.3.2), the header of 20 bytes
  /// included. A larger or smaller one gives no pieces at all: SendDrop::too_big.
  Fragmenter(std::size_t payload, std::uint16_t mtu) noexcept;

  /// The next piece, in order; nothing after the last.
  std::optional<Fragment> next() noexcept;
  /// How many next() gives in all.
  std::size_t count() const noexcept { return count_; }

 private:
  std::uint32_t payload_;
  std::uint32_t step_;  // bytes a piece, but for the last
  std::uint32_t at_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t given_ = 0;
};

/// The header of one piece of the datagram that `whole` is the header of.
wire::Ipv4Fields fragment_header(wire::Ipv4Fields whole, const Fragment& piece) noexcept;

}  // namespace pollux::internet
