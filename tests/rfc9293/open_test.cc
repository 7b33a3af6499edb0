// RFC 9293 s.3.5, Establishing a Connection, and the figures 6 and 8 to 11. Figure 5 is in
// figure5_test.cc. The simultaneous open is in simultaneous_open_test.cc.

#include <gtest/gtest.h>

#include "tests/script.h"

namespace pollux::test {
namespace {

// --- active ---

TEST(Open, TextThatWaitsRidesOnTheHandshakesAck) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .writes(300)
      .sends_nothing()
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 300, .push = true});
}

TEST(Open, TextWrittenInTheSamePollRidesOnTheHandshakesAck) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .hold()
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .writes(300)
      .flush()
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 300});
}

TEST(Open, TextOnTheSynAckIsTaken) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn, .text = 5})
      .opened()
      .readable(5)
      .sends({.seq = 1_seq, .ack = 6_seq});
}

TEST(Open, TextAndFinOnTheSynAckAreTaken) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn | fin, .text = 5})
      .opened()
      .peer_closed()
      .readable(5)
      .state(State::close_wait)
      .sends({.seq = 1_seq, .ack = 7_seq});
}

TEST(Open, ShutdownBeforeTheHandshakeIsOverWaitsForIt) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .writes(10)
      .shuts_down()
      .state(State::syn_sent)
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 10})
      .state(State::fin_wait_1);
}

TEST(Open, AbortInSynSentSendsNothing) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .aborts()
      .sends_nothing()
      .ends(Cause::aborted);
}

// --- 3.10.7.3, SYN-SENT ---

TEST(SynSent, UnacceptableAckIsAnsweredByReset) {  // first; also figures 8 and 9
  for (const SeqNum ack : {0_seq, 2_seq, 91_seq}) {
    Script::active()
        .sends({.seq = 0_seq, .control = syn})
        .arrives({.seq = 0_seq, .ack = ack, .control = syn})
        .drops(Drop::tcp_bad_ack)
        .sends({.seq = ack, .control = rst})
        .state(State::syn_sent);
  }
}

TEST(SynSent, TheAnswerOfAnOlderConnectionLeavesTheTimerAsItIs) {  // figure 9
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .at(10ms)
      .arrives({.seq = 70_seq, .ack = 50_seq})
      .sends({.seq = 50_seq, .control = rst})
      .at(1000ms)
      .sends({.seq = 0_seq, .control = syn})
      .at(3000ms)
      .sends({.seq = 0_seq, .control = syn});
}

TEST(SynSent, WhereItIsWantedTheSynGoesAgainSoonAndOnce) {  // figure 9, decision 0005
  Script::active({.config = {.syn_again = 2ms}})
      .sends({.seq = 0_seq, .control = syn})
      .at(10ms)
      .arrives({.seq = 70_seq, .ack = 50_seq})
      .sends({.seq = 50_seq, .control = rst})
      .at(12ms)
      .sends({.seq = 0_seq, .control = syn})
      .at(20ms)
      .arrives({.seq = 70_seq, .ack = 50_seq})
      .sends({.seq = 50_seq, .control = rst})
      .at(1012ms)
      .sends({.seq = 0_seq, .control = syn})
      .at(3012ms)
      .sends({.seq = 0_seq, .control = syn});
}

TEST(SynSent, UnacceptableAckWithResetIsDropped) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .arrives({.seq = 0_seq, .ack = 0_seq, .control = rst})
      .drops(Drop::tcp_bad_ack)
      .state(State::syn_sent);
}

TEST(SynSent, ResetWithAcceptableAckMeansRefused) {  // second
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = rst})
      .ends(Cause::refused)
      .state(State::closed);
}

TEST(SynSent, ResetWithoutAckIsDropped) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .arrives({.seq = 0_seq, .control = rst})
      .drops(Drop::tcp_bad_reset)
      .state(State::syn_sent);
}

TEST(SynSent, NeitherSynNorResetIsDropped) {  // fifth
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .state(State::syn_sent)
      .arrives({.seq = 1_seq, .control = fin})  // eighth: a FIN that cannot be validated
      .state(State::syn_sent);
}

TEST(SynSent, HardErrorEndsTheAttempt) {  // MUST-54; RFC 5461 s.4.1, SHLD-26
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .hears_unreachable(Cause::unreachable, true)
      .ends(Cause::unreachable);
}

TEST(SynSent, SoftErrorIsRememberedUntilItGivesUp) {  // MUST-56, SHLD-25
  tcp::Config config;
  config.syn_retries = 1;
  Script::active({.config = config})
      .sends({.seq = 0_seq, .control = syn})
      .hears_unreachable(Cause::unreachable, false)
      .state(State::syn_sent)
      .at(1s)
      .sends({.seq = 0_seq, .control = syn})
      .at(3s)
      .ends(Cause::unreachable);
}

