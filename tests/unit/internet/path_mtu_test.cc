#include "internet/path_mtu.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/prng.h"

namespace pollux::internet {
namespace {

using wire::Ipv4Address;
constexpr Ipv4Address far{8, 8, 8, 8};
constexpr Ipv4Address other{9, 9, 9, 9};

TEST(PathMtu, IsTheLinksUntilSomebodySaysLess) {
  PathMtuCache cache{1500};
  EXPECT_EQ(cache.mtu(far, Instant{}), 1500);
  EXPECT_EQ(cache.learn(far, 1400, 1500, Instant{}), 1400);
  EXPECT_EQ(cache.mtu(far, Instant{}), 1400);
  EXPECT_EQ(cache.mtu(other, Instant{}), 1500);
}

TEST(PathMtu, IsNeverRaisedByAMessage) {
  PathMtuCache cache{1500};
  EXPECT_EQ(cache.learn(far, 1000, 1500, Instant{}), 1000);
  EXPECT_EQ(cache.learn(far, 1400, 1500, Instant{}), 1000);
  EXPECT_EQ(cache.mtu(far, Instant{}), 1000);
  EXPECT_FALSE(cache.learn(other, 1500, 1500, Instant{}));
  EXPECT_FALSE(cache.learn(other, 65535, 1500, Instant{}));
  EXPECT_EQ(cache.mtu(other, Instant{}), 1500);
}

TEST(PathMtu, EveryConnectionThatSentTooMuchHearsOfIt) {
  PathMtuCache cache{1500};
  EXPECT_EQ(cache.learn(far, 1400, 1500, Instant{}), 1400);
  EXPECT_EQ(cache.learn(far, 1400, 1500, Instant{}), 1400) << "a second connection";
  EXPECT_EQ(cache.learn(far, 1400, 1450, Instant{}), 1400);
  EXPECT_FALSE(cache.learn(far, 1400, 1400, Instant{})) << "it fitted";
}

TEST(PathMtu, AMessageThatContradictsItselfIsNotBelieved) {
  PathMtuCache cache{1500};
  EXPECT_FALSE(cache.learn(far, 600, 52, Instant{})) << "a bare ACK fits in 600 bytes";
  EXPECT_FALSE(cache.learn(far, 0, 52, Instant{}));
  EXPECT_FALSE(cache.learn(far, 552, 552, Instant{}));
  EXPECT_EQ(cache.mtu(far, Instant{}), 1500);
  EXPECT_FALSE(cache.narrow(far, Instant{}));
}

TEST(PathMtu, BelowTheMinimumRoutersMayCut) {
  PathMtuCache cache{1500};
  EXPECT_FALSE(cache.learn(far, 100, 552, Instant{})) << "it may go as it is, in pieces";
  EXPECT_EQ(cache.mtu(far, Instant{}), PathMtuCache::minimum);
  EXPECT_TRUE(cache.narrow(far, Instant{}));
  EXPECT_FALSE(cache.narrow(other, Instant{}));
  EXPECT_EQ(cache.learn(far, 600, 1500, Instant{}), PathMtuCache::minimum) << "never raised";
  EXPECT_TRUE(cache.narrow(far, Instant{10min - 1ns}));
  EXPECT_FALSE(cache.narrow(far, Instant{10min}));
  // What the estimate is does not matter: the peer's MSS may have kept datagrams small.
  EXPECT_EQ(cache.learn(other, 1000, 1500, Instant{}), 1000);
  EXPECT_FALSE(cache.narrow(other, Instant{}));
  EXPECT_FALSE(cache.learn(other, 296, 400, Instant{}));
  EXPECT_TRUE(cache.narrow(other, Instant{}));
  EXPECT_FALSE(cache.learn(other, 296, 52, Instant{}));
}

TEST(PathMtu, NoMessageLowersItBelowTheMinimum) {
  PathMtuCache cache{1500};
  EXPECT_EQ(cache.learn(far, 68, 1500, Instant{}), PathMtuCache::minimum);
  EXPECT_EQ(cache.learn(other, 1, 1500, Instant{}), PathMtuCache::minimum);
  PathMtuCache small{500};
  EXPECT_FALSE(small.learn(far, 68, 500, Instant{})) << "the link itself is smaller";
  EXPECT_EQ(small.mtu(far, Instant{}), 500);
  EXPECT_TRUE(small.narrow(far, Instant{}));
}

TEST(PathMtu, OldRoutersMeanTheNextPlateau) {
  PathMtuCache cache{9000};
  EXPECT_EQ(cache.learn(far, 0, 9000, Instant{}), 8166);
  EXPECT_EQ(cache.learn(far, 0, 8166, Instant{}), 4352);
  EXPECT_EQ(cache.learn(far, 0, 1500, Instant{}), 1492);
  EXPECT_EQ(cache.learn(far, 0, 1492, Instant{}), 1006);
  EXPECT_EQ(cache.learn(far, 0, 1006, Instant{}), PathMtuCache::minimum);
  EXPECT_EQ(PathMtuCache::plateau_below(65535), 32000);
  EXPECT_EQ(PathMtuCache::plateau_below(1500), 1492);
  EXPECT_EQ(PathMtuCache::plateau_below(68), 68);
  EXPECT_EQ(PathMtuCache::plateau_below(0), 68);
}

TEST(PathMtu, IsForgottenAfterTenMinutesUnlessSaidAgain) {
  PathMtuCache cache{1500};
  EXPECT_TRUE(cache.learn(far, 1400, 1500, Instant{}));
  EXPECT_EQ(cache.mtu(far, Instant{10min - 1ns}), 1400);
  EXPECT_EQ(cache.mtu(far, Instant{10min}), 1500);
  EXPECT_TRUE(cache.learn(far, 1400, 1500, Instant{20min}));
  EXPECT_EQ(cache.learn(far, 1400, 1500, Instant{25min}), 1400);
  EXPECT_EQ(cache.mtu(far, Instant{34min}), 1400) << "said again";
  EXPECT_EQ(cache.mtu(far, Instant{35min}), 1500);
}

TEST(PathMtu, IsBoundedAndNeverWrong) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Prng random{seed};
    PathMtuCache cache{1500, 16};
    Instant now{};
    for (int i = 0; i < 3000; ++i) {
      now += Duration{random.below(10'000'000'000)};
      const auto key = static_cast<std::uint32_t>(0x08000000 + random.below(60));
      const auto reported = static_cast<std::uint16_t>(600 + random.below(1000));
      const Ipv4Address a{key};
      const std::uint16_t before = cache.mtu(a, now);
      const auto learnt = cache.learn(a, reported, 1500, now);
      const std::uint16_t after = cache.mtu(a, now);
      ASSERT_LE(after, before);
      ASSERT_EQ(learnt.has_value(), reported < 1500);
      if (learnt) {
        ASSERT_EQ(*learnt, after);
      }
      if (reported <= before) {
        ASSERT_EQ(after, std::min<std::uint16_t>(reported, 1500));
      }
    }
  }
}

}  // namespace
}  // namespace pollux::internet
