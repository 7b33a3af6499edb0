#include "cli/profile_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

namespace pollux::cli {
namespace {

Error usage(std::string what, std::string why, std::string remedy) {
  return Error{Error::Kind::usage, std::move(what), std::move(why), std::move(remedy)};
}

/// Of --profile rfc9411-concurrent.
Duration ramp_up_of(const Draft& draft) {
  if (draft.client.cps) {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
        static_cast<double>(draft.client.concurrency) / static_cast<double>(*draft.client.cps)));
  }
  if (draft.has("--ramp")) return draft.client.ramp;
  // As long as the time between two requests, so that these are spread evenly.
  return (draft.has("--duration") ? draft.shared.duration : draft.profile.sustain) / 9;
}

}  // namespace

Status check_profile(const Draft& draft) {
  if (!draft.has("--profile")) {
    for (const std::string_view name :
         {"--throughput", "--object", "--init", "--ramp-down", "--iteration"}) {
      if (draft.has(name)) {
        return usage(std::string{name}, "without --profile", "--profile rfc9411-cps with it");
      }
    }
    return std::monostate{};
  }
  const Profile kind = draft.profile.kind;
  const std::string what = fmt::format("--profile {}", name(kind));
  const auto refused = [&](std::string_view with, std::string remedy) {
    return usage(what, fmt::format("together with {}", with), std::move(remedy));
  };
  for (const std::string_view name :
       {"--search", "--hold", "--hold-interval", "--syn-only", "--reset", "--warmup", "--pipeline",
        "--method", "--data", "--scenario"}) {
    if (draft.has(name)) return refused(name, "one of the two");
  }
  const bool concurrent = kind == Profile::concurrent;
  if (concurrent && !draft.has("--concurrency")) {
    return usage(what, "has no number of connections to reach", "--concurrency 100000 with it");
  }
  if (concurrent && draft.has("--requests"))
    return refused("--requests", "neither: it asks ten times");
  if (concurrent && draft.client.cps && draft.has("--ramp")) {
    return refused("both --cps and --ramp, which say the same", "one of the two");
  }
  if (kind == Profile::throughput && draft.client.cps) {
    return refused("--cps", "--throughput for its target");
  }
  if (draft.profile.throughput && (concurrent || kind == Profile::cps)) {
    return refused("--throughput", concurrent ? "--concurrency alone" : "--cps for its target");
  }
  if (draft.profile.throughput && draft.client.cps) {
    return refused("both --cps and --throughput", "one of the two");
  }
  if (draft.has("--duration") && draft.shared.duration < 1s) {
    return usage("--duration", "a sustain phase has a second at least", "--duration 300");
  }
  const Duration sustain = draft.has("--duration") ? draft.shared.duration : draft.profile.sustain;
  if (concurrent && least_sustain(ramp_up_of(draft)) > sustain) {
    return usage(
        "--duration",
        "the sustain phase is too short for its ramp-up: connections ask less than four "
        "times in it",
        fmt::format(
            "--duration {:.0f}, or a shorter ramp-up",
            std::ceil(std::chrono::duration<double>(least_sustain(ramp_up_of(draft))).count())));
  }
  return std::monostate{};
}

void fill_in_profile(Draft& draft) {
  ProfileOptions& profile = draft.profile;
  ClientOptions& client = draft.client;
  if (!draft.has("--duration")) draft.shared.duration = profile.sustain;
  profile.sustain = draft.shared.duration;
  profile.iteration = std::min(profile.iteration, profile.sustain);
  client.objective = {draft.search.from, client.cps, draft.search.resolution};
  if (draft.has("--ramp")) profile.ramp_up = client.ramp;
  if (profile.kind == Profile::concurrent) {
    profile.ramp_up = ramp_up_of(draft);
    client.objective.target = client.concurrency;
    client.hold = true;
  }
  if (!draft.has("--ramp-down")) profile.ramp_down = profile.ramp_up;
  if (profile.kind == Profile::throughput && !draft.has("--requests")) client.requests = 10;
  // RFC 9411 s.7.2.3.2: the client closes when it has its answer.
  if (!draft.has("--close")) client.close = Close::client;
  client.cps.reset();
  client.ramp = Duration{0};
  client.profile = profile;
}

}  // namespace pollux::cli
