#include "cli/fail_if.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

#include "cli/error.h"
#include "cli/summary.h"

namespace pollux::cli {
namespace {

using Latency = Summary::Latency;

struct LatencyField {
  std::string_view name;
  double Latency::*value;
};
constexpr std::array latency_fields{
    LatencyField{"min", &Latency::min},   LatencyField{"p50", &Latency::p50},
    LatencyField{"p90", &Latency::p90},   LatencyField{"p99", &Latency::p99},
    LatencyField{"p999", &Latency::p999}, LatencyField{"max", &Latency::max}};

struct LatencyClock {
  std::string_view name;
  Latency Summary::*clock;
};
constexpr std::array latency_clocks{LatencyClock{"connect", &Summary::connect},
                                    LatencyClock{"first_byte", &Summary::first_byte},
                                    LatencyClock{"close", &Summary::close}};

struct Number {
  std::string_view name;
  double (*value)(const Summary&);
};
double of(std::uint64_t count) { return static_cast<double>(count); }
constexpr std::array numbers{
    Number{"cps", [](const Summary& s) { return s.cps.mean; }},
    Number{"rps", [](const Summary& s) { return s.requests.per_second; }},
    Number{"failed", [](const Summary& s) { return of(s.connections.failed); }},
    Number{"timed_out", [](const Summary& s) { return of(s.connections.timed_out); }},
    Number{"reset", [](const Summary& s) { return of(s.connections.reset); }},
    Number{"aborted", [](const Summary& s) { return of(s.connections.aborted); }},
    Number{"bad", [](const Summary& s) { return of(s.requests.bad); }},
    Number{"drops",
           [](const Summary& s) {
             return std::accumulate(s.drops.begin(), s.drops.end(), 0.0,
                                    [](double sum, const auto& d) { return sum + of(d.second); });
           }},
    Number{"retransmitted", [](const Summary& s) { return of(s.tcp.retransmitted); }}};

template <class Table>
auto find(const Table& table, std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const auto& entry) { return entry.name == name; });
  return found == table.end() ? nullptr : &*found;
}

Error refuse(std::string why, std::string remedy) {
  return Error{Error::Kind::usage, {}, std::move(why), std::move(remedy)};
}

