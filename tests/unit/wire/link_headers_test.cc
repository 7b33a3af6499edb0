#include <gtest/gtest.h>

#include "bytes.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/vlan.h"

namespace pollux::wire {
namespace {

using testing::bytes;
using testing::Bytes;
using testing::front;
using testing::random_bytes;
using testing::touch;

const MacAddress ours{{0x02, 0, 0, 0, 0, 0x01}};
const MacAddress theirs{{0x02, 0, 0, 0, 0, 0x02}};

TEST(Ethernet, WritesAndReads) {
  Bytes frame(EthernetFields::size + 3);
  EthernetFields{.destination = ours, .source = theirs, .type = ether_type::ipv4}.write(frame);
  EXPECT_EQ(front(frame, 14), bytes({2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}));
  const auto view = EthernetView::parse(frame);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->destination(), ours);
  EXPECT_EQ(view->source(), theirs);
  EXPECT_EQ(view->type(), ether_type::ipv4);
  EXPECT_EQ(view->payload().data(), frame.data() + 14);
  EXPECT_EQ(view->payload().size(), 3u);
}

TEST(Ethernet, NeedsFourteenBytes) {
  for (std::size_t n = 0; n < 14; ++n) EXPECT_FALSE(EthernetView::parse(Bytes(n))) << n;
  const Bytes least(14);
  const auto view = EthernetView::parse(least);
  ASSERT_TRUE(view);
  EXPECT_TRUE(view->payload().empty());
}

TEST(Vlan, WritesAndReads) {
  Bytes tag(VlanFields::size + 1);
  VlanFields{.id = 0xABC, .type = ether_type::arp, .priority = 5, .drop_eligible = true}.write(tag);
  EXPECT_EQ(front(tag, 4), bytes({0xBA, 0xBC, 0x08, 0x06}));
  const auto view = VlanView::parse(tag);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->id(), 0xABC);
  EXPECT_EQ(view->priority(), 5);
  EXPECT_TRUE(view->drop_eligible());
  EXPECT_EQ(view->type(), ether_type::arp);
  EXPECT_EQ(view->payload().size(), 1u);
}

TEST(Vlan, KeepsItsThreePartsApart) {
  for (std::uint16_t id = 0; id < 4096; id = static_cast<std::uint16_t>(id + 7)) {
    for (std::uint8_t priority = 0; priority < 8; ++priority) {
      for (const bool drop_eligible : {false, true}) {
        Bytes tag(4);
        VlanFields{id, ether_type::ipv4, priority, drop_eligible}.write(tag);
        const auto view = VlanView::parse(tag);
        ASSERT_TRUE(view);
        EXPECT_EQ(view->id(), id);
        EXPECT_EQ(view->priority(), priority);
        EXPECT_EQ(view->drop_eligible(), drop_eligible);
      }
    }
  }
}

TEST(Vlan, NeedsFourBytes) {
  for (std::size_t n = 0; n < 4; ++n) EXPECT_FALSE(VlanView::parse(Bytes(n))) << n;
}

Bytes arp_request() {
  Bytes out(ArpFields::size);
  ArpFields{.operation = arp_operation::request,
            .sender_hardware = theirs,
            .sender_protocol = Ipv4Address(10, 0, 0, 2),
            .target_hardware = {},
            .target_protocol = Ipv4Address(10, 0, 0, 1)}
      .write(out);
  return out;
}

TEST(Arp, WritesAndReads) {
  const Bytes packet = arp_request();
  EXPECT_EQ(packet, bytes({0,  1, 8, 0, 6, 4, 0, 1, 2, 0, 0,  0, 0, 2,
                           10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1}));
  const auto view = ArpView::parse(packet);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->operation(), arp_operation::request);
  EXPECT_EQ(view->sender_hardware(), theirs);
  EXPECT_EQ(view->sender_protocol(), Ipv4Address(10, 0, 0, 2));
  EXPECT_TRUE(view->target_hardware().is_zero());
  EXPECT_EQ(view->target_protocol(), Ipv4Address(10, 0, 0, 1));
}

TEST(Arp, IgnoresPaddingAndAnyOperation) {
  Bytes packet = testing::operator+(arp_request(), Bytes(18, std::byte{0xEE}));
  store_u16(packet.data() + 6, 0xBEEF);
  const auto view = ArpView::parse(packet);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->operation(), 0xBEEF);
}

TEST(Arp, NeedsTwentyEightBytes) {
  for (std::size_t n = 0; n < 28; ++n) EXPECT_FALSE(ArpView::parse(front(arp_request(), n))) << n;
}

TEST(Arp, KnowsEthernetAndIpv4Only) {
  for (std::size_t at = 0; at < 6; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes packet = arp_request();
      packet[at] ^= std::byte{1} << bit;
      EXPECT_FALSE(ArpView::parse(packet)) << at << ' ' << bit;
    }
  }
}

TEST(LinkHeaders, NeverReadPastTheEnd) {
  Prng prng{10};
  for (int i = 0; i < 20'000; ++i) {
    Bytes b = random_bytes(prng, prng.below(48));
    if (const auto view = EthernetView::parse(b)) {
      touch(view->payload());
      const MacAddress both[] = {view->destination(), view->source()};
      EXPECT_EQ(both[1].octets[5], std::to_integer<std::uint8_t>(b[11]));
    }
    if (const auto view = VlanView::parse(b)) touch(view->payload());
    if (b.size() >= 6 && prng.chance(0.5)) {
      const Bytes good = arp_request();
      std::copy(good.begin(), good.begin() + 6, b.begin());
    }
    if (const auto view = ArpView::parse(b)) {
      EXPECT_EQ(view->target_protocol().value(), load_u32(b.data() + 24));
    }
  }
}

}  // namespace
}  // namespace pollux::wire
