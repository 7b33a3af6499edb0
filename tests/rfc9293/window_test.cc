// RFC 9293 s.3.8.6, Managing the Window, and RFC 7323 s.2, Window Scale.

#include <gtest/gtest.h>

#include "tests/script.h"

namespace pollux::test {
namespace {

tcp::Config buffer(std::uint32_t bytes) {
  tcp::Config config;
  config.receive_buffer = bytes;
  config.offer_window_scale = false;
  return config;
}

// --- what we may send ---

TEST(SendWindow, IsNotExceeded) {
  Script::established({.peer_window = 3500})
      .writes(10'000)
      .sends_full(3, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 2001_seq})
      .sends_full(2, 3001_seq, 1_seq);
}

TEST(SendWindow, ThatShrinksHoldsNewTextBack) {  // MUST-34, SHLD-15
  Script::established({.peer_window = 4000})
      .writes(10'000)
      .sends_full(4, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1001_seq, .window = 500})
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 4001_seq, .window = 4000})
      .sends_full(4, 4001_seq, 1_seq);
}

TEST(SendWindow, ThatShrinksLimitsRetransmission) {  // SHLD-16
  Script::established({.peer_window = 4000})
      .writes(4000)
      .sends_full(4, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1001_seq, .window = 500})
      .at(200ms)
      .sends({.seq = 1001_seq, .ack = 1_seq, .text = 500})
      .arrives({.seq = 1_seq, .ack = 1501_seq, .window = 2500})
      .sends_full(1, 1501_seq, 1_seq)  // cwnd is 1500 now, and that alone cuts nothing small
      .arrives({.seq = 1_seq, .ack = 2501_seq, .window = 1200})
      .sends_full(1, 2501_seq, 1_seq)
      .sends({.seq = 3501_seq, .ack = 1_seq, .text = 200});
}

TEST(SendWindow, ThatShrinksToNothingIsProbed) {  // MUST-35
  Script::established({.peer_window = 4000})
      .writes(4000)
      .sends_full(4, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1001_seq, .window = 0})
      .at(200ms)
      .verdict([](const tcp::Verdict& v) { return v.zero_window_probe; })
      .sends({.seq = 1001_seq, .ack = 1_seq, .text = 1});
}

// --- zero-window probes, s.3.8.6.1 ---

TEST(Persist, AClosedWindowIsProbedWithOneByteAtGrowingIntervals) {  // MUST-36, SHLD-29, SHLD-30
  Script script = Script::established();
  script.arrives({.seq = 1_seq, .ack = 1_seq, .window = 0}).writes(5000).sends_nothing();
  Duration time = 200ms;
  Duration interval = 200ms;
  for (int i = 0; i < 12; ++i) {
    script.at(time - 1ms)
        .sends_nothing()
        .at(time)
        .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
        .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0});
    interval = std::min<Duration>(2 * interval, 60s);
    time += interval;
  }
  script.state(State::established);
}

TEST(Persist, GoesOnForEverWhileProbesAreAnswered) {  // MUST-37
  Script script = Script::established();
  script.arrives({.seq = 1_seq, .ack = 1_seq, .window = 0}).writes(1);
  Duration time = 0s;
  for (Duration interval = 200ms; interval < 60s; interval *= 2) {
    script.at(time += interval)
        .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
        .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0});
  }
  for (int i = 0; i < 60; ++i) {
    script.at(time += 60s)
        .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
        .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0});
  }
  script.state(State::established);
}

TEST(Persist, GivesUpWhenNobodyAnswers) {
  tcp::Config config;
  config.data_retries = 3;
  Script::established({.config = config})
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .writes(1)
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .at(600ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .at(1400ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .at(3s)
      .ends(Cause::timed_out);
}

TEST(Persist, AnOpenedWindowIsUsedFromTheProbedByteOn) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .writes(2000)
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 5000})
      .sends_full(2, 1_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.backoff, 0); });
}

