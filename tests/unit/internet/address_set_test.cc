#include "wire/address_set.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/prng.h"

namespace pollux::wire {
namespace {

TEST(AddressSet, EmptyContainsNothing) {
  const AddressSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_FALSE(set.contains(Ipv4Address{}));
  EXPECT_FALSE(set.contains(Ipv4Address{0xFFFF'FFFF}));
  EXPECT_FALSE(set.on_link(Ipv4Address{10, 0, 0, 1}));
  EXPECT_FALSE(set.source_for(Ipv4Address{10, 0, 0, 1}));
}

TEST(AddressSet, RangeHasItsEndsAndNoMore) {
  AddressSet set;
  ASSERT_TRUE(set.add({Ipv4Address{10, 0, 0, 2}, 24}, 199));
  EXPECT_FALSE(set.contains(Ipv4Address{10, 0, 0, 1}));
  EXPECT_TRUE(set.contains(Ipv4Address{10, 0, 0, 2}));
  EXPECT_TRUE(set.contains(Ipv4Address{10, 0, 0, 200}));
  EXPECT_FALSE(set.contains(Ipv4Address{10, 0, 0, 201}));
  EXPECT_EQ(set.size(), 199u);
  EXPECT_EQ(set.nth(0), (Ipv4Address{10, 0, 0, 2}));
  EXPECT_EQ(set.nth(198), (Ipv4Address{10, 0, 0, 200}));
}

TEST(AddressSet, RefusesWhatIsNoHost) {
  AddressSet set;
  EXPECT_FALSE(set.add({Ipv4Address{10, 0, 0, 2}, 24}, 0));
  EXPECT_FALSE(set.add({Ipv4Address{0, 1, 2, 3}, 8}));
  EXPECT_FALSE(set.add({Ipv4Address{127, 0, 0, 1}, 8}));
  EXPECT_FALSE(set.add({Ipv4Address{224, 0, 0, 1}, 24}));
  EXPECT_FALSE(set.add({Ipv4Address{255, 255, 255, 255}, 32}));
  EXPECT_FALSE(set.add({Ipv4Address{10, 0, 0, 255}, 24})) << "the broadcast address";
  EXPECT_FALSE(set.add({Ipv4Address{10, 0, 0, 2}, 24}, 254)) << "reaches the broadcast address";
  EXPECT_FALSE(set.add({Ipv4Address{10, 0, 0, 2}, 24}, 300)) << "leaves the network";
  EXPECT_FALSE(set.add({Ipv4Address{126, 0, 0, 1}, 0}, 0x0200'0000)) << "spans loopback";
  EXPECT_FALSE(set.add({Ipv4Address{10, 0, 0, 2}, 0}, 0xFFFF'FFFF)) << "wraps around";
  EXPECT_TRUE(set.empty());
  EXPECT_TRUE(set.prefixes().empty());
  EXPECT_TRUE(set.add({Ipv4Address{10, 0, 0, 2}, 24}, 253));
  EXPECT_TRUE(set.add({Ipv4Address{10, 9, 0, 1}, 31}, 1)) << "a /31 has no broadcast (RFC 3021)";
  EXPECT_TRUE(set.add({Ipv4Address{10, 9, 0, 9}, 32}));
}

TEST(AddressSet, DirectedBroadcastsAreThoseOfConnectedNetworks) {
  AddressSet set;
  ASSERT_TRUE(set.add({Ipv4Address{10, 0, 0, 2}, 24}));
  ASSERT_TRUE(set.add({Ipv4Address{172, 16, 9, 1}, 12}));
  ASSERT_TRUE(set.add({Ipv4Address{10, 7, 0, 1}, 31}));
  EXPECT_TRUE(set.is_directed_broadcast(Ipv4Address{10, 0, 0, 255}));
  EXPECT_TRUE(set.is_directed_broadcast(Ipv4Address{172, 31, 255, 255}));
  EXPECT_FALSE(set.is_directed_broadcast(Ipv4Address{172, 16, 9, 255}));
  EXPECT_FALSE(set.is_directed_broadcast(Ipv4Address{10, 7, 0, 1}));
  EXPECT_FALSE(set.is_directed_broadcast(Ipv4Address{255, 255, 255, 255}));
  EXPECT_TRUE(set.is_broadcast(Ipv4Address{255, 255, 255, 255}));
  EXPECT_TRUE(set.on_link(Ipv4Address{10, 0, 0, 77}));
  EXPECT_FALSE(set.on_link(Ipv4Address{10, 0, 1, 77}));
}

TEST(AddressSet, SourceIsOfTheLongestNetworkElseTheFirstAdded) {
  AddressSet set;
  ASSERT_TRUE(set.add({Ipv4Address{192, 168, 0, 1}, 24}));
  ASSERT_TRUE(set.add({Ipv4Address{10, 0, 0, 2}, 8}));
  ASSERT_TRUE(set.add({Ipv4Address{10, 0, 0, 1}, 8}));
  ASSERT_TRUE(set.add({Ipv4Address{10, 1, 1, 9}, 24}));
  EXPECT_EQ(set.source_for(Ipv4Address{10, 1, 1, 1}), (Ipv4Address{10, 1, 1, 9}));
  EXPECT_EQ(set.source_for(Ipv4Address{10, 2, 1, 1}), (Ipv4Address{10, 0, 0, 2}));
  EXPECT_EQ(set.source_for(Ipv4Address{8, 8, 8, 8}), (Ipv4Address{192, 168, 0, 1}));
}

TEST(AddressSet, AgreesWithAModelHoweverRangesOverlap) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Prng random{seed};
    AddressSet set;
    std::set<std::uint32_t> model;
    constexpr std::uint32_t base = 0x0A000100;
    for (std::uint64_t n = random.below(20); n > 0; --n) {
      const std::uint32_t first = base + static_cast<std::uint32_t>(random.below(200));
      const std::uint32_t count = 1 + static_cast<std::uint32_t>(random.below(30));
      ASSERT_TRUE(set.add({Ipv4Address{first}, 8}, count));
      for (std::uint32_t i = 0; i < count; ++i) model.insert(first + i);
    }
    ASSERT_EQ(set.size(), model.size());
    for (std::uint32_t a = base - 5; a < base + 240; ++a) {
      ASSERT_EQ(set.contains(Ipv4Address{a}), model.count(a) == 1) << a - base;
    }
    std::vector<std::uint32_t> walked;
    set.for_each([&](Ipv4Address a) { walked.push_back(a.value()); });
    ASSERT_EQ(walked, std::vector<std::uint32_t>(model.begin(), model.end()));
    for (std::size_t i = 0; i < walked.size(); ++i) ASSERT_EQ(set.nth(i).value(), walked[i]);
  }
}

}  // namespace
}  // namespace pollux::wire
