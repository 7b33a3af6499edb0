// RFC 9293 s.3.10.7.4, the first five steps, in every synchronized state: sequence number, RST,
// SYN and ACK; with RFC 5961. (SYN-SENT and SYN-RECEIVED are in open_test.cc.)

#include <gtest/gtest.h>

#include "tests/rfc9293/reach.h"
#include "tests/script.h"

namespace pollux::test {
namespace {

constexpr SeqNum minus(std::uint32_t n) { return SeqNum{0u - n}; }

// --- first: the sequence number ---

TEST(CheckSequence, OldTextIsAcknowledgedAndDroppedInEveryState) {
  for (const Reached& r : synchronized_states) {
    Script script = Script::established();
    reach(script, r.state);
    script.arrives({.seq = r.rcv_nxt - 100, .ack = r.snd_una, .text = 100})
        .drops(Drop::tcp_bad_sequence)
        .sends({.seq = r.snd_nxt, .ack = r.rcv_nxt})
        .state(r.state);
  }
}

TEST(CheckSequence, TextBeyondTheWindowIsAcknowledgedAndDroppedInEveryState) {
  for (const Reached& r : synchronized_states) {
    Script script = Script::established();
    reach(script, r.state);
    script.arrives({.seq = r.rcv_nxt + 300'000, .ack = r.snd_una, .text = 100})
        .drops(Drop::tcp_bad_sequence)
        .sends({.seq = r.snd_nxt, .ack = r.rcv_nxt})
        .state(r.state);
  }
}

TEST(CheckSequence, EmptySegmentOutsideTheWindowIsAcknowledgedInEveryState) {
  for (const Reached& r : synchronized_states) {
    for (const SeqNum seq : {r.rcv_nxt - 1, r.rcv_nxt + 300'000}) {
      Script script = Script::established();
      reach(script, r.state);
      script.at(1s - 1ms);
      if (!(r.state == State::fin_wait_1 || r.state == State::closing ||
            r.state == State::last_ack)) {
        script.arrives({.seq = seq, .ack = r.snd_una})
            .sends({.seq = r.snd_nxt, .ack = r.rcv_nxt})
            .state(r.state);
      } else {
        // Our FIN has been sent again meanwhile.
        script.sends({.seq = r.snd_una, .ack = r.rcv_nxt, .control = fin})
            .sends({.seq = r.snd_una, .ack = r.rcv_nxt, .control = fin})
            .arrives({.seq = seq, .ack = r.snd_una})
            .sends({.seq = r.snd_nxt, .ack = r.rcv_nxt})
            .state(r.state);
      }
    }
  }
}

TEST(CheckSequence, AckInUnacceptableSegmentIsNotRead) {
  Script::established()
      .writes(100)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .arrives({.seq = minus(50), .ack = 101_seq, .text = 10})
      .sends({.seq = 101_seq, .ack = 1_seq})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.in_flight(), 100u); });
}

TEST(CheckSequence, AnswersToEmptySegmentsAreLimited) {  // two confused ends must not talk for ever
  Script::established()
      .arrives({.seq = 0_seq, .ack = 1_seq})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 0_seq, .ack = 1_seq})
      .sends_nothing()
      .at(512ms)
      .arrives({.seq = 0_seq, .ack = 1_seq})
      .sends({.seq = 1_seq, .ack = 1_seq});
}

TEST(CheckSequence, TheFirstAnswerIsNeverLimited) {
  // The limit is kept as a time modulo 131 s: none of its values may mean "just now" at first.
  for (Duration time = 0s; time < 132s; time += 500ms) {
    Script::established()
        .at(time)
        .arrives({.seq = 0_seq, .ack = 1_seq})
        .sends({.seq = 1_seq, .ack = 1_seq});
  }
}

TEST(CheckSequence, ClosedWindowStillReadsTheAckOfText) {  // "special allowance"; MUST-66
  tcp::Config config;
  config.receive_buffer = 1000;
  config.offer_window_scale = false;
  Script::established({.config = config})
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .at(40ms)
      .sends({.seq = 11_seq, .ack = 1001_seq, .window = 0})
      .arrives({.seq = 1001_seq, .ack = 11_seq, .text = 1})
      .sends({.seq = 11_seq, .ack = 1001_seq, .window = 0})
      .readable(1000)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.in_flight(), 0u); });
}

