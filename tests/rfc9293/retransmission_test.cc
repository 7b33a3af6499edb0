// RFC 9293 s.3.8.1, Retransmission Timeout (RFC 6298), and s.3.8.3, Connection Failures.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "tests/script.h"
#include "transport/tcp/invariants.h"
#include "transport/tcp/rtt.h"

namespace pollux::test {
namespace {

tcp::Config initial_rto(Duration rto) {
  tcp::Config config;
  config.initial_rto = rto;
  return config;
}

/// Transmissions of one thing, each after the RTO before it, doubled each time up to 60 s, and the
/// time of giving up.
Duration repeats(Script& script, Duration from, Duration rto, int retries,
                 const std::function<void()>& sends) {
  Duration time = from;
  for (int i = 0; i < retries; ++i) {
    time += rto;
    script.at(time - 1ms).sends_nothing().at(time);
    sends();
    rto = std::min<Duration>(2 * rto, 60s);
  }
  return time + rto;
}

TEST(Retransmission, SynIsRepeatedAndGivenUpAfterThreeMinutes) {  // MUST-20, MUST-22, MUST-23
  Script script = Script::active();
  script.sends({.seq = 0_seq, .control = syn});
  const Duration end =
      repeats(script, 0s, 1s, 7, [&] { script.sends({.seq = 0_seq, .control = syn}); });
  EXPECT_GE(end, 3min);
  script.at(end - 1ms).state(State::syn_sent).at(end).ends(Cause::timed_out);
}

TEST(Retransmission, TextIsRepeatedAndGivenUpAfterMoreThanHundredSeconds) {  // MUST-20, SHLD-11
  Script script = Script::established();
  script.writes(500).sends({.seq = 1_seq, .ack = 1_seq, .text = 500});
  const Duration end = repeats(script, 0s, 200ms, 15,
                               [&] { script.sends({.seq = 1_seq, .ack = 1_seq, .text = 500}); });
  EXPECT_GE(end, 100s);
  script.at(end - 1ms).state(State::established).at(end).ends(Cause::timed_out);
}

TEST(Retransmission, FinIsRepeatedAndGivenUp) {
  Script script = Script::established();
  script.shuts_down().sends({.seq = 1_seq, .ack = 1_seq, .control = fin});
  const Duration end = repeats(script, 0s, 200ms, 15,
                               [&] { script.sends({.seq = 1_seq, .ack = 1_seq, .control = fin}); });
  script.at(end).ends(Cause::timed_out);
}

TEST(Retransmission, NobodyWaitsLongForTheEndOfAClosedConnection) {  // R2 still over 100 s
  Script script = Script::established();
  script.hold().writes(10).closes().flush();
  const Seg all{.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 10};
  script.sends(all);
  const Duration end = repeats(script, 0s, 200ms, 8, [&] { script.sends(all); });
  EXPECT_GE(end, 100s);
  script.at(end).ends(Cause::timed_out);
}

TEST(Retransmission, GivingUpAfterASoftErrorSaysWhy) {  // MUST-56, SHLD-25, MUST-47
  tcp::Config config;
  config.data_retries = 1;
  Script::established({.config = config})
      .writes(5)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 5})
      .hears_unreachable(Cause::unreachable, true)  // even a hard one does not end it by itself
      .state(State::established)
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 5})
      .at(600ms)
      .ends(Cause::unreachable);
}

TEST(Retransmission, GivingUpDoesNotNameAnErrorThatWasOvercome) {
  tcp::Config config;
  config.data_retries = 1;
  Script::established({.config = config})
      .writes(5)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 5})
      .hears_unreachable(Cause::unreachable, false)
      .arrives({.seq = 1_seq, .ack = 6_seq})
      .writes(5)
      .sends({.seq = 6_seq, .ack = 1_seq, .text = 5})
      .at(200ms)
      .sends({.seq = 6_seq, .ack = 1_seq, .text = 5})
      .at(600ms)
      .ends(Cause::timed_out);
}

