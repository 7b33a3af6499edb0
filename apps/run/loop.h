#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/time.h"
#include "cli/stalls.h"
#include "dpdk/clock.h"
#include "host/signals.h"
#include "run/lane.h"

namespace pollux::run {

/// When the phases of a run begin, the same for all cores.
struct Schedule {
  Instant measure_from;
  /// From then on; Duration::max(): until stopped.
  Duration duration;
  /// How long connections that are under way at the end are waited for.
  Duration grace = 1s;
  /// How often the measured time is looked at for a run of RFC 9411; 0: not.
  Duration sample{0};
};

/// What all cores of a run share.
struct Shared {
  Schedule schedule;
  /// Cores whose clients have not wound down yet: servers serve as long as there are some.
  std::atomic<unsigned> clients_running{0};
  /// Cores that have something to wait for yet: until then each polls on, since it may receive for
  /// the others, and send for them.
  std::atomic<unsigned> cores_running{0};
  /// Cores that have not ended their lanes yet.
  std::atomic<unsigned> cores_ending{0};
  /// Set by the first core whose measured time is over.
  std::atomic<bool> wound_down{false};
  /// Of a run in steps: this one is not the first, and another may follow.
  bool continues = false;
  bool goes_on = false;
};

/// The time that a core has spent in polls that found work.
struct Busy {
  Duration servers{0};
  Duration clients{0};

  Duration both() const noexcept { return servers + clients; }
  friend Busy operator-(const Busy& a, const Busy& b) noexcept {
    return {a.servers - b.servers, a.clients - b.clients};
  }
};

/// What one core's loop has seen in the measured time.
struct CoreReport {
  Duration measured{0};
  std::atomic<std::uint64_t> busy_ns{0};  // since the start; written by the core
  std::atomic<std::uint64_t> total_ns{0};
  Busy busy;
  cli::StallMeter stalls;
};

/// Lanes of one kind on one core.
template <class L>
using Lanes = std::vector<std::unique_ptr<L>>;

/// One core's run from first poll to last: polls its lanes in turn, takes them through the phases,
/// and returns when the run is over. `clients` end by themselves; `servers` when no client runs in
/// this process any more, or, where there never was one, in the same way. Of a run in steps it is
/// one of them.
template <class Server, class Client>
void run_core(const dpdk::TscClock& clock, Shared& shared, CoreReport& report,
              Lanes<Server>& servers, Lanes<Client>& clients) noexcept {
  const auto each = [&](auto&& f) {
    for (auto& lane : servers) f(*lane);
    for (auto& lane : clients) f(*lane);
  };
  Instant now = clock.now();
  each([&](auto& lane) { shared.continues ? lane.restart(now) : lane.start(now); });
  enum class Phase { warm_up, measuring, winding_down } phase = Phase::warm_up;
  Instant wound_down_at{};
  Instant measured_from{};
  Leftover leftover = Leftover::open;
  bool clients_done = clients.empty();
  bool done = false;
  Busy busy;
  const Instant started = now;
  std::uint64_t found_by_all = 0;
  const auto poll = [&](auto& lanes, Duration& spent) {
    if (lanes.empty()) return;
    std::uint64_t found = 0;
    for (auto& lane : lanes) found += lane->poll(now);
    const Instant after = clock.now();
    if (found != 0) spent += after - now;
    found_by_all += found;
    now = after;
  };

  for (;;) {
    // Before the poll, so that without a warm-up the first one counts.
    if (phase == Phase::warm_up && now >= shared.schedule.measure_from) {
      phase = Phase::measuring;
      measured_from = now;
      each([&](auto& lane) { lane.begin_measuring(now); });
      report.stalls.restart(now);
      report.busy = busy;
    }
    found_by_all = 0;
    poll(servers, busy.servers);
    poll(clients, busy.clients);
    // More than half a microsecond a frame or request is not work, it is the machine.
    report.stalls.poll(now, Duration{static_cast<std::int64_t>(found_by_all) * 500});
    report.busy_ns.store(static_cast<std::uint64_t>(busy.both().count()),
                         std::memory_order_relaxed);
    report.total_ns.store(static_cast<std::uint64_t>((now - started).count()),
                          std::memory_order_relaxed);

    const bool stopped = host::stop_requested();
    // A core that came late to the first poll measures as long as all others.
    const bool over = phase == Phase::measuring && now - measured_from >= shared.schedule.duration;
    if (phase != Phase::winding_down && (over || stopped)) {
      if (phase == Phase::warm_up) {
        measured_from = now;
        each([&](auto& lane) { lane.begin_measuring(now); });
      }
      phase = Phase::winding_down;
      wound_down_at = now;
      if (stopped) leftover = Leftover::aborted;
      report.measured = now - measured_from;
      report.busy = busy - report.busy;
      each([&](auto& lane) { lane.wind_down(now); });
      shared.wound_down.store(true, std::memory_order_release);
    }
    if (phase != Phase::winding_down) continue;
    // Whoever asks for the end does not wait for a ramp-down.
    if (stopped) leftover = Leftover::aborted;
    const Duration grace =
        stopped ? std::min<Duration>(shared.schedule.grace, 1s) : shared.schedule.grace;
    const bool late = now - wound_down_at >= grace;
    if (!clients_done) {
      const bool idle = std::all_of(clients.begin(), clients.end(),
                                    [](const auto& lane) { return lane->idle(); });
      if (idle || late) {
        clients_done = true;
        shared.clients_running.fetch_sub(1, std::memory_order_acq_rel);
      }
    }
    // A server waits until the last answer of this process is fetched, and a client, which may
    // still owe an ACK, as long as any other.
    const bool others_done = shared.clients_running.load(std::memory_order_acquire) == 0;
    const bool servers_idle =
        std::all_of(servers.begin(), servers.end(), [](const auto& lane) { return lane->idle(); });
    const bool overdue = now - wound_down_at >= grace + 200ms;
    const bool over_here = clients_done && others_done && (servers_idle || late);
    if (!done && (over_here || overdue)) {
      done = true;
      shared.cores_running.fetch_sub(1, std::memory_order_acq_rel);
    }
    if (done && (overdue || shared.cores_running.load(std::memory_order_acquire) == 0)) break;
  }
  each([&](auto& lane) {
    shared.goes_on ? lane.end_step(now, leftover) : lane.stop(now, leftover);
  });
  // What the last ones say may have to leave through this core.
  shared.cores_ending.fetch_sub(1, std::memory_order_acq_rel);
  for (const Instant by = clock.now() + 50ms; clock.now() < by;) {
    const bool all = shared.cores_ending.load(std::memory_order_acquire) == 0;
    bool more = false;
    each([&](auto& lane) { more = lane.pass_on() || more; });
    if (all && !more) break;
  }
}

}  // namespace pollux::run
