#include <gtest/gtest.h>

#include "raw_tcp_fixture.h"

/// SYN cookies (RFC 4987 s.3.6) as a peer sees them.
namespace pollux::world {
namespace {

class Cookies : public RawTcpPeer {
 protected:
  Cookies() {
    app.listen_port = port;
    config.tcp.syn_cookies = tcp::SynCookieUse::always;
  }
  RawSegment modern_syn(std::uint32_t stamp = 77) const {
    return {.seq = seq,
            .control = control::syn,
            .mss = std::uint16_t{1460},
            .timestamps = wire::Timestamps{.value = stamp},
            .window_scale = std::uint8_t{3},
            .sack_permitted = true};
  }
  /// What answers the SYN, which nothing is kept of.
  RawSegment ask(const RawSegment& syn) {
    seq = syn.seq;
    peer.send(syn);
    run_for(10ms);
    const auto heard = peer.heard();
    EXPECT_EQ(heard.size(), 1u);
    if (heard.empty()) return {};
    EXPECT_EQ(heard[0].control, control::syn | control::ack);
    EXPECT_EQ(heard[0].ack, seq + 1);
    EXPECT_EQ(stack->half_open_in_use(), 0u);
    seq += 1;
    ack = heard[0].seq + 1;
    return heard[0];
  }
  std::uint64_t count(Event event) const { return stack->counters()[event]; }
};

TEST_F(Cookies, TextAndFinMayComeWithTheAck) {
  app.send_bytes = 5'000;
  app.close_at_peers_end = false;
  start();
  const RawSegment answer = ask(modern_syn());
  ASSERT_TRUE(answer.timestamps);
  EXPECT_EQ(answer.timestamps->echo, 77u);
  EXPECT_TRUE(answer.window_scale);
  EXPECT_TRUE(answer.sack_permitted);
  peer.send({.seq = seq,
             .control = control::ack | control::fin,
             .ack = ack,
             .window = 1'000,
             .text = text(0, 100),
             .timestamps = wire::Timestamps{87, answer.timestamps->value}});
  seq += 101;
  run_for(10ms);
  EXPECT_EQ(app.accepted, 1u);
  EXPECT_EQ(app.received, 100u);
  EXPECT_EQ(app.wrong, 0u);
  EXPECT_EQ(app.peers_ends, 1u);
  EXPECT_EQ(count(Event::tcp_syn_cookies_sent), 1u);
  EXPECT_EQ(count(Event::tcp_syn_cookies_accepted), 1u);
  const auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 3u) << "full segments, into a window of 1,000 * 8";
  std::uint32_t latest = answer.timestamps->value;
  for (const RawSegment& segment : heard) {
    EXPECT_EQ(segment.ack, seq);
    EXPECT_EQ(segment.text.size(), 1'448u);
    ASSERT_TRUE(segment.timestamps);
    EXPECT_EQ(segment.timestamps->echo, 87u);
    EXPECT_GE(static_cast<std::int32_t>(segment.timestamps->value - latest), 0);
    latest = segment.timestamps->value;
  }
}

TEST_F(Cookies, OurSynIsNotRepeatedButThePeersIsAnsweredAgain) {
  start();
  const RawSegment first = ask(modern_syn());
  run_for(10s);
  EXPECT_TRUE(peer.heard().empty());
  seq = seq - 1;
  const RawSegment again = ask(modern_syn());
  EXPECT_EQ(again.seq, first.seq) << "in the same period";
  ASSERT_TRUE(again.timestamps);
  peer.send({.seq = seq,
             .control = control::ack,
             .ack = ack,
             .timestamps = wire::Timestamps{87, again.timestamps->value}});
  run_for(10ms);
  EXPECT_EQ(app.accepted, 1u);
}

TEST_F(Cookies, AnAckThatBringsNoneBackIsReset) {
  start();
  ask({.seq = raw_iss, .control = control::syn});
  peer.send({.seq = seq, .control = control::ack, .ack = ack + 1});
  run_for(10ms);
  auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].control, control::rst);
  EXPECT_EQ(heard[0].seq, ack + 1);
  EXPECT_EQ(count(Event::tcp_syn_cookies_refused), 1u);
  // A SYN,ACK is none, whatever it acknowledges.
  peer.send({.seq = seq, .control = control::syn | control::ack, .ack = ack});
  run_for(10ms);
  heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].control, control::rst);
  EXPECT_EQ(app.accepted, 0u);
  // One that is too late.
  run_for(129s);
  send(control::ack);
  run_for(10ms);
  heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].control, control::rst);
  EXPECT_EQ(count(Event::tcp_syn_cookies_refused), 1u) << "none is awaited any more";
}

TEST_F(Cookies, TextThatOvertakesTheAckIsDroppedAndNotReset) {
  start();
  ask({.seq = raw_iss, .control = control::syn});
  peer.send({.seq = seq + 50, .control = control::ack, .ack = ack, .text = text(50, 50)});
  run_for(10ms);
  EXPECT_TRUE(peer.heard().empty());
  EXPECT_EQ(stack->counters()[Drop::tcp_bad_sequence], 1u);
  send(control::ack, text(0, 50));
  peer.send({.seq = seq + 50, .control = control::ack, .ack = ack, .text = text(50, 50)});
  run_for(10ms);
  EXPECT_EQ(app.accepted, 1u);
  EXPECT_EQ(app.received, 100u);
  EXPECT_EQ(app.wrong, 0u);
}

