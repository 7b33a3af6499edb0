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
}

}  // namespace
}  // namespace pollux::world