TEST(CheckSequence, ClosedWindowStillTakesAReset) {  // MUST-66
  tcp::Config config;
  config.receive_buffer = 1000;
  config.offer_window_scale = false;
  Script::established({.config = config})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 0})
      .arrives({.seq = 1001_seq, .control = rst})
      .ends(Cause::reset);
}

TEST(CheckSequence, ClosedWindowStillReadsTheAckAfterAPeersProbe) {  // A.2
  tcp::Config config;
  config.receive_buffer = 1000;
  config.offer_window_scale = false;
  Script::established({.config = config})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 0})
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1001_seq, .text = 10, .window = 0})
      .arrives({.seq = 1002_seq, .ack = 11_seq})
      .sends_nothing()
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.in_flight(), 0u); });
}

// --- second: RST ---

TEST(CheckReset, ExactResetEndsEveryState) {  // RFC 5961 s.3, 2); MUST-12
  for (const Reached& r : synchronized_states) {
    Script script = Script::established();
    reach(script, r.state);
    script.arrives({.seq = r.rcv_nxt, .control = rst});
    switch (r.state) {
      case State::time_wait:  // an old one must not end the wait (RFC 1337)
        script.drops(Drop::tcp_bad_reset).state(State::time_wait);
        break;
      case State::fin_wait_1:
      case State::fin_wait_2:
      case State::closing:
      case State::last_ack:  // nothing was lost, unless text that the peer had yet to say
        script.ends(Cause::reset_at_end).state(State::closed);
        break;
      default:
        script.ends(Cause::reset).state(State::closed);
    }
    script.sends_nothing();
  }
}

TEST(CheckReset, TheAckOfAResetTellsWhatHasArrived) {
  const auto after_reset = [](SeqNum ack, Cause cause) {
    Script::established()
        .writes(10)
        .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
        .arrives({.seq = 1_seq, .ack = ack, .control = rst})
        .ends(cause);
  };
  after_reset(11_seq, Cause::reset_at_end);
  after_reset(10_seq, Cause::reset);
  after_reset(12_seq, Cause::reset);  // what we have not sent
}

TEST(CheckReset, ExactResetWithTextIsTaken) {  // SHLD-2
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = rst, .text = 30})
      .ends(Cause::reset);
}

TEST(CheckReset, ExactResetWithTextIsTakenIntoAClosedWindowToo) {  // MUST-66
  tcp::Config config;
  config.receive_buffer = 1000;
  config.offer_window_scale = false;
  Script::established({.config = config})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 1001_seq, .window = 0})
      .arrives({.seq = 1001_seq, .ack = 1_seq, .control = rst, .text = 30})
      .ends(Cause::reset);
}

TEST(CheckReset, TextThatReachesIntoTheWindowDoesNotMakeAnOldResetNew) {
  Script::established()
      .arrives({.seq = minus(4), .ack = 1_seq, .control = rst, .text = 30})
      .drops(Drop::tcp_bad_reset)
      .sends_nothing()
      .state(State::established);
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = minus(4), .control = rst, .text = 30})
      .drops(Drop::tcp_bad_reset)
      .sends_nothing()
      .state(State::syn_received);
}

TEST(CheckReset, ResetInLastAckWhileTextIsNotAcknowledgedIsALoss) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .sends({.seq = 1_seq, .ack = 2_seq})
      .hold()
      .writes(10)
      .closes()
      .flush()
      .sends({.seq = 1_seq, .ack = 2_seq, .control = fin, .text = 10})
      .arrives({.seq = 2_seq, .control = rst})
      .ends(Cause::reset);
}

