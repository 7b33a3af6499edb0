#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "algorithms.h"
#include "bulk_world.h"

/// How fast one flow is, and how two of them share: against the models of the literature.
namespace pollux::world {
namespace {

class Throughput : public testing::TestWithParam<tcp::Congestion> {
 protected:
  BulkPlan plan;

  Throughput() {
    plan.tcp.congestion = GetParam();
    plan.tcp.window_scale = 14;
    plan.tcp.receive_buffer = plan.tcp.send_buffer = 4 << 20;
  }
  /// Bytes of text in a full segment.
  double segment() const { return plan.mtu - 40.0 - (plan.tcp.timestamps ? 12 : 0); }

  /// Two flows fill a bottleneck with a drop-tail queue, and the slower of them has at least
  /// `least` of what the faster has.
  void share(tcp::Pacing pacing, double least);
};

/// Bytes a second that each flow's receiver reads, once `warm_up` is over.
std::vector<double> rates(const BulkPlan& plan, Duration warm_up, Duration time) {
  BulkWorld world{plan};
  EXPECT_TRUE(world.run_for(warm_up).ok());
  const std::vector<std::uint64_t> before = world.received();
  EXPECT_TRUE(world.run_for(time).ok());
  const std::vector<std::uint64_t> after = world.received();
  std::vector<double> out;
  for (std::size_t i = 0; i < after.size(); ++i) {
    out.push_back(static_cast<double>(after[i] - before[i]) /
                  std::chrono::duration<double>(time).count());
  }
  return out;
}

void Throughput::share(tcp::Pacing pacing, double least) {
  plan.tcp.pacing = pacing;
  plan.flows = 2;
  plan.there = {.bits_per_second = 20'000'000, .queue_bytes = 100'000, .delay = 20ms};
  // Else the two may lock to each other, and all losses fall to one of them.
  plan.there.jitter = 1ms;
  plan.back = {.delay = 20ms, .jitter = 1ms};
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    plan.seed = seed;
    const std::vector<double> both = rates(plan, 20s, 180s);
    EXPECT_GE(both[0] + both[1], 0.9 * 20e6 / 8 * segment() / 1538) << "seed " << seed;
    EXPECT_GE(std::min(both[0], both[1]) / std::max(both[0], both[1]), least) << "seed " << seed;
  }
}

// The bandwidth-delay product is 62.5 MB: the window must be scaled that far, and slow start must
// not be left before it is there.
TEST_P(Throughput, OneFlowFillsALongFatPath) {
  plan.mtu = 9000;
  plan.frames = 40'000;
  plan.tcp.mss = 8960;
  plan.tcp.receive_buffer = plan.tcp.send_buffer = 128 << 20;
  plan.there = {.bits_per_second = 10'000'000'000, .queue_bytes = 128 << 20, .delay = 25ms};
  plan.back = plan.there;
  const double rate = rates(plan, 1500ms, 1s).front();
  // What a frame of 9,000 bytes has beside its text: 24 bytes of Ethernet on the wire and 14 of
  // header.
  const double most = 10e9 / 8 * segment() / (plan.mtu + 38);
  EXPECT_GE(rate, 0.95 * most) << rate * 8 / 1e9 << " Gbit/s";
}

// Unpaced, a queue that is full hits both; paced, often only one of the two, so that they swing
// more widely about the same share (Aggarwal, Savage and Anderson 2000).
TEST_P(Throughput, TwoFlowsShareABottleneck) { share(tcp::Pacing::off, 0.8); }

TEST_P(Throughput, TwoPacedFlowsShareABottleneck) { share(tcp::Pacing::automatic, 0.75); }

// AIMD with random losses of p sends sqrt(3/2) / sqrt(p) segments in a round trip (Mathis et al.
// 1997), where each acknowledged window adds a segment, as here with and without delayed ACKs (RFC
// 5681 s.3.1, equation 3). For CUBIC, RFC 9438 s.5.1 (tables 1 and 2) has the same 12 segments at
// 1 %, since it is in its Reno-friendly region.
TEST_P(Throughput, OnePercentOfLossIsAsInTheLiterature) {
  constexpr double loss = 0.01;
  for (const Duration delay : {Duration{10ms}, Duration{50ms}}) {
    std::vector<double> seen;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      plan.seed = seed;
      plan.there = {.bits_per_second = 1'000'000'000, .delay = delay, .loss = loss};
      plan.back = {.delay = delay};
      seen.push_back(rates(plan, 5s, 60s).front());
    }
    const double mean = std::accumulate(seen.begin(), seen.end(), 0.0) / 10;
    const double round_trip = 2 * std::chrono::duration<double>(delay).count();
    const double model = segment() / round_trip * std::sqrt(1.5) / std::sqrt(loss);
    EXPECT_NEAR(mean / model, 1, 0.15) << "round trip " << round_trip << " s, " << mean << " B/s";
  }
}

INSTANTIATE_TEST_SUITE_P(Algorithms, Throughput, testing::ValuesIn(congestion_algorithms),
                         [](const auto& algorithm) { return std::string{name(algorithm.param)}; });

}  // namespace
}  // namespace pollux::world
