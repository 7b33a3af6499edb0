#include "wire/plain_segment.h"

#include <gtest/gtest.h>

#include "base/prng.h"
#include "bytes.h"
#include "wire/tcp.h"

namespace pollux::wire {
namespace {

using testing::Bytes;

/// What the stages of link and internet find out of a frame: TCP that is not in pieces, under an
/// IPv4 header without options.
std::optional<Ipv4View> the_long_way(const Bytes& frame) {
  const auto ethernet = EthernetView::parse(frame);
  if (!ethernet || ethernet->type() != ether_type::ipv4) return std::nullopt;
  Ipv4View ip;
  if (Ipv4View::parse(ethernet->payload(), ip) != Drop::none) return std::nullopt;
  const bool plain = ip.header_length() == Ipv4View::min_header_size && !ip.is_fragment() &&
                     ip.protocol() == protocol::tcp;
  return plain ? std::optional{ip} : std::nullopt;
}

Bytes plain_frame(std::uint16_t text, std::size_t padding) {
  constexpr std::size_t headers = EthernetFields::size + Ipv4Fields::size + TcpFields::size;
  Bytes frame(headers + text + padding);
  EthernetFields{{}, {}, ether_type::ipv4}.write(frame);
  const auto length = static_cast<std::uint16_t>(Ipv4Fields::size + TcpFields::size + text);
  Ipv4Fields{.total_length = length, .dont_fragment = true, .protocol = protocol::tcp}.write(
      std::span{frame}.subspan(EthernetFields::size));
  return frame;
}

TEST(PlainDatagram, IsExactlyWhatTheLongWayFinds) {
  Prng random{1};
  int plain = 0;
  for (int i = 0; i < 300'000; ++i) {
    Bytes frame = plain_frame(static_cast<std::uint16_t>(random.below(30)), random.below(3) * 6);
    // Any byte up to the protocol may be another, and the frame cut short.
    for (std::uint64_t n = random.below(3); n != 0; --n) {
      frame[12 + random.below(12)] ^= std::byte{1} << random.below(8);
    }
    if (random.chance(0.1)) frame.resize(random.below(frame.size() + 1));
    const auto expected = the_long_way(frame);
    const auto found = plain_datagram(frame);
    ASSERT_EQ(found.has_value(), expected.has_value()) << i;
    if (!found) continue;
    ++plain;
    EXPECT_EQ(found->header().data(), expected->header().data());
    EXPECT_EQ(found->header().size(), expected->header().size());
    EXPECT_EQ(found->payload().data(), expected->payload().data());
    EXPECT_EQ(found->payload().size(), expected->payload().size());
    EXPECT_EQ(found->checksum_ok(), expected->checksum_ok());
  }
  EXPECT_GT(plain, 50'000);
  EXPECT_LT(plain, 250'000);
}

TEST(PlainDatagram, LooksAtNoByteThatIsNotThere) {
  for (std::size_t size = 0; size < EthernetFields::size + Ipv4Fields::size; ++size) {
    Bytes frame = plain_frame(0, 0);
    frame.resize(size);
    frame.shrink_to_fit();
    EXPECT_FALSE(plain_datagram(frame)) << size;
  }
}

}  // namespace
}  // namespace pollux::wire
