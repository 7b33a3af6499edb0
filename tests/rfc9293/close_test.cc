// RFC 9293 s.3.6, Closing a Connection. The figures 12 and 13 are in figure5_test.cc.

#include <gtest/gtest.h>

#include "tests/script.h"

namespace pollux::test {
namespace {

TEST(Close, FinRidesOnTheLastText) {
  Script::established()
      .hold()
      .writes(2500)
      .closes()
      .flush()
      .sends_full(2, 1_seq, 1_seq)
      .sends({.seq = 2001_seq, .ack = 1_seq, .control = fin, .text = 500, .push = true});
}

TEST(Close, FinAndTheAckOfThePeersFinAreOneSegment) {
  Script::established()
      .hold()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 10})
      .reads(10)
      .closes()
      .flush()
      .sends({.seq = 1_seq, .ack = 12_seq, .control = fin})
      .state(State::last_ack);
}

TEST(Close, FinIsSentOnce) {  // a second CLOSE emits no second FIN
  Script::established()
      .shuts_down()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .shuts_down()
      .sends_nothing()
      .closes()
      .sends_nothing()
      .state(State::fin_wait_1);
}

TEST(Close, FinWaitsForTextThatTheWindowHolds) {
  Script::established({.peer_window = 1500})
      .writes(2000)
      .sends_full(1, 1_seq, 1_seq)
      .shuts_down()
      .sends_nothing()
      .state(State::fin_wait_1)
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .sends({.seq = 1001_seq, .ack = 1_seq, .control = fin, .text = 1000});
}

TEST(Close, FinNeedsRoomInThePeersWindow) {
  Script::established({.peer_window = 1000})
      .hold()
      .writes(1000)
      .shuts_down()
      .flush()
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .arrives({.seq = 1_seq, .ack = 1001_seq, .window = 1000})
      .sends({.seq = 1001_seq, .ack = 1_seq, .control = fin});
}

TEST(Close, LostFinIsSentAgain) {
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .at(600ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 2_seq})
      .state(State::fin_wait_2);
}

TEST(Close, LostFinInLastAckIsSentAgain) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 2_seq})
      .closes()
      .sends({.seq = 1_seq, .ack = 2_seq, .control = fin})
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 2_seq, .control = fin})
      .arrives({.seq = 2_seq, .ack = 2_seq})
      .state(State::closed);
}

TEST(Close, LostFinInClosingIsSentAgain) {
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 2_seq, .ack = 2_seq})
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 2_seq, .control = fin})
      .arrives({.seq = 2_seq, .ack = 2_seq})
      .state(State::time_wait);
}

TEST(Close, AckOfTheTextAloneIsNotTheAckOfTheFin) {
  Script::established()
      .hold()
      .writes(10)
      .closes()
      .flush()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 10})
      .arrives({.seq = 1_seq, .ack = 11_seq})
      .state(State::fin_wait_1)
      .at(200ms)
      .sends({.seq = 11_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 12_seq})
      .state(State::fin_wait_2);
}

// --- half-closed connections, s.3.6.1 ---

TEST(HalfClosed, TextStillArrivesAfterShutdown) {
  Script::established()
      .shuts_down()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})  // FIN-WAIT-1
      .readable(100)
      .arrives({.seq = 101_seq, .ack = 2_seq, .text = 100})  // FIN-WAIT-2
      .readable(200)
      .sends({.seq = 2_seq, .ack = 201_seq})
      .reads(200)
      .arrives({.seq = 201_seq, .ack = 2_seq, .control = fin, .text = 50})
      .readable(50)
      .peer_closed()
      .sends({.seq = 2_seq, .ack = 252_seq})
      .state(State::time_wait);
}

TEST(HalfClosed, TextIsStillSentInCloseWait) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 2_seq})
      .writes(100)
      .sends({.seq = 1_seq, .ack = 2_seq, .text = 100})
      .arrives({.seq = 2_seq, .ack = 101_seq})
      .writes(200)
      .sends({.seq = 101_seq, .ack = 2_seq, .text = 200})
      .at(200ms)
      .sends({.seq = 101_seq, .ack = 2_seq, .text = 200})
      .arrives({.seq = 2_seq, .ack = 301_seq})
      .state(State::close_wait);
}

