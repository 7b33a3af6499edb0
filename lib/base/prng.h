#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/assert.h"

namespace pollux {

/// A seeded stream of pseudo-random numbers (xoshiro256**, Blackman and Vigna 2018): the same seed
/// gives the same stream on every machine, so that a failure replays. It is not for secrets: keys
/// and initial sequence numbers come from SipHash under a key that the adapter brings.
class Prng {
 public:
  /// Any seed will do, 0 too: the state is spread from it by splitmix64 and is never all zero.
  explicit constexpr Prng(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
  }

  /// 64 uniform bits.
  constexpr std::uint64_t next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// 32 uniform bits.
  constexpr std::uint32_t next32() noexcept { return static_cast<std::uint32_t>(next() >> 32); }

  /// Uniform in [0, n), without bias; n > 0.
  constexpr std::uint64_t below(std::uint64_t n) noexcept {
    POLLUX_ASSERT(n > 0);
    // 2^64 mod n values would make the low remainders likelier than the rest: they are thrown away.
    const std::uint64_t excess = (0 - n) % n;
    std::uint64_t value = next();
    while (value < excess) value = next();
    return value % n;
  }

  /// Uniform in [0, 1), a multiple of 2^-53.
  constexpr double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  /// True with probability p: never when p <= 0, always when p >= 1.
  constexpr bool chance(double p) noexcept { return unit() < p; }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace pollux
