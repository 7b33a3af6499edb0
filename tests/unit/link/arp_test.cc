#include "link/arp.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <utility>
#include <vector>

#include "base/prng.h"

namespace pollux::link {
namespace {

using wire::ArpFields;
using wire::ArpView;
using wire::Ipv4Address;
using wire::Ipv4Prefix;
using wire::MacAddress;

constexpr MacAddress own_mac{{2, 0, 0, 0, 0, 1}};
constexpr MacAddress peer_mac{{2, 0, 0, 0, 0, 2}};
constexpr Ipv4Address peer{10, 0, 0, 200};

class Arp : public testing::Test {
 protected:
  Arp() { EXPECT_TRUE(own.add({Ipv4Address{10, 0, 0, 2}, 24}, 100)); }

  ArpVerdict arrives(const ArpFields& fields, MacAddress frame_source = peer_mac) {
    std::array<std::byte, ArpFields::size> bytes{};
    fields.write(bytes);
    return arp_arrives(*ArpView::parse(bytes), frame_source, own, own_mac, table, defence, now);
  }
  static ArpFields request(Ipv4Address sender, Ipv4Address target, MacAddress mac = peer_mac) {
    return {wire::arp_operation::request, mac, sender, {}, target};
  }
  static ArpFields reply(Ipv4Address sender, Ipv4Address target, MacAddress mac = peer_mac) {
    return {wire::arp_operation::reply, mac, sender, own_mac, target};
  }
  bool knows(Ipv4Address a) {
    bool found = false;
    table.for_each([&](Ipv4Address each, MacAddress, bool) { found |= each == a; });
    return found;
  }

