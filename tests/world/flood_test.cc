#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "raw_host.h"
#include "raw_tcp.h"
#include "sim/world.h"
#include "stack_setup.h"

/// Floods of segments that belong to nothing, and what they cost: a bounded number of entries, at
/// most one answer each, and no connection of those who mean it.
namespace pollux::world {
namespace {

/// A server with a small table of half-open entries, an honest client, and a host that sends what
/// it likes under any address and is the way to all of them; on one switch.
class Flood : public testing::Test {
 protected:
  static constexpr wire::Ipv4Address flooder_address{10, 0, 0, 3};
  static constexpr wire::MacAddress flooder_mac{{2, 0, 0, 0, 0, 3}};
  static constexpr std::uint16_t closed_port = 9;
  static constexpr std::uint32_t half_open = 64;

  sim::World world{1};
  Prng random{2};
  sim::Switch& network = world.add_switch();
  sim::Device& client_device = world.add_device({.name = "client", .mac = left_mac});
  sim::Device& device = world.add_device({.name = "server", .mac = right_mac});
  sim::Device& flooder_device = world.add_device({.name = "flooder", .mac = flooder_mac});
  RawHost flooder{flooder_device, flooder_address};
  pipeline::Config client_config = config_of(left_address);
  pipeline::Config config = config_of(right_address);
  ProbeApp client_app;
  ProbeApp app;
  std::unique_ptr<Stack> client;
  std::unique_ptr<Stack> stack;

  void start() {
    for (sim::Device* each : {&client_device, &device, &flooder_device}) {
      world.connect(*each, network, {.delay = 100us}, {.delay = 100us});
    }
    config.half_open = half_open;
    config.connections = client_config.connections = 1'024;
    config.interface.routes = {{{wire::Ipv4Address{}, 0}, flooder_address}};
    app.listen_port = port;
    client = std::move(*Stack::make(client_config, client_device, client_app, world.now()));
    stack = std::move(*Stack::make(config, device, app, world.now()));
    world.add_host(flooder, {&flooder_device}, {.name = "flooder"});
    world.add_host(*client, {&client_device}, {.name = "client"});
    world.add_host(*stack, {&device}, {.name = "server"});
    client->start(world.now());
    stack->start(world.now());
    run_for(10s);
    // The way back to the flood's addresses is known.
    flood(1, {.seq = wire::SeqNum{1}, .control = control::rst}, port);
    run_for(100ms);
    before = stack->counters();
  }
  void run_for(Duration time) {
    const Status status = world.run_for(time);
    ASSERT_TRUE(status.ok()) << status.error().what << ": " << status.error().why;
    EXPECT_LE(stack->half_open_in_use(), half_open);
  }
  void TearDown() override {
    for (const Stack* each : {client.get(), stack.get()}) {
      const Counters& counters = each->counters();
      EXPECT_EQ(counters[Event::frames_received],
                counters[Event::frames_delivered] + counters.dropped() + each->frames_held());
    }
  }
  /// What was counted since start().
  Counters counted() const { return stack->counters().since(before); }

