#include "cli/stalls.h"

#include <gtest/gtest.h>

namespace pollux::cli {
namespace {

Instant at(Duration since_start) { return Instant{since_start}; }

TEST(Stalls, GapsUpToTenMicrosecondsAreNone) {
  StallMeter meter;
  for (Duration t = 0us; t <= 100us; t += 10us) meter.poll(at(t));
  EXPECT_EQ(meter.share(), 0);
  EXPECT_EQ(meter.longest_us(), 0);
}

TEST(Stalls, LongerOnesAreCounted) {
  StallMeter meter;
  meter.poll(at(0us));
  meter.poll(at(11us));  // lost 11
  meter.poll(at(20us));
  meter.poll(at(2020us));  // lost 2000
  meter.poll(at(3020us));  // lost 1000: not over 1 ms
  meter.poll(at(6022us));  // lost 3002
  EXPECT_EQ(meter.longest_us(), 3002);
  EXPECT_EQ(meter.over_1ms(), 2u);
  EXPECT_DOUBLE_EQ(meter.share(), 6013.0 / 6022.0);
}

TEST(Stalls, WorkIsNoStall) {
  StallMeter meter;
  meter.poll(at(0us));
  meter.poll(at(25us), 20us);
  EXPECT_EQ(meter.share(), 0);
  meter.poll(at(75us), 20us);
  EXPECT_EQ(meter.longest_us(), 30);
}

TEST(Stalls, TimeBeforeTheFirstPollAndTheWarmUpAreNotCounted) {
  StallMeter meter;
  meter.poll(at(5s));
  EXPECT_EQ(meter.over_1ms(), 0u);
  EXPECT_EQ(meter.share(), 0);
  meter.poll(at(6s));
  EXPECT_EQ(meter.over_1ms(), 1u);
  meter.restart(at(7s));
  EXPECT_EQ(meter.over_1ms(), 0u);
  EXPECT_EQ(meter.share(), 0);
}

}  // namespace
}  // namespace pollux::cli
