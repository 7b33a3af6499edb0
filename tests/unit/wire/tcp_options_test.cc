#include "wire/tcp_options.h"

#include <gtest/gtest.h>

#include "bytes.h"
#include "wire/field.h"

namespace pollux::wire {
namespace {

using testing::bytes;
using testing::Bytes;
using testing::random_bytes;

Bytes written(const TcpOptions& options) {
  Bytes out(options_size(options));
  const Sum sum = write_options(options, out);
  EXPECT_EQ(fold(sum), testing::naive_checksum(out));
  return out;
}

/// A second reading of RFC 9293 s.3.1, recursive and slow.
TcpOptions naive_parse(const Bytes& b, std::size_t at = 0, TcpOptions so_far = {}) {
  if (at >= b.size() || b[at] == std::byte{0}) return so_far;
  if (b[at] == std::byte{1}) return naive_parse(b, at + 1, so_far);
  if (at + 1 >= b.size()) return so_far;
  const int kind = std::to_integer<int>(b[at]);
  const auto length = std::to_integer<std::size_t>(b[at + 1]);
  if (length < 2 || at + length > b.size()) return so_far;
  const auto u32 = [&](std::size_t i) { return load_u32(b.data() + at + i); };
  if (kind == 2 && length == 4) so_far.mss = load_u16(b.data() + at + 2);
  if (kind == 3 && length == 3) {
    const std::uint8_t shift = load_u8(b.data() + at + 2);
    so_far.window_scale = shift > 14 ? std::uint8_t{14} : shift;
  }
  if (kind == 4 && length == 2) so_far.sack_permitted = true;
  if (kind == 5 && (length == 10 || length == 18 || length == 26 || length == 34)) {
    so_far.sack_count = static_cast<std::uint8_t>(length / 8);
    so_far.fast_open_length = 0;
    for (std::size_t i = 0; i < so_far.sack_count; ++i) {
      so_far.sack[i] = {SeqNum{u32(2 + 8 * i)}, SeqNum{u32(6 + 8 * i)}};
    }
  }
  if (kind == 34 && so_far.sack_count == 0 &&
      (length == 2 || (length >= 6 && length <= 18 && length % 2 == 0))) {
    FastOpenCookie cookie{.size = static_cast<std::uint8_t>(length - 2)};
    for (std::size_t i = 0; i < cookie.size; ++i) cookie.bytes[i] = b[at + 2 + i];
    so_far.set_fast_open(cookie);
  }
  if (kind == 8 && length == 10) so_far.timestamps = Timestamps{u32(2), u32(6)};
  return naive_parse(b, at + length, so_far);
}

TEST(TcpOptions, OfASynAreInTheUsualOrder) {  // MUST-4
  TcpOptions options;
  options.mss = 1460;
  options.window_scale = 7;
  options.sack_permitted = true;
  options.timestamps = Timestamps{0x0102'0304, 0x0506'0708};
  const Bytes b = written(options);
  EXPECT_EQ(b, bytes({2, 4, 0x05, 0xB4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7}));
  EXPECT_EQ(parse_options(b), options);
}

TEST(TcpOptions, OfAnOrdinarySegmentAreTwelveBytes) {
  TcpOptions options;
  options.timestamps = Timestamps{1, 2};
  EXPECT_EQ(written(options), bytes({1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}));
}

TEST(TcpOptions, SackBlocksFollowTimestamps) {
  TcpOptions options;
  options.timestamps = Timestamps{1, 2};
  options.sack[0] = {SeqNum{0x10}, SeqNum{0x20}};
  options.sack_count = 1;
  EXPECT_EQ(written(options),
            bytes({1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 10, 0, 0, 0, 16, 0, 0, 0, 32}));
}

TEST(TcpOptions, NoneAreNoBytes) {
  EXPECT_EQ(options_size(TcpOptions{}), 0u);
  EXPECT_EQ(parse_options({}), TcpOptions{});
  EXPECT_EQ(written(TcpOptions{}), Bytes{});
}

TEST(TcpOptions, EveryCombinationComesBackAligned) {  // MUST-68, MUST-69
  for (unsigned set = 0; set < 16; ++set) {
    for (std::uint8_t blocks = 0; blocks <= 4; ++blocks) {
      TcpOptions options;
      if (set & 1) options.mss = 536;
      if (set & 2) options.window_scale = 14;
      options.sack_permitted = (set & 4) != 0;
      if (set & 8) options.timestamps = Timestamps{0xFFFF'FFFF, 0};
      options.sack_count = blocks;
      for (std::uint32_t i = 0; i < blocks; ++i) {
        options.sack[i] = {SeqNum{i * 100 + 1}, SeqNum{i * 100 + 50}};
      }
      const Bytes b = written(options);
      EXPECT_EQ(b.size() % 4, 0u);
      EXPECT_LE(b.size(), TcpOptions::max_size);
      const TcpOptions back = parse_options(b);
      EXPECT_LE(back.sack_count, blocks);
      // What is left off is as little as the 40 bytes allow, and from the end.
      if (back.sack_count < blocks) {
        EXPECT_GT(b.size() + (back.sack_count == 0 ? 12 : 8), TcpOptions::max_size);
        options.sack_count = back.sack_count;
        for (std::size_t i = back.sack_count; i < blocks; ++i) options.sack[i] = {};
      }
      EXPECT_EQ(back, options) << set << ' ' << int{blocks};
    }
  }
}

TEST(TcpOptions, ThreeSackBlocksFitBesideTimestampsAndFourWithout) {
  TcpOptions options;
  options.sack_count = 4;
  EXPECT_EQ(options_size(options), 36u);
  options.timestamps = Timestamps{};
  EXPECT_EQ(options_size(options), 40u);
  EXPECT_EQ(parse_options(written(options)).sack_count, 3);
}

FastOpenCookie cookie_of(const Bytes& bytes) {
  FastOpenCookie cookie{.size = static_cast<std::uint8_t>(bytes.size())};
  std::copy(bytes.begin(), bytes.end(), cookie.bytes.begin());
  return cookie;
}

TEST(TcpOptions, ACookieIsLastInASynAndEveryLengthFits) {
  for (std::size_t size = 0; size <= FastOpenCookie::max_size; size += size == 0 ? 4 : 2) {
    TcpOptions options;
    options.mss = 1460;
    options.window_scale = 7;
    options.sack_permitted = true;
    options.timestamps = Timestamps{1, 2};
    const FastOpenCookie cookie = cookie_of(Bytes(size, std::byte{0xC7}));
    options.set_fast_open(cookie);
    const Bytes b = written(options);
    EXPECT_EQ(b.size(), 20 + (size + 2 + 3) / 4 * 4);
    EXPECT_EQ(b[20], std::byte{34});
    EXPECT_EQ(parse_options(b), options);
    EXPECT_EQ(parse_options(b).fast_open(), cookie);
  }
}

TEST(TcpOptions, ASynWithoutCookieHasNone) {
  TcpOptions options;
  EXPECT_FALSE(options.fast_open());
  options.set_fast_open({});
  EXPECT_EQ(options.fast_open(), FastOpenCookie{});
  EXPECT_EQ(options_size(options), 0u) << "without an MSS it is no SYN";
}

TEST(TcpOptions, SackBlocksCountBeforeACookie) {
  const Bytes sack = bytes({5, 10, 0, 0, 0, 1, 0, 0, 0, 2});
  const Bytes cookie = bytes({34, 6, 1, 2, 3, 4});
  for (const Bytes& both : {testing::operator+(sack, cookie), testing::operator+(cookie, sack)}) {
    const TcpOptions options = parse_options(both);
    EXPECT_EQ(options.sack_count, 1);
    EXPECT_EQ(options.sack[0], (SackBlock{SeqNum{1}, SeqNum{2}}));
    EXPECT_FALSE(options.fast_open());
  }
}

TEST(TcpOptions, Must6UnknownKindsArePassedOver) {  // MUST-6
  for (int kind = 0; kind < 256; ++kind) {
    if (kind <= 5 || kind == 8 || kind == 34) continue;
    const Bytes b = bytes({kind, 2, kind, 5, 0xAA, 0xBB, 0xCC, 2, 4, 0x05, 0xB4});
    EXPECT_EQ(parse_options(b).mss, 1460) << kind;
  }
}

TEST(TcpOptions, KnownKindsOfAnotherLengthArePassedOver) {
  for (const int kind : {2, 3, 4, 5, 8, 34}) {
    for (std::size_t length = 2; length <= 40; ++length) {
      const bool right = (kind == 2 && length == 4) || (kind == 3 && length == 3) ||
                         (kind == 4 && length == 2) || (kind == 8 && length == 10) ||
                         (kind == 34 && length != 4 && length <= 18 && length % 2 == 0) ||
                         (kind == 5 && length > 2 && length <= 34 && length % 8 == 2);
      Bytes b(length, std::byte{0xAB});
      b[0] = static_cast<std::byte>(kind);
      b[1] = static_cast<std::byte>(length);
      EXPECT_EQ(parse_options(b) != TcpOptions{}, right) << kind << ' ' << length;
      const Bytes after = testing::operator+(b, bytes({3, 3, 9}));
      if (kind != 3) {
        EXPECT_EQ(parse_options(after).window_scale, 9) << kind << ' ' << length;
      }
    }
  }
}

TEST(TcpOptions, Must7IllegalLengthsEndTheList) {  // MUST-7
  const Bytes mss = bytes({2, 4, 0x05, 0xB4});
  for (const Bytes& bad : {bytes({8, 0}), bytes({8, 1}), bytes({99, 0}), bytes({99, 1}),
                           bytes({99, 40}), bytes({99, 255})}) {
    const TcpOptions before = parse_options(testing::operator+(mss, bad));
    EXPECT_EQ(before.mss, 1460);
    const TcpOptions after = parse_options(testing::operator+(bad, mss));
    EXPECT_FALSE(after.mss);
  }
  EXPECT_FALSE(parse_options(bytes({2})).mss);
  EXPECT_FALSE(parse_options(bytes({2, 4})).mss);
  EXPECT_FALSE(parse_options(bytes({2, 4, 5})).mss);
}

TEST(TcpOptions, EndOfListEndsTheList) {  // MUST-4
  EXPECT_FALSE(parse_options(bytes({1, 0, 2, 4, 0x05, 0xB4})).mss);
}

TEST(TcpOptions, Must64OptionsBeginAtAnyByte) {  // MUST-64
  for (std::size_t n = 0; n < 4; ++n) {
    const Bytes b = testing::operator+(Bytes(n, std::byte{1}), bytes({2, 4, 0x05, 0xB4}));
    EXPECT_EQ(parse_options(b).mss, 1460);
  }
}

TEST(TcpOptions, WindowScaleOver14Is14) {
  for (int shift = 0; shift < 256; ++shift) {
    EXPECT_EQ(parse_options(bytes({3, 3, shift})).window_scale, shift > 14 ? 14 : shift);
  }
}

TEST(TcpOptions, OfARepeatedOptionTheLastCounts) {
  EXPECT_EQ(parse_options(bytes({2, 4, 0, 1, 2, 4, 0, 2})).mss, 2);
}

TEST(TcpOptions, AllSequencesOfUpToThreeBytes) {
  for (unsigned a = 0; a < 256; ++a) {
    const std::byte first{static_cast<std::uint8_t>(a)};
    ASSERT_EQ(parse_options(Bytes{first}), TcpOptions{});
    for (unsigned b = 0; b < 256; ++b) {
      const std::byte second{static_cast<std::uint8_t>(b)};
      const Bytes two{first, second};
      ASSERT_EQ(parse_options(two), naive_parse(two));
      Bytes three{first, second, std::byte{0}};
      for (unsigned c = 0; c < 256; ++c) {
        three[2] = std::byte{static_cast<std::uint8_t>(c)};
        ASSERT_EQ(parse_options(three), naive_parse(three)) << a << ' ' << b << ' ' << c;
      }
    }
  }
}

TEST(TcpOptions, RandomBytesReadAsTheSlowReaderReads) {
  Prng prng{20};
  for (int i = 0; i < 200'000; ++i) {
    Bytes b = random_bytes(prng, prng.below(41));
    // Half of them are mostly kinds and lengths that exist, so that the reader gets far.
    if (i % 2 == 0) {
      const int likely[] = {0, 1, 1, 2, 2, 3, 3, 4, 5, 8, 8, 10, 10, 18};
      for (std::byte& value : b) {
        if (prng.chance(0.9)) value = static_cast<std::byte>(likely[prng.below(14)]);
      }
    }
    ASSERT_EQ(parse_options(b), naive_parse(b)) << i;
  }
}

}  // namespace
}  // namespace pollux::wire
