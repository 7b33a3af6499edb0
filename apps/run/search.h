#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <cstdio>
#include <utility>
#include <vector>

#include "cli/options.h"
#include "cli/report.h"
#include "cli/search.h"
#include "cli/summary.h"
#include "host/signals.h"

namespace pollux::run {

/// Carries out a search and prints its steps as they end. `step(rate)` runs one, warm-up and all,
/// and returns the summaries of its ends, the client's last; so does this: those of the best step,
/// or of the last one where none passed. The client's has the search. A step during which somebody
/// asks for the end is the last, and says nothing of its rate.
template <class Step>
std::vector<cli::Summary> search(const cli::SharedOptions& shared, const cli::ClientOptions& client,
                                 Step&& step) {
  cli::RateSearch rates{*client.search};
  cli::Search found;
  found.resolution = client.search->resolution;
  std::vector<cli::Summary> best;
  while (const auto rate = rates.next()) {
    std::vector<cli::Summary> ends = step(*rate);
    if (host::stop_requested()) {
      if (best.empty()) best = std::move(ends);
      break;
    }
    found.steps.push_back(cli::step_of(ends.back(), *rate, client.fail_if));
    const cli::Search::Step& latest = found.steps.back();
    fmt::print(shared.human(), "{}", cli::step_line(found.steps.size(), latest));
    std::fflush(shared.human());
    rates.record(*rate, latest.passed());
    if (latest.passed() || rates.passed() == 0) best = std::move(ends);
  }
  found.rate = rates.passed();
  if (!rates.next()) {
    found.end = rates.failed() ? cli::Search::End::failure : cli::Search::End::bound;
  }
  best.back().search = std::move(found);
  return best;
}

}  // namespace pollux::run
