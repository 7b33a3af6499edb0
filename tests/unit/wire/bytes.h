#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "base/prng.h"

namespace pollux::wire::testing {

/// Bytes on the heap, exactly as many as there are, so that a sanitizer sees a read past the end.
using Bytes = std::vector<std::byte>;

inline Bytes bytes(std::initializer_list<int> values) {
  Bytes out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

inline Bytes random_bytes(Prng& prng, std::size_t n) {
  Bytes out(n);
  for (std::byte& b : out) b = static_cast<std::byte>(prng.next() & 0xFF);
  return out;
}

/// The first n bytes, alone.
inline Bytes front(std::span<const std::byte> from, std::size_t n) {
  return Bytes(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(n));
}

inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Reads every byte, so that a sanitizer sees a span that reaches too far.
inline unsigned touch(std::span<const std::byte> span) {
  unsigned sum = 0;
  for (const std::byte b : span) sum += std::to_integer<unsigned>(b);
  return sum;
}

/// The definition of RFC 1071 s.1, word by word: what faster code has to equal.
inline std::uint16_t naive_checksum(std::span<const std::byte> data) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    const auto value = std::to_integer<std::uint64_t>(data[i]);
    sum += i % 2 == 0 ? value << 8 : value;
  }
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace pollux::wire::testing
