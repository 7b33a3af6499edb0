// What people and programs read of a run of RFC 9411.

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <iterator>
#include <string>

#include "cli/criteria.h"
#include "cli/profile_json.h"
#include "cli/report.h"

namespace pollux::cli {
namespace {

using Passage = ProfileReport::Passage;

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
double rounded(double value) { return std::round(value * 1'000) / 1'000; }
/// Shares have their limit at 0.001 %.
double rounded_share(double value) { return std::round(value * 1e9) / 1e9; }

Json json_of(const Spread& spread) {
  return {
      {"min", rounded(spread.min)}, {"average", rounded(spread.avg)}, {"max", rounded(spread.max)}};
}

std::string_view name(Criterion::Kind kind) {
  switch (kind) {
    case Criterion::Kind::below:
      return "below";
    case Criterion::Kind::at_most:
      return "at_most";
    case Criterion::Kind::at_least:
      return "at_least";
  }
  return {};
}

Json json_of(const Criterion& criterion) {
  return {{"name", criterion.name},     {"condition", name(criterion.kind)},
          {"limit", criterion.limit},   {"measured", rounded_share(criterion.measured)},
          {"passed", criterion.passed}, {"detail", criterion.detail}};
}

Json json_of(const Indicators& kpi, bool latency) {
  Json out{{"connections_per_second", json_of(kpi.connections_per_second)},
           {"transactions_per_second", json_of(kpi.transactions_per_second)},
           {"inspected_throughput_bps", json_of(kpi.throughput)},
           {"concurrent_connections", json_of(kpi.concurrent_connections)}};
  if (latency) {
    out["time_to_first_byte_ms"] = json_of(kpi.first_byte_ms);
    out["time_to_last_byte_ms"] = json_of(kpi.last_byte_ms);
  }
  out["transactions"] = {{"attempted", kpi.transactions_attempted},
                         {"successful", kpi.transactions_ok}};
  out["connections"] = {{"attempted", kpi.connections_attempted},
                        {"terminated", kpi.connections_terminated}};
  return out;
}

Json json_of(const Passage& passage) {
  const Iteration& i = passage.iteration;
  Json criteria = Json::array();
  for (const Criterion& criterion : passage.criteria) criteria.push_back(json_of(criterion));
  return {{"step", name(i.kind)},
          {"objective", i.objective},
          {"valid", passage.valid()},
          {"phases_s",
           {{"init", rounded(seconds(i.init))},
            {"ramp_up", rounded(seconds(i.ramp_up))},
            {"sustain", rounded(seconds(i.sustain))},
            {"ramp_down", rounded(seconds(i.ramp_down))}}},
          {"think_time_s", rounded(seconds(i.think))},
          {"sample_s", rounded(seconds(i.sample))},
          {"kpi", json_of(passage.indicators, !i.holds())},
          {"criteria", std::move(criteria)}};
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json{};
}

std::string title(Profile profile) {
  switch (profile) {
    case Profile::cps:
      return "TCP connections per second with HTTP traffic";
    case Profile::throughput:
      return "HTTP throughput";
    case Profile::latency:
      return "HTTP transaction latency";
    case Profile::concurrent:
      return "concurrent TCP connection capacity with HTTP traffic";
  }
  return {};
}

using Out = fmt::memory_buffer;
template <class... Args>
void line(Out& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
  out.push_back('\n');
}

std::string whole(double value) {
  return grouped(static_cast<std::uint64_t>(std::llround(value < 0 ? 0 : value)));
}

void spread(Out& out, std::string_view label, const Spread& s, bool fine) {
  const auto text = [fine](double v) { return fine ? fmt::format("{:.3f}", v) : whole(v); };
  line(out, "  {:<26}{:>14}{:>14}{:>14}", label, text(s.min), text(s.avg), text(s.max));
}

void indicators(Out& out, const Passage& passage) {
  const Indicators& kpi = passage.indicators;
  const auto scaled = [](const Spread& s, double by) {
    return Spread{s.min / by, s.avg / by, s.max / by};
  };
  line(out, "{:<28}{:>14}{:>14}{:>14}", "sustain phase", "min", "average", "max");
  spread(out, "connections/s", kpi.connections_per_second, false);
  spread(out, "transactions/s", kpi.transactions_per_second, false);
  // RFC 9411 s.6.3 wants the layer told.
  spread(out, "throughput, layer 2, kbit/s", scaled(kpi.throughput, 1'000), false);
  // Few of them are a fraction on average.
  spread(out, "concurrent connections", kpi.concurrent_connections,
         kpi.concurrent_connections.avg < 100);
  if (passage.iteration.holds()) return;
  spread(out, "time to first byte, ms", kpi.first_byte_ms, true);
  spread(out, "time to last byte, ms", kpi.last_byte_ms, true);
}

std::string phases_text(const Iteration& i) {
  std::string out = fmt::format("init {:g} s, ramp-up {:g} s, sustain {:g} s, ramp-down {:g} s",
                                rounded(seconds(i.init)), rounded(seconds(i.ramp_up)),
                                rounded(seconds(i.sustain)), rounded(seconds(i.ramp_down)));
  if (i.holds()) out += fmt::format(", a request each every {:g} s", rounded(seconds(i.think)));
  return out;
}

}  // namespace

Json json_of(const ProfileReport& report) {
  Json passages = Json::array();
  for (const Passage& passage : report.passages) passages.push_back(json_of(passage));
  Json out{{"name", name(report.asked.kind)},
           {"reference", fmt::format("RFC 9411 section {}", section(report.asked.kind))},
           {"valid", report.valid()},
           {"stopped", report.stopped},
           {"object_bytes", or_null(report.object_bytes)},
           {"transactions_per_connection", report.transactions_per_connection},
           {"target", or_null(report.target)},
           {"target_throughput_bps", or_null(report.asked.throughput)},
           {"objective_unit",
            report.asked.kind == Profile::concurrent ? "connections" : "connections/s"}};
  if (report.asked.kind == Profile::concurrent) out["transactions_per_connection"] = 10;
  out["result"] = report.result ? json_of(report.passages[*report.result]) : Json{};
  out["iterations"] = std::move(passages);
  return out;
}

std::string passage_line(const ProfileReport& report, std::size_t number) {
  const Passage& passage = report.passages[number];
  const Criterion* const missed = passage.missed();
  return fmt::format("iteration {:<3} {:<9} {:>30}  {}\n", number + 1, name(passage.iteration.kind),
                     objective_text(report.asked.kind, passage.iteration.objective),
                     missed == nullptr
                         ? "valid"
                         : fmt::format("not valid: {} ({})", missed->name, missed->detail));
}

std::string profile_text(const ProfileReport& report) {
  Out out;
  line(out, "{}: {}, RFC 9411 section {}", name(report.asked.kind), title(report.asked.kind),
       section(report.asked.kind));
  if (report.object_bytes) {
    line(out, "object       {} bytes", grouped(*report.object_bytes));
  }
  for (std::size_t i = 0; i < report.passages.size(); ++i) out.append(passage_line(report, i));
  if (!report.passages.empty()) {
    const std::size_t last = report.passages.size() - 1;
    const Passage& told = report.passages[report.result.value_or(last)];
    line(out, "phases       {}", phases_text(told.iteration));
    line(out, "result       {}: {}{}", objective_text(report.asked.kind, told.iteration.objective),
         report.valid() ? "valid" : "not valid", report.stopped ? " (stopped)" : "");
    indicators(out, told);
    line(out, "criteria");
    for (const Criterion& criterion : told.criteria) {
      line(out, "  {:<26}{}  {}", criterion.name, criterion.passed ? "passed" : "MISSED",
           criterion.detail);
    }
  }
  line(out, "");
  return {out.data(), out.size()};
}

}  // namespace pollux::cli