  /// `n` segments with this content, each from an address and port of its own.
  void flood(int n, const RawSegment& segment, std::uint16_t to) {
    for (int i = 0; i < n; ++i) {
      const wire::Ipv4Address from{20u << 24 | (random.next32() & 0xff'ffff)};
      const auto source_port = static_cast<std::uint16_t>(1024 + random.below(60'000));
      RawSegment mine = segment;
      mine.seq = wire::SeqNum{random.next32()};
      if ((segment.control & control::ack) != 0) mine.ack = wire::SeqNum{random.next32()};
      send(RawTcp{flooder, right_mac, {from, right_address, source_port, to}}.bytes(mine), from);
    }
  }
  void send(const std::vector<std::byte>& payload, wire::Ipv4Address from) {
    std::vector<std::byte> frame(34 + payload.size());
    wire::Ipv4Fields ip;
    ip.total_length = static_cast<std::uint16_t>(20 + payload.size());
    ip.protocol = wire::protocol::tcp;
    ip.source = from;
    ip.destination = right_address;
    wire::EthernetFields{right_mac, flooder_mac, wire::ether_type::ipv4}.write(frame);
    ip.write(std::span{frame}.subspan(14));
    std::copy(payload.begin(), payload.end(), frame.begin() + 34);
    flooder.send_frame(frame);
  }
  /// 100,000 segments in a second, and 200 connections of the client among them.
  void flood_beside_a_client(const RawSegment& segment, std::uint16_t to) {
    for (int ms = 0; ms < 1'000; ++ms) {
      if (ms % 5 == 0) {
        ASSERT_TRUE(client->connect({right_address, port}));
      }
      flood(100, segment, to);
      run_for(1ms);
    }
    run_for(10s);
    EXPECT_EQ(client_app.connected, 200u);
    EXPECT_EQ(client_app.closed, std::vector(200, Cause::by_us));
    EXPECT_EQ(app.accepted, 200u);
    EXPECT_EQ(app.closed, std::vector(200, Cause::by_peer));
    EXPECT_EQ(stack->connections_in_use(), 0u);
  }

  Counters before;
};

const RawSegment modern_syn{.control = control::syn,
                            .mss = std::uint16_t{1460},
                            .timestamps = wire::Timestamps{.value = 77},
                            .window_scale = std::uint8_t{7},
                            .sack_permitted = true};

TEST_F(Flood, OfSynsKeepsNobodyOut) {  // RFC 4987
  client_app.close_when_sent = true;
  client_app.send_bytes = 1;
  start();
  flood_beside_a_client(modern_syn, port);
  const Counters counts = counted();
  EXPECT_EQ(counts[Drop::tcp_half_open_full], 0u);
  EXPECT_GE(counts[Event::tcp_syn_cookies_sent], 100'000u - half_open);
  EXPECT_LE(counts[Event::tcp_syn_cookies_sent], 100'000u + 200 - half_open);
  EXPECT_GE(counts[Event::tcp_syn_cookies_accepted], 190u);
  EXPECT_EQ(client->counters()[Event::tcp_retransmitted], 0u) << "each was answered at once";
  // One answer a SYN, what is sent again to those who have an entry, and the client's segments.
  EXPECT_LE(counts[Event::tcp_segments_sent], 100'000u + 5 * half_open + 200 * 4);
  // And when it is over, entries are made again.
  run_for(5min);
  EXPECT_EQ(stack->half_open_in_use(), 0u);
  const auto accepted = counted()[Event::tcp_syn_cookies_accepted];
  ASSERT_TRUE(client->connect({right_address, port}));
  run_for(1s);
  EXPECT_EQ(client_app.connected, 201u);
  EXPECT_EQ(counted()[Event::tcp_syn_cookies_accepted], accepted);
}

TEST_F(Flood, OfSynsKeepsNobodyOutWithoutTimestampsEither) {
  client_app.close_when_sent = true;
  client_app.send_bytes = 1;
  client_config.tcp.timestamps = false;
  start();
  flood_beside_a_client({.control = control::syn}, port);
  EXPECT_GE(counted()[Event::tcp_syn_cookies_accepted], 190u);
}

TEST_F(Flood, OfSynsIsDroppedWithoutCookies) {
  config.tcp.syn_cookies = tcp::SynCookieUse::never;
  start();
  flood(1'000, modern_syn, port);
  run_for(10ms);
  const Counters counts = counted();
  EXPECT_EQ(counts[Drop::tcp_half_open_full], 1'000u - half_open);
  EXPECT_EQ(counts[Event::tcp_syn_cookies_sent], 0u);
  EXPECT_EQ(counts[Event::tcp_segments_sent], half_open);
}

TEST_F(Flood, OfAcksGuessesNoCookie) {
  client_app.close_when_sent = true;
  start();
  flood(1'000, modern_syn, port);
  run_for(10ms);
  flood_beside_a_client({.control = control::ack}, port);
  const Counters counts = counted();
  EXPECT_EQ(counts[Event::tcp_syn_cookies_refused], 100'000u);
  EXPECT_EQ(counts[Event::tcp_syn_cookies_accepted], 200u);
  // One in 256 may be text that overtakes its ACK.
  EXPECT_NEAR(static_cast<double>(counts[Drop::tcp_bad_sequence]), 390, 100);
  EXPECT_EQ(counts[Drop::tcp_no_connection], 100'000u - counts[Drop::tcp_bad_sequence]);
  EXPECT_EQ(counts[Event::tcp_resets_sent], counts[Drop::tcp_no_connection]);
}

TEST_F(Flood, OfAcksIsResetWithoutALookAtCookies) {
  client_app.close_when_sent = true;
  start();
  flood_beside_a_client({.control = control::ack}, port);
  const Counters counts = counted();
  EXPECT_EQ(counts[Event::tcp_syn_cookies_refused], 0u);
  EXPECT_EQ(counts[Drop::tcp_no_connection], 100'000u);
  EXPECT_EQ(counts[Event::tcp_resets_sent], 100'000u);
}

TEST_F(Flood, OfResetsIsAnsweredByNothing) {
  client_app.close_when_sent = true;
  start();
  flood_beside_a_client({.control = control::rst}, port);
  flood(1'000, {.control = control::rst | control::ack}, closed_port);
  run_for(10ms);
  const Counters counts = counted();
  EXPECT_EQ(counts[Drop::tcp_bad_reset], 100'000u);
  EXPECT_EQ(counts[Drop::tcp_no_connection], 1'000u);
  EXPECT_EQ(counts[Event::tcp_resets_sent], 0u);
  EXPECT_EQ(flooder.datagrams.size(), 0u);
}

TEST_F(Flood, OfFinsIsDroppedAtAListener) {  // s.3.10.7.2, fourth
  client_app.close_when_sent = true;
  start();
  flood_beside_a_client({.control = control::fin}, port);
  const Counters counts = counted();
  EXPECT_EQ(counts[Drop::tcp_no_ack], 100'000u);
  EXPECT_EQ(flooder.datagrams.size(), 0u);
}

TEST_F(Flood, OfAnythingToAClosedPortGetsAtMostOneResetEach) {
  client_app.close_when_sent = true;
  start();
  flood_beside_a_client({.control = control::syn}, closed_port);
  flood(1'000, {.control = control::fin}, closed_port);
  run_for(10ms);
  flood(1'000, {.control = control::fin | control::ack, .text = std::vector<std::byte>(500)},
        closed_port);
  run_for(10ms);
  const Counters counts = counted();
  EXPECT_EQ(counts[Drop::tcp_no_connection], 102'000u);
  EXPECT_EQ(counts[Event::tcp_resets_sent], 102'000u);
  EXPECT_EQ(counts[Event::tcp_syn_cookies_sent], 0u);
  EXPECT_EQ(stack->half_open_in_use(), 0u);
  std::size_t longest = 0;
  for (const auto& datagram : flooder.datagrams) longest = std::max(longest, datagram.size());
  EXPECT_EQ(longest, 40u) << "an answer is no longer than what it answers";
}

TEST_F(Flood, FromOurOwnAddressAndPortIsNoSource) {  // LAND
  start();
  const RawTcp land{flooder, right_mac, {right_address, right_address, port, port}};
  for (int i = 0; i < 1'000; ++i) {
    send(land.bytes({.seq = wire::SeqNum{random.next32()}, .control = control::syn}),
         right_address);
  }
  run_for(1s);
  const Counters counts = counted();
  EXPECT_EQ(counts[Drop::ipv4_martian_source], 1'000u);
  EXPECT_EQ(counts[Event::tcp_segments_sent], 0u);
  EXPECT_EQ(stack->half_open_in_use(), 0u);
}

}  // namespace
}  // namespace pollux::world
