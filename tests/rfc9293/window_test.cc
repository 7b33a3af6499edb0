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

TEST(SendWindow, IsAnUnsignedNumber) {  // MUST-1
  tcp::Config config;
  config.initial_window = 100;
  Script::established({.config = config, .peer_window = 65'000})
      .writes(100'000)
      .sends_full(65, 1_seq, 1_seq);
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

TEST(SendWindow, ThatShrinksLimitsRetransmission) {  // SHLD-16, MUST-34
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

// --- silly windows, the sender's side, s.3.8.6.2.1 ---

TEST(SenderSws, ASmallPartOfALargeWindowIsNotUsed) {  // MUST-38, SHLD-28
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

TEST(SenderSws, HalfOfTheLargestWindowIsWorthASegment) {  // (3), MUST-38
  Script::established({.peer_window = 800})
      .writes(5000)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 800})
      .arrives({.seq = 1_seq, .ack = 801_seq, .window = 399})
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 801_seq, .window = 400})
      .sends({.seq = 801_seq, .ack = 1_seq, .text = 400});
}

TEST(SenderSws, AllThatIsQueuedIsWorthASegment) {  // (2), MUST-38
  Script::established({.peer_window = 10'000})
      .writes(10'500)
      .sends_full(10, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 10'001_seq, .window = 499})
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 10'001_seq, .window = 500})
      .sends({.seq = 10'001_seq, .ack = 1_seq, .text = 500});
}

TEST(SenderSws, IsOverriddenAfterAWhile) {  // (4), MUST-38
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

TEST(ReceiverSws, HalfOfASmallBufferIsEnough) {  // MUST-39
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

TEST(ReceiveWindow, OfATinyBufferOpensAgain) {  // RFC 7323 s.2.3
  tcp::Config config;
  config.receive_buffer = 100;
  Script::established({.config = config, .peer_scale = 0})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 96})
      .reads(96)
      .sends({.seq = 1_seq, .ack = 97_seq, .window = 3})
      .check([](const Tcb& tcb) {
        EXPECT_LT(1u << tcb.rcv_shift, 100u);
        EXPECT_GE(tcb.rcv_wnd(), 50u);
      });
}

}  // namespace
}  // namespace pollux::test
