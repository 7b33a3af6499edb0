#include "wire/checksum.h"

#include <cstring>

#include "base/assert.h"

namespace pollux::wire {
namespace {

/// From this many bytes on, words of 32 bits are added in all the lanes that the machine has:
/// accumulators of 64 bits do not overflow before 16 GiB, so that nothing is carried from step to
/// step. Below it, filling the lanes and adding them up takes longer than the sum.
constexpr std::size_t worth_lanes = 256;

std::uint64_t load_word(const std::byte* at) noexcept {
  std::uint32_t raw;
  std::memcpy(&raw, at, sizeof raw);
  return raw;
}

// Up to three bytes, with zeros after them as RFC 1071 s.4.1 pads an odd one.
std::uint64_t load_tail(const std::byte* at, std::size_t n) noexcept {
  std::uint32_t raw = 0;
  std::memcpy(&raw, at, n);
  return raw;
}

}  // namespace

Sum Sum::of_many(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < worth_lanes) return of_few(bytes);
  const std::byte* const at = bytes.data();
  const std::size_t n = bytes.size();
  const std::size_t whole = n & ~std::size_t{3};
  Sum sum;
  for (std::size_t i = 0; i < whole; i += 4) sum.value_ += load_word(at + i);
  if (whole != n) sum.value_ += load_tail(at + whole, n - whole);
  sum.numbers_ = static_cast<std::uint64_t>(n) << 63;
  return sum;
}

Sum copy_and_sum(std::span<std::byte> to, std::span<const std::byte> from) noexcept {
  POLLUX_ASSERT(to.size() >= from.size());
  if (from.size() < worth_lanes) {
    if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
    return Sum::of_few(from);
  }
  const std::byte* __restrict const source = from.data();
  std::byte* __restrict const target = to.data();
  const std::size_t n = from.size();
  const std::size_t whole = n & ~std::size_t{3};
  Sum sum;
  for (std::size_t i = 0; i < whole; i += 4) {
    sum.value_ += load_word(source + i);
    std::memcpy(target + i, source + i, 4);
  }
  if (whole != n) {
    sum.value_ += load_tail(source + whole, n - whole);
    std::memcpy(target + whole, source + whole, n - whole);
  }
  sum.numbers_ = static_cast<std::uint64_t>(n) << 63;
  return sum;
}

}  // namespace pollux::wire
