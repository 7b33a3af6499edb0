// What the generator asks on connections that are open, and how the answers are counted.

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "generator_world.h"
#include "load/generator.h"

namespace pollux::load {
namespace {

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
  // Nor is it one for the server, whose replies have all arrived.
  EXPECT_GT(responder_->tally().completed, 100u);
  EXPECT_EQ(responder_->tally().failed, 0u);
  expect_balanced(responder_->tally());
}

TEST_F(GeneratorTest, HeldConnectionsStayAndAskAgain) {
  auto options = holding(50, 1s);
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

TEST_F(GeneratorTest, ConnectionsThatTheWarmUpDoesNotSetUpAreNamed) {
  auto options = to_server();
  options.targets = {{wire::Ipv4Address{10, 0, 0, 99}, 80}};
  start(options);
  run_for(500ms);
  measure_for(500ms);
  stop();
  EXPECT_EQ(tally().attempted, 0u) << "all are still waiting for the neighbour";
  EXPECT_EQ(tally().not_set_up_in_warmup, options.concurrency);
}

TEST_F(GeneratorTest, WhatAServerLeavesAtTheEndIsOpen) {
  const std::uint32_t open = measure_long_connections();
  responder_->end_with(run::Leftover::open);
  server_->stop(world_.now());
  EXPECT_EQ(responder_->tally().open, open);
  EXPECT_EQ(responder_->tally().live_failed, 0u);
  expect_balanced(responder_->tally());
}

TEST_F(GeneratorTest, WhatAServerCutsShortForASignalIsAborted) {
  const std::uint32_t open = measure_long_connections();
  responder_->end_with(run::Leftover::aborted);
  server_->stop(world_.now());
  EXPECT_EQ(responder_->tally().aborted, open);
  EXPECT_EQ(responder_->tally().live_failed, 0u);
  EXPECT_EQ(responder_->tally().failed, 0u);
  expect_balanced(responder_->tally());
}

TEST_F(GeneratorTest, WhatClientsResetWhenTheRunIsOverIsLeftOver) {
  const std::uint32_t open = measure_long_connections();
  stop(run::Leftover::aborted);
  EXPECT_EQ(responder_->tally().aborted, open);
  EXPECT_EQ(responder_->tally().open, 0u);
  expect_balanced(responder_->tally());
}

TEST_F(GeneratorTest, RatesBeginWhereTheMeasuredTimeDoes) {
  start(to_server());
  run_for(100ms);
  const std::uint64_t before = tally().live_completed;
  ASSERT_GT(before, 0u);
  measure_for(100ms);
  EXPECT_EQ(tally().live_completed_before, before);
  EXPECT_GT(tally().live_completed_in_time, before);
  EXPECT_GT(responder_->tally().live_completed_before, 0u);
}

TEST_F(GeneratorTest, AServerMayCloseBetweenTwoAnswers) {
  auto options = to_server();
  options.requests = 3;
  options.headers = {"Connection: close"};
  start(options);
  measure_for(100ms);
  run_for(100ms);
  EXPECT_GT(tally().closed_early, 0u);
  EXPECT_EQ(tally().closed_early, tally().failed);
  EXPECT_EQ(tally().requests_bad, 0u);
  expect_balanced(tally());
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
  auto options = holding(5'000, 2s);
  start(options);
  measure_for(5s);
  EXPECT_EQ(tally().open, 5'000u);
  // At once, after two seconds and after four.
  EXPECT_GE(tally().requests_answered, 3u * 5'000);
  stop();
}

TEST_F(GeneratorTest, HeldConnectionsAskOnceAnIntervalWhateverMayBeUnderWay) {
  auto options = holding(50, 1s);
  options.pipeline = 4;
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

/// Answers a request as soon as something of it has come, reads on, and closes when all of it has.
class Hasty {
 public:
  struct Session {
    std::size_t read = 0;
    bool answered = false;
  };
  Hasty(std::string reply, std::size_t whole) : reply_(std::move(reply)), whole_(whole) {}

  void on_start(auto& stack) noexcept { static_cast<void>(stack.listen(80, {.nagle = false})); }
  void on_readable(application::Stream auto& stream) noexcept {
    Session& session = stream.session();
    if (!session.answered) {
      session.answered = true;
      const auto bytes = std::as_bytes(std::span{reply_});
      static_cast<void>(stream.send({bytes.data(), static_cast<std::uint32_t>(bytes.size())}));
    }
    for (auto bytes = stream.readable(); !bytes.empty(); bytes = stream.readable()) {
      session.read += bytes.size();
      stream.consume(bytes.size());
    }
    if (session.read < whole_) return;
    ++whole_ones_;
    stream.close();
  }
  void on_peer_closed(application::Stream auto& stream) noexcept {
    cut_off_ += stream.session().read < whole_ ? 1 : 0;
    stream.close();
  }
  void on_closed(auto&, application::StreamId, Session&, Cause) noexcept {}
  /// Connections that ended before their requests were whole.
  std::uint64_t cut_off() const noexcept { return cut_off_; }
  /// And those whose were.
  std::uint64_t whole_ones() const noexcept { return whole_ones_; }

 private:
  std::string reply_;
  std::size_t whole_;
  std::uint64_t cut_off_ = 0;
  std::uint64_t whole_ones_ = 0;
};

/// Connections one after the other that each post four megabytes to a hasty server.
void post_to(Hasty& server, Generator& client_app) {
  sim::World world{7};
  auto& near = world.add_device({.name = "server", .mac = {{2, 0, 0, 0, 0, 1}}});
  auto& far = world.add_device({.name = "client", .mac = {{2, 0, 0, 0, 0, 2}}});
  [[maybe_unused]] const auto cable = world.connect(near, far, {.delay = 1ms});
  using Served = pipeline::Pipeline<sim::Device, Hasty>;
  using Asking = pipeline::Pipeline<sim::Device, Generator>;
  auto serving = std::move(*Served::make(config_for(server_address, 1), near, server, world.now()));
  auto asking =
      std::move(*Asking::make(config_for(client_address, 2), far, client_app, world.now()));
  world.add_host(*serving, {&near});
  world.add_host(*asking, {&far});
  serving->start(world.now());
  asking->start(world.now());
  client_app.begin_measuring(world.now());
  for (int i = 0; i < 2'000 && client_app.tally().live_completed == 0; ++i) {
    ASSERT_TRUE(world.run_for(1ms));
  }
  client_app.wind_down(world.now());
  ASSERT_TRUE(world.run_for(3s));
  client_app.end_with(run::Leftover::open);
  asking->stop(world.now());
  serving->stop(world.now());
}

std::unique_ptr<Generator> poster(Close close) {
  auto options = to_server();
  options.method = "POST";
  options.data = std::string(4 << 20, 'x');
  options.concurrency = 1;
  options.close = close;
  auto asked = std::move(*generator_options(options, 1, 0));
  asked.streams = config_for(client_address, 2).connections;
  return std::move(*Generator::make(std::move(asked)));
}

TEST(EarlyAnswer, TheRestOfTheRequestIsSentWhereTheServerReadsOn) {
  for (const Close close : {Close::server, Close::client}) {
    Hasty server{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 4 << 20};
    const auto generator = poster(close);
    post_to(server, *generator);
    const run::Tally& tally = generator->tally();
    EXPECT_GE(tally.completed, 1u);
    EXPECT_EQ(tally.failed, 0u);
    EXPECT_EQ(tally.requests_bad, 0u);
    EXPECT_GE(tally.requests_sent, tally.requests_answered);
    EXPECT_EQ(server.cut_off(), 0u);
  }
}

TEST(EarlyAnswer, AHeldConnectionSendsTheRestToo) {
  Hasty server{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 4 << 20};
  auto options = holding(1, 30s);
  options.method = "POST";
  options.data = std::string(4 << 20, 'x');
  auto asked = std::move(*generator_options(options, 1, 0));
  asked.streams = config_for(client_address, 2).connections;
  const auto generator = std::move(*Generator::make(std::move(asked)));
  post_to(server, *generator);
  EXPECT_GE(server.whole_ones(), 1u);
}

TEST(EarlyAnswer, TheRestIsLeftOutWhereTheServerSaysClose) {
  Hasty server{"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 4 << 20};
  const auto generator = poster(Close::server);
  post_to(server, *generator);
  EXPECT_GE(generator->tally().completed, 1u);
  EXPECT_EQ(generator->tally().failed, 0u);
  EXPECT_GE(server.cut_off(), 1u);
}

TEST(EarlyAnswer, BytesThatNobodyAskedForAreABadReply) {
  Hasty server{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n", 4 << 20};
  const auto generator = poster(Close::server);
  post_to(server, *generator);
  EXPECT_EQ(generator->tally().completed, 0u);
  EXPECT_GE(generator->tally().bad_reply, 1u);
  EXPECT_GE(generator->tally().requests_bad, generator->tally().bad_reply);
}

}  // namespace
}  // namespace pollux::load
