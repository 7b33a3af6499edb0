// What the stack says by ICMP, and what it makes of what it is told.

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "stack_and_raw_host.h"
#include "wire/tcp.h"

namespace pollux::world {
namespace {

using Heard = std::vector<std::pair<unsigned, unsigned>>;
namespace codes = wire::icmp_unreachable;
constexpr unsigned unreachable = wire::icmp_type::destination_unreachable;

class Icmp : public StackAndRawHost {
 protected:
  /// The stack's SYN to the raw host, which does not answer it.
  std::vector<std::byte> syn_of_a_connection() {
    raw.datagrams.clear();
    EXPECT_TRUE(stack->connect({left_address, port}).ok());
    run_for(10ms);
    EXPECT_EQ(raw.datagrams.size(), 1u);
    return raw.datagrams.empty() ? std::vector<std::byte>{} : raw.datagrams.front();
  }
  void tell(std::span<const std::byte> message) {
    raw.send(right_mac, to_stack(wire::protocol::icmp), message);
    run_for(10ms);
  }
};

TEST_F(Icmp, AnUnknownProtocolIsAnswered) {
  const std::vector<std::byte> payload(100);
  raw.send(right_mac, to_stack(132), payload);
  run_for(10ms);
  EXPECT_EQ(icmp_heard(), (Heard{{unreachable, codes::protocol}}));
  EXPECT_EQ(stack->counters()[Drop::ipv4_unknown_protocol], 1u);
}

TEST_F(Icmp, AClosedUdpPortIsAnswered) {
  raw.send(right_mac, to_stack(wire::protocol::udp), udp(4000, 9, 10));
  run_for(10ms);
  EXPECT_EQ(icmp_heard(), (Heard{{unreachable, codes::port}}));
}

TEST_F(Icmp, ErrorsKeepTheirRate) {
  for (int i = 0; i < 200; ++i) {
    raw.send(right_mac, to_stack(wire::protocol::udp), udp(4000, 9, 10));
  }
  run_for(10ms);
  const std::size_t at_once = icmp_heard().size();
  EXPECT_GE(at_once, 50u);
  EXPECT_LE(at_once, 60u);
  EXPECT_EQ(stack->counters()[Event::icmp_errors_sent], at_once);
  EXPECT_EQ(stack->counters()[SendDrop::rate_limited], 200 - at_once);
}

// RFC 1122 s.3.2.2: never about an ICMP error, a broadcast, a later fragment.
TEST_F(Icmp, NothingIsSaidAboutErrorsBroadcastsAndLaterFragments) {
  wire::Ipv4Fields ip = to_stack(132);
  ip.fragment_offset_bytes = 1480;
  const std::vector<std::byte> payload(100);
  raw.send(right_mac, ip, payload);

  ip = to_stack(wire::protocol::udp);
  ip.destination = wire::Ipv4Address{10, 0, 0, 255};
  raw.send(wire::MacAddress::broadcast(), ip, udp(4000, 9, 10));
  raw.send(right_mac, ip, udp(4000, 9, 10));
  ip.destination = wire::Ipv4Address{255, 255, 255, 255};
  raw.send(wire::MacAddress::broadcast(), ip, udp(4000, 9, 10));

  // A broken error, and one about nothing.
  std::vector<std::byte> message(8 + 28);
  wire::IcmpFields::unreachable(codes::port).write(message);
  raw.send(right_mac, to_stack(wire::protocol::icmp), message);
  wire::IcmpFields{77, 0, 0}.write(message);
  raw.send(right_mac, to_stack(wire::protocol::icmp), message);
  run_for(10ms);
  EXPECT_EQ(icmp_heard(), Heard{});
  EXPECT_EQ(stack->counters()[Drop::udp_no_listener], 3u);
  EXPECT_EQ(stack->counters()[Drop::icmp_truncated], 1u);
  EXPECT_EQ(stack->counters()[Drop::icmp_unknown_type], 1u);
}

TEST_F(Icmp, ABroadcastPingIsNotAnswered) {
  wire::Ipv4Fields ip = to_stack(wire::protocol::icmp);
  ip.destination = wire::Ipv4Address{10, 0, 0, 255};
  std::vector<std::byte> message(64);
  wire::IcmpFields::echo_request(1, 1).write(message);
  raw.send(wire::MacAddress::broadcast(), ip, message);
  run_for(10ms);
  EXPECT_EQ(icmp_heard(), Heard{});
  EXPECT_EQ(stack->counters()[Drop::icmp_not_ours], 1u);
}

TEST_F(Icmp, APortUnreachableAboutItsSynRefusesAConnection) {
  const auto syn = syn_of_a_connection();
  wire::Ipv4View ip;
  ASSERT_EQ(wire::Ipv4View::parse(syn, ip), Drop::none);
  EXPECT_TRUE(ip.dont_fragment()) << "TCP finds out what its path takes";
  tell(error_about(syn, wire::IcmpFields::unreachable(codes::port)));
  EXPECT_EQ(app.closed, (std::vector{Cause::refused}));
}

TEST_F(Icmp, DatagramsOfUdpMayBeCutOnTheirWay) {
  const std::vector<std::byte> payload(10);
  ASSERT_TRUE(stack->send_datagram({right_address, 4000}, {left_address, 9}, payload).ok());
  run_for(10ms);
  ASSERT_EQ(raw.datagrams.size(), 1u);
  wire::Ipv4View ip;
  ASSERT_EQ(wire::Ipv4View::parse(raw.datagrams.front(), ip), Drop::none);
  EXPECT_FALSE(ip.dont_fragment());
}

TEST_F(Icmp, AnErrorThatQuotesWhatIsNotInFlightIsADropWithAName) {
  auto syn = syn_of_a_connection();
  wire::store_u32(syn.data() + 24, wire::load_u32(syn.data() + 24) + 1);
  tell(error_about(syn, wire::IcmpFields::unreachable(codes::port)));
  EXPECT_TRUE(app.closed.empty());
  EXPECT_EQ(stack->counters()[Drop::icmp_bad_sequence], 1u);
  run_for(10min);
}

TEST_F(Icmp, AnErrorAboutNoConnectionIsADropWithAName) {
  auto syn = syn_of_a_connection();
  wire::store_u16(syn.data() + 22, port + 1);  // the destination's
  tell(error_about(syn, wire::IcmpFields::unreachable(codes::port)));
  EXPECT_TRUE(app.closed.empty());
  EXPECT_EQ(stack->counters()[Drop::icmp_not_ours], 1u);
  run_for(10min);
}

TEST_F(Icmp, AnApplicationHearsOfItsDatagramsThatDidNotArrive) {
  ASSERT_TRUE(stack->bind(4000).ok());
  const std::vector<std::byte> payload(10);
  ASSERT_TRUE(stack->send_datagram({right_address, 4000}, {left_address, 9}, payload).ok());
  run_for(10ms);
  ASSERT_EQ(raw.datagrams.size(), 1u);
  const auto sent = raw.datagrams.front();
  tell(error_about(sent, wire::IcmpFields::unreachable(codes::port)));
  tell(error_about(sent, wire::IcmpFields::unreachable(codes::host)));
  tell(error_about(sent, wire::IcmpFields::time_exceeded(0)));
  const application::Endpoint local{right_address, 4000};
  const application::Endpoint remote{left_address, 9};
  using Error = ProbeApp::DatagramError;
  EXPECT_EQ(app.datagram_errors, (std::vector<Error>{{local, remote, Cause::refused},
                                                     {local, remote, Cause::unreachable},
                                                     {local, remote, Cause::unreachable}}));
  // Nothing of UDP bears DF, so that nobody can have found it too large.
  tell(error_about(sent, wire::IcmpFields::unreachable(codes::fragmentation_needed, 100)));
  EXPECT_EQ(stack->counters()[Drop::icmp_ignored], 1u);
  EXPECT_EQ(app.datagram_errors.size(), 3u);
}

TEST_F(Icmp, AnErrorAboutADatagramOfNobodyIsADropWithAName) {
  const std::vector<std::byte> payload(10);
  ASSERT_TRUE(stack->send_datagram({right_address, 4000}, {left_address, 9}, payload).ok());
  run_for(10ms);
  ASSERT_EQ(raw.datagrams.size(), 1u);
  tell(error_about(raw.datagrams.front(), wire::IcmpFields::unreachable(codes::port)));
  EXPECT_TRUE(app.datagram_errors.empty());
  EXPECT_EQ(stack->counters()[Drop::icmp_not_ours], 1u);
}

/// Two queues of one port: what the raw host sends comes to the first, whosesoever it is.
class IcmpToTheWrongCore : public Icmp {
 protected:
  sim::Device& other_raw_device = world.add_device({.name = "raw 2", .mac = left_mac});
  sim::Device& other_device = world.add_device({.name = "stack 2", .mac = right_mac});
  RawHost other_raw{other_raw_device, left_address};
  ProbeApp other_app;
  std::unique_ptr<Stack> other;

