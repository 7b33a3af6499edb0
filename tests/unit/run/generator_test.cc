// The generator against the responder, whole stacks on a simulated cable: what is opened, when, and
// how it is counted.

#include "load/generator.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "application/http.h"
#include "pipeline/pipeline.h"
#include "run/counted.h"
#include "run/tally.h"
#include "sim/world.h"

namespace pollux::load {
namespace {

using Responder = run::Counted<application::HttpResponder>;

constexpr wire::Ipv4Address server_address{10, 0, 0, 1};
constexpr wire::Ipv4Address client_address{10, 0, 0, 2};

pipeline::Config config_for(wire::Ipv4Address own, std::uint64_t seed) {
  pipeline::Config config;
  config.interface.addresses = {{{own, 24}, 1}};
  config.connections = 10'000;
  config.half_open = 10'000;
  config.time_wait = 50'000;
  config.seed = seed;
  return config;
}

cli::ClientOptions to_server() {
  cli::ClientOptions options;
  options.targets = {{server_address, 80}};
  options.concurrency = 16;
  return options;
}

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
    server_ = std::move(*ServerPipeline::make(config_for(server_address, 1), server_device_,
                                              *responder_, world_.now()));
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

  sim::World world_{7};
  sim::Device& server_device_ = world_.add_device({.name = "server", .mac = {{2, 0, 0, 0, 0, 1}}});
  sim::Device& client_device_ = world_.add_device({.name = "client", .mac = {{2, 0, 0, 0, 0, 2}}});
  std::optional<sim::Cable> cable_;
  std::unique_ptr<Responder> responder_;
  std::unique_ptr<Generator> generator_;
  std::unique_ptr<ServerPipeline> server_;
  std::unique_ptr<ClientPipeline> client_;
};

TEST_F(GeneratorTest, SixPacketsAConnectionWhenTheServerCloses) {
  start(to_server());
  run_for(100ms);
  const auto rx = client_->counters()[Event::frames_received];
  const auto tx = client_->counters()[Event::frames_sent];
  measure_for(1s);
  run_for(100ms);
  stop();
  EXPECT_GT(tally().completed, 1'000u);
  EXPECT_EQ(tally().failed, 0u);
  EXPECT_EQ(tally().established, tally().completed);
  EXPECT_EQ(tally().requests_answered, tally().completed);
  EXPECT_EQ(tally().status[200 - 100], tally().completed);
  expect_balanced(tally());
  expect_balanced(responder_->tally());
  const auto packets = static_cast<double>(client_->counters()[Event::frames_received] - rx +
                                           client_->counters()[Event::frames_sent] - tx);
  EXPECT_NEAR(packets / static_cast<double>(tally().completed), 6.0, 0.15);
}

TEST_F(GeneratorTest, AClosedLoopKeepsAsManyOpenAsAskedFor) {
  start(to_server());
  measure_for(500ms);
  EXPECT_EQ(tally().peak_open, 16u);
  run_for(100ms);
  EXPECT_TRUE(generator_->idle());
}

TEST_F(GeneratorTest, AnOpenLoopHoldsItsRateWhateverTheAnswersTake) {
  auto options = to_server();
  options.cps = 1'000;
  start(options, {.delay = 40ms});
  run_for(200ms);
  measure_for(2s);
  run_for(500ms);
  stop();
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().attempted}), 2'000, 10);
  EXPECT_EQ(tally().completed, tally().attempted);
  // A round trip of 80 ms, and at most the step of the clock.
  EXPECT_GE(tally().connect.min(), 80'000'000u);
  EXPECT_LE(tally().connect.max(), 83'000'000u);
}

TEST_F(GeneratorTest, AStallOfTheGeneratorShowsInTheLatenciesOfAllThatWereDue) {
  auto options = to_server();
  options.cps = 1'000;
  start(options, {.delay = 1ms});
  run_for(50ms);
  // With the cable out nothing wakes the client's core for most of 100 ms, but a timer. What was
  // due meanwhile is opened late, and counts from when it was due.
  cable_->set_up(false);
  run_for(5ms);
  generator_->begin_measuring(world_.now());
  ASSERT_TRUE(world_.run_for(100ms));
  EXPECT_LE(tally().attempted, 64u);
  cable_->set_up(true);
  run_for(300ms);
  EXPECT_GE(tally().connect.max(), 50'000'000u);
  EXPECT_GE(tally().connect.percentile(95), 30'000'000u);
}

