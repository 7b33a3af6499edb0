#include <gtest/gtest.h>

#include "raw_tcp_fixture.h"
#include "wire/icmp.h"

/// Active opens, and the switches of a connection.
namespace pollux::world {
namespace {

using application::StackError;

class Open : public RawTcpPeer {
 protected:
  static constexpr application::Endpoint remote{left_address, 5000};

  /// The stack opens a connection from port 4000.
  void open() {
    ASSERT_TRUE(stack->connect(remote, {.local_port = 4000}));
    run_for(10ms);
    answer();
  }
  /// The stack closes first, and the raw end after it.
  void close() {
    stack->stream(*app.stream)->close();
    run_for(10ms);
    ack += 1;
    send(control::ack | control::fin);
  }
};

TEST_F(Open, NagleSwitchedOffLetsGoWhatItHeld) {
  app.connect_to = {remote};
  start();
  answer();
  auto stream = *stack->stream(*app.stream);
  const auto bytes = text(0, 20);
  ASSERT_TRUE(stream.send({bytes.data(), 10}));
  run_for(10ms);
  ASSERT_TRUE(stream.send({bytes.data() + 10, 10}));
  run_for(10ms);
  std::size_t sent = 0;
  for (const RawSegment& segment : peer.heard()) sent += segment.text.size();
  EXPECT_EQ(sent, 10u) << "the rest waits for the ACK of the first";
  stream.options({.nagle = false});
  run_for(10ms);
  const auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].text.size(), 10u);
}

TEST_F(Open, AnOptionThatIsNotGivenStays) {
  app.connect_to = {remote};
  app.options.nagle = false;
  start();
  answer();
  auto stream = *stack->stream(*app.stream);
  stream.options({.keepalive = true});
  const auto bytes = text(0, 20);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(stream.send({bytes.data() + 10 * i, 10}));
    run_for(1ms);
  }
  run_for(10ms);
  std::size_t sent = 0;
  for (const RawSegment& segment : peer.heard()) sent += segment.text.size();
  EXPECT_EQ(sent, 20u) << "Nagle's algorithm is still off";
}

TEST_F(Open, OptionsOfAConnectionThatIsOverMeanNothing) {
  app.connect_to = {remote};
  app.read_at_most = 1;
  app.read_every = 1h;
  start();
  answer();
  send(control::ack | control::fin, text(0, 1000));
  run_for(10ms);
  auto stream = *stack->stream(*app.stream);
  stream.shutdown_send();
  run_for(10ms);
  seq += 1001;
  ack += 1;
  send(control::ack);
  run_for(10ms);
  ASSERT_TRUE(app.closed.empty()) << "999 bytes are unread";
  stream.options({.keepalive = true});
  run_for(5h);
  EXPECT_EQ(stack->counters()[Event::tcp_keepalives_sent], 0u);
}

TEST_F(Open, ASynThatCannotLeaveTimesOut) {
  config.tcp.initial_rto = 100ms;
  config.tcp.syn_retries = 2;
  start();
  // The burst that waits for the device is full of echo replies, and stays so.
  std::vector<std::byte> ping(64);
  wire::IcmpFields::echo_request(1, 1).write(ping);
  for (int i = 0; i < 100; ++i) {
    raw.send(right_mac, {.protocol = wire::protocol::icmp, .destination = right_address}, ping);
    if (i == 0) run_for(10ms);  // the neighbour becomes known
    device.options().transmit_room = 0;
  }
  run_for(10ms);
  ASSERT_TRUE(stack->connect(remote));
  run_for(2s);
  EXPECT_GT(stack->counters()[SendDrop::device_full], 0u) << "the test's own premise";
  EXPECT_EQ(stack->counters()[Event::tcp_segments_sent], 0u);
  EXPECT_EQ(app.closed, std::vector{Cause::timed_out});
}

TEST_F(Open, NoRouteIsSaidWhateverTheOwnAddress) {
  start();
  const application::Endpoint loopback{wire::Ipv4Address{127, 0, 0, 1}, 80};
  const auto any = stack->connect(loopback);
  ASSERT_FALSE(any);
  EXPECT_EQ(any.error(), StackError::no_route);
  const auto chosen = stack->connect(loopback, {.local_address = right_address});
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error(), StackError::no_route);
}

