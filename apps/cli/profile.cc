#include "cli/profile.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <utility>

namespace pollux::cli {
namespace {

constexpr std::array profiles{Profile::cps, Profile::throughput, Profile::latency,
                              Profile::concurrent};

/// RFC 9411 s.7.x.4.1: a tenth of the target.
std::uint64_t initial_of(std::uint64_t target) { return std::max<std::uint64_t>(target / 10, 1); }

SearchOptions search_of(const Objective& objective) {
  SearchOptions out{objective.from, objective.target, objective.resolution};
  if (!objective.target) return out;
  out.from = initial_of(*objective.target);
  out.leaps = true;
  return out;
}

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

Duration duration(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

ProfilePlan::ProfilePlan(const ProfileOptions& options, const Objective& objective)
    : options_(options),
      objective_(objective),
      rates_(search_of(objective)),
      whole_(options.iteration >= options.sustain) {}

void ProfilePlan::learn(std::uint64_t object_bytes, double bytes_per_connection) {
  options_.object = object_bytes;
  if (!options_.throughput || bytes_per_connection <= 0) return;
  const double rate = *options_.throughput / 8 / bytes_per_connection;
  objective_.target = std::max<std::uint64_t>(static_cast<std::uint64_t>(std::llround(rate)), 1);
  rates_ = RateSearch{search_of(objective_)};
}

std::optional<Iteration> ProfilePlan::next() const {
  using Kind = Iteration::Kind;
  const bool latency = options_.kind == Profile::latency;
  const Duration length = whole_ ? options_.sustain : options_.iteration;
  switch (stage_) {
    case Stage::probe:
      return probe();
    case Stage::first:
      return at(Kind::initial, *rates_.next(), length);
    case Stage::on:
      if (latency && objective_.target) return at(Kind::last, *objective_.target, options_.sustain);
      if (const auto rate = rates_.next()) {
        const bool all = objective_.target == rate;
        return at(all ? Kind::target : Kind::adjusted, *rate, length);
      }
      // RFC 9411 s.7.4.3.2: latency is that at half of what was found.
      if (latency) {
        return at(Kind::last, std::max<std::uint64_t>(rates_.passed() / 2, 1), options_.sustain);
      }
      return at(Kind::last, rates_.passed(), options_.sustain);
    case Stage::over:
      return std::nullopt;
  }
  return std::nullopt;
}

void ProfilePlan::record(const Iteration& iteration, bool valid) {
  switch (iteration.kind) {
    case Iteration::Kind::probe:
      stage_ = valid ? Stage::first : Stage::over;
      return;
    case Iteration::Kind::initial:
      // Step 2 must not follow an initial iteration that was not valid.
      stage_ = valid ? Stage::on : Stage::over;
      first_valid_ = iteration.objective;
      rates_.record(iteration.objective, valid);
      break;
    case Iteration::Kind::target:
    case Iteration::Kind::adjusted:
      rates_.record(iteration.objective, valid);
      break;
    case Iteration::Kind::last:
      if (valid || options_.kind == Profile::latency || iteration.objective <= first_valid_) {
        stage_ = Stage::over;
        return;
      }
      whole_ = true;
      rates_ = RateSearch{search_of(objective_)};
      rates_.record(first_valid_, true);
      rates_.record(iteration.objective, false);
      break;
  }
  // The best of those that had the whole length is the result. The initial one may have been short.
  const bool found =
      whole_ && (rates_.passed() > first_valid_ || options_.iteration >= options_.sustain);
  if (found && options_.kind != Profile::latency && !rates_.next()) stage_ = Stage::over;
}

/// A few connections, one after the other, which also find the neighbours' addresses.
Iteration ProfilePlan::probe() const {
  Iteration out;
  out.rate = 20;
  if (options_.kind == Profile::concurrent) out.connections = 5;
  out.sustain = 500ms;
  out.think = 10s;
  out.sample = 100ms;
  out.object = std::nullopt;
  return out;
}

Iteration ProfilePlan::at(Iteration::Kind kind, std::uint64_t objective, Duration sustain) const {
  Iteration out;
  out.kind = kind;
  out.objective = objective;
  out.rate = static_cast<double>(objective);
  out.init = options_.init;
  out.ramp_up = options_.ramp_up;
  out.sustain = sustain;
  out.ramp_down = options_.ramp_down;
  out.object = options_.object;
  out.counts = kind == Iteration::Kind::last ||
               (options_.kind != Profile::latency && sustain >= options_.sustain);
  // Every two seconds, ten times at least.
  out.sample = std::min<Duration>(2s, sustain / 10);
  if (options_.kind == Profile::concurrent) {
    // RFC 9411 s.7.5.3.2: at the rate at which the target is reached in its ramp-up, and so that
    // ten requests fill ramp-up and sustain phase.
    const double target = static_cast<double>(objective_.target.value_or(objective));
    out.connections = objective;
    out.rate = target / std::max(seconds(options_.ramp_up), 0.001);
    out.ramp_up = duration(static_cast<double>(objective) / out.rate);
    out.sustain = std::max(sustain, std::min(least_sustain(out.ramp_up), options_.sustain));
    out.think = (out.ramp_up + out.sustain) / 10;
    // Requests come and go with the think time: all of them are in each sample of that length.
    out.sample = out.think;
  }
  return out;
}

Duration least_sustain(Duration ramp_up) noexcept { return ramp_up * 4 / 6 + 1ms; }

std::string_view name(Profile profile) noexcept {
  switch (profile) {
    case Profile::cps:
      return "rfc9411-cps";
    case Profile::throughput:
      return "rfc9411-throughput";
    case Profile::latency:
      return "rfc9411-latency";
    case Profile::concurrent:
      return "rfc9411-concurrent";
  }
  return {};
}

std::optional<Profile> profile_of(std::string_view text) noexcept {
  const auto* const found = std::find_if(profiles.begin(), profiles.end(),
                                         [&](Profile profile) { return name(profile) == text; });
  return found == profiles.end() ? std::nullopt : std::optional{*found};
}

std::string_view section(Profile profile) noexcept {
  switch (profile) {
    case Profile::cps:
      return "7.2";
    case Profile::throughput:
      return "7.3";
    case Profile::latency:
      return "7.4";
    case Profile::concurrent:
      return "7.5";
  }
  return {};
}

std::string_view name(Iteration::Kind kind) noexcept {
  switch (kind) {
    case Iteration::Kind::probe:
      return "probe";
    case Iteration::Kind::initial:
      return "initial";
    case Iteration::Kind::target:
      return "target";
    case Iteration::Kind::adjusted:
      return "adjusted";
    case Iteration::Kind::last:
      return "final";
  }
  return {};
}

}  // namespace pollux::cli
