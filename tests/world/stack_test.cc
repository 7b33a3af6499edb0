#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "sim/world.h"
#include "stack_setup.h"

namespace pollux::world {
namespace {

/// Two stacks on one cable, each with a ProbeApp that the test sets up before start().
class TwoStacks : public testing::Test {
 protected:
  sim::World world{1};
  sim::Device& left_device = world.add_device({.name = "left", .mac = left_mac});
  sim::Device& right_device = world.add_device({.name = "right", .mac = right_mac});
  sim::Cable cable = world.connect(left_device, right_device, {.delay = 1ms});
  sim::HostOptions right_host{.name = "right"};
  pipeline::Config left_config = config_of(left_address);
  pipeline::Config right_config = config_of(right_address);
  ProbeApp left_app;
  ProbeApp right_app;
  std::unique_ptr<Stack> left;
  std::unique_ptr<Stack> right;

  void start() {
    left = std::move(*Stack::make(left_config, left_device, left_app, world.now()));
    right = std::move(*Stack::make(right_config, right_device, right_app, world.now()));
    world.add_host(*left, {&left_device}, {.name = "left"});
    world.add_host(*right, {&right_device}, right_host);
    left->start(world.now());
    right->start(world.now());
  }
  void run_until(Duration when) {
    const Status status = world.run_until(Instant{when});
    ASSERT_TRUE(status.ok()) << status.error().what << ": " << status.error().why;
  }
  /// At the end of a test: nothing is left of anything.
  void expect_clean() {
    run_until(world.now().time_since_epoch() + 5min);
    for (const Stack* stack : {left.get(), right.get()}) {
      EXPECT_EQ(stack->connections_in_use(), 0u);
      EXPECT_EQ(stack->half_open_in_use(), 0u);
      EXPECT_EQ(stack->time_wait_in_use(), 0u);
      const Counters& counters = stack->counters();
      EXPECT_EQ(counters[Event::frames_received],
                counters[Event::frames_delivered] + counters.dropped() + stack->frames_held());
    }
    EXPECT_EQ(world.frames().live(), 0u);
  }
};

TEST_F(TwoStacks, ASlowReaderClosesTheWindowAndLosesNothing) {
  left_app.connect_to = {{right_address, port}};
  left_app.send_bytes = 400'000;
  left_app.close_when_sent = true;
  right_app.listen_port = port;
  right_app.read_at_most = 3000;
  right_app.read_every = 500ms;
  right_config.tcp.receive_buffer = 16'384;
  start();
  run_until(40s);
  EXPECT_LT(right_app.received, 300'000u) << "the reader is slow";
  EXPECT_EQ(right_app.wrong, 0u);
  EXPECT_LE(world.frames().live(), 500u) << "what nobody reads does not pile up";
  run_until(200s);
  EXPECT_EQ(right_app.received, 400'000u);
  EXPECT_EQ(right_app.wrong, 0u);
  EXPECT_EQ(right_app.closed, (std::vector{Cause::by_peer}));
  EXPECT_EQ(left_app.closed, (std::vector{Cause::by_us}));
  expect_clean();
}

TEST_F(TwoStacks, AWindowThatStaysShutIsProbedForAsLongAsItTakes) {
  left_app.connect_to = {{right_address, port}};
  left_app.send_bytes = 60'000;
  left_app.close_when_sent = true;
  right_app.listen_port = port;
  right_app.read_at_most = 1;
  right_app.read_every = 1h;  // one byte, then not for an hour
  left_config.tcp.orphan_timeout = 2h;
  right_config.tcp.receive_buffer = 16'384;
  start();
  run_until(59min);
  EXPECT_EQ(right_app.received, 1u);
  EXPECT_TRUE(left_app.closed.empty()) << "a peer that answers probes is alive (RFC 9293 MUST-37)";
  EXPECT_GT(left->counters()[Event::tcp_zero_window_probes], 40u);
  right_app.read_at_most = 0;
  run_until(70min);
  EXPECT_EQ(right_app.received, 60'000u);
  EXPECT_EQ(right_app.wrong, 0u);
  EXPECT_EQ(left_app.closed, (std::vector{Cause::by_us}));
  expect_clean();
}

TEST_F(TwoStacks, AWindowUpdateThatIsLostIsFoundByProbes) {
  left_app.connect_to = {{right_address, port}};
  left_app.send_bytes = 60'000;
  left_app.close_when_sent = true;
  right_app.listen_port = port;
  right_app.read_at_most = 1;
  right_app.read_every = 10s;
  right_config.tcp.receive_buffer = 16'384;
  start();
  run_until(9s);
  right_app.read_at_most = 0;
  cable.back.set_up(false);  // the update goes out at 10 s, and is lost
  run_until(11s);
  cable.back.set_up(true);
  run_until(60s);
  EXPECT_EQ(right_app.received, 60'000u);
  EXPECT_EQ(left_app.closed, (std::vector{Cause::by_us}));
  expect_clean();
}

TEST_F(TwoStacks, NobodyAnswersArp) {
  left_app.connect_to = {{wire::Ipv4Address{10, 0, 0, 77}, port}};
  start();
  run_until(100s);
  ASSERT_EQ(left_app.closed.size(), 1u);
  EXPECT_TRUE(left_app.closed[0] == Cause::no_neighbor) << name(left_app.closed[0]);
  EXPECT_LE(left_app.closed_at[0], Instant{10s});
  EXPECT_GE(left->counters()[SendDrop::no_neighbor], 1u);
  EXPECT_GE(left->counters()[Event::arp_requests_sent], 3u);
  expect_clean();
}

TEST_F(TwoStacks, EveryConnectionToAnAbsentNeighbourHearsOfItSoon) {
  // More than may wait for one neighbour, so that most of them lose their SYN to another's.
  constexpr int connections = 200;
  left_config.connections = connections;
  start();
  for (int i = 0; i < connections; ++i) {
    ASSERT_TRUE(left->connect({wire::Ipv4Address{10, 0, 0, 77}, port}).ok());
    run_until(world.now().time_since_epoch() + 23ms);
  }
  run_until(world.now().time_since_epoch() + 8s);
  ASSERT_EQ(left_app.closed.size(), static_cast<std::size_t>(connections));
  EXPECT_EQ(std::count(left_app.closed.begin(), left_app.closed.end(), Cause::no_neighbor),
            connections);
  expect_clean();
}

TEST_F(TwoStacks, ANeighbourThatComesBackIsFoundWithinASecond) {
  cable.set_up(false);
  right_app.listen_port = port;
  start();
  // Somebody has wanted it, and hears what is; who wants it later, too.
  run_until(2s);
  ASSERT_TRUE(left->connect({right_address, port}).ok());
  run_until(20s);
  EXPECT_EQ(left_app.closed, (std::vector{Cause::no_neighbor}));
  cable.set_up(true);
  run_until(21100ms);
  ASSERT_TRUE(left->connect({right_address, port}).ok());
  run_until(21200ms);
  EXPECT_EQ(left_app.connected, 1u);
  left->stream(*left_app.stream)->abort();
  expect_clean();
}

TEST_F(TwoStacks, WithoutAGatewayAllIsOnLink) {
  left_app.connect_to = {{wire::Ipv4Address{192, 0, 2, 1}, port}};
  start();
  run_until(100s);
  EXPECT_TRUE(left_app.connect_errors.empty());
  EXPECT_EQ(left_app.closed, (std::vector{Cause::no_neighbor}));
  expect_clean();
}

TEST_F(TwoStacks, WhatNobodyCanHaveIsAnErrorAtOnce) {  // MUST-46
  left_app.connect_to = {{wire::Ipv4Address{224, 0, 0, 1}, port}, {right_address, 0}};
  start();
  EXPECT_EQ(left_app.connect_errors,
            (std::vector{application::StackError::invalid, application::StackError::invalid}));
  expect_clean();
}

TEST_F(TwoStacks, AClosedPortRefuses) {
  left_app.connect_to = {{right_address, port}};
  start();
  run_until(1s);
  EXPECT_EQ(left_app.closed, (std::vector{Cause::refused}));
  EXPECT_EQ(right->counters()[Drop::tcp_no_connection], 1u);
  expect_clean();
}

TEST_F(TwoStacks, APeerThatVanishesTimesOutTheSender) {
  left_app.connect_to = {{right_address, port}};
  left_app.send_bytes = 100'000'000;
  right_app.listen_port = port;
  right_app.options.keepalive = true;
  right_config.tcp.keepalive_idle = 60s;
  right_config.tcp.keepalive_interval = 10s;
  start();
  run_until(100ms);
  EXPECT_GT(right_app.received, 10'000u);
  cable.set_up(false);
  run_until(1h);
  // RFC 9293 s.3.8.3: R2 of at least 100 s. The neighbour does not answer either by then.
  ASSERT_EQ(left_app.closed.size(), 1u);
  EXPECT_TRUE(left_app.closed[0] == Cause::timed_out || left_app.closed[0] == Cause::no_neighbor);
  EXPECT_GE(left_app.closed_at[0], Instant{100s});
  ASSERT_EQ(right_app.closed.size(), 1u) << "keepalive finds out";
  EXPECT_TRUE(right_app.closed[0] == Cause::timed_out || right_app.closed[0] == Cause::no_neighbor);
  expect_clean();
}

TEST_F(TwoStacks, AnAbortResetsThePeer) {
  left_app.connect_to = {{right_address, port}};
  right_app.listen_port = port;
  start();
  run_until(1s);
  ASSERT_TRUE(left_app.stream.has_value());
  left->stream(*left_app.stream)->abort();
  run_until(2s);
  EXPECT_EQ(left_app.closed, (std::vector{Cause::aborted}));
  EXPECT_EQ(right_app.closed, (std::vector{Cause::reset}));
  expect_clean();
}

TEST_F(TwoStacks, StopEndsEverythingAtOnce) {
  left_app.connect_to.assign(20, {right_address, port});
  left_app.send_bytes = 100'000'000;
  right_app.listen_port = port;
  cable.there.options().bits_per_second = 50'000'000;
  start();
  run_until(3s);
  ASSERT_EQ(right_app.accepted, 20u);
  left->stop(world.now());
  EXPECT_EQ(left_app.closed.size(), 20u);
  EXPECT_EQ(left->connections_in_use(), 0u);
  run_until(4s);
  EXPECT_EQ(right_app.closed.size(), 20u);
  EXPECT_EQ(static_cast<std::size_t>(
                std::count(right_app.closed.begin(), right_app.closed.end(), Cause::reset)),
            right_app.closed.size());
  expect_clean();
}

TEST_F(TwoStacks, StopLeavesNoFrameBehind) {
  start();
  run_until(1s);
  const auto bytes = left_app.pattern().bytes(1, 0, 4000);
  const wire::Ipv4Address absent{10, 0, 0, 77};
  ASSERT_TRUE(left->send_datagram({left_address, 4000}, {absent, 9}, bytes).ok());
  ASSERT_TRUE(left->send_datagram({left_address, 4000}, {right_address, 9}, bytes).ok());
  run_until(1500ms);
  left_device.options().transmit_room = 0;
  ASSERT_TRUE(left->send_datagram({left_address, 4000}, {right_address, 9}, bytes).ok());
  left->stop(world.now());
  EXPECT_EQ(left->counters()[SendDrop::shutdown], 6u) << "three wait for an answer, three to leave";
  EXPECT_EQ(world.frames().live(), 0u);
  left_device.options().transmit_room = 1024;
  expect_clean();
}

TEST_F(TwoStacks, DatagramsOfEverySizeAreEchoed) {
  right_app.echo_datagrams_at = 9;
  left_app.hear_datagrams_at = 4000;
  start();
  run_until(1s);
  const std::vector<std::size_t> sizes{0, 1, 17, 1472, 1473, 2960, 9000, 65'507};
  for (const std::size_t size : sizes) {
    // A span of the pattern has a bound; the largest datagram is within it.
    const auto bytes = left_app.pattern().bytes(1, 0, size);
    ASSERT_TRUE(left->send_datagram({left_address, 4000}, {right_address, 9}, bytes).ok()) << size;
    run_until(world.now().time_since_epoch() + 100ms);
  }
  ASSERT_EQ(left_app.datagrams.size(), sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto sent = left_app.pattern().bytes(1, 0, sizes[i]);
    EXPECT_TRUE(std::equal(sent.begin(), sent.end(), left_app.datagrams[i].begin(),
                           left_app.datagrams[i].end()))
        << sizes[i];
  }
  EXPECT_EQ(left->counters()[Event::datagrams_fragmented], 4u);
  EXPECT_EQ(left->counters()[Event::datagrams_reassembled], 4u);
  const std::vector<std::byte> too_big(65'508);
  EXPECT_EQ(left->send_datagram({left_address, 4000}, {right_address, 9}, too_big).error(),
            application::StackError::too_big);
  expect_clean();
}

TEST_F(TwoStacks, TheLargestDatagramWaitsAsAWholeForItsNeighbour) {
  right_app.hear_datagrams_at = 9;
  start();
  ASSERT_EQ(left->counters()[Event::arp_requests_sent], 0u) << "nobody knows anybody yet";
  const auto bytes = left_app.pattern().bytes(1, 0, 65'507);
  ASSERT_TRUE(left->send_datagram({left_address, 4000}, {right_address, 9}, bytes).ok());
  // The second one takes the place of the first, and of all of it.
  ASSERT_TRUE(left->send_datagram({left_address, 4000}, {right_address, 9}, bytes).ok());
  run_until(1s);
  ASSERT_EQ(right_app.datagrams.size(), 1u);
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), right_app.datagrams[0].begin(),
                         right_app.datagrams[0].end()));
  EXPECT_EQ(left->counters()[SendDrop::neighbor_queue_full], 45u);
  EXPECT_EQ(right->frames_held(), 0u) << "no fragment came for nothing";
  expect_clean();
}

TEST_F(TwoStacks, ADatagramThatFindsNoBufferIsNotSaidToBeSent) {
  start();
  run_until(1s);
  left_device.options().allocate_failure = 1;
  const auto bytes = left_app.pattern().bytes(1, 0, 100);
  EXPECT_EQ(left->send_datagram({left_address, 4000}, {right_address, 9}, bytes).error(),
            application::StackError::no_memory);
  EXPECT_EQ(left->counters()[Event::udp_sent], 0u);
  EXPECT_EQ(left->counters()[SendDrop::no_buffer], 1u);
  left_device.options().allocate_failure = 0;
  expect_clean();
}

TEST_F(TwoStacks, ADatagramToAClosedPortIsAnsweredByIcmp) {
  start();
  run_until(1s);
  const auto bytes = left_app.pattern().bytes(1, 0, 100);
  ASSERT_TRUE(left->send_datagram({left_address, 4000}, {right_address, 9}, bytes).ok());
  run_until(2s);
  EXPECT_EQ(right->counters()[Drop::udp_no_listener], 1u);
  EXPECT_EQ(right->counters()[Event::icmp_errors_sent], 1u);
  EXPECT_EQ(left->counters()[Event::icmp_errors_received], 1u);
  expect_clean();
}

TEST_F(TwoStacks, ACardThatLiesAboutReceivedSumsIsFoundOut) {  // MUST-3
  // The first frames that a card calls good are looked at all the same; one lie among them, and
  // nothing that it says is believed any more.
  left_app.connect_to = {{right_address, port}};
  left_app.send_bytes = 500'000;
  left_app.close_when_sent = true;
  right_app.listen_port = port;
  right_device.options().offload = sim::Offload::lies_always_good;
  cable.there.options().corrupt = 0.1;
  start();
  run_until(30min);
  EXPECT_EQ(right_app.wrong, 0u);
  EXPECT_EQ(right_app.received, 500'000u);
  EXPECT_GE(right->counters()[Event::checksum_offload_lies], 1u);
  expect_clean();
}

TEST_F(TwoStacks, AnHonestCardFinishesEverySum) {
  left_app.connect_to = {{right_address, port}};
  left_app.send_bytes = 500'000;
  left_app.close_when_sent = true;
  right_app.listen_port = port;
  left_device.options().offload = sim::Offload::honest;
  right_device.options().offload = sim::Offload::honest;
  cable.there.options().corrupt = 0.02;
  start();
  run_until(30min);
  EXPECT_EQ(right_app.wrong, 0u);
  EXPECT_EQ(right_app.received, 500'000u);
  EXPECT_GE(right->counters()[Drop::tcp_bad_checksum], 1u);
  EXPECT_EQ(left->counters()[Drop::tcp_bad_checksum], 0u) << "nothing is corrupted on the way back";
  expect_clean();
}

TEST_F(TwoStacks, ALossInABurstIsMendedByFastRetransmit) {
  left_app.connect_to = {{right_address, port}};
  left_app.send_bytes = 2'000'000;
  left_app.close_when_sent = true;
  right_app.listen_port = port;
  right_config.tcp.receive_buffer = 14'600;
  // The receiver looks so rarely that a window comes as one burst.
  right_host.wake_delay = 20ms;
  cable.there.options().loss = 0.01;
  start();
  run_until(10min);
  EXPECT_EQ(right_app.received, 2'000'000u);
  EXPECT_GT(left->counters()[Event::tcp_fast_retransmits], 3u);
  expect_clean();
}

}  // namespace
}  // namespace pollux::world
