#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "wire/field.h"

/// A promise that a fuzzer watches. It holds with assertions compiled out, too.
#define POLLUX_REQUIRE(condition)                                                  \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                \
    }                                                                              \
  } while (false)

/// What every fuzzer is: libFuzzer calls it with bytes of its own, replay.cc with those of a file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace pollux::fuzz {

/// Bytes that are read as a program, front to back. Total: past their end everything is 0.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) noexcept
      : bytes_(std::as_bytes(std::span{data, size})) {}
  explicit Input(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

  bool empty() const noexcept { return bytes_.empty(); }
  std::size_t size() const noexcept { return bytes_.size(); }
  std::uint8_t u8() noexcept {
    const auto at = take(1);
    return at.empty() ? std::uint8_t{0} : wire::load_u8(at.data());
  }
  std::uint16_t u16() noexcept {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint32_t u32() noexcept {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  bool flag() noexcept { return (u8() & 1) != 0; }
  /// Below n, 0 < n <= 256.
  unsigned below(unsigned n) noexcept { return u8() % n; }
  /// The next n bytes, or as many as there are.
  std::span<const std::byte> take(std::size_t n) noexcept {
    const auto front = bytes_.first(std::min(n, bytes_.size()));
    bytes_ = bytes_.subspan(front.size());
    return front;
  }
  std::span<const std::byte> rest() noexcept { return take(bytes_.size()); }

 private:
  std::span<const std::byte> bytes_;
};

/// Whether all of `inner` lies in `outer`; what is empty lies everywhere.
inline bool inside(std::span<const std::byte> inner, std::span<const std::byte> outer) noexcept {
  return inner.empty() || (inner.data() >= outer.data() &&
                           inner.data() + inner.size() <= outer.data() + outer.size());
}

/// The Internet checksum as RFC 1071 s.1 defines it, for what faster code must equal.
inline std::uint16_t plain_checksum(std::span<const std::byte> bytes,
                                    std::uint64_t sum = 0) noexcept {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::uint64_t value = wire::load_u8(&bytes[i]);
    sum += i % 2 == 0 ? value << 8 : value;
  }
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace pollux::fuzz
