// The open loop: that its rate is exact, that a late poll makes no burst, and that what was late is
// timed from when it was due.

#include "load/pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "generator_world.h"
#include "load/generator.h"

namespace pollux::load {
namespace {

/// Takes note of connections that are opened. Nobody ever answers them.
class Notes {
 public:
  struct Opened {
    Instant at;
    Generator::Session session;
  };
  /// No more than its shape: nothing of it is called but session().
  class Stream {
   public:
    Stream(Notes& notes, std::uint32_t index) : notes_(notes), index_(index) {}
    application::StreamId id() const noexcept { return {index_, 1}; }
    application::Endpoint local() const noexcept { return {}; }
    application::Endpoint remote() const noexcept { return {}; }
    Generator::Session& session() noexcept { return notes_.opened[index_].session; }
    std::span<const std::byte> readable() const noexcept { return {}; }
    std::size_t peek(std::span<std::byte>) const noexcept { return 0; }
    void consume(std::size_t) noexcept {}
    std::size_t unread() const noexcept { return 0; }
    bool at_end() const noexcept { return false; }
    std::size_t writable() const noexcept { return 0; }
    std::size_t unacknowledged() const noexcept { return 0; }
    bool send(application::StaticSpan) noexcept { return false; }
    std::span<std::byte> reserve(std::size_t) noexcept { return {}; }
    void commit(std::size_t) noexcept {}
    void shutdown_send() noexcept {}
    void close() noexcept {}
    bool close_within(Duration) noexcept { return false; }
    void abort() noexcept {}
    bool options(const application::StreamOptions&) noexcept { return true; }
    application::StreamStatus status() const noexcept { return {}; }
    Notes& stack() noexcept { return notes_; }

   private:
    Notes& notes_;
    std::uint32_t index_;
  };

  Instant now() const noexcept { return now_; }
  Result<application::StreamId, application::StackError> connect(
      application::Endpoint, const application::ConnectOptions&) {
    opened.push_back({now_, {}});
    return application::StreamId{static_cast<std::uint32_t>(opened.size() - 1), 1};
  }
  Result<std::monostate, application::StackError> send_syn(application::Endpoint, std::uint64_t) {
    opened.push_back({now_, {}});
    return std::monostate{};
  }
  std::optional<Stream> stream(application::StreamId id) { return Stream{*this, id.index}; }

  /// One poll, `after` the last; how many it opened.
  std::size_t poll(Generator& generator, Duration after) {
    now_ += after;
    const std::size_t before = opened.size();
    generator.on_poll(*this);
    return opened.size() - before;
  }

  std::vector<Opened> opened;