TEST(Persist, AProbeThatWasTakenIsNotSentAgain) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .writes(2000)
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .arrives({.seq = 1_seq, .ack = 2_seq, .window = 5000})
      .sends_full(1, 2_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1002_seq, .window = 5000})
      .sends({.seq = 1002_seq, .ack = 1_seq, .text = 999});
}

TEST(Persist, AcksInTheMeantimeLieInTheClosedWindow) {  // A.2: the peer could not read them else
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .writes(2000)
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10, .window = 0})
      .at(240ms)
      .sends({.seq = 1_seq, .ack = 11_seq});
}

TEST(Persist, TwoEndsThatProbeEachOtherComeOutOfIt) {  // A.2, simultaneous window probes
  // The peer has taken our probe, and we its; the ACKs of both were lost. Its next probe is old
  // now, but carries the ACK that we wait for.
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .writes(2000)
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1, .window = 0})
      .at(240ms)
      .sends({.seq = 1_seq, .ack = 2_seq})
      .arrives({.seq = 1_seq, .ack = 2_seq, .text = 1, .window = 3000})
      .verdict([](const tcp::Verdict& v) { return v.duplicate && v.acknowledged; })
      .sends_full(1, 2_seq, 2_seq);
}

TEST(Persist, TwoFinsThatProbeEachOtherComeOutOfIt) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .shuts_down()
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin, .window = 0})
      .sends({.seq = 1_seq, .ack = 2_seq})
      .state(State::closing)
      .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin, .window = 0})
      .sends({.seq = 2_seq, .ack = 2_seq})
      .state(State::time_wait);
}

TEST(Persist, AFinIsProbedToo) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .closes()
      .sends_nothing()
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .at(600ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 2_seq, .window = 0})
      .state(State::fin_wait_2);
}

TEST(Persist, AWindowClosedByTheHandshakeIsProbed) {
  Script::active({.peer_window = 0})
      .sends({.seq = 0_seq, .control = syn})
      .writes(10)
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1});
}

TEST(Persist, TextIntoAWindowThatOpensLateHasAnRtoOfItsOwn) {  // RFC 6298 (5.1)
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .writes(1000)
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .at(600ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .at(1400ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .at(1500ms)
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 5000})
      .sends_full(1, 1_seq, 1_seq)
      .at(1699ms)
      .sends_nothing()
      .at(1700ms)
      .sends_full(1, 1_seq, 1_seq);
}

TEST(Persist, TextIntoAWindowThatOpensBeforeTheFirstProbeIsNoLoss) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .writes(1000)
      .at(199ms)
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 5000})
      .sends_full(1, 1_seq, 1_seq)
      .at(398ms)
      .sends_nothing()
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.cwnd, 10'000u); })
      .at(399ms)
      .sends_full(1, 1_seq, 1_seq);
}

TEST(Persist, WhatIsInFlightWhenAWindowReopensGetsAFullRto) {
  Script::established({.peer_window = 4000})
      .writes(4000)
      .sends_full(4, 1_seq, 1_seq)
      .at(100ms)
      .arrives({.seq = 1_seq, .ack = 2001_seq, .window = 0})
      .at(250ms)
      .arrives({.seq = 1_seq, .ack = 2001_seq, .window = 4000})
      .at(449ms)
      .sends_nothing()
      .at(450ms)
      .sends_full(1, 2001_seq, 1_seq);
}

TEST(Persist, AProbeThatWasRefusedIsNoLossWhereASmallWindowOpens) {
  Script::established({.peer_window = 10'000})
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .writes(2000)
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .at(250ms)
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 300})
      .at(449ms)
      .sends_nothing()
      .at(450ms)  // s.3.8.6.2.1 (4)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 300})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.cwnd, 10'000u); })
      .at(649ms)
      .sends_nothing()
      .at(650ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 300});
}

TEST(Persist, UnansweredProbesDoNotCountAgainstTextOnceTheWindowIsOpen) {
  tcp::Config config;
  config.data_retries = 2;
  Script::established({.config = config})
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .writes(1000)
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .at(600ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .at(1s)
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 5000})
      .sends_full(1, 1_seq, 1_seq)
      .at(1200ms)
      .sends_full(1, 1_seq, 1_seq)
      .at(1600ms)
      .sends_full(1, 1_seq, 1_seq)
      .at(2400ms)
      .ends(Cause::timed_out);
}

