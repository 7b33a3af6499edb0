#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "narrow_path.h"
#include "sim/world.h"
#include "stack_setup.h"

namespace pollux::world {
namespace {

/// Two stacks with a link between them that takes less than theirs.
class OnANarrowPath : public testing::Test {
 protected:
  sim::World world{1};
  sim::Device& left_device = world.add_device({.name = "left", .mac = left_mac});
  sim::Device& right_device = world.add_device({.name = "right", .mac = right_mac});
  sim::Device& near_left = world.add_device({.name = "near left"});
  sim::Device& near_right = world.add_device({.name = "near right"});
  pipeline::Config left_config = config_of(left_address);
  pipeline::Config right_config = config_of(right_address);
  ProbeApp left_app;
  ProbeApp right_app;
  std::unique_ptr<NarrowPath> path;
  std::unique_ptr<Stack> left;
  std::unique_ptr<Stack> right;

  void start(std::uint16_t mtu, std::uint64_t bits_per_second = 0, double loss = 0) {
    world.connect(left_device, near_left,
                  {.bits_per_second = bits_per_second, .delay = 1ms, .loss = loss});
    world.connect(right_device, near_right, {.delay = 1ms});
    path = std::make_unique<NarrowPath>(near_left, near_right, mtu);
    left = std::move(*Stack::make(left_config, left_device, left_app, world.now()));
    right = std::move(*Stack::make(right_config, right_device, right_app, world.now()));
    world.add_host(*path, {&near_left, &near_right}, {.name = "path"});
    world.add_host(*left, {&left_device}, {.name = "left"});
    world.add_host(*right, {&right_device}, {.name = "right"});
    left->start(world.now());
    right->start(world.now());
  }
  void send_across(std::uint32_t bytes) {
    left_app.connect_to = {{right_address, port}};
    left_app.send_bytes = bytes;
    left_app.close_when_sent = true;
    right_app.listen_port = port;
  }
  void run_until(Duration when) {
    const Status status = world.run_until(Instant{when});
    ASSERT_TRUE(status.ok()) << status.error().what << ": " << status.error().why;
  }
  void expect_all_came(std::uint32_t bytes) {
    EXPECT_EQ(right_app.received, bytes);
    EXPECT_EQ(right_app.wrong, 0u);
    EXPECT_EQ(left_app.closed, (std::vector{Cause::by_us}));
    EXPECT_EQ(right_app.closed, (std::vector{Cause::by_peer}));
    run_until(world.now().time_since_epoch() + 5min);
    for (const Stack* stack : {left.get(), right.get()}) {
      const Counters& counters = stack->counters();
      EXPECT_EQ(counters[Event::frames_received],
                counters[Event::frames_delivered] + counters.dropped() + stack->frames_held());
    }
    EXPECT_EQ(world.frames().live(), 0u);
  }
};

TEST_F(OnANarrowPath, SegmentsAreCutToItsMtu) {
  send_across(200'000);
  start(1000);
  run_until(30s);
  EXPECT_GE(path->refused, 1u);
  EXPECT_LE(path->refused, 20u) << "those in flight when the first was refused";
  EXPECT_EQ(path->cut, 0u);
  expect_all_came(200'000);
}

TEST_F(OnANarrowPath, BelowTheLeastEstimateItsRoutersCut) {
  send_across(100'000);
  start(296);
  run_until(30s);
  EXPECT_GE(path->refused, 1u);
  EXPECT_LE(path->refused, 20u);
  EXPECT_GE(path->cut, 100u);
  expect_all_came(100'000);
}

TEST_F(OnANarrowPath, TheNarrowestThereMayBeIsEnough) {
  send_across(20'000);
  start(68);
  run_until(60s);
  EXPECT_GE(path->cut, 20u);
  expect_all_came(20'000);
}

TEST_F(OnANarrowPath, ARouterThatDoesNotSayItsMtuIsEnough) {
  send_across(100'000);
  start(296);
  path->says = 0;
  run_until(60s);
  expect_all_came(100'000);
}

TEST_F(OnANarrowPath, SegmentsThatThePeerKeepsSmallGetThroughToo) {
  // Datagrams of 552 bytes and less are refused, and cannot be made smaller.
  right_device.options().mtu = 540;
  send_across(50'000);
  start(296);
  run_until(60s);
  EXPECT_LE(path->largest, 540u);
  expect_all_came(50'000);
}

TEST_F(OnANarrowPath, WhatASilentOneHasTakenAwayIsAskedBack) {  // RFC 4821
  send_across(80'000'000);
  left_config.tcp.send_buffer = 32'768;  // a round trip of 0.3 s, and time-outs of not much more
  start(1500, 1'000'000);
  run_until(10s);
  EXPECT_EQ(path->largest, 1500u);
  path->mtu = 1300;
  path->silent = true;
  run_until(100s);
  const Counters& counters = left->counters();
  EXPECT_EQ(counters[Event::tcp_black_holes], 1u);
  EXPECT_GE(counters[Event::tcp_path_probes_lost], 3u);
  EXPECT_LE(counters[Event::tcp_path_probes], 6u);
  const std::size_t refused = std::exchange(path->refused, 0);
  EXPECT_LE(refused, 32'768u / 1460 + 20) << "those in flight at first, time-outs, and probes";
  path->largest = 0;
  run_until(200s);
  EXPECT_EQ(path->largest, 1280u) << "the largest usual size that it takes";
  EXPECT_EQ(path->refused, 0u) << "the search is over";
  path->mtu = 1500;
  run_until(500s);
  EXPECT_EQ(path->largest, 1280u) << "not asked again so soon";
  run_until(900s);
  EXPECT_EQ(path->largest, 1500u) << "after ten minutes it is";
  EXPECT_LE(counters[Event::tcp_fast_retransmits], 1u) << "as it shrank; for probes there is none";
  expect_all_came(80'000'000);
}

TEST_F(OnANarrowPath, OneThatChangesAgainAndAgainLosesNothing) {
  send_across(30'000'000);
  start(1500, 2'000'000, 0.01);
  path->silent = true;
  Prng random{1};
  for (Duration at = 5s; at < 300s; at += 10s) {
    run_until(at);
    path->mtu = static_cast<std::uint16_t>(random.chance(0.4) ? 1500 : 600 + random.below(900));
  }
  path->mtu = 1500;
  run_until(30min);
  const Counters& counters = left->counters();
  EXPECT_GE(counters[Event::tcp_black_holes], 2u);
  EXPECT_GE(counters[Event::tcp_path_probes], counters[Event::tcp_path_probes_lost] + 2);
  expect_all_came(30'000'000);
}

TEST_F(OnANarrowPath, WhatOneConnectionHasFoundOthersUse) {  // RFC 4821 s.5.2
  send_across(3'000'000);
  start(1300, 1'000'000);
  path->silent = true;
  run_until(120s);
  EXPECT_EQ(right_app.received, 3'000'000u);
  EXPECT_EQ(right_app.wrong, 0u);
  path->refused = path->largest = 0;
  left_app.send_bytes = 100'000;
  ASSERT_TRUE(left->connect({right_address, port}));
  run_until(150s);
  EXPECT_EQ(right_app.received, 3'100'000u);
  EXPECT_EQ(path->largest, 1280u);
  EXPECT_EQ(path->refused, 0u);
}

/// Two stacks on one cable of their MTU.
struct OnACable {
  sim::World world{1, {.frame_room = 10'000}};
  sim::Device& left_device;
  sim::Device& right_device;
  ProbeApp left_app;
  ProbeApp right_app;
  std::unique_ptr<Stack> left;
  std::unique_ptr<Stack> right;

  explicit OnACable(std::uint16_t left_mtu, std::uint16_t right_mtu)
      : left_device(world.add_device({.name = "left", .mac = left_mac, .mtu = left_mtu})),
        right_device(world.add_device({.name = "right", .mac = right_mac, .mtu = right_mtu})) {
    world.connect(left_device, right_device, {.delay = 1ms});
    left_app.connect_to = {{right_address, port}};
    left_app.send_bytes = 200'000;
    left_app.close_when_sent = true;
    right_app.listen_port = port;
    left = std::move(*Stack::make(config_of(left_address), left_device, left_app, world.now()));
    right = std::move(*Stack::make(config_of(right_address), right_device, right_app, world.now()));
    world.add_host(*left, {&left_device});
    world.add_host(*right, {&right_device});
    left->start(world.now());
    right->start(world.now());
    EXPECT_TRUE(world.run_for(5min).ok());
    EXPECT_EQ(right_app.received, 200'000u);
    EXPECT_EQ(right_app.wrong, 0u);
  }
  std::uint64_t sent() const { return left->counters()[Event::tcp_segments_sent]; }
};

TEST(Mtu, ALargeOneIsUsedUp) {
  const OnACable both{9000, 9000};
  EXPECT_LE(both.sent(), 200'000 / 8960 + 10u);
}

TEST(Mtu, TheSmallerOfTwoIsKeptTo) {  // SHLD-6
  const OnACable receiver{9000, 1500};
  EXPECT_GE(receiver.sent(), 200'000 / 1460u);
  EXPECT_LE(receiver.sent(), 200'000 / 1460 + 20u);
  const OnACable sender{1500, 9000};
  EXPECT_LE(sender.sent(), 200'000 / 1460 + 20u);
}

TEST(Mtu, TheLeastThereIsWorks) {
  const OnACable both{88, 88};
  EXPECT_GE(both.sent(), 200'000 / 48u);
}

TEST(Mtu, LessThanTheLeastSegmentNeedsIsRefused) {
  sim::World world{1};
  sim::Device& device = world.add_device({.name = "small", .mac = left_mac, .mtu = 87});
  ProbeApp app;
  const auto made = Stack::make(config_of(left_address), device, app, world.now());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().what, "--mtu 87");
  EXPECT_EQ(made.error().why, "the smallest segment, of 48 bytes, takes datagrams of 88");
}

}  // namespace
}  // namespace pollux::world