TEST_F(Cookies, OneIsGoodAlthoughTheSynMadeAnEntryWhenItCameAgain) {
  config.tcp.syn_cookies = tcp::SynCookieUse::automatic;
  config.half_open = 1;
  start();
  RawTcp other{raw, right_mac, {left_address, right_address, 5001, port}};
  other.send({.seq = raw_iss, .control = control::syn});
  run_for(10ms);
  other.heard();
  peer.send(modern_syn());
  run_for(10ms);
  const auto by_cookie = peer.heard();
  ASSERT_EQ(by_cookie.size(), 1u);
  other.send({.seq = raw_iss + 1, .control = control::rst});
  peer.send(modern_syn(1'077));
  run_for(10ms);
  const auto by_entry = peer.heard();
  ASSERT_EQ(by_entry.size(), 1u);
  ASSERT_EQ(stack->half_open_in_use(), 1u);
  ASSERT_NE(by_cookie[0].seq, by_entry[0].seq);
  peer.send({.seq = seq + 1,
             .control = control::ack,
             .ack = by_cookie[0].seq + 1,
             .timestamps = wire::Timestamps{1'087, by_cookie[0].timestamps->value}});
  run_for(10ms);
  EXPECT_TRUE(peer.heard().empty());
  EXPECT_EQ(app.accepted, 1u);
  EXPECT_EQ(stack->half_open_in_use(), 0u);
}

TEST_F(Cookies, WhatFollowsAResetDoesNotReopenWithOtherOptions) {
  start();
  RawSegment syn = modern_syn();
  syn.window_scale.reset();
  const RawSegment answer = ask(syn);
  ASSERT_TRUE(answer.timestamps);
  const wire::Timestamps echoes_syn{87, answer.timestamps->value};
  peer.send({.seq = seq, .control = control::ack, .ack = ack, .timestamps = echoes_syn});
  peer.send({.seq = seq, .control = control::rst});
  run_for(10ms);
  EXPECT_EQ(app.accepted, 1u);
  EXPECT_EQ(stack->connections_in_use(), 0u);
  // The next 16 timestamps say each window scale, and none.
  for (std::uint32_t later = 1; later < 16; ++later) {
    peer.send({.seq = seq,
               .control = control::ack,
               .ack = ack,
               .timestamps = wire::Timestamps{97, answer.timestamps->value + later}});
  }
  run_for(10ms);
  EXPECT_EQ(app.accepted, 1u);
  EXPECT_EQ(count(Event::tcp_syn_cookies_refused), 15u);
}

TEST_F(Cookies, NoConnectionIsLeftForOne) {
  config.connections = 1;
  start();
  ask({.seq = raw_iss, .control = control::syn});
  send(control::ack);
  RawTcp other{raw, right_mac, {left_address, right_address, 5001, port}};
  knock(other);
  other.send_next(control::ack);
  run_for(10ms);
  EXPECT_EQ(app.accepted, 1u);
  EXPECT_EQ(stack->counters()[Drop::tcp_connections_full], 1u);
}

/// The server has closed first, and its TIME-WAIT meets a SYN.
class CookiesAndTimeWait : public Cookies {
 protected:
  void close(const RawSegment& syn) {
    app.close_when_sent = true;
    config.half_open = 0;
    start();
    const RawSegment answer = ask(syn);
    const auto stamp = [&](std::uint32_t value) -> std::optional<wire::Timestamps> {
      if (!answer.timestamps) return std::nullopt;
      return wire::Timestamps{value, answer.timestamps->value};
    };
    peer.send({.seq = seq, .control = control::ack, .ack = ack, .timestamps = stamp(80)});
    run_for(10ms);
    ack += 1;
    peer.send(
        {.seq = seq, .control = control::ack | control::fin, .ack = ack, .timestamps = stamp(90)});
    seq += 1;
    run_for(10ms);
    ASSERT_EQ(stack->time_wait_in_use(), 1u);
    peer.heard();
  }
};

TEST_F(CookiesAndTimeWait, ALaterTimestampReopensWithACookie) {  // RFC 6191
  seq = raw_iss;
  close(modern_syn());
  seq = raw_iss;
  const RawSegment answer = ask(modern_syn(91));
  EXPECT_EQ(stack->time_wait_in_use(), 0u);
  EXPECT_EQ(count(Event::tcp_time_wait_reused), 1u);
  peer.send({.seq = seq,
             .control = control::ack,
             .ack = ack,
             .timestamps = wire::Timestamps{92, answer.timestamps->value}});
  run_for(10ms);
  EXPECT_EQ(app.accepted, 2u);
}

TEST_F(CookiesAndTimeWait, NorDoesACookieThatWouldAgreeOnNone) {
  close(modern_syn());
  ASSERT_TRUE(stack->change_listener(port, {.limits = {.max_segment = 48}}));
  peer.send([&] {
    RawSegment syn = modern_syn(91);
    syn.seq = seq + 100;
    return syn;
  }());
  run_for(10ms);
  EXPECT_TRUE(peer.heard().empty());
  EXPECT_EQ(stack->counters()[Drop::tcp_half_open_full], 1u);
}

TEST_F(CookiesAndTimeWait, WithoutTimestampsOnlyAnEntryReopens) {  // its number lies above the old
  close({.seq = raw_iss, .control = control::syn});
  peer.send({.seq = seq + 100, .control = control::syn});
  run_for(10ms);
  EXPECT_TRUE(peer.heard().empty());
  EXPECT_EQ(stack->counters()[Drop::tcp_half_open_full], 1u);
  EXPECT_EQ(stack->time_wait_in_use(), 1u);
}

}  // namespace
}  // namespace pollux::world
