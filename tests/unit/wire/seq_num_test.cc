#include "wire/seq_num.h"

#include <gtest/gtest.h>

#include <concepts>
#include <type_traits>

#include "base/prng.h"

namespace pollux::wire {
namespace {

static_assert(!std::is_convertible_v<std::uint32_t, SeqNum>);
static_assert(!std::is_convertible_v<SeqNum, std::uint32_t>);
static_assert(!std::three_way_comparable<SeqNum>);

TEST(SeqNum, ComparesAcrossTheWrap) {
  const SeqNum before{0xFFFF'FFF0};
  const SeqNum after{0x10};
  EXPECT_LT(before, after);
  EXPECT_GT(after, before);
  EXPECT_EQ(after - before, 0x20);
  EXPECT_EQ(before - after, -0x20);
  EXPECT_EQ(before + 0x20u, after);
  EXPECT_EQ(after - 0x20u, before);
  EXPECT_EQ(max(before, after), after);
  EXPECT_EQ(min(before, after), before);
}

TEST(SeqNum, OrdersAllThatLiesWithinHalfTheCircle) {
  Prng prng{3};
  for (int i = 0; i < 10'000; ++i) {
    const SeqNum a{prng.next32()};
    const auto distance = static_cast<std::uint32_t>(1 + prng.below(0x7FFF'FFFF));
    const SeqNum b = a + distance;
    EXPECT_TRUE(a < b && a <= b && b > a && b >= a && a != b);
    EXPECT_FALSE(b < a || b <= a || a > b || a >= b);
    EXPECT_EQ(b - a, static_cast<std::int64_t>(distance));
  }
  const SeqNum same{7};
  EXPECT_TRUE(same <= SeqNum{7} && same >= SeqNum{7});
  EXPECT_FALSE(same < SeqNum{7} || same > SeqNum{7});
}

}  // namespace
}  // namespace pollux::wire
