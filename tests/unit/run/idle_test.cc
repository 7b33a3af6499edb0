#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

#include "generator_world.h"

/// A connection on which nothing is asked for does not last for ever.
namespace pollux::load {
namespace {

/// Opens connections, asks on the first of them every second, and else says nothing.
struct Silent {
  struct Session {
    Instant up{};
  };
  std::uint32_t connections = 0;
  Duration every{0};
  std::vector<application::StreamId> up;
  std::vector<Cause> closed;
  std::vector<Duration> ended;  // by the server, after so long
  std::uint64_t received = 0;

  void on_start(auto& stack) noexcept {
    for (std::uint32_t i = 0; i < connections; ++i) {
      EXPECT_TRUE(stack.connect({server_address, 80}));
    }
    if (every != Duration{0}) stack.after(every, 0);
  }
  void on_connected(application::Stream auto& stream) noexcept {
    up.push_back(stream.id());
    stream.session().up = stream.stack().now();
  }
  void on_readable(application::Stream auto& stream) noexcept {
    for (auto bytes = stream.readable(); !bytes.empty(); bytes = stream.readable()) {
      received += bytes.size();
      stream.consume(bytes.size());
    }
  }
  void on_peer_closed(application::Stream auto& stream) noexcept {
    ended.push_back(stream.stack().now() - stream.session().up);
    stream.close();
  }
  void on_closed(auto&, application::StreamId, Session&, Cause cause) noexcept {
    closed.push_back(cause);
  }
  void on_timer(auto& stack, std::uint64_t) noexcept {
    static constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    auto stream = stack.stream(up.front());
    if (!stream) return;
    const auto bytes = std::as_bytes(std::span{request});
    EXPECT_TRUE(stream->send({bytes.data(), static_cast<std::uint32_t>(bytes.size())}));
    stack.after(every, 0);
  }
};

class Idle : public testing::Test {
 protected:
  void start(Duration idle_timeout) {
    application::HttpOptions http;
    http.idle_timeout = idle_timeout;
    responder_ =
        std::make_unique<Responder>(std::move(*application::HttpResponder::make(std::move(http))));
    world_.connect(server_device_, client_device_, {.delay = 1ms});
    server_ = std::move(*pipeline::Pipeline<sim::Device, Responder>::make(
        config_for(server_address, 1), server_device_, *responder_, world_.now()));
    client_ = std::move(*pipeline::Pipeline<sim::Device, Silent>::make(
        config_for(client_address, 2), client_device_, silent_, world_.now()));
    world_.add_host(*server_, {&server_device_});
    world_.add_host(*client_, {&client_device_});
    server_->start(world_.now());
    client_->start(world_.now());
  }

  sim::World world_{7};
  sim::Device& server_device_ = world_.add_device({.name = "server", .mac = {{2, 0, 0, 0, 0, 1}}});
  sim::Device& client_device_ = world_.add_device({.name = "client", .mac = {{2, 0, 0, 0, 0, 2}}});
  Silent silent_;
  std::unique_ptr<Responder> responder_;
  std::unique_ptr<pipeline::Pipeline<sim::Device, Responder>> server_;
  std::unique_ptr<pipeline::Pipeline<sim::Device, Silent>> client_;
};

TEST_F(Idle, AConnectionThatNeverAsksEndsInGoodOrder) {
  silent_.connections = 200;
  start(8s);
  ASSERT_TRUE(world_.run_for(8s));
  EXPECT_EQ(silent_.up.size(), 200u);
  EXPECT_TRUE(silent_.ended.empty());
  ASSERT_TRUE(world_.run_for(4s));
  EXPECT_EQ(std::count(silent_.closed.begin(), silent_.closed.end(), Cause::by_peer), 200);
  for (const Duration time : silent_.ended) {
    EXPECT_GE(time, 8s);
    EXPECT_LE(time, 12s);
  }
  EXPECT_EQ(server_->connections_in_use(), 0u);
}

TEST_F(Idle, ARequestPutsItOff) {
  silent_.connections = 2;
  silent_.every = 3s;
  start(4s);
  ASSERT_TRUE(world_.run_for(60s));
  EXPECT_EQ(silent_.closed.size(), 1u) << "of the one that never asked";
  EXPECT_GT(silent_.received, 0u);
  EXPECT_EQ(server_->connections_in_use(), 1u);
}

TEST_F(Idle, BetweenTwoRequestsThereIsALimitToo) {
  silent_.connections = 1;
  silent_.every = 20s;
  start(4s);
  ASSERT_TRUE(world_.run_for(4s));
  EXPECT_EQ(silent_.closed.size(), 0u);
  ASSERT_TRUE(world_.run_for(4s));
  EXPECT_EQ(silent_.closed.size(), 1u);
}

TEST_F(Idle, ZeroIsForEver) {
  silent_.connections = 1;
  start(Duration{0});
  ASSERT_TRUE(world_.run_for(24h));
  EXPECT_TRUE(silent_.closed.empty());
}

}  // namespace
}  // namespace pollux::load