TEST_F(GeneratorTest, ARampReachesTheRateSlowly) {
  auto options = to_server();
  options.cps = 1'000;
  options.ramp = 2s;
  start(options);
  measure_for(2s);
  run_for(100ms);
  // The area under the ramp.
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().attempted}), 1'000, 10);
}

TEST_F(GeneratorTest, SeveralRequestsAConnectionPipelined) {
  auto options = to_server();
  options.requests = 10;
  options.pipeline = 4;
  options.concurrency = 4;
  start(options);
  measure_for(500ms);
  run_for(500ms);
  stop();
  EXPECT_GT(tally().completed, 10u);
  EXPECT_EQ(tally().failed, 0u);
  EXPECT_EQ(tally().requests_answered, 10 * tally().completed);
}

TEST_F(GeneratorTest, TheClientMayCloseFirst) {
  auto options = to_server();
  options.close = Close::client;
  start(options);
  measure_for(300ms);
  run_for(100ms);
  stop();
  EXPECT_GT(tally().completed, 100u);
  EXPECT_EQ(tally().failed, 0u);
  EXPECT_GT(client_->time_wait_in_use(), 100u);
  EXPECT_EQ(server_->time_wait_in_use(), 0u);
}

TEST_F(GeneratorTest, AResetByPlanIsNoFailure) {
  auto options = to_server();
  options.close = Close::reset;
  start(options);
  measure_for(300ms);
  run_for(100ms);
  stop();
  EXPECT_GT(tally().completed, 100u);
  EXPECT_EQ(tally().failed, 0u);
  EXPECT_EQ(client_->time_wait_in_use(), 0u);
  expect_balanced(tally());
}

TEST_F(GeneratorTest, HeldConnectionsStayAndAskAgain) {
  auto options = to_server();
  options.hold = true;
  options.hold_interval = 1s;
  options.requests = 1'000'000;
  options.concurrency = 50;
  start(options);
  measure_for(10s);
  EXPECT_EQ(tally().open, 50u);
  EXPECT_EQ(tally().peak_open, 50u);
  EXPECT_GE(tally().requests_answered, 50u * 9);
  EXPECT_LE(tally().requests_answered, 50u * 11);
  stop();
  EXPECT_EQ(tally().open, 50u);
  EXPECT_EQ(tally().failed, 0u);
  expect_balanced(tally());
}

