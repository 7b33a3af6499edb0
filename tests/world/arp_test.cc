// ARP, VLANs and routes as the other hosts of a link see them.

#include "link/arp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "stack_and_raw_host.h"
#include "wire/vlan.h"

namespace pollux::world {
namespace {

constexpr wire::MacAddress third_mac{{2, 0, 0, 0, 0, 3}};
constexpr wire::Ipv4Address third_address{10, 0, 0, 3};

/// The stack starts when the test has set it up.
class OnALink : public StackAndRawHost {
 protected:
  struct Arp {
    wire::MacAddress to;
    std::uint16_t operation = 0;
    wire::Ipv4Address sender;
    wire::MacAddress sender_mac;
    wire::Ipv4Address target;
  };

  void SetUp() override {}

  /// What the stack said by ARP since `frames` was last cleared.
  std::vector<Arp> arps() const {
    std::vector<Arp> out;
    for (const auto& frame : raw.frames) {
      const auto ethernet = wire::EthernetView::parse(frame);
      if (!ethernet || ethernet->type() != wire::ether_type::arp) continue;
      const auto arp = wire::ArpView::parse(ethernet->payload());
      if (!arp) continue;
      EXPECT_EQ(ethernet->source(), right_mac);
      out.push_back({ethernet->destination(), arp->operation(), arp->sender_protocol(),
                     arp->sender_hardware(), arp->target_protocol()});
    }
    return out;
  }
  void say(std::uint16_t operation, wire::MacAddress mac, wire::Ipv4Address sender,
           wire::Ipv4Address target, wire::MacAddress to = wire::MacAddress::broadcast()) {
    std::vector<std::byte> frame(14 + 28);
    wire::EthernetFields{to, mac, wire::ether_type::arp}.write(frame);
    wire::ArpFields{operation, mac, sender, {}, target}.write(std::span{frame}.subspan(14));
    raw.send_frame(frame);
    run_for(10ms);
  }
  void ask(wire::Ipv4Address sender, wire::Ipv4Address target) {
    say(wire::arp_operation::request, third_mac, sender, target);
  }
  static std::vector<std::byte> ping(std::uint16_t n) {
    std::vector<std::byte> message(64);
    wire::IcmpFields::echo_request(1, n).write(message);
    return message;
  }
};

TEST_F(OnALink, EachAddressIsAnnouncedTwiceAtStart) {
  config.interface.addresses = {{{right_address, 24}, 100}};
  make();
  run_for(5s);
  std::vector<int> announced(100);
  for (const Arp& arp : arps()) {
    EXPECT_EQ(arp.to, wire::MacAddress::broadcast());
    EXPECT_EQ(arp.operation, wire::arp_operation::request);
    EXPECT_EQ(arp.sender, arp.target);
    EXPECT_EQ(arp.sender_mac, right_mac);
    ++announced.at(arp.sender.value() - right_address.value());
  }
  EXPECT_EQ(announced, std::vector<int>(100, 2));
}

TEST_F(OnALink, EachAddressOfARangeIsAnsweredForAndNoOther) {
  config.interface.addresses = {{{right_address, 24}, 100}};
  start();
  raw.frames.clear();
  for (const int last : {2, 50, 101}) {
    ask({10, 0, 0, 200}, {10, 0, 0, static_cast<std::uint8_t>(last)});
  }
  ask({10, 0, 0, 200}, {10, 0, 0, 1});
  ask({10, 0, 0, 200}, {10, 0, 0, 102});
  const auto said = arps();
  ASSERT_EQ(said.size(), 3u);
  for (const Arp& arp : said) {
    EXPECT_EQ(arp.operation, wire::arp_operation::reply);
    EXPECT_EQ(arp.to, third_mac);
    EXPECT_EQ(arp.sender_mac, right_mac);
  }
  EXPECT_EQ(said[2].sender, (wire::Ipv4Address{10, 0, 0, 101}));
}

// RFC 5227 s.2.1.1: who asks whether an address is free has none yet.
TEST_F(OnALink, AProbeIsAnswered) {
  start();
  raw.frames.clear();
  ask({}, right_address);
  ASSERT_EQ(arps().size(), 1u);
  EXPECT_EQ(arps()[0].operation, wire::arp_operation::reply);
  EXPECT_EQ(arps()[0].sender, right_address);
}

// RFC 5227 s.2.4 (b): one defence in ten seconds.
TEST_F(OnALink, AnAddressThatSomebodyElseUsesIsDefendedAndTold) {
  start();
  EXPECT_EQ(stack->take_conflict(), std::nullopt);
  raw.frames.clear();
  say(wire::arp_operation::request, third_mac, right_address, right_address);
  ASSERT_EQ(arps().size(), 1u);
  EXPECT_EQ(arps()[0].to, wire::MacAddress::broadcast());
  EXPECT_EQ(arps()[0].sender, right_address);
  EXPECT_EQ(arps()[0].target, right_address);
  say(wire::arp_operation::reply, third_mac, right_address, left_address, right_mac);
  EXPECT_EQ(arps().size(), 1u) << "not again so soon";
  EXPECT_EQ(stack->counters()[Event::arp_address_conflicts], 2u);
  const link::Conflict conflict{right_address, third_mac};
  EXPECT_EQ(stack->take_conflict(), conflict);
  EXPECT_EQ(stack->take_conflict(), conflict);
  EXPECT_EQ(stack->take_conflict(), std::nullopt);
  run_for(11s);
  for (int i = 0; i < 50; ++i) {
    say(wire::arp_operation::request, third_mac, right_address, right_address);
  }
  EXPECT_EQ(arps().size(), 2u);
  int told = 0;
  while (stack->take_conflict()) ++told;
  EXPECT_GE(told, 1);
  EXPECT_LE(told, 8) << "a flood of them keeps nothing busy";
}

TEST_F(OnALink, OurOwnAnnouncementThatComesBackIsNoConflict) {
  start();
  say(wire::arp_operation::request, right_mac, right_address, right_address);
  EXPECT_EQ(stack->counters()[Event::arp_address_conflicts], 0u);
  EXPECT_EQ(stack->take_conflict(), std::nullopt);
}

TEST_F(OnALink, ANeighbourInUseIsAskedAgainByUnicast) {
  start();
  for (std::uint16_t i = 0; i < 40; ++i) {
    raw.send(right_mac, to_stack(wire::protocol::icmp), ping(i));
    run_for(1s);
  }
  EXPECT_EQ(icmp_heard().size(), 40u);
  int unicast = 0;
  int broadcast = 0;
  for (const Arp& arp : arps()) {
    if (arp.operation != wire::arp_operation::request || arp.target != left_address) continue;
    ++(arp.to == left_mac ? unicast : broadcast);
  }
  EXPECT_EQ(broadcast, 1) << "at first";
  EXPECT_EQ(unicast, 1) << "after half a minute";
}

TEST_F(OnALink, ALinkThatComesBackIsAnnouncedOnAndItsNeighboursAskedForAgain) {
  start();
  raw.send(right_mac, to_stack(wire::protocol::icmp), ping(1));
  run_for(100ms);
  ASSERT_EQ(icmp_heard().size(), 1u);
  raw.frames.clear();
  device.relink();
  raw.send(right_mac, to_stack(wire::protocol::icmp), ping(2));
  run_for(5s);
  int announced = 0;
  int asked = 0;
  for (const Arp& arp : arps()) {
    if (arp.operation != wire::arp_operation::request) continue;
    EXPECT_EQ(arp.to, wire::MacAddress::broadcast());
    ++(arp.target == right_address ? announced : asked);
  }
  EXPECT_EQ(announced, 2);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(icmp_heard().size(), 2u) << "the answer waited for the neighbour";
}

TEST_F(OnALink, NeighboursThatNobodyAnswersForFillTheirQueues) {
  config.neighbors = 8;  // of which half may be such ones
  start();
  const std::vector<std::byte> bytes(10);
  const auto send_to = [&](std::uint8_t last) {
    return stack->send_datagram({right_address, 9}, {{10, 0, 0, last}, 9}, bytes);
  };
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(send_to(50).ok());
  EXPECT_EQ(stack->counters()[SendDrop::neighbor_queue_full], 36u) << "64 wait";
  for (std::uint8_t last = 51; last < 54; ++last) ASSERT_TRUE(send_to(last).ok());
  EXPECT_EQ(send_to(54).error(), application::StackError::no_memory);
  EXPECT_EQ(stack->counters()[SendDrop::neighbor_table_full], 1u);
  run_for(4s);
  EXPECT_EQ(stack->counters()[SendDrop::no_neighbor], 67u);
  EXPECT_EQ(send_to(50).error(), application::StackError::no_route);
  EXPECT_TRUE(send_to(54).ok()) << "those that have failed give way";
  run_for(2min);
}

TEST_F(OnALink, FramesOfItsVlanAloneAreItsAndItsOwnAreTagged) {
  config.interface.vlan = 5;
  start();
  const auto tagged = [&](std::optional<std::uint16_t> vlan) {
    const auto message = ping(1);
    wire::Ipv4Fields ip = to_stack(wire::protocol::icmp);
    ip.source = left_address;
    ip.total_length = static_cast<std::uint16_t>(20 + message.size());
    std::vector<std::byte> frame(14 + (vlan ? 4 : 0) + 20 + message.size());
    const std::uint16_t type = vlan ? wire::ether_type::vlan : wire::ether_type::ipv4;
    wire::EthernetFields{right_mac, left_mac, type}.write(frame);
    if (vlan) {
      wire::VlanFields{.id = *vlan, .type = wire::ether_type::ipv4, .priority = 3}.write(
          std::span{frame}.subspan(14));
    }
    const std::size_t at = vlan ? 18 : 14;
    ip.write(std::span{frame}.subspan(at));
    std::copy(message.begin(), message.end(), frame.begin() + static_cast<std::ptrdiff_t>(at + 20));
    return frame;
  };
  // The peer's address, as it is learnt: from a question, in the VLAN.
  std::vector<std::byte> question(18 + 28);
  wire::EthernetFields{wire::MacAddress::broadcast(), left_mac, wire::ether_type::vlan}.write(
      question);
  wire::VlanFields{.id = 5, .type = wire::ether_type::arp}.write(std::span{question}.subspan(14));
  wire::ArpFields{wire::arp_operation::request, left_mac, left_address, {}, right_address}.write(
      std::span{question}.subspan(18));
  raw.frames.clear();
  raw.send_frame(question);
  run_for(10ms);
  raw.send_frame(tagged(5));
  run_for(10ms);
  ASSERT_EQ(raw.frames.size(), 2u) << "ARP and the echo";
  for (const auto& frame : raw.frames) {
    const auto ethernet = wire::EthernetView::parse(frame);
    ASSERT_TRUE(ethernet && ethernet->type() == wire::ether_type::vlan);
    const auto tag = wire::VlanView::parse(ethernet->payload());
    ASSERT_TRUE(tag);
    EXPECT_EQ(tag->id(), 5u);
  }
  EXPECT_EQ(stack->counters()[Event::icmp_echoes_answered], 1u);

  raw.send_frame(tagged(6));
  raw.send_frame(tagged(0));
  raw.send_frame(tagged(std::nullopt));
  run_for(10ms);
  EXPECT_EQ(stack->counters()[Drop::vlan_other], 3u);
  EXPECT_EQ(stack->counters()[Event::icmp_echoes_answered], 1u);
}

TEST_F(OnALink, APriorityTagIsNoVlan) {
  start();
  raw.send(right_mac, to_stack(wire::protocol::icmp), ping(1));
  run_for(10ms);
  ASSERT_EQ(icmp_heard().size(), 1u);
  std::vector<std::byte> frame(18 + 20 + 64);
  wire::EthernetFields{right_mac, left_mac, wire::ether_type::vlan}.write(frame);
  const auto message = ping(2);
  wire::Ipv4Fields ip = to_stack(wire::protocol::icmp);
  ip.source = left_address;
  ip.total_length = 84;
  ip.write(std::span{frame}.subspan(18));
  std::copy(message.begin(), message.end(), frame.begin() + 38);
  wire::VlanFields{.id = 0, .type = wire::ether_type::ipv4, .priority = 7}.write(
      std::span{frame}.subspan(14));
  raw.send_frame(frame);
  run_for(10ms);
  EXPECT_EQ(icmp_heard().size(), 2u) << "and the answer bears no tag";
  wire::VlanFields{.id = 9, .type = wire::ether_type::ipv4}.write(std::span{frame}.subspan(14));
  raw.send_frame(frame);
  run_for(10ms);
  EXPECT_EQ(stack->counters()[Drop::vlan_other], 1u);
}

TEST_F(OnALink, WhatIsFarGoesToTheGatewayOfItsRoute) {
  const wire::Ipv4Address gateway = left_address;
  config.interface.routes = {{{{0, 0, 0, 0}, 0}, gateway}, {{{192, 0, 2, 0}, 24}, third_address}};
  start();
  raw.frames.clear();
  const std::vector<std::byte> bytes(10);
  ASSERT_TRUE(stack->send_datagram({right_address, 9}, {{8, 8, 8, 8}, 9}, bytes).ok());
  run_for(100ms);
  ASSERT_EQ(raw.datagrams.size(), 1u);
  wire::Ipv4View ip;
  ASSERT_EQ(wire::Ipv4View::parse(raw.datagrams[0], ip), Drop::none);
  EXPECT_EQ(ip.destination(), (wire::Ipv4Address{8, 8, 8, 8}));
  EXPECT_EQ(wire::EthernetView::parse(raw.frames.back())->destination(), left_mac);

  ASSERT_TRUE(stack->send_datagram({right_address, 9}, {{192, 0, 2, 7}, 9}, bytes).ok());
  ASSERT_TRUE(stack->send_datagram({right_address, 9}, {{10, 0, 0, 77}, 9}, bytes).ok());
  run_for(100ms);
  std::vector<wire::Ipv4Address> asked_for;
  for (const Arp& arp : arps()) asked_for.push_back(arp.target);
  std::sort(asked_for.begin(), asked_for.end());
  EXPECT_EQ(asked_for, (std::vector{gateway, third_address, wire::Ipv4Address{10, 0, 0, 77}}));
  say(wire::arp_operation::reply, third_mac, third_address, right_address, right_mac);
  ASSERT_EQ(raw.datagrams.size(), 2u);
  EXPECT_EQ(wire::EthernetView::parse(raw.frames.back())->destination(), third_mac);
  run_for(2min);
}

}  // namespace
}  // namespace pollux::world