/// Splits "first_byte.p99"; a percentile alone is the connect clock's.
struct LatencyName {
  const LatencyClock* clock;
  const LatencyField* field;
};
LatencyName latency_named(std::string_view metric) {
  const std::size_t dot = metric.find('.');
  if (dot == metric.npos) return {&latency_clocks[0], find(latency_fields, metric)};
  return {find(latency_clocks, metric.substr(0, dot)),
          find(latency_fields, metric.substr(dot + 1))};
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Microseconds with the unit that a person would choose.
std::string duration_text(double us) {
  if (us < 1'000) return fmt::format("{:.1f} us", us);
  if (us < 1'000'000) return fmt::format("{:.3f} ms", us / 1'000);
  return fmt::format("{:.3f} s", us / 1'000'000);
}

}  // namespace

Result<FailIf> parse_fail_if(std::string_view text) {
  const std::size_t sign = text.find_first_of("<>");
  if (sign == text.npos) return refuse("has neither < nor >", "'p90>1ms'");
  FailIf out;
  out.text = text;
  out.below = text[sign] == '<';
  const std::string_view metric = trimmed(text.substr(0, sign));
  const std::string_view value = trimmed(text.substr(sign + 1));
  const LatencyName latency = latency_named(metric);
  const bool is_latency = latency.clock != nullptr && latency.field != nullptr;
  if (!is_latency && find(numbers, metric) == nullptr) {
    return refuse(fmt::format("unknown metric {}", in_quotes(metric)),
                  "p50, p90, p99, p999, min or max (after connect., first_byte. or close.), cps, "
                  "rps, failed, timed_out, reset, aborted, bad, drops or retransmitted");
  }
  const std::size_t digits = std::min(value.find_first_not_of("0123456789."), value.size());
  const auto [stop, error] =
      std::from_chars(value.data(), value.data() + digits, out.limit, std::chars_format::fixed);
  if (digits == 0 || error != std::errc{} || stop != value.data() + digits) {
    return refuse("has no number as its limit", is_latency ? "'p90>1ms'" : "'cps<1000000'");
  }
  const std::string_view unit = trimmed(value.substr(digits));
  if (!is_latency) {
    if (!unit.empty()) return refuse("a number has no unit", "'cps<1000000'");
    out.metric = metric;
    return out;
  }
  if (unit != "us" && unit != "ms" && unit != "s") {
    return refuse("a latency needs a unit, us, ms or s", "'p90>1ms'");
  }
  out.limit *= unit == "us" ? 1 : unit == "ms" ? 1'000 : 1'000'000;
  out.metric = fmt::format("{}.{}", latency.clock->name, latency.field->name);
  return out;
}

std::vector<Reason> reasons_of(const std::vector<FailIf>& conditions, const Summary& summary) {
  std::vector<Reason> out;
  for (const FailIf& condition : conditions) {
    std::string why;
    double value = 0;
    bool holds = false;
    if (const Number* number = find(numbers, condition.metric); number != nullptr) {
      value = number->value(summary);
      why = fmt::format("{} is {:.10g}", condition.metric, value);
    } else {
      const LatencyName latency = latency_named(condition.metric);
      const Latency& clock = summary.*latency.clock->clock;
      value = clock.*latency.field->value;
      holds = clock.samples == 0;
      why = holds ? fmt::format("{} has no sample", condition.metric)
                  : fmt::format("{} is {}", condition.metric, duration_text(value));
    }
    holds = holds || (condition.below ? value < condition.limit : value > condition.limit);
    if (holds) out.push_back({&condition, std::move(why)});
  }
  return out;
}

std::vector<std::string> failures_of(const std::vector<FailIf>& conditions,
                                     const Summary& summary) {
  std::vector<std::string> out;
  for (Reason& reason : reasons_of(conditions, summary)) {
    out.push_back(format_error(
        {Error::Kind::usage, fmt::format("--fail-if {}", in_quotes(reason.condition->text)),
         std::move(reason.why), "less load, a faster peer or another limit"}));
  }
  return out;
}

std::optional<std::string> nothing_came_through(const Summary& client, bool hold) {
  const Summary::Connections& c = client.connections;
  const bool tried = c.attempted != 0 || c.held_back != 0 || c.open_from_warmup != 0 ||
                     c.not_set_up_in_warmup != 0;
  const bool open = c.open_from_warmup != 0 || (c.open != 0 && c.established != 0);
  const bool did_something = c.completed != 0 || (open && client.requests.answered != 0);
  if (!tried || did_something || (hold && open)) return std::nullopt;
  const Summary::Failures& f = client.failures;
  struct Guess {
    std::uint64_t count;
    std::string_view remedy;
  };
  const std::array guesses{
      Guess{f.no_arp, "whether the target, or --gateway, is on the link, and --address"},
      Guess{f.refused, "whether something listens at --target"},
      Guess{f.unreachable, "the routes between here and --target"},
      Guess{f.timeout, "whether something between here and --target drops packets"},
      Guess{f.reset, "what the target logs: it resets connections"},
      Guess{f.bad_reply, "--path, and whether the target speaks HTTP/1.1"},
      Guess{f.no_resources + c.held_back,
            "a larger --concurrency or --connections, or more --address"},
      Guess{f.closed_early, "the target's limits of keep-alive, or fewer --requests"},
      Guess{1, "a longer --duration, and whether the target is there"}};
  const auto* most =
      std::max_element(guesses.begin(), guesses.end(),
                       [](const Guess& a, const Guess& b) { return a.count < b.count; });
  std::string why;
  if (c.attempted == 0 && c.open_from_warmup != 0) {
    why = fmt::format("not one request was answered, on {} connections", c.open_from_warmup);
  } else if (c.attempted == 0 && c.not_set_up_in_warmup != 0) {
    why = fmt::format("not one of the warm-up's {} connections was set up", c.not_set_up_in_warmup);
  } else if (c.attempted == 0) {
    why = "not one connection could be opened";
  } else if (open) {
    why = fmt::format("not one of {} connections was answered", c.attempted);
  } else {
    why = fmt::format("not one of {} connections was {}", c.attempted,
                      c.established == 0 ? "set up"
                      : hold             ? "kept"
                                         : "completed");
  }
  return format_error({Error::Kind::usage, "the run", std::move(why), std::string{most->remedy}});
}

}  // namespace pollux::cli
