#include "wire/tcp.h"

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

const Ipv4Address source{192, 0, 2, 1};
const Ipv4Address destination{198, 51, 100, 7};

Sum pseudo(std::size_t length) {
  return pseudo_header(source, destination, 6, static_cast<std::uint16_t>(length));
}

/// A segment with a right checksum.
Bytes segment(const Bytes& options, const Bytes& text) {
  Bytes out = testing::operator+(testing::operator+(Bytes(TcpFields::size), options), text);
  TcpFields fields{.source_port = 40'000,
                   .destination_port = 80,
                   .seq = SeqNum{0x0102'0304},
                   .ack = SeqNum{0xA1A2'A3A4},
                   .control = control::ack | control::psh,
                   .options_length = static_cast<std::uint8_t>(options.size()),
                   .window = 0x7210,
                   .checksum = 0,
                   .urgent_pointer = 0x0506};
  const Sum header = fields.write(out);
  EXPECT_EQ(fold(header), testing::naive_checksum(front(out, TcpFields::size)));
  fields.checksum = fold(add(pseudo(out.size()), Sum{out}));
  fields.write(out);
  return out;
}

Drop parse(const Bytes& b) {
  TcpView view;
  return TcpView::parse(b, view);
}

TEST(Tcp, WritesAndReads) {
  const Bytes b = segment(Bytes(12, std::byte{1}), bytes({7, 8, 9}));
  EXPECT_EQ(front(b, 16),
            bytes({0x9C, 0x40, 0, 80, 1, 2, 3, 4, 0xA1, 0xA2, 0xA3, 0xA4, 0x80, 0x18, 0x72, 0x10}));
  TcpView view;
  ASSERT_EQ(TcpView::parse(b, view), Drop::none);
  EXPECT_EQ(view.source_port(), 40'000);
  EXPECT_EQ(view.destination_port(), 80);
  EXPECT_EQ(view.seq(), SeqNum{0x0102'0304});
  EXPECT_EQ(view.ack(), SeqNum{0xA1A2'A3A4});
  EXPECT_EQ(view.data_offset_bytes(), 32u);
  EXPECT_EQ(view.control(), control::ack | control::psh);
  EXPECT_EQ(view.window(), 0x7210);
  EXPECT_EQ(view.urgent_pointer(), 0x0506);
  EXPECT_EQ(view.header().size(), 32u);
  EXPECT_EQ(view.options().data(), b.data() + 20);
  EXPECT_EQ(view.options().size(), 12u);
  EXPECT_EQ(view.text().data(), b.data() + 32);
  EXPECT_EQ(view.text().size(), 3u);
  EXPECT_TRUE(view.checksum_ok(pseudo(b.size())));
}

TEST(Tcp, EveryControlBitIsItsOwn) {
  for (unsigned bits = 0; bits < 256; ++bits) {
    Bytes b(20);
    TcpFields{.control = static_cast<std::uint8_t>(bits)}.write(b);
    TcpView view;
    ASSERT_EQ(TcpView::parse(b, view), Drop::none);
    EXPECT_EQ(view.control(), bits);
    EXPECT_EQ(view.data_offset_bytes(), 20u);
  }
}

TEST(Tcp, EveryTruncationIsNamed) {
  const Bytes b = segment(Bytes(40, std::byte{1}), Bytes(2));
  for (std::size_t n = 0; n <= b.size(); ++n) {
    const Drop expected = n < 20   ? Drop::tcp_truncated
                          : n < 60 ? Drop::tcp_bad_data_offset
                                   : Drop::none;
    EXPECT_EQ(parse(front(b, n)), expected) << n;
  }
}

TEST(Tcp, EveryDataOffsetIsJudged) {
  for (int words = 0; words < 16; ++words) {
    for (const std::size_t size : {std::size_t{20}, std::size_t{40}, std::size_t{60}}) {
      Bytes b = segment({}, Bytes(size - 20));
      b[12] = static_cast<std::byte>(words << 4 | 0xF);  // the reserved bits do not count
      const std::size_t offset = static_cast<std::size_t>(words) * 4;
      const bool good = offset >= 20 && offset <= size;
      TcpView view;
      ASSERT_EQ(TcpView::parse(b, view), good ? Drop::none : Drop::tcp_bad_data_offset) << words;
      if (!good) continue;
      EXPECT_EQ(view.options().size(), offset - 20);
      EXPECT_EQ(view.text().size(), size - offset);
    }
  }
}

TEST(Tcp, ChecksumCoversAllAndThePseudoHeader) {  // MUST-2
  Prng prng{17};
  Bytes b = segment(Bytes(4, std::byte{1}), random_bytes(prng, 31));
  TcpView view;
  ASSERT_EQ(TcpView::parse(b, view), Drop::none);
  EXPECT_FALSE(view.checksum_ok(pseudo(b.size() + 1)));
  EXPECT_FALSE(view.checksum_ok(
      pseudo_header(source, destination, 17, static_cast<std::uint16_t>(b.size()))));
  for (std::size_t bit = 0; bit < b.size() * 8; ++bit) {
    if (bit / 8 == 12) continue;  // the data offset: another segment
    b[bit / 8] ^= std::byte{1} << bit % 8;
    EXPECT_FALSE(view.checksum_ok(pseudo(b.size()))) << bit;
    b[bit / 8] ^= std::byte{1} << bit % 8;
  }
  EXPECT_TRUE(view.checksum_ok(pseudo(b.size())));
}

TEST(Tcp, HeaderAndTextMayBeSummedApart) {
  Prng prng{18};
  for (std::size_t n = 0; n < 200; ++n) {
    const Bytes text = random_bytes(prng, n);
    Bytes b(20 + n);
    TcpFields{.source_port = 1, .destination_port = 2, .window = 3}.write(b);
    const Sum text_sum = copy_and_sum(std::span{b}.subspan(20), text);
    const Sum sum = pseudo(b.size()).add(Sum{std::span{b}.first(20)}).add(text_sum);
    store_u16(b.data() + TcpView::checksum_offset, fold(sum));
    TcpView view;
    ASSERT_EQ(TcpView::parse(b, view), Drop::none);
    EXPECT_TRUE(view.checksum_ok(pseudo(b.size()))) << n;
  }
}

TEST(Tcp, NeverReadsPastTheEnd) {
  Prng prng{19};
  int read = 0;
  for (int i = 0; i < 50'000; ++i) {
    const Bytes b = random_bytes(prng, prng.below(90));
    TcpView view;
    if (TcpView::parse(b, view) != Drop::none) continue;
    ++read;
    EXPECT_EQ(view.header().size() + view.text().size(), b.size());
    touch(view.options());
    touch(view.text());
    const Bytes head = bytes({192, 0, 2, 1, 198, 51, 100, 7, 0, 6, 0, static_cast<int>(b.size())});
    EXPECT_EQ(view.checksum_ok(pseudo(b.size())), naive_checksum(testing::operator+(head, b)) == 0);
  }
  EXPECT_GT(read, 5'000);
}

}  // namespace
}  // namespace pollux::wire
