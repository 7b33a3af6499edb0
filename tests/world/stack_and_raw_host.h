#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "internet/icmp.h"
#include "raw_host.h"
#include "sim/world.h"
#include "stack_setup.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

namespace pollux::world {

/// A stack, and a host that sends it what the test makes. The stack starts as the test does.
class StackAndRawHost : public testing::Test {
 protected:
  sim::World world{1};
  sim::Device& raw_device = world.add_device({.name = "raw", .mac = left_mac});
  sim::Device& device = world.add_device({.name = "stack", .mac = right_mac});
  sim::Cable cable = world.connect(raw_device, device, {.delay = 1ms});
  RawHost raw{raw_device, left_address};
  pipeline::Config config = config_of(right_address);
  ProbeApp app;
  std::unique_ptr<Stack> stack;

  void SetUp() override { start(); }
  /// Until the announcements are over.
  void start() {
    make();
    run_for(10s);
    raw.datagrams.clear();
  }
  void make() {
    stack = std::move(*Stack::make(config, device, app, world.now()));
    world.add_host(raw, {&raw_device}, {.name = "raw"});
    world.add_host(*stack, {&device}, {.name = "stack"});
    stack->start(world.now());
  }
  void TearDown() override {
    const Counters& counters = stack->counters();
    EXPECT_EQ(counters[Event::frames_received],
              counters[Event::frames_delivered] + counters.dropped() + stack->frames_held());
    EXPECT_EQ(world.frames().live(), 0u);
  }
  void run_for(Duration time) {
    const Status status = world.run_for(time);
    ASSERT_TRUE(status.ok()) << status.error().what << ": " << status.error().why;
  }

  /// The header of a datagram to the stack.
  static wire::Ipv4Fields to_stack(std::uint8_t protocol) {
    wire::Ipv4Fields ip;
    ip.protocol = protocol;
    ip.destination = right_address;
    return ip;
  }
  /// A UDP datagram without a checksum.
  static std::vector<std::byte> udp(std::uint16_t from, std::uint16_t to, std::size_t payload) {
    std::vector<std::byte> out(wire::UdpFields::size + payload);
    wire::UdpFields{from, to, static_cast<std::uint16_t>(out.size())}.write(out);
    return out;
  }
  /// An ICMP error that quotes `datagram`.
  static std::vector<std::byte> error_about(std::span<const std::byte> datagram,
                                            const wire::IcmpFields& error) {
    wire::Ipv4View about;
    EXPECT_EQ(wire::Ipv4View::parse(datagram, about), Drop::none);
    std::vector<std::byte> out(internet::icmp_error_size(about));
    internet::write_icmp_error(error, about, out);
    return out;
  }
  /// Type and code of each ICMP message that came.
  std::vector<std::pair<unsigned, unsigned>> icmp_heard() const {
    std::vector<std::pair<unsigned, unsigned>> out;
    for (const auto& datagram : raw.datagrams) {
      wire::Ipv4View ip;
      wire::IcmpView message;
      if (wire::Ipv4View::parse(datagram, ip) != Drop::none ||
          ip.protocol() != wire::protocol::icmp ||
          wire::IcmpView::parse(ip.payload(), message) != Drop::none) {
        continue;
      }
      EXPECT_TRUE(ip.checksum_ok() && message.checksum_ok());
      EXPECT_FALSE(ip.dont_fragment()) << "nothing of ICMP or UDP bears DF";
      out.emplace_back(message.type(), message.code());
    }
    return out;
  }
};

}  // namespace pollux::world
