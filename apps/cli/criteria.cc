#include "cli/criteria.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/error.h"
#include "cli/report.h"
#include "cli/summary.h"

namespace pollux::cli {
namespace {

using Sample = Sustain::Sample;

constexpr double most_failures = 0.00001;  // 1 in 100,000
constexpr double most_rate_deviation = 0.05;
constexpr double most_connections_deviation = 0.10;
constexpr double least_of_objective = 0.99;
constexpr double most_not_opened = 0.005;

/// Of one value of each sample; the average is that of the whole time.
template <class Value>
Spread spread_of(const std::vector<Sample>& samples, Value value) {
  Spread out;
  double seconds = 0;
  for (const Sample& sample : samples) {
    const double here = value(sample);
    const bool first = seconds == 0;
    out.min = first ? here : std::min(out.min, here);
    out.max = first ? here : std::max(out.max, here);
    out.avg += here * sample.seconds;
    seconds += sample.seconds;
  }
  if (seconds > 0) out.avg /= seconds;
  return out;
}

/// How far the farthest is from the average.
double farthest(const Spread& spread) {
  return std::max(spread.max - spread.avg, spread.avg - spread.min);
}

/// Of nothing at all nothing can be said: that is as if all were lost.
double share(std::uint64_t part, std::uint64_t all) {
  return all == 0 ? 1 : static_cast<double>(part) / static_cast<double>(all);
}

std::uint64_t less(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

Criterion make(std::string_view name, Criterion::Kind kind, double limit, double measured,
               std::string detail) {
  Criterion out{name, kind, limit, measured, std::move(detail), false};
  switch (kind) {
    case Criterion::Kind::below:
      out.passed = measured < limit;
      break;
    case Criterion::Kind::at_most:
      out.passed = measured <= limit;
      break;
    case Criterion::Kind::at_least:
      out.passed = measured >= limit;
      break;
  }
  return out;
}

Criterion of_failures(std::string_view name, std::uint64_t failed, std::uint64_t all) {
  return make(name, Criterion::Kind::below, most_failures, share(failed, all),
              fmt::format("{} of {}", grouped(failed), grouped(all)));
}

/// A count is whole: one connection more or less in a sample (of those that are held, one
/// transaction) is none that deviates.
Criterion of_forwarding(const std::vector<Sample>& samples, const Spread& throughput, bool holds) {
  const double deviation =
      samples.empty() || throughput.avg <= 0 ? 1 : farthest(throughput) / throughput.avg;
  Criterion out =
      make("forwarding_rate", Criterion::Kind::below, most_rate_deviation, deviation,
           fmt::format("{:.2f} % off at most, of {} samples", deviation * 100, samples.size()));
  double bytes = 0, all = 0;
  for (const Sample& sample : samples) {
    bytes += sample.bytes;
    all += holds ? sample.transactions : sample.connections;
  }
  const double of_one = all > 0 ? bytes / all : 0;
  const bool by_one = std::all_of(samples.begin(), samples.end(), [&](const Sample& sample) {
    return std::abs(sample.bytes - throughput.avg / 8 * sample.seconds) <= of_one;
  });
  if (!samples.empty() && of_one > 0 && by_one) out.passed = true;
  return out;
}

/// As above.
Criterion of_concurrency(const std::vector<Sample>& samples, const Spread& connections) {
  const double off = farthest(connections);
  const double deviation = samples.empty() ? 1 : connections.avg <= 0 ? 0 : off / connections.avg;
  Criterion out =
      make("concurrent_connections", Criterion::Kind::below, most_connections_deviation, deviation,
           fmt::format("{:.2f} % off at most, or {:.1f} of {:.1f}", deviation * 100, off,
                       connections.avg));
  if (!samples.empty() && off < 1) out.passed = true;
  return out;
}

Criterion of_objective(const Summary& client, const Iteration& iteration, const Indicators& kpi) {
  const auto wanted = static_cast<double>(iteration.objective);
  double reached = kpi.concurrent_connections.avg;
  // At a low rate the last one of the time may still be under way.
  if (!iteration.holds()) {
    reached = kpi.connections_per_second.avg;
    double seconds = 0;
    for (const Sample& sample : client.sustain->samples) seconds += sample.seconds;
    if (seconds > 0 && reached < wanted) reached = std::min(wanted, reached + 1 / seconds);
  }
  const double part = wanted > 0 ? reached / wanted : 1;
  return make("objective", Criterion::Kind::at_least, least_of_objective, part,
              fmt::format("{:.2f} % of {}", part * 100, grouped(iteration.objective)));
}

}  // namespace

Indicators indicators_of(const Summary& client) {
  Indicators out;
  if (!client.sustain) return out;
  const Sustain& s = *client.sustain;
  const auto rate = [&](double Sample::*what, double times) {
    return spread_of(s.samples, [=](const Sample& x) { return x.*what * times / x.seconds; });
  };
  out.connections_per_second = rate(&Sample::connections, 1);
  out.transactions_per_second = rate(&Sample::transactions, 1);
  out.throughput = rate(&Sample::bytes, 8);
  out.concurrent_connections =
      spread_of(s.samples, [](const Sample& sample) { return sample.concurrent; });
  out.first_byte_ms = s.first_byte_ms;
  out.last_byte_ms = s.last_byte_ms;
  const Summary::Connections& c = client.connections;
  // A connection that was not set up is a request that could not be made.
  out.transactions_attempted = client.requests.sent + less(c.attempted, c.established);
  out.transactions_ok = s.transactions_ok;
  out.connections_attempted = c.attempted + s.live_before;
  out.connections_terminated = s.terminated;
  return out;
}

std::vector<Criterion> criteria_of(const Summary& client, const Iteration& iteration) {
  if (!client.sustain) return {};
  const Sustain& s = *client.sustain;
  const Indicators kpi = indicators_of(client);
  const std::uint64_t failed = less(kpi.transactions_attempted, kpi.transactions_ok);
  std::vector<Criterion> out{
      of_failures("failed_transactions", failed, kpi.transactions_attempted),
      of_failures("terminated_connections", kpi.connections_terminated, kpi.connections_attempted),
      of_forwarding(s.samples, kpi.throughput, iteration.holds()),
      of_concurrency(s.samples, kpi.concurrent_connections),
      of_objective(client, iteration, kpi),
      make("object_size", Criterion::Kind::at_most, 0, static_cast<double>(s.wrong_size),
           fmt::format("{} replies of another size", grouped(s.wrong_size)))};
  const std::uint64_t behind = client.generator ? client.generator->behind : 0;
  Criterion equipment = make("test_equipment", Criterion::Kind::at_most, most_not_opened,
                             share(behind, behind + client.connections.attempted),
                             fmt::format("{} were due and not opened", grouped(behind)));
  equipment.passed = !client.generator || !client.generator->limited;
  if (behind == 0) equipment.measured = 0;
  out.push_back(std::move(equipment));
  return out;
}

const Criterion* ProfileReport::Passage::missed() const {
  const auto found = std::find_if(criteria.begin(), criteria.end(),
                                  [](const Criterion& criterion) { return !criterion.passed; });
  return found == criteria.end() ? nullptr : &*found;
}

bool ProfileReport::Passage::valid() const { return !criteria.empty() && missed() == nullptr; }

std::string probe_failure(const Summary& client, std::optional<std::uint64_t> object) {
  const Sustain& s = client.sustain ? *client.sustain : Sustain{};
  if (client.requests.answered == 0) {
    const std::string causes = failures_text(client.failures);
    return fmt::format("no request was answered{}{}", causes.empty() ? "" : ": ", causes);
  }
  for (const auto& [status, count] : client.requests.status) {
    if (count != 0 && status != 200) return fmt::format("the object comes with status {}", status);
  }
  if (s.smallest != s.largest) {
    return fmt::format("the object has now {}, now {} bytes", grouped(s.smallest),
                       grouped(s.largest));
  }
  if (object && s.largest != *object) {
    return fmt::format("the object has {} bytes, not {}", grouped(s.largest), grouped(*object));
  }
  return {};
}

double bytes_per_connection(const Summary& client) {
  const auto completed = static_cast<double>(client.connections.completed);
  return completed > 0 ? static_cast<double>(client.bytes.rx + client.bytes.tx) / completed : 0;
}

std::string objective_text(Profile profile, std::uint64_t objective) {
  return fmt::format("{} connections{}", grouped(objective),
                     profile == Profile::concurrent ? "" : " a second");
}

std::optional<std::string> not_valid(const ProfileReport& report) {
  if (report.valid() || report.stopped) return std::nullopt;
  const std::string what = fmt::format("--profile {}", name(report.asked.kind));
  if (!report.not_begun.empty()) {
    return format_error({Error::Kind::usage, what, report.not_begun,
                         "pollux-httpd --body N at the other end, and --object N"});
  }
  if (report.passages.empty()) return std::nullopt;
  const auto& last = report.passages[report.result.value_or(report.passages.size() - 1)];
  const Criterion* const missed = last.missed();
  return format_error(
      {Error::Kind::usage, what,
       fmt::format("no valid run; at {}: {} ({})",
                   objective_text(report.asked.kind, last.iteration.objective),
                   missed == nullptr ? "" : missed->name, missed == nullptr ? "" : missed->detail),
       last.iteration.kind == Iteration::Kind::initial ? "a lower target or --search-from"
                                                       : "a lower target"});
}

}  // namespace pollux::cli
