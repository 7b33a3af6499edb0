#include "wire/plain_segment.h"

#include <gtest/gtest.h>

#include "base/prng.h"
#include "bytes.h"
#include "wire/segment_headers.h"
#include "wire/tcp.h"

namespace pollux::wire {
namespace {

using testing::Bytes;

/// What the stages of link, internet and transport find in a frame: TCP that is not in pieces,
/// under an IPv4 header without options.
struct Found {
  EthernetView ethernet;
  Ipv4View ip;
  TcpView tcp;
};

std::optional<Found> the_long_way(const Bytes& frame) {
  const auto ethernet = EthernetView::parse(frame);
  if (!ethernet || ethernet->type() != ether_type::ipv4) return std::nullopt;
  Found found{*ethernet, {}, {}};
  if (Ipv4View::parse(ethernet->payload(), found.ip) != Drop::none) return std::nullopt;
  const bool plain = found.ip.header_length() == Ipv4View::min_header_size &&
                     !found.ip.is_fragment() && found.ip.protocol() == protocol::tcp &&
                     TcpView::parse(found.ip.payload(), found.tcp) == Drop::none;
  return plain ? std::optional{found} : std::nullopt;
}

/// A segment with right checksums; what TCP leaves to chance is by chance.
Bytes plain_frame(Prng& random, std::size_t options, std::size_t text, std::size_t padding) {
  constexpr std::size_t headers = EthernetFields::size + SegmentHeaders::size;
  Bytes frame(headers + options + text + padding);
  for (std::byte& each : frame) each = std::byte(random.below(256));
  EthernetFields{{}, {{2, 0, 0, 0, 0, 1}}, ether_type::ipv4}.write(frame);
  SegmentHeaders{
      .tuple = {Ipv4Address{10, 0, 0, 1}, Ipv4Address(static_cast<std::uint32_t>(random.next())),
                static_cast<std::uint16_t>(random.next()), 80},
      .fragment = 0x4000,
      .tos = static_cast<std::uint8_t>(random.below(256)),
      .control = static_cast<std::uint8_t>(random.below(256)),
      .options_length = static_cast<std::uint8_t>(options),
      .seq = SeqNum{static_cast<std::uint32_t>(random.next())},
      .ack = SeqNum{static_cast<std::uint32_t>(random.next())},
      .window = static_cast<std::uint16_t>(random.next()),
      .text = static_cast<std::uint32_t>(text),
      .behind = Sum{std::span{frame}.subspan(headers, options + text)}.partial()}
      .write(&frame[EthernetFields::size], {});
  return frame;
}

TEST(PlainSegment, IsExactlyWhatTheLongWayFinds) {
  Prng random{1};
  int plain = 0;
  int right = 0;
  for (int i = 0; i < 300'000; ++i) {
    Bytes frame = plain_frame(random, random.below(11) * 4, random.below(300), random.below(3) * 6);
    // Any bit from the type on may be another, and the frame cut short.
    for (std::uint64_t n = random.below(3); n != 0; --n) {
      frame[12 + random.below(random.chance(0.5) ? 12 : frame.size() - 12)] ^= std::byte{1}
                                                                               << random.below(8);
    }
    if (random.chance(0.1)) frame.resize(random.below(frame.size() + 1));
    const auto expected = the_long_way(frame);
    PlainSegment found;
    ASSERT_EQ(PlainSegment::parse(frame, found), expected.has_value()) << i;
    if (!expected) continue;
    ++plain;
    const auto& [ethernet, ip, tcp] = *expected;
    EXPECT_EQ(found.destination_mac(), word_of(ethernet.destination()));
    EXPECT_EQ(found.address_pair() >> 32, ip.source().value());
    EXPECT_EQ(found.address_pair() & 0xFFFF'FFFF, ip.destination().value());
    EXPECT_EQ(found.ecn(), ip.ecn());
    EXPECT_EQ(found.source(), ip.source());
    EXPECT_EQ(found.destination(), ip.destination());
    EXPECT_EQ(found.header_checksum_ok(), ip.checksum_ok());
    EXPECT_EQ(found.source_port(), tcp.source_port());
    EXPECT_EQ(found.destination_port(), tcp.destination_port());
    EXPECT_EQ(found.seq(), tcp.seq());
    EXPECT_EQ(found.ack(), tcp.ack());
    EXPECT_EQ(found.control(), tcp.control());
    EXPECT_EQ(found.window(), tcp.window());
    EXPECT_EQ(found.options().data(), tcp.options().data());
    EXPECT_EQ(found.options().size(), tcp.options().size());
    EXPECT_EQ(frame.data() + found.text_at(), tcp.text().data());
    EXPECT_EQ(found.text(), tcp.text().size());
    EXPECT_EQ(found.checksum_ok(), tcp.checksum_ok(ip.pseudo_header()));
    right += found.header_checksum_ok() && found.checksum_ok();
  }
  EXPECT_GT(plain, 50'000);
  EXPECT_LT(plain, 290'000);
  EXPECT_GT(right, 50'000);
  EXPECT_LT(right, plain - 10'000);
}

TEST(PlainSegment, LooksAtNoByteThatIsNotThere) {
  Prng random{1};
  for (std::size_t size = 0; size < EthernetFields::size + SegmentHeaders::size; ++size) {
    Bytes frame = plain_frame(random, 0, 0, 0);
    frame.resize(size);
    frame.shrink_to_fit();
    PlainSegment found;
    EXPECT_FALSE(PlainSegment::parse(frame, found)) << size;
  }
}

}  // namespace
}  // namespace pollux::wire
