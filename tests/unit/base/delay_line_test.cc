#include "base/delay_line.h"

#include <gtest/gtest.h>

#include <vector>

namespace pollux {
namespace {

std::vector<std::uint32_t> out_of(DelayLine& line, Instant now) {
  std::vector<std::uint32_t> out;
  line.advance(now, [&](std::uint32_t number) { out.push_back(number); });
  return out;
}

using Numbers = std::vector<std::uint32_t>;

TEST(DelayLine, GivesEachBackWhenItsTimeHasComeInOrder) {
  DelayLine line{8, 2ms};
  const Instant start{100ms};
  EXPECT_TRUE(line.push(7, start));
  EXPECT_TRUE(line.push(5, start));
  EXPECT_TRUE(line.push(9, start + 1ms));
  EXPECT_EQ(out_of(line, start + 2ms - 1ns), Numbers{});
  EXPECT_EQ(out_of(line, start + 2ms), (Numbers{7, 5}));
  EXPECT_EQ(out_of(line, start + 2ms), Numbers{});
  EXPECT_EQ(out_of(line, start + 1h), Numbers{9});
  EXPECT_EQ(line.size(), 0u);
}

TEST(DelayLine, IsNeverEarlierThanItsDelayToTheMillisecond) {
  DelayLine line{2, 2ms};
  EXPECT_TRUE(line.push(1, Instant{100ms + 999us}));
  EXPECT_EQ(out_of(line, Instant{102ms - 1ns}), Numbers{});
  EXPECT_EQ(out_of(line, Instant{102ms}), Numbers{1});
}

TEST(DelayLine, RefusesWhatItHasNoRoomFor) {
  DelayLine line{4, 2ms};
  for (std::uint32_t round = 0; round < 5; ++round) {
    const Instant now{round * 10ms};
    for (std::uint32_t i = 0; i < 4; ++i) EXPECT_TRUE(line.push(i, now));
    EXPECT_FALSE(line.push(4, now));
    EXPECT_EQ(out_of(line, now + 2ms), (Numbers{0, 1, 2, 3}));
  }
}

TEST(DelayLine, TakesWhatIsPutInMeanwhile) {
  DelayLine line{4, 2ms};
  const Instant now{1s};
  EXPECT_TRUE(line.push(1, now));
  line.advance(now + 2ms, [&](std::uint32_t number) {
    EXPECT_EQ(number, 1u);
    EXPECT_TRUE(line.push(2, now + 2ms));
  });
  EXPECT_EQ(line.size(), 1u);
  EXPECT_EQ(out_of(line, now + 4ms), Numbers{2});
}

TEST(DelayLine, SaysWhenItHasSomethingToDo) {
  DelayLine line{4, 2ms};
  EXPECT_EQ(line.next_deadline(Instant{}), std::nullopt);
  const Instant now{1s + 300us};
  EXPECT_TRUE(line.push(1, now));
  EXPECT_EQ(line.next_deadline(now), Instant{1s + 2ms});
  EXPECT_EQ(line.next_deadline(now + 1ms), Instant{1s + 2ms});
  EXPECT_EQ(out_of(line, *line.next_deadline(now)), Numbers{1});
}

// The clock of 32 bits of milliseconds comes round after 49 days.
TEST(DelayLine, WorksWhereTheClockComesRound) {
  DelayLine line{4, 2ms};
  const Instant now{std::chrono::milliseconds{0xFFFF'FFFF}};
  EXPECT_TRUE(line.push(1, now));
  EXPECT_EQ(out_of(line, now + 1ms), Numbers{});
  EXPECT_EQ(line.next_deadline(now), now + 2ms);
  EXPECT_EQ(out_of(line, now + 2ms), Numbers{1});
}

}  // namespace
}  // namespace pollux
