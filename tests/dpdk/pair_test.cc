#include <gtest/gtest.h>
#include <unistd.h>

#include <set>
#include <string>
#include <vector>

#include "dpdk/port_pair.h"
#include "environment.h"
#include "frames.h"

#ifndef PAIR_KIND
#error "which pair: -DPAIR_KIND=memif or virtio"
#endif

namespace pollux {
namespace {

constexpr dpdk::PairKind kind = dpdk::PairKind::PAIR_KIND;

dpdk::PortPair open(const dpdk::PortOptions& options = {}) {
  return test::must(dpdk::PortPair::open(test::eal(), kind, options));
}

TEST(PortPair, CarriesFramesBothWaysUnchanged) {
  dpdk::PortPair pair = open({.descriptors = 512, .stack_buffers = 2'048});
  {
    auto near = pair.near.queue(0);
    auto far = pair.far.queue(0);
    test::exchange(near, far, 20'000);
    EXPECT_EQ(near.mtu(), 1'500u);
  }
  EXPECT_NE(pair.near.mac(), pair.far.mac());
  EXPECT_FALSE(pair.near.mac().is_group());
  EXPECT_GE(pair.far.stats().rx_packets, 20'000u);
  EXPECT_GE(pair.near.stats().tx_packets, 20'000u);
  EXPECT_EQ(pair.near.offloads(), "none");
  EXPECT_EQ(pair.far.close(), 0u);
  EXPECT_EQ(pair.near.close(), 0u);
}

TEST(PortPair, CarriesFramesOnEachQueue) {
  dpdk::PortPair pair = open({.queues = 2, .descriptors = 256, .stack_buffers = 2'048});
  for (std::uint16_t i = 0; i < 2; ++i) {
    auto near = pair.near.queue(i);
    auto far = pair.far.queue(i);
    test::exchange(near, far, 2'000);
  }
  EXPECT_EQ(pair.far.close(), 0u);
  EXPECT_EQ(pair.near.close(), 0u);
}

TEST(PortPair, ABurstThatIsNotFullHoldsNothingElse) {
  dpdk::PortPair pair = open({.descriptors = 256, .stack_buffers = 2'048});
  for (auto* const ports : {&pair.near, &pair.far}) {
    auto from = (ports == &pair.near ? pair.far : pair.near).queue(0);
    auto to = ports->queue(0);
    std::set<void*> buffers;
    {
      dpdk::Queue::Burst sent;
      auto packet = from.allocate();
      packet.append(60);
      sent.push(std::move(packet));
      dpdk::Queue::Burst received;
      const test::Patience patience;
      while (from.transmit(sent) == 0 && patience) to.receive(received);
      while (received.empty() && patience) to.receive(received);
      ASSERT_EQ(received.size(), 1u);
    }
    // Whatever it held is back now, once.
    std::vector<dpdk::Mbuf> all;
    for (auto each = to.allocate(); each; each = to.allocate()) {
      EXPECT_TRUE(buffers.insert(each.get()).second) << "one buffer twice";
      all.push_back(std::move(each));
    }
    EXPECT_GE(all.size(), 2'048u);
  }
}

TEST(PortPair, ALinkThatNobodyReadsFillsAndLosesNothing) {
  dpdk::PortPair pair = open({.descriptors = 256, .stack_buffers = 4'096});
  {
    auto near = pair.near.queue(0);
    dpdk::Queue::Burst burst;
    std::size_t sent = 0;
    for (int i = 0; i < 2'000; ++i) {
      while (!burst.full()) {
        auto packet = near.allocate();
        ASSERT_TRUE(packet);
        packet.append(60);
        burst.push(std::move(packet));
      }
      sent += near.transmit(burst);
    }
    EXPECT_LE(sent, 1'024u);
    EXPECT_TRUE(burst.full());
    auto far = pair.far.queue(0);
    burst.clear();
    std::size_t received = 0;
    const test::Patience patience;
    while (received < sent && patience) {
      received += far.receive(burst);
      burst.clear();
    }
    EXPECT_EQ(received, sent);
  }
  EXPECT_EQ(pair.far.close(), 0u);
  EXPECT_EQ(pair.near.close(), 0u);
}

TEST(PortPair, LeavesNoSocketBehind) {
  { const dpdk::PortPair pair = open(); }
  EXPECT_NE(access((test::eal().folder() + "/memif.sock").c_str(), F_OK), 0);
  EXPECT_NE(access((test::eal().folder() + "/vhost.sock").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace pollux
