// The generator against the responder, whole stacks on a simulated cable: what is opened, when, and
// how it is counted.

#include "load/generator.h"

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "generator_world.h"

namespace pollux::load {
namespace {

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
  // The client's core is elsewhere for 100 ms. What was due meanwhile is opened late, and counts
  // from when it was due.
  generator_->begin_measuring(world_.now());
  world_.pause(*client_, 100ms);
  run_for(99ms);
  EXPECT_EQ(tally().attempted, 0u);
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

TEST_F(GeneratorTest, AClosedLoopGivesAMissingNeighbourTime) {
  auto options = to_server();
  options.targets = {{wire::Ipv4Address{10, 0, 0, 99}, 80}};
  start(options);
  measure_for(10s);
  EXPECT_GE(tally().no_arp, options.concurrency);
  EXPECT_LE(tally().no_arp, 10 * options.concurrency) << "it is not asked for in every poll";
  EXPECT_EQ(tally().no_arp, tally().failed);
  run_for(10s);
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