TEST_F(Open, AnOpenThatFailsLeavesTimeWaitAlone) {
  config.connections = 1;
  config.tcp.msl = 1min;
  start();
  open();
  close();
  run_for(10s);
  ASSERT_EQ(stack->time_wait_in_use(), 1u);
  // The one connection that there may be.
  ASSERT_TRUE(stack->connect({left_address, 5001}));
  const auto again = stack->connect(remote, {.local_port = 4000});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error(), StackError::no_memory);
  EXPECT_EQ(stack->time_wait_in_use(), 1u);
  EXPECT_EQ(stack->counters()[Event::tcp_time_wait_reused], 0u);
}

TEST_F(Open, AnOwnTimeWaitGivesWayToNumbersAboveIts) {  // decision 0021
  config.tcp.syn_again = 2ms;
  start();
  open();
  send(control::ack, text(0, 1000));
  seq += 1000;
  run_for(10ms);
  close();
  const wire::SeqNum old_rcv_nxt = seq + 1;
  run_for(500ms);
  ASSERT_EQ(stack->time_wait_in_use(), 1u);
  EXPECT_FALSE(stack->connect(remote, {.local_port = 4000})) << "younger than a second";
  run_for(1s);
  peer.heard();
  stack->poll(world.now());
  ASSERT_TRUE(stack->connect(remote, {.local_port = 4000}));
  run_for(10ms);
  EXPECT_EQ(stack->time_wait_in_use(), 0u);
  auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  ASSERT_EQ(heard[0].control, control::syn);
  EXPECT_GT(heard[0].seq, ack);
  ack = heard[0].seq + 1;
  // The peer's clock has not passed the old text yet.
  peer.send({.seq = old_rcv_nxt - 1, .control = control::syn | control::ack, .ack = ack});
  run_for(10ms);
  heard = peer.heard();
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(heard[0].control, control::rst);
  EXPECT_EQ(heard[0].seq, ack);
  EXPECT_EQ(app.connected, 1u);
  heard.erase(heard.begin());
  ASSERT_EQ(heard.size(), 1u) << "once the SYN comes again at once";
  EXPECT_EQ(heard[0].control, control::syn);
  peer.send({.seq = old_rcv_nxt, .control = control::syn | control::ack, .ack = ack});
  seq = old_rcv_nxt + 1;
  run_for(10ms);
  EXPECT_EQ(app.connected, 2u);
  // Old text once more: it is before the new connection's.
  const std::size_t read = app.received;
  peer.send({.seq = raw_iss + 1, .control = control::ack, .ack = ack, .text = text(0, 1000)});
  run_for(10ms);
  EXPECT_EQ(app.received, read);
}

TEST_F(Open, WithoutTimeWaitEntriesTheFourTupleIsFreeAtOnce) {
  config.time_wait = 0;
  start();
  open();
  close();
  run_for(10ms);
  seq += 1;
  peer.heard();
  send(control::ack);
  run_for(10ms);
  const auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].control, control::rst) << "nobody knows it any more";
  EXPECT_TRUE(stack->connect(remote, {.local_port = 4000}));
}

TEST_F(Open, TheOwnAddressIsOfTheNextHopsNetwork) {
  // left_address is one of the first network; the gateway to 172.16/12 is in the second.
  config.interface.addresses.push_back({{wire::Ipv4Address{192, 168, 1, 2}, 24}, 1});
  config.interface.addresses.push_back({{wire::Ipv4Address{10, 0, 0, 8}, 24}, 1});
  config.interface.routes = {
      {{wire::Ipv4Address{172, 16, 0, 0}, 12}, wire::Ipv4Address{192, 168, 1, 1}}};
  start();
  const auto source_of = [this](application::Endpoint to) {
    const auto opened = stack->connect(to);
    return opened ? stack->stream(*opened)->local().address : wire::Ipv4Address{};
  };
  const wire::Ipv4Address second{10, 0, 0, 8};
  const wire::Ipv4Address far_one{192, 168, 1, 2};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(source_of(remote), right_address);
    EXPECT_EQ(source_of({wire::Ipv4Address{172, 16, 0, 1}, 80}), far_one);
    EXPECT_EQ(source_of(remote), second);
    EXPECT_EQ(source_of({wire::Ipv4Address{172, 16, 0, 1}, 80}), far_one);
  }
}

}  // namespace
}  // namespace pollux::world
