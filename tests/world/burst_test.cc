#include <gtest/gtest.h>

#include "raw_tcp_fixture.h"

namespace pollux::world {
namespace {

using Burst = RawTcpPeer;

TEST_F(Burst, ASegmentThatCameInFragmentsIsDelivered) {
  app.listen_port = port;
  app.close_at_peers_end = true;
  start();
  establish();
  const auto whole = peer.bytes(
      {.seq = seq, .control = control::ack | control::fin, .ack = ack, .text = text(0, 20'000)});
  for (std::size_t at = 0; at < whole.size(); at += 1480) peer.send_fragment(whole, at, 1480);
  run_for(100ms);
  EXPECT_EQ(app.received, 20'000u);
  EXPECT_EQ(app.wrong, 0u);
  EXPECT_EQ(app.peers_ends, 1u);
  const auto heard = peer.heard();
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(heard.back().ack, seq + 20'001);
}

TEST_F(Burst, ALargeSegmentAndAFullBurstArriveInOnePoll) {
  app.listen_port = port;
  config.tcp.receive_buffer = 1 << 20;
  config.tcp.offer_window_scale = false;
  start();
  establish();
  // The largest segment that fits the window, all but its last fragment; then that one and 63
  // ordinary segments of the same burst.
  const std::size_t large = 62'000;
  const auto whole =
      peer.bytes({.seq = seq, .control = control::ack, .ack = ack, .text = text(0, large)});
  std::size_t at = 0;
  for (; at + 1480 < whole.size(); at += 1480) peer.send_fragment(whole, at, 1480);
  run_for(10ms);
  ASSERT_EQ(app.received, 0u);
  peer.send_fragment(whole, at, 1480);
  for (std::size_t i = 0; i < 63; ++i) {
    peer.send({.seq = seq + static_cast<std::uint32_t>(large + 50 * i),
               .control = control::ack,
               .ack = ack,
               .text = text(large + 50 * i, 50)});
  }
  run_for(100ms);
  EXPECT_EQ(app.received, large + 63u * 50);
  EXPECT_EQ(app.wrong, 0u);
  EXPECT_EQ(stack->counters()[Event::tcp_out_of_order], 0u) << "none overtakes the last fragment";
}

/// Segments in one burst, each from where the one before ends.
class InOrderBurst : public RawTcpPeer {
 protected:
  std::vector<RawSegment> answers_to(std::uint32_t n, std::uint32_t size,
                                     std::uint8_t bits = control::ack) {
    for (std::uint32_t i = 0; i < n; ++i) {
      peer.send({.seq = seq + size * i,
                 .control = bits,
                 .ack = ack,
                 .text = text(std::size_t{size} * i, size)});
    }
    run_for(10ms);
    return peer.heard();
  }
};

TEST_F(InOrderBurst, IsReadWholeAndAcknowledgedOnce) {
  app.listen_port = port;
  start();
  establish();
  for (const std::uint32_t size : {100u, 1460u}) {
    const std::uint32_t before = app.received;
    seq += before == 0 ? 0 : 4'000;
    for (std::uint32_t i = 0; i < 40; ++i) {
      peer.send({.seq = seq + size * i,
                 .control = std::uint8_t(control::ack | (i % 10 == 9 ? control::psh : 0)),
                 .ack = ack,
                 .text = text(before + std::size_t{size} * i, size)});
    }
    run_for(10ms);
    EXPECT_EQ(app.received, before + 40 * size);
    EXPECT_EQ(app.wrong, 0u);
    const auto heard = peer.heard();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].ack, seq + 40 * size);
  }
  EXPECT_EQ(stack->counters()[Event::tcp_segments_received], 82u);
}

TEST_F(InOrderBurst, BeyondTheWindowIsNotTaken) {  // RFC 9293 s.3.8.6
  app.listen_port = port;
  app.read_at_most = 1;
  app.read_every = 1h;
  config.tcp.receive_buffer = 10'000;
  config.tcp.offer_window_scale = false;
  start();
  establish();
  const auto heard = answers_to(10, 1460);
  ASSERT_FALSE(heard.empty());
  const auto taken = static_cast<std::uint32_t>(heard.back().ack - seq);
  EXPECT_GE(taken, 6u * 1460);
  EXPECT_LE(taken, 10'000u);
  EXPECT_EQ(taken + heard.back().window, 10'000u) << "the edge has not moved";
}

TEST_F(InOrderBurst, TwoSmallSegmentsAreStillTwo) {  // RFC 9293 s.3.8.6.3
  app.listen_port = port;
  config.tcp.delayed_ack = 200ms;
  start();
  establish();
  EXPECT_EQ(answers_to(2, 50).size(), 1u) << "of two segments one ACK, at once";
}

TEST_F(InOrderBurst, WhatFillsAGapTellsOfWhatWasPastIt) {
  app.listen_port = port;
  start();
  establish();
  peer.send(
      {.seq = seq + 4 * 1000, .control = control::ack, .ack = ack, .text = text(4'000, 1000)});
  run_for(10ms);
  peer.heard();
  const auto heard = answers_to(5, 1000);  // the last of which has come before
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(heard.back().ack, seq + 5'000);
  EXPECT_EQ(app.received, 5'000u);
  EXPECT_EQ(app.wrong, 0u);
}

/// Of the first `n` segments of 100 bytes those for which sent(i), in one burst.
class OutOfOrderBurst : public RawTcpPeer {
 protected:
  template <class Sent>
  std::vector<RawSegment> answers_to(std::uint32_t n, Sent&& sent) {
    for (std::uint32_t i = 0; i < n; ++i) {
      if (!sent(i)) continue;
      peer.send({.seq = seq + 100 * i,
                 .control = control::ack,
                 .ack = ack,
                 .text = text(std::size_t{100} * i, 100)});
    }
    run_for(10ms);
    return peer.heard();
  }
};

TEST_F(OutOfOrderBurst, EachSegmentPastAGapIsAcknowledged) {
  app.listen_port = port;
  start();
  establish();
  const auto heard = answers_to(10, [](std::uint32_t i) { return i != 0; });
  ASSERT_EQ(heard.size(), 9u) << "RFC 5681 s.4.2";
  for (const RawSegment& segment : heard) {
    EXPECT_EQ(segment.control, control::ack);
    EXPECT_EQ(segment.seq, ack);
    EXPECT_EQ(segment.ack, seq);
    EXPECT_EQ(segment.window, heard[0].window) << "or they are no duplicates (RFC 5681 s.2)";
  }
  send(control::ack, text(0, 100));
  run_for(100ms);
  EXPECT_EQ(app.received, 1000u);
  EXPECT_EQ(app.wrong, 0u);
}

TEST_F(OutOfOrderBurst, ADuplicateIsToldOfOnce) {  // RFC 2883 s.4
  app.listen_port = port;
  start();
  offers_sack = true;
  establish();
  answers_to(6, [](std::uint32_t i) { return i != 0; });
  const auto heard = answers_to(9, [](std::uint32_t i) { return i == 2 || i >= 6; });
  ASSERT_EQ(heard.size(), 4u);
  std::size_t reports = 0;
  for (const RawSegment& segment : heard) {
    ASSERT_FALSE(segment.sack.empty());
    if (segment.sack[0].left == seq + 200 && segment.sack[0].right == seq + 300) ++reports;
    EXPECT_EQ(segment.sack.back().left, seq + 100);
    EXPECT_EQ(segment.sack.back().right, seq + 900);
  }
  EXPECT_EQ(reports, 1u);
}

TEST_F(OutOfOrderBurst, WhatCameInOrderBeforeIsAcknowledgedApart) {
  app.listen_port = port;
  start();
  establish();
  const auto heard = answers_to(6, [](std::uint32_t i) { return i != 2; });
  ASSERT_EQ(heard.size(), 4u) << "one new, three duplicates";
  for (const RawSegment& segment : heard) EXPECT_EQ(segment.ack, seq + 200);
}

TEST_F(OutOfOrderBurst, AGapThatIsFilledInTheSameBurstIsNone) {
  app.listen_port = port;
  start();
  establish();
  for (std::uint32_t i = 5; i-- > 0;) {
    peer.send({.seq = seq + 100 * i,
               .control = control::ack,
               .ack = ack,
               .text = text(std::size_t{100} * i, 100)});
  }
  run_for(10ms);
  const auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].ack, seq + 500);
}

TEST_F(OutOfOrderBurst, InOrderABurstIsAcknowledgedOnce) {
  app.listen_port = port;
  start();
  establish();
  const auto heard = answers_to(10, [](std::uint32_t) { return true; });
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].ack, seq + 1000);
}

TEST_F(OutOfOrderBurst, DuplicateAcksGoBeforeText) {
  app.listen_port = port;
  app.send_bytes = 100'000;
  start();
  establish();
  peer.heard();
  // The ACK of all that is in flight comes with them, and lets more text out.
  ack += 10 * 1460;
  const auto heard = answers_to(4, [](std::uint32_t i) { return i != 0; });
  std::uint32_t duplicates = 0;
  for (const RawSegment& segment : heard) {
    if (segment.text.empty() && segment.ack == seq) ++duplicates;
  }
  EXPECT_GE(duplicates, 2u);
  EXPECT_GT(heard.size(), duplicates);
}

}  // namespace
}  // namespace pollux::world
