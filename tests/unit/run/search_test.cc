// --search against a server of which it is known what it can do, in virtual time.

#include "run/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "generator_world.h"
#include "load/generator.h"
#include "run/tally_summary.h"

namespace pollux::load {
namespace {

class SearchWorld : public GeneratorTest {
 protected:
  SearchWorld() {
    options_ = to_server();
    options_.search = {.from = 100, .most = std::nullopt, .resolution = 0.01};
    shared_.json = "-";  // its lines go to standard error
  }

  /// One step, as the programs' lanes and cores go about it.
  std::vector<cli::Summary> step(std::uint64_t rate) {
    if (generator_ == nullptr) {
      auto slow = options_;
      slow.cps = 10;
      start(slow, link_);
      run_for(500ms);  // the neighbours are known
    }
    generator_->set_rate(static_cast<double>(rate));
    generator_->restart(world_.now());
    responder_->restart(world_.now());
    run_for(500ms);
    measure_for(duration_);
    for (int ms = 0; ms < 1'000 && !generator_->idle(); ++ms) run_for(1ms);
    clear(*generator_, *client_);
    clear(*responder_, *server_);
    cli::Summary summary;
    summary.duration_s = std::chrono::duration<double>(duration_).count();
    summary.generator.emplace();
    summary.generator->behind = tally().behind;
    run::add(summary, tally());
    summary.connect = cli::latency_of(tally().connect);
    cli::derive(summary);
    rates_.push_back(rate);
    expect_balanced(tally());
    EXPECT_EQ(tally().live, 0u);
    EXPECT_EQ(client_->connections_in_use(), 0u);
    return {std::move(summary)};
  }
  template <class A, class P>
  void clear(A& application, P& stack) {
    application.end_with(run::Leftover::open);
    for (std::uint32_t place = 0; place < stack.stream_places(); ++place) {
      if (auto stream = stack.stream_at(place)) stream->abort();
    }
    run_for(1ms);
  }
  cli::Search search() {
    auto ends = run::search(shared_, options_, [this](std::uint64_t rate) { return step(rate); });
    best_ = std::move(ends.back());
    return *best_.search;
  }

  cli::SharedOptions shared_;
  /// What a step at 200 a second takes of the server's direction, in bytes, where the link is idle.
  double bytes_at_200() {
    step(200);
    const auto bytes = server_->counters()[Event::bytes_sent];
    const auto frames = server_->counters()[Event::frames_sent];
    step(200);
    return static_cast<double>(server_->counters()[Event::bytes_sent] - bytes) +
           static_cast<double>(sim::Link::ethernet_overhead) *
               static_cast<double>(server_->counters()[Event::frames_sent] - frames);
  }

  cli::ClientOptions options_;
  sim::LinkOptions link_{.delay = 1ms};
  Duration duration_ = 2s;
  std::vector<std::uint64_t> rates_;
  cli::Summary best_;
};

TEST_F(SearchWorld, FindsWhatALinkCarries) {
  // What one connection takes of the narrower direction, the server's, where the link is idle.
  const double of_one = bytes_at_200() / (200 * 2.5);
  constexpr double limit = 1'000;
  cable_->there.options().bits_per_second = static_cast<std::uint64_t>(of_one * limit * 8);
  cable_->there.options().queue_bytes = 20'000;
  const auto found = search();
  EXPECT_EQ(found.end, cli::Search::End::failure);
  EXPECT_NEAR(static_cast<double>(found.rate), limit, 0.03 * limit);
  EXPECT_EQ(best_.connections.failed, 0u);
  EXPECT_NEAR(best_.connections.attempted, 2.0 * static_cast<double>(found.rate), 2)
      << "the summary is that of the best step";
  EXPECT_THAT(std::vector(rates_.begin() + 2, rates_.begin() + 7),
              testing::ElementsAre(100, 200, 400, 800, 1'600));
  const auto* failed = found.lowest_failed();
  ASSERT_NE(failed, nullptr);
  EXPECT_LE(static_cast<double>(failed->rate - found.rate),
            0.01 * static_cast<double>(failed->rate));
}

TEST_F(SearchWorld, ALimitOfConnectionsFailsWhatFindsItReached) {
  // 20 at a time, and three round trips of 20 ms for each: SYN, request, and FIN.
  link_.delay = 10ms;
  options_.concurrency = 20;
  options_.limited = true;
  options_.search->resolution = 0.02;
  const auto found = search();
  EXPECT_NEAR(static_cast<double>(found.rate), 333, 25);
  EXPECT_THAT(found.lowest_failed()->why, testing::HasSubstr("no resources"));
}

TEST_F(SearchWorld, StopsAtItsBound) {
  options_.search->most = 3'000;
  duration_ = 500ms;
  const auto found = search();
  EXPECT_EQ(found.end, cli::Search::End::bound);
  EXPECT_EQ(found.rate, 3'000u);
  EXPECT_THAT(rates_, testing::ElementsAre(100, 200, 400, 800, 1'600, 3'000));
  EXPECT_EQ(found.lowest_failed(), nullptr);
}

TEST_F(SearchWorld, ItsConditionsDecide) {
  // Half of all that pass are 12 ms on their way, whatever the rate: no rate passes.
  link_.delay = 6ms;
  options_.search->from = 8;
  options_.fail_if = {*cli::parse_fail_if("p50>10ms")};
  duration_ = 500ms;
  const auto found = search();
  EXPECT_EQ(found.rate, 0u);
  EXPECT_THAT(rates_, testing::ElementsAre(8, 4, 2, 1));
  EXPECT_THAT(found.steps.front().why, testing::HasSubstr("connect.p50 is 12."));
  EXPECT_TRUE(cli::nothing_found(found));
}

TEST_F(SearchWorld, OfSynsFindsWhatIsAnswered) {
  options_.syn_only = true;
  duration_ = 500ms;
  const double each = bytes_at_200();
  cable_->there.options().bits_per_second = static_cast<std::uint64_t>(each / 200 * 2'000 * 8);
  cable_->there.options().queue_bytes = 2'000;
  const auto found = search();
  EXPECT_NEAR(static_cast<double>(found.rate), 2'000, 60);
  EXPECT_EQ(best_.connections.timed_out, 0u);
  EXPECT_EQ(best_.connections.completed, best_.connections.attempted);
}

}  // namespace
}  // namespace pollux::load
