// RFC 9293 s.3.8.2, TCP Congestion Control (MUST-19): RFC 5681, RFC 6582, RFC 3042, RFC 6928.

#include "transport/tcp/congestion.h"

#include <gtest/gtest.h>

#include "tests/script.h"
#include "transport/tcp/arrival.h"
#include "transport/tcp/recovery.h"

namespace pollux::test {
namespace {

tcp::Config initial_window(std::uint8_t segments) {
  tcp::Config config = reno();
  config.initial_window = segments;
  return config;
}

auto cwnd_is(std::uint32_t bytes) {
  return [=](const Tcb& tcb) { EXPECT_EQ(tcb.cwnd, bytes); };
}

/// ESTABLISHED in congestion avoidance: cwnd is 4 segments and nothing in flight; 10 segments of
/// 1000 bytes have been acknowledged.
void avoid_congestion(Script& script) {
  script.writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(200ms)  // all lost: ssthresh = 5 segments, cwnd = 1
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq})
      .check(cwnd_is(2000));
}

// --- slow start and congestion avoidance, RFC 5681 s.3.1 ---

TEST(SlowStart, BeginsWithTheInitialWindow) {  // MUST-19
  Script::established().writes(20'000).sends_full(10, 1_seq, 1_seq);
  Script::established({.config = initial_window(3)}).writes(20'000).sends_full(3, 1_seq, 1_seq);
}

TEST(SlowStart, BeginsWithFewerSegmentsWhereTheyAreLarge) {  // RFC 6928 s.2
  tcp::Config config;
  config.mss = 8960;
  Script::established({.config = config, .peer_mss = 8960})
      .check(cwnd_is(2 * 8960))
      .writes(100'000)
      .sends_full(2, 1_seq, 1_seq, 8960);
}

TEST(SlowStart, BeginsWithOneSegmentAfterALostSyn) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .at(1s)
      .sends({.seq = 0_seq, .control = syn})
      .writes(20'000)
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends_full(1, 1_seq, 1_seq);
}

TEST(SlowStart, GrowsByASegmentForEachAck) {  // equation (2), MUST-19
  Script::established({.config = initial_window(2)})
      .writes(20'000)
      .sends_full(2, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .sends_full(2, 2001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 2001_seq})
      .sends_full(2, 4001_seq, 1_seq)
      .check(cwnd_is(4000));
}

TEST(SlowStart, GrowsByWhatIsAcknowledged) {  // RFC 3465: nothing to gain by ACKs of single bytes
  Script::established({.config = initial_window(2)})
      .writes(20'000)
      .sends_full(2, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 2_seq})
      .sends_nothing()
      .check(cwnd_is(2001))
      .arrives({.seq = 1_seq, .ack = 2001_seq})
      .sends_full(4, 2001_seq, 1_seq)
      .check(cwnd_is(4000));
}

TEST(SlowStart, GrowsByTenSegmentsForAnAckAtMost) {  // RFC 3465 s.2.2, RFC 6928
  Script::established({.config = initial_window(20)})
      .writes(20'000)
      .sends_full(20, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 20'001_seq})
      .check(cwnd_is(30'000));
}

TEST(SlowStart, AWindowThatIsNotUsedDoesNotGrow) {  // RFC 7661 s.4.4.1
  Script::established()
      .writes(4000)
      .sends_full(4, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 4001_seq})
      .check(cwnd_is(10'000));
}

TEST(SlowStart, TheAckOfTheSynDoesNotCount) {
  Script::established({.config = initial_window(2)}).check(cwnd_is(2000));
}

TEST(CongestionAvoidance, GrowsByASegmentEachRoundTrip) {  // MUST-19
  Script script = Script::established();
  avoid_congestion(script);
  script.writes(30'000)
      .sends_full(2, 10'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 11'001_seq})  // slow start: 3
      .sends_full(2, 12'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 13'001_seq})  // 5 = ssthresh
      .sends_full(4, 14'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 13'002_seq})  // no whole window yet
      .arrives({.seq = 1_seq, .ack = 14'001_seq})
      .sends_full(1, 18'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 15'001_seq})
      .sends_full(1, 19'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 19'001_seq})
      .sends_full(5, 20'001_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.ssthresh, 5000u); })
      .check(cwnd_is(6000));
}

TEST(CongestionAvoidance, EveryAckOfABurstCounts) {  // though nothing is sent between them
  Script script = Script::established();
  avoid_congestion(script);
  script.writes(60'000).sends_full(2, 10'001_seq, 1_seq);
  script.arrives({.seq = 1_seq, .ack = 11'001_seq}).sends_full(2, 12'001_seq, 1_seq);
  script.arrives({.seq = 1_seq, .ack = 13'001_seq}).sends_full(4, 14'001_seq, 1_seq);
  script
      .check(cwnd_is(5000))  // ssthresh; five are in flight
      .hold()
      .arrives({.seq = 1_seq, .ack = 14'001_seq})
      .arrives({.seq = 1_seq, .ack = 16'001_seq})
      .arrives({.seq = 1_seq, .ack = 18'001_seq})
      .check(cwnd_is(6000))
      .flush()
      .sends_full(6, 18'001_seq, 1_seq);
}

TEST(RestartAfterIdle, GoesBackToTheInitialWindow) {  // RFC 5681 s.4.1
  Script::established({.config = initial_window(2)})
      .writes(6000)
      .sends_full(2, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .sends_full(2, 2001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 2001_seq})
      .sends_full(2, 4001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 6001_seq})
      .check(cwnd_is(8000))
      .at(201ms)
      .writes(20'000)
      .sends_full(2, 6001_seq, 1_seq)
      .check(cwnd_is(2000));
}

TEST(RestartAfterIdle, AShortPauseChangesNothing) {
  Script::established({.config = initial_window(2)})
      .writes(2000)
      .sends_full(2, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 2001_seq})
      .at(200ms)
      .writes(3000)
      .sends_full(3, 2001_seq, 1_seq);
}

// --- a time-out, RFC 5681 s.3.1 ---

TEST(Timeout, LeavesOneSegmentAndHalfOfTheFlight) {  // MUST-19
  Script::established()
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(200ms)
      .sends_full(1, 1_seq, 1_seq)
      .check([](const Tcb& tcb) {
        EXPECT_EQ(tcb.cwnd, 1000u);
        EXPECT_EQ(tcb.ssthresh, 5000u);
      })
      .at(600ms)  // the same segment once more: ssthresh stays
      .sends_full(1, 1_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.ssthresh, 5000u); });
}

TEST(Timeout, LeavesAtLeastTwoSegmentsAsTheThreshold) {  // equation (4)
  Script::established()
      .writes(1000)
      .sends_full(1, 1_seq, 1_seq)
      .at(200ms)
      .sends_full(1, 1_seq, 1_seq)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.ssthresh, 2000u); });
}

// --- fast retransmit and fast recovery, RFC 5681 s.3.2, RFC 6582 ---

TEST(FastRetransmit, ThreeDuplicateAcksSendTheFirstSegmentAgain) {
  Script::established()
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .verdict([](const tcp::Verdict& v) { return v.fast_retransmit; })
      .sends_full(1, 1_seq, 1_seq)
      .check([](const Tcb& tcb) {
        EXPECT_EQ(tcb.ssthresh, 5000u);
        EXPECT_EQ(tcb.cwnd, 8000u);  // ssthresh and the three that have left the network
        EXPECT_TRUE(tcb.recovering);
      });
}

TEST(FastRetransmit, WhatIsADuplicateAck) {  // RFC 5681 s.2, (a) to (e): none of these is
  const auto dup_acks = [](std::uint8_t n) {
    return [=](const Tcb& tcb) { EXPECT_EQ(tcb.dup_acks, n); };
  };
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq})  // (a) nothing is in flight
      .check(dup_acks(0))
      .writes(3000)
      .sends_full(3, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10})  // (b) it carries text
      .check(dup_acks(0))
      .arrives({.seq = 11_seq, .ack = 1_seq, .window = 65'000})  // (e) another window
      .check(dup_acks(0))
      .arrives({.seq = 11_seq, .ack = 1_seq - 1, .window = 65'000})  // (d) not the highest ACK
      .check(dup_acks(0))
      .arrives({.seq = 11_seq, .ack = 1_seq, .window = 65'000})
      .check(dup_acks(1))
      .arrives({.seq = 11_seq, .ack = 1_seq, .control = fin, .window = 65'000})  // (c)
      .check(dup_acks(1))
      .sends({.seq = 3001_seq, .ack = 12_seq});
}

TEST(LimitedTransmit, TheFirstTwoDuplicateAcksLetNewTextLeave) {  // RFC 3042
  Script::established({.config = initial_window(4)})
      .writes(20'000)
      .sends_full(4, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .sends_full(1, 4001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .sends_full(1, 5001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .sends_full(1, 1_seq, 1_seq)
      // The two extra segments do not count as flight: max(4000 / 2, 2 * 1000).
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.ssthresh, 2000u); });
}

TEST(FastRecovery, FurtherDuplicateAcksLetNewTextLeave) {  // RFC 5681 s.3.2, steps 4 and 5
  Script script = Script::established();
  script.writes(30'000).sends_full(10, 1_seq, 1_seq);
  script.arrives({.seq = 1_seq, .ack = 1_seq}).sends_full(1, 10'001_seq, 1_seq);
  script.arrives({.seq = 1_seq, .ack = 1_seq}).sends_full(1, 11'001_seq, 1_seq);
  script.arrives({.seq = 1_seq, .ack = 1_seq}).sends_full(1, 1_seq, 1_seq);
  // 12 segments in flight, cwnd 5 + 3: four more duplicates fill it up.
  for (int i = 0; i < 4; ++i) script.arrives({.seq = 1_seq, .ack = 1_seq}).sends_nothing();
  script.arrives({.seq = 1_seq, .ack = 1_seq})
      .sends_full(1, 12'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .sends_full(1, 13'001_seq, 1_seq);
}

TEST(FastRecovery, DuplicateAcksWithoutEndDoNotInflateWithoutEnd) {
  Tcb tcb;
  tcb.recovering = true;
  tcb.cwnd = tcp::max_cwnd - 1;
  const tcp::Config config = reno();
  const Segment segment;
  tcp::Verdict verdict;
  auto flights = tcp::FlightPool::make(1);
  tcp::Arrival arrival{.tcb = tcb,
                       .config = config,
                       .segment = segment,
                       .flights = *flights,
                       .now = Instant{},
                       .verdict = verdict,
                       .seq = segment.seq};
  EXPECT_FALSE(tcp::recover_on_duplicate_ack(arrival));
  EXPECT_EQ(tcb.cwnd, tcp::max_cwnd);
}

TEST(FastRecovery, AFullAckEndsItAndDeflates) {  // RFC 6582 s.3.2, step 3
  Script::established()
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq})
      .check([](const Tcb& tcb) {
        EXPECT_FALSE(tcb.recovering);
        EXPECT_EQ(tcb.cwnd, 2000u);  // min(ssthresh, max(flight, SMSS) + SMSS)
      });
}

TEST(FastRecovery, APartialAckSendsTheNextHoleAgain) {  // RFC 6582 s.3.2, step 3
  Script::established()
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 3001_seq})  // the third segment was lost too
      .sends_full(1, 3001_seq, 1_seq)
      .check([](const Tcb& tcb) {
        EXPECT_TRUE(tcb.recovering);
        EXPECT_EQ(tcb.cwnd, 6000u);  // 8000 - 3000 + 1000
      })
      .arrives({.seq = 1_seq, .ack = 10'001_seq})
      .check([](const Tcb& tcb) { EXPECT_FALSE(tcb.recovering); });
}

TEST(FastRecovery, OnlyTheFirstPartialAckRestartsTheTimer) {  // "impatient"
  Script::established()
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .sends_full(1, 1_seq, 1_seq)
      .at(100ms)
      .arrives({.seq = 1_seq, .ack = 2001_seq})
      .sends_full(1, 2001_seq, 1_seq)
      .at(200ms)
      .arrives({.seq = 1_seq, .ack = 4001_seq})
      .sends_full(1, 4001_seq, 1_seq)
      .at(300ms)
      .check([](const Tcb& tcb) { EXPECT_FALSE(tcb.recovering); })
      .sends_full(1, 4001_seq, 1_seq);
}

TEST(FastRetransmit, IsNotRepeatedForWhatWasSentBeforeATimeout) {  // RFC 6582 s.3.2, steps 1, 4
  Script::established()
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(200ms)
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 5001_seq})  // four had arrived
      .sends_full(2, 5001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 5001_seq})
      .arrives({.seq = 1_seq, .ack = 5001_seq})
      .arrives({.seq = 1_seq, .ack = 5001_seq})
      .arrives({.seq = 1_seq, .ack = 5001_seq})
      .sends_nothing()
      .check([](const Tcb& tcb) { EXPECT_FALSE(tcb.recovering); });
}

TEST(FastRetransmit, IsRepeatedWhereWhatWasSentAgainIsLost) {  // RFC 6582 s.4.1
  Script::established()
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(200ms)
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .sends_full(2, 1001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .verdict([](const tcp::Verdict& v) { return v.fast_retransmit; })
      .sends_full(1, 1001_seq, 1_seq)
      .sends_full(3, 3001_seq, 1_seq);
}

TEST(FastRetransmit, NeedsAnAckThatCoversMoreThanRecover) {  // RFC 6582 s.3.2, step 2
  Script::established()
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .at(200ms)
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq})  // as far as was sent before the time-out
      .writes(10'000)
      .sends_full(2, 10'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq})
      .sends_full(1, 12'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq})
      .sends_full(1, 13'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq})
      .check([](const Tcb& tcb) { EXPECT_FALSE(tcb.recovering); })
      .sends_nothing();
}

TEST(FastRetransmit, HappensAgainAfterTheRecovery) {
  Script::established()
      .writes(10'000)
      .sends_full(10, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq})
      .writes(10'000)
      .sends_full(2, 10'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq})
      .sends_full(1, 12'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq})
      .sends_full(1, 13'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq})
      .verdict([](const tcp::Verdict& v) { return v.fast_retransmit; })
      .sends_full(1, 10'001_seq, 1_seq)
      .sends_full(1, 14'001_seq, 1_seq);  // cwnd 2 + 3, four in flight
}

TEST(FastRetransmit, OfAFinAlone) {
  Script::established()
      .hold()
      .writes(4000)
      .flush()
      .sends_full(4, 1_seq, 1_seq)
      .closes()
      .sends({.seq = 4001_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 4001_seq})
      .at(200ms)
      .sends({.seq = 4001_seq, .ack = 1_seq, .control = fin});
}

}  // namespace
}  // namespace pollux::test
