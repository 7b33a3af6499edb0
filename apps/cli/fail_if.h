#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pollux::cli {

struct Summary;

/// One condition under which a run has failed although it ran: `METRIC<LIMIT` or `METRIC>LIMIT`,
/// with blanks anywhere between its parts.
///
/// METRIC is a latency (p50, p90, p99, p999, min, max; of the set-up of connections, or of another
/// clock with its name before: first_byte.p99, close.p50), whose limit has a unit (us, ms, s), or a
/// number: cps (the mean), rps (requests a second), failed, timed_out, reset, aborted, bad, drops,
/// retransmitted.
struct FailIf {
  std::string text;    // as typed
  std::string metric;  // in full: "connect.p90", "cps"
  bool below = false;  // it holds below the limit; otherwise above
  double limit = 0;    // microseconds, or a number

  /// Its metric is a latency.
  bool of_latency() const { return metric.find('.') != metric.npos; }
};

/// The error's `why` says what is wrong with it; the caller adds the option.
Result<FailIf> parse_fail_if(std::string_view text);

/// A condition that holds, and the value that was measured: "failed is 3".
struct Reason {
  const FailIf* condition;
  std::string why;
};

/// The conditions that hold for this run, in the order given. A latency without a sample counts as
/// holding: nothing was shown.
std::vector<Reason> reasons_of(const std::vector<FailIf>& conditions, const Summary& summary);

/// The error lines of the conditions that hold for this run, in the order given: the expression and
/// the value that was measured. Any line here means exit code 1.
std::vector<std::string> failures_of(const std::vector<FailIf>& conditions, const Summary& summary);

/// The error line of a client's run that fell short without any condition: connections were tried,
/// and none was completed, nor is one open on which anything was answered; with `hold`, none was
/// completed and none is open. Means exit code 1, too.
std::optional<std::string> nothing_came_through(const Summary& client, bool hold);

}  // namespace pollux::cli
