// RFC 9293 s.3.8.6.1, Zero-Window Probing.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/script.h"

namespace pollux::test {
namespace {

/// From the script's beginning on: the byte at `una` is sent into a closed window at growing
/// intervals, and each time refused.
void is_probed_for_an_hour(Script& script, SeqNum una) {
  Duration time = 0s;
  for (Duration interval = 200ms; interval < 60s; interval *= 2) {
    script.at(time += interval)
        .sends({.seq = una, .ack = 1_seq, .text = 1})
        .arrives({.seq = 1_seq, .ack = una, .window = 0});
  }
  for (int i = 0; i < 60; ++i) {
    script.at(time += 60s)
        .sends({.seq = una, .ack = 1_seq, .text = 1})
        .arrives({.seq = 1_seq, .ack = una, .window = 0});
  }
}

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
  is_probed_for_an_hour(script, 1_seq);
  script.state(State::established);
}

TEST(Persist, GoesOnForTextThatWasInFlightWhenTheWindowShrank) {  // SHLD-17
  Script script = Script::established({.peer_window = 4000});
  script.writes(4000).sends_full(4, 1_seq, 1_seq);
  script.arrives({.seq = 1_seq, .ack = 1001_seq, .window = 0});
  is_probed_for_an_hour(script, 1001_seq);
  script.state(State::established);
}

TEST(Persist, GoesOnForALimitedTimeOnceNobodyWaits) {  // RFC 6429 s.4
  Script script = Script::established();
  script.arrives({.seq = 1_seq, .ack = 1_seq, .window = 0}).writes(1).closes();
  Duration time = 0s;
  Duration interval = 200ms;
  for (int i = 0; i < 8; ++i, interval *= 2) {
    script.at(time += interval)
        .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
        .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0});
  }
  script.at(time + interval - 1ms)
      .state(State::fin_wait_1)
      .at(time + interval)
      .sends({.seq = 1_seq, .ack = 1_seq, .control = rst, .window = 0})  // the peer is told
      .ends(Cause::timed_out);
}

TEST(Persist, ThatTimeBeginsWithTheClose) {
  Script script = Script::established();
  script.arrives({.seq = 1_seq, .ack = 1_seq, .window = 0}).writes(1);
  Duration time = 0s;
  for (Duration interval = 200ms; interval < 200s; interval *= 2) {
    script.at(time += std::min<Duration>(interval, 60s))
        .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
        .arrives({.seq = 1_seq, .ack = 1_seq, .window = 0});
  }
  script.at(time + 1s)
      .closes()
      .at(time + 60s)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1})
      .state(State::fin_wait_1);
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

}  // namespace
}  // namespace pollux::test
