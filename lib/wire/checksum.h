#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/assert.h"
#include "base/inline.h"
#include "wire/address.h"
#include "wire/field.h"

/// The Internet checksum (RFC 1071, RFC 1624).
///
/// Byte order: every std::uint16_t here, checksums included, is a plain number, most significant
/// byte first on the wire: store it with store_u16, read it with load_u16. Only the inside of Sum
/// adds bytes in words as they lie in memory, which RFC 1071 s.2(B) allows, and turns the result at
/// the end.
namespace pollux::wire {

/// The one's complement sum of some bytes, not yet folded to 16 bits. Pieces are added in the order
/// in which they lie in the packet, and may have any length: after an odd number of bytes the next
/// piece starts in the second half of a word. Sums never overflow: those of bytes carry around at
/// 64 bits, of which 16 is a divisor, and those of numbers would take 2^31 of them. A default Sum
/// is that of no bytes.
class Sum {
 public:
  constexpr Sum() noexcept = default;
  POLLUX_INLINE explicit Sum(std::span<const std::byte> bytes) noexcept { add(bytes); }

  /// Of N bytes, a multiple of 4, without a loop.
  template <std::size_t N>
  POLLUX_INLINE static Sum of_fixed(const std::byte* at) noexcept {
    static_assert(N % 4 == 0);
    Carrying carrying;
    for (std::size_t i = 0; i + 8 <= N; i += 8) carrying.take<std::uint64_t>(at + i);
    if constexpr (N % 8 != 0) carrying.take<std::uint32_t>(at + N - 4);
    Sum sum;
    sum.value_ = carrying.value();
    return sum;
  }
  /// Of so many bytes whose partial() is known.
  static constexpr Sum of_partial(std::uint16_t partial, std::size_t bytes) noexcept {
    Sum sum;
    sum.numbers_ = static_cast<std::uint64_t>(bytes) << 63 | partial;
    return sum;
  }

  /// Appends bytes. Headers are summed in place, in words of 64 bits; for more than that a call to
  /// a loop that uses all the lanes of the machine is soon paid for.
  POLLUX_INLINE Sum& add(std::span<const std::byte> bytes) noexcept {
    const Sum next = bytes.size() <= inline_limit ? of_few(bytes) : of_many(bytes);
    return add(next);
  }
  /// Appends the bytes that `next` is the sum of.
  constexpr Sum& add(const Sum& next) noexcept {
    if (odd()) {
      carry_in(std::rotl(next.value_, 8));
      numbers_ ^= next.numbers_ & odd_bit;
      numbers_ += std::rotl(to_half_word(next.numbers()), 8);
    } else {
      carry_in(next.value_);
      numbers_ += next.numbers_;
    }
    return *this;
  }
  /// Adds a number as if its two (four) bytes stood at an even offset, without moving the offset
  /// at which the next piece goes on: for fields whose place in the sum does not matter.
  constexpr Sum& add_u16(std::uint16_t number) noexcept { return add_u32(number); }
  constexpr Sum& add_u32(std::uint32_t number) noexcept {
    numbers_ += number;
    return *this;
  }

  /// The same for numbers of 16 and 32 bits that were added up already: fewer than 2^30 of them.
  constexpr Sum& add_numbers(std::uint64_t sum) noexcept {
    numbers_ += sum;
    return *this;
  }

  /// The same for a number among bytes that is_whole() is then asked of.
  constexpr Sum& add_to_bytes(std::uint16_t number) noexcept {
    carry_in(swapped_to_wire(number));
    return *this;
  }

  /// Whether fold() is 0, for the bytes of a header or of what has one, which are never all zeros;
  /// no other numbers were added.
  constexpr bool is_whole() const noexcept {
    POLLUX_ASSERT(numbers() == 0 && value_ != 0);
    return value_ % 0xFFFF == 0;  // 2^16 is 1, modulo that
  }

  /// The sum folded to 16 bits, not complemented: what a device that finishes checksums on send
  /// expects in the field, and a compact form to keep (`Sum{}.add_u16(kept)` has the same fold).
  constexpr std::uint16_t partial() const noexcept {
    return to_half_word(numbers() + swapped_to_wire(to_half_word(value_)));
  }

