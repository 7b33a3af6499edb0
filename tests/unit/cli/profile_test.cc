// The iterations of RFC 9411: which load follows on which, and how long each phase is.

#include "cli/profile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace pollux::cli {
namespace {

using Kind = Iteration::Kind;

/// Those of a run in which exactly what `valid` says is valid.
std::vector<Iteration> run(const ProfileOptions& options, const Objective& objective,
                           const std::function<bool(const Iteration&)>& valid,
                           double bytes_per_connection = 0) {
  ProfilePlan plan{options, objective};
  std::vector<Iteration> out;
  while (const auto iteration = plan.next()) {
    out.push_back(*iteration);
    if (iteration->kind == Kind::probe) plan.learn(1'024, bytes_per_connection);
    plan.record(*iteration, iteration->kind == Kind::probe || valid(*iteration));
    if (out.size() > 100) break;
  }
  return out;
}
auto up_to(std::uint64_t most) {
  return [most](const Iteration& iteration) { return iteration.objective <= most; };
}
/// "initial 100, target 1000 ...", the probe left out.
std::string story(const std::vector<Iteration>& iterations) {
  std::string out;
  for (const Iteration& iteration : iterations) {
    if (iteration.kind == Kind::probe) continue;
    if (!out.empty()) out += ", ";
    out += std::string{name(iteration.kind)} + ' ' + std::to_string(iteration.objective);
  }
  return out;
}

TEST(Profile, ATargetThatIsReachedIsConfirmedForTheWholeLength) {
  const auto all = run({}, {.target = 10'000}, up_to(20'000));
  EXPECT_EQ(story(all), "initial 1000, target 10000, final 10000");
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].kind, Kind::probe);
  for (std::size_t i = 1; i < all.size(); ++i) {
    EXPECT_EQ(all[i].init, 5s);
    EXPECT_EQ(all[i].ramp_up, 30s);
    EXPECT_EQ(all[i].ramp_down, 30s);
    EXPECT_EQ(all[i].rate, static_cast<double>(all[i].objective));
    EXPECT_EQ(all[i].object, 1'024u) << "what the probe has found";
    EXPECT_EQ(all[i].counts, i == 3);
    EXPECT_FALSE(all[i].holds());
  }
  EXPECT_EQ(all[1].sustain, 30s);
  EXPECT_EQ(all[3].sustain, 300s);
  EXPECT_EQ(all[3].sample, 2s);
}

TEST(Profile, ATargetThatIsMissedIsHalvedDownToWhatHolds) {
  const auto all = run({}, {.target = 10'000, .resolution = 0.02}, up_to(6'000));
  EXPECT_EQ(story(all),
            "initial 1000, target 10000, adjusted 5500, adjusted 7750, adjusted 6625, "
            "adjusted 6062, adjusted 5781, adjusted 5921, adjusted 5991, final 5991");
}

TEST(Profile, AnInitialIterationThatIsNotValidEndsTheRun) {
  EXPECT_EQ(story(run({}, {.target = 10'000}, up_to(999))), "initial 1000");
  EXPECT_EQ(story(run({}, {.from = 500, .target = {}}, up_to(499))), "initial 500");
}

TEST(Profile, AProbeThatFailsIsTheOnlyIteration) {
  ProfilePlan plan{{}, {}};
  plan.record(*plan.next(), false);
  EXPECT_FALSE(plan.next());
}

TEST(Profile, WithoutATargetTheLoadDoublesUntilItIsTooMuch) {
  EXPECT_EQ(story(run({}, {.from = 1'000, .target = {}, .resolution = 0.2}, up_to(3'100))),
            "initial 1000, adjusted 2000, adjusted 4000, adjusted 3000, adjusted 3500, "
            "final 3000");
}

TEST(Profile, WhatHoldsForAMomentOnlyIsNoResult) {
  const auto all = run({}, {.target = 1'000, .resolution = 0.1}, [](const Iteration& iteration) {
    return iteration.objective <= (iteration.sustain == 300s ? 500 : 1'000);
  });
  EXPECT_EQ(story(all),
            "initial 100, target 1000, final 1000, adjusted 550, adjusted 325, adjusted 437, "
            "adjusted 493, adjusted 521");
  for (const Iteration& iteration : all) {
    if (iteration.kind != Kind::adjusted) continue;
    EXPECT_EQ(iteration.sustain, 300s) << "short ones have promised too much";
    EXPECT_TRUE(iteration.counts);
  }
}

TEST(Profile, TheInitialLoadMayBeAllThatHolds) {
  const auto nothing_long = [](const Iteration& iteration) {
    return iteration.sustain < 300s || iteration.objective <= 100;
  };
  EXPECT_EQ(story(run({}, {.target = 1'000, .resolution = 0.6}, nothing_long)),
            "initial 100, target 1000, final 1000, adjusted 550, adjusted 325, adjusted 212, "
            "final 100");
  EXPECT_EQ(story(run({}, {.target = 1'000, .resolution = 0.6},
                      [](const Iteration& iteration) { return iteration.sustain < 300s; })),
            "initial 100, target 1000, final 1000, adjusted 550, adjusted 325, adjusted 212, "
            "final 100")
      << "and if it does not hold, nothing does";
}

TEST(Profile, IterationsThatAreWholeNeedNoConfirmation) {
  ProfileOptions options;
  options.sustain = 10s;
  const auto all = run(options, {.target = 1'000, .resolution = 0.3}, up_to(600));
  EXPECT_EQ(story(all), "initial 100, target 1000, adjusted 550, adjusted 775");
  for (const Iteration& iteration : all) {
    if (iteration.kind == Kind::probe) continue;
    EXPECT_TRUE(iteration.counts);
    EXPECT_EQ(iteration.sustain, 10s);
    EXPECT_EQ(iteration.sample, 1s) << "ten of them at least";
  }
}

TEST(Profile, AThroughputBecomesARateByWhatTheProbeFinds) {
  ProfileOptions options;
  options.kind = Profile::throughput;
  options.throughput = 1e9;
  const auto all = run(options, {}, up_to(1'000'000), 12'500);
  EXPECT_EQ(story(all), "initial 1000, target 10000, final 10000");
}

TEST(Profile, LatencyIsThatAtHalfOfWhatIsFound) {
  ProfileOptions options;
  options.kind = Profile::latency;
  const auto all = run(options, {.from = 1'000, .target = {}, .resolution = 0.5}, up_to(4'000));
  EXPECT_EQ(story(all), "initial 1000, adjusted 2000, adjusted 4000, adjusted 8000, final 2000");
  EXPECT_TRUE(all.back().counts);
  options.sustain = options.iteration;
  for (const Iteration& iteration : run(options, {.from = 1'000, .target = {}}, up_to(4'000))) {
    EXPECT_EQ(iteration.counts, iteration.kind == Kind::last) << iteration.objective;
  }
}

TEST(Profile, LatencyAtAGivenRateIsMeasuredOnce) {
  ProfileOptions options;
  options.kind = Profile::latency;
  EXPECT_EQ(story(run(options, {.target = 5'000}, up_to(5'000))), "initial 500, final 5000");
  EXPECT_EQ(story(run(options, {.target = 5'000}, up_to(4'999))), "initial 500, final 5000")
      << "RFC 9411 s.7.4.4 has no third step";
}

TEST(Profile, TenRequestsFillTheTimeThatAConnectionIsHeld) {
  ProfileOptions options;
  options.kind = Profile::concurrent;
  options.ramp_up = 20s;
  options.sustain = 180s;
  const auto all = run(options, {.target = 100'000}, up_to(100'000));
  EXPECT_EQ(story(all), "initial 10000, target 100000, final 100000");
  EXPECT_TRUE(all[0].holds());
  // At the rate of the target, a tenth of them is there in a tenth of the time.
  EXPECT_EQ(all[1].connections, 10'000u);
  EXPECT_EQ(all[1].rate, 5'000);
  EXPECT_EQ(all[1].ramp_up, 2s);
  EXPECT_EQ(all[1].think, (2s + 30s) / 10.0);
  EXPECT_EQ(all[3].connections, 100'000u);
  EXPECT_EQ(all[3].rate, 5'000);
  EXPECT_EQ(all[3].ramp_up, 20s);
  EXPECT_EQ(all[3].think, 20s);
  EXPECT_EQ(all[3].sample, 20s) << "each has a request of every connection";
}

TEST(Profile, AShortSustainPhaseStillHasFourRequestsOfEachConnection) {
  ProfileOptions options;
  options.kind = Profile::concurrent;
  options.ramp_up = 120s;
  options.iteration = 10s;
  const auto all = run(options, {.target = 100'000}, up_to(100'000));
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[1].ramp_up, 12s);
  EXPECT_EQ(all[1].sustain, 10s);
  EXPECT_EQ(all[2].ramp_up, 120s);
  EXPECT_NEAR(std::chrono::duration<double>(all[2].sustain).count(), 80, 0.01);
  for (std::size_t i = 1; i < all.size(); ++i) {
    EXPECT_GE(all[i].sustain, 4 * all[i].think) << i;
    EXPECT_EQ(all[i].think, (all[i].ramp_up + all[i].sustain) / 10);
  }
}

TEST(Profile, EachHasAName) {
  for (const Profile profile :
       {Profile::cps, Profile::throughput, Profile::latency, Profile::concurrent}) {
    EXPECT_EQ(profile_of(name(profile)), profile);
    EXPECT_EQ(name(profile).substr(0, 8), "rfc9411-");
    EXPECT_EQ(section(profile).substr(0, 2), "7.");
  }
  EXPECT_FALSE(profile_of("rfc9411"));
}

}  // namespace
}  // namespace pollux::cli
