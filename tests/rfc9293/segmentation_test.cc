// RFC 9293 s.3.7, Segmentation: MSS, path MTU, Nagle's algorithm; and the push flag (s.3.9.1.2).

#include <gtest/gtest.h>

#include "tests/script.h"

namespace pollux::test {
namespace {

tcp::Config without_nagle() {
  tcp::Config config;
  config.nagle = false;
  return config;
}

// --- MSS, s.3.7.1 ---

TEST(Mss, IsSentInEverySyn) {  // MUST-14, SHLD-5, MUST-67
  Script::active()
      .sends({.seq = 0_seq, .control = syn, .mss = 1460})
      .at(1s)
      .sends({.seq = 0_seq, .control = syn, .mss = 1460});
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn, .mss = 1460});
}

TEST(Mss, IsInNoOtherSegment) {  // MUST-65; sends() sees to it here as in every script
  Script::established()
      .writes(100)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .arrives({.seq = 1_seq, .ack = 102_seq})
      .sends({.seq = 101_seq, .ack = 1_seq})
      .closes()
      .sends({.seq = 101_seq, .ack = 1_seq, .control = fin})
      .aborts()
      .sends({.seq = 102_seq, .ack = 1_seq, .control = rst});
}

TEST(Mss, Is536WhereThePeerSaysNothing) {  // MUST-15
  Script::established({.peer_mss = std::nullopt})
      .writes(1100)
      .sends_full(2, 1_seq, 1_seq, 536)
      .arrives({.seq = 1_seq, .ack = 1073_seq})
      .sends({.seq = 1073_seq, .ack = 1_seq, .text = 28});
  Script::passive({.peer_mss = std::nullopt})
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .writes(536)
      .sends_full(1, 1_seq, 1_seq, 536);
}

TEST(Mss, TheSmallerOfBothIsUsed) {  // MUST-16, MUST-14
  Script::established({.peer_mss = 9000}).writes(2920).sends_full(2, 1_seq, 1_seq, 1460);
  Script::established({.peer_mss = 700}).writes(1400).sends_full(2, 1_seq, 1_seq, 700);
}

TEST(Mss, CountsInASynAlone) {  // MUST-5: any segment may carry options
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10, .mss = 100, .window_scale = 3})
      .drops(Drop::none)
      .readable(10)
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 11_seq})
      .check([](const Tcb& tcb) {
        EXPECT_EQ(tcb.mss, 1000);
        EXPECT_EQ(tcb.snd_shift, 0);
      });
}

TEST(Mss, AnAbsurdlySmallOneIsNotObeyed) {  // MUST-16
  Script::established({.peer_mss = 0}).writes(2 * tcp::min_mss).sends_full(2, 1_seq, 1_seq, 48);
}

TEST(PathMtu, SmallerOneCutsWhatIsInFlightAgain) {  // s.3.7.2
  Script::established({.peer_mss = 1460})
      .writes(2920)
      .sends_full(2, 1_seq, 1_seq, 1460)
      .hears_path_mtu(1040)
      .sends_full(2, 1_seq, 1_seq, 1000)
      .sends({.seq = 2001_seq, .ack = 1_seq, .text = 920})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.cwnd, 14'600u); });
}

/// Time-outs of a flight that is lost again and again: how long the segment is that each sends.
void time_out(Script& script, std::initializer_list<std::uint32_t> sizes) {
  Duration wait = 200ms;
  Duration when = wait;
  for (const std::uint32_t size : sizes) {
    script.at(when).sends_full(1, 1_seq, 1_seq, size);
    wait *= 2;
    when += wait;
  }
}

TEST(PathMtu, WhereLongSegmentsVanishShorterOnesAreTried) {  // RFC 4821 s.7.7
  Script script = Script::established({.peer_mss = 1460});
  script.writes(2920).sends_full(2, 1_seq, 1_seq, 1460);
  time_out(script, {1460, 1460, 1460, 1460, 1460, 984});
  script.arrives({.seq = 1_seq, .ack = 985_seq})
      .sends_full(1, 985_seq, 1_seq, 984)
      .sends({.seq = 1969_seq, .ack = 1_seq, .text = 952})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.mss, 984); });
}

