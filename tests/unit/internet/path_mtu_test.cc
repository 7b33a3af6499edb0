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

// --- What segments show, RFC 4821 ---

constexpr Duration wait = PathMtuCache::probe_interval;

TEST(PathSearch, ABlackHoleHoldsForAllThatGoThere) {
  PathMtuCache cache{1500};
  cache.black_hole(far, 1024, Instant{});
  EXPECT_EQ(cache.mtu(far, Instant{}), 1024);
  EXPECT_EQ(cache.found(far, Instant{}), 1024);
  EXPECT_EQ(cache.mtu(other, Instant{}), 1500);
  EXPECT_EQ(cache.found(other, Instant{}), 0);
  EXPECT_EQ(cache.mtu(far, Instant{PathMtuCache::lifetime}), 1500);
  cache.black_hole(far, 1200, Instant{});
  EXPECT_EQ(cache.mtu(far, Instant{}), 1024) << "it raises nothing";
  cache.black_hole(far, 40, Instant{});
  EXPECT_EQ(cache.mtu(far, Instant{}), PathMtuCache::minimum);
}

TEST(PathSearch, AllThatWasLostIsTriedFirst) {  // s.7.7: it may have been an outage
  PathMtuCache cache{1500};
  cache.black_hole(far, 1024, Instant{});
  EXPECT_EQ(cache.probe_size(far, 1024, 1470, Instant{}), 1470);
  cache.probing(far, 1024, 1470, Instant{});
  EXPECT_FALSE(cache.probe_size(far, 1024, 1470, Instant{wait - 1ns})) << "one at a time";
  cache.takes(far, 1470, Instant{});
  EXPECT_EQ(cache.mtu(far, Instant{}), 1470);
  EXPECT_FALSE(cache.probe_size(far, 1470, 1470, Instant{})) << "nothing is left to ask for";
  EXPECT_EQ(cache.probe_size(far, 1470, 1500, Instant{}), 1500) << "another's ends take more";
  cache.takes(far, 1500, Instant{});
  EXPECT_EQ(cache.mtu(far, Instant{}), 1500);
  EXPECT_EQ(cache.found(far, Instant{}), 1500) << "for all others that are shorter";
}

TEST(PathSearch, ThenTheMiddleBetweenWhatArrivesAndWhatDoesNot) {  // s.7.3
  for (const std::uint16_t path : {1024, 1100, 1280, 1399, 1420, 1465, 1480, 1492, 1499, 1500}) {
    PathMtuCache cache{1500};
    Instant now{};
    cache.black_hole(far, 1024, now);
    int probes = 0;
    while (const auto size = cache.probe_size(far, cache.mtu(far, now), 1500, now)) {
      ASSERT_LE(++probes, 6);
      ASSERT_GT(*size, cache.mtu(far, now));
      cache.probing(far, cache.mtu(far, now), *size, now);
      if (*size <= path) {
        cache.takes(far, *size, now);
      } else {
        cache.loses(far, *size, now);
        EXPECT_FALSE(cache.probe_size(far, 1024, 1500, now)) << "not again at once";
        now += wait;
      }
      if (cache.mtu(far, now) == 1500) break;
    }
    EXPECT_LE(cache.mtu(far, now), path);
    EXPECT_GE(cache.mtu(far, now) + 130, path);
    if (path == 1500) continue;
    EXPECT_EQ(cache.probe_size(far, 1024, 1500, now + PathMtuCache::lifetime), 1500)
        << "the path may have changed";
  }
}

TEST(PathSearch, WhatStaysOpenIsTriedThreeTimes) {
  PathMtuCache cache{1500};
  Instant now{};
  cache.black_hole(far, 1024, now);
  for (int i = 0; i < PathMtuCache::max_probes; ++i, now += wait) {
    ASSERT_EQ(cache.probe_size(far, 1024, 1500, now), 1500) << i;
    cache.probing(far, 1024, 1500, now);
  }
  const auto next = cache.probe_size(far, 1024, 1500, now);
  ASSERT_TRUE(next);
  EXPECT_LT(*next, 1500);
}

TEST(PathSearch, WhatIcmpHasSaidHoldsForTenMinutes) {  // RFC 1191 s.6.3
  PathMtuCache cache{1500};
  cache.learn(far, 1400, 1500, Instant{});
  EXPECT_EQ(cache.found(far, Instant{}), 0);
  EXPECT_FALSE(cache.probe_size(far, 1400, 1500, Instant{10min - 1ns}));
  EXPECT_EQ(cache.probe_size(far, 1400, 1500, Instant{10min}), 1500);
  cache.probing(far, 1400, 1500, Instant{10min});
  EXPECT_EQ(cache.mtu(far, Instant{10min}), 1400) << "until it has arrived";
}

TEST(PathSearch, ABlackHoleBelowWhatIcmpHasSaidLeavesThatKnown) {
  PathMtuCache cache{1500};
  cache.learn(far, 1400, 1500, Instant{});
  cache.black_hole(far, 1024, Instant{});
  EXPECT_EQ(cache.probe_size(far, 1024, 1500, Instant{}), 1400);
  cache.loses(far, 1400, Instant{});
  cache.black_hole(far, 576, Instant{});
  EXPECT_EQ(cache.mtu(far, Instant{}), 576);
  EXPECT_LT(cache.probe_size(far, 576, 1500, Instant{}), 1400);
}

TEST(PathSearch, AMessageAboutAProbeSaysWhatToTryNext) {
  PathMtuCache cache{1500};
  cache.black_hole(far, 1024, Instant{});
  cache.probing(far, 1024, 1500, Instant{});
  EXPECT_EQ(cache.learn(far, 1337, 1500, Instant{}), 1024) << "it raises nothing";
  EXPECT_EQ(cache.probe_size(far, 1024, 1500, Instant{}), 1337);
  cache.loses(far, 1500, Instant{});
  EXPECT_EQ(cache.probe_size(far, 1024, 1500, Instant{}), 1337);
  cache.probing(far, 1024, 1337, Instant{});
  cache.takes(far, 1337, Instant{});
  EXPECT_EQ(cache.mtu(far, Instant{}), 1337);
  EXPECT_FALSE(cache.probe_size(far, 1337, 1500, Instant{}));
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
