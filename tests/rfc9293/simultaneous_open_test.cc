// RFC 9293 s.3.5, the simultaneous open of figure 7 (MUST-10), and what is called while it lasts.

#include <gtest/gtest.h>

#include "tests/script.h"

namespace pollux::test {
namespace {

TEST(Figure7, SimultaneousOpenWithTwoSynAcks) {  // MUST-10
  Script::simultaneous()
      .state(State::syn_received)
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .opened()
      .state(State::established)
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10});
}

TEST(SimultaneousOpen, AnAckWillDoAsWell) {
  Script::simultaneous().arrives({.seq = 1_seq, .ack = 1_seq}).opened().state(State::established);
}

TEST(SimultaneousOpen, TextAfterTheSynAckOfThePeerIsTaken) {
  Script::simultaneous()
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn, .text = 7})
      .opened()
      .readable(7)
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 8_seq});
}

TEST(SimultaneousOpen, RepeatedSynIsAnsweredAgain) {
  Script::simultaneous()
      .arrives({.seq = 0_seq, .control = syn})
      .verdict([](const tcp::Verdict& v) { return v.duplicate; })
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .state(State::syn_received);
}

TEST(SimultaneousOpen, UnacceptableAckIsAnsweredByReset) {  // 3.10.7.4, fifth
  for (const SeqNum ack : {0_seq, 2_seq}) {
    Script::simultaneous()
        .arrives({.seq = 1_seq, .ack = ack})
        .drops(Drop::tcp_bad_ack)
        .sends({.seq = ack, .control = rst})
        .state(State::syn_received);
  }
}

TEST(SimultaneousOpen, SynAckIsSentAgain) {
  Script::simultaneous()
      .at(1s)
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .at(3s)
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn});
}

TEST(SimultaneousOpen, ResetMeansRefused) {  // MUST-11: it was opened actively
  Script::simultaneous().arrives({.seq = 1_seq, .control = rst}).ends(Cause::refused);
}

TEST(SimultaneousOpen, WindowScaleIsAgreedBothWays) {
  Script::simultaneous({.peer_window = 1000, .peer_scale = 3})
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.snd_wnd, 1000u); })
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .check([](const Tcb& tcb) {
        EXPECT_EQ(tcb.snd_wnd, 8000u);
        EXPECT_EQ(tcb.rcv_shift, 7);
      });
}

TEST(SimultaneousOpen, IsStillCompletedAfterClose) {
  for (const Seg& last :
       {Seg{.seq = 0_seq, .ack = 1_seq, .control = syn}, Seg{.seq = 1_seq, .ack = 1_seq}}) {
    Script::simultaneous()
        .sets({.keepalive = true})
        .shuts_down()
        .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
        .arrives(last)
        .drops(Drop::none)
        .opened()
        .state(State::fin_wait_1)
        .check([](const Tcb& tcb) {
          EXPECT_EQ(tcb.cwnd, 10'000u);
          EXPECT_TRUE(tcb.idle_armed);
        })
        .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin, .text = 10})
        .readable(10)
        .sends({.seq = 2_seq, .ack = 12_seq})
        .state(State::time_wait);
  }
}

TEST(SimultaneousOpen, AfterCloseTheFirstAckStillHasToBeThatOfOurSyn) {
  Script::simultaneous()
      .shuts_down()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 0_seq, .text = 10})
      .drops(Drop::tcp_bad_ack)
      .sends({.seq = 0_seq, .control = rst})
      .readable(0)
      .arrives({.seq = 0_seq, .control = syn})
      .verdict([](const tcp::Verdict& v) { return v.duplicate; })
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .control = rst})
      .ends(Cause::refused);
}

TEST(SimultaneousOpen, LostSynAndFinAreBothSentAgain) {
  Script::simultaneous()
      .shuts_down()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .at(1s)
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .state(State::fin_wait_1)
      .arrives({.seq = 1_seq, .ack = 2_seq})
      .state(State::fin_wait_2);
}

TEST(SimultaneousOpen, CloseWithTextQueuedWaitsForEstablished) {  // 3.10.4
  Script::simultaneous()
      .writes(10)
      .sends_nothing()
      .shuts_down()
      .state(State::syn_received)
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 10})
      .state(State::fin_wait_1);
}

}  // namespace
}  // namespace pollux::test
