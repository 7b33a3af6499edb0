#include <gtest/gtest.h>

#include "raw_tcp_fixture.h"
#include "wire/icmp.h"

/// What ICMP says about a connection's segments, and what it does to the connection.
namespace pollux::world {
namespace {

class IcmpErrors : public RawTcpPeer {
 protected:
  static constexpr application::Endpoint remote{left_address, raw_port};

  /// An error about `datagram`, of which it quotes the header and 8 bytes; `behind` is added to the
  /// sequence number in them.
  void complain(std::vector<std::byte> datagram, wire::IcmpFields error, std::uint32_t behind = 0) {
    std::byte* const number = datagram.data() + wire::Ipv4Fields::size + 4;
    wire::store_u32(number, wire::load_u32(number) + behind);
    std::vector<std::byte> message(wire::IcmpFields::size + wire::Ipv4Fields::size + 8);
    std::copy_n(datagram.begin(), wire::Ipv4Fields::size + 8,
                message.begin() + wire::IcmpFields::size);
    error.write(message);
    raw.send(right_mac, {.protocol = wire::protocol::icmp, .destination = right_address}, message);
    run_for(10ms);
  }
  static wire::IcmpFields unreachable(std::uint8_t code, std::uint16_t mtu = 0) {
    wire::IcmpFields error = wire::IcmpFields::unreachable(code);
    error.rest = mtu;
    return error;
  }
  /// The stack's SYN, as it came.
  std::vector<std::byte> syn() {
    app.connect_to = {remote};
    start();
    return raw.datagrams.empty() ? std::vector<std::byte>{} : raw.datagrams[0];
  }
  /// An accepted connection that has sent a window; the first of its datagrams.
  std::vector<std::byte> sends() {
    app.listen_port = port;
    app.send_bytes = 5000;
    start();
    establish();
    return raw.datagrams.empty() ? std::vector<std::byte>{} : raw.datagrams[0];
  }
  std::size_t largest(const std::vector<RawSegment>& segments) {
    std::size_t out = 0;
    for (const RawSegment& segment : segments) out = std::max(out, segment.text.size());
    return out;
  }
};

TEST_F(IcmpErrors, APathThatTakesLessGetsSmallerSegments) {
  const auto first = sends();
  ASSERT_FALSE(first.empty());
  EXPECT_EQ(largest(peer.heard()), 1460u);
  complain(first, unreachable(wire::icmp_unreachable::fragmentation_needed, 600));
  const auto again = peer.heard();
  ASSERT_FALSE(again.empty()) << "what is in flight is cut anew";
  EXPECT_EQ(again[0].seq, ack);
  EXPECT_EQ(largest(again), 560u);
  // Nothing is lost of the stream.
  std::vector<std::byte> got;
  for (int i = 0; i < 20 && got.size() < 5000; ++i) {
    for (const RawSegment& segment : i == 0 ? again : peer.heard()) {
      if (segment.seq != ack) continue;
      got.insert(got.end(), segment.text.begin(), segment.text.end());
      ack += static_cast<std::uint32_t>(segment.text.size());
    }
    send(control::ack);
    run_for(50ms);
  }
  EXPECT_EQ(got, text(0, 5000));
  // The next connection to that host knows.
  RawTcp other{raw, right_mac, {left_address, right_address, 5001, port}};
  establish(other);
  EXPECT_EQ(largest(other.heard()), 560u);
}

TEST_F(IcmpErrors, AQuoteOfWhatIsNotInFlightIsNotBelieved) {
  const auto first = sends();
  ASSERT_FALSE(first.empty());
  peer.heard();
  complain(first, unreachable(wire::icmp_unreachable::fragmentation_needed, 600), 5000);
  complain(first, unreachable(wire::icmp_unreachable::fragmentation_needed, 600), 0u - 1);
  EXPECT_TRUE(peer.heard().empty());
  EXPECT_EQ(stack->counters()[Event::icmp_errors_received], 2u);
  RawTcp other{raw, right_mac, {left_address, right_address, 5001, port}};
  establish(other);
  EXPECT_EQ(largest(other.heard()), 1460u);
}

TEST_F(IcmpErrors, AClosedPortRefusesASyn) {
  const auto datagram = syn();
  ASSERT_FALSE(datagram.empty());
  complain(datagram, unreachable(wire::icmp_unreachable::port), 1);
  EXPECT_TRUE(app.closed.empty()) << "that number was never sent";
  complain(datagram, unreachable(wire::icmp_unreachable::port));
  EXPECT_EQ(app.closed, std::vector{Cause::refused});
  EXPECT_EQ(stack->connections_in_use(), 0u);
}

TEST_F(IcmpErrors, AnUnreachableNetworkIsTheCauseWhenSynsAreUsedUp) {
  config.tcp.syn_retries = 3;
  const auto datagram = syn();
  ASSERT_FALSE(datagram.empty());
  complain(datagram, unreachable(wire::icmp_unreachable::net));
  EXPECT_TRUE(app.closed.empty()) << "it may pass (RFC 1122 s.4.2.3.9)";
  run_for(1min);
  EXPECT_EQ(app.closed, std::vector{Cause::unreachable});
}

TEST_F(IcmpErrors, AnEstablishedConnectionLivesThroughAll) {  // MUST-47, MUST-56, SHLD-25
  const auto first = sends();
  ASSERT_FALSE(first.empty());
  for (const std::uint8_t code : {wire::icmp_unreachable::port, wire::icmp_unreachable::protocol,
                                  wire::icmp_unreachable::net, wire::icmp_unreachable::host}) {
    complain(first, unreachable(code));
  }
  EXPECT_EQ(stack->counters()[Event::icmp_errors_received], 4u);
  EXPECT_TRUE(app.closed.empty()) << "RFC 5461 s.4.1, RFC 9293 MUST-56";
  EXPECT_EQ(stack->stream(*app.stream)->status().soft_error, Cause::unreachable);
  ack += 3 * 1460;
  send(control::ack | control::fin);
  run_for(10ms);
  EXPECT_EQ(app.peers_ends, 1u);
  EXPECT_EQ(stack->stream(*app.stream)->status().soft_error, Cause::none) << "it was heard again";
}

}  // namespace
}  // namespace pollux::world
