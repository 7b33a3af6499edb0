// The runs of RFC 9411 against a server and a link of which it is known what they can do, in
// virtual time: phases, key performance indicators, and what makes an iteration invalid.

#include "run/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "generator_world.h"
#include "load/generator.h"
#include "run/sampler.h"
#include "run/tally_summary.h"

namespace pollux::load {
namespace {

using Kind = cli::Iteration::Kind;

/// Something that happens so long after a sustain phase has begun.
struct Incident {
  Kind in = Kind::target;
  Duration after{0};
  std::function<void()> what;
};

TEST(HeldShare, OfAllLanesTogetherIsWhatWasAskedFor) {
  for (const std::uint32_t all : {40u, 530u, 990u, 1'000u}) {
    for (std::uint32_t lanes = 1; lanes <= 16; ++lanes) {
      for (std::uint64_t asked = 1; asked <= all; ++asked) {
        std::uint64_t together = 0;
        for (std::uint32_t lane = 0; lane < lanes; ++lane) {
          const std::uint32_t own = all / lanes + (lane < all % lanes ? 1 : 0);
          const std::uint32_t share = load::held_share(asked, static_cast<double>(own) / all);
          EXPECT_LE(share, own);
          together += share;
        }
        ASSERT_GE(together, asked) << all << " on " << lanes;
        ASSERT_LT(together, asked + lanes) << all << " on " << lanes;
      }
    }
  }
}

class ProfileWorld : public GeneratorTest {
 protected:
  ProfileWorld() {
    options_ = to_server();
    options_.path = "/bytes/1024";
    options_.close = Close::client;
    shared_.json = "-";  // its lines go to standard error
    profile_.init = 500ms;
    profile_.ramp_up = profile_.ramp_down = 1s;
    profile_.sustain = profile_.iteration = 4s;
  }
  void ask(cli::Profile kind, std::optional<std::uint64_t> target) {
    profile_.kind = kind;
    options_.objective = {.from = 100, .target = target, .resolution = 0.05};
    if (kind != cli::Profile::concurrent) return;
    options_.hold = true;
    options_.requests = UINT64_MAX;
    options_.concurrency = static_cast<std::uint32_t>(*target);
  }

  /// One iteration, as the programs' lanes and cores go about it.
  std::vector<cli::Summary> step(const cli::Iteration& it) {
    if (generator_ == nullptr) {
      options_.profile = profile_;
      start(options_, link_);
    }
    generator_->set_iteration(it);
    generator_->restart(world_.now());
    responder_->restart(world_.now());
    run_for(it.init);
    EXPECT_EQ(tally().live, 0u) << "nothing is opened in the init phase";
    run_for(it.ramp_up);
    const Counters first = client_->counters();
    sustain(it);
    const Instant down = world_.now();
    while (world_.now() < down + it.ramp_down + 1s && !generator_->idle()) {
      run_for(1ms);
      if (world_.now() == down + it.ramp_down / 2) half_way_down_ = tally().live;
    }
    took_down_ = world_.now() - down;
    clear(*generator_, *client_);
    clear(*responder_, *server_);
    expect_balanced(tally());
    EXPECT_EQ(tally().live, 0u);
    EXPECT_EQ(tally().live_established, 0u);
    return {summary_of(it, client_->counters().since(first))};
  }
  /// With a look at each sample's end, as the control thread does it.
  void sustain(const cli::Iteration& it) {
    run::Sampler sampler;
    const auto look = [&] {
      run::Sampler::Look out;
      out.at = world_.now();
      out.add(tally(), client_->counters());
      sampler.take(out);
    };
    responder_->begin_measuring(world_.now());
    generator_->begin_measuring(world_.now());
    const Instant from = world_.now();
    Instant next = from;
    while (world_.now() < from + it.sustain) {
      if (world_.now() >= next) {
        look();
        next += it.sample;
      }
      run_for(1ms);
      for (Incident& incident : incidents_) {
        if (incident.in == it.kind && incident.what && world_.now() >= from + incident.after) {
          std::exchange(incident.what, {})();
        }
      }
    }
    generator_->wind_down(world_.now());
    responder_->wind_down(world_.now());
    samples_ = sampler.samples();
  }
  cli::Summary summary_of(const cli::Iteration& it, const Counters& counters) {
    cli::Summary out;
    out.duration_s = std::chrono::duration<double>(it.sustain).count();
    out.generator.emplace();
    out.generator->behind = tally().behind;
    run::add(out, tally());
    cli::take_counters(out, counters);
    cli::derive(out);
    auto& sustain = out.sustain.emplace();
    sustain.samples = samples_;
    run::add(sustain, tally());
    sustain.first_byte_ms = run::milliseconds_of(tally().syn_to_first_byte);
    sustain.last_byte_ms = run::milliseconds_of(tally().syn_to_last_byte);
    return out;
  }
  template <class A, class P>
  void clear(A& application, P& stack) {
    application.end_with(run::Leftover::open);
    reset_all(stack, stack.stream_places());
    run_for(1ms);
  }
  template <class P>
  void reset_all(P& stack, std::uint32_t most) {
    for (std::uint32_t place = 0; place < stack.stream_places() && most != 0; ++place) {
      if (auto stream = stack.stream_at(place)) {
        stream->abort();
        --most;
      }
    }
  }
  cli::ProfileReport run() {
    options_.profile = profile_;
    auto ends =
        run::profile(shared_, options_, [this](const cli::Iteration& it) { return step(it); });
    kept_ = std::move(ends.back());
    return *kept_.profile;
  }
  /// What counts, which must be there.
  const cli::ProfileReport::Passage& result(const cli::ProfileReport& report) {
    EXPECT_TRUE(report.valid()) << cli::not_valid(report).value_or("stopped");
    return report.passages[report.result.value_or(report.passages.size() - 1)];
  }
  /// The criteria that were missed by the passage of that kind.
  static std::vector<std::string> missed(const cli::ProfileReport& report, Kind kind) {
    std::vector<std::string> out;
    for (const auto& passage : report.passages) {
      if (passage.iteration.kind != kind) continue;
      for (const auto& criterion : passage.criteria) {
        if (!criterion.passed) out.emplace_back(criterion.name);
      }
    }
    return out;
  }

  cli::SharedOptions shared_;
  cli::ClientOptions options_;
  cli::ProfileOptions profile_;
  sim::LinkOptions link_{.delay = 1ms};
  std::vector<Incident> incidents_;
  std::vector<cli::Sustain::Sample> samples_;
  Duration took_down_{0};
  std::uint64_t half_way_down_ = 0;
  cli::Summary kept_;
};

TEST_F(ProfileWorld, ARateThatIsCarriedIsValidAndMeasured) {
  ask(cli::Profile::cps, 1'000);
  const auto report = run();
  EXPECT_EQ(report.object_bytes, 1'024u);
  EXPECT_EQ(report.passages.size(), 2u);
  const auto& found = result(report);
  EXPECT_EQ(found.iteration.objective, 1'000u);
  const auto& kpi = found.indicators;
  EXPECT_NEAR(kpi.connections_per_second.avg, 1'000, 1);
  EXPECT_NEAR(kpi.connections_per_second.min, 1'000, 5);
  EXPECT_NEAR(kpi.transactions_per_second.avg, 1'000, 1);
  EXPECT_NEAR(static_cast<double>(kpi.transactions_ok), 4'000, 3);
  EXPECT_EQ(kpi.transactions_ok, kpi.transactions_attempted);
  // A round trip of 2 ms for the SYN, and one for the request.
  EXPECT_NEAR(kpi.first_byte_ms.min, 4, 1.1);
  EXPECT_NEAR(kpi.first_byte_ms.avg, 4.5, 1);
  EXPECT_GE(kpi.last_byte_ms.min, kpi.first_byte_ms.min);
  // And one for the FIN: each is there for 5 ms or so.
  EXPECT_NEAR(kpi.concurrent_connections.avg, 5, 1.5);
  // 1,024 bytes and two heads of each, and nine frames' headers.
  EXPECT_GT(kpi.throughput.avg, 1'000 * 8 * 1'500);
  EXPECT_LT(kpi.throughput.avg, 1'000 * 8 * 2'000);
  EXPECT_NEAR(static_cast<double>(kept_.connections.completed), 4'000, 3)
      << "the summary is of what counts";
}

TEST_F(ProfileWorld, ALinkThatCarriesLessIsFound) {
  ask(cli::Profile::cps, 4'000);
  profile_.iteration = profile_.sustain = 2s;
  // Some 1,400 bytes of each connection go in the server's direction.
  link_.bits_per_second = 1'000 * 1'600 * 8;
  link_.queue_bytes = 20'000;
  const auto report = run();
  const auto& found = result(report);
  EXPECT_EQ(report.passages[0].iteration.objective, 400u);
  EXPECT_EQ(report.passages[1].iteration.objective, 4'000u);
  EXPECT_FALSE(report.passages[1].valid());
  EXPECT_GT(found.iteration.objective, 700u);
  EXPECT_LT(found.iteration.objective, 1'400u);
  EXPECT_LT(found.indicators.throughput.max, 2.0 * 1'000 * 1'600 * 8);
  for (const auto& passage : report.passages) {
    EXPECT_EQ(passage.valid(), passage.iteration.objective <= found.iteration.objective)
        << passage.iteration.objective;
  }
}

TEST_F(ProfileWorld, AnObjectOfAnotherSizeEndsItBeforeItBegins) {
  ask(cli::Profile::cps, 1'000);
  profile_.object = 2'048;
  const auto report = run();
  EXPECT_FALSE(report.valid());
  EXPECT_TRUE(report.passages.empty());
  EXPECT_EQ(report.not_begun, "the object has 1,024 bytes, not 2,048");
}

TEST_F(ProfileWorld, AnObjectThatCannotBeHadEndsIt) {
  ask(cli::Profile::cps, 1'000);
  options_.method = "PUT";
  const auto report = run();
  EXPECT_EQ(report.not_begun, "the object comes with status 501");
}

TEST_F(ProfileWorld, NobodyToAnswerEndsIt) {
  ask(cli::Profile::cps, 1'000);
  options_.targets = {{server_address, 81}};
  const auto report = run();
  EXPECT_THAT(report.not_begun, testing::StartsWith("no request was answered: refused"));
}

TEST_F(ProfileWorld, ANetworkThatWakesUpLateIsWaitedFor) {
  ask(cli::Profile::cps, 100);
  incidents_.push_back({Kind::probe, Duration{0}, [this] { world_.pause(*server_, 3s); }});
  result(run());
}

TEST_F(ProfileWorld, NobodyAtAllEndsItToo) {
  ask(cli::Profile::cps, 100);
  incidents_.push_back({Kind::probe, Duration{0}, [this] { world_.pause(*server_, 100s); }});
  EXPECT_THAT(run().not_begun, testing::StartsWith("no request was answered"));
  EXPECT_LT(world_.now(), Instant{20s});
}

TEST_F(ProfileWorld, RepliesOfAnotherSizeAreNoSuccess) {
  ask(cli::Profile::cps, 1'000);
  cli::ProfilePlan plan{profile_, options_.objective};
  step(*plan.next());
  plan.learn(1'025, 0);
  plan.record(*plan.next(), true);
  const auto ends = step(*plan.next());
  const auto criteria = cli::criteria_of(ends.back(), *plan.next());
  for (const auto& criterion : criteria) {
    const bool wrong = criterion.name == "object_size" || criterion.name == "failed_transactions";
    EXPECT_EQ(criterion.passed, !wrong) << criterion.name << ": " << criterion.detail;
  }
  EXPECT_EQ(ends.back().sustain->wrong_size, ends.back().requests.answered);
}

TEST_F(ProfileWorld, ConnectionsThatTheServerResetsMakeARunInvalid) {
  ask(cli::Profile::cps, 1'000);
  incidents_.push_back({Kind::target, 2s, [this] { reset_all(*server_, 3); }});
  const auto report = run();
  const auto names = missed(report, Kind::target);
  EXPECT_THAT(names, testing::Contains("terminated_connections"));
  // The client may be through with some of them.
  EXPECT_GE(report.passages[1].indicators.connections_terminated, 1u);
  EXPECT_LE(report.passages[1].indicators.connections_terminated, 3u);
  EXPECT_TRUE(report.valid()) << "a lower rate is";
}

TEST_F(ProfileWorld, ALinkThatIsAwayForAMomentMakesARunInvalid) {
  ask(cli::Profile::cps, 1'000);
  incidents_.push_back({Kind::target, 1s, [this] { world_.pause(*server_, 300ms); }});
  const auto report = run();
  EXPECT_THAT(missed(report, Kind::target),
              testing::IsSupersetOf({"forwarding_rate", "concurrent_connections"}));
}

TEST_F(ProfileWorld, ThroughputIsReachedWithTenTransactionsAConnection) {
  ask(cli::Profile::throughput, std::nullopt);
  options_.requests = 10;
  profile_.throughput = 50e6;
  const auto report = run();
  const auto& found = result(report);
  EXPECT_EQ(found.iteration.kind, Kind::target);
  EXPECT_NEAR(found.indicators.throughput.avg, 50e6, 0.02 * 50e6);
  EXPECT_NEAR(found.indicators.transactions_per_second.avg,
              10 * found.indicators.connections_per_second.avg, 10);
}

TEST_F(ProfileWorld, LatencyIsTakenAtHalfOfWhatIsFound) {
  ask(cli::Profile::latency, std::nullopt);
  profile_.iteration = 1s;
  profile_.sustain = 2s;
  link_.bits_per_second = 1'000 * 1'600 * 8;
  link_.queue_bytes = 20'000;
  const auto report = run();
  const auto& found = result(report);
  std::uint64_t most = 0;
  for (const auto& passage : report.passages) {
    if (passage.valid()) most = std::max(most, passage.iteration.objective);
  }
  EXPECT_EQ(found.iteration.kind, Kind::last);
  EXPECT_EQ(found.iteration.objective, most / 2);
  EXPECT_GT(found.indicators.first_byte_ms.min, 3.9);
  EXPECT_LE(found.indicators.first_byte_ms.avg, found.indicators.last_byte_ms.avg);
  EXPECT_LE(found.indicators.last_byte_ms.avg, found.indicators.last_byte_ms.max);
}

TEST_F(ProfileWorld, HeldConnectionsAskTenTimesAndAreClosedInTurn) {
  ask(cli::Profile::concurrent, 2'000);
  profile_.sustain = profile_.iteration = 9s;
  profile_.ramp_up = 1s;
  profile_.ramp_down = 2s;
  const auto report = run();
  EXPECT_EQ(report.passages.size(), 2u);
  const auto& found = result(report);
  EXPECT_EQ(found.iteration.connections, 2'000u);
  EXPECT_EQ(found.iteration.think, 1s);
  const auto& kpi = found.indicators;
  EXPECT_NEAR(kpi.concurrent_connections.min, 2'000, 10);
  EXPECT_EQ(kpi.concurrent_connections.max, 2'000);
  // Nine of the ten: the first request was in the ramp-up.
  EXPECT_NEAR(static_cast<double>(kpi.transactions_ok), 9 * 2'000, 20);
  EXPECT_EQ(kpi.transactions_ok, kpi.transactions_attempted);
  EXPECT_NEAR(static_cast<double>(half_way_down_), 1'000, 20);
  EXPECT_NEAR(std::chrono::duration<double>(took_down_).count(), 2, 0.05);
  EXPECT_EQ(client_->counters()[Drop::tcp_bad_checksum], 0u);
  EXPECT_EQ(kept_.connections.failed, 0u);
}

TEST_F(ProfileWorld, HeldConnectionsThatAreLostMakeARunInvalid) {
  ask(cli::Profile::concurrent, 1'000);
  profile_.sustain = profile_.iteration = 9s;
  incidents_.push_back({Kind::target, 4s, [this] { reset_all(*server_, 1); }});
  const auto report = run();
  EXPECT_THAT(missed(report, Kind::target), testing::Contains("terminated_connections"));
}

TEST_F(ProfileWorld, AServerThatTakesFewerConnectionsIsFound) {
  ask(cli::Profile::concurrent, 20'000);
  server_connections_ = 900;
  options_.concurrency = 2'000;
  options_.objective.target = 2'000;
  options_.objective.resolution = 0.2;
  profile_.sustain = profile_.iteration = 9s;
  const auto report = run();
  const auto& found = result(report);
  EXPECT_LE(found.iteration.objective, 900u);
  EXPECT_GE(found.iteration.objective, 700u);
}

}  // namespace
}  // namespace pollux::load
