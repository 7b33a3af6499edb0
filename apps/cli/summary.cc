#include "cli/summary.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/error.h"
#include "cli/profile_json.h"

namespace pollux::cli {
namespace {

/// Counts and rates are read by people too: three decimals are enough, and no exponents creep in.
double rounded(double value) { return std::round(value * 1000) / 1000; }

Json json_of(const Summary::Latency& latency) {
  return {{"samples", latency.samples},  {"min", rounded(latency.min)},
          {"p50", rounded(latency.p50)}, {"p90", rounded(latency.p90)},
          {"p99", rounded(latency.p99)}, {"p999", rounded(latency.p999)},
          {"max", rounded(latency.max)}};
}

Json json_of(const Summary::Named& named) {
  Json out = Json::object();
  for (const auto& [name, value] : named) out[name] = value;
  return out;
}

Json json_of_connections(const Summary& summary) {
  const Summary::Connections& c = summary.connections;
  return {{"attempted", c.attempted},
          {"established", c.established},
          {"completed", c.completed},
          {"failed", c.failed},
          {"timed_out", c.timed_out},
          {"reset", c.reset},
          {"aborted", c.aborted},
          {"open", c.open},
          {"peak_open", c.peak_open},
          {"held_back", c.held_back},
          {"open_from_warmup", c.open_from_warmup},
          {"not_set_up_in_warmup", c.not_set_up_in_warmup}};
}

Json json_of_requests(const Summary::Requests& requests) {
  Json status = Json::object();
  for (const auto& [code, count] : requests.status) status[std::to_string(code)] = count;
  return {{"sent", requests.sent},
          {"answered", requests.answered},
          {"status", std::move(status)},
          {"bad", requests.bad},
          {"per_second", rounded(requests.per_second)}};
}

Json json_of_cps(const Summary::Cps& cps) {
  Json per_second = Json::array();
  for (const double value : cps.per_second) per_second.push_back(rounded(value));
  return {{"mean", rounded(cps.mean)},
          {"min", rounded(cps.min)},
          {"max", rounded(cps.max)},
          {"per_second", std::move(per_second)}};
}

Json json_of_cores(const std::vector<Summary::Core>& cores) {
  Json out = Json::array();
  for (const Summary::Core& core : cores) {
    out.push_back({{"core", core.core},
                   {"role", core.role},
                   {"busy", rounded(core.busy)},
                   {"cycles_per_packet", rounded(core.cycles_per_packet)},
                   {"cycles_per_connection", rounded(core.cycles_per_connection)}});
  }
  return out;
}

Json json_of(const Summary::Generator& generator) {
  return {{"busy", rounded(generator.busy)},
          {"late_us", json_of(generator.late)},
          {"behind", generator.behind},
          {"limited", generator.limited}};
}

Json json_of(const Search& search) {
  Json steps = Json::array();
  for (const Search::Step& step : search.steps) {
    steps.push_back({{"rate", step.rate},
                     {"passed", step.passed()},
                     {"why", step.why},
                     {"cps", rounded(step.cps)},
                     {"failed", step.failed},
                     {"connect_p99_us", rounded(step.p99_us)},
                     {"busy", rounded(step.busy)}});
  }
  const Search::Step* const failed = search.lowest_failed();
  return {{"rate", search.rate},
          {"failed_at", failed == nullptr ? Json{} : Json(failed->rate)},
          {"end", name(search.end)},
          {"resolution", search.resolution},
          {"steps", std::move(steps)}};
}

Json json_of(const Summary::Environment& environment) {
  return {{"cpu", environment.cpu},
          {"tsc_hz", environment.tsc_hz},
          {"dpdk", environment.dpdk},
          {"pollux", environment.pollux},
          {"link", environment.link},
          {"steering", environment.steering},
          {"handed_over", environment.handed_over},
          {"lost_between_cores", environment.lost_between_cores},
          {"offloads", environment.offloads},
          {"stalls",
           {{"share", environment.stalls.share},
            {"longest_us", rounded(environment.stalls.longest_us)},
            {"over_1ms", environment.stalls.over_1ms}}}};
}

Json json_of(const Summary& s) {
  Json out;
  out["schema"] = "pollux.summary.1";
  out["program"] = s.program;
  out["duration_s"] = rounded(s.duration_s);
  out["connections"] = json_of_connections(s);
  out["failures"] = {{"refused", s.failures.refused},
                     {"unreachable", s.failures.unreachable},
                     {"no_arp", s.failures.no_arp},
                     {"timeout", s.failures.timeout},
                     {"reset", s.failures.reset},
                     {"bad_reply", s.failures.bad_reply},
                     {"no_resources", s.failures.no_resources},
                     {"closed_early", s.failures.closed_early}};
  out["cps"] = json_of_cps(s.cps);
  out["requests"] = json_of_requests(s.requests);
  out["latency_us"] = {{"connect", json_of(s.connect)},
                       {"first_byte", json_of(s.first_byte)},
                       {"close", json_of(s.close)}};
  out["packets"] = {{"rx", s.packets.rx},
                    {"tx", s.packets.tx},
                    {"delivered", s.packets.delivered},
                    {"rx_per_connection", rounded(s.packets.rx_per_connection)},
                    {"tx_per_connection", rounded(s.packets.tx_per_connection)}};
  out["bytes"] = {{"rx", s.bytes.rx}, {"tx", s.bytes.tx}};
  out["tcp"] = {{"retransmitted", s.tcp.retransmitted},
                {"out_of_order", s.tcp.out_of_order},
                {"duplicate", s.tcp.duplicate},
                {"syn_cookies_sent", s.tcp.syn_cookies_sent},
                {"syn_cookies_accepted", s.tcp.syn_cookies_accepted},
                {"fast_opens_tried", s.tcp.fast_opens_tried},
                {"fast_opens_taken", s.tcp.fast_opens_taken},
                {"challenge_acks", s.tcp.challenge_acks},
                {"time_wait", s.tcp.time_wait},
                {"orphans_reset", s.tcp.orphans_reset}};
  out["drops"] = json_of(s.drops);
  out["send_drops"] = json_of(s.send_drops);
  out["device_drops"] = json_of(s.device_drops);
  out["events"] = json_of(s.events);
  out["memory"] = {{"bytes_per_connection", s.memory.bytes_per_connection},
                   {"connections_capacity", s.memory.connections_capacity},
                   {"huge_pages", s.memory.huge_pages}};
  out["cores"] = json_of_cores(s.cores);
  if (s.generator) out["generator"] = json_of(*s.generator);
  if (s.held) {
    out["held"] = {{"asked", s.held->asked},
                   {"open", s.held->open},
                   {"lost", s.held->lost},
                   {"opened_in_s", rounded(s.held->opened_in_s)}};
  }
  if (s.beside) {
    out["beside"] = {{"attempted", s.beside->attempted},
                     {"completed", s.beside->completed},
                     {"failed", s.beside->failed},
                     {"open", s.beside->open()},
                     {"connect_us", json_of(s.beside->connect)}};
  }
  if (s.search) out["search"] = json_of(*s.search);
  if (s.profile) out["profile"] = json_of(*s.profile);
  out["environment"] = json_of(s.environment);
  return out;
}

/// Text from outside (a processor's name) may not be UTF-8: what is not is replaced, never thrown.
std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

Error not_written(const std::string& path) {
  return Error{Error::Kind::machine, fmt::format("--json {}", in_quotes(path)),
               fmt::format("cannot write it: {}", std::strerror(errno)),
               "another file, or - for standard output"};
}

bool write_all(std::FILE* file, const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0;
}

}  // namespace

Summary::Latency latency_of(const Histogram& histogram) {
  const auto us = [](std::uint64_t ns) { return static_cast<double>(ns) / 1000; };
  return {histogram.count(),
          us(histogram.min()),
          us(histogram.percentile(50)),
          us(histogram.percentile(90)),
          us(histogram.percentile(99)),
          us(histogram.percentile(99.9)),
          us(histogram.max())};
}

void take_counters(Summary& summary, const Counters& counters) {
  summary.packets.rx = counters[Event::frames_received];
  summary.packets.tx = counters[Event::frames_sent];
  summary.packets.delivered = counters[Event::frames_delivered];
  summary.bytes = {counters[Event::bytes_received], counters[Event::bytes_sent]};
  summary.tcp = {counters[Event::tcp_retransmitted],
                 counters[Event::tcp_out_of_order],
                 counters[Event::tcp_duplicate],
                 counters[Event::tcp_syn_cookies_sent],
                 counters[Event::tcp_syn_cookies_accepted],
                 counters[Event::tcp_fast_opens_tried],
                 counters[Event::tcp_fast_opens_taken],
                 counters[Event::tcp_challenge_acks],
                 counters[Event::tcp_time_wait],
                 counters[Event::tcp_orphans_reset]};
  const auto collect = [&counters]<class E>(Summary::Named& to, std::size_t count, E) {
    to.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const auto which = static_cast<E>(i);
      if (counters[which] != 0) to.emplace(name(which), counters[which]);
    }
  };
  collect(summary.drops, drop_count, Drop{});
  collect(summary.send_drops, send_drop_count, SendDrop{});
  collect(summary.events, event_count, Event{});
}

