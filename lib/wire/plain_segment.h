#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "wire/ethernet.h"
#include "wire/field.h"
#include "wire/ipv4.h"

namespace pollux::wire {

/// The datagram of what nearly every frame is: TCP in IPv4 without options, not a fragment, in an
/// Ethernet frame without a tag. Nothing for any other frame, and for one whose lengths are not
/// right: EthernetView and Ipv4View tell what it is. Neither addresses nor checksums are looked at.
inline std::optional<Ipv4View> plain_datagram(std::span<const std::byte> frame) noexcept {
  constexpr std::size_t ip = EthernetView::header_size;
  if (frame.size() < ip + Ipv4View::min_header_size) return std::nullopt;
  const std::byte* const at = frame.data();
  // The Ethernet type, then version and header length: 0x45.
  constexpr std::uint32_t plain_type = std::uint32_t{ether_type::ipv4} << 16 | 0x4500;
  if ((load_u32(at + ip - 2) & 0xFFFF'FF00) != plain_type) return std::nullopt;
  // More fragments, and their offset; any TTL; the protocol.
  if ((load_u32(at + ip + 6) & 0x3FFF'00FF) != protocol::tcp) return std::nullopt;
  const std::size_t length = load_u16(at + ip + 2);
  if (length < Ipv4View::min_header_size || length > frame.size() - ip) return std::nullopt;
  return Ipv4View::plain(frame.subspan(ip, length));
}

}  // namespace pollux::wire
