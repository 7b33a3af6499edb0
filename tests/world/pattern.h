#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/prng.h"

namespace pollux::world {

/// The bytes that streams are made of: each stream's are a long sequence of pseudo-random bytes
/// that begins at a place of its own, so that any shift, swap or repetition shows. They lie in
/// memory for good and can be sent as static spans.
class Pattern {
 public:
  Pattern() : bytes_(2 * period) {
    Prng prng{0x50A77E12};
    for (std::size_t i = 0; i < period; ++i) {
      bytes_[i] = bytes_[i + period] = static_cast<std::byte>(prng.next());
    }
  }

  /// n <= longest bytes of a stream from `offset` on.
  static constexpr std::size_t longest = 65'521;
  std::span<const std::byte> bytes(std::uint32_t stream, std::size_t offset, std::size_t n) const {
    return std::span{bytes_}.subspan((start(stream) + offset) % period, n);
  }
  bool matches(std::uint32_t stream, std::size_t offset, std::span<const std::byte> seen) const {
    while (!seen.empty()) {
      const std::size_t n = std::min(seen.size(), longest);
      if (std::memcmp(bytes(stream, offset, n).data(), seen.data(), n) != 0) return false;
      offset += n;
      seen = seen.subspan(n);
    }
    return true;
  }

 private:
  static constexpr std::size_t period = 65'521;
  static std::size_t start(std::uint32_t stream) { return Prng{stream}.below(period); }
  std::vector<std::byte> bytes_;
};

}  // namespace pollux::world
