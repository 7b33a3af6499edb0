#include "wire/ipv4.h"

#include <gtest/gtest.h>

#include "bytes.h"

namespace pollux::wire {
namespace {

using testing::bytes;
using testing::Bytes;
using testing::front;
using testing::naive_checksum;
using testing::random_bytes;
using testing::touch;

Ipv4Fields sample(std::uint16_t payload) {
  return {.tos = 0xB9,
          .total_length = static_cast<std::uint16_t>(Ipv4Fields::size + payload),
          .identification = 0x1234,
          .dont_fragment = true,
          .more_fragments = false,
          .fragment_offset_bytes = 0,
          .ttl = 61,
          .protocol = protocol::tcp,
          .source = Ipv4Address(192, 0, 2, 1),
          .destination = Ipv4Address(198, 51, 100, 7)};
}

Bytes datagram(std::uint16_t payload, std::size_t padding = 0) {
  Bytes out(Ipv4Fields::size + payload + padding, std::byte{0xCC});
  sample(payload).write(out);
  return out;
}

Drop parse(const Bytes& b) {
  Ipv4View view;
  return Ipv4View::parse(b, view);
}

TEST(Ipv4, WritesAndReads) {
  const Bytes b = datagram(5);
  EXPECT_EQ(front(b, 10), bytes({0x45, 0xB9, 0, 25, 0x12, 0x34, 0x40, 0, 61, 6}));
  EXPECT_EQ(naive_checksum(std::span{b}.first(20)), 0);
  Ipv4View view;
  ASSERT_EQ(Ipv4View::parse(b, view), Drop::none);
  EXPECT_EQ(view.header_length(), 20u);
  EXPECT_EQ(view.tos(), 0xB9);
  EXPECT_EQ(view.dscp(), 0x2E);
  EXPECT_EQ(view.ecn(), 1);
  EXPECT_EQ(view.total_length(), 25);
  EXPECT_EQ(view.identification(), 0x1234);
  EXPECT_TRUE(view.dont_fragment());
  EXPECT_FALSE(view.more_fragments());
  EXPECT_FALSE(view.is_fragment());
  EXPECT_EQ(view.fragment_offset_bytes(), 0);
  EXPECT_EQ(view.ttl(), 61);
  EXPECT_EQ(view.protocol(), protocol::tcp);
  EXPECT_EQ(view.source(), Ipv4Address(192, 0, 2, 1));
  EXPECT_EQ(view.destination(), Ipv4Address(198, 51, 100, 7));
  EXPECT_TRUE(view.options().empty());
  EXPECT_EQ(view.payload().data(), b.data() + 20);
  EXPECT_EQ(view.payload().size(), 5u);
  EXPECT_TRUE(view.checksum_ok());
  EXPECT_EQ(fold(view.pseudo_header()),
            fold(pseudo_header(view.source(), view.destination(), protocol::tcp, 5)));
}

TEST(Ipv4, RandomFieldsComeBack) {
  Prng prng{11};
  for (int i = 0; i < 10'000; ++i) {
    const Ipv4Fields f{.tos = static_cast<std::uint8_t>(prng.below(256)),
                       .total_length = static_cast<std::uint16_t>(20 + prng.below(100)),
                       .identification = static_cast<std::uint16_t>(prng.below(65'536)),
                       .dont_fragment = prng.chance(0.5),
                       .more_fragments = prng.chance(0.5),
                       .fragment_offset_bytes = static_cast<std::uint16_t>(prng.below(8192) * 8),
                       .ttl = static_cast<std::uint8_t>(prng.below(256)),
                       .protocol = static_cast<std::uint8_t>(prng.below(256)),
                       .source = Ipv4Address{prng.next32()},
                       .destination = Ipv4Address{prng.next32()}};
    Bytes b(f.total_length);
    f.write(b);
    Ipv4View view;
    ASSERT_EQ(Ipv4View::parse(b, view), Drop::none);
    EXPECT_EQ(view.tos(), f.tos);
    EXPECT_EQ(view.total_length(), f.total_length);
    EXPECT_EQ(view.identification(), f.identification);
    EXPECT_EQ(view.dont_fragment(), f.dont_fragment);
    EXPECT_EQ(view.more_fragments(), f.more_fragments);
    EXPECT_EQ(view.fragment_offset_bytes(), f.fragment_offset_bytes);
    EXPECT_EQ(view.is_fragment(), f.more_fragments || f.fragment_offset_bytes != 0);
    EXPECT_EQ(view.ttl(), f.ttl);
    EXPECT_EQ(view.protocol(), f.protocol);
    EXPECT_EQ(view.source(), f.source);
    EXPECT_EQ(view.destination(), f.destination);
    EXPECT_TRUE(view.checksum_ok());
  }
}

TEST(Ipv4, PayloadEndsBeforePadding) {
  const Bytes b = datagram(3, 23);
  Ipv4View view;
  ASSERT_EQ(Ipv4View::parse(b, view), Drop::none);
  EXPECT_EQ(view.payload().size(), 3u);
}

TEST(Ipv4, EveryTruncationIsNamed) {
  const Bytes b = datagram(9);
  for (std::size_t n = 0; n < b.size(); ++n) EXPECT_EQ(parse(front(b, n)), Drop::ipv4_truncated);
  EXPECT_EQ(parse(b), Drop::none);
}

TEST(Ipv4, EveryOtherVersionIsRefused) {
  for (int version = 0; version < 16; ++version) {
    Bytes b = datagram(9);
    b[0] = static_cast<std::byte>(version << 4 | 5);
    EXPECT_EQ(parse(b), version == 4 ? Drop::none : Drop::ipv4_bad_version) << version;
  }
}

TEST(Ipv4, EveryHeaderLengthIsJudged) {
  for (int words = 0; words < 16; ++words) {
    Bytes b = datagram(20);  // 40 bytes: header lengths to 10 words fit
    b[0] = static_cast<std::byte>(0x40 | words);
    const Drop expected = words < 5    ? Drop::ipv4_bad_header_length
                          : words > 10 ? Drop::ipv4_bad_total_length
                                       : Drop::none;
    Ipv4View view;
    EXPECT_EQ(Ipv4View::parse(b, view), expected) << words;
    if (expected != Drop::none) continue;
    EXPECT_EQ(view.options().size(), static_cast<std::size_t>(words - 5) * 4);
    EXPECT_EQ(view.payload().size(), 40u - static_cast<std::size_t>(words) * 4);
  }
}

TEST(Ipv4, EveryTotalLengthIsJudged) {
  for (std::uint32_t length = 0; length < 65'536; ++length) {
    Bytes b = datagram(10);
    store_u16(b.data() + 2, static_cast<std::uint16_t>(length));
    const Drop expected = length < 20   ? Drop::ipv4_bad_total_length
                          : length > 30 ? Drop::ipv4_truncated
                                        : Drop::none;
    ASSERT_EQ(parse(b), expected) << length;
  }
}

TEST(Ipv4, ARefusalLeavesTheViewAsItWas) {
  const Bytes good = datagram(4);
  Ipv4View view;
  ASSERT_EQ(Ipv4View::parse(good, view), Drop::none);
  EXPECT_NE(Ipv4View::parse(Bytes(20), view), Drop::none);
  EXPECT_EQ(view.payload().size(), 4u);
  EXPECT_EQ(view.source(), Ipv4Address(192, 0, 2, 1));
}

TEST(Ipv4, ChecksumFindsEveryBitOfTheHeader) {
  for (std::size_t bit = 0; bit < 160; ++bit) {
    Bytes b = datagram(65'515);  // so that no total length is under the header's, or over the bytes
    b[bit / 8] ^= std::byte{1} << bit % 8;
    Ipv4View view;
    if (Ipv4View::parse(b, view) == Drop::none) {
      EXPECT_FALSE(view.checksum_ok()) << bit;
    }
  }
}

TEST(Ipv4, ChecksumCoversOptions) {
  Bytes b = datagram(8);
  b[0] = std::byte{0x46};
  store_u16(b.data() + 10, 0);
  store_u16(b.data() + 10, naive_checksum(std::span{b}.first(24)));
  Ipv4View view;
  ASSERT_EQ(Ipv4View::parse(b, view), Drop::none);
  EXPECT_TRUE(view.checksum_ok());
  b[23] ^= std::byte{1};
  EXPECT_FALSE(view.checksum_ok());
}

TEST(Ipv4, ChecksumMayBeLeftToTheDevice) {
  Bytes b(20, std::byte{0xFF});
  sample(0).write_without_checksum(b);
  EXPECT_EQ(load_u16(b.data() + 10), 0);
  Bytes whole(20);
  sample(0).write(whole);
  EXPECT_EQ(load_u16(whole.data() + 10), naive_checksum(b));
}

TEST(Ipv4, AQuotedDatagramMayEndEarly) {
  const Bytes b = datagram(100);
  for (std::size_t n = 0; n <= b.size(); ++n) {
    const Bytes piece = front(b, n);
    Ipv4View view;
    const Drop drop = Ipv4View::parse_quoted(piece, view);
    ASSERT_EQ(drop, n < 20 ? Drop::ipv4_truncated : Drop::none) << n;
    if (drop != Drop::none) continue;
    EXPECT_EQ(view.total_length(), 120);
    EXPECT_EQ(view.payload().size(), n - 20);
    touch(view.payload());
  }
  Bytes options = front(b, 23);
  options[0] = std::byte{0x46};
  Ipv4View view;
  EXPECT_EQ(Ipv4View::parse_quoted(options, view), Drop::ipv4_truncated);
}

TEST(Ipv4, NeverReadsPastTheEnd) {
  Prng prng{12};
  int read = 0;
  for (int i = 0; i < 100'000; ++i) {
    Bytes b = random_bytes(prng, prng.below(80));
    if (!b.empty() && prng.chance(0.8)) b[0] = static_cast<std::byte>(0x40 | prng.below(16));
    if (b.size() > 3 && prng.chance(0.8)) {
      store_u16(b.data() + 2, static_cast<std::uint16_t>(prng.below(90)));
    }
    for (const bool quoted : {false, true}) {
      Ipv4View view;
      const Drop drop = quoted ? Ipv4View::parse_quoted(b, view) : Ipv4View::parse(b, view);
      if (drop != Drop::none) continue;
      ++read;
      EXPECT_LE(view.header().size() + view.payload().size(), b.size());
      touch(view.header());
      touch(view.options());
      touch(view.payload());
      EXPECT_EQ(view.checksum_ok(), naive_checksum(view.header()) == 0);
    }
  }
  EXPECT_GT(read, 10'000);
}

}  // namespace
}  // namespace pollux::wire
