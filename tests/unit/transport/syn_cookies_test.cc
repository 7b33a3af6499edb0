#include "transport/tcp/syn_cookies.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "transport/tcp/invariants.h"
#include "transport/tcp/tcp.h"

namespace pollux::tcp {
namespace {

constexpr SipKey key{0x0123456789abcdef, 0xfedcba9876543210};
constexpr wire::FourTuple tuple{wire::Ipv4Address{10, 0, 0, 1}, wire::Ipv4Address{10, 0, 0, 2}, 80,
                                1234};
/// In the middle of a period.
constexpr Instant start = Instant{} + 1'000 * SynCookies::period + 20s;

Segment a_syn() {
  Segment syn;
  syn.seq = SeqNum{0xFFFF'FFFF};
  syn.control = control::syn;
  syn.window = 4321;
  syn.options.mss = std::uint16_t{1460};
  return syn;
}

/// One with every option, from a peer whose clock says 500.
Segment a_modern_syn(std::uint8_t scale = 5, bool sack = true, bool ecn = false) {
  Segment syn = a_syn();
  if (ecn) syn.control |= control::ece | control::cwr;
  syn.options.window_scale = scale;
  syn.options.sack_permitted = sack;
  syn.options.timestamps = wire::Timestamps{.value = 500};
  return syn;
}

/// The ACK of the handshake, 10 ms after the SYN,ACK that the owner sent at `sent`.
Segment ack_of(const Segment& syn_ack, Instant sent = start) {
  Segment ack;
  ack.seq = syn_ack.ack;
  ack.ack = syn_ack.seq + 1;
  ack.control = control::ack;
  ack.window = 1'000;
  if (const auto& timestamps = syn_ack.options.timestamps) {
    ack.options.timestamps = {510, Millis32{sent}.raw() - timestamps->value};
  }
  return ack;
}

TEST(SynCookies, AnswerAsAHalfOpenEntryDoes) {
  const Config config;
  SynCookies cookies{key};
  const Segment syn = a_modern_syn();
  const Segment cookie = cookies.answer(tuple, syn, config, start);
  Segment usual = syn_ack(make_half_open(config, tuple, syn, cookie.seq, 0, start), config);
  usual.options.timestamps->value = cookie.options.timestamps->value;
  EXPECT_EQ(cookie.control, control::syn | control::ack);
  EXPECT_EQ(cookie.ack, usual.ack);
  EXPECT_EQ(cookie.window, usual.window);
  EXPECT_EQ(cookie.options, usual.options);
}

TEST(SynCookies, EveryMssComesBackAsTheLargestClassBelowIt) {
  const Config config;
  SynCookies cookies{key};
  const std::pair<std::uint16_t, std::uint16_t> expected[] = {
      {0, 48},      {47, 48},     {48, 48},     {535, 48},    {536, 536},    {1219, 536},
      {1220, 1220}, {1359, 1220}, {1360, 1360}, {1400, 1400}, {1439, 1400},  {1440, 1440},
      {1459, 1440}, {1460, 1460}, {8959, 1460}, {8960, 8960}, {65535, 8960},
  };
  std::set<std::uint16_t> seen;
  for (const auto& [mss, used] : expected) {
    Segment syn = a_syn();
    syn.options.mss = mss;
    Segment ack = ack_of(cookies.answer(tuple, syn, config, start));
    const auto entry = cookies.take(tuple, ack, 3, start + 10ms);
    ASSERT_TRUE(entry) << mss;
    EXPECT_EQ(entry->peer_mss, used) << mss;
    EXPECT_EQ(entry->irs, syn.seq);
    EXPECT_EQ(entry->iss + 1, ack.ack);
    EXPECT_EQ(entry->tuple, tuple);
    EXPECT_EQ(entry->listener, 3);
    seen.insert(entry->peer_mss);
  }
  EXPECT_EQ(seen.size(), SynCookies::mss_classes.size());
}

TEST(SynCookies, WithoutTheOptionTheMssIs536) {  // MUST-15
  SynCookies cookies{key};
  Segment syn = a_syn();
  syn.options.mss.reset();
  Segment ack = ack_of(cookies.answer(tuple, syn, {}, start));
  EXPECT_EQ(cookies.take(tuple, ack, 1, start)->peer_mss, 536);
}

TEST(SynCookies, OptionsComeBackInTheTimestamp) {
  const Config config;
  SynCookies cookies{key};
  for (std::uint8_t scale = 0; scale <= 14; ++scale) {
    for (const std::uint8_t others : {0, 1, 2, 3}) {
      const bool sack = (others & 1) != 0;
      const bool ecn = (others & 2) != 0;
      const Instant now = start + scale * 7ms + others * 3ms;
      const Segment answer = cookies.answer(tuple, a_modern_syn(scale, sack, ecn), config, now);
      EXPECT_EQ(answer.has(control::ece), ecn);
      EXPECT_FALSE(answer.has(control::cwr));
      Segment ack = ack_of(answer, now);
      ack.options.timestamps->value = 510;
      const auto entry = cookies.take(tuple, ack, 1, now + 10ms);
      ASSERT_TRUE(entry);
      EXPECT_TRUE(entry->timestamps);
      EXPECT_EQ(entry->ts_recent, 510u);
      EXPECT_TRUE(entry->scaled);
      EXPECT_EQ(entry->snd_shift, scale);
      EXPECT_EQ(entry->sack, sack);
      EXPECT_EQ(entry->ecn, ecn);
    }
  }
  Segment syn = a_modern_syn();
  syn.options.window_scale.reset();
  Segment ack = ack_of(cookies.answer(tuple, syn, config, start));
  const auto entry = cookies.take(tuple, ack, 1, start);
  EXPECT_FALSE(entry->scaled);
  EXPECT_TRUE(entry->sack);
}

TEST(SynCookies, TimestampsLieAtMost63MillisecondsBack) {  // so the connection's go on from there
  SynCookies cookies{key};
  for (int at = 0; at < 100; ++at) {
    for (const std::uint8_t scale : {0, 7, 14}) {
      const auto out = cookies.answer(tuple, a_modern_syn(scale), {}, start + at * 1ms);
      EXPECT_LE(out.options.timestamps->value, 63u);
    }
  }
}

TEST(SynCookies, WithoutTimestampsNothingElseIsAgreedUpon) {
  const Config config;
  SynCookies cookies{key};
  Segment syn = a_modern_syn(5, true, true);
  syn.options.timestamps.reset();
  const Segment answer = cookies.answer(tuple, syn, config, start);
  EXPECT_FALSE(answer.has(control::ece));
  EXPECT_FALSE(answer.options.window_scale);
  EXPECT_FALSE(answer.options.sack_permitted);
  EXPECT_FALSE(answer.options.timestamps);
  Segment ack = ack_of(answer);
  const auto entry = cookies.take(tuple, ack, 1, start);
  ASSERT_TRUE(entry);
  EXPECT_FALSE(entry->timestamps || entry->scaled || entry->sack || entry->ecn);
}

TEST(SynCookies, WhatWeDoNotOfferAPeerCannotBringBack) {
  Config config;
  config.offer_window_scale = config.sack = false;
  config.ecn = Ecn::off;
  SynCookies cookies{key};
  Segment ack = ack_of(cookies.answer(tuple, a_modern_syn(), config, start));
  const auto entry = cookies.take(tuple, ack, 1, start);
  ASSERT_TRUE(entry);
  EXPECT_TRUE(entry->timestamps);
  EXPECT_FALSE(entry->scaled || entry->sack || entry->ecn);
}

// The connection that a cookie made has ended, and what its peer sends goes on: the echo is of a
// segment of ours whose timestamp says nothing of options.
TEST(SynCookies, AnotherEchoThanOurSynsIsRefused) {
  SynCookies cookies{key};
  const Segment answer = cookies.answer(tuple, a_modern_syn(), {}, start);
  const std::uint32_t ours = Millis32{start}.raw() - answer.options.timestamps->value;
  int taken = 0;
  for (std::uint32_t later = 0; later < 6'400; ++later) {
    Segment ack = ack_of(answer);
    ack.options.timestamps->echo = ours + later;
    const auto entry = cookies.take(tuple, ack, 1, start + 10s);
    if (!entry) continue;
    ++taken;
    EXPECT_TRUE(entry->scaled && entry->sack && !entry->ecn);
    EXPECT_EQ(entry->snd_shift, 5);
  }
  EXPECT_EQ(taken, 100) << "those that say the same";
}

TEST(SynCookies, AnEchoOfNoRecentTimeIsRefused) {
  SynCookies cookies{key};
  const Segment answer = cookies.answer(tuple, a_modern_syn(), {}, start);
  for (const std::uint32_t off : {1'024u, 0u - 192'000u}) {
    Segment ack = ack_of(answer);
    ack.options.timestamps->echo += off;
    EXPECT_FALSE(cookies.take(tuple, ack, 1, start));
  }
  for (const std::uint8_t scale : {0, 5}) {
    Segment ack = ack_of(cookies.answer(tuple, a_modern_syn(scale, false), {}, start));
    ack.options.timestamps.reset();
    EXPECT_FALSE(cookies.take(tuple, ack, 1, start)) << "one without (RFC 7323 s.3.2)";
  }
}

TEST(SynCookies, AnEchoThatWasNotAgreedUponSaysNothing) {
  SynCookies cookies{key};
  Segment ack = ack_of(cookies.answer(tuple, a_syn(), {}, start));
  ack.options.timestamps = wire::Timestamps{510, Millis32{start}.raw()};
  const auto entry = cookies.take(tuple, ack, 1, start);
  ASSERT_TRUE(entry);
  EXPECT_FALSE(entry->timestamps || entry->scaled || entry->sack || entry->ecn);
}

TEST(SynCookies, AreGoodForOneToTwoPeriods) {
  const Instant period_start = Instant{} + 1'000 * SynCookies::period;
  const Instant end = period_start + 2 * SynCookies::period;
  // Each of 64 ms: the echo lies up to so much before the SYN,ACK.
  std::vector<Duration> moments{32s, SynCookies::period - 1ns};
  for (int n = 0; n < 64; ++n) moments.push_back(n * 1ms);
  for (const Duration within : moments) {
    for (const Segment& syn : {a_syn(), a_modern_syn()}) {
      SynCookies cookies{key};
      const Instant sent = period_start + within;
      const Segment ack = ack_of(cookies.answer(tuple, syn, {}, sent), sent);
      const auto taken = [&](Instant now) {
        Segment segment = ack;
        return cookies.take(tuple, segment, 1, now).has_value();
      };
      for (const Instant now : {sent, end - 1ns}) {
        EXPECT_TRUE(cookies.awaited(now));
        EXPECT_TRUE(taken(now));
      }
      for (const Instant now : {end, end + SynCookies::period, end + 2 * SynCookies::period}) {
        EXPECT_FALSE(cookies.awaited(now));
        EXPECT_FALSE(taken(now));
      }
      EXPECT_FALSE(taken(period_start - 1ns)) << "not made yet";
    }
  }
}

TEST(SynCookies, AreNotAwaitedBeforeTheFirst) {
  const SynCookies cookies{key};
  for (const Instant now : {Instant{}, start, Instant{} - 1h}) EXPECT_FALSE(cookies.awaited(now));
}

TEST(SynCookies, BelongToOneFourTupleNumberAndKey) {
  SynCookies cookies{key};
  const Segment ack = ack_of(cookies.answer(tuple, a_syn(), {}, start));
  const auto good = [&](const SynCookies& by, const wire::FourTuple& at, Segment segment) {
    return by.take(at, segment, 1, start).has_value();
  };
  ASSERT_TRUE(good(cookies, tuple, ack));
  for (int part = 0; part < 4; ++part) {
    wire::FourTuple other = tuple;
    if (part == 0) other.local = wire::Ipv4Address{10, 0, 0, 9};
    if (part == 1) other.remote = wire::Ipv4Address{10, 0, 0, 9};
    if (part == 2) ++other.local_port;
    if (part == 3) ++other.remote_port;
    EXPECT_FALSE(good(cookies, other, ack)) << part;
  }
  for (int bit = 0; bit < 32; ++bit) {
    Segment wrong = ack;
    wrong.ack = SeqNum{(ack.ack - 1).value() ^ 1u << bit} + 1;
    EXPECT_FALSE(good(cookies, tuple, wrong)) << "ACK, bit " << bit;
    wrong = ack;
    wrong.seq = SeqNum{(ack.seq - 1).value() ^ 1u << bit} + 1;
    EXPECT_FALSE(good(cookies, tuple, wrong)) << "SEQ, bit " << bit;
  }
  EXPECT_FALSE(good(SynCookies{SipKey{key.k0, key.k1 + 1}}, tuple, ack));
  EXPECT_FALSE(good(SynCookies{SipKey{key.k0 + 1, key.k1}}, tuple, ack));
}

TEST(SynCookies, AreHardToGuess) {
  SynCookies cookies{key};
  Prng random{1};
  Segment guess = ack_of(cookies.answer(tuple, a_syn(), {}, start));
  int hits = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    guess.ack = SeqNum{random.next32()};
    Segment segment = guess;
    hits += cookies.take(tuple, segment, 1, start) ? 1 : 0;
  }
  EXPECT_LE(hits, 1);  // 16 of 2^32 are good: one in 268 million
  // And they tell nothing of one another.
  int moved = 0;
  for (std::uint16_t port = 1; port <= 1'000; ++port) {
    wire::FourTuple other = tuple;
    other.remote_port = port;
    const auto a = cookies.answer(other, a_syn(), {}, start).seq.value();
    other.remote_port = static_cast<std::uint16_t>(port + 1);
    moved += std::popcount(a ^ cookies.answer(other, a_syn(), {}, start).seq.value());
  }
  EXPECT_NEAR(moved, 14'000, 500);
}

TEST(SynCookies, TextPastAGapIsToldFromAStrangers) {
  SynCookies cookies{key};
  Segment ack = ack_of(cookies.answer(tuple, a_syn(), {}, start));
  ack.seq += 1'460;
  EXPECT_FALSE(cookies.take(tuple, ack, 1, start));
  EXPECT_TRUE(cookies.acknowledges(tuple, ack, start));
  EXPECT_TRUE(cookies.acknowledges(tuple, ack, start + SynCookies::period));
  EXPECT_FALSE(cookies.acknowledges(tuple, ack, start + 2 * SynCookies::period));
  Prng random{1};
  int alike = 0;
  for (int i = 0; i < 100'000; ++i) {
    ack.ack = SeqNum{random.next32()};
    alike += cookies.acknowledges(tuple, ack, start) ? 1 : 0;
  }
  EXPECT_NEAR(alike, 390, 100);  // one in 256
}

// A connection that a cookie made has ended, and its peer goes on: no number that it says may make
// another connection, which would begin in the midst of the text.
TEST(SynCookies, WhatComesLaterOfAConnectionIsTakenForNoOther) {
  SynCookies cookies{key};
  int past_gap = 0;
  int later = 0;
  for (std::uint16_t port = 1; port <= 1'000; ++port) {
    wire::FourTuple other = tuple;
    other.remote_port = port;
    const Segment answer = cookies.answer(other, a_modern_syn(), {}, start);
    for (std::uint32_t n = 1; n <= 100; ++n) {
      Segment segment = ack_of(answer);
      segment.seq += n * 1'448;
      past_gap += cookies.take(other, segment, 1, start) ? 1 : 0;
      for (const std::uint32_t acked : {n, 2 * n, n * 1'448, n << 18, n << 12}) {
        segment.ack = answer.seq + 1 + acked;
        later += cookies.take(other, segment, 1, start) ? 1 : 0;
      }
    }
  }
  EXPECT_LE(past_gap, 2);  // of 100,000, one in a million
  EXPECT_LE(later, 1);     // of 500,000, one in 268 million
}

TEST(SynCookies, TheConnectionIsAsGoodAsAnother) {
  const Config config;
  SynCookies cookies{key};
  auto pool = *FlightPool::make(1);
  Segment ack = ack_of(cookies.answer(tuple, a_modern_syn(), config, start));
  ack.text = 100;
  ack.control |= control::fin;
  const Instant now = start + 40ms;
  const auto entry = cookies.take(tuple, ack, 1, now);
  ASSERT_TRUE(entry);
  Tcb tcb = accept(*entry, config, now);
  EXPECT_EQ(check(tcb), "");
  const Verdict verdict = segment_arrives(tcb, config, ack, pool, now);
  EXPECT_TRUE(verdict.established && verdict.keep_text && verdict.peer_closed);
  EXPECT_EQ(check(tcb), "");
  EXPECT_EQ(tcb.state, State::close_wait);
  EXPECT_EQ(tcb.snd_wnd, 1'000u << 5);
  EXPECT_EQ(tcb.mss, 1448);
  EXPECT_TRUE(tcb.sack);
  EXPECT_EQ(tcb.ts_recent, 510u);
  // How long the round trip took is not known: neither our clock nor the echo tells.
  EXPECT_EQ(tcb.srtt_8, 0u);
  EXPECT_FALSE(tcb.timing);
  // No loss has been seen either, so the window opens as it does for others.
  EXPECT_FALSE(tcb.syn_resent);
  EXPECT_EQ(tcb.cwnd, 10u * 1448);
}

}  // namespace
}  // namespace pollux::tcp