  void SetUp() override {
    world.connect(other_raw_device, other_device, {.delay = 1ms});
    pipeline::Config other_config = config;
    other_config.seed = 99;
    other = std::move(*Stack::make(other_config, other_device, other_app, world.now()));
    stack = std::move(*Stack::make(config, device, app, world.now()));
    stack->tell_neighbors_to(*other);
    other->tell_neighbors_to(*stack);
    world.add_host(raw, {&raw_device});
    world.add_host(other_raw, {&other_raw_device});
    world.add_host(*stack, {&device});
    world.add_host(*other, {&other_device});
    stack->start(world.now());
    other->start(world.now());
    run_for(10s);
    raw.datagrams.clear();
  }
  std::vector<std::byte> syn_of_the_other() {
    other_raw.datagrams.clear();
    EXPECT_TRUE(other->connect({left_address, port}).ok());
    run_for(10ms);
    EXPECT_EQ(other_raw.datagrams.size(), 1u);
    return other_raw.datagrams.empty() ? std::vector<std::byte>{} : other_raw.datagrams.front();
  }
};

TEST_F(IcmpToTheWrongCore, AnErrorReachesItsConnectionAllTheSame) {
  tell(error_about(syn_of_the_other(), wire::IcmpFields::unreachable(codes::port)));
  EXPECT_EQ(stack->counters()[Event::handed_over], 1u);
  ASSERT_TRUE(world.run_for(1s).ok());
  EXPECT_EQ(other_app.closed, (std::vector{Cause::refused}));
}

TEST_F(IcmpToTheWrongCore, EachOfAFloodIsHandedOverOrCounted) {
  auto syn = syn_of_the_other();
  wire::store_u16(syn.data() + 22, port + 1);
  const auto message = error_about(syn, wire::IcmpFields::unreachable(codes::port));
  for (int i = 0; i < 100; ++i) raw.send(right_mac, to_stack(wire::protocol::icmp), message);

  run_for(10ms);
  EXPECT_EQ(stack->counters()[Event::handed_over] + stack->counters()[Drop::hand_over_full], 100u);
  EXPECT_TRUE(other_app.closed.empty());
  run_for(10min);
}

TEST_F(IcmpToTheWrongCore, ASegmentInFragmentsIsDroppedNotReset) {
  std::vector<std::byte> segment(40);
  wire::TcpFields fields;
  fields.source_port = 4000;
  fields.destination_port = port;
  fields.control = wire::control::ack;
  fields.write(segment);
  const wire::Sum sum =
      wire::add(wire::pseudo_header(left_address, right_address, wire::protocol::tcp, 40),
                wire::Sum{segment});
  wire::store_u16(segment.data() + 16, wire::fold(sum));
  wire::Ipv4Fields ip = to_stack(wire::protocol::tcp);
  ip.more_fragments = true;
  raw.send(right_mac, ip, std::span{segment}.first(32));
  ip.more_fragments = false;
  ip.fragment_offset_bytes = 32;
  raw.send(right_mac, ip, std::span{segment}.subspan(32));
  run_for(10ms);
  EXPECT_EQ(stack->counters()[Drop::tcp_wrong_core], 2u);
  EXPECT_EQ(stack->counters()[Event::tcp_resets_sent], 0u);
}

}  // namespace
}  // namespace pollux::world
