#include "sim/frame.h"

#include <gtest/gtest.h>

#include <cstring>
#include <utility>

#include "base/prng.h"
#include "sim/device.h"
#include "toy_host.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"

namespace pollux::sim {
namespace {

TEST(Frame, AFreshOneHasHeadroomAndNoBytes) {
  FramePool pool{4};
  Frame frame = pool.allocate();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame.bytes().size(), 0u);
  EXPECT_EQ(frame.headroom(), 128u);
  EXPECT_EQ(frame.tailroom(), 2048u - 128u);
  EXPECT_EQ(frame.ip_verified(), packet::Verified::unknown);
  EXPECT_EQ(frame.l4_verified(), packet::Verified::unknown);
}

TEST(Frame, GrowsAndShrinksAtBothEnds) {
  FramePool pool{1};
  Frame frame = pool.allocate();
  std::memset(frame.append(10).data(), 'a', 10);
  std::memset(frame.prepend(4).data(), 'b', 4);
  ASSERT_EQ(frame.bytes().size(), 14u);
  EXPECT_EQ(frame.bytes()[3], std::byte{'b'});
  EXPECT_EQ(frame.bytes()[4], std::byte{'a'});
  frame.drop_front(3);
  frame.keep_front(2);
  ASSERT_EQ(frame.bytes().size(), 2u);
  EXPECT_EQ(frame.bytes()[0], std::byte{'b'});
  EXPECT_EQ(frame.bytes()[1], std::byte{'a'});
  EXPECT_EQ(frame.headroom(), 127u);
  EXPECT_EQ(frame.headroom() + frame.bytes().size() + frame.tailroom(), 2048u);
}

TEST(Frame, ReturnsItsBufferExactlyOnce) {
  FramePool pool{2};
  {
    Frame a = pool.allocate();
    Frame b = std::move(a);
    EXPECT_FALSE(a);  // NOLINT: what a moved-from frame is, is part of the promise
    EXPECT_EQ(pool.live(), 1u);
    Frame c = pool.allocate();
    b = std::move(c);
    EXPECT_EQ(pool.live(), 1u);
    EXPECT_TRUE(b);
  }
  EXPECT_EQ(pool.live(), 0u);
  EXPECT_EQ(pool.peak(), 2u);
}

TEST(Frame, ADryPoolGivesNothingAndCounts) {
  FramePool pool{2};
  Frame a = pool.allocate();
  Frame b = pool.allocate();
  EXPECT_FALSE(pool.allocate());
  EXPECT_FALSE(a.clone());
  EXPECT_EQ(pool.refused(), 2u);
  b = Frame{};
  EXPECT_TRUE(pool.allocate());
}

TEST(Frame, AnAccountHasItsOwnLimit) {
  FramePool pool{10};
  FrameAccount account{.live = 0, .limit = 1};
  Frame a = pool.allocate(&account);
  EXPECT_FALSE(pool.allocate(&account));
  EXPECT_TRUE(pool.allocate());
  a.charge(nullptr);
  EXPECT_EQ(account.live, 0u);
  EXPECT_TRUE(pool.allocate(&account));
  EXPECT_EQ(account.live, 0u);
}

TEST(Device, GivesBackWhatItHasNoRoomFor) {
  FramePool pool{16};
  Device device{pool, {.name = "d", .mac = toy_mac(1), .transmit_room = 3}, 1};
  Device::Burst burst;
  for (std::uint32_t i = 0; i < 5; ++i) burst.push(toy_frame(device, toy_mac(2), i, 60));
  EXPECT_EQ(device.transmit(burst), 3u);
  ASSERT_EQ(burst.size(), 2u);
  EXPECT_EQ(wire::load_u32(burst[0].bytes().data() + 14), 3u);
  EXPECT_TRUE(device.take_refusal());
  EXPECT_FALSE(device.take_refusal());
  device.sent().clear();
  EXPECT_EQ(device.transmit(burst), 2u);
  EXPECT_TRUE(burst.empty());
  EXPECT_EQ(device.counts().sent, 5u);
}

TEST(Device, ReceivesInOrderAcrossTheRingsEnd) {
  FramePool pool{16};
  Device device{pool, {.name = "d", .mac = toy_mac(1), .receive_room = 3}, 1};
  std::uint32_t next = 0;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 3; ++i) {
      device.deliver(toy_frame(device, toy_mac(1), static_cast<std::uint32_t>(round * 3 + i), 60));
    }
    device.deliver(toy_frame(device, toy_mac(1), 99, 60));
    Device::Burst burst;
    device.receive(burst);
    ASSERT_EQ(burst.size(), 3u);
    for (Frame& frame : burst) {
      if (!frame) break;
      EXPECT_EQ(wire::load_u32(frame.bytes().data() + 14), next++);
    }
  }
  EXPECT_EQ(device.counts().receive_full, 5u);
  EXPECT_EQ(pool.live(), 0u);
}

