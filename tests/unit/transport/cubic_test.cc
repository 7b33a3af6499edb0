#include "transport/tcp/cubic.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pollux::tcp {
namespace {

constexpr std::uint32_t mss = 1000;

/// What cwnd becomes when a window is acknowledged each round trip for so long.
std::uint32_t grow_for(Cubic& cubic, std::uint32_t cwnd, Duration time, Duration round_trip,
                       Instant& now) {
  const auto us = static_cast<std::uint32_t>(round_trip / 1us);
  for (const Instant end = now + time; now < end; now += round_trip) {
    const std::uint32_t window = cwnd;
    for (std::uint32_t acked = 0; acked < window; acked += 2 * mss) {
      cwnd = cubic.grow(cwnd, 2 * mss, mss, us, now);
    }
  }
  return cwnd;
}

TEST(Cubic, LeavesSeventyPercent) {  // RFC 9438 s.4.6
  Cubic cubic;
  EXPECT_EQ(cubic.reduce(100'000, 100'000, 2000), 70'000u);
  EXPECT_EQ(cubic.reduce(100'000, 50'000, 2000), 35'000u);
  EXPECT_EQ(cubic.reduce(2000, 1000, 2000), 2000u);
}

TEST(Cubic, ReachesItsFormerWindowAfterK) {  // s.4.2: K = cbrt((W_max - cwnd_epoch) / C)
  Cubic cubic;
  const std::uint32_t before = 1'000'000;  // 1000 segments
  std::uint32_t cwnd = cubic.reduce(before, before, 2000);
  Instant now{1s};
  const double k = std::cbrt(300 / 0.4);  // 9.09 s
  cwnd = grow_for(cubic, cwnd, std::chrono::milliseconds(static_cast<int>(k * 500)), 100ms, now);
  // Halfway there in time it has an eighth of the distance left.
  EXPECT_NEAR(cwnd, 1'000'000 - 300'000 / 8.0, 8'000);
  cwnd = grow_for(cubic, cwnd, std::chrono::milliseconds(static_cast<int>(k * 500)), 100ms, now);
  EXPECT_NEAR(cwnd, 1'000'000, 2'000);
  // And goes on as slowly as it came, then faster.
  const std::uint32_t plateau = cwnd;
  cwnd = grow_for(cubic, cwnd, 2s, 100ms, now);
  EXPECT_NEAR(cwnd - plateau, 0.4 * 8 * mss, 1'000);
}

TEST(Cubic, IsNoSlowerThanRenoOnAShortPath) {  // s.4.3
  Cubic cubic;
  std::uint32_t cwnd = cubic.reduce(20'000, 20'000, 2000);
  Instant now{1s};
  cwnd = grow_for(cubic, cwnd, 100ms, 1ms, now);
  // 0.53 segments a round trip until the former window is reached, then one.
  const double to_former = 6 / 0.529;
  EXPECT_NEAR(cwnd, 20'000 + (100 - to_former) * mss, 6'000);
}

TEST(Cubic, GivesUpAShareWhenItHasLostOne) {  // s.4.7, fast convergence
  Cubic cubic;
  cubic.reduce(1'000'000, 1'000'000, 2000);
  std::uint32_t cwnd = cubic.reduce(800'000, 800'000, 2000);
  EXPECT_EQ(cwnd, 560'000u);
  Instant now{1s};
  // W_max is 0.85 * 800 segments: the plateau, after cbrt(120 / 0.4) = 6.7 s.
  cwnd = grow_for(cubic, cwnd, 6700ms, 100ms, now);
  EXPECT_NEAR(cwnd, 680'000, 2'000);
}

TEST(Cubic, AfterATimeoutThePlateauIsWhereItIs) {  // s.4.8
  Cubic cubic;
  cubic.reduce(100'000, 100'000, 2000);
  cubic.forget();
  Instant now{1s};
  const std::uint32_t cwnd = grow_for(cubic, 50'000, 1s, 100ms, now);
  // The cubic function has gone up by 0.4 segments, Reno's estimate by 0.53 a round trip.
  EXPECT_NEAR(cwnd, 50'000 + 10 * 529, 1'200);
}

TEST(Cubic, APauseDoesNotCount) {  // s.5.8
  Cubic cubic;
  std::uint32_t cwnd = cubic.reduce(1'000'000, 1'000'000, 2000);
  Instant now{1s};
  cwnd = grow_for(cubic, cwnd, 1s, 100ms, now);
  cubic.pause();
  now += 60s;
  const std::uint32_t after = grow_for(cubic, cwnd, 100ms, 100ms, now);
  EXPECT_LT(after - cwnd, 40'000u);
}

TEST(Cubic, NeverShrinksAndLosesNoFraction) {
  Cubic cubic;
  std::uint32_t cwnd = cubic.reduce(100'000'000, 100'000'000, 2000);
  Instant now{1s};
  std::uint32_t before = cwnd;
  for (int i = 0; i < 10'000; ++i, now += 1us) {
    cwnd = cubic.grow(cwnd, 1000, mss, 100'000, now);
    ASSERT_GE(cwnd, before);
    before = cwnd;
  }
  EXPECT_GT(cwnd, 70'000'000u);
}

}  // namespace
}  // namespace pollux::tcp
