#include "pipeline/pipeline.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "sim/device.h"
#include "sim/world.h"

namespace pollux::pipeline {
namespace {

using application::Endpoint;
using application::StreamId;

constexpr wire::Ipv4Address server_address{10, 0, 0, 1};
constexpr wire::Ipv4Address client_address{10, 0, 0, 2};
constexpr std::uint16_t port = 7;

/// Sends back what it reads, and closes behind the peer's end.
struct Echo {
  struct Session {};
  int accepted = 0;
  std::vector<Cause> closed;

  void on_start(auto& stack) noexcept { static_cast<void>(stack.listen(port)); }
  void on_accepted(application::Stream auto&) noexcept { ++accepted; }
  void on_readable(application::Stream auto& stream) noexcept { echo(stream); }
  void on_writable(application::Stream auto& stream) noexcept { echo(stream); }
  void on_peer_closed(application::Stream auto& stream) noexcept { stream.close(); }
  void on_closed(auto&, StreamId, Session&, Cause cause) noexcept { closed.push_back(cause); }

  void echo(application::Stream auto& stream) noexcept {
    for (auto bytes = stream.readable(); !bytes.empty(); bytes = stream.readable()) {
      const auto to = stream.reserve(bytes.size());
      if (to.empty()) return;
      std::memcpy(to.data(), bytes.data(), to.size());
      stream.consume(to.size());
      stream.commit(to.size());
    }
  }
};

/// Connects at start, says its line, half-closes, and keeps what comes back.
struct Caller {
  struct Session {};
  std::string line;
  std::string heard;
  bool connected = false;
  bool at_end = false;
  std::size_t said = 0;
  std::vector<Cause> closed;

  void on_start(auto& stack) noexcept {
    static_cast<void>(stack.connect(Endpoint{server_address, port}));
  }
  void on_connected(application::Stream auto& stream) noexcept {
    connected = true;
    say(stream);
  }
  void on_writable(application::Stream auto& stream) noexcept { say(stream); }
  void say(application::Stream auto& stream) noexcept {
    const auto n = std::min(line.size() - said, stream.writable());
    if (n != 0) {
      static_cast<void>(stream.send(
          {reinterpret_cast<const std::byte*>(line.data() + said), static_cast<std::uint32_t>(n)}));
    }
    said += n;
    if (said == line.size()) stream.shutdown_send();
  }
  void on_readable(application::Stream auto& stream) noexcept {
    for (auto bytes = stream.readable(); !bytes.empty(); bytes = stream.readable()) {
      heard.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      stream.consume(bytes.size());
    }
  }
  void on_peer_closed(application::Stream auto& stream) noexcept {
    at_end = true;
    stream.close();
  }
  void on_closed(auto&, StreamId, Session&, Cause cause) noexcept { closed.push_back(cause); }
};

Config config_for(wire::Ipv4Address own, std::uint64_t seed) {
  Config config;
  config.interface.addresses = {{{own, 24}, 1}};
  config.connections = 1000;
  config.half_open = 100;
  config.time_wait = 1000;
  config.send_pieces = 10'000;
  config.receive_pieces = 10'000;
  config.seed = seed;
  return config;
}

wire::MacAddress mac(std::uint8_t last) { return {{2, 0, 0, 0, 0, last}}; }

/// A server and a client on one cable, in virtual time.
class PipelineTest : public testing::Test {
 protected:
  using Server = Pipeline<sim::Device, Echo>;
  using Client = Pipeline<sim::Device, Caller>;

  void start(const sim::LinkOptions& link = {}) {
    world_.connect(server_device_, client_device_, link);
    server_ = std::move(
        *Server::make(config_for(server_address, 1), server_device_, echo_, world_.now()));
    client_ = std::move(
        *Client::make(config_for(client_address, 2), client_device_, caller_, world_.now()));
    world_.add_host(*server_, {&server_device_});
    world_.add_host(*client_, {&client_device_});
    server_->start(world_.now());
    client_->start(world_.now());
  }
  void run_for(Duration time) {
    const auto status = world_.run_for(time);
    ASSERT_TRUE(status) << status.error().why;
  }
  template <class P>
  static void expect_accounted(const P& pipeline) {
    const Counters& counters = pipeline.counters();
    EXPECT_EQ(counters[Event::frames_received],
              counters[Event::frames_delivered] + counters.dropped() + pipeline.frames_held());
  }

  sim::World world_{1};
  sim::Device& server_device_ = world_.add_device({.name = "server", .mac = mac(1)});
  sim::Device& client_device_ = world_.add_device({.name = "client", .mac = mac(2)});
  Echo echo_;
  Caller caller_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
};

TEST_F(PipelineTest, AConnectionIsSetUpEchoedAndClosed) {
  caller_.line = "hello, Pollux";
  start();
  run_for(1s);
  EXPECT_TRUE(caller_.connected);
  EXPECT_EQ(caller_.heard, caller_.line);
  EXPECT_TRUE(caller_.at_end);
  EXPECT_EQ(echo_.accepted, 1);
  EXPECT_EQ(echo_.closed, std::vector{Cause::by_peer});
  EXPECT_EQ(caller_.closed, std::vector{Cause::by_us});
  EXPECT_EQ(client_->time_wait_in_use(), 1u);
  run_for(61s);
  EXPECT_EQ(client_->time_wait_in_use(), 0u);
  EXPECT_EQ(server_->connections_in_use() + client_->connections_in_use(), 0u);
  expect_accounted(*server_);
  expect_accounted(*client_);
  EXPECT_EQ(world_.frames().live(), 0u);
}

TEST_F(PipelineTest, AMebibyteComesBackThroughABadLink) {
  for (int i = 0; caller_.line.size() < (1u << 20); ++i) caller_.line += std::to_string(i) + ",";
  start({.bits_per_second = 100'000'000, .delay = 2ms, .loss = 0.02, .duplicate = 0.01});
  run_for(300s);
  EXPECT_EQ(caller_.heard.size(), caller_.line.size());
  EXPECT_TRUE(caller_.heard == caller_.line);
  EXPECT_EQ(echo_.closed, std::vector{Cause::by_peer});
  expect_accounted(*server_);
  expect_accounted(*client_);
  EXPECT_EQ(world_.frames().live(), 0u);
}

}  // namespace
}  // namespace pollux::pipeline
