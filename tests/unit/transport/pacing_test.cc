#include "transport/tcp/pacing.h"

#include <gtest/gtest.h>

namespace pollux::tcp {
namespace {

constexpr Instant start{1h};

/// A window of 100 segments of 1000 bytes, and a round trip of 100 ms.
Tcb with(std::uint32_t ssthresh) {
  Tcb tcb;
  tcb.mss = 1000;
  tcb.cwnd = 100'000;
  tcb.ssthresh = ssthresh;
  tcb.srtt_8 = 8 * 100'000;
  return tcb;
}
constexpr std::uint32_t slow_start = 1'000'000;
constexpr std::uint32_t avoidance = 50'000;

/// Segments that leave in `time` where a timer looks as often as `every`.
int sent_in(Pacer& pacer, const Tcb& tcb, Duration time, Duration every) {
  int sent = 0;
  for (Instant now = start; now < start + time; now += every) {
    for (; !pacer.holds(now); ++sent) pacer.sent(tcb, 1000, 0, now);
  }
  return sent;
}

TEST(Pacer, SendsTwoWindowsInARoundTripOfSlowStart) {
  Pacer pacer;
  EXPECT_NEAR(sent_in(pacer, with(slow_start), 1s, 100us), 2000, 5);
}

TEST(Pacer, SendsAWindowAndAFifthLater) {
  Pacer pacer;
  EXPECT_NEAR(sent_in(pacer, with(avoidance), 1s, 100us), 1200, 5);
}

TEST(Pacer, SendsAsMuchByTicksOfATimer) {
  Pacer pacer;
  EXPECT_NEAR(sent_in(pacer, with(avoidance), 1s, 1ms), 1200, 5);
}

TEST(Pacer, GoesByWhatRecoveryLeaves) {
  Tcb tcb = with(avoidance);
  tcb.recovering = true;
  tcb.cwnd = 2000;
  Pacer pacer;
  EXPECT_NEAR(sent_in(pacer, tcb, 1s, 100us), 600, 5);
}

TEST(Pacer, GoesByTheLastRoundTripWhereItWasShorter) {
  const Tcb tcb = with(avoidance);
  Pacer pacer;
  int sent = 0;
  for (Instant now = start; now < start + 1s; now += 100us) {
    for (; !pacer.holds(now); ++sent) pacer.sent(tcb, 1000, 50'000, now);
  }
  EXPECT_NEAR(sent, 2400, 5);
}

TEST(Pacer, MakesUpForNoMoreThanATick) {
  const Tcb tcb = with(avoidance);
  Pacer pacer;
  sent_in(pacer, tcb, 10ms, 1ms);
  int sent = 0;
  for (; !pacer.holds(start + 10s); ++sent) pacer.sent(tcb, 1000, 0, start + 10s);
  EXPECT_LE(sent, 3);  // 1.2 in a tick, and one early
  EXPECT_GE(sent, 2);
}

TEST(Pacer, LetsABurstLeaveAndNoMore) {
  const Tcb tcb = with(slow_start);
  Pacer pacer;
  pacer.restart(10'000, start);
  int sent = 0;
  for (; !pacer.holds(start); ++sent) pacer.sent(tcb, 1000, 0, start);
  EXPECT_EQ(sent, 10);
}

TEST(Pacer, WaitsNoLongerForWhatCouldNotWait) {
  const Tcb tcb = with(slow_start);  // a segment takes 0.5 ms
  Pacer pacer;
  for (int i = 0; i < 100; ++i) pacer.sent(tcb, 1000, 0, start);
  EXPECT_TRUE(pacer.holds(start));
  EXPECT_LE(pacer.due(), start + 1ms);
}

TEST(Pacer, BelongsToLargeWindowsOnLongPaths) {
  Config config;
  Tcb tcb = with(slow_start);
  EXPECT_TRUE(paces(tcb, config));
  tcb.srtt_8 = 8 * 3'999;
  EXPECT_FALSE(paces(tcb, config));
  tcb.srtt_8 = 8 * 4'000;
  EXPECT_TRUE(paces(tcb, config));
  tcb.cwnd = 10'000;
  EXPECT_FALSE(paces(tcb, config));
  tcb.cwnd = 10'001;
  EXPECT_TRUE(paces(tcb, config));
  config.pacing = tcp::Pacing::off;
  EXPECT_FALSE(paces(tcb, config));
}

}  // namespace
}  // namespace pollux::tcp