TEST(Retransmission, ASynThatCannotLeaveIsGivenUpLikeOneThatIsLost) {  // MUST-23
  const tcp::Config config;
  tcp::FlightPool pool = *tcp::FlightPool::make(1);
  const Instant start = Instant{} + 5s;
  Instant now = start;
  Tcb tcb = tcp::open_active(config, SeqNum{7}, start);
  tcp::Verdict verdict;
  while (tcb.has_deadline() && now < start + 1h) {
    EXPECT_EQ(tcp::check(tcb), "");
    now = tcb.deadline_instant(now);
    verdict = tcp::timeout(tcb, config, pool, now);
  }
  EXPECT_TRUE(verdict.closed);
  EXPECT_EQ(verdict.cause, Cause::timed_out);
  EXPECT_EQ(now - start, 183s);
}

TEST(Retransmission, AStrayAckTakesNothingFromTheTimeOfASyn) {  // MUST-23, decision 0005
  const tcp::Config config{.syn_again = 2ms};
  tcp::FlightPool pool = *tcp::FlightPool::make(1);
  const Instant start = Instant{} + 5s;
  Instant now = start;
  Tcb tcb = tcp::open_active(config, SeqNum{7}, start);
  Segment out;
  EXPECT_EQ(tcp::next_segment(tcb, config, pool, now, out), tcp::Emit::last);
  Segment stray;
  stray.control = tcp::control::ack;
  stray.ack = SeqNum{99'999};
  EXPECT_TRUE(tcp::segment_arrives(tcb, config, stray, pool, now).reset_reply);
  EXPECT_EQ(tcb.deadline_instant(now), now + 2ms);
  tcp::Verdict verdict;
  while (tcb.has_deadline() && now < start + 1h) {
    now = tcb.deadline_instant(now);
    verdict = tcp::timeout(tcb, config, pool, now);
    while (verdict.send && tcp::next_segment(tcb, config, pool, now, out) == tcp::Emit::more) {
    }
    EXPECT_EQ(tcp::check(tcb), "");
  }
  EXPECT_EQ(verdict.cause, Cause::timed_out);
  EXPECT_GE(now - start, 183s);
}

TEST(Retransmission, ASynThatLeavesLateIsNotTakenForALostOne) {
  const tcp::Config config;
  tcp::FlightPool pool = *tcp::FlightPool::make(1);
  Instant now = Instant{} + 5s;
  Tcb tcb = tcp::open_active(config, SeqNum{7}, now);
  now += 1s;
  EXPECT_TRUE(tcp::timeout(tcb, config, pool, now).send);
  now += 1500ms;
  Segment out;
  EXPECT_EQ(tcp::next_segment(tcb, config, pool, now, out), tcp::Emit::last);
  EXPECT_FALSE(tcb.syn_resent);
  EXPECT_TRUE(tcb.timing);
  EXPECT_EQ(tcb.deadline_instant(now), now + 2s);  // a whole RTO of its own
}

TEST(Retransmission, TimerIsNotPutOffByFurtherText) {  // RFC 6298 (5.1)
  Script::established()
      .writes(1000)
      .sends_full(1, 1_seq, 1_seq)
      .at(150ms)
      .writes(1000)
      .sends_full(1, 1001_seq, 1_seq)
      .at(200ms)
      .sends_full(1, 1_seq, 1_seq);
}

TEST(Retransmission, TimerIsStartedAgainByAnAckOfNewText) {  // (5.3)
  Script::established()
      .writes(2000)
      .sends_full(2, 1_seq, 1_seq)
      .at(150ms)
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .check([](const Tcb& tcb) { EXPECT_TRUE(tcb.retransmit_armed); })
      .at(349ms)
      .sends_nothing()
      .at(360ms)
      .sends_full(1, 1001_seq, 1_seq);
}

TEST(Retransmission, TimerStopsWhenAllIsAcknowledged) {  // (5.2)
  Script::established()
      .writes(2000)
      .sends_full(2, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 2001_seq})
      .check([](const Tcb& tcb) { EXPECT_FALSE(tcb.has_deadline()); })
      .at(1000s)
      .sends_nothing();
}