  wire::AddressSet own;
  NeighborTable table = std::move(*NeighborTable::make({}, Instant{}));
  ArpDefence defence;
  Instant now{1s};
};

TEST_F(Arp, EveryAddressOfTheRangeIsAnsweredForAndTheNextIsNot) {
  own.for_each([&](Ipv4Address address) {
    const ArpVerdict verdict = arrives(request(peer, address));
    ASSERT_EQ(verdict.drop, Drop::none);
    ASSERT_TRUE(verdict.reply);
    EXPECT_EQ(verdict.reply->destination, peer_mac);
    EXPECT_EQ(verdict.reply->fields.operation, wire::arp_operation::reply);
    EXPECT_EQ(verdict.reply->fields.sender_hardware, own_mac);
    EXPECT_EQ(verdict.reply->fields.sender_protocol, address);
    EXPECT_EQ(verdict.reply->fields.target_hardware, peer_mac);
    EXPECT_EQ(verdict.reply->fields.target_protocol, peer);
  });
  const ArpVerdict verdict =
      arrives(request(Ipv4Address{10, 0, 0, 250}, Ipv4Address{10, 0, 0, 102}));
  EXPECT_EQ(verdict.drop, Drop::arp_not_for_us);
  EXPECT_FALSE(verdict.reply);
}

TEST_F(Arp, WhoAsksForUsIsLearnt) {
  arrives(request(peer, Ipv4Address{10, 0, 0, 2}));
  const NeighborTable::Lookup lookup = table.lookup(peer, now);
  EXPECT_EQ(lookup.state, NeighborTable::State::resolved);
  EXPECT_EQ(lookup.mac, peer_mac);
}

TEST_F(Arp, WhoAsksForOthersIsNotLearntButUpdated) {
  EXPECT_EQ(arrives(request(peer, Ipv4Address{10, 0, 0, 254})).drop, Drop::arp_not_for_us);
  EXPECT_FALSE(knows(peer));
  arrives(request(peer, Ipv4Address{10, 0, 0, 2}));
  constexpr MacAddress moved{{2, 0, 0, 0, 0, 9}};
  const ArpVerdict verdict = arrives(request(peer, Ipv4Address{10, 0, 0, 254}, moved), moved);
  EXPECT_EQ(verdict.drop, Drop::none);
  EXPECT_FALSE(verdict.reply);
  EXPECT_EQ(table.lookup(peer, now).mac, moved);
}

TEST_F(Arp, AnAnswerResolvesWhatWaits) {
  const NeighborTable::Lookup lookup = table.lookup(peer, now);
  const ArpVerdict verdict = arrives(reply(peer, Ipv4Address{10, 0, 0, 2}));
  EXPECT_EQ(verdict.drop, Drop::none);
  EXPECT_FALSE(verdict.reply);
  ASSERT_TRUE(verdict.resolved);
  EXPECT_EQ(verdict.resolved->id, lookup.id);
  EXPECT_EQ(verdict.resolved->mac, peer_mac);
}

TEST_F(Arp, ARequestForUsResolvesToo) {
  static_cast<void>(table.lookup(peer, now));
  const ArpVerdict verdict = arrives(request(peer, Ipv4Address{10, 0, 0, 2}));
  EXPECT_TRUE(verdict.resolved);
  EXPECT_TRUE(verdict.reply);
}

TEST_F(Arp, UnaskedAnswerTeachesNothing) {
  EXPECT_EQ(arrives(reply(peer, Ipv4Address{10, 0, 0, 2})).drop, Drop::arp_not_for_us);
  EXPECT_FALSE(knows(peer));
}

TEST_F(Arp, GratuitousAnnouncementUpdatesTheKnownOnly) {
  EXPECT_EQ(arrives(request(peer, peer)).drop, Drop::arp_not_for_us);
  EXPECT_FALSE(knows(peer));
  static_cast<void>(table.lookup(peer, now));
  EXPECT_TRUE(arrives(request(peer, peer)).resolved);
}

TEST_F(Arp, ProbeForUsIsAnsweredAndNeverLearnt) {
  const ArpVerdict verdict = arrives(request({}, Ipv4Address{10, 0, 0, 2}));
  ASSERT_TRUE(verdict.reply);
  EXPECT_FALSE(verdict.conflict);
  EXPECT_EQ(verdict.reply->fields.target_protocol, Ipv4Address{});
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(arrives(request({}, peer)).drop, Drop::arp_not_for_us);
}

TEST_F(Arp, ConflictIsReportedAlwaysAndDefendedOnceInTenSeconds) {
  const Ipv4Address ours{10, 0, 0, 5};
  const ArpVerdict first = arrives(request(ours, peer));
  EXPECT_EQ(first.drop, Drop::none);
  EXPECT_TRUE(first.conflict);
  ASSERT_TRUE(first.reply);
  EXPECT_EQ(first.reply->destination, MacAddress::broadcast());
  EXPECT_EQ(first.reply->fields.sender_hardware, own_mac);
  EXPECT_EQ(first.reply->fields.sender_protocol, ours);
  EXPECT_EQ(first.reply->fields.target_protocol, ours);
  now += 9999ms;
  const ArpVerdict second = arrives(reply(ours, peer));
  EXPECT_TRUE(second.conflict);
  EXPECT_FALSE(second.reply);
  now += 1ms;
  EXPECT_TRUE(arrives(reply(ours, peer)).reply);
  EXPECT_EQ(table.size(), 0u) << "a thief of our address is no neighbour";
}

TEST_F(Arp, OurOwnPacketThatComesBackIsNoConflict) {
  const ArpVerdict verdict = arrives(request(Ipv4Address{10, 0, 0, 2}, peer, own_mac), own_mac);
  EXPECT_EQ(verdict.drop, Drop::arp_not_for_us);
  EXPECT_FALSE(verdict.conflict);
}

TEST_F(Arp, ATapWhoseOtherEndHasOurMacIsHeard) {
  const ArpVerdict verdict = arrives(request(peer, Ipv4Address{10, 0, 0, 2}, own_mac), own_mac);
  EXPECT_EQ(verdict.drop, Drop::none);
  EXPECT_TRUE(verdict.reply);
  EXPECT_TRUE(knows(peer));
}

TEST_F(Arp, ImpossibleSendersAreMalformed) {
  const Ipv4Address us{10, 0, 0, 2};
  EXPECT_EQ(arrives(request(peer, us, MacAddress{})).drop, Drop::arp_malformed);
  EXPECT_EQ(arrives(request(peer, us, MacAddress::broadcast())).drop, Drop::arp_malformed);
  EXPECT_EQ(arrives(request(peer, us), MacAddress::broadcast()).drop, Drop::arp_malformed);
  for (const Ipv4Address bad :
       {Ipv4Address{127, 0, 0, 1}, Ipv4Address{224, 0, 0, 1}, Ipv4Address{255, 255, 255, 255},
        Ipv4Address{0, 0, 0, 1}, Ipv4Address{10, 0, 0, 255}}) {
    EXPECT_EQ(arrives(request(bad, us)).drop, Drop::arp_malformed) << bad.to_string();
  }
  EXPECT_EQ(arrives(reply({}, us)).drop, Drop::arp_malformed);
  ArpFields reverse = request(peer, us);
  reverse.operation = 3;
  EXPECT_EQ(arrives(reverse).drop, Drop::arp_malformed);
  reverse.operation = 0;
  EXPECT_EQ(arrives(reverse).drop, Drop::arp_malformed);
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(Arp, RequestComesFromTheAddressOfTheNeighborsNetwork) {
  ASSERT_TRUE(own.add({Ipv4Address{192, 168, 7, 1}, 16}));
  NeighborTable::Action action;
  action.kind = NeighborTable::Action::Kind::request_unicast;
  action.address = Ipv4Address{192, 168, 9, 9};
  action.mac = peer_mac;
  const ArpMessage message = arp_request(action, own, own_mac);
  EXPECT_EQ(message.destination, peer_mac);
  EXPECT_EQ(message.fields.operation, wire::arp_operation::request);
  EXPECT_EQ(message.fields.sender_protocol, (Ipv4Address{192, 168, 7, 1}));
  EXPECT_EQ(message.fields.target_protocol, action.address);
  EXPECT_TRUE(message.fields.target_hardware.is_zero());
}

TEST_F(Arp, RandomPacketsAreTakenCalmly) {
  Prng random{7};
  for (int i = 0; i < 20000; ++i) {
    std::array<std::byte, ArpFields::size> bytes{};
    request(peer, Ipv4Address{10, 0, 0, 2}).write(bytes);
    for (std::uint64_t n = random.below(6); n > 0; --n) {
      bytes[6 + random.below(22)] = static_cast<std::byte>(random.below(256));
    }
    now += Duration{random.below(100'000'000)};
    const ArpVerdict verdict =
        arp_arrives(*ArpView::parse(bytes), peer_mac, own, own_mac, table, defence, now);
    if (verdict.drop != Drop::none) {
      EXPECT_FALSE(verdict.reply || verdict.resolved || verdict.conflict);
    }
  }
}

TEST(ArpAnnouncer, EachAddressTwiceTwoSecondsApartInBatches) {
  wire::AddressSet own;
  ASSERT_TRUE(own.add({Ipv4Address{10, 1, 0, 1}, 16}, 1000));
  ArpAnnouncer announcer{Instant{5s}};
  std::map<std::uint32_t, std::vector<Instant>> sent;
  Instant now{};
  while (const auto next = announcer.next_deadline()) {
    ASSERT_LT(*next, Instant{20s});
    now = std::max(now, *next);
    std::size_t n = 0;
    announcer.advance(now, own, own_mac, [&](const ArpMessage& message) {
      ++n;
      EXPECT_EQ(message.fields.sender_protocol, message.fields.target_protocol);
      EXPECT_EQ(message.destination, MacAddress::broadcast());
      sent[message.fields.sender_protocol.value()].push_back(now);
    });
    EXPECT_LE(n, ArpAnnouncer::batch);
    std::size_t twice = 0;
    announcer.advance(now, own, own_mac, [&](const ArpMessage&) { ++twice; });
    EXPECT_EQ(twice, 0u) << "not before the next batch is due";
  }
  EXPECT_EQ(sent.size(), 1000u);
  for (const auto& [address, times] : sent) {
    ASSERT_EQ(times.size(), 2u);
    EXPECT_EQ(times[1] - times[0], 2s);
  }
  EXPECT_EQ(sent.begin()->second.front(), Instant{5s});
}

TEST(ArpAnnouncer, HasNothingToSayWithoutAddresses) {
  ArpAnnouncer announcer{Instant{}};
  Instant now{};
  while (const auto next = announcer.next_deadline()) {
    now = *next;
    announcer.advance(now, {}, own_mac, [](const ArpMessage&) { FAIL(); });
  }
  EXPECT_LE(now, Instant{2s});
}

}  // namespace
}  // namespace pollux::link
