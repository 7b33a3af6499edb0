// Loss recovery with SACK: RFC 8985 (RACK-TLP), RFC 9937 (PRR), RFC 3042, RFC 3522, RFC 2883.

#include <gtest/gtest.h>

#include <vector>

#include "tests/script.h"
#include "transport/tcp/congestion.h"

namespace pollux::test {
namespace {

using Blocks = std::vector<std::pair<SeqNum, SeqNum>>;

constexpr Setup sack() {
  Setup setup;
  setup.peer_sack = true;
  setup.round_trip = 20ms;
  return setup;
}

Setup timestamps() {
  auto setup = sack();
  setup.peer_timestamp = 7;
  setup.peer_mss = 1012;  // 1000 bytes of text beside the option
  return setup;
}

/// An ACK with blocks; the text is all ours.
Seg ack(SeqNum ack, Blocks blocks = {}) {
  return {.seq = 1_seq, .ack = ack, .sack = std::move(blocks)};
}

auto windows_are(std::uint32_t cwnd, std::uint32_t ssthresh) {
  return [=](const Tcb& tcb) {
    EXPECT_EQ(tcb.cwnd, cwnd);
    EXPECT_EQ(tcb.ssthresh, ssthresh);
  };
}

auto recovering(bool is) {
  return [=](const Tcb& tcb) { EXPECT_EQ(tcb.recovering != 0, is); };
}

// --- RFC 8985 s.6.2, without reordering: three segments ---

TEST(SackRecovery, ThreeSegmentsPastTheGapSendItAgain) {
  Script::established(sack())
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{1001_seq, 2001_seq}}))
      .arrives(ack(1_seq, {{1001_seq, 3001_seq}}))
      .sends_nothing()
      .arrives(ack(1_seq, {{1001_seq, 4001_seq}}))
      .verdict([](const tcp::Verdict& v) { return v.fast_retransmit; })
      .sends_full(1, 1_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.ssthresh, 5000u); });
}

TEST(SackRecovery, OneAckMayTellOfAllThree) {
  Script::established(sack())
      .writes(4000)
      .sends_full(4, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{1001_seq, 4001_seq}}))
      .sends_full(1, 1_seq, 1_seq);
}

