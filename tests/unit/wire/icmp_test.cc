#include "wire/icmp.h"

#include <gtest/gtest.h>

#include "bytes.h"
#include "wire/ipv4.h"

namespace pollux::wire {
namespace {

using testing::bytes;
using testing::Bytes;
using testing::front;
using testing::naive_checksum;
using testing::random_bytes;
using testing::touch;

Bytes message(const IcmpFields& fields, const Bytes& data) {
  Bytes out = testing::operator+(Bytes(IcmpFields::size), data);
  fields.write(out);
  return out;
}

TEST(Icmp, EchoComesBack) {
  const Bytes data = bytes({1, 2, 3});
  for (const bool request : {false, true}) {
    const Bytes b = message(
        request ? IcmpFields::echo_request(0x1234, 0x5678) : IcmpFields::echo_reply(0x1234, 0x5678),
        data);
    EXPECT_EQ(naive_checksum(b), 0);
    IcmpView view;
    ASSERT_EQ(IcmpView::parse(b, view), Drop::none);
    EXPECT_EQ(view.type(), request ? 8 : 0);
    EXPECT_EQ(view.code(), 0);
    EXPECT_TRUE(view.is_echo());
    EXPECT_FALSE(view.is_error());
    EXPECT_EQ(view.identifier(), 0x1234);
    EXPECT_EQ(view.sequence(), 0x5678);
    EXPECT_TRUE(view.checksum_ok());
    EXPECT_EQ(Bytes(view.data().begin(), view.data().end()), data);
  }
}

TEST(Icmp, ErrorsQuoteTheDatagram) {
  Bytes datagram(Ipv4Fields::size + 100);
  Ipv4Fields{.total_length = 120, .protocol = protocol::udp}.write(datagram);
  const Bytes b = message(IcmpFields::unreachable(icmp_unreachable::fragmentation_needed, 1400),
                          front(datagram, 28));
  EXPECT_EQ(front(b, 2), bytes({3, 4}));
  EXPECT_EQ(std::vector(b.begin() + 4, b.begin() + 8), bytes({0, 0, 0x05, 0x78}));
  IcmpView view;
  ASSERT_EQ(IcmpView::parse(b, view), Drop::none);
  EXPECT_TRUE(view.is_error());
  EXPECT_EQ(view.next_hop_mtu(), 1400);
  Ipv4View quoted;
  ASSERT_EQ(Ipv4View::parse_quoted(view.quoted(), quoted), Drop::none);
  EXPECT_EQ(quoted.protocol(), protocol::udp);
  EXPECT_EQ(quoted.payload().size(), 8u);
}

TEST(Icmp, OtherErrorsHaveTheirFields) {
  const Bytes exceeded =
      message(IcmpFields::time_exceeded(icmp_time_exceeded::in_reassembly), Bytes(28));
  EXPECT_EQ(front(exceeded, 2), bytes({11, 1}));
  EXPECT_EQ(load_u32(exceeded.data() + 4), 0u);
  const Bytes problem = message(IcmpFields::parameter_problem(21), Bytes(28));
  IcmpView view;
  ASSERT_EQ(IcmpView::parse(problem, view), Drop::none);
  EXPECT_EQ(view.type(), icmp_type::parameter_problem);
  EXPECT_EQ(view.pointer(), 21);
  EXPECT_TRUE(view.checksum_ok());
}

TEST(Icmp, FiveTypesAreErrors) {
  for (int type = 0; type < 256; ++type) {
    Bytes b(8);
    b[0] = static_cast<std::byte>(type);
    IcmpView view;
    ASSERT_EQ(IcmpView::parse(b, view), Drop::none);
    EXPECT_EQ(view.is_error(), type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
    EXPECT_EQ(view.is_echo(), type == 0 || type == 8);
  }
}

TEST(Icmp, EveryTruncationIsNamed) {
  const Bytes b = message(IcmpFields::echo_request(1, 2), {});
  for (std::size_t n = 0; n < 8; ++n) {
    const Bytes piece = front(b, n);
    IcmpView view;
    EXPECT_EQ(IcmpView::parse(piece, view), Drop::icmp_truncated) << n;
  }
  IcmpView view;
  EXPECT_EQ(IcmpView::parse(b, view), Drop::none);
  EXPECT_TRUE(view.data().empty());
}

TEST(Icmp, ChecksumFindsEveryBit) {
  Prng prng{13};
  Bytes b = message(IcmpFields::echo_request(1, 2), random_bytes(prng, 57));
  IcmpView view;
  ASSERT_EQ(IcmpView::parse(b, view), Drop::none);
  for (std::size_t bit = 0; bit < b.size() * 8; ++bit) {
    b[bit / 8] ^= std::byte{1} << bit % 8;
    EXPECT_FALSE(view.checksum_ok()) << bit;
    b[bit / 8] ^= std::byte{1} << bit % 8;
  }
  EXPECT_TRUE(view.checksum_ok());
}

TEST(Icmp, NeverReadsPastTheEnd) {
  Prng prng{14};
  for (int i = 0; i < 20'000; ++i) {
    const Bytes b = random_bytes(prng, prng.below(64));
    IcmpView view;
    if (IcmpView::parse(b, view) != Drop::none) continue;
    touch(view.quoted());
    Ipv4View quoted;
    if (Ipv4View::parse_quoted(view.quoted(), quoted) == Drop::none) touch(quoted.payload());
    EXPECT_EQ(view.checksum_ok(), naive_checksum(b) == 0);
  }
}

}  // namespace
}  // namespace pollux::wire