void derive(Summary& summary) {
  if (auto& generator = summary.generator) {
    for (const Summary::Core& core : summary.cores) {
      generator->busy = std::max(generator->busy, core.busy);
    }
    const std::uint64_t allowed = std::max<std::uint64_t>(summary.connections.attempted / 200, 64);
    generator->limited = generator->behind > allowed;
  }
  Summary::Cps& cps = summary.cps;
  const double seconds = summary.duration_s;
  const auto completed = static_cast<double>(summary.connections.completed);
  if (cps.per_second.empty()) {
    const auto in_time = static_cast<double>(
        summary.connections.completed_in_time.value_or(summary.connections.completed));
    cps.mean = cps.min = cps.max = seconds > 0 ? in_time / seconds : 0;
  } else {
    const auto [min, max] = std::minmax_element(cps.per_second.begin(), cps.per_second.end());
    cps.min = *min;
    cps.max = *max;
    cps.mean = std::accumulate(cps.per_second.begin(), cps.per_second.end(), 0.0) /
               static_cast<double>(cps.per_second.size());
  }
  const auto answered =
      static_cast<double>(summary.requests.answered_in_time.value_or(summary.requests.answered));
  summary.requests.per_second = seconds > 0 ? answered / seconds : 0;
  summary.packets.rx_per_connection =
      completed > 0 ? static_cast<double>(summary.packets.rx) / completed : 0;
  summary.packets.tx_per_connection =
      completed > 0 ? static_cast<double>(summary.packets.tx) / completed : 0;
}

