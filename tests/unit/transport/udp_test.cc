#include "transport/udp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/prng.h"

namespace pollux::udp {
namespace {

const wire::Ipv4Address here{10, 0, 0, 1};
const wire::Ipv4Address there{10, 0, 0, 2};
const wire::FourTuple path{there, here, 4000, 53};  // as its sender sees it

void write_header(std::vector<std::byte>& datagram) {
  const auto written = header(path, std::span{datagram}.subspan(wire::UdpFields::size));
  std::copy(written.begin(), written.end(), datagram.begin());
}

std::vector<std::byte> datagram(std::size_t payload, std::uint64_t seed = 1) {
  std::vector<std::byte> out(wire::UdpFields::size + payload);
  Prng prng{seed};
  for (std::size_t i = wire::UdpFields::size; i < out.size(); ++i) {
    out[i] = static_cast<std::byte>(prng.next());
  }
  write_header(out);
  return out;
}

Ports listening() {
  Ports ports;
  EXPECT_TRUE(ports.add(53));
  return ports;
}

Verdict judge(const std::vector<std::byte>& bytes, bool verified = false) {
  return arrives(bytes, there, here, verified, listening());
}

TEST(UdpPorts, AreBoundedBitsAndPortZeroIsNone) {
  Ports ports;
  EXPECT_FALSE(ports.add(0));
  EXPECT_FALSE(ports.contains(0));
  for (const std::uint16_t port : {1, 63, 64, 65535}) {
    EXPECT_TRUE(ports.add(port));
    EXPECT_FALSE(ports.add(port));
    EXPECT_TRUE(ports.contains(port));
  }
  EXPECT_FALSE(ports.contains(2));
  EXPECT_EQ(ports.size(), 4u);
  EXPECT_TRUE(ports.remove(64));
  EXPECT_FALSE(ports.remove(64));
  EXPECT_FALSE(ports.contains(64));
  EXPECT_TRUE(ports.contains(63));
  EXPECT_EQ(ports.size(), 3u);
}

TEST(Udp, WhatIsWrittenArrivesAtEverySize) {
  for (const std::size_t size : {0, 1, 2, 3, 511, 1472, 65'507}) {
    const auto bytes = datagram(size);
    const Verdict verdict = judge(bytes);
    ASSERT_EQ(verdict.drop, Drop::none) << size;
    EXPECT_EQ(verdict.datagram.payload().size(), size);
    EXPECT_EQ(verdict.datagram.source_port(), 4000);
    EXPECT_EQ(verdict.datagram.destination_port(), 53);
  }
}

TEST(Udp, TruncatedHeadersAndLengthsThatLieAreDropped) {
  const auto bytes = datagram(20);
  for (std::size_t n = 0; n < 8; ++n) {
    EXPECT_EQ(judge({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)}).drop,
              Drop::udp_truncated);
  }
  for (std::size_t n = 8; n < bytes.size(); ++n) {
    EXPECT_EQ(judge({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)}).drop,
              Drop::udp_bad_length);
  }
  for (std::uint8_t length = 0; length < 8; ++length) {
    auto lying = bytes;
    lying[4] = std::byte{0};
    lying[5] = std::byte{length};
    EXPECT_EQ(judge(lying).drop, Drop::udp_bad_length);
  }
}

TEST(Udp, BytesBehindTheDatagramAreCutOff) {
  auto bytes = datagram(5);
  bytes.insert(bytes.end(), 13, std::byte{0xEE});
  const Verdict verdict = judge(bytes);
  EXPECT_EQ(verdict.drop, Drop::none);
  EXPECT_EQ(verdict.datagram.payload().size(), 5u);
}

TEST(Udp, EveryFlippedBitIsNoticedUnlessTheDeviceHasChecked) {
  const auto bytes = datagram(9);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    if (bit / 8 == 4 || bit / 8 == 5) continue;  // the length: another test
    auto flipped = bytes;
    flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_EQ(judge(flipped).drop, Drop::udp_bad_checksum) << bit;
    const Drop trusted = judge(flipped, true).drop;
    EXPECT_EQ(trusted, bit / 8 == 2 || bit / 8 == 3 ? Drop::udp_no_listener : Drop::none) << bit;
  }
  // The pseudo-header counts: the same bytes between other hosts are wrong.
  EXPECT_EQ(arrives(bytes, here, here, false, listening()).drop, Drop::udp_bad_checksum);
}

TEST(Udp, AZeroChecksumMeansNoneAndIsNeverSent) {
  auto bytes = datagram(9);
  bytes[6] = bytes[7] = std::byte{0};
  EXPECT_EQ(judge(bytes).drop, Drop::none);
  // Among all 16-bit payloads one makes the sum come out as zero.
  std::vector<std::byte> two(wire::UdpFields::size + 2);
  int all_ones = 0;
  for (std::uint32_t word = 0; word < 65'536; ++word) {
    two[8] = static_cast<std::byte>(word >> 8);
    two[9] = static_cast<std::byte>(word);
    write_header(two);
    ASSERT_FALSE(two[6] == std::byte{0} && two[7] == std::byte{0}) << word;
    all_ones += two[6] == std::byte{0xFF} && two[7] == std::byte{0xFF} ? 1 : 0;
    ASSERT_EQ(judge(two).drop, Drop::none) << word;
  }
  EXPECT_EQ(all_ones, 1);
}

TEST(Udp, AnUnknownPortIsTheLastThingToBeFound) {
  const auto bytes = datagram(4);
  const Verdict verdict = arrives(bytes, there, here, false, Ports{});
  EXPECT_EQ(verdict.drop, Drop::udp_no_listener);
  EXPECT_EQ(verdict.datagram.source_port(), 4000);
  auto broken = bytes;
  broken[8] ^= std::byte{1};
  EXPECT_EQ(arrives(broken, there, here, false, Ports{}).drop, Drop::udp_bad_checksum);
}

}  // namespace
}  // namespace pollux::udp
