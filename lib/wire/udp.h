#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/assert.h"
#include "base/counters.h"
#include "wire/checksum.h"
#include "wire/field.h"

namespace pollux::wire {

/// A UDP datagram that exists to its own length (RFC 768). A default view is of nothing, and only
/// parse makes it readable.
class UdpView {
 public:
  static constexpr std::size_t header_size = 8;
  static constexpr std::size_t checksum_offset = 6;

  UdpView() noexcept = default;

  /// Drop::none, and `out` is the datagram at the front of an IPv4 payload; or udp_truncated (no
  /// whole header) or udp_bad_length (under the header's, or over the bytes at hand), and `out` is
  /// unchanged. The checksum is not looked at.
  static Drop parse(std::span<const std::byte> bytes, UdpView& out) noexcept {
    if (bytes.size() < header_size) return Drop::udp_truncated;
    const std::uint16_t length = load_u16(bytes.data() + 4);
    if (length < header_size || length > bytes.size()) return Drop::udp_bad_length;
    out.begin_ = bytes.data();
    out.length_ = length;
    return Drop::none;
  }

  std::uint16_t source_port() const noexcept { return load_u16(at(0)); }
  std::uint16_t destination_port() const noexcept { return load_u16(at(2)); }
  /// Header and payload, in bytes.
  std::uint16_t length() const noexcept { return length_; }
  std::uint16_t checksum() const noexcept { return load_u16(at(checksum_offset)); }
  std::span<const std::byte> payload() const noexcept {
    return {at(header_size), length_ - header_size};
  }
  /// `pseudo_header` is the sum with length() in it. A checksum of 0 means that the sender made
  /// none, and is right (RFC 768; RFC 1122 s.4.1.3.4).
  bool checksum_ok(const Sum& pseudo_header) const noexcept {
    return checksum() == 0 || fold(add(pseudo_header, Sum{{at(0), length_}})) == 0;
  }

 private:
  const std::byte* at(std::size_t offset) const noexcept {
    POLLUX_ASSERT(begin_ != nullptr);
    return begin_ + offset;
  }

  const std::byte* begin_ = nullptr;
  std::uint16_t length_ = 0;
};

/// The checksum that UDP sends for a finished sum: 0 goes out as 0xFFFF, since 0 means none.
constexpr std::uint16_t fold_udp(const Sum& sum) noexcept {
  const std::uint16_t checksum = fold(sum);
  return checksum == 0 ? 0xFFFF : checksum;
}

/// The values of a UDP header.
struct UdpFields {
  static constexpr std::size_t size = UdpView::header_size;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint16_t length = size;  // bytes, the header's 8 included
  std::uint16_t checksum = 0;   // 0: none

  /// Writes `size` bytes at the front of `to`, and returns their sum.
  Sum write(std::span<std::byte> to) const noexcept {
    POLLUX_ASSERT(to.size() >= size && length >= size);
    return store_words(
        to.data(), std::array<std::uint32_t, 2>{std::uint32_t{source_port} << 16 | destination_port,
                                                std::uint32_t{length} << 16 | checksum});
  }
};

}  // namespace pollux::wire