std::string to_json(const Summary& summary) { return text_of(json_of(summary)); }

std::string to_json(std::string_view scenario, const Summary& server, const Summary& client) {
  Json out;
  out["schema"] = "pollux.summary.1";
  out["program"] = "pollux-bench";
  out["scenario"] = scenario;
  out["server"] = json_of(server);
  out["client"] = json_of(client);
  return text_of(out);
}

Status write_json(const std::string& path, const std::string& json) {
  if (path == "-") {
    if (!write_all(stdout, json)) return not_written(path);
    return std::monostate{};
  }
  using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
  struct stat status {};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  const auto write_in_place = [&]() -> Status {
    const File file(std::fopen(path.c_str(), "w"), std::fclose);
    if (!file || !write_all(file.get(), json)) return not_written(path);
    return std::monostate{};
  };
  if (exists && !S_ISREG(status.st_mode)) return write_in_place();
  // A symbolic link stays one: what it points at is replaced.
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
  const std::string target = real ? std::string{real.get()} : path;
  std::string temporary = target + ".XXXXXX";
  const int descriptor = ::mkostemp(temporary.data(), O_CLOEXEC);
  // The file may be ours where the folder is not.
  if (descriptor < 0) return exists ? write_in_place() : not_written(path);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(descriptor, exists ? status.st_mode & 07777 : 0666 & ~mask);
  File file(::fdopen(descriptor, "w"), std::fclose);
  const bool written = file && write_all(file.get(), json);
  file.reset();
  if (!written || std::rename(temporary.c_str(), target.c_str()) != 0) {
    Error error = not_written(path);
    ::unlink(temporary.c_str());
    return error;
  }
  return std::monostate{};
}

}  // namespace pollux::cli
