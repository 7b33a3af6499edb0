#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "cli/criteria.h"
#include "cli/options.h"
#include "cli/profile.h"
#include "cli/report.h"
#include "cli/summary.h"
#include "host/signals.h"

namespace pollux::run {

/// How often nobody answers before that is that.
inline constexpr unsigned most_silent_probes = 6;

/// Carries out a profile of RFC 9411 and says what becomes of each iteration. `step(iteration)`
/// runs one through its phases and returns the summaries of its ends, the client's last, with
/// `sustain` in it; so does this: those of the iteration that counts, or where none was valid, of
/// the last one. The client's has the report. An iteration during which somebody asks for the end
/// is the last, and is not judged.
template <class Step>
std::vector<cli::Summary> profile(const cli::SharedOptions& shared,
                                  const cli::ClientOptions& client, Step&& step) {
  cli::ProfilePlan plan{*client.profile, client.objective};
  cli::ProfileReport report;
  report.asked = *client.profile;
  report.target = plan.target();
  report.transactions_per_connection = client.requests;
  std::vector<cli::Summary> kept;
  bool kept_counts = false;
  unsigned silent = 0;
  while (const auto iteration = plan.next()) {
    std::vector<cli::Summary> ends = step(*iteration);
    const cli::Summary& seen = ends.back();
    report.stopped = host::stop_requested();
    if (report.stopped) {
      if (kept.empty()) kept = std::move(ends);
      break;
    }
    bool valid = true;
    if (iteration->kind == cli::Iteration::Kind::probe) {
      report.not_begun = cli::probe_failure(seen, client.profile->object);
      valid = report.not_begun.empty();
      // A switch may not forward yet, a first ARP request be lost.
      const bool heard = seen.requests.answered != 0 || seen.failures.refused != 0;
      if (!heard && ++silent < most_silent_probes) {
        kept = std::move(ends);
        continue;
      }
      if (valid) {
        report.object_bytes = seen.sustain->largest;
        plan.learn(*report.object_bytes, cli::bytes_per_connection(seen));
        report.target = plan.target();
      }
    } else {
      report.passages.push_back(
          {*iteration, cli::criteria_of(seen, *iteration), cli::indicators_of(seen)});
      valid = report.passages.back().valid();
      fmt::print(shared.human(), "{}", cli::passage_line(report, report.passages.size() - 1));
      std::fflush(shared.human());
    }
    plan.record(*iteration, valid);
    const bool counts = iteration->counts && valid;
    if (kept_counts && !counts) continue;
    kept_counts = counts;
    kept = std::move(ends);
    if (counts) report.result = report.passages.size() - 1;
  }
  kept.back().profile = std::move(report);
  return kept;
}

}  // namespace pollux::run