// --- passive ---

TEST(Open, TheRequestRidesOnTheHandshakesAck) {
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .opened()
      .readable(100)
      .writes(200)
      .sends({.seq = 1_seq, .ack = 101_seq, .text = 200});
}

TEST(Open, TheHandshakesAckMayCarryFin) {
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 100})
      .opened()
      .peer_closed()
      .state(State::close_wait)
      .sends({.seq = 1_seq, .ack = 102_seq});
}

TEST(Open, TheHandshakesAckMayBeLostWhenTextFollows) {
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .opened()
      .readable(0)
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .readable(200)
      .sends({.seq = 1_seq, .ack = 201_seq});
}

TEST(Listen, ResetIsIgnored) {  // 3.10.7.2, first
  Script::passive().arrives({.seq = 0_seq, .control = rst}).sends_nothing().state(State::listen);
}

TEST(Listen, AckIsAnsweredByReset) {  // second
  Script::passive()
      .arrives({.seq = 5_seq, .ack = 77_seq})
      .sends({.seq = 77_seq, .control = rst})
      .state(State::listen)
      .arrives({.seq = 5_seq, .ack = 78_seq, .control = syn})
      .sends({.seq = 78_seq, .control = rst})
      .state(State::listen);
}

TEST(Listen, NeitherSynNorAckIsDropped) {  // fourth
  Script::passive()
      .arrives({.seq = 5_seq, .control = fin, .text = 9})
      .sends_nothing()
      .state(State::listen);
}

TEST(Listen, TextOnTheSynIsNotAcknowledged) {  // and comes again
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn, .text = 50})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 50})
      .readable(50)
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 51_seq});
}

TEST(HalfOpen, RepeatedSynIsAnsweredAgain) {
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .at(500ms)
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .state(State::syn_received);
}

TEST(HalfOpen, SynAckIsSentAgainAndGivenUp) {  // MUST-20; RFC 6298 (5.5)
  tcp::Config config;
  config.syn_ack_retries = 3;
  Script::passive({.config = config})
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .at(999ms)
      .sends_nothing()
      .at(1s)
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .at(3s)
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .at(7s)
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .at(14999ms)
      .state(State::syn_received)
      .at(15s)
      .sends_nothing()
      .state(State::listen);
}

TEST(HalfOpen, UnacceptableAckIsAnsweredByReset) {  // 3.10.7.4, fifth
  for (const SeqNum ack : {0_seq, 2_seq, 1000_seq}) {
    Script::passive()
        .arrives({.seq = 0_seq, .control = syn})
        .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
        .arrives({.seq = 1_seq, .ack = ack})
        .drops(Drop::tcp_bad_ack)
        .sends({.seq = ack, .control = rst})
        .state(State::syn_received);
  }
}

TEST(HalfOpen, UnacceptableSequenceNumberIsAcknowledged) {  // first
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 65'536_seq, .ack = 1_seq})
      .drops(Drop::tcp_bad_sequence)
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 0_seq, .ack = 1_seq, .text = 1})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 65'536_seq, .control = rst})
      .drops(Drop::tcp_bad_reset)
      .sends_nothing()
      .state(State::syn_received);
}

TEST(HalfOpen, ResetInTheWindowButNotExactIsChallenged) {  // second; RFC 5961 s.3
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 2_seq, .control = rst})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .state(State::syn_received);
}

TEST(HalfOpen, AnotherSynInTheWindowGoesBackToListen) {  // fourth
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 100_seq, .control = syn})
      .drops(Drop::tcp_unexpected_syn)
      .sends_nothing()
      .state(State::listen);
}

TEST(HalfOpen, SegmentWithoutAckIsDropped) {
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 1_seq, .text = 10})
      .drops(Drop::tcp_no_ack)
      .state(State::syn_received);
}

// --- old connections, and none ---

TEST(Figure9, HalfOpenConnectionIsDiscovered) {
  // Our peer has restarted and sends a SYN; it answers our ACK with a reset.
  Script::established()
      .arrives({.seq = 70'000_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .control = rst})
      .ends(Cause::reset);
}

TEST(Closed, AnythingButAResetIsAnsweredByReset) {  // 3.10.7.1
  const auto over = [](Script&& script) -> Script& {
    return script.aborts().sends({.seq = 1_seq, .ack = 1_seq, .control = rst});
  };
  over(Script::established())
      .arrives({.seq = 9_seq, .ack = 5_seq, .text = 3})
      .sends({.seq = 5_seq, .control = rst});
  over(Script::established())
      .arrives({.seq = 9_seq, .control = syn | fin, .text = 3})
      .sends({.seq = 0_seq, .ack = 14_seq, .control = rst});
  over(Script::established()).arrives({.seq = 9_seq, .control = rst}).sends_nothing();
}

}  // namespace
}  // namespace pollux::test
