#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/profile.h"
#include "cli/sustain.h"

namespace pollux::cli {

struct Summary;

/// One of the conditions under which an iteration is valid.
struct Criterion {
  enum class Kind : std::uint8_t { below, at_most, at_least };
  std::string_view name;  // as in the JSON
  Kind kind = Kind::below;
  double limit = 0;
  double measured = 0;  // in the limit's unit: a share, 1 is all; of object_size, a count
  std::string detail;   // the same for people
  bool passed = false;
};

/// Those of RFC 9411 s.7.2.3.3, for all four profiles alike: failed_transactions and
/// terminated_connections, each below 0.001 % of what was attempted; forwarding_rate and
/// concurrent_connections, which deviate from their average by less than 5 % and 10 % (or, since
/// counts are whole, by what one connection takes, of those that are held one transaction, and by
/// less than one connection). Beside them
/// what makes the run one: objective, at least 99 % of the load that was to be reached (s.7.4.3.3);
/// object_size, no reply of another size; and test_equipment, at most 0.5 % of what was due was not
/// opened by the generator.
std::vector<Criterion> criteria_of(const Summary& client, const Iteration& iteration);

/// The key performance indicators of RFC 9411 s.6.3, of one sustain phase.
struct Indicators {
  Spread connections_per_second, transactions_per_second, concurrent_connections;
  Spread throughput;  // layer 2 without preamble and FCS, both directions, bits a second
  Spread first_byte_ms, last_byte_ms;
  std::uint64_t transactions_attempted = 0, transactions_ok = 0;
  std::uint64_t connections_attempted = 0, connections_terminated = 0;
};
Indicators indicators_of(const Summary& client);

/// What a profile's run has come to.
struct ProfileReport {
  struct Passage {
    Iteration iteration;
    std::vector<Criterion> criteria;
    Indicators indicators;
    bool valid() const;
    /// The first criterion that was missed; none: it is valid.
    const Criterion* missed() const;
  };
  ProfileOptions asked;
  std::optional<std::uint64_t> target;  // as of Objective
  std::uint64_t transactions_per_connection = 1;
  std::optional<std::uint64_t> object_bytes;
  std::vector<Passage> passages;
  std::optional<std::size_t> result;  // which of them counts
  bool stopped = false;               // by a signal
  std::string not_begun;              // why the probe failed; empty: it did not

  bool valid() const { return result && !stopped && passages[*result].valid(); }
};

/// Why the probe says that there is nothing to measure; empty: there is. `object`: the size that
/// was asked for.
std::string probe_failure(const Summary& client, std::optional<std::uint64_t> object);

/// What one connection of the probe took of the link, bytes in both directions; 0: none completed.
double bytes_per_connection(const Summary& client);

/// The error line of a run that is not valid.
std::optional<std::string> not_valid(const ProfileReport& report);

/// "12,000 connections a second", or "12,000 connections".
std::string objective_text(Profile profile, std::uint64_t objective);

}  // namespace pollux::cli
