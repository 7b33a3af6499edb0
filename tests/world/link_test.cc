#include "sim/link.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "toy_host.h"
#include "wire/checksum.h"

namespace pollux::sim {
namespace {

Frame numbered(FramePool& pool, std::uint32_t number, std::size_t size = 100) {
  Frame frame = pool.allocate();
  const std::span<std::byte> bytes = frame.append(size);
  std::memset(bytes.data(), 0, size);
  wire::store_u16(bytes.data() + 12, toy_type);
  wire::store_u32(bytes.data() + 14, number);
  return frame;
}
std::uint32_t number_of(const Frame& frame) { return wire::load_u32(frame.bytes().data() + 14); }

struct Arrival {
  Instant when;
  std::uint32_t number;
};
std::vector<Arrival> drain(Link& link) {
  std::vector<Arrival> out;
  while (const std::optional<Instant> next = link.next_arrival()) {
    const Frame frame = link.take_arrival(*next);
    out.push_back({*next, number_of(frame)});
  }
  return out;
}

TEST(Link, WithoutOptionsDeliversAtOnceInOrder) {
  FramePool pool{64};
  Link link{{}, 1};
  EXPECT_FALSE(link.next_arrival());
  EXPECT_FALSE(link.take_arrival(at(1s)));
  for (std::uint32_t i = 0; i < 50; ++i) link.send(numbered(pool, i), at(5ms));
  const std::vector<Arrival> arrivals = drain(link);
  ASSERT_EQ(arrivals.size(), 50u);
  for (std::uint32_t i = 0; i < 50; ++i) {
    EXPECT_EQ(arrivals[i].number, i);
    EXPECT_EQ(arrivals[i].when, at(5ms));
  }
  EXPECT_EQ(pool.live(), 0u);
}

TEST(Link, RateGivesExactTimes) {
  FramePool pool{64};
  // 10 Gbit/s: a 1,514-byte frame takes (1,514 + 24) * 0.8 ns = 1,230.4 ns.
  Link link{{.bits_per_second = 10'000'000'000, .delay = 10us}, 1};
  for (std::uint32_t i = 0; i < 10; ++i) link.send(numbered(pool, i, 1514), at(0ns));
  const std::vector<Arrival> arrivals = drain(link);
  ASSERT_EQ(arrivals.size(), 10u);
  const std::int64_t times[] = {1231, 2461, 3692, 4922, 6152, 7383, 8613, 9844, 11074, 12304};
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(arrivals[i].when, at(10us + Duration{times[i]})) << i;
  }
  // An idle link starts afresh.
  link.send(numbered(pool, 10, 1514), at(1ms));
  EXPECT_EQ(link.next_arrival(), at(1ms + 10us + 1231ns));
  drain(link);
}

TEST(Link, SmallFramesTakeTheTimeOfTheSmallestEthernetFrame) {
  FramePool pool{4};
  Link link{{.bits_per_second = 1'000'000'000}, 1};
  link.send(numbered(pool, 0, 20), at(0ns));
  EXPECT_EQ(link.next_arrival(), at(672ns));  // 84 bytes
  const Frame frame = link.take_arrival(at(672ns));
  EXPECT_EQ(frame.bytes().size(), 60u);
  EXPECT_NE(frame.bytes()[59], std::byte{0});
}

TEST(Link, AFullQueueDropsTheTailAndDrainsAtTheRate) {
  FramePool pool{64};
  // Ten frames of 124 bytes fit; one takes 992 us.
  Link link{{.bits_per_second = 1'000'000, .queue_bytes = 1240}, 1};
  for (std::uint32_t i = 0; i < 20; ++i) link.send(numbered(pool, i), at(0ns));
  EXPECT_EQ(link.counts().queue_full, 10u);
  link.send(numbered(pool, 20), at(991us));
  EXPECT_EQ(link.counts().queue_full, 11u);
  link.send(numbered(pool, 21), at(992us));
  EXPECT_EQ(link.counts().queue_full, 11u);
  const std::vector<Arrival> arrivals = drain(link);
  ASSERT_EQ(arrivals.size(), 11u);
  EXPECT_EQ(arrivals[9].number, 9u);
  EXPECT_EQ(arrivals[10].number, 21u);
  EXPECT_EQ(arrivals[10].when, at(11 * 992us));
}

TEST(Link, ChancesAreMetForEverySeed) {
  constexpr int n = 20'000;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    FramePool pool{64};
    Link link{{.loss = 0.05, .duplicate = 0.02, .corrupt = 0.01}, seed};
    for (std::uint32_t i = 0; i < n; ++i) {
      link.send(numbered(pool, i), at(Duration{i}));
      while (link.take_arrival(at(Duration{i}))) {
      }
    }
    const LinkCounts& counts = link.counts();
    // Five standard deviations each way.
    EXPECT_NEAR(static_cast<double>(counts.lost), 1000, 155) << seed;
    EXPECT_NEAR(static_cast<double>(counts.duplicated), 380, 98) << seed;
    EXPECT_NEAR(static_cast<double>(counts.corrupted), 194, 70) << seed;
    EXPECT_EQ(counts.arrived, counts.offered + counts.duplicated - counts.lost) << seed;
    EXPECT_EQ(pool.live(), 0u);
  }
}

TEST(Link, BurstLossComesInRunsOfTheExpectedLength) {
  FramePool pool{64};
  Link link{{.burst_loss = BurstLoss{.enter = 0.01, .leave = 0.2, .loss = 1}}, 3};
  constexpr std::uint32_t n = 100'000;
  std::vector<bool> arrived(n);
  for (std::uint32_t i = 0; i < n; ++i) {
    link.send(numbered(pool, i), at(0ns));
    while (const Frame frame = link.take_arrival(at(0ns))) arrived[number_of(frame)] = true;
  }
  int runs = 0;
  for (std::uint32_t i = 1; i < n; ++i) runs += !arrived[i] && arrived[i - 1] ? 1 : 0;
  const double lost = static_cast<double>(link.counts().lost);
  EXPECT_NEAR(lost / n, 0.01 / 0.21, 0.006);
  EXPECT_NEAR(lost / runs, 5.0, 0.6);
}

TEST(Link, JitterKeepsOrderAndReorderingBreaksIt) {
  FramePool pool{2048};
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Link jittery{{.delay = 1ms, .jitter = 3ms}, seed};
    Link shuffled{{.delay = 1ms, .reorder = 0.1, .reorder_delay = 3ms}, seed};
    for (std::uint32_t i = 0; i < 500; ++i) {
      jittery.send(numbered(pool, i), at(i * 100us));
      shuffled.send(numbered(pool, i), at(i * 100us));
    }
    const std::vector<Arrival> in_order = drain(jittery);
    const std::vector<Arrival> out_of_order = drain(shuffled);
    const auto by_number = [](const Arrival& a, const Arrival& b) { return a.number < b.number; };
    EXPECT_TRUE(std::is_sorted(in_order.begin(), in_order.end(), by_number));
    EXPECT_FALSE(std::is_sorted(out_of_order.begin(), out_of_order.end(), by_number));
    EXPECT_EQ(out_of_order.size(), 500u);
    EXPECT_NEAR(static_cast<double>(shuffled.counts().reordered), 50, 34);
    for (const Arrival& arrival : out_of_order) {
      const Duration took = arrival.when - at(arrival.number * 100us);
      EXPECT_GE(took, 1ms);
      EXPECT_LE(took, 4ms);
    }
  }
}

TEST(Link, CorruptionNeverEscapesTheInternetChecksum) {
  FramePool pool{4};
  Prng prng{1};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Link link{{.corrupt = 1, .pad = false}, seed};
    for (int i = 0; i < 1000; ++i) {
      Frame frame = pool.allocate();
      const std::span<std::byte> bytes = frame.append(20 + prng.below(200) / 2 * 2);
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(prng.next());
      wire::store_u16(bytes.data() + 12, toy_type);
      wire::store_u16(bytes.data() + 4, 0);
      wire::store_u16(bytes.data() + 4, wire::fold(wire::Sum{bytes}));
      ASSERT_EQ(wire::fold(wire::Sum{bytes}), 0);
      link.send(std::move(frame), at(0ns));
      const Frame arrived = link.take_arrival(at(0ns));
      EXPECT_NE(wire::fold(wire::Sum{arrived.bytes()}), 0) << seed << " " << i;
    }
    EXPECT_EQ(link.counts().corrupted, 1000u);
  }
}

TEST(Link, CorruptionReachesEveryByte) {
  FramePool pool{4};
  Link link{{.corrupt = 1, .corrupt_bits = 1}, 9};
  std::vector<int> hits(100);
  for (int i = 0; i < 20'000; ++i) {
    link.send(numbered(pool, 0), at(0ns));
    const Frame frame = link.take_arrival(at(0ns));
    const Frame clean = numbered(pool, 0);
    int changed = 0;
    for (std::size_t b = 0; b < 100; ++b) {
      const auto difference = std::to_integer<unsigned>(frame.bytes()[b] ^ clean.bytes()[b]);
      changed += std::popcount(difference);
      hits[b] += difference != 0 ? 1 : 0;
    }
    ASSERT_EQ(changed, 1);
  }
  EXPECT_GT(*std::min_element(hits.begin(), hits.end()), 120);
}

TEST(Link, ArpIsSparedFromCorruptionUnlessAskedFor) {
  FramePool pool{4};
  for (const bool asked : {false, true}) {
    Link link{{.corrupt = 1, .corrupt_arp = asked}, 1};
    Frame frame = numbered(pool, 0);
    wire::store_u16(frame.mutable_bytes().data() + 12, wire::ether_type::arp);
    link.send(std::move(frame), at(0ns));
    EXPECT_EQ(link.counts().corrupted, asked ? 1u : 0u);
    link.take_arrival(at(0ns));
  }
}

TEST(Link, GoingDownLosesWhatIsOnTheWay) {
  FramePool pool{64};
  Link link{{.bits_per_second = 1'000'000, .delay = 1ms}, 1};
  for (std::uint32_t i = 0; i < 5; ++i) link.send(numbered(pool, i), at(0ns));
  EXPECT_TRUE(link.take_arrival(at(1992us)));
  link.set_up(false);
  EXPECT_FALSE(link.next_arrival());
  link.send(numbered(pool, 5), at(2ms));
  EXPECT_EQ(link.counts().down, 5u);
  EXPECT_EQ(pool.live(), 0u);
  link.set_up(true);
  link.send(numbered(pool, 6), at(3ms));
  EXPECT_EQ(link.next_arrival(), at(3ms + 992us + 1ms));
  drain(link);
  EXPECT_EQ(link.counts().arrived + link.counts().down, link.counts().offered);
}

}  // namespace
}  // namespace pollux::sim
