#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/inline.h"

namespace pollux {

/// A secret of 128 bits. Whoever does not know it can neither foretell a hash nor aim collisions.
struct SipKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;

  friend constexpr bool operator==(const SipKey&, const SipKey&) noexcept = default;
};

namespace detail {

/// The four words that SipHash stirs (Aumasson and Bernstein, "SipHash: a fast short-input PRF",
/// 2012, section 2).
struct SipState {
  std::uint64_t v0, v1, v2, v3;

  explicit constexpr SipState(SipKey key) noexcept
      : v0(key.k0 ^ 0x736f6d6570736575),
        v1(key.k1 ^ 0x646f72616e646f6d),
        v2(key.k0 ^ 0x6c7967656e657261),
        v3(key.k1 ^ 0x7465646279746573) {}

  POLLUX_INLINE constexpr void round() noexcept {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }

  template <int Rounds>
  POLLUX_INLINE constexpr void absorb(std::uint64_t word) noexcept {
    v3 ^= word;
    for (int i = 0; i < Rounds; ++i) round();
    v0 ^= word;
  }

  template <int Rounds>
  POLLUX_INLINE constexpr std::uint64_t finish() noexcept {
    v2 ^= 0xff;
    for (int i = 0; i < Rounds; ++i) round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

/// SipHash-c-d of any number of bytes, words read little-endian whatever the machine.
template <int C, int D>
constexpr std::uint64_t siphash(SipKey key, std::span<const std::byte> bytes) noexcept {
  SipState state{key};
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    word |= static_cast<std::uint64_t>(bytes[i]) << (i % 8 * 8);
    if (i % 8 == 7) {
      state.absorb<C>(word);
      word = 0;
    }
  }
  state.absorb<C>(word | static_cast<std::uint64_t>(bytes.size()) << 56);
  return state.finish<D>();
}

}  // namespace detail

/// SipHash-2-4: the keyed hash for what a stranger must not foretell (initial sequence numbers, RFC
/// 6528 s.3; SYN cookies). For short inputs off the hottest path.
constexpr std::uint64_t siphash24(SipKey key, std::span<const std::byte> bytes) noexcept {
  return detail::siphash<2, 4>(key, bytes);
}

/// SipHash-2-4 of some words' bytes, each word little-endian: equal to siphash24() of them, without
/// the byte loop.
template <std::same_as<std::uint64_t>... Words>
constexpr std::uint64_t siphash24_words(SipKey key, Words... words) noexcept {
  detail::SipState state{key};
  (state.absorb<2>(words), ...);
  state.absorb<2>(std::uint64_t{8 * sizeof...(words)} << 56);
  return state.finish<4>();
}

/// The same of twelve bytes, a word and a half.
constexpr std::uint64_t siphash24_words(SipKey key, std::uint64_t first,
                                        std::uint32_t second) noexcept {
  detail::SipState state{key};
  state.absorb<2>(first);
  state.absorb<2>(std::uint64_t{12} << 56 | second);
  return state.finish<4>();
}

}  // namespace pollux
