#include "transport/tcp/fast_open.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace pollux::tcp {
namespace {

constexpr SipKey key{0x0123456789abcdef, 0xfedcba9876543210};
constexpr wire::FourTuple tuple{wire::Ipv4Address{10, 0, 0, 1}, wire::Ipv4Address{10, 0, 0, 2}, 80,
                                1234};
constexpr Instant start = Instant{} + 1'000 * FastOpenCookies::period;

wire::FourTuple with_remote(std::uint32_t address, std::uint16_t port = 80) {
  return {wire::Ipv4Address{10, 0, 0, 1}, wire::Ipv4Address{address}, 40'000, port};
}

FastOpenOffer offer_of(std::uint8_t first) {
  FastOpenOffer offer{.peer_mss = 1400};
  offer.cookie.size = 8;
  offer.cookie.bytes[0] = std::byte{first};
  return offer;
}

TEST(FastOpenCookies, AreOfBothAddressesAndNoPort) {
  const FastOpenCookies cookies{key};
  const wire::FastOpenCookie cookie = cookies.make(tuple, start);
  EXPECT_EQ(cookie.size, 8);
  wire::FourTuple other = tuple;
  other.remote_port = other.local_port = 7;
  EXPECT_TRUE(cookies.good(other, cookie, start));
  other.remote = wire::Ipv4Address{10, 0, 0, 3};
  EXPECT_FALSE(cookies.good(other, cookie, start));
  other = tuple;
  other.local = wire::Ipv4Address{10, 0, 0, 3};
  EXPECT_FALSE(cookies.good(other, cookie, start));
  EXPECT_TRUE(FastOpenCookies{key}.good(tuple, cookie, start));
  EXPECT_FALSE((FastOpenCookies{SipKey{1, 2}}.good(tuple, cookie, start)));
}

TEST(FastOpenCookies, AreGoodInTheirPeriodAndTheNext) {
  const FastOpenCookies cookies{key};
  const wire::FastOpenCookie cookie = cookies.make(tuple, start);
  EXPECT_NE(cookies.make(tuple, start + FastOpenCookies::period), cookie);
  EXPECT_TRUE(cookies.good(tuple, cookie, start + 2 * FastOpenCookies::period - 1ns));
  EXPECT_FALSE(cookies.good(tuple, cookie, start + 2 * FastOpenCookies::period));
}

TEST(FastOpenCookies, OfAnotherLengthAreWrong) {
  const FastOpenCookies cookies{key};
  wire::FastOpenCookie cookie = cookies.make(tuple, start);
  cookie.size = 10;
  EXPECT_FALSE(cookies.good(tuple, cookie, start));
  EXPECT_FALSE(cookies.good(tuple, {}, start));
}

TEST(FastOpenBacklog, HasABoundThatResetsCountAgainstForAMinute) {
  FastOpenBacklog backlog{2};
  EXPECT_TRUE(backlog.has_room(start));
  backlog.begin();
  backlog.begin();
  EXPECT_FALSE(backlog.has_room(start));
  backlog.end_by_reset(start);
  backlog.end_by_reset(start + 1s);
  EXPECT_FALSE(backlog.has_room(start + 60s - 1ns));
  EXPECT_TRUE(backlog.has_room(start + 60s));
  backlog.begin();
  EXPECT_FALSE(backlog.has_room(start + 60s));
  backlog.end();
  EXPECT_TRUE(backlog.has_room(start + 60s));
  for (int i = 0; i < 5; ++i) {  // round the ring
    ASSERT_TRUE(backlog.has_room(start + 100s + i * 100s));
    backlog.begin();
    backlog.end_by_reset(start + 100s + i * 100s);
  }
}

TEST(FastOpenBacklog, OfNoneNeverHasRoom) { EXPECT_FALSE(FastOpenBacklog{0}.has_room(start)); }

TEST(FastOpenCache, AsksWhereItKnowsNothing) {
  FastOpenCache cache{key};
  const auto offer = cache.offer(tuple, start);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->cookie.size, 0);
}

TEST(FastOpenCache, KnowsACookieByAddressesAndTheServersPort) {
  FastOpenCache cache{key};
  const wire::FourTuple server = with_remote(7);
  cache.learn(server, offer_of(1), start);
  wire::FourTuple next = server;
  next.local_port = 9;
  EXPECT_EQ(cache.offer(next, start)->cookie, offer_of(1).cookie);
  EXPECT_EQ(cache.offer(next, start)->peer_mss, 1400);
  EXPECT_EQ(cache.offer(with_remote(7, 81), start)->cookie.size, 0);
  EXPECT_EQ(cache.offer(with_remote(8), start)->cookie.size, 0);
  next.local = wire::Ipv4Address{10, 0, 0, 9};
  EXPECT_EQ(cache.offer(next, start)->cookie.size, 0);
}

TEST(FastOpenCache, LeavesAPathAloneTwiceAsLongAfterEachFailure) {
  FastOpenCache cache{key};
  cache.learn(tuple, offer_of(1), start);
  Instant now = start;
  for (int failures = 0; failures < 15; ++failures) {
    cache.failed(tuple, now);
    const Duration rest = FastOpenCache::first_rest * (1 << std::min(failures, 12));
    EXPECT_FALSE(cache.offer(tuple, now + rest - 1ns)) << failures;
    now += rest;
    ASSERT_TRUE(cache.offer(tuple, now)) << failures;
    EXPECT_EQ(cache.offer(tuple, now)->cookie.size, 0) << "its cookie may be why";
  }
  cache.learn(tuple, offer_of(2), now);
  cache.worked(tuple);
  cache.failed(tuple, now);
  EXPECT_TRUE(cache.offer(tuple, now + FastOpenCache::first_rest));
}

TEST(FastOpenCache, IsBoundedAndForgetsWhoWasNotAskedForLong) {
  FastOpenCache cache{key};
  cache.learn(with_remote(1), offer_of(1), start);
  for (std::uint32_t i = 2; i < 20'000; ++i) {
    const Instant now = start + i * 1ms;
    cache.learn(with_remote(i), offer_of(2), now);
    EXPECT_EQ(cache.offer(with_remote(i), now)->cookie, offer_of(2).cookie);
    EXPECT_EQ(cache.offer(with_remote(1), now)->cookie, offer_of(1).cookie);
  }
  std::size_t known = 0;
  for (std::uint32_t i = 1; i < 20'000; ++i) {
    known += cache.offer(with_remote(i), start)->cookie.size != 0;
  }
  EXPECT_LE(known, FastOpenCache::capacity);
  EXPECT_GE(known, FastOpenCache::capacity * 9 / 10);
}

TEST(FastOpen, WithoutAFlightIsAnOrdinaryHandshake) {
  auto flights = FlightPool::make(0);
  ASSERT_TRUE(flights);
  Tcb tcb;
  tcb.state = State::syn_sent;
  EXPECT_FALSE(begin_fast_open(tcb, *flights, offer_of(1)));
  EXPECT_FALSE(asks_for_fast_open(tcb));
}

}  // namespace
}  // namespace pollux::tcp
