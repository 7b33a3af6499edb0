// RFC 9293 figure 5, TCP Connection State Diagram: a test for each of its arrows, from the top of
// the figure to its bottom. LISTEN -> SYN-SENT by SEND does not exist here (docs/decisions/0014),
// LISTEN -> CLOSED by CLOSE is States.AListenerEndsAndResetsWhoIsHalfOpen, and note 3, a reset in
// any state, is CheckReset.ExactResetEndsEveryState.

#include <gtest/gtest.h>

#include "tests/rfc9293/reach.h"
#include "tests/script.h"

namespace pollux::test {
namespace {

TEST(Figure5, ClosedToSynSentByActiveOpen) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn, .mss = 1460, .window_scale = 7})
      .state(State::syn_sent);
}

TEST(Figure5, ClosedToListenByPassiveOpen) {
  Script::passive().state(State::listen).sends_nothing();
}

TEST(Figure5, ListenToSynReceivedBySyn) {
  Script::passive()
      .state(State::listen)
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn, .mss = 1460})
      .state(State::syn_received);
}

TEST(Figure5, SynSentToSynReceivedBySyn) {  // MUST-10
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .state(State::syn_received);
}

TEST(Figure5, SynSentToEstablishedBySynAck) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .state(State::established)
      .opened()
      .sends({.seq = 1_seq, .ack = 1_seq});
}

TEST(Figure5, SynSentToClosedByClose) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .closes()
      .ends(Cause::by_us)
      .state(State::closed);
}

TEST(Figure5, SynReceivedToEstablishedByAck) {
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .opened()
      .state(State::established)
      .sends_nothing();
}

TEST(Figure5, SynReceivedToListenByReset) {  // note 1; MUST-11
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 1_seq, .control = rst})
      .state(State::listen);
}

TEST(Figure5, SynReceivedOfAnActiveOpenToClosedByReset) {  // note 1; MUST-11
  Script::simultaneous()
      .arrives({.seq = 1_seq, .control = rst})
      .state(State::closed)
      .ends(Cause::refused);
}

TEST(Figure5, SynReceivedToFinWait1ByClose) {
  Script::simultaneous()
      .shuts_down()
      .state(State::fin_wait_1)
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 2_seq})
      .opened()
      .state(State::fin_wait_2);
}

TEST(Figure5, EstablishedToFinWait1ByClose) {
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .state(State::fin_wait_1);
}

TEST(Figure5, EstablishedToCloseWaitByFin) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .peer_closed()
      .sends({.seq = 1_seq, .ack = 2_seq})
      .state(State::close_wait);
}

TEST(Figure5, FinWait1ToFinWait2ByAckOfFin) {
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 2_seq})
      .state(State::fin_wait_2);
}

TEST(Figure5, FinWait1ToClosingByFin) {  // figure 13
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 2_seq, .ack = 2_seq})
      .state(State::closing);
}

TEST(Figure5, FinWait1ToTimeWaitByFinWithAckOfFin) {  // note 2
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin})
      .sends({.seq = 2_seq, .ack = 2_seq})
      .state(State::time_wait);
}

TEST(Figure5, FinWait2ToTimeWaitByFin) {  // figure 12, case 1
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 2_seq})
      .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin})
      .peer_closed()
      .sends({.seq = 2_seq, .ack = 2_seq})
      .state(State::time_wait)
      .ends(Cause::by_us);
}

TEST(Figure5, ClosingToTimeWaitByAckOfFin) {
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 2_seq, .ack = 2_seq})
      .arrives({.seq = 2_seq, .ack = 2_seq})
      .sends_nothing()
      .state(State::time_wait)
      .ends(Cause::by_us);
}

TEST(Figure5, CloseWaitToLastAckByClose) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 2_seq})
      .closes()
      .sends({.seq = 1_seq, .ack = 2_seq, .control = fin})
      .state(State::last_ack);
}

TEST(Figure5, LastAckToClosedByAckOfFin) {  // figure 12, the other end; MUST-12
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 2_seq})
      .closes()
      .sends({.seq = 1_seq, .ack = 2_seq, .control = fin})
      .arrives({.seq = 2_seq, .ack = 2_seq})
      .ends(Cause::by_peer)
      .state(State::closed);
}

TEST(Figure5, TimeWaitToClosedAfterTwoMsl) {  // MUST-13
  Script::established()
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 2_seq})
      .at(100ms)
      .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin})
      .sends({.seq = 2_seq, .ack = 2_seq})
      .at(100ms + 60s - 1ms)
      .state(State::time_wait)
      .at(100ms + 60s)
      .state(State::closed);
}

TEST(Figure5, CloseChangesNothingInTheStatesThatFollowIt) {
  for (const Reached& r : synchronized_states) {
    if (r.state == State::established || r.state == State::close_wait) continue;
    if (r.state == State::time_wait) continue;  // nothing is left to call it on
    Script script = Script::established();
    reach(script, r.state);
    script.shuts_down().sends_nothing().state(r.state);
  }
}

}  // namespace
}  // namespace pollux::test