 private:
  friend Sum copy_and_sum(std::span<std::byte> to, std::span<const std::byte> from) noexcept;

  // The longest TCP header is 60 bytes.
  static constexpr std::size_t inline_limit = 64;

  static constexpr std::uint16_t to_half_word(std::uint64_t value) noexcept {
    // A half added to the other, and the carry of the lower sum, end up in the upper half.
    const auto half = static_cast<std::uint32_t>((value + std::rotl(value, 32)) >> 32);
    return static_cast<std::uint16_t>((half + std::rotl(half, 16)) >> 16);
  }
  constexpr void carry_in(std::uint64_t value) noexcept {
    value_ += value;
    value_ += static_cast<std::uint64_t>(value_ < value);
  }
  /// Words as they lie in memory, whose carries are counted, to be added in the end.
  class Carrying {
   public:
    template <class Word>
    POLLUX_INLINE void take(const std::byte* at) noexcept {
      Word word;
      std::memcpy(&word, at, sizeof word);
      add(word);
    }
    POLLUX_INLINE void add(std::uint64_t word) noexcept {
      low_ += word;
      carries_ += static_cast<std::uint64_t>(low_ < word);
    }
    std::uint64_t value() const noexcept {
      const std::uint64_t value = low_ + carries_;
      return value + static_cast<std::uint64_t>(value < carries_);
    }

   private:
    std::uint64_t low_ = 0;
    std::uint64_t carries_ = 0;
  };
  static Sum of_few(std::span<const std::byte> bytes) noexcept {
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    Carrying carrying;
    for (; left >= 32; left -= 32, at += 32) {
      carrying.take<std::uint64_t>(at);
      carrying.take<std::uint64_t>(at + 8);
      carrying.take<std::uint64_t>(at + 16);
      carrying.take<std::uint64_t>(at + 24);
    }
    if ((left & 16) != 0) {
      carrying.take<std::uint64_t>(at);
      carrying.take<std::uint64_t>(at + 8);
      at += 16;
    }
    if ((left & 8) != 0) {
      carrying.take<std::uint64_t>(at);
      at += 8;
    }
    if ((left & 4) != 0) {
      carrying.take<std::uint32_t>(at);
      at += 4;
    }
    if ((left & 2) != 0) {
      carrying.take<std::uint16_t>(at);
      at += 2;
    }
    // An odd byte has a zero after it (RFC 1071 s.4.1).
    if ((left & 1) != 0) {
      carrying.add(swapped_to_wire(static_cast<std::uint16_t>(load_u8(at) << 8)));
    }
    Sum sum;
    sum.value_ = carrying.value();
    sum.numbers_ = static_cast<std::uint64_t>(bytes.size()) << 63;
    return sum;
  }
  static Sum of_many(std::span<const std::byte> bytes) noexcept;

  static constexpr std::uint64_t odd_bit = std::uint64_t{1} << 63;
  constexpr bool odd() const noexcept { return (numbers_ & odd_bit) != 0; }
  constexpr std::uint64_t numbers() const noexcept { return numbers_ & ~odd_bit; }

  // Two words, so that a Sum is returned in registers.
  std::uint64_t value_ = 0;  // of bytes: words as they lie in memory
  std::uint64_t numbers_ =
      0;  // of numbers, as they are; the first bit: the bytes are odd in number
};
static_assert(sizeof(Sum) == 2 * sizeof(std::uint64_t));

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

/// Stores numbers of 32 bits one after another and returns the sum of the bytes that they became,
/// without reading them back.
template <std::size_t N>
Sum store_words(std::byte* at, const std::array<std::uint32_t, N>& words) noexcept {
  Sum sum;
  for (std::size_t i = 0; i < N; ++i) {
    store_u32(at + 4 * i, words[i]);
    sum.add_u32(words[i]);
  }
  return sum;
}

/// Copies all of `from` to the front of `to`, which is at least as long and does not overlap it,
/// and sums it in the same pass.
Sum copy_and_sum(std::span<std::byte> to, std::span<const std::byte> from) noexcept;

}  // namespace pollux::wire
