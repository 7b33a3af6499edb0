// RFC 4821 s.7: a segment that is longer than the path is known to take.

#include <gtest/gtest.h>

#include "tests/script.h"

namespace pollux::test {
namespace {

using tcp::PathNews;

/// Both ends take 1,460 bytes, the path 1,000 as ICMP has said once.
Script reduced(std::uint16_t peer_window = 65535, bool sack = true) {
  return Script::established(
      {.peer_window = peer_window, .peer_mss = 1460, .peer_sack = sack, .round_trip = 100ms});
}

auto news(PathNews what, std::uint16_t mtu) {
  return [=](const tcp::Verdict& verdict) {
    return verdict.path_news == what && verdict.path_mtu == mtu;
  };
}

/// 12,400 bytes are written, of which the first 1,400 are the probe; the next segments are of 1,000
/// bytes.
void probe(Script& script) {
  script.hears_path_mtu(1040)
      .hold()
      .writes(12'400)
      .probes_path(1440)
      .flush()
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1400})
      .sends_full(8, 1401_seq, 1_seq);
}

TEST(PathProbe, OneSegmentIsLongerAndTheNextAreNot) {  // s.7.5
  Script script = reduced();
  probe(script);
  script.check([](const Tcb& tcb) { EXPECT_EQ(tcb.mss, 1000); });
}

TEST(PathProbe, WhatIsAcknowledgedIsUsedFromThenOn) {  // s.7.6.1
  Script script = reduced();
  probe(script);
  script.arrives({.seq = 1_seq, .ack = 1401_seq})
      .verdict(news(PathNews::takes, 1440))
      .sends_full(2, 9401_seq, 1_seq, 1400)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.mss, 1400); });
}

TEST(PathProbe, LostAloneItIsNoCongestion) {  // s.7.6.2
  Script script = reduced();
  std::uint32_t cwnd = 0;
  probe(script);
  script.check([&](const Tcb& tcb) { cwnd = tcb.cwnd; })
      .at(100ms)
      .arrives({.seq = 1_seq, .ack = 1_seq, .sack = {{{1401_seq, 2401_seq}}}})
      .sends_full(1, 9401_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq, .sack = {{{1401_seq, 3401_seq}}}})
      .sends_full(1, 10401_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq, .sack = {{{1401_seq, 4401_seq}}}})
      .verdict(news(PathNews::loses, 1440))
      .sends_full(1, 1_seq, 1_seq)
      .sends({.seq = 1001_seq, .ack = 1_seq, .text = 400})
      .sends_full(1, 11401_seq, 1_seq)
      .check([&](const Tcb& tcb) {
        EXPECT_EQ(tcb.mss, 1000);
        EXPECT_EQ(tcb.cwnd, cwnd);
        EXPECT_FALSE(tcb.recovering);
        EXPECT_GE(tcb.ssthresh, 1u << 30);
      })
      // While it is mended the holes that are told of are still its own.
      .at(200ms)
      .arrives({.seq = 1_seq, .ack = 1001_seq, .sack = {{{1401_seq, 9401_seq}}}})
      .arrives({.seq = 1_seq, .ack = 12401_seq})
      .check([&](const Tcb& tcb) {
        EXPECT_GE(tcb.cwnd, cwnd);
        EXPECT_EQ(tcb.mss, 1000);
      });
}

TEST(PathProbe, LostAmongOthersItIsCongestionAndSaysNothing) {  // s.7.6.4
  Script script = reduced();
  probe(script);
  script.at(100ms)
      .arrives({.seq = 1_seq, .ack = 1_seq, .sack = {{{2401_seq, 9401_seq}}}})
      .verdict([](const tcp::Verdict& verdict) {
        return verdict.path_news == PathNews::none && verdict.fast_retransmit;
      })
      .sends_full(2, 1_seq, 1_seq)
      .sends({.seq = 2001_seq, .ack = 1_seq, .text = 400})
      .check([](const Tcb& tcb) { EXPECT_TRUE(tcb.recovering); })
      .sends_full(2, 9401_seq, 1_seq);
}