TEST(Device, HoldsNoMoreFramesThanItsHostHas) {
  FramePool pool{16};
  Device device{pool, {.name = "d", .mac = toy_mac(1), .frames = 2}, 1};
  Device other{pool, {.name = "o", .mac = toy_mac(2)}, 1};
  Frame held = device.allocate();
  device.deliver(toy_frame(other, toy_mac(1), 1, 60));
  device.deliver(toy_frame(other, toy_mac(1), 2, 60));
  EXPECT_EQ(device.counts().receive_no_frame, 1u);
  EXPECT_FALSE(device.allocate());
  EXPECT_EQ(device.frames_held(), 2u);
  EXPECT_EQ(other.frames_held(), 0u);
}

TEST(Device, FailsAllocationsAtTheChanceAsked) {
  FramePool pool{16};
  Device device{pool, {.name = "d", .mac = toy_mac(1), .allocate_failure = 0.25}, 7};
  int failed = 0;
  for (int i = 0; i < 10'000; ++i) failed += device.allocate() ? 0 : 1;
  EXPECT_NEAR(failed, 2500, 220);  // five standard deviations
}

/// A TCP segment in IPv4, with sums that are right, or only the pseudo-header's for the card.
Frame segment(Device& device, bool for_the_card) {
  Frame frame = device.allocate();
  const std::span<std::byte> bytes = frame.append(14 + 20 + 20 + 5);
  std::memset(bytes.data(), 0x5A, bytes.size());
  wire::EthernetFields{toy_mac(2), toy_mac(1), wire::ether_type::ipv4}.write(bytes);
  std::byte* const ip = bytes.data() + 14;
  wire::store_u8(ip, 0x45);
  wire::store_u16(ip + 2, 45);
  wire::store_u16(ip + 6, 0);
  wire::store_u8(ip + 9, 6);
  wire::store_u16(ip + 10, 0);
  const wire::Sum pseudo = wire::pseudo_header(wire::Ipv4Address{wire::load_u32(ip + 12)},
                                               wire::Ipv4Address{wire::load_u32(ip + 16)}, 6, 25);
  if (for_the_card) {
    wire::store_u16(ip + 20 + 16, pseudo.partial());
    frame.request({.l2_length = 14, .l3_length = 20, .ipv4 = true, .tcp = true, .udp = false});
    return frame;
  }
  wire::store_u16(ip + 10, wire::fold(wire::Sum{bytes.subspan(14, 20)}));
  wire::store_u16(ip + 20 + 16, 0);
  wire::Sum sum = pseudo;
  wire::store_u16(ip + 20 + 16, wire::fold(sum.add(bytes.subspan(34))));
  return frame;
}

TEST(Device, AnHonestCardFinishesSumsAndJudgesThem) {
  FramePool pool{16};
  Device card{pool, {.name = "d", .mac = toy_mac(1), .offload = Offload::honest}, 1};
  EXPECT_TRUE(card.capabilities().transmit_tcp_checksum);
  Device::Burst burst;
  burst.push(segment(card, true));
  ASSERT_EQ(card.transmit(burst), 1u);
  const Frame expected = segment(card, false);
  ASSERT_TRUE(std::equal(expected.bytes().begin(), expected.bytes().end(),
                         card.sent()[0].bytes().begin(), card.sent()[0].bytes().end()));
  card.deliver(std::move(card.sent()[0]));
  Frame bad = segment(card, false);
  bad.mutable_bytes()[50] ^= std::byte{1};
  card.deliver(std::move(bad));
  card.receive(burst);
  ASSERT_EQ(burst.size(), 2u);
  EXPECT_EQ(burst[0].ip_verified(), packet::Verified::good);
  EXPECT_EQ(burst[0].l4_verified(), packet::Verified::good);
  EXPECT_EQ(burst[1].ip_verified(), packet::Verified::good);
  EXPECT_EQ(burst[1].l4_verified(), packet::Verified::bad);
}

TEST(Device, ALyingCardSaysGoodOfAnything) {
  FramePool pool{16};
  Device card{pool, {.name = "d", .mac = toy_mac(1), .offload = Offload::lies_always_good}, 1};
  EXPECT_FALSE(card.capabilities().transmit_tcp_checksum);
  EXPECT_TRUE(card.capabilities().receive_checksum);
  card.deliver(toy_frame(card, toy_mac(1), 1, 60));
  Device::Burst burst;
  card.receive(burst);
  EXPECT_EQ(burst[0].l4_verified(), packet::Verified::good);
}

}  // namespace
}  // namespace pollux::sim
