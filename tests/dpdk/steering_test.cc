#include "dpdk/steering.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/prng.h"
#include "dpdk/mbuf.h"
#include "dpdk/pool.h"
#include "environment.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

namespace pollux::dpdk {
namespace {

using test::must;

wire::FourTuple random_tuple(Prng& random) {
  return {.local = wire::Ipv4Address{random.next32()},
          .remote = wire::Ipv4Address{random.next32()},
          .local_port = static_cast<std::uint16_t>(random.next32()),
          .remote_port = static_cast<std::uint16_t>(random.next32())};
}

TEST(FlowSum, IsTheToeplitzSumForAnyKey) {
  Prng random{1};
  for (int i = 0; i < 20; ++i) {
    std::vector<std::uint8_t> key = rss_key(40);
    if (i != 0) {
      for (auto& byte : key) byte = static_cast<std::uint8_t>(random.next32());
    }
    const FlowSum sum{key};
    for (int j = 0; j < 200; ++j) {
      const auto tuple = random_tuple(random);
      ASSERT_EQ(sum.of(tuple), toeplitz(key, tuple));
    }
  }
}

class SteeringTest : public ::testing::Test {
 protected:
  static constexpr std::uint8_t udp = wire::protocol::udp;
  static constexpr std::uint8_t tcp = wire::protocol::tcp;
  static constexpr std::uint8_t icmp = wire::protocol::icmp;

