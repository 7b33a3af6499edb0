#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/assert.h"
#include "base/counters.h"
#include "wire/address.h"
#include "wire/checksum.h"
#include "wire/field.h"

namespace pollux::wire {

/// What follows an IPv4 header (IANA protocol numbers).
namespace protocol {
inline constexpr std::uint8_t icmp = 1;
inline constexpr std::uint8_t tcp = 6;
inline constexpr std::uint8_t udp = 17;
}  // namespace protocol

/// An IPv4 datagram whose header exists, and whose payload exists to its total length (RFC 791
/// s.3.1). A default view is of nothing, and only parse makes it readable.
class Ipv4View {
 public:
  static constexpr std::size_t min_header_size = 20;
  static constexpr std::size_t checksum_offset = 10;

  Ipv4View() noexcept = default;

  /// Drop::none, and `out` is the datagram at the front of `bytes`; what follows its total length
  /// is Ethernet's padding. Otherwise the first of these that holds: ipv4_truncated (no whole
  /// header), ipv4_bad_version, ipv4_bad_header_length (under 20 bytes), ipv4_bad_total_length
  /// (under the header's), ipv4_truncated (over the bytes at hand); `out` is unchanged. The
  /// checksum is not looked at.
  static Drop parse(std::span<const std::byte> bytes, Ipv4View& out) noexcept {
    return parse(bytes, out, false);
  }
  /// The same for a datagram quoted by an ICMP error, of which only the front need be there: the
  /// header whole, the payload as far as it goes.
  static Drop parse_quoted(std::span<const std::byte> bytes, Ipv4View& out) noexcept {
    return parse(bytes, out, true);
  }

  std::size_t header_length() const noexcept { return header_length_; }
  std::uint8_t tos() const noexcept { return load_u8(at(1)); }
  std::uint8_t dscp() const noexcept { return tos() >> 2; }
  std::uint8_t ecn() const noexcept { return tos() & 3; }
  /// As the field says: header and payload. In a quoted datagram it may exceed what is there.
  std::uint16_t total_length() const noexcept { return load_u16(at(2)); }
  std::uint16_t identification() const noexcept { return load_u16(at(4)); }
  bool dont_fragment() const noexcept { return (load_u16(at(6)) & 0x4000) != 0; }
  bool more_fragments() const noexcept { return (load_u16(at(6)) & 0x2000) != 0; }
  std::uint16_t fragment_offset_bytes() const noexcept {
    return static_cast<std::uint16_t>((load_u16(at(6)) & 0x1FFF) << 3);
  }
  /// One of several pieces, be it the first.
  bool is_fragment() const noexcept { return (load_u16(at(6)) & 0x3FFF) != 0; }
  std::uint8_t ttl() const noexcept { return load_u8(at(8)); }
  std::uint8_t protocol() const noexcept { return load_u8(at(9)); }
  std::uint16_t checksum() const noexcept { return load_u16(at(checksum_offset)); }
  Ipv4Address source() const noexcept { return Ipv4Address{load_u32(at(12))}; }
  Ipv4Address destination() const noexcept { return Ipv4Address{load_u32(at(16))}; }

  std::span<const std::byte> header() const noexcept { return {at(0), header_length_}; }
  std::span<const std::byte> options() const noexcept { return header().subspan(min_header_size); }
  /// Ends with the total length, before any padding of the frame.
  std::span<const std::byte> payload() const noexcept {
    return {at(header_length_), std::size_t{end_} - header_length_};
  }
  bool checksum_ok() const noexcept {
    // Nearly always: a constant length leaves no loop.
    if (header_length_ == min_header_size) return fold(Sum{{at(0), min_header_size}}) == 0;
    return fold(Sum{header()}) == 0;
  }
  /// The pseudo-header's sum for the payload, which must be whole, not a fragment.
  Sum pseudo_header() const noexcept {
    return wire::pseudo_header(source(), destination(), protocol(),
                               static_cast<std::uint16_t>(end_ - header_length_));
  }

 private:
  static Drop parse(std::span<const std::byte> bytes, Ipv4View& out, bool quoted) noexcept {
    if (bytes.size() < min_header_size) return Drop::ipv4_truncated;
    const std::uint8_t first = load_u8(bytes.data());
    const std::uint16_t header_length = static_cast<std::uint16_t>((first & 0x0F) * 4);
    const std::uint16_t total_length = load_u16(bytes.data() + 2);
    if (first >> 4 != 4) return Drop::ipv4_bad_version;
    if (header_length < min_header_size) return Drop::ipv4_bad_header_length;
    if (total_length < header_length) return Drop::ipv4_bad_total_length;
    if (bytes.size() < (quoted ? header_length : total_length)) return Drop::ipv4_truncated;
    out.begin_ = bytes.data();
    out.header_length_ = header_length;
    out.end_ = static_cast<std::uint16_t>(std::min<std::size_t>(total_length, bytes.size()));
    return Drop::none;
  }
  const std::byte* at(std::size_t offset) const noexcept {
    POLLUX_ASSERT(begin_ != nullptr);
    return begin_ + offset;
  }

  const std::byte* begin_ = nullptr;
  std::uint16_t header_length_ = 0;
  std::uint16_t end_ = 0;
};

/// The values of an IPv4 header without options.
struct Ipv4Fields {
  static constexpr std::size_t size = Ipv4View::min_header_size;
  std::uint8_t tos = 0;
  std::uint16_t total_length = size;  // bytes, the header's 20 included
  std::uint16_t identification = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  std::uint16_t fragment_offset_bytes = 0;  // a multiple of 8
  std::uint8_t ttl = 64;
  std::uint8_t protocol = 0;
  Ipv4Address source{};
  Ipv4Address destination{};

  /// Writes `size` bytes at the front of `to`, the header's checksum included.
  void write(std::span<std::byte> to) const noexcept {
    const Sum sum = write_without_checksum(to);
    store_u16(to.data() + Ipv4View::checksum_offset, fold(sum));
  }
  /// The same with 0 in the checksum's place, for a device that fills it in. The sum of the header
  /// comes from the values: reading back what was just stored in other sizes would wait for it.
  Sum write_without_checksum(std::span<std::byte> to) const noexcept {
    POLLUX_ASSERT(to.size() >= size && total_length >= size && fragment_offset_bytes % 8 == 0);
    const std::uint32_t fragment = (dont_fragment ? 0x4000u : 0u) |
                                   (more_fragments ? 0x2000u : 0u) |
                                   std::uint32_t{fragment_offset_bytes} >> 3;
    return store_words(to.data(), std::array<std::uint32_t, 5>{
                                      0x4500'0000u | std::uint32_t{tos} << 16 | total_length,
                                      std::uint32_t{identification} << 16 | fragment,
                                      std::uint32_t{ttl} << 24 | std::uint32_t{protocol} << 16,
                                      source.value(), destination.value()});
  }
};

}  // namespace pollux::wire
