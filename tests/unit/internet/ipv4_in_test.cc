#include "internet/ipv4_in.h"

#include <vector>

#include "datagrams.h"

namespace pollux::internet {
namespace {

using packet::Verified;
namespace protocol = wire::protocol;

class Ipv4In : public testing::Test {
 protected:
  Ipv4Verdict arrives(const Bytes& bytes, Verified verified = Verified::unknown,
                      bool link_group = false) {
    return ipv4_arrives(view(bytes), own, verified, link_group);
  }
  Ipv4Verdict arrives(const wire::Ipv4Fields& fields, bool link_group = false) {
    return arrives(datagram(fields, pattern(40)), Verified::unknown, link_group);
  }
  Drop from(Ipv4Address source) {
    wire::Ipv4Fields fields = from_peer(protocol::udp);
    fields.source = source;
    return arrives(fields).drop;
  }
  Drop to(Ipv4Address destination, bool link_group = false,
          std::uint8_t protocol_number = protocol::udp) {
    wire::Ipv4Fields fields = from_peer(protocol_number);
    fields.destination = destination;
    return arrives(fields, link_group).drop;
  }
  Drop with_options(const Bytes& options) {
    return arrives(datagram(from_peer(protocol::udp), pattern(16), options)).drop;
  }

  wire::AddressSet own = own_addresses();
};

TEST_F(Ipv4In, DeliversTheThreeProtocols) {
  for (const std::uint8_t number : {protocol::icmp, protocol::tcp, protocol::udp}) {
    const Ipv4Verdict verdict = arrives(from_peer(number));
    EXPECT_EQ(verdict.drop, Drop::none);
    EXPECT_EQ(verdict.protocol, number);
    EXPECT_FALSE(verdict.is_fragment);
    EXPECT_FALSE(verdict.broadcast);
  }
}

TEST_F(Ipv4In, OtherProtocolsAreNamed) {
  EXPECT_EQ(arrives(from_peer(2)).drop, Drop::ipv4_unknown_protocol);
  EXPECT_EQ(arrives(from_peer(132)).drop, Drop::ipv4_unknown_protocol);
}

TEST_F(Ipv4In, PaddingOfTheFrameIsNotLookedAt) {
  Bytes bytes = datagram(from_peer(protocol::udp), pattern(3));
  bytes.resize(46, std::byte{0xAA});
  EXPECT_EQ(arrives(bytes).drop, Drop::none);
}

TEST_F(Ipv4In, ChecksumIsBelievedOnlyWhenTheDeviceSaysGood) {
  Bytes bytes = datagram(from_peer(protocol::udp), pattern(8));
  EXPECT_EQ(arrives(bytes, Verified::bad).drop, Drop::none) << "summed again";
  bytes[11] ^= std::byte{1};
  EXPECT_EQ(arrives(bytes).drop, Drop::ipv4_bad_checksum);
  EXPECT_EQ(arrives(bytes, Verified::bad).drop, Drop::ipv4_bad_checksum);
  EXPECT_EQ(arrives(bytes, Verified::good).drop, Drop::none);
}

TEST_F(Ipv4In, EveryFlippedHeaderBitIsFound) {
  const Bytes good = datagram(from_peer(protocol::udp), pattern(8), bytes_of({1, 1, 1, 0}));
  for (std::size_t bit = 0; bit < 24 * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    wire::Ipv4View parsed;
    if (wire::Ipv4View::parse(bad, parsed) != Drop::none) continue;
    EXPECT_EQ(ipv4_arrives(parsed, own, Verified::unknown, false).drop, Drop::ipv4_bad_checksum)
        << bit;
  }
}

TEST_F(Ipv4In, MartianSources) {  // MUST-63
  for (const Ipv4Address bad :
       {Ipv4Address{}, Ipv4Address{0, 0, 0, 1}, Ipv4Address{127, 0, 0, 1},
        Ipv4Address{127, 255, 255, 255}, Ipv4Address{224, 0, 0, 1}, Ipv4Address{239, 1, 1, 1},
        Ipv4Address{240, 0, 0, 1}, Ipv4Address{255, 255, 255, 255}, us, Ipv4Address{10, 0, 0, 5},
        Ipv4Address{10, 0, 0, 255}}) {
    EXPECT_EQ(from(bad), Drop::ipv4_martian_source) << bad.to_string();
  }
  for (const Ipv4Address good :
       {Ipv4Address{1, 0, 0, 0}, Ipv4Address{126, 255, 255, 255}, Ipv4Address{128, 0, 0, 1},
        Ipv4Address{223, 255, 255, 255}, Ipv4Address{10, 0, 0, 1}, Ipv4Address{10, 0, 0, 6},
        Ipv4Address{10, 0, 1, 255}}) {
    EXPECT_EQ(from(good), Drop::none) << good.to_string();
  }
}

TEST_F(Ipv4In, Destinations) {
  for (const Ipv4Address ours : {us, Ipv4Address{10, 0, 0, 5}}) EXPECT_EQ(to(ours), Drop::none);
  for (const Ipv4Address others :
       {Ipv4Address{10, 0, 0, 1}, Ipv4Address{10, 0, 0, 6}, Ipv4Address{8, 8, 8, 8},
        Ipv4Address{224, 0, 0, 1}, Ipv4Address{10, 0, 1, 255}}) {
    EXPECT_EQ(to(others), Drop::ipv4_not_for_us) << others.to_string();
  }
  for (const Ipv4Address never : {Ipv4Address{}, Ipv4Address{0, 9, 9, 9}, Ipv4Address{127, 0, 0, 1},
                                  Ipv4Address{240, 0, 0, 1}, Ipv4Address{255, 255, 255, 254}}) {
    EXPECT_EQ(to(never), Drop::ipv4_martian_destination) << never.to_string();
  }
}

TEST_F(Ipv4In, BroadcastsAreForUdpAndIcmpAlone) {  // MUST-57
  for (const Ipv4Address all : {Ipv4Address{255, 255, 255, 255}, Ipv4Address{10, 0, 0, 255}}) {
    wire::Ipv4Fields fields = from_peer(protocol::udp);
    fields.destination = all;
    EXPECT_EQ(arrives(fields).drop, Drop::none);
    EXPECT_TRUE(arrives(fields).broadcast);
    EXPECT_TRUE(arrives(fields, true).broadcast);
    EXPECT_EQ(to(all, true, protocol::icmp), Drop::none);
    EXPECT_EQ(to(all, true, protocol::tcp), Drop::tcp_not_unicast);
    EXPECT_EQ(to(all, false, protocol::tcp), Drop::tcp_not_unicast);
    EXPECT_EQ(to(all, true, 99), Drop::ipv4_unknown_protocol);
  }
}

TEST_F(Ipv4In, UnicastInABroadcastFrameIsDropped) {
  EXPECT_EQ(to(us, true), Drop::ipv4_martian_destination);
  EXPECT_EQ(to(Ipv4Address{10, 0, 0, 9}, true), Drop::ipv4_not_for_us);
}

TEST_F(Ipv4In, AnyTtlIsGoodEnoughForUs) {
  for (const std::uint8_t ttl : {0, 1, 255}) {
    wire::Ipv4Fields fields = from_peer(protocol::tcp);
    fields.ttl = ttl;
    EXPECT_EQ(arrives(fields).drop, Drop::none);
  }
}

TEST_F(Ipv4In, FragmentsAreMarked) {
  wire::Ipv4Fields fields = from_peer(protocol::udp);
  fields.more_fragments = true;
  EXPECT_TRUE(arrives(fields).is_fragment);
  fields.more_fragments = false;
  fields.fragment_offset_bytes = 8;
  EXPECT_TRUE(arrives(fields).is_fragment);
  fields = from_peer(protocol::udp);
  fields.dont_fragment = true;
  EXPECT_FALSE(arrives(fields).is_fragment);
}

TEST_F(Ipv4In, WellFormedOptionsAreIgnored) {  // MUST-50
  EXPECT_EQ(with_options(bytes_of({0, 0, 0, 0})), Drop::none);
  EXPECT_EQ(with_options(bytes_of({1, 1, 1, 1})), Drop::none);
  EXPECT_EQ(with_options(bytes_of({7, 7, 4, 0, 0, 0, 0, 0})), Drop::none) << "record route";
  EXPECT_EQ(with_options(bytes_of({1, 68, 4, 5, 0, 148, 4, 0})), Drop::ipv4_bad_options)
      << "0 ends nothing inside an option, and 148 then runs out";
  EXPECT_EQ(with_options(bytes_of({148, 4, 0, 0})), Drop::none) << "router alert";
  EXPECT_EQ(with_options(bytes_of({0, 200, 0, 255})), Drop::none) << "nothing counts past the end";
  EXPECT_EQ(with_options(bytes_of({30, 2, 30, 2})), Drop::none) << "unknown ones";
  Bytes most(40, std::byte{1});
  EXPECT_EQ(with_options(most), Drop::none);
}

TEST_F(Ipv4In, MalformedOptionsAreDropped) {
  EXPECT_EQ(with_options(bytes_of({7, 0, 0, 0})), Drop::ipv4_bad_options) << "length 0";
  EXPECT_EQ(with_options(bytes_of({7, 1, 0, 0})), Drop::ipv4_bad_options) << "length 1";
  EXPECT_EQ(with_options(bytes_of({7, 5, 0, 0})), Drop::ipv4_bad_options) << "over the header";
  EXPECT_EQ(with_options(bytes_of({1, 1, 1, 7})), Drop::ipv4_bad_options) << "no room for a length";
  EXPECT_EQ(with_options(bytes_of({7, 255, 0, 0})), Drop::ipv4_bad_options);
}

TEST_F(Ipv4In, SourceRoutesAreRefused) {  // MUST-51
  EXPECT_EQ(with_options(bytes_of({131, 7, 4, 10, 0, 0, 9, 0})), Drop::ipv4_bad_options);
  EXPECT_EQ(with_options(bytes_of({1, 137, 7, 4, 10, 0, 0, 9})), Drop::ipv4_bad_options);
}

TEST_F(Ipv4In, RandomOptionsNeverReadOutside) {
  // The address sanitizer is the judge: the bytes end where the datagram does.
  std::uint32_t state = 1;
  for (int i = 0; i < 20000; ++i) {
    Bytes options;
    for (std::uint32_t n = (state >> 28) % 10 + 1; n > 0; --n) {
      for (int k = 0; k < 4; ++k) {
        state = state * 1664525 + 1013904223;
        options.push_back(static_cast<std::byte>(state >> 24 & (k == 1 ? 0x0F : 0xFF)));
      }
    }
    const Bytes exact = datagram(from_peer(protocol::udp), {}, options);
    const Drop drop = arrives(exact).drop;
    EXPECT_TRUE(drop == Drop::none || drop == Drop::ipv4_bad_options);
  }
}

TEST_F(Ipv4In, TheShortWayTakesTheSameAddresses) {
  const Ipv4Address first{1, 0, 0, 0};
  std::vector<Ipv4Address> addresses{Ipv4Address{},
                                     Ipv4Address{0, 255, 255, 255},
                                     first,
                                     Ipv4Address{126, 255, 255, 255},
                                     Ipv4Address{127, 0, 0, 1},
                                     Ipv4Address{127, 255, 255, 255},
                                     Ipv4Address{128, 0, 0, 0},
                                     Ipv4Address{223, 255, 255, 255},
                                     Ipv4Address{224, 0, 0, 0},
                                     Ipv4Address{239, 255, 255, 255},
                                     Ipv4Address{240, 0, 0, 0},
                                     Ipv4Address{255, 255, 255, 255}};
  own.for_each([&](Ipv4Address a) {
    for (const std::uint32_t off : {0u - 1, 0u, 1u}) addresses.emplace_back(a.value() + off);
  });
  for (const wire::Ipv4Prefix& prefix : own.prefixes()) {
    if (const auto broadcast = prefix.broadcast()) addresses.push_back(*broadcast);
  }
  // With one connected network, and with several.
  for (const bool several : {false, true}) {
    if (several) {
      ASSERT_TRUE(own.add({Ipv4Address{172, 16, 5, 1}, 22}));
    }
    addresses.emplace_back(172, 16, 7, 255);
    PlainAddresses remembered;
    for (const Ipv4Address source : addresses) {
      for (const Ipv4Address destination : addresses) {
        wire::Ipv4Fields fields = from_peer(protocol::tcp);
        fields.source = source;
        fields.destination = destination;
        const bool delivered = arrives(fields).drop == Drop::none;
        EXPECT_EQ(plain_addresses(source, destination, own), delivered)
            << source.value() << " to " << destination.value();
        const std::uint64_t pair = std::uint64_t{source.value()} << 32 | destination.value();
        for (int again = 0; again < 2; ++again) EXPECT_EQ(remembered.good(pair, own), delivered);
      }
    }
  }
}

}  // namespace
}  // namespace pollux::internet
