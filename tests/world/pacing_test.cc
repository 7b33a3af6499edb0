#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "algorithms.h"
#include "bulk_world.h"

/// What pacing is for, and what it costs: text of one flow over 100 Mbit/s and a round trip of 50
/// ms, a drop-tail queue of some size before it, and perhaps few ACKs on the way back.
namespace pollux::world {
namespace {

/// Bytes that the path itself holds: 625,000.
constexpr std::size_t small_queue = 16'000;
constexpr std::size_t middle_queue = 64'000;
constexpr std::size_t deep_queue = 1'000'000;

struct Outcome {
  double seconds = 0;
  std::uint64_t lost = 0;  // for want of room in the queue
  std::uint64_t acks_dropped = 0;
};

class Pacing : public testing::TestWithParam<tcp::Congestion> {
 protected:
  BulkPlan plan;

  Pacing() {
    plan.tcp.congestion = GetParam();
    plan.tcp.window_scale = 14;
    plan.tcp.receive_buffer = plan.tcp.send_buffer = 16 << 20;
    plan.there = {.bits_per_second = 100'000'000, .delay = 25ms};
    plan.back = {.delay = 25ms};
  }

  Outcome transfer(std::uint64_t bytes, std::size_t queue, tcp::Pacing pacing) {
    plan.tcp.pacing = pacing;
    plan.there.queue_bytes = queue;
    BulkWorld world{plan};
    const auto time = world.run_until(bytes, 300s);
    EXPECT_TRUE(time) << bytes << " bytes do not arrive";
    return {.seconds = std::chrono::duration<double>(time.value_or(300s)).count(),
            .lost = world.link().queue_full,
            .acks_dropped = world.box().acks_dropped()};
  }
  Outcome paced(std::uint64_t bytes, std::size_t queue) {
    return transfer(bytes, queue, tcp::Pacing::automatic);
  }
  Outcome unpaced(std::uint64_t bytes, std::size_t queue) {
    return transfer(bytes, queue, tcp::Pacing::off);
  }
};

TEST_P(Pacing, FitsAWindowIntoASmallQueue) {
  EXPECT_GT(unpaced(200'000, small_queue).lost, 0u);
  EXPECT_EQ(paced(200'000, small_queue).lost, 0u);
}

TEST_P(Pacing, IsFasterWhereTheQueueIsSmall) {
  for (const std::size_t queue : {small_queue, middle_queue}) {
    const double without = unpaced(20'000'000, queue).seconds;
    EXPECT_LT(paced(20'000'000, queue).seconds, 0.8 * without) << "queue " << queue;
  }
}

// Half a round trip at most, where the last of the text begins a window.
TEST_P(Pacing, CostsLittleWhereTheQueueIsDeep) {
  for (const std::uint64_t bytes : {200'000ull, 1'000'000ull, 20'000'000ull}) {
    const double without = unpaced(bytes, deep_queue).seconds;
    EXPECT_LT(paced(bytes, deep_queue).seconds, without + 0.025) << bytes << " bytes";
  }
}

// One ACK for 4 or for 16 segments, which are what comes by in `hold`: by so much it may be late.
TEST_P(Pacing, ThinnedAcksCostLittle) {
  for (const std::size_t queue : {small_queue, middle_queue, deep_queue}) {
    for (const std::uint64_t bytes : {200'000ull, 1'000'000ull, 20'000'000ull}) {
      plan.box.thin.reset();
      const Outcome all = paced(bytes, queue);
      for (const std::uint32_t most : {2u, 8u}) {
        plan.box.thin = ThinOptions{.most = most, .hold = 2ms};
        const Outcome few = paced(bytes, queue);
        EXPECT_GT(few.acks_dropped, bytes / 10'000);  // of one for each 2,896 bytes
        EXPECT_LT(few.seconds, 1.25 * all.seconds)
            << bytes << " bytes, queue " << queue << ", one ACK of " << most;
      }
    }
  }
}

// Ten times as fast, so that 64 segments come by within 0.8 ms.
TEST_P(Pacing, OneAckForSixtyFourSegmentsIsEnough) {
  plan.there.bits_per_second = 1'000'000'000;
  for (const std::size_t queue : {middle_queue * 10, deep_queue * 6}) {
    for (const std::uint64_t bytes : {1'000'000ull, 60'000'000ull}) {
      plan.box.thin.reset();
      const Outcome all = paced(bytes, queue);
      plan.box.thin = ThinOptions{.most = 32, .hold = 2ms};
      const Outcome few = paced(bytes, queue);
      EXPECT_GT(few.acks_dropped, bytes / 5'000);
      EXPECT_LT(few.seconds, 1.25 * all.seconds) << bytes << " bytes, queue " << queue;
    }
  }
}

// What is not lost to the queue is lost by chance, on the way there.
TEST_P(Pacing, ThinnedAcksMendLossesAsSoon) {
  plan.there.loss = 0.01;
  for (const bool sack : {true, false}) {
    plan.tcp.sack = sack;
    double all = 0;
    double few = 0;
    for (plan.seed = 1; plan.seed <= 10; ++plan.seed) {
      plan.box.thin.reset();
      all += paced(5'000'000, deep_queue).seconds;
      plan.box.thin = ThinOptions{.most = 64, .hold = 2ms};
      few += paced(5'000'000, deep_queue).seconds;
    }
    EXPECT_LT(few, 1.25 * all) << (sack ? "with" : "without") << " SACK";
  }
}

INSTANTIATE_TEST_SUITE_P(Algorithms, Pacing, testing::ValuesIn(congestion_algorithms),
                         [](const auto& algorithm) { return std::string{name(algorithm.param)}; });

}  // namespace
}  // namespace pollux::world
