#include "internet/icmp.h"

#include <algorithm>

#include "base/prng.h"
#include "datagrams.h"

namespace pollux::internet {
namespace {

namespace protocol = wire::protocol;
using Kind = IcmpVerdict::Kind;

Bytes icmp(const wire::IcmpFields& fields, const Bytes& data = {}) {
  Bytes message(wire::IcmpFields::size);
  append(message, data);
  fields.write(message);
  return message;
}

/// What we sent: ports 1000 to 80, sequence number 0x01020304.
Bytes sent(std::uint8_t number, std::size_t size = 40) {
  wire::Ipv4Fields fields;
  fields.protocol = number;
  fields.source = us;
  fields.destination = peer;
  Bytes text = pattern(std::max<std::size_t>(size, 8));
  wire::store_u16(text.data(), 1000);
  wire::store_u16(text.data() + 2, 80);
  wire::store_u32(text.data() + 4, 0x01020304);
  text.resize(size);
  return datagram(fields, text);
}

class Icmp : public testing::Test {
 protected:
  IcmpVerdict arrives(const Bytes& message, bool broadcast = false) {
    const Bytes bytes = datagram(from_peer(protocol::icmp), message);
    return icmp_arrives(view(bytes), own, broadcast);
  }
  wire::AddressSet own = own_addresses();
};

TEST_F(Icmp, EchoRequestIsForAnswering) {
  EXPECT_EQ(arrives(icmp(wire::IcmpFields::echo_request(7, 9), pattern(56))).kind,
            Kind::echo_request);
  const IcmpVerdict all = arrives(icmp(wire::IcmpFields::echo_request(7, 9)), true);
  EXPECT_EQ(all.kind, Kind::dropped);
  EXPECT_EQ(all.drop, Drop::icmp_not_ours);
}

TEST_F(Icmp, UnreadableMessages) {
  EXPECT_EQ(arrives(pattern(7)).drop, Drop::icmp_truncated);
  EXPECT_EQ(arrives({}).drop, Drop::icmp_truncated);
  Bytes bad = icmp(wire::IcmpFields::echo_request(7, 9), pattern(5));
  bad.back() ^= std::byte{1};
  EXPECT_EQ(arrives(bad).drop, Drop::icmp_bad_checksum);
}

TEST_F(Icmp, TypesThatAreNotReadAreNamed) {  // MUST-55
  EXPECT_EQ(arrives(icmp({13, 0, 0})).drop, Drop::icmp_unknown_type);
  EXPECT_EQ(arrives(icmp({255, 0, 0})).drop, Drop::icmp_unknown_type);
  EXPECT_EQ(arrives(icmp(wire::IcmpFields::echo_reply(1, 1))).drop, Drop::icmp_not_ours);
  EXPECT_EQ(arrives(icmp({wire::icmp_type::redirect, 1, 0}, sent(6))).drop, Drop::icmp_ignored);
  EXPECT_EQ(arrives(icmp({wire::icmp_type::source_quench, 0, 0}, sent(6))).drop,
            Drop::icmp_ignored);
}

TEST_F(Icmp, AnErrorNamesTheConnectionAsItIsNamedHere) {  // MUST-54
  for (const std::uint8_t number : {protocol::tcp, protocol::udp}) {
    const IcmpVerdict verdict =
        arrives(icmp(wire::IcmpFields::unreachable(wire::icmp_unreachable::port), sent(number)));
    ASSERT_EQ(verdict.kind, Kind::error);
    EXPECT_EQ(verdict.drop, Drop::none);
    EXPECT_EQ(verdict.error.kind, IcmpErrorKind::port_unreachable);
    EXPECT_EQ(verdict.error.protocol, number);
    EXPECT_EQ(verdict.error.tuple, (wire::FourTuple{us, peer, 1000, 80}));
    EXPECT_EQ(verdict.error.quoted_length, 60);
    EXPECT_EQ(verdict.error.sequence.value(), number == protocol::tcp ? 0x01020304u : 0u);
  }
}

TEST_F(Icmp, EightQuotedBytesAreEnough) {
  Bytes quoted = sent(protocol::tcp, 1000);
  quoted.resize(28);
  const IcmpVerdict verdict = arrives(icmp(
      wire::IcmpFields::unreachable(wire::icmp_unreachable::fragmentation_needed, 1280), quoted));
  ASSERT_EQ(verdict.kind, Kind::error);
  EXPECT_EQ(verdict.error.kind, IcmpErrorKind::fragmentation_needed);
  EXPECT_EQ(verdict.error.next_hop_mtu, 1280);
  EXPECT_EQ(verdict.error.quoted_length, 1020);
  quoted.resize(27);
  EXPECT_EQ(arrives(icmp(wire::IcmpFields::unreachable(1), quoted)).drop, Drop::icmp_truncated);
}

TEST_F(Icmp, EveryCodeHasItsKind) {
  const auto kind_of = [&](std::uint8_t type, std::uint8_t code) {
    const IcmpVerdict verdict = arrives(icmp({type, code, 0}, sent(protocol::tcp)));
    EXPECT_EQ(verdict.kind, Kind::error) << int{type} << ' ' << int{code};
    return verdict.error.kind;
  };
  using K = IcmpErrorKind;
  const K expected[] = {
      K::net_unreachable,      K::host_unreachable,    K::protocol_unreachable, K::port_unreachable,
      K::fragmentation_needed, K::source_route_failed, K::net_unreachable,      K::host_unreachable,
      K::host_unreachable,     K::prohibited,          K::prohibited,           K::net_unreachable,
      K::host_unreachable,     K::prohibited};
  for (std::uint8_t code = 0; code < 14; ++code) EXPECT_EQ(kind_of(3, code), expected[code]);
  EXPECT_EQ(kind_of(11, 0), K::time_exceeded_in_transit);
  EXPECT_EQ(kind_of(11, 1), K::time_exceeded_in_reassembly);
  EXPECT_EQ(kind_of(12, 0), K::parameter_problem);
  EXPECT_EQ(arrives(icmp({3, 16, 0}, sent(6))).drop, Drop::icmp_unknown_type);
  EXPECT_EQ(arrives(icmp({11, 2, 0}, sent(6))).drop, Drop::icmp_unknown_type);
  EXPECT_TRUE(is_hard(K::port_unreachable) && is_hard(K::protocol_unreachable));
  EXPECT_TRUE(is_hard(K::prohibited));
  EXPECT_FALSE(is_hard(K::host_unreachable) || is_hard(K::fragmentation_needed));
}

TEST_F(Icmp, ErrorsAboutWhatWeDidNotSend) {
  const auto error = wire::IcmpFields::unreachable(1);
  wire::Ipv4Fields fields = from_peer(protocol::tcp);  // from the peer, not from us
  EXPECT_EQ(arrives(icmp(error, datagram(fields, pattern(20)))).drop, Drop::icmp_not_ours);
  EXPECT_EQ(arrives(icmp(error, sent(89))).drop, Drop::icmp_not_ours);
  EXPECT_EQ(arrives(icmp(error, sent(protocol::icmp))).drop, Drop::icmp_ignored);
  fields.source = us;
  fields.fragment_offset_bytes = 8;
  EXPECT_EQ(arrives(icmp(error, datagram(fields, pattern(20)))).drop, Drop::icmp_ignored);
}

TEST_F(Icmp, QuotedOptionsMoveThePorts) {
  wire::Ipv4Fields fields;
  fields.protocol = protocol::udp;
  fields.source = us;
  fields.destination = peer;
  Bytes text = pattern(8);
  wire::store_u16(text.data(), 5);
  wire::store_u16(text.data() + 2, 6);
  const IcmpVerdict verdict = arrives(
      icmp(wire::IcmpFields::unreachable(3), datagram(fields, text, bytes_of({1, 1, 1, 1, 1}))));
  ASSERT_EQ(verdict.kind, Kind::error);
  EXPECT_EQ(verdict.error.tuple.local_port, 5);
  EXPECT_EQ(verdict.error.tuple.remote_port, 6);
}

TEST_F(Icmp, AnyPartOfAnErrorIsReadWithinItsBounds) {
  const Bytes whole = sent(protocol::tcp);
  Prng random{3};
  for (std::size_t n = 0; n <= whole.size(); ++n) {
    for (int i = 0; i < 200; ++i) {
      Bytes quoted(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
      if (i > 0 && n > 0) {
        quoted[random.below(std::min<std::size_t>(n, 20))] =
            static_cast<std::byte>(random.below(256));
      }
      const IcmpVerdict verdict = arrives(icmp(wire::IcmpFields::unreachable(1), quoted));
      EXPECT_EQ(verdict.kind == Kind::dropped, verdict.drop != Drop::none);
      if (n < 28) {
        EXPECT_EQ(verdict.kind, Kind::dropped);
      }
    }
  }
}

TEST_F(Icmp, EchoReplyTurnsTheRequestAround) {
  for (std::size_t size = 0; size < 70; ++size) {
    wire::Ipv4Fields fields = from_peer(protocol::icmp);
    fields.tos = 0x2B;
    fields.destination = Ipv4Address{10, 0, 0, 4};
    Bytes message = icmp(wire::IcmpFields::echo_request(0x1234, 0xFFFF), pattern(size));
    const Bytes request = datagram(fields, message, bytes_of({1, 1, 1, 1}));
    const wire::Ipv4Fields header = echo_reply_header(view(request));
    EXPECT_EQ(header.source, (Ipv4Address{10, 0, 0, 4}));
    EXPECT_EQ(header.destination, peer);
    EXPECT_EQ(header.tos, 0x28);
    EXPECT_EQ(header.protocol, protocol::icmp);
    make_echo_reply(message);
    wire::IcmpView reply;
    ASSERT_EQ(wire::IcmpView::parse(message, reply), Drop::none);
    EXPECT_TRUE(reply.checksum_ok());
    EXPECT_EQ(reply.type(), wire::icmp_type::echo_reply);
    EXPECT_EQ(reply.identifier(), 0x1234);
    EXPECT_EQ(reply.sequence(), 0xFFFF);
    EXPECT_TRUE(std::equal(reply.data().begin(), reply.data().end(), pattern(size).begin()));
  }
}

TEST_F(Icmp, EchoReplyChecksumIsRightForEveryRequestChecksum) {
  for (std::uint32_t id = 0; id < 0x10000; id += 7) {
    Bytes message = icmp(wire::IcmpFields::echo_request(static_cast<std::uint16_t>(id), 0xABCD));
    make_echo_reply(message);
    wire::IcmpView reply;
    ASSERT_EQ(wire::IcmpView::parse(message, reply), Drop::none);
    ASSERT_TRUE(reply.checksum_ok()) << id;
  }
}

// Found by the fuzzer `ipv4`: a reply that is all zeros has the checksum 0xFFFF.
TEST_F(Icmp, EchoReplyOfZerosHasAChecksumThatIsRight) {
  for (const std::size_t size : {0u, 1u, 56u}) {
    Bytes message = icmp(wire::IcmpFields::echo_request(0, 0), Bytes(size));
    make_echo_reply(message);
    wire::IcmpView reply;
    ASSERT_EQ(wire::IcmpView::parse(message, reply), Drop::none);
    EXPECT_TRUE(reply.checksum_ok()) << size;
  }
}

TEST_F(Icmp, ErrorsQuoteAsMuchAsFitsIn576Bytes) {
  for (const std::size_t size : {0u, 7u, 8u, 520u, 527u, 528u, 529u, 1480u}) {
    const Bytes about = datagram(from_peer(protocol::udp), pattern(size));
    const std::size_t quoted = std::min<std::size_t>(548, 20 + size);
    ASSERT_EQ(icmp_error_size(view(about)), 8 + quoted);
    Bytes message(8 + quoted);
    write_icmp_error(wire::IcmpFields::unreachable(3), view(about), message);
    wire::IcmpView written;
    ASSERT_EQ(wire::IcmpView::parse(message, written), Drop::none);
    EXPECT_TRUE(written.checksum_ok());
    EXPECT_EQ(written.type(), 3);
    EXPECT_EQ(written.code(), 3);
    EXPECT_TRUE(std::equal(written.quoted().begin(), written.quoted().end(), about.begin()));
    EXPECT_LE(wire::Ipv4Fields::size + message.size(), 576u);
    const wire::Ipv4Fields header = icmp_error_header(view(about));
    EXPECT_EQ(header.source, us);
    EXPECT_EQ(header.destination, peer);
  }
}

TEST_F(Icmp, OurErrorIsReadByWhomItIsFor) {
  const Bytes about = datagram(from_peer(protocol::udp), pattern(30));
  Bytes message(icmp_error_size(view(about)));
  write_icmp_error(wire::IcmpFields::unreachable(wire::icmp_unreachable::port), view(about),
                   message);
  const Bytes carrier = datagram(icmp_error_header(view(about)), message);
  wire::AddressSet theirs;
  ASSERT_TRUE(theirs.add({peer, 24}));
  const IcmpVerdict verdict = icmp_arrives(view(carrier), theirs, false);
  ASSERT_EQ(verdict.kind, Kind::error);
  EXPECT_EQ(verdict.error.kind, IcmpErrorKind::port_unreachable);
  EXPECT_EQ(verdict.error.tuple.local, peer);
}

TEST_F(Icmp, ErrorsAreSentOnlyAboutWhatMayHaveThem) {
  const auto may = [&](const wire::Ipv4Fields& fields, const Bytes& payload,
                       bool link_group = false) {
    const Bytes bytes = datagram(fields, payload);
    return may_send_error_about(view(bytes), own, link_group);
  };
  const wire::Ipv4Fields udp = from_peer(protocol::udp);
  EXPECT_TRUE(may(udp, pattern(20)));
  EXPECT_TRUE(may(from_peer(200), {}));
  EXPECT_FALSE(may(udp, pattern(20), true)) << "a link-layer broadcast";
  for (const Ipv4Address many :
       {Ipv4Address{10, 0, 0, 255}, Ipv4Address{255, 255, 255, 255}, Ipv4Address{224, 0, 0, 1}}) {
    wire::Ipv4Fields fields = udp;
    fields.destination = many;
    EXPECT_FALSE(may(fields, pattern(20))) << many.to_string();
  }
  for (const Ipv4Address nobody : {Ipv4Address{}, Ipv4Address{127, 0, 0, 1},
                                   Ipv4Address{224, 0, 0, 1}, Ipv4Address{255, 255, 255, 255},
                                   Ipv4Address{250, 0, 0, 1}, Ipv4Address{10, 0, 0, 255}, us}) {
    wire::Ipv4Fields fields = udp;
    fields.source = nobody;
    EXPECT_FALSE(may(fields, pattern(20))) << nobody.to_string();
  }
  wire::Ipv4Fields piece = udp;
  piece.more_fragments = true;
  EXPECT_TRUE(may(piece, pattern(24))) << "the first fragment";
  piece.fragment_offset_bytes = 24;
  EXPECT_FALSE(may(piece, pattern(24)));

  const wire::Ipv4Fields carrier = from_peer(protocol::icmp);
  EXPECT_TRUE(may(carrier, icmp(wire::IcmpFields::echo_request(1, 1))));
  for (const std::uint8_t type : {3, 4, 5, 11, 12, 40, 255}) {
    EXPECT_FALSE(may(carrier, icmp({type, 0, 0}, pattern(28)))) << int{type};
  }
  EXPECT_FALSE(may(carrier, pattern(4))) << "too short to say what it is";
}

}  // namespace
}  // namespace pollux::internet