TEST(Retransmission, AllInFlightIsSentAgainInSlowStart) {
  Script::established()
      .writes(4000)
      .sends_full(4, 1_seq, 1_seq)
      .at(200ms)
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .sends_full(2, 1001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 3001_seq})
      .sends_full(1, 3001_seq, 1_seq);
}

TEST(Retransmission, AnAckThatJumpsAheadSkipsWhatThePeerHolds) {
  Script::established()
      .writes(4000)
      .sends_full(4, 1_seq, 1_seq)
      .at(200ms)
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 4001_seq})
      .sends_nothing()
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.snd_pos, tcb.snd_nxt); });
}

TEST(Retransmission, IsCalledOffByAnAckInTheSamePoll) {
  Script::established()
      .writes(1000)
      .sends_full(1, 1_seq, 1_seq)
      .hold()
      .at(200ms)
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .flush()
      .sends_nothing();
}

TEST(Retransmission, MayBeCutAnew) {  // s.3.8.6: repackaging; small writes leave as one segment
  Script::established()
      .sets({.nagle = false})
      .writes(100)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .writes(100)
      .sends({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 200});
}

TEST(Retransmission, FinThatWasLostWithTheTextIsSentAgainWithIt) {
  Script::established()
      .hold()
      .writes(1500)
      .closes()
      .flush()
      .sends_full(1, 1_seq, 1_seq)
      .sends({.seq = 1001_seq, .ack = 1_seq, .control = fin, .text = 500})
      .at(200ms)
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .sends({.seq = 1001_seq, .ack = 1_seq, .control = fin, .text = 500});
}

// --- the RTO ---

TEST(Rto, OfASynIsTheInitialOne) {  // RFC 6298 (2.1)
  Script::active({.config = initial_rto(3s)})
      .sends({.seq = 0_seq, .control = syn})
      .at(2999ms)
      .sends_nothing()
      .at(3s)
      .sends({.seq = 0_seq, .control = syn});
}

TEST(Rto, IsThreeSecondsAfterALostSyn) {  // (5.7)
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .at(1s)
      .sends({.seq = 0_seq, .control = syn})
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(3999ms)
      .sends_nothing()
      .at(4s)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10});
}

TEST(Rto, FollowsTheHandshakesRoundTrip) {  // (2.2): SRTT = 300 ms, RTTVAR = 150 ms
  Script::established({.round_trip = 300ms})
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(899ms)
      .sends_nothing()
      .at(900ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10});
}

TEST(Rto, FollowsTheHandshakesRoundTripPassively) {
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .at(300ms)
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(1199ms)
      .sends_nothing()
      .at(1200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10});
}

TEST(Rto, IsAtLeastTheConfiguredMinimum) {  // (2.4)
  tcp::Config config;
  config.min_rto = 1s;
  Script::established({.config = config, .round_trip = 1ms})
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(999ms)
      .sends_nothing()
      .at(1s)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10});
}

TEST(Rto, BackOffStaysUntilNewTextIsAcknowledged) {  // Karn, MUST-18; s.3.8.2
  Script::established()
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .arrives({.seq = 1_seq, .ack = 11_seq})  // of which transmission? No sample.
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.backoff, 1); })
      .writes(10)
      .sends({.seq = 11_seq, .ack = 1_seq, .text = 10})
      .arrives({.seq = 1_seq, .ack = 21_seq})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.backoff, 0); });
}

TEST(Rto, ARepeatedSynGivesNoSample) {  // Karn, MUST-18
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .at(1s)
      .sends({.seq = 0_seq, .control = syn})
      .at(1001ms)
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.srtt_8, 0u); });
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .at(1s)
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.srtt_8, 0u); });
  // Nor one that was repeated because the peer's came again.
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .at(600ms)
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .check([](const Tcb& tcb) {
        EXPECT_EQ(tcb.srtt_8, 0u);
        EXPECT_EQ(tcb.cwnd, tcb.mss) << "RFC 5681 s.3.1: a SYN,ACK was lost";
      });
}