  SteeringTest() {
    static int made = 0;
    test::eal();
    pool_ = std::make_unique<Pool>(
        must(Pool::create({.name = "steer" + std::to_string(made++), .buffers = 16'383})));
  }
  ~SteeringTest() override {
    steering_.reset();
    EXPECT_EQ(pool_->in_use(), 0u);
  }
  void make(SteeringOptions options) { steering_ = must(Steering::create(std::move(options))); }

  /// A frame as the remote end of `tuple` sends it.
  Mbuf frame(const wire::FourTuple& tuple, std::uint8_t protocol = tcp, std::uint8_t control = 0,
             std::uint16_t offset = 0, bool more = false) {
    Mbuf out = Mbuf::allocate(pool_->get());
    const auto transport = out.append(wire::TcpFields::size);
    wire::TcpFields{
        .source_port = tuple.remote_port, .destination_port = tuple.local_port, .control = control}
        .write(transport);
    wire::Ipv4Fields ip{};
    ip.total_length = static_cast<std::uint16_t>(wire::Ipv4Fields::size + transport.size());
    ip.protocol = protocol;
    ip.more_fragments = more;
    ip.fragment_offset_bytes = offset;
    ip.source = tuple.remote;
    ip.destination = tuple.local;
    ip.write(out.prepend(wire::Ipv4Fields::size));
    wire::EthernetFields{{}, {}, wire::ether_type::ipv4}.write(
        out.prepend(wire::EthernetFields::size));
    return out;
  }
  /// A flow whose home is that core.
  wire::FourTuple tuple_of(std::uint16_t home) {
    for (;;) {
      const auto tuple = random_tuple(random_);
      if (steering_->home_of(tuple) == home) return tuple;
    }
  }
  /// What a core gets of one frame that came in there.
  Steering::Burst arrive(std::uint16_t core, Mbuf one) {
    Steering::Burst burst;
    burst.push(std::move(one));
    steering_->sort(core, burst, 0);
    return burst;
  }
  std::size_t waiting(std::uint16_t core) {
    std::size_t n = 0;
    for (;;) {
      Steering::Burst burst;
      steering_->take_in(core, burst);
      if (burst.empty()) return n;
      n += burst.size();
    }
  }

  Prng random_{7};
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Steering> steering_;
};

TEST_F(SteeringTest, BringsEachFlowToOneCoreAndLosesNothing) {
  for (const std::uint16_t cores : {1, 2, 3, 7}) {
    make({.cores = cores, .queues = cores});
    Prng random{cores};
    std::vector<std::size_t> expected(cores);
    std::vector<std::size_t> got(cores);
    std::uint64_t elsewhere = 0;
    for (int i = 0; i < 300; ++i) {
      const auto at = static_cast<std::uint16_t>(random.below(cores));
      Steering::Burst burst;
      burst.push(frame(random_tuple(random), icmp));  // from an earlier stage: not looked at
      const std::size_t n = random.below(64);
      for (std::size_t j = 0; j < n; ++j) {
        const auto tuple = random_tuple(random);
        burst.push(frame(tuple, random.chance(0.5) ? tcp : udp));
        const std::uint16_t home = steering_->home_of(tuple);
        EXPECT_EQ(steering_->home_of(burst[j + 1].bytes()), home);
        ++expected[home];
        if (home != at) ++elsewhere;
      }
      steering_->sort(at, burst, 1);
      got[at] += burst.size() - 1;
      for (std::size_t j = 1; j < burst.size(); ++j) {
        EXPECT_EQ(steering_->home_of(burst[j].bytes()), at);
      }
      for (std::uint16_t core = 0; core < cores; ++core) got[core] += waiting(core);
    }
    EXPECT_EQ(got, expected);
    EXPECT_EQ(steering_->handed_over(), elsewhere);
    EXPECT_EQ(steering_->dropped(), 0u);
    for (std::uint16_t core = 0; core < steering_->cores(); ++core) steering_->begin_counting(core);
    EXPECT_EQ(steering_->handed_over(), 0u) << "the warm-up is not counted";
    EXPECT_GT(*std::min_element(expected.begin(), expected.end()), 9'000u / cores / 2);
    steering_.reset();
  }
}

TEST_F(SteeringTest, WhatHasNoPortsStaysAndFragmentsKeepTogether) {
  make({.cores = 4, .queues = 4});
  Prng random{5};
  for (int i = 0; i < 200; ++i) {
    const auto tuple = random_tuple(random);
    EXPECT_EQ(arrive(2, frame(tuple, icmp)).size(), 1u);
    const auto first = frame(tuple, tcp, 0, 0, true);
    const auto second = frame(random_tuple(random), tcp, 0, 0, false);
    const auto last = frame({tuple.local, tuple.remote, 7, 9}, tcp, 0, 1'480, false);
    EXPECT_EQ(steering_->home_of(first.bytes()), steering_->home_of(last.bytes()));
    EXPECT_TRUE(steering_->home_of(second.bytes()));
  }
  Mbuf arp = Mbuf::allocate(pool_->get());
  wire::EthernetFields{{}, {}, wire::ether_type::arp}.write(arp.append(60));
  EXPECT_FALSE(steering_->home_of(arp.bytes()));
  for (std::size_t n = 60; n-- > 0;) {
    arp.keep_front(n);
    EXPECT_FALSE(steering_->home_of(arp.bytes()));
  }
}

TEST_F(SteeringTest, CountsWhatACoreThatIsAwayLoses) {
  make({.cores = 2, .queues = 2});
  Prng random{6};
  std::size_t sent = 0;
  while (steering_->dropped() < 100) {
    const auto tuple = random_tuple(random);
    if (steering_->home_of(tuple) == 0) continue;
    EXPECT_TRUE(arrive(0, frame(tuple)).empty());
    ++sent;
  }
  EXPECT_EQ(steering_->handed_over() + 100, sent);
  EXPECT_EQ(waiting(1), sent - 100);
  // Others' frames take half of the room: those of the own queue do not wait for them.
  for (int i = 0; i < 200; ++i) {
    const auto tuple = random_tuple(random);
    if (steering_->home_of(tuple) == 1) arrive(0, frame(tuple));
  }
  Steering::Burst burst;
  steering_->take_in(1, burst);
  EXPECT_EQ(burst.size(), burst.capacity() / 2);
}

TEST_F(SteeringTest, BelievesADeviceThatWasRightUntilItIsNot) {
  make({.cores = 2, .queues = 2, .device_spreads = true});
  EXPECT_TRUE(steering_->software(0));
  for (int i = 0; i < 500; ++i) arrive(0, frame(tuple_of(0), tcp, wire::control::ack));
  EXPECT_TRUE(steering_->software(0)) << "no flow has begun";
  for (int i = 0; i < 64; ++i) arrive(0, frame(tuple_of(0), tcp, wire::control::syn));
  EXPECT_FALSE(steering_->software(0));
  EXPECT_TRUE(steering_->software(1)) << "each core sees for itself";
  EXPECT_FALSE(steering_->device_lied());
  // From now on some bursts are looked at, and the next lie is the last.
  int lies = 0;
  while (!steering_->device_lied() && lies < 1'000) {
    arrive(0, frame(tuple_of(1), tcp, wire::control::syn));
    ++lies;
  }
  EXPECT_LT(lies, 1'000);
  EXPECT_TRUE(steering_->software(0));
  const std::size_t before = waiting(1);
  EXPECT_GE(before, 1u);
  EXPECT_TRUE(arrive(0, frame(tuple_of(1))).empty());
  EXPECT_EQ(waiting(1), 1u);
}

TEST_F(SteeringTest, CoresWithoutAQueueSendThroughAnothers) {
  make({.cores = 5, .queues = 2});
  for (const std::uint16_t core : {2, 3, 4}) {
    Prng random{core};
    Steering::Burst burst;
    for (int i = 0; i < 10; ++i) burst.push(frame(random_tuple(random)));
    EXPECT_EQ(steering_->send_through(core, burst), 10u);
    EXPECT_TRUE(burst.empty());
    Steering::Burst out;
    steering_->take_out(static_cast<std::uint16_t>(1 - core % 2), out);
    EXPECT_TRUE(out.empty());
    steering_->take_out(core % 2, out);
    EXPECT_EQ(out.size(), 10u);
  }
}

// A device's table is what a driver tells: it may name queues that nobody polls, or only some.
TEST_F(SteeringTest, ATableOfTheDeviceNamesCoresThatThereAre) {
  make({.cores = 2, .queues = 2, .homes = {0, 1, 2, 7}, .device_spreads = true});
  Prng random{11};
  for (int i = 0; i < 1'000; ++i) ASSERT_LT(steering_->home_of(random_tuple(random)), 2);
}

TEST_F(SteeringTest, EachCoreHasFlowsWhateverTheDeviceTells) {
  make({.cores = 2,
        .queues = 2,
        .homes = std::vector<std::uint16_t>(128, 0),
        .device_spreads = true});
  Prng random{12};
  const auto has_home = [&](std::uint16_t core) {
    for (int i = 0; i < 1'000; ++i) {
      if (steering_->home_of(random_tuple(random)) == core) return true;
    }
    return false;
  };
  EXPECT_TRUE(has_home(0));
  EXPECT_TRUE(has_home(1)) << "no source port of this core ever comes home, and no flow comes";
}

// What begins while a device is believed lives where it came in: a look at some bursts must not
// tear single frames out of it, which the other core can only reset.
TEST_F(SteeringTest, AFlowOfABelievedDeviceIsNotTorn) {
  make({.cores = 2, .queues = 2, .device_spreads = true});
  for (int i = 0; i < 64; ++i) arrive(0, frame(tuple_of(0), tcp, wire::control::syn));
  ASSERT_FALSE(steering_->software(0));
  const auto tuple = tuple_of(1);
  std::size_t stayed = 0;
  for (int i = 0; i < 1'024; ++i) stayed += arrive(0, frame(tuple, tcp, wire::control::ack)).size();
  EXPECT_FALSE(steering_->device_lied());
  EXPECT_EQ(stayed, 1'024u);
  EXPECT_EQ(waiting(1), 0u);
}

TEST_F(SteeringTest, CarriesAFrameToTheCoreOfItsFlow) {
  make({.cores = 2, .queues = 1});
  const auto tuple = tuple_of(1);
  EXPECT_TRUE(steering_->carry_home(0, tuple, frame(tuple)));
  EXPECT_EQ(waiting(0), 0u);
  EXPECT_EQ(waiting(1), 1u);
  EXPECT_EQ(steering_->handed_over(), 1u);
  for (int i = 0; i < 5'000; ++i) steering_->carry_home(0, tuple, frame(tuple));
  EXPECT_EQ(steering_->handed_over() + steering_->dropped(), 5'001u);
  EXPECT_EQ(waiting(1) + 1, steering_->handed_over());
}

// A packet that the device is to cut lies in several buffers. It may wait when the run ends.
TEST_F(SteeringTest, ReturnsChainsThatAreStillOnTheirWay) {
  make({.cores = 2, .queues = 1});
  Mbuf chain = frame({});
  Mbuf behind = Mbuf::allocate(pool_->get());
  behind.append(100);
  chain.attach(std::move(behind));
  Steering::Burst burst;
  burst.push(std::move(chain));
  EXPECT_EQ(steering_->send_through(1, burst), 1u);
  steering_.reset();
  EXPECT_EQ(pool_->in_use(), 0u);
}

}  // namespace
}  // namespace pollux::dpdk
