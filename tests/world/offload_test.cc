#include <gtest/gtest.h>

#include "raw_tcp_fixture.h"

/// Cards that cut what is sent into segments, and merge those that come.
namespace pollux::world {
namespace {

class Cutting : public RawTcpPeer {
 protected:
  void SetUp() override {
    device.options().offload = sim::Offload::honest;
    device.options().cuts_up_to = 65'535;
    app.connect_to = {{left_address, raw_port}};
    app.send_bytes = 7 * 1460;
  }
  /// What has come is text from `from` on, in segments of at most `most`, to its end.
  void expect_text(std::size_t from, std::size_t most) {
    for (const RawSegment& segment : peer.heard()) {
      EXPECT_EQ(segment.seq, ack + static_cast<std::uint32_t>(from));
      EXPECT_LE(segment.text.size(), most);
      EXPECT_EQ(segment.text, text(from, segment.text.size()));
      from += segment.text.size();
      EXPECT_EQ((segment.control & control::psh) != 0, from == app.send_bytes);
    }
    EXPECT_EQ(from, app.send_bytes);
  }
};

TEST_F(Cutting, SegmentsThatADeviceCutsAreThoseThatItWasGiven) {
  start();
  answer();
  expect_text(0, 1460);
  const Counters& counters = stack->counters();
  EXPECT_EQ(counters[Event::tcp_uncut_sent], 1u);
  EXPECT_EQ(counters[Event::tcp_segments_sent], 1u + 7u);
  EXPECT_EQ(device.counts().sent, counters[Event::frames_sent]);
}

TEST_F(Cutting, APacketWaitsForItsNeighbourLikeAnyOther) {
  config.neighbors = 8;
  start();
  answer();
  expect_text(0, 1460);
  EXPECT_EQ(stack->counters()[Event::tcp_retransmitted], 0u);
}

TEST_F(Cutting, AShortConnectionsPacketsAreNotTouched) {
  app.send_bytes = 100;
  start();
  answer();
  expect_text(0, 1460);
  EXPECT_EQ(stack->counters()[Event::tcp_uncut_sent], 0u);
}

TEST_F(Cutting, WithoutBuffersForAllOfItNothingLeavesAndTcpMendsIt) {
  device.options().frames = 3;
  start();
  answer();
  run_for(1min);
  EXPECT_GE(stack->counters()[SendDrop::no_buffer], 1u);
  EXPECT_GE(stack->counters()[Event::tcp_retransmitted], 1u);
  const auto heard = peer.heard();
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(heard[0].text, text(0, 1460));
}

class Merging : public RawTcpPeer {
 protected:
  void SetUp() override {
    device.options().offload = sim::Offload::honest;
    device.options().merges_up_to = 65'535;
    device.options().mtu = 576;  // so that three segments fit a frame
    config.tcp.delayed_ack = 200ms;
    app.listen_port = port;
    start();
    establish();
  }
  /// Three full segments in one burst, from the offset on.
  void send_three(std::uint32_t offset) {
    for (std::uint32_t i = 0; i < 3; ++i) {
      peer.send({.seq = seq + offset + 536 * i,
                 .control = control::ack,
                 .ack = ack,
                 .text = text(offset + 536 * i, 536)});
    }
    run_for(10ms);
  }
};

TEST_F(Merging, WhatIsLongerThanASegmentIsReadAndAcknowledgedAtOnce) {  // RFC 9293 s.3.8.6.3
  send_three(0);
  EXPECT_EQ(stack->counters()[Event::tcp_merged_received], 1u);
  EXPECT_EQ(stack->counters()[Drop::tcp_bad_checksum], 0u) << "it has none";
  EXPECT_EQ(app.received, 3u * 536);
  EXPECT_EQ(app.wrong, 0u);
  const auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].ack, seq + 3 * 536);
}

TEST_F(Merging, WhatLiesPastAGapCountsAsTheSegmentsThatItWas) {  // RFC 5681 s.4.2
  send_three(536);
  EXPECT_EQ(stack->counters()[Event::tcp_merged_received], 1u);
  EXPECT_EQ(peer.heard().size(), 3u) << "or a peer without SACK never counts three";
  send(control::ack, text(0, 536));
  run_for(10ms);
  EXPECT_EQ(app.received, 4u * 536);
  EXPECT_EQ(app.wrong, 0u);
}

TEST_F(Merging, WhatIsSpoiltIsNotMerged) {
  cable.there.options().corrupt = 1;
  send_three(0);
  EXPECT_EQ(app.received, 0u);
  cable.there.options().corrupt = 0;
  send_three(0);
  EXPECT_EQ(app.received, 3u * 536);
  EXPECT_EQ(app.wrong, 0u);
}

TEST_F(Merging, ACardThatHasLiedIsNotBelievedAboutWhatHasNoChecksum) {
  device.options().offload = sim::Offload::lies_always_good;
  cable.there.options().corrupt = 1;
  send_three(0);
  cable.there.options().corrupt = 0;
  ASSERT_GE(stack->counters()[Event::checksum_offload_lies], 1u);
  const std::uint64_t before = stack->counters()[Drop::tcp_bad_checksum];
  device.options().offload = sim::Offload::honest;
  send_three(0);
  EXPECT_EQ(stack->counters()[Event::tcp_merged_received], 0u);
  EXPECT_EQ(stack->counters()[Drop::tcp_bad_checksum], before + 1) << "all three as one";
  EXPECT_EQ(app.received, 0u);
}

}  // namespace
}  // namespace pollux::world
