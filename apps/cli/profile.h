#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "cli/search.h"

/// The runs of RFC 9411 (Benchmarking Methodology for Network Security Device Performance): which
/// there are, and the order of their iterations. Nothing here measures.
namespace pollux::cli {

/// RFC 9411 s.7.2, 7.3, 7.4 and 7.5.
enum class Profile : std::uint8_t { cps, throughput, latency, concurrent };

/// What --profile asks for, beside the options that it shares with other runs.
struct ProfileOptions {
  Profile kind = Profile::cps;
  /// The body that each reply is to have, bytes; none: as long as the first one is.
  std::optional<std::uint64_t> object;
  /// The objective of s.7.3, layer 2, both directions, bits a second; none: whatever is found.
  std::optional<double> throughput;
  /// The phases of s.4.3.4. The RFC recommends at least 5 s of init and 300 s of sustain, and as
  /// much of ramp-down as of ramp-up.
  Duration init = 5s;
  Duration ramp_up = 30s;
  Duration sustain = 300s;
  Duration ramp_down = 30s;
  /// The sustain phase of iterations that only look for the rate: the last one alone must have the
  /// whole length (s.7.2.4.3).
  Duration iteration = 30s;
};

/// What is to be reached: connections a second; of Profile::concurrent, connections.
struct Objective {
  std::uint64_t from = 1'000;           // the first iteration's, where there is no target
  std::optional<std::uint64_t> target;  // none: the most that there is
  double resolution = 0.01;             // as of a search
};

/// One passage through the phases, at one load.
struct Iteration {
  enum class Kind : std::uint8_t {
    probe,     // some connections, to see what the object is like; no part of the RFC
    initial,   // step 1: at a tenth of the target
    target,    // step 2
    adjusted,  // step 3: what is between the highest that was valid and the lowest that was not
    last       // what was found, for the whole length
  };
  Kind kind = Kind::probe;
  /// What it comes to is the run's result, if it is valid.
  bool counts = false;
  std::uint64_t objective = 0;    // as of Objective
  double rate = 0;                // connections opened a second, when the ramp is over
  std::uint64_t connections = 0;  // that are held; 0: each is closed when it was answered
  Duration init{0};
  Duration ramp_up{0};
  Duration sustain{0};
  Duration ramp_down{0};
  Duration think{0};   // of a connection that is held, from one request to the next
  Duration sample{0};  // how often the sustain phase is looked at
  std::optional<std::uint64_t> object;

  bool holds() const noexcept { return connections != 0; }
};

/// The iterations of a profile in their order (the three steps of s.7.2.4, 7.3.4, 7.4.4, 7.5.4).
///
/// With a target: a tenth of it, which must be valid, then the target, and where that was not
/// valid the middle of what was and what was not, until the two are close. Without one the load
/// doubles from `from` on until an iteration is not valid. Profile::latency has its target for the
/// only other iteration (s.7.4.4), or finds the highest load so and takes half of it.
///
/// Of Profile::concurrent a sustain phase has at least the length in which each connection asks
/// four times.
///
/// Iterations that look for the load may be shorter than the one that counts. Where they have
/// promised too much, the search goes on below with iterations of the whole length.
class ProfilePlan {
 public:
  ProfilePlan(const ProfileOptions& options, const Objective& objective);

  /// The next one; nothing when the run is over.
  std::optional<Iteration> next() const;
  /// What became of it.
  void record(const Iteration& iteration, bool valid);
  /// The probe has found the object's size, and what one connection takes of the link.
  void learn(std::uint64_t object_bytes, double bytes_per_connection);
  /// As of Objective; of a throughput, what it comes to.
  std::optional<std::uint64_t> target() const { return objective_.target; }

 private:
  Iteration at(Iteration::Kind kind, std::uint64_t objective, Duration sustain) const;
  Iteration probe() const;

  ProfileOptions options_;
  Objective objective_;
  RateSearch rates_;
  std::uint64_t first_valid_ = 0;  // the initial iteration's
  bool whole_ = false;             // every iteration has the whole length
  enum class Stage : std::uint8_t { probe, first, on, over } stage_ = Stage::probe;
};

/// The shortest sustain phase behind such a ramp-up that has four times the time from one request
/// of a held connection to its next: that is a tenth of both together.
Duration least_sustain(Duration ramp_up) noexcept;

/// "rfc9411-cps" and so on, and back.
std::string_view name(Profile profile) noexcept;
std::optional<Profile> profile_of(std::string_view name) noexcept;
/// "7.2": the section that says how.
std::string_view section(Profile profile) noexcept;
/// "initial" and so on.
std::string_view name(Iteration::Kind kind) noexcept;

}  // namespace pollux::cli