TEST(HalfClosed, TextIsStillSentAfterCloseInCloseWait) {
  Script::established({.peer_window = 1000})
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 2_seq})
      .writes(3000)
      .sends_full(1, 1_seq, 2_seq)
      .closes()
      .state(State::last_ack)
      .arrives({.seq = 2_seq, .ack = 1001_seq})
      .sends_full(1, 1001_seq, 2_seq)
      .arrives({.seq = 2_seq, .ack = 2001_seq, .window = 2000})
      .sends({.seq = 2001_seq, .ack = 2_seq, .control = fin, .text = 1000})
      .arrives({.seq = 2_seq, .ack = 3002_seq})
      .ends(Cause::by_peer);
}

TEST(HalfClosed, TextAfterThePeersFinIsIgnored) {  // 3.10.7.4, seventh
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 2_seq})
      .arrives({.seq = 2_seq, .ack = 1_seq, .text = 10})
      .readable(0)
      .sends_nothing()
      .state(State::close_wait);
}

TEST(HalfClosed, CloseWithUnreadTextResets) {  // SHLD-3
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .closes()
      .sends({.seq = 1_seq, .ack = 11_seq, .control = rst})
      .ends(Cause::aborted);
}

TEST(HalfClosed, TextAfterCloseResets) {  // SHLD-3
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 2_seq, .text = 10})
      .drops(Drop::tcp_after_close)
      .sends({.seq = 2_seq, .ack = 1_seq, .control = rst})
      .ends(Cause::aborted);
}

TEST(HalfClosed, OldTextAfterCloseDoesNotReset) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .reads(10)
      .closes()
      .sends({.seq = 1_seq, .ack = 11_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .sends({.seq = 2_seq, .ack = 11_seq})
      .state(State::fin_wait_1);
}

TEST(FinWait2, EndsWhenThePeerNeverClosesAndNobodyReads) {
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .at(10ms)
      .arrives({.seq = 1_seq, .ack = 2_seq})
      .at(60s + 9ms)
      .state(State::fin_wait_2)
      .at(60s + 10ms)
      .ends(Cause::timed_out);
}

TEST(FinWait2, LimitBeginsWithClose) {
  Script::established()
      .shuts_down()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 2_seq})
      .at(1000s)
      .state(State::fin_wait_2)
      .closes()
      .at(1060s)
      .ends(Cause::timed_out);
}

// --- 3.10.5, ABORT ---

TEST(Abort, EstablishedSendsReset) {
  Script::established().aborts().sends({.seq = 1_seq, .ack = 1_seq, .control = rst});
}
TEST(Abort, SynReceivedSendsReset) {
  Script::simultaneous().aborts().sends({.seq = 1_seq, .ack = 1_seq, .control = rst});
}
TEST(Abort, FinWait1SendsReset) {
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .aborts()
      .sends({.seq = 2_seq, .ack = 1_seq, .control = rst});
}
TEST(Abort, FinWait2SendsReset) {
  Script::established()
      .shuts_down()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 2_seq})
      .aborts()
      .sends({.seq = 2_seq, .ack = 1_seq, .control = rst});
}
TEST(Abort, CloseWaitSendsReset) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 2_seq})
      .aborts()
      .sends({.seq = 1_seq, .ack = 2_seq, .control = rst});
}
TEST(Abort, ClosingWithTextThatWasNotSentSendsReset) {  // as FIN-WAIT-1, s.3.10.5
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0})
      .writes(100)
      .shuts_down()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin, .window = 0})
      .peer_closed()
      .sends({.seq = 1_seq, .ack = 2_seq})
      .state(State::closing)
      .aborts()
      .sends({.seq = 1_seq, .ack = 2_seq, .control = rst})
      .ends(Cause::aborted);
}

TEST(Abort, ClosingSendsNothing) {
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 2_seq, .ack = 2_seq})
      .aborts()
      .sends_nothing();
}
TEST(Abort, LastAckSendsNothing) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 2_seq})
      .closes()
      .sends({.seq = 1_seq, .ack = 2_seq, .control = fin})
      .aborts()
      .sends_nothing();
}
TEST(Abort, LastAckWithTextThatWasNotSentSendsReset) {
  Script::established({.peer_window = 1000})
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 2_seq})
      .writes(2000)
      .sends_full(1, 1_seq, 2_seq)
      .closes()
      .aborts()
      .sends({.seq = 1001_seq, .ack = 2_seq, .control = rst});
}

}  // namespace
}  // namespace pollux::test
