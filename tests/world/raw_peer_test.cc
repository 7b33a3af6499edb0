#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "stack_and_raw_host.h"
#include "wire/icmp.h"

namespace pollux::world {
namespace {

class RawPeer : public StackAndRawHost {
 protected:
  static std::vector<std::byte> echo_request(std::size_t size) {
    std::vector<std::byte> message(size);
    for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<std::byte>(i % 251);
    wire::IcmpFields::echo_request(0x1234, 1).write(message);
    return message;
  }
  /// One whose IPv4 header has another time to live than its checksum knows of.
  static std::vector<std::byte> frame_with_bad_sum(std::span<const std::byte> message) {
    std::vector<std::byte> frame(14 + 20 + message.size());
    wire::Ipv4Fields ip;
    ip.total_length = static_cast<std::uint16_t>(20 + message.size());
    ip.protocol = wire::protocol::icmp;
    ip.source = left_address;
    ip.destination = right_address;
    wire::EthernetFields{right_mac, left_mac, wire::ether_type::ipv4}.write(frame);
    ip.write(std::span{frame}.subspan(14));
    std::copy(message.begin(), message.end(), frame.begin() + 34);
    frame[14 + 8] = std::byte{3};
    return frame;
  }
  /// Sends the message in pieces of `piece` bytes, in the order of `order` (all, when empty).
  void send_pieces(std::span<const std::byte> message, std::size_t piece,
                   std::vector<std::size_t> order, std::uint16_t identification) {
    const std::size_t count = (message.size() + piece - 1) / piece;
    if (order.empty()) {
      order.resize(count);
      std::iota(order.begin(), order.end(), std::size_t{0});
    }
    for (const std::size_t i : order) {
      const std::size_t at = i * piece;
      const auto part = message.subspan(at, std::min(piece, message.size() - at));
      wire::Ipv4Fields ip;
      ip.identification = identification;
      ip.more_fragments = i + 1 != count;
      ip.fragment_offset_bytes = static_cast<std::uint16_t>(at);
      ip.protocol = wire::protocol::icmp;
      ip.destination = right_address;
      raw.send(right_mac, ip, part);
    }
  }
  /// The payload of all that came, put together by offset; empty when a piece is missing.
  std::vector<std::byte> reassembled() const {
    std::vector<std::byte> out(65'536);
    std::size_t got = 0;
    std::size_t end = 0;
    for (const auto& datagram : raw.datagrams) {
      wire::Ipv4View ip;
      if (wire::Ipv4View::parse(datagram, ip) != Drop::none || !ip.checksum_ok()) return {};
      std::copy(ip.payload().begin(), ip.payload().end(), out.begin() + ip.fragment_offset_bytes());
      got += ip.payload().size();
      if (!ip.more_fragments()) end = ip.fragment_offset_bytes() + ip.payload().size();
    }
    out.resize(got == end ? end : 0);
    return out;
  }
};

TEST_F(RawPeer, PingIsAnsweredWithTheSameBytes) {
  const auto message = echo_request(64);
  send_pieces(message, 64, {}, 1);
  run_for(100ms);
  const auto reply = reassembled();
  wire::IcmpView view;
  ASSERT_EQ(wire::IcmpView::parse(reply, view), Drop::none);
  EXPECT_EQ(view.type(), wire::icmp_type::echo_reply);
  EXPECT_TRUE(view.checksum_ok());
  EXPECT_EQ(view.identifier(), 0x1234);
  EXPECT_TRUE(std::equal(reply.begin() + 8, reply.end(), message.begin() + 8, message.end()));
}

TEST_F(RawPeer, PingInFragmentsOfAnyOrderIsAnswered) {
  const auto message = echo_request(5000);
  const std::vector<std::vector<std::size_t>> orders{
      {}, {4, 3, 2, 1, 0}, {2, 0, 4, 1, 3}, {0, 0, 1, 2, 2, 3, 4}};
  std::uint16_t identification = 1;
  for (const auto& order : orders) {
    raw.datagrams.clear();
    send_pieces(message, 1000, order, identification++);
    run_for(100ms);
    const auto reply = reassembled();
    wire::IcmpView view;
    ASSERT_EQ(wire::IcmpView::parse(reply, view), Drop::none) << identification;
    EXPECT_TRUE(view.checksum_ok());
    EXPECT_EQ(view.type(), wire::icmp_type::echo_reply);
    EXPECT_TRUE(std::equal(reply.begin() + 8, reply.end(), message.begin() + 8, message.end()));
    EXPECT_EQ(raw.datagrams.size(), 4u) << "5,000 bytes in an MTU of 1,500";
  }
  EXPECT_EQ(stack->counters()[Event::icmp_echoes_answered], orders.size());
}

TEST_F(RawPeer, AMissingFragmentIsForgottenAndSaid) {
  const auto message = echo_request(5000);
  send_pieces(message, 1000, {0, 1, 3, 4}, 9);
  run_for(1s);
  EXPECT_EQ(stack->frames_held(), 4u);
  run_for(2min);
  EXPECT_EQ(stack->frames_held(), 0u);
  EXPECT_EQ(stack->counters()[Drop::fragment_timeout], 4u);
  // RFC 1122 s.3.3.2: time exceeded, when fragment zero was there.
  ASSERT_EQ(raw.datagrams.size(), 1u);
  wire::Ipv4View ip;
  ASSERT_EQ(wire::Ipv4View::parse(raw.datagrams[0], ip), Drop::none);
  wire::IcmpView view;
  ASSERT_EQ(wire::IcmpView::parse(ip.payload(), view), Drop::none);
  EXPECT_EQ(view.type(), wire::icmp_type::time_exceeded);
  EXPECT_EQ(view.code(), wire::icmp_time_exceeded::in_reassembly);
}

TEST_F(RawPeer, ACardThatLiesAboutIpv4SumsIsFoundOut) {
  device.options().offload = sim::Offload::lies_always_good;
  const auto message = echo_request(64);
  const auto frame = frame_with_bad_sum(message);
  for (int i = 0; i < 3; ++i) {
    raw.send_frame(frame);
    run_for(10ms);
  }
  EXPECT_EQ(stack->counters()[Drop::ipv4_bad_checksum], 3u);
  EXPECT_EQ(stack->counters()[Event::checksum_offload_lies], 3u);
  EXPECT_TRUE(raw.datagrams.empty());
}

TEST_F(RawPeer, ACardThatBeginsToLieAboutIpv4SumsIsFoundOutByASample) {
  device.options().offload = sim::Offload::lies_always_good;
  const auto message = echo_request(64);
  for (int i = 0; i < 70; ++i) {
    send_pieces(message, 64, {}, 1);
    run_for(10ms);
  }
  EXPECT_EQ(raw.datagrams.size(), 70u);
  const auto frame = frame_with_bad_sum(message);
  for (int i = 0; i < 4'200; ++i) {
    raw.send_frame(frame);
    if (i % 32 == 31) run_for(1ms);
  }
  run_for(10ms);
  EXPECT_GE(stack->counters()[Event::checksum_offload_lies], 100u);
  EXPECT_GE(stack->counters()[Drop::ipv4_bad_checksum], 100u);
}

TEST_F(RawPeer, TheOldestDatagramInPiecesMakesRoom) {
  const auto message = echo_request(2000);
  constexpr std::uint16_t room = 64;
  for (std::uint16_t i = 0; i <= room; ++i) {
    send_pieces(message, 1000, {0}, i);
    run_for(1ms);
  }
  run_for(10ms);
  EXPECT_EQ(stack->counters()[Drop::fragment_no_room], 1u);
  EXPECT_EQ(stack->frames_held(), room);
  for (std::uint16_t i = 1; i <= room; ++i) send_pieces(message, 1000, {1}, i);
  send_pieces(message, 1000, {1}, 0);
  run_for(10ms);
  EXPECT_EQ(stack->counters()[Event::icmp_echoes_answered], room);
  EXPECT_EQ(stack->frames_held(), 1u) << "the end whose beginning has made room";
  run_for(1min);
  EXPECT_EQ(stack->frames_held(), 0u);
}

TEST_F(RawPeer, FragmentsThatOverlapAreAnsweredByNobody) {
  const auto message = echo_request(2000);
  send_pieces(message, 1000, {0}, 5);
  wire::Ipv4Fields ip = to_stack(wire::protocol::icmp);
  ip.identification = 5;
  ip.fragment_offset_bytes = 992;
  raw.send(right_mac, ip, std::span{message}.subspan(992));
  send_pieces(message, 1000, {1}, 5);
  run_for(1min);
  EXPECT_EQ(stack->counters()[Drop::fragment_overlap], 3u);
  EXPECT_EQ(stack->counters()[Event::icmp_echoes_answered], 0u);
  EXPECT_TRUE(raw.datagrams.empty());
  EXPECT_EQ(stack->frames_held(), 0u);
}

TEST_F(RawPeer, RandomFramesAreAllCounted) {
  Prng prng{3};
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::byte> payload(prng.below(120));
    for (std::byte& byte : payload) byte = static_cast<std::byte>(prng.next());
    wire::Ipv4Fields ip;
    ip.protocol =
        prng.chance(0.5) ? wire::protocol::tcp : static_cast<std::uint8_t>(prng.below(256));
    ip.more_fragments = prng.chance(0.05);
    ip.fragment_offset_bytes =
        prng.chance(0.05) ? static_cast<std::uint16_t>(prng.below(8192) * 8) : std::uint16_t{0};
    ip.destination = prng.chance(0.9) ? right_address
                                      : wire::Ipv4Address{static_cast<std::uint32_t>(prng.next())};
    raw.send(prng.chance(0.95) ? right_mac : wire::MacAddress::broadcast(), ip, payload);
    if (i % 32 == 31) run_for(1ms);
  }
  run_for(5min);
  EXPECT_EQ(stack->connections_in_use(), 0u);
  EXPECT_EQ(stack->frames_held(), 0u);
  EXPECT_GT(stack->counters().dropped(), 15'000u);
}

}  // namespace
}  // namespace pollux::world
