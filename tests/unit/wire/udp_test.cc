#include "wire/udp.h"

#include <gtest/gtest.h>

#include "bytes.h"

namespace pollux::wire {
namespace {

using testing::bytes;
using testing::Bytes;
using testing::front;
using testing::random_bytes;
using testing::touch;

const Ipv4Address source{192, 0, 2, 1};
const Ipv4Address destination{198, 51, 100, 7};

Sum pseudo(std::size_t length) {
  return pseudo_header(source, destination, 17, static_cast<std::uint16_t>(length));
}

Bytes datagram(const Bytes& payload) {
  Bytes out = testing::operator+(Bytes(UdpFields::size), payload);
  UdpFields fields{.source_port = 5353,
                   .destination_port = 53,
                   .length = static_cast<std::uint16_t>(out.size())};
  const Sum header = fields.write(out);
  EXPECT_EQ(fold(header), testing::naive_checksum(front(out, UdpFields::size)));
  fields.checksum = fold_udp(add(pseudo(out.size()), Sum{out}));
  fields.write(out);
  return out;
}

Drop parse(const Bytes& b) {
  UdpView view;
  return UdpView::parse(b, view);
}

TEST(Udp, WritesAndReads) {
  const Bytes b = datagram(bytes({1, 2, 3}));
  EXPECT_EQ(front(b, 6), bytes({0x14, 0xE9, 0, 53, 0, 11}));
  UdpView view;
  ASSERT_EQ(UdpView::parse(b, view), Drop::none);
  EXPECT_EQ(view.source_port(), 5353);
  EXPECT_EQ(view.destination_port(), 53);
  EXPECT_EQ(view.length(), 11);
  EXPECT_EQ(view.payload().data(), b.data() + 8);
  EXPECT_EQ(view.payload().size(), 3u);
  EXPECT_TRUE(view.checksum_ok(pseudo(11)));
  EXPECT_FALSE(view.checksum_ok(pseudo(12)));
}

TEST(Udp, EveryTruncationIsNamed) {
  const Bytes b = datagram(Bytes(9));
  for (std::size_t n = 0; n < b.size(); ++n) {
    EXPECT_EQ(parse(front(b, n)), n < 8 ? Drop::udp_truncated : Drop::udp_bad_length) << n;
  }
}

TEST(Udp, EveryLengthIsJudged) {
  for (std::uint32_t length = 0; length < 65'536; ++length) {
    Bytes b = datagram(Bytes(4));
    store_u16(b.data() + 4, static_cast<std::uint16_t>(length));
    UdpView view;
    const bool good = length >= 8 && length <= 12;
    ASSERT_EQ(UdpView::parse(b, view), good ? Drop::none : Drop::udp_bad_length) << length;
    if (good) {
      EXPECT_EQ(view.payload().size(), length - 8);
    }
  }
}

TEST(Udp, ChecksumZeroMeansNone) {
  Bytes b = datagram(bytes({1, 2, 3}));
  store_u16(b.data() + 6, 0);
  UdpView view;
  ASSERT_EQ(UdpView::parse(b, view), Drop::none);
  EXPECT_TRUE(view.checksum_ok(pseudo(11)));
  EXPECT_TRUE(view.checksum_ok(Sum{}));
}

TEST(Udp, ASumThatWouldReadAsNoneGoesOutAsOnes) {
  // The payload's two bytes are chosen to make the finished checksum 0.
  Bytes b = datagram(bytes({0, 0}));
  store_u16(b.data() + 6, 0);
  store_u16(b.data() + 8, fold(Sum{b}.add(pseudo(10))));
  EXPECT_EQ(fold(Sum{b}.add(pseudo(10))), 0);
  EXPECT_EQ(fold_udp(Sum{b}.add(pseudo(10))), 0xFFFF);
  store_u16(b.data() + 6, 0xFFFF);
  UdpView view;
  ASSERT_EQ(UdpView::parse(b, view), Drop::none);
  EXPECT_TRUE(view.checksum_ok(pseudo(10)));
  b[8] ^= std::byte{1};
  EXPECT_FALSE(view.checksum_ok(pseudo(10)));
}

TEST(Udp, ChecksumFindsEveryBit) {
  Prng prng{15};
  Bytes b = datagram(random_bytes(prng, 33));
  UdpView view;
  ASSERT_EQ(UdpView::parse(b, view), Drop::none);
  for (std::size_t bit = 0; bit < b.size() * 8; ++bit) {
    b[bit / 8] ^= std::byte{1} << bit % 8;
    EXPECT_FALSE(view.checksum_ok(pseudo(b.size()))) << bit;
    b[bit / 8] ^= std::byte{1} << bit % 8;
  }
}

TEST(Udp, NeverReadsPastTheEnd) {
  Prng prng{16};
  for (int i = 0; i < 50'000; ++i) {
    Bytes b = random_bytes(prng, prng.below(64));
    if (b.size() > 5) store_u16(b.data() + 4, static_cast<std::uint16_t>(prng.below(70)));
    UdpView view;
    if (UdpView::parse(b, view) != Drop::none) continue;
    EXPECT_LE(8 + view.payload().size(), b.size());
    touch(view.payload());
    static_cast<void>(view.checksum_ok(pseudo(view.length())));
  }
}

}  // namespace
}  // namespace pollux::wire
