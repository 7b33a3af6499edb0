#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "wire/address.h"
#include "wire/field.h"

/// The Internet checksum (RFC 1071, RFC 1624).
///
/// Byte order: every std::uint16_t here, checksums included, is a plain number, most significant
/// byte first on the wire: store it with store_u16, read it with load_u16. Only the inside of Sum
/// adds words as they lie in memory, which RFC 1071 s.2(B) allows, and turns the result at the end.
namespace pollux::wire {

/// The one's complement sum of some bytes, not yet folded to 16 bits. Pieces are added in the order
/// in which they lie in the packet, and may have any length: after an odd number of bytes the next
/// piece starts in the second half of a word. Sums never overflow: they carry around at 64 bits, of
/// which 16 is a divisor. A default Sum is that of no bytes.
class Sum {
 public:
  constexpr Sum() noexcept = default;
  explicit Sum(std::span<const std::byte> bytes) noexcept { add(bytes); }

  /// Appends bytes.
  Sum& add(std::span<const std::byte> bytes) noexcept;
  /// Appends the bytes that `next` is the sum of.
  constexpr Sum& add(const Sum& next) noexcept {
    carry_in(odd_ ? std::rotl(next.value_, 8) : next.value_);
    odd_ ^= next.odd_;
    return *this;
  }
  /// Adds a number as if its two (four) bytes stood at an even offset, without moving the offset
  /// at which the next piece goes on: for fields whose place in the sum does not matter.
  constexpr Sum& add_u16(std::uint16_t number) noexcept {
    carry_in(swapped_to_wire(number));
    return *this;
  }
  constexpr Sum& add_u32(std::uint32_t number) noexcept {
    carry_in(swapped_to_wire(number));
    return *this;
  }

  /// The sum folded to 16 bits, not complemented: what a device that finishes checksums on send
  /// expects in the field, and a compact form to keep (`Sum{}.add_u16(kept)` has the same fold).
  constexpr std::uint16_t partial() const noexcept {
    std::uint64_t value = (value_ & 0xFFFF'FFFF) + (value_ >> 32);
    value = (value & 0xFFFF) + (value >> 16 & 0xFFFF) + (value >> 32);
    value = (value & 0xFFFF) + (value >> 16);
    value = (value & 0xFFFF) + (value >> 16);
    return swapped_to_wire(static_cast<std::uint16_t>(value));
  }

 private:
  friend Sum copy_and_sum(std::span<std::byte> to, std::span<const std::byte> from) noexcept;

  constexpr void carry_in(std::uint64_t value) noexcept {
    value_ += value;
    value_ += static_cast<std::uint64_t>(value_ < value);
  }

  std::uint64_t value_ = 0;
  bool odd_ = false;
};

/// The sum of a's bytes followed by b's.
constexpr Sum add(Sum a, const Sum& b) noexcept { return a.add(b); }

/// The finished checksum: the complement of the folded sum, a number ready for store_u16. Over
/// bytes that contain their own right checksum it is 0.
constexpr std::uint16_t fold(const Sum& sum) noexcept {
  return static_cast<std::uint16_t>(~sum.partial());
}

/// The sum of the IPv4 pseudo-header of TCP and UDP (RFC 9293 s.3.1, RFC 768); `length` is that of
/// header and data. With length 0 it belongs to a whole connection: add_u16(length) per segment.
constexpr Sum pseudo_header(Ipv4Address source, Ipv4Address destination, std::uint8_t protocol,
                            std::uint16_t length) noexcept {
  return Sum{}
      .add_u32(source.value())
      .add_u32(destination.value())
      .add_u16(protocol)
      .add_u16(length);
}

/// The checksum after one 16-bit word that it covers has changed (RFC 1624 s.3, equation 3).
constexpr std::uint16_t update(std::uint16_t old_checksum, std::uint16_t old_word,
                               std::uint16_t new_word) noexcept {
  const auto not16 = [](std::uint16_t x) { return static_cast<std::uint16_t>(~x); };
  return fold(Sum{}.add_u16(not16(old_checksum)).add_u16(not16(old_word)).add_u16(new_word));
}

/// Copies all of `from` to the front of `to`, which is at least as long and does not overlap it,
/// and sums it in the same pass.
Sum copy_and_sum(std::span<std::byte> to, std::span<const std::byte> from) noexcept;

}  // namespace pollux::wire