TEST(RoundTrip, IsSmoothedAsRfc6298Says) {
  Tcb tcb;
  tcp::Config config;
  config.min_rto = 0s;
  tcp::sample_round_trip(tcb, 100ms);
  EXPECT_EQ(tcp::retransmission_timeout(tcb, config), 300ms);  // 100 + 4 * 50
  tcp::sample_round_trip(tcb, 200ms);
  // RTTVAR = 3/4 * 50 + 1/4 * 100 = 62.5; SRTT = 7/8 * 100 + 1/8 * 200 = 112.5
  EXPECT_EQ(tcp::retransmission_timeout(tcb, config), 112500us + 250ms);
  for (int i = 0; i < 1000; ++i) tcp::sample_round_trip(tcb, 40us);
  // Steady at 40 us: what is left is the timers' granularity.
  EXPECT_LE(tcp::retransmission_timeout(tcb, config), 1ms + 50us);
  EXPECT_GE(tcp::retransmission_timeout(tcb, config), 1ms + 40us);
}

TEST(RoundTrip, NeverBecomesNothingOrOverflows) {
  Tcb tcb;
  const tcp::Config config;
  for (const auto sample : {0us, -5us, 1us, 0us, 7200s + 0us, 0us, 1us}) {
    tcp::sample_round_trip(tcb, sample);
    EXPECT_GT(tcb.srtt_8, 0u);
    EXPECT_GE(tcp::retransmission_timeout(tcb, config), config.min_rto);
    EXPECT_LE(tcp::retransmission_timeout(tcb, config), config.max_rto);
  }
  tcb.backoff = 255;
  EXPECT_EQ(tcp::retransmission_timeout(tcb, config), config.max_rto);
}

// --- the user's timeout ---

TEST(UserTimeout, EndsTheConnection) {  // 3.10.8; MUST-21
  Script::established()
      .sets({.user_timeout = 5s})
      .at(100s)
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(100s + 200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(100s + 600ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(100s + 1400ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(100s + 3s)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(105s - 1ms)
      .state(State::established)
      .at(105s)
      .ends(Cause::timed_out);
}

TEST(UserTimeout, IsCountedFromTheLastProgress) {
  Script::established()
      .sets({.user_timeout = 300ms})
      .writes(2000)
      .sends_full(2, 1_seq, 1_seq)
      .at(150ms)
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .at(449ms)
      .sends_full(1, 1001_seq, 1_seq)
      .state(State::established)
      .at(450ms)
      .ends(Cause::timed_out);
}

TEST(UserTimeout, OfAConnectionAttempt) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .sets({.user_timeout = 500ms})
      .at(500ms)
      .ends(Cause::timed_out);
}

TEST(UserTimeout, IsOfTheFirstThatIsNotAcknowledged) {  // RFC 5482 s.1
  Script::established()
      .sets({.nagle = false, .user_timeout = 1s})
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(150ms)
      .writes(10)
      .sends({.seq = 11_seq, .ack = 1_seq, .text = 10})
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 20})
      .at(600ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 20})
      .at(999ms)
      .state(State::established)
      .at(1s)
      .ends(Cause::timed_out);
}

TEST(UserTimeout, EndsAClosedWindowThoughItIsAnswered) {  // docs/decisions/0032
  Script::established()
      .sets({.user_timeout = 500ms})
      .at(100s)
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .writes(10)
      .at(100s + 200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .at(100s + 300ms)
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .at(100s + 499ms)
      .state(State::established)
      .at(100s + 500ms)
      .ends(Cause::timed_out);
}

TEST(UserTimeout, OfAFin) {
  Script::established()
      .sets({.user_timeout = 500ms})
      .at(100s)
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .at(100s + 200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .at(100s + 499ms)
      .state(State::fin_wait_1)
      .at(100s + 500ms)
      .ends(Cause::timed_out);
}

}  // namespace
}  // namespace pollux::test