TEST_F(GeneratorTest, RequestsCountByWhenTheyAreSentOnWhateverConnection) {
  auto options = to_server();
  options.requests = 1'000'000;
  start(options);
  run_for(100ms);
  measure_for(1s);
  const std::uint64_t in_time = tally().answered_in_time;
  EXPECT_EQ(tally().attempted, 0u) << "all were opened in the warm-up";
  // A round trip of 2 ms, and 16 connections.
  EXPECT_NEAR(static_cast<double>(in_time), 8'000, 200);
  EXPECT_EQ(tally().first_byte.count(), in_time);
  EXPECT_LE(tally().requests_sent, in_time + 16);
  EXPECT_EQ(tally().status[200 - 100], in_time);
  run_for(500ms);
  EXPECT_GT(tally().requests_answered, in_time + 3'000);
  EXPECT_EQ(tally().answered_in_time, in_time) << "a rate is of the measured time";
  stop();
  EXPECT_EQ(tally().open, 0u);
  EXPECT_EQ(tally().open_from_warmup, 16u);
}

TEST_F(GeneratorTest, RequestsUnderWayWhenTheWarmUpEndsAreNotCounted) {
  auto options = to_server();
  options.requests = 1'000'000;
  options.pipeline = 4;
  start(options, {.delay = 50ms});
  run_for(1s);
  measure_for(98ms);
  EXPECT_EQ(tally().requests_answered, 0u);
  EXPECT_GT(tally().requests_sent, 0u);
  run_for(500ms);
  stop();
  EXPECT_EQ(tally().requests_answered, tally().first_byte.count());
  EXPECT_GE(tally().first_byte.min(), 100'000'000u);
}

TEST_F(GeneratorTest, AServersCountsAreOfTheMeasuredTime) {
  auto options = to_server();
  options.requests = 1'000'000;
  start(options);
  run_for(500ms);
  const auto warm_up = responder_->inner().counters().answered();
  EXPECT_GT(warm_up, 1'000u);
  measure_for(500ms);
  const auto measured = responder_->inner().counters().answered() - warm_up;
  EXPECT_EQ(responder_->counters().answered(), measured);
  EXPECT_EQ(responder_->tally().answered_in_time, measured);
  run_for(100ms);
  EXPECT_GT(responder_->counters().answered(), measured);
  EXPECT_EQ(responder_->tally().answered_in_time, measured);
}

TEST_F(GeneratorTest, EachRequestOfAPipelineHasItsOwnClock) {
  auto options = to_server();
  options.requests = 64;
  options.pipeline = 8;
  options.concurrency = 4;
  start(options, {.delay = 10ms});
  measure_for(500ms);
  run_for(500ms);
  stop();
  EXPECT_EQ(tally().first_byte.count(), tally().requests_answered);
  EXPECT_GE(tally().first_byte.min(), 20'000'000u);
  EXPECT_LE(tally().first_byte.max(), 25'000'000u);
}

TEST_F(GeneratorTest, HeldConnectionsAskAgainHoweverManyTheyAre) {
  auto options = to_server();
  options.hold = true;
  options.hold_interval = 2s;
  options.requests = 1'000'000;
  options.concurrency = 5'000;
  start(options);
  measure_for(5s);
  EXPECT_EQ(tally().open, 5'000u);
  // At once, after two seconds and after four.
  EXPECT_GE(tally().requests_answered, 3u * 5'000);
  stop();
}

TEST_F(GeneratorTest, HeldConnectionsAskOnceAnIntervalWhateverMayBeUnderWay) {
  auto options = to_server();
  options.hold = true;
  options.hold_interval = 1s;
  options.requests = 1'000'000;
  options.pipeline = 4;
  options.concurrency = 50;
  start(options);
  measure_for(10s);
  EXPECT_GE(tally().requests_answered, 50u * 9);
  EXPECT_LE(tally().requests_answered, 50u * 11);
  stop();
}

TEST_F(GeneratorTest, HeldConnectionsAreOpenedAtTheRateUpToTheirNumber) {
  auto options = to_server();
  options.hold = true;
  options.requests = 1'000'000;
  options.concurrency = 50;
  options.cps = 100;
  start(options);
  measure_for(250ms);
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().attempted}), 25, 2);
  stop();
}

TEST_F(GeneratorTest, HeldConnectionsAreNeverMoreThanWereAskedFor) {
  auto options = to_server();
  options.hold = true;
  options.requests = 1'000'000;
  options.concurrency = 50;
  options.cps = 100;
  start(options);
  measure_for(3s);
  EXPECT_EQ(tally().attempted, 50u);
  EXPECT_EQ(tally().open, 50u);
  EXPECT_EQ(tally().peak_open, 50u);
  stop();
}

TEST_F(GeneratorTest, AnOpenLoopWithABoundFailsWhatFindsItReached) {
  auto options = to_server();
  options.cps = 1'000;
  options.concurrency = 10;
  options.limited = true;
  start(options, {.delay = 40ms});
  measure_for(1s);
  run_for(500ms);
  stop();
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().attempted}), 1'000, 5);
  EXPECT_LE(tally().peak_open, 10u);
  EXPECT_GT(tally().completed, 30u);
  EXPECT_EQ(tally().no_resources, tally().failed);
  expect_balanced(tally());
}

TEST_F(GeneratorTest, ATargetToWhichThereIsNoWayFails) {
  auto options = to_server();
  // The broadcast address of the client's own network.
  options.targets = {{wire::Ipv4Address{10, 0, 0, 255}, 80}};
  start(options);
  measure_for(3s);
  EXPECT_EQ(tally().held_back, 0u);
  EXPECT_GE(tally().unreachable, 2u);
  EXPECT_LE(tally().unreachable, 4u) << "it is not asked for in every poll";
  EXPECT_EQ(tally().unreachable, tally().failed);
  expect_balanced(tally());
}

