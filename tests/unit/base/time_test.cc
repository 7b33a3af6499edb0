#include "base/time.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "base/prng.h"

namespace pollux {
namespace {

constexpr Instant at(Duration since_epoch) { return Instant{since_epoch}; }

TEST(Wrapped, RoundsDownToItsUnit) {
  EXPECT_EQ(Millis32{at(0ns)}.raw(), 0u);
  EXPECT_EQ(Millis32{at(999'999ns)}.raw(), 0u);
  EXPECT_EQ(Millis32{at(1ms)}.raw(), 1u);
  EXPECT_EQ(Micros32{at(1ms)}.raw(), 1000u);
  EXPECT_EQ(Millis32{at(-1ns)}.raw(), 0xffffffffu);
}

TEST(Wrapped, DistanceIsSignedAndSurvivesTheWrap) {
  const Millis32 before = Millis32::from_raw(0xfffffff0u);
  const Millis32 after = Millis32::from_raw(0x10u);
  EXPECT_EQ(after - before, 32ms);
  EXPECT_EQ(before - after, -32ms);
  EXPECT_EQ(before + 32ms, after);
  EXPECT_EQ(after + -32ms, before);
}

TEST(Wrapped, OrdersByDistanceAcrossTheWrap) {
  const Millis32 before = Millis32::from_raw(0xffffffffu);
  const Millis32 after = Millis32::from_raw(0u);
  EXPECT_LT(before, after);
  EXPECT_LE(before, after);
  EXPECT_GT(after, before);
  EXPECT_GE(after, before);
  EXPECT_NE(after, before);
  EXPECT_LE(before, before);
  EXPECT_GE(before, before);
  EXPECT_FALSE(before < before);
  EXPECT_FALSE(before > before);
}

TEST(Wrapped, HalfAWrapIsTheLimitOfOrder) {
  const Millis32 zero;
  EXPECT_LT(zero, Millis32::from_raw(0x7fffffffu));
  EXPECT_GT(zero, Millis32::from_raw(0x80000001u));
}

TEST(Wrapped, InstantsPastTheFirstWrapKeepTheirDistance) {
  // 49.7 days is one wrap of milliseconds, 71.6 minutes one of microseconds.
  for (const Duration start : {Duration{50 * 24h}, Duration{-50 * 24h}, Duration{72min}}) {
    EXPECT_EQ(Millis32{at(start + 24h)} - Millis32{at(start)}, 24h);
    EXPECT_EQ(Micros32{at(start + 30min)} - Micros32{at(start)}, 30min);
    EXPECT_LT(Micros32{at(start)}, Micros32{at(start + 30min)});
  }
}

TEST(Now, IsItsInstantWithWhatIsAskedOfIt) {
  Prng prng{11};
  for (int i = 0; i < 10'000; ++i) {
    const Instant instant = at(Duration{static_cast<std::int64_t>(prng.next()) / 4});
    const Now now{instant};
    EXPECT_EQ(now, instant);
    EXPECT_EQ(Millis32{now}, Millis32{instant});
    EXPECT_EQ(Micros32{now}, Micros32{instant});
    EXPECT_EQ(now + 1ms, instant + 1ms);
  }
  EXPECT_EQ(Now{}, Instant{});
}

}  // namespace
}  // namespace pollux
