#include <gtest/gtest.h>

#include "raw_tcp_fixture.h"

/// The rarer ways of a connection, as its peer sees them.
namespace pollux::world {
namespace {

class States : public RawTcpPeer {
 protected:
  static constexpr application::Endpoint remote{left_address, raw_port};

  auto stream() { return *stack->stream(*app.stream); }
  /// The stack has closed first, and the raw end after it.
  void server_closes() {
    app.listen_port = port;
    app.close_when_sent = true;
    start();
    establish();
    auto heard = peer.heard();
    ASSERT_FALSE(heard.empty());
    ASSERT_TRUE(heard.back().control & control::fin);
    ack += 1;
    send(control::ack | control::fin);
    seq += 1;
    run_for(10ms);
    ASSERT_EQ(app.closed, std::vector{Cause::by_us});
    ASSERT_EQ(stack->time_wait_in_use(), 1u);
    peer.heard();
  }
  /// The SYN that the stack has sent; the raw end does not answer it.
  void hear_syn() {
    app.connect_to = {remote};
    start();
    const auto heard = peer.heard();
    ASSERT_EQ(heard.size(), 1u);
    ASSERT_EQ(heard[0].control, control::syn);
    peer.tuple().remote_port = peer.remote_port();
    ack = heard[0].seq + 1;
    seq = raw_iss;
  }
  /// Both ends have sent a SYN, and heard the other's.
  void open_from_both_sides() {
    hear_syn();
    peer.send({.seq = seq, .control = control::syn, .mss = std::uint16_t{1460}});
    run_for(10ms);
    const auto heard = peer.heard();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].control, control::syn | control::ack);
    EXPECT_EQ(heard[0].seq, ack - 1);
    EXPECT_EQ(heard[0].ack, seq + 1);
    EXPECT_EQ(app.connected, 0u);
  }
};

TEST_F(States, BothSidesOpenAtOnce) {
  open_from_both_sides();
  peer.send({.seq = seq, .control = control::syn | control::ack, .ack = ack});
  seq += 1;
  run_for(10ms);
  EXPECT_EQ(app.connected, 1u);
  send(control::ack | control::fin, text(0, 100));
  run_for(10ms);
  EXPECT_EQ(app.received, 100u);
  EXPECT_EQ(app.wrong, 0u);
  EXPECT_EQ(app.peers_ends, 1u);
}

TEST_F(States, AHalfIsClosedWhileBothSidesOpen) {
  app.close_at_peers_end = false;
  start();
  const auto opened = stack->connect(remote);
  ASSERT_TRUE(opened);
  run_for(10ms);
  auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  peer.tuple().remote_port = peer.remote_port();
  ack = heard[0].seq + 1;
  seq = raw_iss;
  peer.send({.seq = seq, .control = control::syn});
  run_for(10ms);
  stack->stream(*opened)->shutdown_send();
  run_for(10ms);
  peer.heard();
  seq += 1;
  send(control::ack);
  run_for(10ms);
  EXPECT_EQ(app.connected, 1u);
  ack += 1;  // the FIN went out when it was asked for (RFC 9293 s.3.10.4)
  send(control::ack, text(0, 500));
  run_for(300ms);
  heard = peer.heard();
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(app.received, 500u) << "the other half is open";
  EXPECT_EQ(heard.back().ack, seq + 500);
  EXPECT_EQ(heard.back().seq, ack) << "the FIN counts";
  seq += 500;
  send(control::ack | control::fin);
  run_for(10ms);
  EXPECT_EQ(app.closed, std::vector{Cause::by_us});
}

TEST_F(States, TextAfterCloseIsAnsweredByAReset) {
  app.listen_port = port;
  app.close_when_sent = true;
  start();
  establish();
  ack += 1;
  send(control::ack);
  run_for(10ms);
  peer.heard();
  send(control::ack, text(0, 10));
  run_for(10ms);
  const auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_TRUE(heard[0].control & control::rst);
  EXPECT_EQ(heard[0].seq, ack);
  EXPECT_EQ(app.closed, std::vector{Cause::aborted});
  EXPECT_EQ(stack->connections_in_use(), 0u);
  EXPECT_EQ(stack->counters()[Drop::tcp_after_close], 1u);
}

