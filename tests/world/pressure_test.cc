#include <gtest/gtest.h>

#include <deque>

#include "raw_tcp_fixture.h"
#include "wire/icmp.h"

/// What happens when the memory that all connections share runs short.
namespace pollux::world {
namespace {

/// A stack with few receive pieces, whose application reads one byte of each connection.
class Pressure : public RawTcpPeer {
 protected:
  static constexpr std::size_t size = 300;  // of a segment's text: each takes a piece of its own
  std::deque<RawTcp> greedy;

  void start_with(std::uint32_t pieces) {
    app.listen_port = port;
    app.read_at_most = 1;
    app.read_every = 1h;
    config.receive_pieces = pieces;
    start();
  }
  RawTcp& another() {
    const auto number = static_cast<std::uint16_t>(6000 + greedy.size());
    return greedy.emplace_back(raw, right_mac,
                               wire::FourTuple{left_address, right_address, number, port});
  }
  /// In-order segments of text; returns how many of them the stack has acknowledged.
  std::uint32_t say(RawTcp& from, std::uint32_t segments) {
    from.heard();
    const wire::SeqNum first = from.seq;
    for (std::uint32_t i = 0; i < segments; ++i) {
      from.send_next(control::ack, text(0, size));
      from.seq += static_cast<std::uint32_t>(size);
    }
    run_for(100ms);
    wire::SeqNum taken = first;
    for (const RawSegment& segment : from.heard()) taken = max(taken, segment.ack);
    from.seq = taken;
    return static_cast<std::uint32_t>(taken - first) / size;
  }
};

TEST_F(Pressure, AHandshakeCompletesThoughThereIsNoRoomForItsText) {
  start_with(4);
  RawTcp& first = another();
  establish(first);
  EXPECT_EQ(say(first, 2), 2u);
  for (int i = 0; i < 2; ++i) {
    RawTcp& other = another();
    establish(other);
    EXPECT_EQ(say(other, 1), 1u);
  }

  knock(peer);
  send(control::ack, text(0, size));
  run_for(10ms);
  EXPECT_EQ(app.accepted, 4u);
  const auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u) << "what was refused is acknowledged at once";
  EXPECT_EQ(heard[0].ack, seq);
  EXPECT_EQ(stack->counters()[Drop::tcp_no_buffer], 1u);
  // It goes its way like any other.
  first.send_next(control::rst);
  run_for(10ms);
  EXPECT_EQ(say(peer, 1), 1u);
}

TEST_F(Pressure, AFinBehindRefusedTextIsNotTaken) {
  start_with(1);
  RawTcp& first = another();
  establish(first);
  say(first, 1);
  establish();
  send(control::ack | control::fin, text(0, size));
  run_for(10ms);
  EXPECT_EQ(app.peers_ends, 0u);
  const auto heard = peer.heard();
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(heard.back().ack, seq);
}

TEST_F(Pressure, TheAckOfARefusedSegmentCounts) {
  app.send_bytes = 1000;
  start_with(1);
  RawTcp& first = another();
  establish(first);
  say(first, 1);
  establish();
  ack += 1000;
  send(control::ack, text(0, size));
  run_for(5s);
  const auto heard = peer.heard();
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(heard.back().ack, seq);
  EXPECT_TRUE(heard.back().text.empty()) << "nothing is sent again";
}

TEST_F(Pressure, RefusedSegmentsAreNoDuplicateAcks) {
  app.send_bytes = 1000;
  start_with(1);
  RawTcp& first = another();
  establish(first);
  first.ack += 1000;
  say(first, 1);
  establish();
  for (int i = 0; i < 4; ++i) send(control::ack, text(0, size));
  run_for(50ms);
  EXPECT_EQ(stack->counters()[Drop::tcp_no_buffer], 4u);
  EXPECT_EQ(stack->counters()[Event::tcp_fast_retransmits], 0u);
}

TEST_F(Pressure, ReadersWhoDoNotReadLeaveRoomForOthers) {
  start_with(128);
  for (int i = 0; i < 30; ++i) {
    RawTcp& from = another();
    establish(from);
    EXPECT_GE(say(from, 32), 1u) << "connection " << i;
  }
  establish();
  EXPECT_GE(say(peer, 1), 1u);
  EXPECT_GT(stack->counters()[Drop::tcp_no_buffer], 0u);
}

TEST_F(Pressure, PeersWhoDoNotAcknowledgeLeavePacketsForOthers) {
  app.send_bytes = 200'000;
  app.send_copies = true;
  config.owned_packets = 64;
  start_with(128);
  for (int i = 0; i < 10; ++i) {
    RawTcp& from = another();
    establish(from);
    const auto heard = from.heard();
    ASSERT_FALSE(heard.empty()) << "connection " << i;
    EXPECT_FALSE(heard[0].text.empty());
  }
  const std::uint64_t polls = world.polls();
  run_for(10s);
  EXPECT_LT(world.polls() - polls, 1000u) << "who has had its share waits for an ACK";
  // One that acknowledges goes on.
  RawTcp& reader = greedy.front();
  const wire::SeqNum all = reader.ack + app.send_bytes;
  for (int i = 0; i < 500 && reader.ack != all; ++i) {
    for (const RawSegment& segment : reader.heard()) {
      const auto end = segment.seq + static_cast<std::uint32_t>(segment.text.size());
      if (segment.seq <= reader.ack) reader.ack = max(reader.ack, end);
    }
    reader.send_next(control::ack);
    run_for(100ms);
  }
  EXPECT_EQ(reader.ack, all);
}

TEST_F(Pressure, OneConnectionMayUseHalfOfAll) {
  start_with(128);
  RawTcp& from = another();
  establish(from);
  EXPECT_GE(say(from, 60), 60u);
}

TEST_F(Pressure, AGapIsFilledThoughItsOwnerHoldsMuch) {
  start_with(64);
  app.read_at_most = 0;
  establish();
  // 40 segments past a gap, more than the share of a connection that is behind.
  for (std::uint32_t i = 1; i <= 40; ++i) {
    const std::size_t at = i * size;
    peer.send({.seq = seq + static_cast<std::uint32_t>(at),
               .control = control::ack,
               .ack = ack,
               .text = text(at, size)});
  }
  run_for(10ms);
  send(control::ack, text(0, size));
  run_for(10ms);
  EXPECT_EQ(app.received, 41u * size);
  EXPECT_EQ(app.wrong, 0u);
}

/// The same where it is the device's pool that runs short: it has 256 buffers, and too few of them
/// are left below 128.
class FewBuffers : public Pressure {
 protected:
  void start_with_few(std::uint32_t bytes_to_send = 0) {
    device.options().frames = 256;
    config.few_buffers = 128;
    config.owned_packets = 4'096;
    app.send_bytes = bytes_to_send;
    app.send_copies = true;
    start_with(4'096);
  }
  void establish_greedy(int count) {
    for (int i = 0; i < count; ++i) establish(another());
  }
  std::size_t spare() const { return device.spare_buffers(); }
  /// Whether a SYN is answered.
  bool welcomes(RawTcp& newcomer) {
    newcomer.seq = raw_iss;
    newcomer.send({.seq = newcomer.seq, .control = control::syn, .mss = std::uint16_t{1460}});
    run_for(10ms);
    return !newcomer.heard().empty();
  }
  /// Whether the stack answers a ping within 100 ms; on this cable the way and back take two.
  bool answers_ping() {
    std::vector<std::byte> message(wire::IcmpView::header_size + 56);
    wire::IcmpFields::echo_request(1, 1).write(message);
    wire::Ipv4Fields ip;
    ip.protocol = wire::protocol::icmp;
    ip.destination = right_address;
    raw.send(right_mac, ip, message);
    const std::uint64_t before = stack->counters()[Event::icmp_echoes_answered];
    raw.datagrams.clear();
    run_for(100ms);
    const auto echo = std::find_if(raw.datagrams.begin(), raw.datagrams.end(), [](const auto& d) {
      return d.size() >= 20 && d[9] == std::byte{wire::protocol::icmp};
    });
    return stack->counters()[Event::icmp_echoes_answered] == before + 1 &&
           echo != raw.datagrams.end();
  }
};

TEST_F(FewBuffers, SynsAreShedAndTheEstablishedGoOn) {
  start_with_few();
  establish();
  establish_greedy(4);
  for (RawTcp& each : greedy) say(each, 40);
  ASSERT_LT(spare(), 128u);

  RawTcp& newcomer = another();
  EXPECT_FALSE(welcomes(newcomer));
  EXPECT_EQ(stack->counters()[Drop::tcp_syn_shed], 1u);
  app.read_at_most = 0;  // of those who have not begun to read
  for (int i = 0; i < 20; ++i) EXPECT_EQ(say(peer, 4), 4u);
  EXPECT_TRUE(answers_ping());

  greedy[0].send_next(control::rst);
  greedy[1].send_next(control::rst);
  run_for(10ms);
  EXPECT_TRUE(welcomes(newcomer));
}

TEST_F(FewBuffers, CookiesAreNoWayAround) {
  config.tcp.syn_cookies = tcp::SynCookieUse::always;
  start_with_few();
  establish_greedy(4);
  for (RawTcp& each : greedy) say(each, 40);
  EXPECT_FALSE(welcomes(another()));
  EXPECT_EQ(stack->counters()[Drop::tcp_syn_shed], 1u);
}

TEST_F(FewBuffers, TextLeavesSomeForTheControlSide) {
  start_with_few();
  establish_greedy(60);
  for (std::size_t i = 0; i < greedy.size(); ++i) say(greedy[i], i < 4 ? 45 : 2);
  EXPECT_GT(stack->counters()[Drop::tcp_no_buffer], 0u);
  EXPECT_LT(spare(), 64u) << "each who had nothing could say something";
  EXPECT_GE(spare(), 30u);
  EXPECT_EQ(device.counts().receive_no_frame, 0u);
  EXPECT_EQ(device.counts().allocate_failed, 0u);
  EXPECT_TRUE(answers_ping());
  EXPECT_EQ(stack->counters()[Event::tcp_aborted], 0u);
}

TEST_F(FewBuffers, WritersLeaveSomeForTheControlSide) {
  config.tcp.send_buffer = 1'000'000;
  start_with_few(1'000'000);
  establish_greedy(1);
  EXPECT_LT(spare(), 128u);
  EXPECT_GE(spare(), 60u);
  EXPECT_EQ(device.counts().allocate_failed, 0u);
  EXPECT_TRUE(answers_ping());
}

}  // namespace
}  // namespace pollux::world