TEST(PathProbe, WhatIsSentAgainForItAndLostIsCongestion) {
  Script script = reduced();
  probe(script);
  script.at(100ms)
      .arrives({.seq = 1_seq, .ack = 1_seq, .sack = {{{1401_seq, 9401_seq}}}})
      .verdict(news(PathNews::loses, 1440))
      .sends_full(1, 1_seq, 1_seq)
      .sends({.seq = 1001_seq, .ack = 1_seq, .text = 400})
      .sends_full(2, 9401_seq, 1_seq)
      .sends_full(1, 11401_seq, 1_seq)
      .at(200ms)
      .arrives({.seq = 1_seq, .ack = 1_seq, .sack = {{{1001_seq, 12401_seq}}}})
      .verdict([](const tcp::Verdict& verdict) { return verdict.fast_retransmit; })
      .sends_full(1, 1_seq, 1_seq);
}

TEST(PathProbe, ATimeOutLeavesItOpen) {
  Script script = reduced();
  probe(script);
  script.at(202ms)
      .sends({.seq = 9401_seq, .ack = 1_seq, .text = 1000})
      .at(503ms)
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 9401_seq})
      .verdict([](const tcp::Verdict& verdict) { return verdict.path_news == PathNews::none; })
      .sends_full(2, 9401_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.mss, 1000); });
}

TEST(PathProbe, WaitsForRoomInCwndWhileOthersAreInFlight) {  // s.7.4
  Script script = reduced();
  script.hears_path_mtu(1040)
      .writes(20'000)
      .sends_full(10, 1_seq, 1_seq)
      .probes_path(1440)
      .at(100ms)
      .arrives({.seq = 1_seq, .ack = 3001_seq})
      .sends({.seq = 10001_seq, .ack = 1_seq, .text = 1400})
      .sends_full(4, 11401_seq, 1_seq);
}

TEST(PathProbe, NeedsSackToTellWhatIsLost) {
  Script script = reduced(65535, false);
  script.hears_path_mtu(1040).hold().writes(12'000).probes_path(1440, false).flush();
  script.sends_full(10, 1_seq, 1_seq);
}

TEST(PathProbe, NeedsTextBehindIt) {  // s.7.4
  Script script = reduced();
  script.hears_path_mtu(1040).hold().writes(4'399).probes_path(1440, false).flush();
  script.sends_full(4, 1_seq, 1_seq);
  script.arrives({.seq = 1_seq, .ack = 4001_seq});
  script.sends({.seq = 4001_seq, .ack = 1_seq, .text = 399});
}

TEST(PathProbe, NeedsAWindow) {  // s.7.4
  Script script = reduced(4'399);
  script.hears_path_mtu(1040).hold().writes(12'000).probes_path(1440, false).flush();
  script.sends_full(4, 1_seq, 1_seq);
}

TEST(PathProbe, IsNotSentInARecovery) {  // s.7.4
  Script script = reduced();
  script.hears_path_mtu(1040)
      .writes(20'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(100ms)
      .arrives({.seq = 1_seq, .ack = 1_seq, .sack = {{{1001_seq, 5001_seq}}}})
      .sends_full(1, 1_seq, 1_seq)
      .probes_path(1440, false);
}

TEST(PathProbe, IsOneAtATime) {  // s.7.4
  Script script = reduced();
  probe(script);
  script.writes(20'000).probes_path(1300, false);
}

TEST(PathProbe, IsLongerThanOtherSegments) {
  Script script = reduced();
  script.hears_path_mtu(1040).hold().writes(12'000).probes_path(1040, false).flush();
  script.sends_full(10, 1_seq, 1_seq);
}

}  // namespace
}  // namespace pollux::test