TEST_F(States, AnOrphanInFinWait2HasALimit) {
  app.listen_port = port;
  app.close_when_sent = true;
  config.tcp.fin_wait_2_timeout = 60s;
  start();
  establish();
  ack += 1;
  send(control::ack);
  run_for(59s);
  EXPECT_EQ(stack->connections_in_use(), 1u);
  run_for(2s);
  EXPECT_EQ(stack->connections_in_use(), 0u);
  EXPECT_EQ(app.closed, std::vector{Cause::timed_out});
}

TEST_F(States, WhoStillReadsHasNoLimitInFinWait2) {
  app.listen_port = port;
  config.tcp.fin_wait_2_timeout = 60s;
  start();
  establish();
  stream().shutdown_send();
  run_for(10ms);
  ack += 1;
  send(control::ack);
  run_for(10min);
  ASSERT_TRUE(app.closed.empty());
  send(control::ack | control::fin, text(0, 100));
  run_for(10ms);
  EXPECT_EQ(app.received, 100u);
  EXPECT_EQ(app.closed, std::vector{Cause::by_us});
}

TEST_F(States, AListenerEndsAndResetsWhoIsHalfOpen) {  // figure 5, LISTEN -> CLOSED
  app.listen_port = port;
  start();
  establish();
  peer.heard();
  RawTcp other{raw, right_mac, {left_address, right_address, 100, port}};
  knock(other);
  stack->unlisten(port);
  run_for(10ms);
  auto heard = other.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].control, control::rst | control::ack);
  EXPECT_EQ(heard[0].seq, other.ack);
  EXPECT_EQ(heard[0].ack, other.seq);
  EXPECT_EQ(stack->half_open_in_use(), 0u);
  other.send_next(control::ack);
  run_for(10ms);
  heard = other.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].control, control::rst);
  // Who is connected already hears nothing of it.
  send(control::ack, text(0, 1'000));
  run_for(50ms);
  heard = peer.heard();
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(heard.back().ack, seq + 1'000);
  EXPECT_EQ(app.accepted, 1u);
  EXPECT_TRUE(stack->listen(port)) << "the port is free again";
}

TEST_F(States, AHalfOpenEntryKeepsWhatItsListenerSaidThen) {
  app.listen_port = port;
  start();
  ASSERT_TRUE(stack->change_listener(port, {.limits = {.max_segment = 900}}));
  RawTcp first{raw, right_mac, {left_address, right_address, 100, port}};
  knock(first);
  ASSERT_TRUE(stack->change_listener(port, {.limits = {.max_segment = 500}}));
  first.send_next(control::ack);
  run_for(10ms);
  ASSERT_EQ(app.accepted, 1u);
  EXPECT_EQ(stream().status().max_segment, 900u);
  establish();
  EXPECT_EQ(stream().status().max_segment, 500u);
  EXPECT_FALSE(stack->change_listener(port + 1, {})) << "nobody listens there";
}

TEST_F(States, ConnectionsThatWantTooMuchOfTheirOwnAreTold) {
  app.listen_port = port;
  start();
  establish();
  for (std::uint32_t i = 1; i != pipeline::Profiles::most; ++i) {
    const auto other = static_cast<std::uint16_t>(10'000 + i);
    ASSERT_TRUE(stack->listen(other, {.limits = {.send_buffer = 1'000 + i}}));
  }
  EXPECT_FALSE(stream().options({.send_buffer = 7}));
  EXPECT_TRUE(stream().options({.send_buffer = 1'001})) << "others want the same";
  EXPECT_EQ(stream().writable(), 1'001u);
  stack->unlisten(10'002);
  EXPECT_TRUE(stream().options({.send_buffer = 7}));
  EXPECT_EQ(stream().writable(), 7u);
}

TEST_F(States, HalfOpenEntriesHaveABound) {
  app.listen_port = port;
  config.half_open = 2;
  config.tcp.syn_cookies = tcp::SynCookieUse::never;
  start();
  for (std::uint16_t i = 0; i < 3; ++i) {
    RawTcp other{raw, right_mac, {left_address, right_address, std::uint16_t(100 + i), port}};
    other.send({.seq = raw_iss, .control = control::syn});
    run_for(10ms);
    EXPECT_EQ(other.heard().size(), i < 2 ? 1u : 0u);
  }
  EXPECT_EQ(stack->counters()[Drop::tcp_half_open_full], 1u);
  EXPECT_EQ(stack->half_open_in_use(), 2u);
  run_for(5min);
  EXPECT_EQ(stack->half_open_in_use(), 0u);
  establish();
}

TEST_F(States, ASynReopensTheServersTimeWait) {
  server_closes();
  const wire::SeqNum old_end = ack;
  peer.send({.seq = seq + 1000, .control = control::syn});
  run_for(10ms);
  const auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].control, control::syn | control::ack);
  EXPECT_LT(old_end, heard[0].seq);
  EXPECT_EQ(stack->time_wait_in_use(), 0u);
  EXPECT_EQ(stack->counters()[Event::tcp_time_wait_reused], 1u);
  ack = heard[0].seq + 1;
  seq += 1001;
  send(control::ack);
  run_for(10ms);
  EXPECT_EQ(app.accepted, 2u);
}

TEST_F(States, AnOldSynIsChallengedAndTheExactResetEndsTimeWait) {
  server_closes();
  const wire::SeqNum low = seq - 50;
  peer.send({.seq = low, .control = control::syn});
  run_for(10ms);
  auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].control, control::ack);
  EXPECT_EQ(heard[0].ack, seq);
  // What a peer in SYN-SENT answers to such an ACK; one that misses is ignored.
  peer.send({.seq = seq + 1, .control = control::rst});
  run_for(10ms);
  EXPECT_EQ(stack->time_wait_in_use(), 1u);
  peer.send({.seq = heard[0].ack, .control = control::rst});
  run_for(10ms);
  EXPECT_EQ(stack->time_wait_in_use(), 0u);
  peer.send({.seq = low, .control = control::syn});
  run_for(10ms);
  heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].control, control::syn | control::ack);
  EXPECT_EQ(heard[0].ack, low + 1);
}

TEST_F(States, CloseInLastAckLosesNothingThatIsOnItsWay) {  // RFC 9293 s.3.10.4
  app.connect_to = {remote};
  app.read_at_most = 1;
  app.read_every = 1h;
  start();
  answer();
  send(control::ack | control::fin, text(0, 50));
  run_for(100ms);
  const auto bytes = text(0, 100);
  ASSERT_TRUE(stream().send({bytes.data(), 100}));
  stream().shutdown_send();
  run_for(20ms);
  peer.heard();
  stream().close();  // 49 bytes are unread
  run_for(1s);
  const auto heard = peer.heard();
  ASSERT_FALSE(heard.empty()) << "text and FIN come again";
  EXPECT_EQ(heard[0].text.size(), 100u);
  EXPECT_TRUE(heard[0].control & control::fin);
  EXPECT_TRUE(app.closed.empty());
  seq += 51;
  ack += 101;
  send(control::ack);
  run_for(10ms);
  EXPECT_EQ(app.closed, std::vector{Cause::by_peer});
  EXPECT_EQ(stack->connections_in_use(), 0u);
}

TEST_F(States, AListenersConnectionsBeginWithItsOptions) {
  start();
  ASSERT_TRUE(stack->listen(port, {.nagle = false}).ok());
  ASSERT_TRUE(stack->listen(port + 1).ok());
  const auto bytes = text(0, 20);
  for (const bool nagle : {false, true}) {
    RawTcp other{raw,
                 right_mac,
                 {left_address, right_address, raw_port, std::uint16_t(nagle ? port + 1 : port)}};
    establish(other);
    ASSERT_TRUE(stream().send({bytes.data(), 10}));
    run_for(5ms);
    ASSERT_TRUE(stream().send({bytes.data() + 10, 10}));
    run_for(5ms);
    EXPECT_EQ(other.heard().size(), nagle ? 1u : 2u);
  }
}

}  // namespace
}  // namespace pollux::world