 private:
  Instant now_{Duration{1'000'000'007}};
};

class OpenLoop : public testing::Test {
 protected:
  void start(double rate, bool syn_only = false) {
    auto asked = std::move(*generator_options(to_server(), 1, 0));
    asked.rate = rate;
    asked.syn_only = syn_only;
    asked.streams = 1'000'000;  // none that is opened ever ends
    generator_ = std::move(*Generator::make(std::move(asked)));
    notes_ = {};
    generator_->on_start(notes_);
    started_ = notes_.now();
    generator_->begin_measuring(started_);
    if (!syn_only) generator_->on_syn_answer(notes_, {});  // somebody has been heard
  }
  /// Polls for so long, each `least` to `most` after the last; the most that one opened.
  std::size_t run(Duration time, Duration least, Duration most) {
    std::size_t largest = 0;
    for (const Instant end = notes_.now() + time; notes_.now() < end;) {
      const auto spread = static_cast<std::uint64_t>((most - least).count()) + 1;
      const Duration step = least + Duration{static_cast<std::int64_t>(random_.below(spread))};
      largest = std::max(largest, notes_.poll(*generator_, step));
    }
    return largest;
  }
  /// The k-th is due k intervals after the start, whenever it was opened.
  void expect_each_due_in_its_turn(double rate) const {
    for (std::size_t k = 0; k < notes_.opened.size(); ++k) {
      const auto& [at, session] = notes_.opened[k];
      const double due = static_cast<double>(k + 1) / rate * 1e9;
      const auto told = generator_->due_of(session);
      ASSERT_TRUE(told) << k;
      ASSERT_NEAR(static_cast<double>((*told - started_).count()), due, 2) << k;
      ASSERT_LE(*told, at + 1ns) << "none is early";
    }
  }
  double opened() const { return static_cast<double>(notes_.opened.size()); }

  Prng random_{11};
  Notes notes_;
  std::unique_ptr<Generator> generator_;
  Instant started_;
};

TEST_F(OpenLoop, TheRateIsExactWheneverPollsCome) {
  for (const double rate : {1.0, 333.0, 12'345.0, 1'000'000.0, 1'210'987.5}) {
    SCOPED_TRACE(rate);
    start(rate);
    const Duration time = rate > 100'000 ? 100ms : 2s;
    const std::size_t largest = run(time, 200ns, 15us);
    EXPECT_LE(largest, 16u);
    const double due = rate * std::chrono::duration<double>(time).count();
    EXPECT_NEAR(opened(), due, 1 + rate * 15e-6);
    EXPECT_NEAR(opened(), due, 1 + 0.005 * due);
    expect_each_due_in_its_turn(rate);
  }
}

TEST_F(OpenLoop, EveryMillisecondHasItsShare) {
  constexpr double rate = 500'000;
  start(rate);
  run(200ms, 200ns, 15us);
  std::vector<double> per_ms(200);
  for (const auto& [at, session] : notes_.opened) {
    const auto ms = static_cast<std::size_t>((at - started_) / 1ms);
    if (ms < per_ms.size()) ++per_ms[ms];
  }
  // Of a poll that comes up to 15 us late, what is due in them.
  for (const double n : per_ms) ASSERT_NEAR(n, rate / 1'000, 1 + rate * 15e-6);
}

TEST_F(OpenLoop, AStallIsMadeUpForWithoutABurst) {
  constexpr double rate = 1'000'000;
  start(rate);
  std::size_t largest = 0;
  for (int stall = 0; stall < 8; ++stall) {
    largest = std::max(largest, run(50ms, 1us, 10us));
    EXPECT_EQ(notes_.poll(*generator_, 5ms), 16u) << "5,000 are due";
    // From then on a quarter faster than the rate, until nothing is missing.
    const std::size_t before = notes_.opened.size();
    EXPECT_LE(run(10ms, 1us, 10us), 13u);
    EXPECT_NEAR(static_cast<double>(notes_.opened.size() - before), 12'500, 25);
  }
  largest = std::max(largest, run(50ms, 1us, 10us));
  EXPECT_LE(largest, 13u);
  const double seconds = static_cast<double>((notes_.now() - started_).count()) / 1e9;
  EXPECT_NEAR(opened(), rate * seconds, 1 + rate * 10e-6) << "all has been made up for";
  expect_each_due_in_its_turn(rate);
  EXPECT_EQ(generator_->tally().late.count(), notes_.opened.size());
  // A twelfth of the time was stalled, and as long again four times over something was missing.
  EXPECT_GE(generator_->tally().late.max(), 4'990'000u);
  EXPECT_GE(generator_->tally().late.percentile(95), 1'500'000u);
  EXPECT_LE(generator_->tally().late.percentile(50), 12'000u);
}

TEST_F(OpenLoop, ALowRateIsMadeUpForSooner) {
  start(1'000);
  run(1s, 1us, 100us);
  EXPECT_EQ(notes_.poll(*generator_, 100ms), 16u) << "100 are due";
  run(1ms, 1us, 10us);
  const double seconds = static_cast<double>((notes_.now() - started_).count()) / 1e9;
  EXPECT_NEAR(opened(), 1'000 * seconds, 1);
}

TEST_F(OpenLoop, WhatItCannotOpenInTimeIsCountedAsBehind) {
  constexpr double rate = 1'000'000;
  start(rate);
  run(200ms, 24us, 26us);  // 16 in 25 us are 640,000 a second
  generator_->wind_down(notes_.now());
  EXPECT_NEAR(opened(), 128'000, 1'280);
  const double behind = static_cast<double>(std::uint64_t{generator_->tally().behind});
  EXPECT_NEAR(behind + opened(), 200'000, 27);
  EXPECT_EQ(notes_.poll(*generator_, 1ms), 0u) << "the end is the end";
  expect_each_due_in_its_turn(rate);
}

TEST_F(OpenLoop, WhoKeepsUpIsNotBehind) {
  start(100'000);
  run(1s, 1us, 10us);
  generator_->wind_down(notes_.now());
  EXPECT_LE(generator_->tally().behind, 1u);
  EXPECT_LE(generator_->tally().late.max(), 10'001u);
}

TEST_F(OpenLoop, SynsKeepTheRateInTheSameWay) {
  constexpr double rate = 2'000'000;
  start(rate, true);
  EXPECT_EQ(notes_.poll(*generator_, 50ms), 16u) << "nobody has been heard yet";
  EXPECT_EQ(notes_.poll(*generator_, 1us), 0u);
  generator_->on_syn_answer(notes_, {.accepted = true});
  EXPECT_LE(run(100ms, 1us, 10us), 64u);
  const double seconds = static_cast<double>((notes_.now() - started_).count()) / 1e9;
  EXPECT_NEAR(opened(), rate * seconds, 1 + rate * 10e-6);
}

TEST_F(GeneratorTest, LatenciesCountTheTimeThatAStalledGeneratorOwes) {
  auto options = to_server();
  options.cps = 2'000;
  start(options, {.delay = 1ms});
  run_for(100ms);
  responder_->begin_measuring(world_.now());
  generator_->begin_measuring(world_.now());
  run_for(400ms);
  world_.pause(*client_, 200ms);
  run_for(600ms);
  generator_->wind_down(world_.now());
  run_for(100ms);
  stop();
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().attempted}), 2'000, 4);
  EXPECT_EQ(tally().completed, tally().attempted);
  // A fifth of them was due while it stood still. Half of those had 100 ms and more to go, and all
  // some more for their turn: these polls come once a millisecond.
  EXPECT_NEAR(static_cast<double>(tally().connect.percentile(90)), 112e6, 12e6);
  EXPECT_NEAR(static_cast<double>(tally().connect.max()), 201e6, 4e6);
  EXPECT_LE(tally().connect.percentile(75), 5'000'000u);
}

TEST_F(GeneratorTest, AHeldConnectionsRequestCountsFromItsTurn) {
  auto options = holding(50, 1s);
  start(options);
  run_for(500ms);
  generator_->begin_measuring(world_.now());
  run_for(300ms);
  EXPECT_EQ(tally().first_byte.count(), 0u);
  world_.pause(*client_, 700ms);
  run_for(1s);
  // All had their turn at one second, when nobody was there to ask.
  EXPECT_EQ(tally().first_byte.count(), 50u);
  EXPECT_GE(tally().first_byte.min(), 450'000'000u);
  EXPECT_LE(tally().first_byte.max(), 520'000'000u);
  stop();
}

TEST_F(GeneratorTest, ATurnThatHasToWaitForAnAnswerCountsFromWhenItCame) {
  auto options = holding(10, 100ms);
  start(options);
  run_for(1s);
  generator_->begin_measuring(world_.now());
  // The server stands still for 250 ms: one request waits for it, and the next for that one.
  world_.pause(*server_, 250ms);
  run_for(290ms);
  EXPECT_GE(tally().first_byte.max(), 150'000'000u);
  EXPECT_EQ(tally().first_byte.count(), 20u);
  EXPECT_GE(tally().first_byte.percentile(49), 50'000'000u) << "the second waited, too";
  stop();
}

}  // namespace
}  // namespace pollux::load