TEST_F(GeneratorTest, ATargetToWhichThereIsNoWayDoesNotHoldUpTheOthers) {
  auto options = to_server();
  options.targets.insert(options.targets.begin(), {wire::Ipv4Address{10, 0, 0, 255}, 80});
  start(options);
  measure_for(1s);
  EXPECT_GT(tally().completed, 1'000u);
  EXPECT_GE(tally().unreachable, 1u);
  EXPECT_LE(tally().unreachable, 2u);
  run_for(100ms);
  stop();
  expect_balanced(tally());
}

TEST_F(GeneratorTest, AtARateEveryConnectionWithoutAWayFails) {
  auto options = to_server();
  options.targets = {{wire::Ipv4Address{10, 0, 0, 255}, 80}};
  options.cps = 100;
  start(options);
  measure_for(1s);
  EXPECT_GE(tally().unreachable, 99u);
  EXPECT_EQ(tally().unreachable, tally().failed);
}

TEST_F(GeneratorTest, AnAnswerBeforeAllOfTheRequestIsSentEndsIt) {
  auto options = to_server();
  // The responder refuses the method as soon as it has read the line, and says close.
  options.method = "PUT";
  options.data = std::string(4 << 20, 'x');
  options.concurrency = 1;
  start(options);
  measure_for(300ms);
  run_for(500ms);
  stop();
  EXPECT_GT(tally().status[501 - 100], 0u);
  EXPECT_GE(tally().requests_sent, tally().requests_answered);
  EXPECT_GT(tally().completed, 0u);
  expect_balanced(tally());
}

TEST_F(GeneratorTest, NobodyListensIsRefused) {
  auto options = to_server();
  options.cps = 100;
  start(options, {.delay = 1ms}, 81);
  measure_for(1s);
  run_for(100ms);
  EXPECT_GE(tally().refused, 95u);
  EXPECT_EQ(tally().refused, tally().failed);
  EXPECT_EQ(tally().established, 0u);
  expect_balanced(tally());
}

TEST_F(GeneratorTest, NobodyAnswersArpIsNamed) {
  auto options = to_server();
  options.targets = {{wire::Ipv4Address{10, 0, 0, 99}, 80}};
  options.cps = 10;
  start(options);
  measure_for(1s);
  run_for(10s);
  EXPECT_GE(tally().no_arp, 9u);
  EXPECT_EQ(tally().no_arp, tally().failed);
  expect_balanced(tally());
}

TEST_F(GeneratorTest, WhatIsUnderWayWhenSomebodyEndsTheRunIsAborted) {
  start(to_server(), {.delay = 30ms});
  measure_for(200ms);
  stop(run::Leftover::aborted);
  EXPECT_EQ(tally().open, 0u);
  EXPECT_GT(tally().aborted, 0u);
  EXPECT_EQ(tally().failed, 0u);
  expect_balanced(tally());
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(GeneratorOptions, EachTargetIsAskedByItsOwnName) {
  auto options = to_server();
  options.targets = {{server_address, 80}, {{10, 0, 0, 9}, 8080}, {server_address, 80}};
  const auto out = std::move(*generator_options(options, 1, 0));
  ASSERT_EQ(out.targets.size(), 3u);
  ASSERT_EQ(out.prepared.size(), 2u) << "the same host is asked the same";
  const auto asked = [&](std::size_t i) {
    return text_of(out.prepared[out.targets[i].request].bytes(true));
  };
  EXPECT_NE(asked(0).find("Host: 10.0.0.1\r\n"), std::string::npos);
  EXPECT_NE(asked(1).find("Host: 10.0.0.9:8080\r\n"), std::string::npos);
  EXPECT_EQ(asked(2), asked(0));
  options.headers = {"Host: example.org"};
  EXPECT_EQ(generator_options(options, 1, 0)->prepared.size(), 1u);
}

TEST(GeneratorOptions, ABoundedRateGoesWithTheRoomForIt) {
  auto options = to_server();
  options.cps = 300;
  options.concurrency = 3;
  options.limited = true;
  EXPECT_DOUBLE_EQ(generator_options(options, 2, 0)->rate.value_or(0), 200);
  EXPECT_DOUBLE_EQ(generator_options(options, 2, 1)->rate.value_or(0), 100);
  options.limited = false;
  EXPECT_DOUBLE_EQ(generator_options(options, 2, 1)->rate.value_or(0), 150);
}

TEST_F(GeneratorTest, EveryShareOfTheConcurrencyIsSomebodys) {
  auto options = to_server();
  options.concurrency = 10;
  std::uint32_t sum = 0;
  for (std::size_t share = 0; share < 4; ++share) {
    sum += generator_options(options, 4, share)->concurrency;
  }
  EXPECT_EQ(sum, 10u);
}

}  // namespace
}  // namespace pollux::load
