#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "dpdk/clock.h"
#include "dpdk/mbuf.h"
#include "dpdk/pool.h"
#include "dpdk/ring_link.h"
#include "environment.h"
#include "frames.h"

namespace pollux {
namespace {

using dpdk::Mbuf;
using test::must;

TEST(Mbuf, ReturnsToItsPoolExactlyOnce) {
  test::eal();
  dpdk::Pool pool = must(dpdk::Pool::create({.name = "once", .buffers = 64}));
  {
    Mbuf first = Mbuf::allocate(pool.get());
    Mbuf second = std::move(first);
    EXPECT_FALSE(first);
    EXPECT_TRUE(second);
    EXPECT_EQ(pool.in_use(), 1u);
    second = Mbuf::allocate(pool.get());
    EXPECT_EQ(pool.in_use(), 1u);
    second = Mbuf{};
    EXPECT_EQ(pool.in_use(), 0u);
    first = Mbuf::allocate(pool.get());
    Mbuf& same = first;
    first = std::move(same);
    EXPECT_TRUE(first);
  }
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Mbuf, AnEmptyPoolGivesEmptyPackets) {
  test::eal();
  dpdk::Pool pool = must(dpdk::Pool::create({.name = "dry", .buffers = 31, .core_cache = 0}));
  std::vector<Mbuf> all;
  while (Mbuf next = Mbuf::allocate(pool.get())) all.push_back(std::move(next));
  EXPECT_EQ(all.size(), 31u);
  EXPECT_EQ(pool.in_use(), 31u);
  all.pop_back();
  EXPECT_TRUE(Mbuf::allocate(pool.get()));
  all.clear();
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Mbuf, GrowsAndShrinksAtBothEnds) {
  test::eal();
  dpdk::Pool pool = must(dpdk::Pool::create({.name = "ends", .buffers = 64}));
  Mbuf packet = Mbuf::allocate(pool.get());
  EXPECT_EQ(packet.bytes().size(), 0u);
  EXPECT_EQ(packet.headroom(), 128u);
  EXPECT_EQ(packet.tailroom(), 2'048u);
  for (std::byte& byte : packet.append(10)) byte = std::byte{1};
  for (std::byte& byte : packet.prepend(128)) byte = std::byte{2};
  EXPECT_EQ(packet.headroom(), 0u);
  for (std::byte& byte : packet.append(2'038)) byte = std::byte{3};
  EXPECT_EQ(packet.tailroom(), 0u);
  ASSERT_EQ(packet.bytes().size(), 2'176u);
  EXPECT_EQ(packet.get()->pkt_len, 2'176u);
  packet.drop_front(127);
  packet.keep_front(12);
  const std::vector<std::byte> left(packet.bytes().begin(), packet.bytes().end());
  std::vector<std::byte> expected(12, std::byte{1});
  expected.front() = std::byte{2};
  expected.back() = std::byte{3};
  EXPECT_EQ(left, expected);
  packet.keep_front(0);
  EXPECT_EQ(packet.bytes().size(), 0u);
}

TEST(Mbuf, AFreshPacketRemembersNothing) {
  test::eal();
  dpdk::Pool pool = must(dpdk::Pool::create({.name = "fresh", .buffers = 1, .core_cache = 0}));
  {
    Mbuf used = Mbuf::allocate(pool.get());
    used.append(100);
    used.drop_front(40);
    used.get()->ol_flags = RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_L4_CKSUM_BAD;
    used.request({.l2_length = 14, .l3_length = 20, .tcp = true});
  }
  const Mbuf fresh = Mbuf::allocate(pool.get());
  EXPECT_EQ(fresh.bytes().size(), 0u);
  EXPECT_EQ(fresh.headroom(), 128u);
  EXPECT_EQ(fresh.get()->ol_flags, 0u);
  EXPECT_EQ(fresh.l4_verified(), packet::Verified::unknown);
  EXPECT_FALSE(fresh.rss_hash());
}

TEST(Mbuf, TellsWhatTheDeviceSays) {
  test::eal();
  dpdk::Pool pool = must(dpdk::Pool::create({.name = "flags", .buffers = 8}));
  Mbuf packet = Mbuf::allocate(pool.get());
  packet.get()->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
  EXPECT_EQ(packet.ip_verified(), packet::Verified::good);
  EXPECT_EQ(packet.l4_verified(), packet::Verified::bad);
  packet.get()->ol_flags =
      RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_RSS_HASH;
  packet.get()->hash.rss = 0xDEADBEEF;
  EXPECT_EQ(packet.ip_verified(), packet::Verified::bad);
  EXPECT_EQ(packet.l4_verified(), packet::Verified::good);
  EXPECT_EQ(packet.rss_hash(), 0xDEADBEEFu);
  // "None": whole, but its checksum field is that of no wire. What LRO has made has none either.
  packet.get()->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
  EXPECT_EQ(packet.l4_verified(), packet::Verified::unfinished);
  packet.get()->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_LRO;
  EXPECT_EQ(packet.l4_verified(), packet::Verified::unfinished);
  packet.get()->ol_flags = RTE_MBUF_F_RX_LRO;
  EXPECT_EQ(packet.l4_verified(), packet::Verified::unknown);
}

TEST(Mbuf, AsksTheDeviceForChecksums) {
  test::eal();
  dpdk::Pool pool = must(dpdk::Pool::create({.name = "ask", .buffers = 8}));
  Mbuf packet = Mbuf::allocate(pool.get());
  packet.request({.l2_length = 18, .l3_length = 24, .ipv4 = true, .tcp = true});
  EXPECT_EQ(packet.get()->ol_flags,
            RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM);
  EXPECT_EQ(+packet.get()->l2_len, 18u);
  EXPECT_EQ(+packet.get()->l3_len, 24u);
  packet.request({.l2_length = 14, .l3_length = 20, .udp = true});
  EXPECT_EQ(packet.get()->ol_flags, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM);
  packet.request({});
  EXPECT_EQ(packet.get()->ol_flags, 0u);
}

TEST(Mbuf, AsksTheDeviceToCutAChain) {
  test::eal();
  dpdk::Pool pool = must(dpdk::Pool::create({.name = "chain", .buffers = 8}));
  {
    Mbuf last = Mbuf::allocate(pool.get());
    last.append(7);
    Mbuf middle = Mbuf::allocate(pool.get());
    middle.append(2'000);
    middle.attach(std::move(last));
    Mbuf packet = Mbuf::allocate(pool.get());
    packet.append(1'900);
    packet.attach(std::move(middle));
    packet.prepend(54);
    EXPECT_EQ(packet.length(), 54u + 1'900 + 2'000 + 7);
    EXPECT_EQ(packet.bytes().size(), 54u + 1'900);
    EXPECT_EQ(packet.get()->nb_segs, 3u);
    EXPECT_EQ(packet.get()->next->next->data_len, 7u);
    packet.request({.l2_length = 14,
                    .l3_length = 20,
                    .ipv4 = true,
                    .tcp = true,
                    .segment_size = 1'448,
                    .l4_length = 32});
    EXPECT_EQ(packet.get()->ol_flags, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM |
                                          RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG);
    EXPECT_EQ(+packet.get()->tso_segsz, 1'448u);
    EXPECT_EQ(+packet.get()->l4_len, 32u);
    EXPECT_EQ(rte_mbuf_check(packet.get(), 1, nullptr), 0);
    EXPECT_EQ(pool.in_use(), 3u);
  }
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Mbuf, FreesAChainAndSharedBuffersAsDpdkWould) {
  test::eal();
  dpdk::Pool pool = must(dpdk::Pool::create({.name = "shared", .buffers = 8}));
  rte_mbuf* const raw = rte_pktmbuf_alloc(pool.get());
  rte_mbuf_refcnt_update(raw, 1);
  { const Mbuf one{raw}; }
  EXPECT_EQ(pool.in_use(), 1u);
  { const Mbuf other{raw}; }
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(RingLink, CarriesFramesBothWaysUnchanged) {
  test::eal();
  dpdk::RingLink link =
      must(dpdk::RingLink::create({.queues = 2, .entries = 256, .buffers = 2'048}));
  for (std::size_t i = 0; i < 2; ++i) {
    auto near = link.queue(0, i);
    auto far = link.queue(1, i);
    test::exchange(near, far, 5'000);
  }
  EXPECT_EQ(link.mbufs_in_use(), 0u);
}

TEST(RingLink, QueuesAreJoinedPairwise) {
  test::eal();
  dpdk::RingLink link = must(dpdk::RingLink::create({.queues = 2, .entries = 64, .buffers = 256}));
  auto sender = link.queue(0, 1);
  dpdk::RingQueue::Burst burst;
  burst.push(sender.allocate());
  EXPECT_EQ(sender.transmit(burst), 1u);
  auto other = link.queue(1, 0);
  EXPECT_EQ(other.receive(burst), 0u);
  auto peer = link.queue(1, 1);
  EXPECT_EQ(peer.receive(burst), 1u);
  EXPECT_NE(link.queue(0, 0).mac(), link.queue(1, 0).mac());
}

TEST(RingLink, AFullRingLeavesTheRestAtTheFront) {
  test::eal();
  dpdk::RingLink link = must(dpdk::RingLink::create({.entries = 64, .buffers = 256}));
  auto near = link.queue(0, 0);
  auto far = link.queue(1, 0);
  dpdk::RingQueue::Burst burst;
  const auto fill = [&](unsigned count, unsigned char first) {
    for (unsigned i = 0; i < count; ++i) {
      Mbuf packet = near.allocate();
      packet.append(1)[0] = static_cast<std::byte>(first + i);
      burst.push(std::move(packet));
    }
  };
  fill(40, 0);
  EXPECT_EQ(near.transmit(burst), 40u);
  EXPECT_TRUE(burst.empty());
  fill(40, 40);
  EXPECT_EQ(near.transmit(burst), 24u);
  ASSERT_EQ(burst.size(), 16u);
  EXPECT_EQ(burst[0].bytes()[0], std::byte{64});
  EXPECT_EQ(near.transmit(burst), 0u);

  dpdk::RingQueue::Burst in;
  EXPECT_EQ(far.receive(in), 64u);
  for (unsigned i = 0; i < 64; ++i) EXPECT_EQ(in[i].bytes()[0], static_cast<std::byte>(i));
  EXPECT_EQ(far.receive(in), 0u) << "a full burst takes nothing";
  EXPECT_EQ(near.transmit(burst), 16u);
  in.clear();
  EXPECT_EQ(far.receive(in), 16u);
}

TEST(RingLink, ReceiveAppendsToWhatIsThere) {
  test::eal();
  dpdk::RingLink link = must(dpdk::RingLink::create({.entries = 64, .buffers = 256}));
  auto near = link.queue(0, 0);
  auto far = link.queue(1, 0);
  dpdk::RingQueue::Burst out;
  for (int i = 0; i < 10; ++i) out.push(near.allocate());
  near.transmit(out);
  dpdk::RingQueue::Burst in;
  for (int i = 0; i < 60; ++i) in.push(far.allocate());
  EXPECT_EQ(far.receive(in), 4u);
  EXPECT_EQ(in.size(), 64u);
}

TEST(RingLink, ReturnsWhatWasUnderWayWhenItGoes) {
  test::eal();
  dpdk::RingLink link = must(dpdk::RingLink::create({.entries = 64, .buffers = 256}));
  auto near = link.queue(0, 0);
  dpdk::RingQueue::Burst out;
  for (int i = 0; i < 10; ++i) out.push(near.allocate());
  near.transmit(out);
  EXPECT_EQ(link.mbufs_in_use(), 10u);
}

TEST(RingLink, ALengthThatIsNoPowerOfTwoIsRefused) {
  test::eal();
  const auto link = dpdk::RingLink::create({.entries = 1'000});
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().kind, Error::Kind::usage);
  EXPECT_EQ(link.error().remedy, "1024");
}

TEST(TscClock, KeepsTheTimeOfTheSystem) {
  test::eal();
  const dpdk::TscClock clock;
  const auto begin = std::chrono::steady_clock::now();
  const Instant first = clock.now();
  Instant last = first;
  while (std::chrono::steady_clock::now() - begin < 100ms) {
    const Instant next = clock.now();
    ASSERT_GE(next, last);
    last = next;
  }
  const Duration apart = std::chrono::steady_clock::now() - begin - (last - first);
  // The two clocks are read one after the other, and a machine may stall in between.
  EXPECT_LT(std::chrono::abs(apart), 20ms);
  EXPECT_LT(first.time_since_epoch(), 20ms);
}

TEST(TscClock, ConvertsCyclesWithoutDriftOverAYear) {
  test::eal();
  const dpdk::TscClock clock;
  EXPECT_EQ(clock.duration(0), 0ns);
  const Duration day = clock.duration(clock.hz() * 86'400);
  EXPECT_LT(std::chrono::abs(day - 24h), 100us);
  const Duration year = clock.duration(clock.hz() * 86'400 * 365);
  EXPECT_LT(std::chrono::abs(year - 24h * 365), 40ms);
}

TEST(Eal, RunsAJobOnEachWorkerAndWaits) {
  dpdk::Eal& eal = test::eal();
  std::atomic<unsigned> ran = 0;
  for (unsigned i = 0; i < 3; ++i) {
    eal.launch(eal.cores().size(), [&](std::size_t worker) {
      EXPECT_EQ(static_cast<unsigned>(sched_getcpu()), eal.cores()[worker]);
      ++ran;
    });
    eal.wait();
    EXPECT_EQ(ran, (i + 1) * eal.cores().size());
  }
}

TEST(Eal, CannotBeStartedTwice) {
  test::eal();
  const auto second = dpdk::Eal::start({.no_huge = true});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, Error::Kind::machine);
}

}  // namespace
}  // namespace pollux
