#include "pipeline/source_addresses.h"

#include <gtest/gtest.h>

#include <vector>

namespace pollux::pipeline {
namespace {

using wire::Ipv4Address;

std::vector<Ipv4Address> next(SourceAddresses::Turn& turn, int n) {
  std::vector<Ipv4Address> out;
  for (int i = 0; i < n; ++i) out.push_back(turn.next());
  return out;
}

TEST(SourceAddresses, EachOfTheNextHopsNetworkInTurn) {
  wire::AddressSet own;
  ASSERT_TRUE(own.add({Ipv4Address{10, 0, 0, 2}, 24}, 2));
  ASSERT_TRUE(own.add({Ipv4Address{10, 0, 0, 9}, 24}));
  ASSERT_TRUE(own.add({Ipv4Address{192, 168, 1, 2}, 24}));
  SourceAddresses sources{own};
  SourceAddresses::Turn& near = sources.towards(Ipv4Address{10, 0, 0, 1});
  EXPECT_EQ(near.size(), 3u);
  EXPECT_EQ(next(near, 4),
            (std::vector<Ipv4Address>{{10, 0, 0, 2}, {10, 0, 0, 3}, {10, 0, 0, 9}, {10, 0, 0, 2}}));
  EXPECT_EQ(next(sources.towards(Ipv4Address{192, 168, 1, 1}), 2),
            (std::vector<Ipv4Address>{{192, 168, 1, 2}, {192, 168, 1, 2}}));
}

TEST(SourceAddresses, ByNumberTheyAreTheSameAsInTurn) {
  wire::AddressSet own;
  ASSERT_TRUE(own.add({Ipv4Address{10, 0, 0, 2}, 24}, 2));
  ASSERT_TRUE(own.add({Ipv4Address{10, 0, 0, 9}, 24}));
  ASSERT_TRUE(own.add({Ipv4Address{10, 0, 0, 20}, 24}, 100));
  ASSERT_TRUE(own.add({Ipv4Address{192, 168, 1, 2}, 24}));
  SourceAddresses sources{own};
  SourceAddresses::Turn& near = sources.towards(Ipv4Address{10, 0, 0, 1});
  ASSERT_EQ(near.size(), 103u);
  for (std::size_t i = 0; i < near.size(); ++i) EXPECT_EQ(near.at(i), near.next()) << i;
}

TEST(SourceAddresses, TellsWhichComesNext) {
  wire::AddressSet own;
  ASSERT_TRUE(own.add({Ipv4Address{10, 0, 0, 20}, 24}, 3));
  ASSERT_TRUE(own.add({Ipv4Address{192, 168, 1, 2}, 24}));
  SourceAddresses sources{own};
  SourceAddresses::Turn& near = sources.towards(Ipv4Address{10, 0, 0, 1});
  for (int i = 0; i < 7; ++i) {
    const Ipv4Address told = near.peek(2);
    const Ipv4Address now = near.peek(0);
    const auto taken = next(near, 3);
    EXPECT_EQ(taken[0], now);
    EXPECT_EQ(taken[2], told);
    static_cast<void>(near.next());
  }
  EXPECT_EQ(sources.towards(Ipv4Address{192, 168, 1, 1}).peek(5), (Ipv4Address{192, 168, 1, 2}));
}

TEST(SourceAddresses, AllWhenTheNextHopIsInNoNetworkOfOurs) {
  wire::AddressSet own;
  ASSERT_TRUE(own.add({Ipv4Address{10, 0, 0, 2}, 24}));
  ASSERT_TRUE(own.add({Ipv4Address{192, 168, 1, 2}, 24}));
  SourceAddresses sources{own};
  SourceAddresses::Turn& all = sources.towards(Ipv4Address{172, 16, 0, 1});
  EXPECT_EQ(all.size(), 2u);
  EXPECT_EQ(next(all, 3),
            (std::vector<Ipv4Address>{{10, 0, 0, 2}, {192, 168, 1, 2}, {10, 0, 0, 2}}));
}

TEST(SourceAddresses, TheLongestNetworkThatHasTheNextHopCounts) {
  wire::AddressSet own;
  ASSERT_TRUE(own.add({Ipv4Address{10, 0, 0, 2}, 8}));
  ASSERT_TRUE(own.add({Ipv4Address{10, 5, 0, 2}, 24}));
  SourceAddresses sources{own};
  EXPECT_EQ(sources.towards(Ipv4Address{10, 5, 0, 1}).size(), 1u);
  EXPECT_EQ(sources.towards(Ipv4Address{10, 9, 0, 1}).size(), 2u) << "both are in it";
}

}  // namespace
}  // namespace pollux::pipeline
