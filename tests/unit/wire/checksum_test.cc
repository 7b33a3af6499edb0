#include "wire/checksum.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "bytes.h"
#include "wire/field.h"

namespace pollux::wire {
namespace {

using testing::bytes;
using testing::Bytes;
using testing::naive_checksum;
using testing::random_bytes;

TEST(Checksum, EqualsTheExampleOfRfc1071) {
  const Bytes b = bytes({0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7});
  EXPECT_EQ(Sum{b}.partial(), 0xddf2);
  EXPECT_EQ(fold(Sum{b}), 0x220d);
}

TEST(Checksum, OfNothingAndOfZeros) {
  EXPECT_EQ(fold(Sum{}), 0xFFFF);
  EXPECT_EQ(fold(Sum{std::span<const std::byte>{}}), 0xFFFF);
  EXPECT_EQ(fold(Sum{Bytes(64)}), 0xFFFF);
}

TEST(Checksum, EqualsTheNaiveOneAtEveryAlignmentAndLength) {
  Prng prng{4};
  const Bytes pool = random_bytes(prng, 8 + 200);
  for (std::size_t offset = 0; offset < 8; ++offset) {
    for (std::size_t n = 0; n <= 200; ++n) {
      const Bytes exact(pool.begin() + static_cast<std::ptrdiff_t>(offset),
                        pool.begin() + static_cast<std::ptrdiff_t>(offset + n));
      const std::uint16_t expected = naive_checksum(exact);
      EXPECT_EQ(fold(Sum{std::span{pool}.subspan(offset, n)}), expected) << offset << ' ' << n;
      EXPECT_EQ(fold(Sum{exact}), expected) << n;
    }
  }
}

TEST(Checksum, CarriesOverLargeAndFullWords) {
  for (const std::size_t n : {std::size_t{1500}, std::size_t{65535}, std::size_t{65536},
                              std::size_t{1} << 20, (std::size_t{1} << 20) + 3}) {
    EXPECT_EQ(fold(Sum{Bytes(n, std::byte{0xFF})}), naive_checksum(Bytes(n, std::byte{0xFF}))) << n;
  }
  Prng prng{5};
  for (int i = 0; i < 50; ++i) {
    const Bytes b = random_bytes(prng, prng.below(65'537));
    EXPECT_EQ(fold(Sum{b}), naive_checksum(b));
  }
}

TEST(Checksum, OfAFixedSizeIsTheSame) {
  Prng prng{7};
  for (int i = 0; i < 1'000; ++i) {
    const Bytes b = random_bytes(prng, 40);
    EXPECT_EQ(fold(Sum::of_fixed<20>(b.data())), naive_checksum(Bytes(b.begin(), b.begin() + 20)));
    EXPECT_EQ(fold(Sum::of_fixed<40>(b.data())), naive_checksum(b));
  }
}

TEST(Checksum, IsWholeWhereItsFoldIsZero) {
  Prng prng{8};
  int whole = 0;
  for (int i = 0; i < 20'000; ++i) {
    Bytes b = random_bytes(prng, 2 * (2 + prng.below(40)));
    b[0] = std::byte{0x45};
    const auto extra = static_cast<std::uint16_t>(prng.next());
    b[2] = b[3] = std::byte{0};
    Sum rest{b};
    rest.add_u16(extra);
    store_u16(&b[2], fold(rest));
    if (prng.chance(0.5)) b[prng.below(b.size())] ^= std::byte{1} << prng.below(8);
    const bool right = fold(Sum{b}.add_u16(extra)) == 0;
    EXPECT_EQ(Sum{b}.add_to_bytes(extra).is_whole(), right) << i;
    whole += right;
  }
  EXPECT_GT(whole, 8'000);
  EXPECT_LT(whole, 12'000);
}

TEST(Checksum, OfAPartialOneIsThatOfTheBytes) {
  Prng prng{9};
  for (int i = 0; i < 2'000; ++i) {
    const Bytes b = random_bytes(prng, prng.below(100));
    const Bytes more = random_bytes(prng, 5);
    EXPECT_EQ(fold(Sum::of_partial(Sum{b}.partial(), b.size()).add(more)), fold(Sum{b}.add(more)));
  }
}

TEST(Checksum, CarriesAroundTheAccumulator) {
  // Doubling passes 2^64 soon; modulo 2^16 - 1 each doubling is one of the folded sum.
  const Bytes b = bytes({0xFE, 0xDC, 0xBA, 0x98});
  Sum sum{b};
  std::uint32_t expected = Sum{b}.partial();
  for (int i = 0; i < 200; ++i) {
    sum.add(Sum{sum});
    expected *= 2;
    expected = (expected & 0xFFFF) + (expected >> 16);
    ASSERT_EQ(sum.partial(), expected) << i;
  }
}

TEST(Checksum, IsTheSameInPiecesOfAnyLength) {
  Prng prng{6};
  for (int i = 0; i < 5'000; ++i) {
    const Bytes b = random_bytes(prng, prng.below(300));
    Sum bytewise;
    Sum sumwise;
    for (std::size_t at = 0; at < b.size();) {
      const std::size_t n = std::min<std::size_t>(prng.below(20), b.size() - at);
      const auto piece = std::span{b}.subspan(at, n);
      bytewise.add(piece);
      sumwise = add(sumwise, Sum{piece});
      at += n;
    }
    EXPECT_EQ(fold(bytewise), naive_checksum(b));
    EXPECT_EQ(fold(sumwise), naive_checksum(b));
  }
}

TEST(Checksum, AddsNumbersAsTheirBytes) {
  const Bytes b = bytes({0x12, 0x34, 0x89, 0xAB, 0xCD, 0xEF});
  EXPECT_EQ(fold(Sum{}.add_u16(0x1234).add_u32(0x89AB'CDEF)), naive_checksum(b));
  const Bytes odd = bytes({0x77});
  EXPECT_EQ(fold(Sum{odd}.add_u16(0x1234).add(bytes({0x88}))),
            naive_checksum(bytes({0x77, 0x88, 0x12, 0x34})));
}

TEST(Checksum, PartialIsACompactSum) {
  Prng prng{7};
  for (int i = 0; i < 1'000; ++i) {
    const Bytes a = random_bytes(prng, prng.below(50) * 2);
    const Bytes b = random_bytes(prng, prng.below(50));
    const std::uint16_t kept = Sum{a}.partial();
    EXPECT_EQ(fold(Sum{}.add_u16(kept).add(b)), naive_checksum(testing::operator+(a, b)));
  }
}

TEST(Checksum, PseudoHeaderIsTwelveBytes) {
  const Bytes b = bytes({192, 0, 2, 1, 198, 51, 100, 7, 0, 6, 0x12, 0x34});
  const Ipv4Address source{192, 0, 2, 1};
  const Ipv4Address destination{198, 51, 100, 7};
  EXPECT_EQ(fold(pseudo_header(source, destination, 6, 0x1234)), naive_checksum(b));
  EXPECT_EQ(fold(pseudo_header(source, destination, 6, 0).add_u16(0x1234)), naive_checksum(b));
}

TEST(Checksum, UpdateEqualsTheExampleOfRfc1624) {
  EXPECT_EQ(update(0xDD2F, 0x5555, 0x3285), 0x0000);
}

TEST(Checksum, UpdateEqualsSummingAgain) {
  Prng prng{8};
  for (int i = 0; i < 20'000; ++i) {
    Bytes b = random_bytes(prng, 20);
    const std::uint16_t before = fold(Sum{b});
    const std::size_t at = prng.below(10) * 2;
    const std::uint16_t old_word = load_u16(b.data() + at);
    // Words at which one's complement has two zeros come often.
    const std::uint16_t choices[] = {0, 0xFFFF, 1, static_cast<std::uint16_t>(prng.next32())};
    const std::uint16_t new_word = choices[prng.below(4)];
    store_u16(b.data() + at, new_word);
    EXPECT_EQ(update(before, old_word, new_word), fold(Sum{b}));
  }
}

TEST(Checksum, CopyAndSumDoesBoth) {
  Prng prng{9};
  const Bytes pool = random_bytes(prng, 8 + 200);
  for (std::size_t from = 0; from < 8; ++from) {
    for (std::size_t n = 0; n <= 200; ++n) {
      const auto source = std::span<const std::byte>{pool}.subspan(from, n);
      Bytes target(n + from % 3, std::byte{0x5A});
      const Sum sum = copy_and_sum(target, source);
      EXPECT_EQ(fold(sum), naive_checksum(source));
      EXPECT_TRUE(std::equal(source.begin(), source.end(), target.begin()));
      for (std::size_t i = n; i < target.size(); ++i) EXPECT_EQ(target[i], std::byte{0x5A});
      // Its oddness travels too.
      EXPECT_EQ(fold(add(sum, Sum{source})), fold(Sum{source}.add(source)));
    }
  }
  const Bytes large = random_bytes(prng, 65'535);
  Bytes target(large.size());
  EXPECT_EQ(fold(copy_and_sum(target, large)), naive_checksum(large));
  EXPECT_EQ(target, large);
}

}  // namespace
}  // namespace pollux::wire
