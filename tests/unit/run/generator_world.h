#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>

#include "application/http.h"
#include "load/generator.h"
#include "pipeline/pipeline.h"
#include "run/counted.h"
#include "run/tally.h"
#include "sim/world.h"

namespace pollux::load {

using Responder = run::Counted<application::HttpResponder>;

inline constexpr wire::Ipv4Address server_address{10, 0, 0, 1};
inline constexpr wire::Ipv4Address client_address{10, 0, 0, 2};

inline pipeline::Config config_for(wire::Ipv4Address own, std::uint64_t seed) {
  pipeline::Config config;
  config.interface.addresses = {{{own, 24}, 1}};
  config.connections = 10'000;
  config.half_open = 10'000;
  config.time_wait = 50'000;
  config.seed = seed;
  return config;
}

inline cli::ClientOptions to_server() {
  cli::ClientOptions options;
  options.targets = {{server_address, 80}};
  options.concurrency = 16;
  return options;
}

/// So many connections that are held, a request each every `interval`.
inline cli::ClientOptions holding(std::uint64_t connections, Duration interval) {
  auto options = to_server();
  options.hold = true;
  options.hold_interval = interval;
  options.requests = 1'000'000;
  options.concurrency = connections;
  return options;
}

/// Generator and responder, each on a stack of its own, joined by a cable.
class GeneratorTest : public testing::Test {
 protected:
  using ServerPipeline = pipeline::Pipeline<sim::Device, Responder>;
  using ClientPipeline = pipeline::Pipeline<sim::Device, Generator>;

  void start(const cli::ClientOptions& options, const sim::LinkOptions& link = {.delay = 1ms},
             std::uint16_t server_port = 80) {
    application::HttpOptions http;
    http.ports = {server_port};
    responder_ =
        std::make_unique<Responder>(std::move(*application::HttpResponder::make(std::move(http))));
    auto asked = std::move(*generator_options(options, 1, 0));
    asked.streams = config_for(client_address, 2).connections;
    generator_ = std::move(*Generator::make(std::move(asked)));
    cable_.emplace(world_.connect(server_device_, client_device_, link));
    auto server_config = server_config_.value_or(config_for(server_address, 1));
    if (!server_config_) {
      server_config.tcp.syn_cookies = server_cookies_;
      server_config.half_open = server_half_open_;
      server_config.connections = server_connections_;
    }
    server_ =
        std::move(*ServerPipeline::make(server_config, server_device_, *responder_, world_.now()));
    client_ = std::move(*ClientPipeline::make(config_for(client_address, 2), client_device_,
                                              *generator_, world_.now()));
    world_.add_host(*server_, {&server_device_});
    world_.add_host(*client_, {&client_device_});
    server_->start(world_.now());
    client_->start(world_.now());
  }
  /// The generator looks at the time in every poll, so that time goes on in small steps.
  void run_for(Duration time) {
    for (const Instant end = world_.now() + time; world_.now() < end;) {
      ASSERT_TRUE(world_.run_for(1ms));
    }
  }
  void measure_for(Duration time) {
    responder_->begin_measuring(world_.now());
    generator_->begin_measuring(world_.now());
    run_for(time);
    generator_->wind_down(world_.now());
    responder_->wind_down(world_.now());
  }
  /// Connections that outlive the measured time; how many there are.
  std::uint32_t measure_long_connections() {
    auto options = to_server();
    options.requests = 1'000'000;
    start(options);
    measure_for(100ms);
    return options.concurrency;
  }
  void stop(run::Leftover leftover = run::Leftover::open) {
    generator_->end_with(leftover);
    client_->stop(world_.now());
    ASSERT_TRUE(world_.run_for(1ms));
    responder_->end_with(leftover);
    server_->stop(world_.now());
  }
  const run::Tally& tally() const { return generator_->tally(); }
  static void expect_balanced(const run::Tally& t) {
    EXPECT_EQ(t.attempted, t.completed + t.failed + t.aborted + t.open);
    EXPECT_LE(t.established, t.attempted);
  }

  /// In the place of what is usual, and of the three below.
  std::optional<pipeline::Config> server_config_;
  tcp::SynCookieUse server_cookies_ = tcp::SynCookieUse::automatic;
  std::uint32_t server_half_open_ = 10'000;
  std::uint32_t server_connections_ = 10'000;
  sim::World world_{7};
  sim::Device& server_device_ = world_.add_device({.name = "server", .mac = {{2, 0, 0, 0, 0, 1}}});
  sim::Device& client_device_ = world_.add_device({.name = "client", .mac = {{2, 0, 0, 0, 0, 2}}});
  std::optional<sim::Cable> cable_;
  std::unique_ptr<Responder> responder_;
  std::unique_ptr<Generator> generator_;
  std::unique_ptr<ServerPipeline> server_;
  std::unique_ptr<ClientPipeline> client_;
};

}  // namespace pollux::load

// Compiled once, in generator_world.cc: it takes half a minute with sanitizers.
extern template class pollux::pipeline::Pipeline<pollux::sim::Device, pollux::load::Responder>;
extern template class pollux::pipeline::Pipeline<pollux::sim::Device, pollux::load::Generator>;
