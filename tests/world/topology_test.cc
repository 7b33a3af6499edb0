#include "topology.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>

#include "report.h"
#include "transfer_world.h"

/// That each topology is what its name says; that stacks live through it is for `worlds` to see, on
/// many more seeds.
namespace pollux::world {
namespace {

constexpr std::uint64_t seeds = 6;

/// The sum of a count over some seeds, each of which must come to a good end.
std::uint64_t over_seeds(Topology topology, const std::string& count, std::uint64_t last = seeds) {
  std::uint64_t sum = 0;
  for (std::uint64_t seed = 1; seed <= last; ++seed) {
    const TransferPlan plan = draw_plan(topology, seed, 50);
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
    sum += count_of(report, count);
  }
  return sum;
}

TEST(Topologies, HaveNamesThatAreReadBack) {
  std::set<Topology> drawn;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) drawn.insert(topology_of(seed));
  EXPECT_EQ(drawn.size(), static_cast<std::size_t>(Topology::count_));
  for (const Topology topology : drawn) EXPECT_EQ(topology_of(name(topology)), topology);
  EXPECT_FALSE(topology_of("no-such"));
}

TEST(Topologies, OptionsAreDrawnOnAndOffAndApart) {
  std::set<bool> sack;
  std::set<bool> timestamps;
  std::set<bool> scale;
  bool apart = false;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const TransferPlan plan = draw_plan(Topology::bottleneck, seed, 1);
    sack.insert(plan.stack.tcp.sack);
    timestamps.insert(plan.stack.tcp.timestamps);
    scale.insert(plan.stack.tcp.offer_window_scale);
    apart = apart || (plan.server_tcp && plan.server_tcp->sack != plan.stack.tcp.sack);
  }
  EXPECT_EQ(sack.size() + timestamps.size() + scale.size(), 6u);
  EXPECT_TRUE(apart);
}

TEST(Topologies, ManyMeetAtOneCable) {
  EXPECT_GT(over_seeds(Topology::many_to_one, "queue_full"), 0u);
}

TEST(Topologies, ABottleneckDropsFromItsTail) {
  EXPECT_GT(over_seeds(Topology::bottleneck, "queue_full"), 0u);
}

TEST(Topologies, OneWayIsFarAndSlow) {
  EXPECT_GT(over_seeds(Topology::asymmetric, "tcp_established"), 0u);
}

TEST(Topologies, ALinkGoesDownUnderConnections) {
  EXPECT_GT(over_seeds(Topology::flapping, "down"), 0u);
}

TEST(Topologies, TheLossOfANatsTableEndsConnections) {
  EXPECT_GT(
      over_seeds(Topology::nat, "tcp_reset_received") + over_seeds(Topology::nat, "tcp_timed_out"),
      0u);
}

TEST(Topologies, OptionsAreStrippedOnTheWay) {
  EXPECT_GT(over_seeds(Topology::strips_options, "changed"), 0u);
}

TEST(Topologies, NumbersAreShiftedOnTheWay) {
  EXPECT_GT(over_seeds(Topology::shifts_numbers, "changed"), 0u);
}

TEST(Topologies, AcksAreThinnedOnTheWay) {
  EXPECT_GT(over_seeds(Topology::thins_acks, "acks_dropped"), 0u);
}

TEST(Topologies, CardsCutAndMerge) {
  EXPECT_GT(over_seeds(Topology::offloads, "tcp_uncut_sent"), 0u);
  EXPECT_GT(over_seeds(Topology::offloads, "tcp_merged_received"), 0u);
  EXPECT_GT(over_seeds(Topology::offloads, "tcp_retransmitted"), 0u);
}

TEST(Topologies, WhoFallsSilentIsGivenUp) {
  EXPECT_GT(over_seeds(Topology::falls_silent, "tcp_timed_out"), 0u);
}

TEST(Topologies, WhoShrinksItsWindowGetsAllOfItsStream) {
  EXPECT_EQ(over_seeds(Topology::shrinks_window, "complete"), seeds * 30);
}

TEST(Topologies, WhoAcknowledgesTheUnsentIsAnsweredAndMovesNothing) {
  EXPECT_GE(over_seeds(Topology::acks_unsent, "lies_answered"), seeds * 27);
}

TEST(Topologies, WhoReportsWhatNeverCameGetsAllOfItsStream) {
  EXPECT_EQ(over_seeds(Topology::sacks_unreceived, "complete"), seeds * 30);
}

TEST(Topologies, AFloodOfSynsKeepsNobodyOut) {
  EXPECT_GT(over_seeds(Topology::floods, "tcp_syn_cookies_accepted"), 0u);
}

TEST(Topologies, AHostThatPausesHarmsNoTransfer) {
  EXPECT_GT(over_seeds(Topology::pauses, "device_receive_full", 30), 0u);
}

TEST(Topologies, AnyValueInAnyFieldHarmsNobodyElse) {
  EXPECT_GT(over_seeds(Topology::random_fields, "tcp_bad_sequence"), 0u);
}

}  // namespace
}  // namespace pollux::world