TEST(SackRecovery, OnlyWhatIsMissingIsSentAgain) {
  Script::established(sack())
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      // 1, 4 and 7 are missing; all that was sent before the tenth is told of.
      .at(20ms)
      .arrives(ack(1_seq, {{7001_seq, 10'001_seq}, {4001_seq, 6001_seq}, {1001_seq, 3001_seq}}))
      .sends_full(1, 1_seq, 1_seq)
      .sends_full(1, 3001_seq, 1_seq)
      .sends_full(1, 6001_seq, 1_seq)
      .at(40ms)
      .arrives(ack(3001_seq, {{7001_seq, 10'001_seq}, {4001_seq, 6001_seq}}))
      .sends_nothing()
      .arrives(ack(10'001_seq))
      .check(recovering(false));
}

TEST(SackRecovery, ABlockOfTheImpossibleIsNotBelieved) {
  Script::established(sack())
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .arrives(ack(1_seq, {{20'001_seq, 24'001_seq}}))  // never sent
      .arrives(ack(1_seq, {{9001_seq, 12'001_seq}}))    // not all of it
      .arrives(ack(1_seq, {{4001_seq, 3001_seq}}))      // of less than nothing
      .sends_nothing()
      .check(recovering(false));
}

TEST(SackRecovery, EndsWhenAllIsThereThatWasInFlight) {
  Script::established(sack())
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{1001_seq, 10'001_seq}}))
      .sends_full(1, 1_seq, 1_seq)
      .check(recovering(true))
      .arrives(ack(10'001_seq))
      .check(windows_are(5000, 5000))
      .check(recovering(false));
}

TEST(SackRecovery, WhatIsLostTwiceIsSentAThirdTime) {
  Script::established(sack())
      .writes(30'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{1001_seq, 10'001_seq}}))
      .sends_full(1, 1_seq, 1_seq)
      .sends_full(4, 10'001_seq, 1_seq)
      .at(40ms)
      // What was sent after it has arrived, a round trip after it was sent again.
      .arrives(ack(1_seq, {{1001_seq, 12'001_seq}}))
      .sends_full(1, 1_seq, 1_seq)
      .sends_full(2, 14'001_seq, 1_seq);
}

TEST(SackRecovery, WithoutABlockItIsNewReno) {
  Script::established(sack())
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .sends_full(1, 1_seq, 1_seq);
}

TEST(SackRecovery, WithoutAFlightItIsNewReno) {
  auto setup = sack();
  setup.flights = 0;
  Script::established(setup)
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{1001_seq, 2001_seq}}))
      .arrives(ack(1_seq, {{1001_seq, 3001_seq}}))
      .arrives(ack(1_seq, {{1001_seq, 4001_seq}}))
      .sends_full(1, 1_seq, 1_seq);
}

TEST(SackRecovery, TheFlightIsKeptAsLongAsItIsNeeded) {
  Script::established(sack())
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .flights(0)  // one burst, and nothing lost yet
      .at(10ms)
      .arrives(ack(1001_seq))
      .flights(0)
      .writes(3000)
      .sends_full(2, 10'001_seq, 1_seq)
      .flights(1)  // a second burst, while the first is on its way
      .at(20ms)
      .arrives(ack(12'001_seq))
      .sends_full(1, 12'001_seq, 1_seq)
      .at(30ms)
      .arrives(ack(13'001_seq))
      .flights(0);
}

TEST(SackRecovery, AFinIsMendedToo) {
  Script::established(sack())
      .hold()
      .writes(4000)
      .closes()
      .flush()
      .sends_full(3, 1_seq, 1_seq)
      .sends({.seq = 3001_seq, .ack = 1_seq, .control = fin, .text = 1000})
      .at(42ms)  // the tail is probed
      .sends({.seq = 3001_seq, .ack = 1_seq, .control = fin, .text = 1000})
      .at(62ms)
      .arrives(ack(1_seq, {{3001_seq, 4002_seq}}))
      .sends_full(1, 1_seq, 1_seq)
      .at(82ms)
      .arrives(ack(1001_seq, {{3001_seq, 4002_seq}}))
      .sends_full(2, 1001_seq, 1_seq)
      .arrives(ack(4002_seq))
      .state(State::fin_wait_2);
}

// --- limited transmit, RFC 3042 ---

TEST(SackRecovery, NewTextLeavesForWhatHasArrived) {
  auto setup = sack();
  setup.config.initial_window = 4;
  Script::established(setup)
      .writes(20'000)
      .sends_full(4, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{1001_seq, 2001_seq}}))
      .sends_full(1, 4001_seq, 1_seq)
      .arrives(ack(1_seq, {{1001_seq, 3001_seq}}))
      .sends_full(1, 5001_seq, 1_seq)
      .arrives(ack(1_seq, {{1001_seq, 4001_seq}}))
      .sends_full(1, 1_seq, 1_seq);
}

TEST(SackRecovery, AFastRetransmitRestartsTheTimer) {
  auto setup = sack();
  setup.round_trip = 300ms;
  Script::established(setup)
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(300ms)
      .arrives(ack(1_seq, {{1001_seq, 3001_seq}}))
      .at(360ms)
      .arrives(ack(1_seq, {{1001_seq, 4001_seq}}))
      .sends_full(1, 1_seq, 1_seq)
      .at(900ms)  // what it is answered by is under way for so long
      .sends_nothing()
      .check(recovering(true));
}

// --- proportional rate reduction, RFC 9937 ---

TEST(ProportionalRateReduction, SendsOneForTwoThatArriveUntilTheFlightIsHalved) {
  Script script = Script::established(sack());
  script.writes(40'000).sends_full(10, 1_seq, 1_seq).at(20ms);
  script.arrives(ack(1_seq, {{1001_seq, 2001_seq}})).sends_full(1, 10'001_seq, 1_seq);
  script.arrives(ack(1_seq, {{1001_seq, 3001_seq}})).sends_full(1, 11'001_seq, 1_seq);
  script.arrives(ack(1_seq, {{1001_seq, 4001_seq}})).sends_full(1, 1_seq, 1_seq);
  // RecoverFS is 12 less the two that had arrived, ssthresh 5: half of what is delivered, of which
  // one segment has left already.
  script.arrives(ack(1_seq, {{1001_seq, 5001_seq}}));
  script.arrives(ack(1_seq, {{1001_seq, 6001_seq}}));
  script.sends_nothing();
  script.arrives(ack(1_seq, {{1001_seq, 7001_seq}})).sends_full(1, 12'001_seq, 1_seq);
  script.arrives(ack(1_seq, {{1001_seq, 8001_seq}}));
  script.arrives(ack(1_seq, {{1001_seq, 9001_seq}}));
  script.sends_nothing();
  // Then no more than ssthresh is in flight, and it stays so.
  script.arrives(ack(1_seq, {{1001_seq, 10'001_seq}})).sends_full(1, 13'001_seq, 1_seq);
  // And when all is there, the window is ssthresh.
  script.arrives(ack(12'001_seq)).check(windows_are(5000, 5000)).sends_full(3, 14'001_seq, 1_seq);
}

// --- a time-out, RFC 8985 s.6.3 ---

TEST(SackRecovery, AfterATimeoutOnlyWhatIsMissingIsSentAgain) {
  Script::established(sack())
      .writes(5000)
      .sends_full(5, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{2001_seq, 3001_seq}}))
      .at(25ms)
      .sends_full(1, 1_seq, 1_seq)  // and is lost again, as is all that came after the third
      .at(225ms)
      .sends_full(1, 1_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.cwnd, 1000u); })
      .at(245ms)
      .arrives(ack(1001_seq, {{2001_seq, 3001_seq}}))
      .sends_full(1, 1001_seq, 1_seq)
      .sends_full(1, 3001_seq, 1_seq)
      .at(265ms)
      .arrives(ack(4001_seq))
      .sends_full(1, 4001_seq, 1_seq)
      .arrives(ack(5001_seq));
}

TEST(SackRecovery, APeerMayTakeBackWhatItSaid) {  // RFC 2018 s.8
  Script::established(sack())
      .writes(4000)
      .sends_full(4, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{1001_seq, 4001_seq}}))
      .sends_full(1, 1_seq, 1_seq)
      .arrives(ack(1001_seq))  // and nothing behind it any more
      .at(220ms)
      .sends_full(1, 1001_seq, 1_seq)
      .arrives(ack(2001_seq))
      .sends_full(2, 2001_seq, 1_seq)
      .arrives(ack(4001_seq));
}

// --- reordering, RFC 8985 s.6.2 ---

TEST(Rack, AGapThatTwoHaveOvertakenIsMendedAQuarterOfARoundTripLater) {
  Script::established(sack())
      .writes(3000)
      .sends_full(3, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{1001_seq, 3001_seq}}))
      .sends_nothing()
      .at(24ms)
      .sends_nothing()
      .at(25ms)
      .verdict([](const tcp::Verdict& v) { return v.fast_retransmit; })
      .sends_full(1, 1_seq, 1_seq);
}

// Where round trips are long, the board knows one time for bursts that left soon after each other.
TEST(Rack, TheFirstOfSeveralBurstsIsMissedAtOnce) {
  auto setup = sack();
  setup.round_trip = 320ms;
  Script::established(setup)
      .writes(2000)
      .sends_full(2, 1_seq, 1_seq)
      .at(2ms)
      .writes(3000)
      .sends_full(3, 2001_seq, 1_seq)
      .at(322ms)
      .arrives(ack(1_seq, {{1001_seq, 5001_seq}}))
      .at(325ms)
      .sends_full(1, 1_seq, 1_seq)
      .check(recovering(true));
}

TEST(Rack, WhatComesLateShowsThatThePathReorders) {
  Script::established(sack())
      .writes(20'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{1001_seq, 3001_seq}}))
      .sends_full(2, 10'001_seq, 1_seq)
      .arrives(ack(3001_seq))  // it was only late
      .sends_full(2, 12'001_seq, 1_seq)
      .at(21ms)
      // From now on three are not enough: the window is a quarter of the round trip.
      .arrives(ack(3001_seq, {{4001_seq, 8001_seq}}))
      .sends_full(4, 14'001_seq, 1_seq)
      .check(recovering(false))
      .at(25ms)
      .sends_nothing()
      .at(26ms)
      .sends_full(1, 3001_seq, 1_seq)
      .check(recovering(true));
}

// --- the end of what is in flight, RFC 8985 s.7 ---

TEST(TailLossProbe, SendsTheLastSegmentAgainAfterTwoRoundTrips) {
  Script::established(sack())
      .writes(3000)
      .sends_full(3, 1_seq, 1_seq)
      .at(41ms)
      .sends_nothing()
      .at(42ms)
      .sends_full(1, 2001_seq, 1_seq)
      .check(recovering(false));
}

TEST(TailLossProbe, SendsNewTextWhereThereIsSome) {
  auto setup = sack();
  setup.config.initial_window = 4;
  Script::established(setup)
      .writes(10'000)
      .sends_full(4, 1_seq, 1_seq)
      .at(42ms)
      .sends_full(1, 4001_seq, 1_seq);
}

TEST(TailLossProbe, OfAFinThatWasSentLaterIsTheFinAlone) {
  Script::established(sack())
      .writes(3000)
      .sends_full(3, 1_seq, 1_seq)
      .at(10ms)
      .closes()
      .sends({.seq = 3001_seq, .ack = 1_seq, .control = fin})
      .at(52ms)
      .sends({.seq = 3001_seq, .ack = 1_seq, .control = fin});
}

TEST(TailLossProbe, IsNotPutOffBeyondTheTimeout) {
  Script script = Script::established(sack());
  script.writes(2000).sends_full(2, 1_seq, 1_seq);
  for (std::uint32_t i = 1; i <= 6; ++i) {  // new text every 30 ms
    script.at(i * 30ms).writes(1000).sends_full(1, 1001_seq + 1000 * i, 1_seq);
  }
  // In place of the time-out (RFC 8985 s.7.2), which is an RTO later.
  script.at(199ms)
      .sends_nothing()
      .at(200ms)
      .sends_full(1, 7001_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.retries, 0); })
      .at(400ms)
      .sends_full(1, 1_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.retries, 1); });
}

TEST(TailLossProbe, WaitsForADelayedAckOfOneSegment) {
  Script::established(sack())
      .writes(1000)
      .sends_full(1, 1_seq, 1_seq)
      .at(199ms)
      .sends_nothing()
      .at(200ms)  // but not beyond the RTO
      .sends_full(1, 1_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.retries, 0); })
      .at(400ms)
      .sends_full(1, 1_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.retries, 1); });
}

TEST(TailLossProbe, WithoutAFlightTheTimeoutIsNoLater) {
  auto setup = sack();
  setup.flights = 0;
  Script::established(setup)
      .writes(1000)
      .sends_full(1, 1_seq, 1_seq)
      .at(200ms)
      .sends_full(1, 1_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.retries, 1); });
}

TEST(TailLossProbe, IsFollowedByTheTimeout) {
  Script::established(sack())
      .writes(3000)
      .sends_full(3, 1_seq, 1_seq)
      .at(42ms)
      .sends_full(1, 2001_seq, 1_seq)
      .at(241ms)
      .sends_nothing()
      .at(242ms)
      .sends_full(1, 1_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.cwnd, 1000u); });
}

TEST(TailLossProbe, FindsALossThatNothingElseWouldTell) {
  Script::established(sack())
      .writes(3000)
      .sends_full(3, 1_seq, 1_seq)  // the second and the third are lost
      .at(20ms)
      .arrives(ack(1001_seq))
      .at(62ms)
      .sends_full(1, 2001_seq, 1_seq)
      .at(82ms)
      .arrives(ack(1001_seq, {{2001_seq, 3001_seq}}))
      .sends_full(1, 1001_seq, 1_seq)
      .check(recovering(true));
}

TEST(TailLossProbe, AMendedLossCountsAsCongestion) {  // s.7.4.2
  Script::established(sack())
      .writes(3000)
      .sends_full(3, 1_seq, 1_seq)  // the third is lost
      .at(42ms)
      .sends_full(1, 2001_seq, 1_seq)
      .at(50ms)
      .writes(1000)
      .sends_full(1, 3001_seq, 1_seq)
      .at(62ms)
      .arrives(ack(3001_seq))  // of the probe, or of the third after all
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.ssthresh, tcp::max_cwnd); })
      .at(70ms)
      .arrives(ack(4001_seq))  // and no duplicate was reported
      .check([](const Tcb& tcb) {
        EXPECT_LT(tcb.ssthresh, 10'000u);
        EXPECT_FALSE(tcb.recovering);
      });
}

TEST(TailLossProbe, IsSentForEachTailAnew) {
  Script script = Script::established(sack());
  for (std::uint32_t round = 0; round < 3; ++round) {
    const std::uint32_t at = 3000 * round;
    const Duration when = round * 1s;
    script.at(when)
        .writes(3000)
        .sends_full(3, 1_seq + at, 1_seq)
        .at(when + 42ms)
        .sends_full(1, 2001_seq + at, 1_seq)
        .at(when + 62ms)
        .arrives(ack(3001_seq + at))
        .arrives(ack(3001_seq + at, {{2001_seq + at, 3001_seq + at}}))
        .flights(0);
  }
}

TEST(TailLossProbe, ADuplicateShowsThatNothingWasLost) {
  Script::established(sack())
      .writes(3000)
      .sends_full(3, 1_seq, 1_seq)
      .at(42ms)
      .sends_full(1, 2001_seq, 1_seq)
      .arrives(ack(3001_seq))  // of the first copy
      .arrives(ack(3001_seq, {{2001_seq, 3001_seq}}))
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.ssthresh, tcp::max_cwnd); });
}

// --- nothing was lost, RFC 3522 and RFC 2883 ---

TEST(Undo, ATimestampTellsThatTheFirstCopyHasArrived) {
  for (const bool with_sack : {true, false}) {
    auto setup = timestamps();
    setup.peer_sack = with_sack;
    Script script = Script::established(setup);
    script.writes(1000).sends_full(1, 1_seq, 1_seq).at(200ms).sends_full(1, 1_seq, 1_seq);
    if (with_sack) script.at(400ms).sends_full(1, 1_seq, 1_seq);  // before was a probe of the tail
    script.check([](const Tcb& tcb) { EXPECT_EQ(tcb.cwnd, 1000u); })
        .arrives({.seq = 1_seq, .ack = 1001_seq, .timestamps = {{.value = 8, .echo = 0}}})
        .verdict([](const tcp::Verdict& v) { return v.recovery_undone; })
        .check([](const Tcb& tcb) {
          EXPECT_GE(tcb.cwnd, 10'000u);
          EXPECT_EQ(tcb.ssthresh, tcp::max_cwnd);
        });
  }
}

TEST(Undo, TheLossOfAnAckIsNoRoundTrip) {
  auto setup = timestamps();
  setup.round_trip = 20ms;
  Script::established(setup)
      .writes(1000)
      .sends_full(1, 1_seq, 1_seq)
      .at(200ms)
      .sends_full(1, 1_seq, 1_seq)
      .at(220ms)
      .arrives({.seq = 1_seq,
                .ack = 1001_seq,
                .timestamps = {{.value = 8, .echo = 0}},
                .sack = Blocks{{1_seq, 1001_seq}}})
      .check([](const Tcb& tcb) {
        EXPECT_EQ(tcb.srtt_8 / 8, 20'000u);
        EXPECT_EQ(tcb.backoff, 0);
      });
}

TEST(Undo, ATimestampOfTheSecondCopySaysNothing) {
  Script::established(timestamps())
      .writes(1000)
      .sends_full(1, 1_seq, 1_seq)
      .at(200ms)
      .sends_full(1, 1_seq, 1_seq)
      .at(400ms)
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1001_seq, .timestamps = {{.value = 8, .echo = 400}}})
      .verdict([](const tcp::Verdict& v) { return !v.recovery_undone; })
      .check(windows_are(2000, 2000));
}

TEST(Undo, WhenAllThatWasSentAgainWasADuplicate) {
  Script::established(sack())
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{1001_seq, 4001_seq}}))
      .sends_full(1, 1_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.ssthresh, 5000u); })
      .arrives(ack(4001_seq))
      .arrives(ack(4001_seq, {{1_seq, 1001_seq}}))
      .verdict([](const tcp::Verdict& v) { return v.recovery_undone; })
      .check(recovering(false))
      .check([](const Tcb& tcb) { EXPECT_GE(tcb.cwnd, 10'000u); });
}

TEST(Undo, ADuplicateOfTheProbeIsNoneOfTheRetransmission) {
  Script::established(sack())
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(42ms)
      .sends_full(1, 9001_seq, 1_seq)
      .at(50ms)
      .arrives(ack(1_seq, {{1001_seq, 10'001_seq}}))
      .sends_full(1, 1_seq, 1_seq)
      .arrives(ack(1_seq, {{9001_seq, 10'001_seq}, {1001_seq, 10'001_seq}}))
      .verdict([](const tcp::Verdict& v) { return !v.recovery_undone; })
      .check(recovering(true));
}

TEST(Undo, WhatIsReportedLongAfterwardsIsOfSomethingElse) {
  Script::established(sack())
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{1001_seq, 10'001_seq}}))
      .sends_full(1, 1_seq, 1_seq)
      .at(40ms)
      .arrives(ack(10'001_seq))
      .writes(2000)
      .sends_full(2, 10'001_seq, 1_seq)
      .at(60ms)
      .arrives(ack(12'001_seq))
      .arrives(ack(12'001_seq, {{10'001_seq, 11'001_seq}}))
      .verdict([](const tcp::Verdict& v) { return !v.recovery_undone; })
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.ssthresh, 5000u); });
}

TEST(Undo, AnAckThatWasOvertakenMayTell) {
  Script::established(sack())
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(1_seq, {{1001_seq, 4001_seq}}))
      .sends_full(1, 1_seq, 1_seq)
      .arrives(ack(10'001_seq))
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.cwnd, 5000u); })
      .arrives(ack(9001_seq, {{1_seq, 1001_seq}}))
      .verdict([](const tcp::Verdict& v) { return v.recovery_undone; })
      .check([](const Tcb& tcb) { EXPECT_GE(tcb.cwnd, 10'000u); });
}

TEST(SackRecovery, AnAckThatWasOvertakenMayTell) {
  Script::established(sack())
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(20ms)
      .arrives(ack(2001_seq))
      .arrives(ack(1001_seq, {{3001_seq, 6001_seq}}))
      .sends_full(1, 2001_seq, 1_seq)
      // A block that is covered by a later ACK is no duplicate of anything.
      .arrives(ack(1001_seq, {{1001_seq, 2001_seq}}))
      .check(recovering(true));
}

}  // namespace
}  // namespace pollux::test