TEST(Persist, TheUsersLimitCountsFromTheWindowThatOpens) {
  Script::established()
      .sets({.user_timeout = 450ms})
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .writes(1000)
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .at(400ms)
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 5000})
      .sends_full(1, 1_seq, 1_seq)
      .at(600ms)
      .sends_full(1, 1_seq, 1_seq)
      .at(849ms)
      .state(State::established)
      .at(850ms)
      .ends(Cause::timed_out);
}

// --- silly windows, the sender's side, s.3.8.6.2.1 ---

TEST(SenderSws, ASmallPartOfALargeWindowIsNotUsed) {  // MUST-38
  Script::established({.peer_window = 10'000})
      .writes(20'000)
      .sends_full(10, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq, .window = 900})
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 10'001_seq, .window = 999})
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 10'001_seq, .window = 1000})
      .sends_full(1, 10'001_seq, 1_seq);
}

TEST(SenderSws, HalfOfTheLargestWindowIsWorthASegment) {  // (3)
  Script::established({.peer_window = 800})
      .writes(5000)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 800})
      .arrives({.seq = 1_seq, .ack = 801_seq, .window = 399})
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 801_seq, .window = 400})
      .sends({.seq = 801_seq, .ack = 1_seq, .text = 400});
}

TEST(SenderSws, AllThatIsQueuedIsWorthASegment) {  // (2)
  Script::established({.peer_window = 10'000})
      .writes(10'500)
      .sends_full(10, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq, .window = 499})
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 10'001_seq, .window = 500})
      .sends({.seq = 10'001_seq, .ack = 1_seq, .text = 500});
}

TEST(SenderSws, IsOverriddenAfterAWhile) {  // (4)
  Script::established({.peer_window = 10'000})
      .writes(20'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(10ms)
      .arrives({.seq = 1_seq, .ack = 10'001_seq, .window = 300})
      .at(209ms)
      .sends_nothing()
      .at(220ms)
      .sends({.seq = 10'001_seq, .ack = 1_seq, .text = 300});
}

TEST(SenderSws, WhatAGrownWindowLetsOutDoesNotInheritTheOverridesTimer) {
  Script::established({.peer_window = 10'000})
      .writes(20'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(10ms)
      .arrives({.seq = 1_seq, .ack = 10'001_seq, .window = 300})
      .at(200ms)
      .arrives({.seq = 1_seq, .ack = 10'001_seq, .window = 1000})
      .sends_full(1, 10'001_seq, 1_seq)
      .at(390ms)
      .sends_nothing()
      .at(420ms)
      .sends_full(1, 10'001_seq, 1_seq);
}

// --- silly windows, the receiver's side, s.3.8.6.2.2 ---

TEST(ReceiverSws, TheEdgeStaysUntilASegmentFits) {  // MUST-39
  Script::established({.config = buffer(10'000)})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .reads(999)
      .arrives({.seq = 1001_seq, .ack = 1_seq, .text = 1000})
      .sends({.seq = 1_seq, .ack = 2001_seq, .window = 8000})
      .reads(1)
      .arrives({.seq = 2001_seq, .ack = 1_seq, .text = 1000})
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 3001_seq, .window = 8000});
}

TEST(ReceiverSws, HalfOfASmallBufferIsEnough) {
  Script::established({.config = buffer(1000)})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 0})
      .reads(499)
      .sends_nothing()
      .reads(1)
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 500});
}

TEST(ReceiverSws, AWindowThatWasClosedIsAnnounced) {
  Script::established({.config = buffer(4000)})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1400})
      .arrives({.seq = 1401_seq, .ack = 1_seq, .text = 1400})
      .sends({.seq = 1_seq, .ack = 2801_seq, .window = 1200})
      .arrives({.seq = 2801_seq, .ack = 1_seq, .text = 1200})
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 4001_seq, .window = 0})
      .reads(999)
      .sends_nothing()
      .reads(1)
      .sends({.seq = 1_seq, .ack = 4001_seq, .window = 1000});
}

TEST(ReceiverSws, AWindowThatDoublesIsAnnounced) {
  Script::established({.config = buffer(4000)})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .arrives({.seq = 1001_seq, .ack = 1_seq, .text = 1000})
      .sends({.seq = 1_seq, .ack = 2001_seq, .window = 2000})
      .reads(1999)
      .sends_nothing()
      .reads(1)
      .sends({.seq = 1_seq, .ack = 2001_seq, .window = 4000});
}

TEST(ReceiverSws, ReadingWhileThereIsRoomIsNotAnnounced) {
  Script::established({.config = buffer(20'000)})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .reads(1000)
      .sends_nothing()
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 20'000});
}

TEST(ReceiveWindow, EdgeNeverRetreatsAsTextArrives) {  // SHLD-14
  Script::established({.config = buffer(10'000)})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 9000})
      .arrives({.seq = 1001_seq, .ack = 1_seq, .text = 1})
      .at(80ms)
      .sends({.seq = 1_seq, .ack = 1002_seq, .window = 8999});
}

TEST(ReceiveWindow, AfterThePeersFinNothingIsAnnounced) {
  Script::established({.config = buffer(2000)})
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 1500})
      .sends({.seq = 1_seq, .ack = 1502_seq})
      .reads(1500)
      .sends_nothing();
}

// --- RFC 7323 s.2 ---

TEST(WindowScale, IsOfferedAndAgreedActively) {
  Script::active({.peer_window = 5000, .peer_scale = 2})
      // The SYN's own window is never scaled.
      .sends({.seq = 0_seq, .control = syn, .window = 65'535, .window_scale = 7})
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq, .window = 256 * 1024 >> 7})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.snd_wnd, 5000u); })
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 5000})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.snd_wnd, 20'000u); });
}

TEST(WindowScale, IsOfferedAndAgreedPassively) {
  Script::passive({.peer_window = 5000, .peer_scale = 2})
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn, .window = 65'535, .window_scale = 7})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10, .window = 5000})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.snd_wnd, 20'000u); })
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 11_seq, .window = (256 * 1024 - 10) >> 7});
}

TEST(WindowScale, IsNotUsedWhereThePeerDoesNotOffer) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn, .window_scale = 7})
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq, .window = 65'535})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.rcv_shift, 0); });
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.rcv_shift, 0); });
}

TEST(WindowScale, IsNotUsedWhereWeDoNotOffer) {
  tcp::Config config;
  config.offer_window_scale = false;
  Script::established({.config = config, .peer_window = 1000, .peer_scale = 5})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .check([](const Tcb& tcb) {
        EXPECT_EQ(tcb.snd_wnd, 1000u);
        EXPECT_EQ(tcb.rcv_shift, 0);
      });
}

TEST(WindowScale, Over14Counts14) {  // RFC 7323 s.2.3
  Script::established({.peer_window = 1, .peer_scale = 200})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.snd_wnd, 1u << 14); });
}

TEST(WindowScale, AnEdgeThatRoundingTakesBackIsNotTakenBack) {  // RFC 7323 s.2.4
  Script::established({.peer_window = 8, .peer_scale = 7})
      .arrives({.seq = 1_seq, .ack = 1_seq})  // 1024 bytes
      .writes(3000)
      .sends_full(1, 1_seq, 1_seq)
      // The peer has 1024 - 2 left and can only say 7 * 128; both ends lose each other's ACKs, and
      // ours have to lie where the peer is.
      .arrives({.seq = 1_seq, .ack = 3_seq, .text = 10, .window = 7})
      .at(40ms)
      .sends({.seq = 1001_seq, .ack = 11_seq});
}

TEST(WindowScale, RoundingNeverOffersMoreThanThereIs) {
  tcp::Config config;
  config.receive_buffer = 1000;
  Script::established({.config = config, .peer_scale = 0})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 101_seq, .window = 7});
}

}  // namespace
}  // namespace pollux::test
