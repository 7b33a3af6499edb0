#include <gtest/gtest.h>

#include "raw_tcp_fixture.h"

/// OPEN as RFC 9293 s.3.9.1.1 wants it: passive ones beside connections that are there, and local
/// addresses.
namespace pollux::world {
namespace {

using application::StackError;

class UserInterface : public RawTcpPeer {
 protected:
  static constexpr application::Endpoint remote{left_address, raw_port};
  static constexpr wire::Ipv4Address second_address{10, 0, 0, 8};

  void give_a_second_address() { config.interface.addresses.push_back({{second_address, 24}, 1}); }
  /// A raw end of a connection with this own port and this port and address of the stack.
  RawTcp end(std::uint16_t from, std::uint16_t to, wire::Ipv4Address address = right_address) {
    return {raw, right_mac, {left_address, address, from, to}};
  }
};

TEST_F(UserInterface, APassiveOpenLeavesTheConnectionsOfItsPortAlone) {  // MUST-41
  app.listen_port = port;
  start();
  establish();
  const auto again = stack->listen(port);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error(), StackError::in_use);
  stack->unlisten(port);
  ASSERT_TRUE(stack->listen(port));
  RawTcp other = end(5001, port);
  establish(other);
  send(control::ack | control::psh, text(0, 1000));
  run_for(100ms);
  EXPECT_EQ(app.received, 1000u);
  EXPECT_EQ(app.wrong, 0u);
  EXPECT_TRUE(app.closed.empty());
}

TEST_F(UserInterface, APortListensBesideItsConnectionThatIsNotUpYet) {  // MUST-42
  app.close_at_peers_end = false;
  start();
  ASSERT_TRUE(stack->connect(remote, {.local_port = 4000}));
  run_for(10ms);  // SYN-SENT
  ASSERT_TRUE(stack->listen(4000));
  RawTcp half = end(5001, 4000);
  knock(half);  // SYN-RECEIVED
  stack->unlisten(4000);
  ASSERT_TRUE(stack->listen(4000));
  RawTcp other = end(5002, 4000);
  establish(other);
  peer.tuple().remote_port = 4000;
  answer();
}

TEST_F(UserInterface, AnActiveOpenNamesItsLocalAddress) {  // MUST-43
  give_a_second_address();
  start();
  for (const wire::Ipv4Address own : {second_address, right_address, second_address}) {
    const auto opened = stack->connect(remote, {.local_address = own});
    ASSERT_TRUE(opened);
    run_for(10ms);
    RawTcp from = end(raw_port, 0, own);
    ASSERT_EQ(from.heard().size(), 1u) << own.to_string();
  }
  const auto foreign = stack->connect(remote, {.local_address = left_address});
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error(), StackError::invalid);
}

TEST_F(UserInterface, ALocalAddressOnceChosenStays) {  // MUST-45
  give_a_second_address();
  app.send_bytes = 3000;
  start();
  const auto opened = stack->connect(remote);
  ASSERT_TRUE(opened);
  const wire::Ipv4Address own = stack->stream(*opened)->local().address;
  const wire::Ipv4Address not_own = own == right_address ? second_address : right_address;
  peer.tuple().remote = own;
  RawTcp elsewhere = end(raw_port, 0, not_own);
  run_for(3100ms);  // the SYN twice more
  auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 3u);
  peer.tuple().remote_port = peer.remote_port();
  ack = heard[0].seq + 1;
  peer.send({.seq = raw_iss, .control = control::syn | control::ack, .ack = ack});
  run_for(10s);  // text, and the same again
  EXPECT_EQ(app.connected, 1u);
  EXPECT_GT(peer.heard().size(), 1u);
  EXPECT_TRUE(elsewhere.heard().empty());
  EXPECT_EQ(stack->stream(*app.stream)->local().address, own);
}

// --- s.3.9.1.9, s.3.9.2: the datagram's fields ---

class DatagramFields : public UserInterface {
 protected:
  struct Fields {
    std::uint8_t dscp;
    std::uint8_t ttl;
    friend bool operator==(const Fields&, const Fields&) = default;
    friend void PrintTo(const Fields& fields, std::ostream* out) {
      *out << +fields.dscp << ", " << +fields.ttl;
    }
  };
  /// Of all that came since the last call; each the same.
  std::optional<Fields> heard_fields() {
    std::optional<Fields> all;
    for (const auto& datagram : raw.datagrams) {
      wire::Ipv4View ip;
      EXPECT_EQ(wire::Ipv4View::parse(datagram, ip), Drop::none);
      const Fields fields{ip.dscp(), ip.ttl()};
      EXPECT_EQ(all.value_or(fields), fields);
      all = fields;
    }
    raw.datagrams.clear();
    return all;
  }
};

TEST_F(DatagramFields, AreThoseOfTheStack) {  // MUST-48, MUST-49, SHLD-22
  config.tcp.dscp = 10;
  config.tcp.ttl = 3;
  app.listen_port = port;
  app.send_bytes = 100;
  start();
  send(control::fin | control::ack);  // of no connection
  run_for(10ms);
  EXPECT_EQ(heard_fields(), (Fields{10, 3}));
  peer.send({.seq = raw_iss, .control = control::syn});
  run_for(10ms);
  const auto heard = peer.heard();
  ASSERT_EQ(heard.size(), 1u);
  ack = heard[0].seq + 1;
  seq = raw_iss + 1;
  send(control::ack);
  run_for(10ms);
  EXPECT_EQ(heard_fields(), (Fields{10, 3})) << "text";
  stack->stream(*app.stream)->abort();
  run_for(10ms);
  EXPECT_EQ(heard_fields(), (Fields{10, 3})) << "a reset";
}

TEST_F(DatagramFields, MayBeAConnectionsOwn) {  // MUST-48, MUST-49
  start();
  ASSERT_TRUE(stack->connect(remote, {.limits = {.ttl = 7, .dscp = 46}}));
  run_for(10ms);
  EXPECT_EQ(heard_fields(), (Fields{46, 7}));
  ASSERT_TRUE(stack->connect(remote));
  run_for(10ms);
  EXPECT_EQ(heard_fields(), (Fields{0, 64})) << "others have the stack's";
}

TEST_F(DatagramFields, MayChange) {  // SHLD-21
  app.listen_port = port;
  start();
  establish();
  raw.datagrams.clear();
  auto stream = *stack->stream(*app.stream);
  ASSERT_TRUE(stream.options({.dscp = std::uint8_t{46}}));
  stream.shutdown_send();
  run_for(10ms);
  EXPECT_EQ(heard_fields(), (Fields{46, 64}));
}

}  // namespace
}  // namespace pollux::world
