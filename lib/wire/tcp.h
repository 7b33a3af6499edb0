#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/assert.h"
#include "base/counters.h"
#include "wire/checksum.h"
#include "wire/field.h"
#include "wire/seq_num.h"

namespace pollux::wire {

/// The control bits (RFC 9293 s.3.1), in the order of the wire.
namespace control {
inline constexpr std::uint8_t fin = 1;
inline constexpr std::uint8_t syn = 2;
inline constexpr std::uint8_t rst = 4;
inline constexpr std::uint8_t psh = 8;
inline constexpr std::uint8_t ack = 16;
inline constexpr std::uint8_t urg = 32;
inline constexpr std::uint8_t ece = 64;
inline constexpr std::uint8_t cwr = 128;
}  // namespace control

/// A TCP segment whose header exists, options included (RFC 9293 s.3.1). A default view is of
/// nothing, and only parse makes it readable.
class TcpView {
 public:
  static constexpr std::size_t min_header_size = 20;
  static constexpr std::size_t max_header_size = 60;
  static constexpr std::size_t checksum_offset = 16;

  TcpView() noexcept = default;

  /// Drop::none, and `out` is the segment that fills `bytes`, an IPv4 payload; or tcp_truncated (no
  /// whole minimal header) or tcp_bad_data_offset (under 20 bytes, or over those at hand), and
  /// `out` is unchanged. The checksum is not looked at.
  static Drop parse(std::span<const std::byte> bytes, TcpView& out) noexcept {
    if (bytes.size() < min_header_size) return Drop::tcp_truncated;
    const std::size_t offset = std::size_t{4} * (load_u8(bytes.data() + 12) >> 4);
    if (offset < min_header_size || offset > bytes.size()) return Drop::tcp_bad_data_offset;
    out.segment_ = bytes;
    return Drop::none;
  }

  std::uint16_t source_port() const noexcept { return load_u16(at(0)); }
  std::uint16_t destination_port() const noexcept { return load_u16(at(2)); }
  SeqNum seq() const noexcept { return SeqNum{load_u32(at(4))}; }
  /// Means something only with control::ack.
  SeqNum ack() const noexcept { return SeqNum{load_u32(at(8))}; }
  /// The header's length, 20 to 60.
  std::size_t data_offset_bytes() const noexcept { return std::size_t{4} * (load_u8(at(12)) >> 4); }
  std::uint8_t control() const noexcept { return load_u8(at(13)); }
  /// As the field says, not yet scaled.
  std::uint16_t window() const noexcept { return load_u16(at(14)); }
  std::uint16_t checksum() const noexcept { return load_u16(at(checksum_offset)); }
  std::uint16_t urgent_pointer() const noexcept { return load_u16(at(18)); }

  std::span<const std::byte> header() const noexcept { return segment_.first(data_offset_bytes()); }
  std::span<const std::byte> options() const noexcept { return header().subspan(min_header_size); }
  std::span<const std::byte> text() const noexcept { return segment_.subspan(data_offset_bytes()); }
  /// `pseudo_header` is the sum with the length of header and text in it.
  bool checksum_ok(const Sum& pseudo_header) const noexcept {
    return fold(add(pseudo_header, Sum{segment_})) == 0;
  }

 private:
  const std::byte* at(std::size_t offset) const noexcept {
    POLLUX_ASSERT(segment_.data() != nullptr);
    return segment_.data() + offset;
  }

  std::span<const std::byte> segment_;
};

/// The values of a TCP header, its options apart (tcp_options.h).
struct TcpFields {
  static constexpr std::size_t size = TcpView::min_header_size;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  SeqNum seq{};
  SeqNum ack{};
  std::uint8_t control = 0;
  std::uint8_t options_length = 0;  // bytes behind these 20, a multiple of 4, at most 40
  std::uint16_t window = 0;
  std::uint16_t checksum = 0;
  std::uint16_t urgent_pointer = 0;

  /// Writes `size` bytes at the front of `to`, and returns their sum; the options are the caller's
  /// to write behind them.
  Sum write(std::span<std::byte> to) const noexcept {
    POLLUX_ASSERT(to.size() >= size + options_length);
    POLLUX_ASSERT(options_length % 4 == 0 && options_length <= 40);
    const auto data_offset = static_cast<std::uint32_t>(size + options_length) / 4;
    return store_words(to.data(),
                       std::array<std::uint32_t, 5>{
                           std::uint32_t{source_port} << 16 | destination_port, seq.value(),
                           ack.value(), data_offset << 28 | std::uint32_t{control} << 16 | window,
                           std::uint32_t{checksum} << 16 | urgent_pointer});
  }
};

}  // namespace pollux::wire
