// lib/application/echo.h on whole stacks.

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "application/echo.h"
#include "pipeline/pipeline.h"
#include "sim/device.h"
#include "sim/world.h"

namespace pollux::pipeline {
namespace {

using application::Endpoint;

constexpr wire::Ipv4Address echo_address{10, 0, 0, 1};
constexpr wire::Ipv4Address asker_address{10, 0, 0, 2};

/// Keeps what it is sent; it has no on_datagram_error.
struct Asker {
  struct Session {};
  std::vector<std::vector<std::byte>> heard;
  std::vector<Endpoint> from;

  void on_start(auto& stack) noexcept { static_cast<void>(stack.bind(4000)); }
  void on_datagram(auto&, const application::Datagram& datagram) noexcept {
    heard.emplace_back(datagram.bytes.begin(), datagram.bytes.end());
    from.push_back(datagram.remote);
  }
  void on_closed(auto&, application::StreamId, Session&, Cause) noexcept {}
};

Config config_for(wire::Ipv4Address own) {
  Config config;
  config.interface.addresses = {{{own, 24}, 1}};
  config.connections = config.half_open = config.time_wait = 16;
  config.send_pieces = config.receive_pieces = 64;
  config.seed = own.value();
  return config;
}

class UdpEchoOnAStack : public testing::Test {
 protected:
  sim::World world{1};
  sim::Device& echo_device = world.add_device({.name = "echo", .mac = {{2, 0, 0, 0, 0, 1}}});
  sim::Device& asker_device = world.add_device({.name = "asker", .mac = {{2, 0, 0, 0, 0, 2}}});
  sim::Cable cable = world.connect(echo_device, asker_device, {.delay = 1ms});
  application::UdpEcho echo;
  Asker asker;
  std::unique_ptr<Pipeline<sim::Device, application::UdpEcho>> server =
      std::move(*Pipeline<sim::Device, application::UdpEcho>::make(config_for(echo_address),
                                                                   echo_device, echo, world.now()));
  std::unique_ptr<Pipeline<sim::Device, Asker>> client =
      std::move(*Pipeline<sim::Device, Asker>::make(config_for(asker_address), asker_device, asker,
                                                    world.now()));

  void SetUp() override {
    world.add_host(*server, {&echo_device});
    world.add_host(*client, {&asker_device});
    server->start(world.now());
    client->start(world.now());
    ASSERT_TRUE(echo.bound());
    ASSERT_TRUE(world.run_for(1s).ok());
  }
  void TearDown() override {
    ASSERT_TRUE(world.run_for(2min).ok());
    for (const Counters* counters : {&server->counters(), &client->counters()}) {
      EXPECT_EQ((*counters)[Event::frames_received],
                (*counters)[Event::frames_delivered] + counters->dropped());
    }
    EXPECT_EQ(world.frames().live(), 0u);
  }
};

TEST_F(UdpEchoOnAStack, EverySizeComesBack) {
  const std::vector<std::size_t> sizes{0, 1, 100, 1472, 1473, 20'000, 65'507};
  std::vector<std::vector<std::byte>> sent;
  for (const std::size_t size : sizes) {
    auto& bytes = sent.emplace_back(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + size);
    ASSERT_TRUE(client->send_datagram({asker_address, 4000}, {echo_address, 7}, bytes).ok());
    ASSERT_TRUE(world.run_for(100ms).ok());
  }
  EXPECT_EQ(asker.heard, sent);
  EXPECT_EQ(asker.from, (std::vector<Endpoint>(sizes.size(), {echo_address, 7})));
  EXPECT_EQ(echo.echoed(), sizes.size());
  EXPECT_EQ(server->counters()[Event::udp_delivered], sizes.size());
  EXPECT_EQ(server->counters()[Event::udp_sent], sizes.size());
}

TEST_F(UdpEchoOnAStack, AForgedDatagramFromAnEchoPortEndsThere) {
  const std::vector<std::byte> bytes(10);
  ASSERT_TRUE(client->send_datagram({asker_address, 7}, {echo_address, 7}, bytes).ok());
  ASSERT_TRUE(world.run_for(1s).ok());
  EXPECT_EQ(echo.refused(), 1u);
  EXPECT_EQ(server->counters()[Event::udp_sent], 0u);
}

TEST_F(UdpEchoOnAStack, WhoDoesNotListenForErrorsHasThemCounted) {
  const std::vector<std::byte> bytes(10);
  ASSERT_TRUE(client->send_datagram({asker_address, 4000}, {echo_address, 8}, bytes).ok());
  ASSERT_TRUE(world.run_for(1s).ok());
  EXPECT_EQ(client->counters()[Event::icmp_errors_received], 1u);
  EXPECT_EQ(client->counters()[Drop::icmp_ignored], 1u);
}

}  // namespace
}  // namespace pollux::pipeline