TEST(CheckReset, ResetOutsideTheWindowIsDroppedInEveryState) {  // 1)
  for (const Reached& r : synchronized_states) {
    for (const SeqNum seq : {r.rcv_nxt - 1, r.rcv_nxt + 300'000}) {
      Script script = Script::established();
      reach(script, r.state);
      script.arrives({.seq = seq, .control = rst})
          .drops(Drop::tcp_bad_reset)
          .sends_nothing()
          .state(r.state);
    }
  }
}

TEST(CheckReset, ResetElsewhereInTheWindowIsChallengedInEveryState) {  // 3)
  for (const Reached& r : synchronized_states) {
    if (r.state == State::time_wait) continue;
    Script script = Script::established();
    reach(script, r.state);
    script.arrives({.seq = r.rcv_nxt + 1, .control = rst})
        .drops(Drop::tcp_bad_reset)
        .verdict([](const tcp::Verdict& v) { return v.challenge_ack; })
        .sends({.seq = r.snd_nxt, .ack = r.rcv_nxt})
        .state(r.state)
        .arrives({.seq = r.rcv_nxt + 2, .control = rst})
        .sends_nothing();  // limited
  }
}

// --- fourth: SYN ---

TEST(CheckSyn, SynIsChallengedInEveryState) {  // RFC 5961 s.4
  for (const Reached& r : synchronized_states) {
    for (const SeqNum seq : {0_seq, r.rcv_nxt, r.rcv_nxt - 5000, r.rcv_nxt + 300'000}) {
      // Beyond all that was used it opens a new connection in TIME-WAIT: time_wait_test.cc.
      if (r.state == State::time_wait && r.rcv_nxt < seq) continue;
      Script script = Script::established();
      reach(script, r.state);
      script.arrives({.seq = seq, .control = syn})
          .sends({.seq = r.snd_nxt, .ack = r.rcv_nxt})
          .state(r.state);
    }
  }
}

TEST(CheckSyn, RepeatedSynAckIsAcknowledged) {  // our handshake's ACK was lost
  Script::established()
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .state(State::established);
}

// --- fifth: ACK ---

TEST(CheckAck, SegmentWithoutAckIsDroppedInEveryState) {
  for (const Reached& r : synchronized_states) {
    Script script = Script::established();
    reach(script, r.state);
    script.arrives({.seq = r.rcv_nxt, .text = 10});
    if (r.state != State::time_wait) script.drops(Drop::tcp_no_ack);
    script.sends_nothing().state(r.state);
  }
}

TEST(CheckAck, AckOfWhatWasNotSentIsAcknowledgedAndDroppedInEveryState) {
  for (const Reached& r : synchronized_states) {
    Script script = Script::established();
    reach(script, r.state);
    script.arrives({.seq = r.rcv_nxt, .ack = r.snd_nxt + 1, .control = fin})
        .sends({.seq = r.snd_nxt, .ack = r.rcv_nxt})
        .state(r.state);
  }
}

TEST(CheckAck, VeryOldAckIsAcknowledgedAndDropped) {  // RFC 5961 s.5
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq - 65'536, .text = 10})
      .drops(Drop::tcp_bad_ack)
      .readable(0)
      .sends({.seq = 1_seq, .ack = 1_seq});
}

TEST(CheckAck, OldAckIsIgnoredButTheTextIsTaken) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq - 65'535, .text = 10})
      .drops(Drop::none)
      .readable(10)
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 11_seq});
}

TEST(CheckAck, WindowOfAnOlderSegmentIsNotTaken) {  // SND.WL1, SND.WL2
  Script::established()
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 10, .window = 5000})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100, .window = 4000})
      .sends({.seq = 1_seq, .ack = 111_seq})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.snd_wnd, 5000u); });
}

TEST(CheckAck, WindowOfTheHighestAckIsTaken) {  // s.3.8.6's refinement
  Script::established({.peer_window = 5000})
      .writes(5000)
      .sends_full(5, 1_seq, 1_seq)
      .arrives({.seq = 11_seq, .ack = 1_seq, .text = 10})
      .sends({.seq = 5001_seq, .ack = 1_seq})
      // The first ten bytes again: an old number, but a later ACK, and the window that goes with
      // it.
      .arrives({.seq = 1_seq, .ack = 4001_seq, .text = 10, .window = 1000})
      .sends({.seq = 5001_seq, .ack = 21_seq})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.snd_wnd, 1000u); });
}

}  // namespace
}  // namespace pollux::test
