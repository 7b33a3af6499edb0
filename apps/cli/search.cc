#include "cli/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/error.h"
#include "cli/report.h"
#include "cli/summary.h"

namespace pollux::cli {

const Search::Step* Search::lowest_failed() const {
  const Step* lowest = nullptr;
  for (const Step& step : steps) {
    if (!step.passed() && (lowest == nullptr || step.rate < lowest->rate)) lowest = &step;
  }
  return lowest;
}

std::optional<std::uint64_t> RateSearch::next() const {
  const std::uint64_t most = options_.most.value_or(UINT64_MAX);
  if (!failed_) {
    if (passed_ == most) return std::nullopt;
    const std::uint64_t further = options_.leaps ? most : 2 * passed_;
    const std::uint64_t wanted = passed_ == 0 ? options_.from : further;
    return std::min(wanted, most);
  }
  const double close = options_.resolution * static_cast<double>(*failed_);
  const std::uint64_t gap = *failed_ - passed_;
  if (gap <= 1 || static_cast<double>(gap) <= close) return std::nullopt;
  return passed_ + gap / 2;
}

void RateSearch::record(std::uint64_t rate, bool passed) {
  if (passed) {
    passed_ = std::max(passed_, rate);
  } else {
    failed_ = std::min(failed_.value_or(UINT64_MAX), rate);
  }
}

std::string why_failed(const Summary& client, std::uint64_t rate,
                       const std::vector<FailIf>& conditions) {
  const Summary::Connections& c = client.connections;
  if (const auto reasons = reasons_of(conditions, client); !reasons.empty()) {
    return fmt::format("{} ({})", reasons.front().why, reasons.front().condition->text);
  }
  if (conditions.empty()) {
    const std::string causes = failures_text(client.failures);
    if (c.failed != 0) {
      return fmt::format("{} failed{}{}", grouped(c.failed), causes.empty() ? "" : ": ", causes);
    }
    if (c.open != 0) return fmt::format("{} were not over a second after it", grouped(c.open));
  }
  if (client.generator && client.generator->limited) {
    return fmt::format("the generator did not open {} that were due",
                       grouped(client.generator->behind));
  }
  const auto completed = static_cast<double>(c.completed_meanwhile.value_or(c.completed));
  const double carried = client.duration_s > 0 ? completed / client.duration_s : 0;
  if (carried < 0.99 * static_cast<double>(rate) - 1) {
    return fmt::format("only {} a second were completed",
                       grouped(static_cast<std::uint64_t>(std::llround(carried))));
  }
  return {};
}

Search::Step step_of(const Summary& client, std::uint64_t rate,
                     const std::vector<FailIf>& conditions) {
  Search::Step step;
  step.rate = rate;
  step.cps = client.cps.mean;
  step.failed = client.connections.failed;
  step.p99_us = client.connect.p99;
  step.busy = client.generator ? client.generator->busy : 0;
  step.why = why_failed(client, rate, conditions);
  return step;
}

std::optional<std::string> nothing_found(const Search& search) {
  const Search::Step* const failed = search.lowest_failed();
  if (search.rate != 0 || failed == nullptr) return std::nullopt;
  return format_error(
      {Error::Kind::usage, "--search",
       fmt::format("no rate passed; {} a second: {}", grouped(failed->rate), failed->why),
       "one run with --cps 1, to see what is wrong"});
}

std::string_view name(Search::End end) noexcept {
  switch (end) {
    case Search::End::failure:
      return "failure";
    case Search::End::bound:
      return "bound";
    case Search::End::stopped:
      return "stopped";
  }
  return {};
}

}  // namespace pollux::cli