TEST(PathMtu, AndShorterStill) {
  Script script = Script::established({.peer_mss = 1460});
  script.writes(1460).sends_full(1, 1_seq, 1_seq, 1460);
  time_out(script, {1460, 1460, 1460, 1460, 1460, 984, 984, 536});
}

TEST(PathMtu, ShortSegmentsSayNothingOfThePath) {
  Script script = Script::established({.peer_mss = 1460});
  script.writes(1459).sends_full(1, 1_seq, 1_seq, 1459);
  time_out(script, {1459, 1459, 1459, 1459, 1459, 1459, 1459, 1459});
  script.check([](const Tcb& tcb) { EXPECT_EQ(tcb.mss, 1460); });
}

TEST(PathMtu, OneThatIsKnownBeforeAnyTextCountsForTheInitialWindow) {  // RFC 6928 s.2
  Script::established({.peer_mss = 1460}).hears_path_mtu(1040).check([](const Tcb& tcb) {
    EXPECT_EQ(tcb.mss, 1000);
    EXPECT_EQ(tcb.cwnd, 10'000u);
  });
}

TEST(PathMtu, LargerOneChangesNothing) {
  Script::established()
      .writes(1000)
      .sends_full(1, 1_seq, 1_seq)
      .hears_path_mtu(9000)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.mss, 1000); });
}

TEST(PathMtu, TheSameOneSendsNothingAgain) {
  Script::established()
      .writes(1000)
      .sends_full(1, 1_seq, 1_seq)
      .hears_path_mtu(1040)
      .sends_nothing();
}

TEST(PathMtu, TinyOneIsNotObeyed) {
  Script::established().hears_path_mtu(20).check(
      [](const Tcb& tcb) { EXPECT_EQ(tcb.mss, tcp::min_mss); });
}

// --- Nagle, s.3.7.4 ---

TEST(Nagle, ASmallSegmentWaitsForTheAckOfWhatIsInFlight) {  // SHLD-7
  Script::established()
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .writes(10)
      .writes(20)
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 11_seq})
      .sends({.seq = 11_seq, .ack = 1_seq, .text = 30});
}

TEST(Nagle, AFullSegmentDoesNotWait) {
  Script::established()
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .writes(999)
      .sends_nothing()
      .writes(1)
      .sends_full(1, 11_seq, 1_seq);
}

TEST(Nagle, CanBeTurnedOff) {  // MUST-17
  Script::established({.config = without_nagle()})
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .writes(10)
      .sends({.seq = 11_seq, .ack = 1_seq, .text = 10});
  Script::established()
      .sets({.nagle = false})
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .writes(10)
      .sends({.seq = 11_seq, .ack = 1_seq, .text = 10});
}

TEST(Nagle, TurningItOffSendsWhatWaited) {
  Script::established()
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .writes(10)
      .sends_nothing()
      .sets({.nagle = false})
      .sends({.seq = 11_seq, .ack = 1_seq, .text = 10});
}

TEST(Nagle, AFinDoesNotWait) {
  Script::established()
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .writes(10)
      .sends_nothing()
      .closes()
      .sends({.seq = 11_seq, .ack = 1_seq, .control = fin, .text = 10});
}

// --- what is put together ---

TEST(Segments, WhatWasWrittenInSmallPartsLeavesInLargeOnes) {  // SHLD-27, SHLD-28
  Script script = Script::established();
  script.writes(10).sends({.seq = 1_seq, .ack = 1_seq, .text = 10});
  for (int i = 0; i < 25; ++i) script.writes(39);
  script
      .sends_nothing()  // 975 bytes
      .writes(50)
      .sends({.seq = 11_seq, .ack = 1_seq, .text = 1000})
      .arrives({.seq = 1_seq, .ack = 1011_seq})
      .sends({.seq = 1011_seq, .ack = 1_seq, .text = 25});
}

// --- push ---

TEST(Push, IsSetWhereTheQueueEnds) {  // MUST-60, MUST-61: no PUSH flag in SEND
  Script::established()
      .writes(2500)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1000, .push = false})
      .sends({.seq = 1001_seq, .ack = 1_seq, .text = 1000, .push = false})
      .arrives({.seq = 1_seq, .ack = 2001_seq})
      .sends({.seq = 2001_seq, .ack = 1_seq, .text = 500, .push = true});
}

TEST(Push, IsNotNeededToBeHeard) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .readable(10)
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 11_seq});
}

}  // namespace
}  // namespace pollux::test
