#include "run/monitor.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "cli/environment.h"
#include "cli/report.h"
#include "dpdk/eal.h"
#include "run/tally_summary.h"

namespace pollux::run {
namespace {

constexpr auto look_every = std::chrono::milliseconds{20};

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

Monitor::Monitor(const cli::SharedOptions& options, const dpdk::TscClock& clock,
                 const Shared& shared, const std::vector<std::unique_ptr<CoreReport>>& cores,
                 std::vector<End>& ends)
    : options_(options),
      clock_(clock),
      shared_(shared),
      cores_(cores),
      ends_(ends),
      started_(clock.now()),
      next_live_(started_ + options.stats_interval),
      next_second_(shared.schedule.measure_from),
      last_second_(ends.size()),
      per_second_(ends.size()),
      next_sample_(shared.schedule.measure_from) {
  last_live_.at = started_;
}

void Monitor::watch(const std::atomic<unsigned>& cores_running, const std::function<void()>& tend) {
  Instant tended = started_;
  while (cores_running.load(std::memory_order_acquire) != 0) {
    std::this_thread::sleep_for(look_every);
    const Instant now = clock_.now();
    if (tend && now - tended >= 200ms) {
      tend();
      tended = now;
    }
    warn_of_conflicts(now);
    if (options_.stats_interval > Duration{0} && now >= next_live_) print_live(now);
    if (now >= next_second_ && !shared_.wound_down.load(std::memory_order_acquire)) {
      sample_second(now);
    }
    if (shared_.schedule.sample > Duration{0} && now >= next_sample_ &&
        !shared_.wound_down.load(std::memory_order_acquire)) {
      sample_sustain(now);
    }
  }
  sample_last_seconds();
}

Monitor::Sample Monitor::sample(std::size_t end, Instant now) const {
  Sample out;
  out.at = now;
  for (const LaneView& lane : ends_[end].lanes) {
    out.completed += lane.tally->live_completed;
    out.answered += lane.tally->live_answered;
    out.open += lane.tally->live;
    out.failed += lane.tally->live_failed;
    out.dropped += lane.live->dropped();
  }
  for (const auto& core : cores_) {
    out.busy_ns += core->busy_ns.load(std::memory_order_relaxed);
    out.total_ns += core->total_ns.load(std::memory_order_relaxed);
  }
  return out;
}

/// One line in ten seconds says enough of them.
void Monitor::warn_of_conflicts(Instant now) {
  for (const End& end : ends_) {
    for (const LaneView& lane : end.lanes) {
      while (const auto conflict = lane.take_conflict()) {
        if (warned_ && now - *warned_ < 10s) continue;
        warned_ = now;
        fmt::print(stderr, "warning: {} is also used by {}\n", conflict->address.to_string(),
                   conflict->mac.to_string());
      }
    }
  }
}

/// The last end's, which is the clients' where there are both.
void Monitor::print_live(Instant now) {
  const Sample latest = sample(ends_.size() - 1, now);
  const double interval = seconds(now - last_live_.at);
  const auto total = static_cast<double>(latest.total_ns - last_live_.total_ns);
  cli::Live live;
  live.elapsed_s = seconds(now - started_);
  live.warming_up = now < shared_.schedule.measure_from;
  live.cps = static_cast<double>(latest.completed - last_live_.completed) / interval;
  live.rps = static_cast<double>(latest.answered - last_live_.answered) / interval;
  live.open = latest.open;
  live.failed = latest.failed;
  live.dropped = latest.dropped;
  live.busy = total == 0 ? 0 : static_cast<double>(latest.busy_ns - last_live_.busy_ns) / total;
  fmt::print(options_.human(), "{}", cli::live_line(live));
  std::fflush(options_.human());
  last_live_ = latest;
  next_live_ += options_.stats_interval;
  if (next_live_ <= now) next_live_ = now + options_.stats_interval;
}

/// Notes the rate since the last look for each whole second that is over. The first one only marks
/// where they begin.
void Monitor::sample_second(Instant now) {
  const bool first = last_second_.front().at == Instant{};
  const auto over = first ? 0 : (now - next_second_) / 1s + 1;
  for (std::size_t end = 0; end < ends_.size(); ++end) {
    const Sample latest = sample(end, now);
    if (!first) note_rate(end, latest, static_cast<std::size_t>(over));
    last_second_[end] = latest;
  }
  next_second_ += first ? Duration{1s} : over * Duration{1s};
}

/// The client's end is the last.
void Monitor::sample_sustain(Instant now) {
  Sampler::Look look;
  look.at = now;
  for (const LaneView& lane : ends_.back().lanes) look.add(*lane.tally, *lane.live);
  sampler_.take(look);
  while (next_sample_ <= now) next_sample_ += shared_.schedule.sample;
}

/// Seconds that were measured whole and not looked at in time end as the measured time did.
void Monitor::sample_last_seconds() {
  Duration measured{0};
  for (const auto& core : cores_) measured = std::max(measured, core->measured);
  const auto whole = static_cast<std::size_t>(measured / 1s);
  const Instant from = shared_.schedule.measure_from;
  for (std::size_t end = 0; end < ends_.size(); ++end) {
    if (per_second_[end].size() >= whole) continue;
    if (last_second_[end].at == Instant{}) {
      last_second_[end].at = from;
      for (const LaneView& lane : ends_[end].lanes) {
        last_second_[end].completed += lane.tally->live_completed_before;
      }
    }
    Sample last;
    last.at = std::max(from + measured, last_second_[end].at + 1ms);
    for (const LaneView& lane : ends_[end].lanes) {
      last.completed += lane.tally->live_completed_in_time;
    }
    note_rate(end, last, whole - per_second_[end].size());
  }
}

void Monitor::note_rate(std::size_t end, const Sample& latest, std::size_t seconds_over) {
  const Sample& last = last_second_[end];
  const std::uint64_t more = std::max(latest.completed, last.completed) - last.completed;
  const double rate = static_cast<double>(more) / seconds(latest.at - last.at);
  per_second_[end].insert(per_second_[end].end(), seconds_over, rate);
}

cli::Sustain sustain_of(const End& end, std::vector<cli::Sustain::Sample> samples) {
  cli::Sustain out;
  out.samples = std::move(samples);
  Histogram first_byte, last_byte;
  for (const LaneView& lane : end.lanes) {
    add(out, *lane.tally);
    first_byte.add(lane.tally->syn_to_first_byte);
    last_byte.add(lane.tally->syn_to_last_byte);
  }
  out.first_byte_ms = milliseconds_of(first_byte);
  out.last_byte_ms = milliseconds_of(last_byte);
  return out;
}

cli::Summary summarize(const Facts& facts, const End& end, const std::vector<double>& per_second,
                       const std::vector<unsigned>& core_numbers,
                       const std::vector<std::unique_ptr<CoreReport>>& cores,
                       const dpdk::TscClock& clock) {
  cli::Summary out;
  out.program = facts.program;
  Counters counters;
  Histogram connect, first_byte, close, late;
  if (end.role == "client") {
    out.generator.emplace();
    out.held = facts.held;
    if (facts.beside) out.beside.emplace();
  }
  Histogram beside;
  std::vector<std::uint64_t> completed(cores.size()), packets(cores.size());
  std::vector<bool> used(cores.size());
  for (const LaneView& lane : end.lanes) {
    add(out, *lane.tally);
    if (out.held) add(*out.held, *lane.tally);
    if (out.beside) add(*out.beside, *lane.tally);
    beside.add(lane.tally->beside_connect);
    counters.add(lane.measured);
    connect.add(lane.tally->connect);
    first_byte.add(lane.tally->first_byte);
    close.add(lane.tally->close);
    late.add(lane.tally->late);
    if (out.generator) out.generator->behind += lane.tally->behind;
    used[lane.core] = true;
    completed[lane.core] += lane.tally->completed;
    packets[lane.core] += lane.measured[Event::frames_received] + lane.measured[Event::frames_sent];
  }
  for (std::size_t i = 0; i < cores.size(); ++i) {
    if (!used[i]) continue;
    const CoreReport& core = *cores[i];
    out.duration_s = std::max(out.duration_s, seconds(core.measured));
    const double busy = seconds(end.role == "server" ? core.busy.servers : core.busy.clients);
    const double cycles = busy * static_cast<double>(clock.hz());
    const auto per = [cycles](std::uint64_t n) {
      return n == 0 ? 0.0 : cycles / static_cast<double>(n);
    };
    const double measured = seconds(core.measured);
    out.cores.push_back({core_numbers[i], end.role, measured == 0 ? 0 : busy / measured,
                         per(packets[i]), per(completed[i])});
    out.environment.stalls.share = std::max(out.environment.stalls.share, core.stalls.share());
    out.environment.stalls.longest_us =
        std::max(out.environment.stalls.longest_us, core.stalls.longest_us());
    out.environment.stalls.over_1ms += core.stalls.over_1ms();
  }
  cli::take_counters(out, counters);
  out.connect = cli::latency_of(connect);
  out.first_byte = cli::latency_of(first_byte);
  out.close = cli::latency_of(close);
  if (out.beside) out.beside->connect = cli::latency_of(beside);
  if (out.generator) out.generator->late = cli::latency_of(late);
  out.cps.per_second = per_second;
  out.memory = {facts.bytes_per_connection, facts.connections_capacity * end.lanes.size(),
                facts.huge_pages};
  out.device_drops = facts.device_drops;
  out.environment.cpu = cli::cpu_model();
  out.environment.tsc_hz = clock.hz();
  out.environment.dpdk = dpdk::Eal::version();
  out.environment.pollux = cli::version();
  out.environment.link = facts.link;
  out.environment.steering = facts.steering;
  out.environment.steered = facts.steered;
  out.environment.handed_over = facts.handed_over;
  out.environment.lost_between_cores = facts.lost_between_cores;
  out.environment.offloads = facts.offloads;
  cli::derive(out);
  return out;
}

}  // namespace pollux::run
