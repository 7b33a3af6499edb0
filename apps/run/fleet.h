#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/time.h"
#include "cli/options.h"
#include "cli/profile.h"
#include "dpdk/clock.h"
#include "dpdk/eal.h"
#include "run/lane.h"
#include "run/loop.h"
#include "run/monitor.h"

namespace pollux::run {

/// The other side of a program that has but one: no lane of this type is ever made.
struct NoLane {
  void start(Instant) noexcept {}
  std::uint64_t poll(Instant) noexcept { return 0; }
  void begin_measuring(Instant) noexcept {}
  void wind_down(Instant) noexcept {}
  bool idle() const noexcept { return true; }
  void restart(Instant) noexcept {}
  void end_step(Instant, Leftover) noexcept {}
  void stop(Instant, Leftover) noexcept {}
  bool pass_on() noexcept { return false; }
  const Tally& tally() const noexcept { return tally_; }
  const Counters& counters() const noexcept { return counters_; }
  std::optional<link::Conflict> take_conflict() noexcept { return std::nullopt; }
  Counters measured() const noexcept { return counters_; }

 private:
  Tally tally_;
  Counters counters_;
};

/// What a run leaves behind for its summary.
struct Outcome {
  std::vector<End> ends;  // "server", "client"; an end without lanes is left out
  std::vector<std::vector<double>> per_second;
  std::vector<cli::Sustain::Sample> samples;  // of the last end, in a run of RFC 9411
  std::vector<std::unique_ptr<CoreReport>> cores;
};

/// All lanes of a program, by core.
template <class Server, class Client>
class Fleet {
 public:
  explicit Fleet(std::size_t cores) : servers(cores), clients(cores) {}

  std::vector<Lanes<Server>> servers;
  std::vector<Lanes<Client>> clients;

  /// Runs every core until the time is up or somebody asks for the end. The calling thread prints
  /// live lines meanwhile, and calls `tend` some times a second.
  Outcome run(const cli::SharedOptions& options, Duration warmup, dpdk::Eal& eal,
              const dpdk::TscClock& clock, const std::function<void()>& tend = {}) {
    Shared shared;
    shared.schedule.duration = length(options.duration);
    shared.continues = std::exchange(stepped_, true);
    return run(shared, options, warmup, eal, clock, tend);
  }

  /// The lanes have been started already: the next run continues.
  void go_on() noexcept { stepped_ = true; }

  /// One step of several, all of them with the same options, until stop(): connections that it
  /// leaves are reset, and all else stays as it is.
  Outcome run_step(const cli::SharedOptions& options, Duration warmup, dpdk::Eal& eal,
                   const dpdk::TscClock& clock, const std::function<void()>& tend = {}) {
    Shared shared;
    shared.schedule.duration = length(options.duration);
    return step(shared, options, warmup, eal, clock, tend);
  }
  /// A step that is an iteration of RFC 9411: init and ramp-up before the measured time, which is
  /// the sustain phase, and the ramp-down after it.
  Outcome run_iteration(const cli::SharedOptions& options, const cli::Iteration& iteration,
                        dpdk::Eal& eal, const dpdk::TscClock& clock,
                        const std::function<void()>& tend = {}) {
    Shared shared;
    shared.schedule.duration = iteration.sustain;
    shared.schedule.grace += iteration.ramp_down;
    shared.schedule.sample = iteration.sample;
    return step(shared, options, iteration.init + iteration.ramp_up, eal, clock, tend);
  }
  void stop(dpdk::Eal& eal, const dpdk::TscClock& clock) {
    eal.launch(servers.size(), [&](std::size_t i) {
      for (auto& lane : servers[i]) lane->stop(clock.now(), Leftover::open);
      for (auto& lane : clients[i]) lane->stop(clock.now(), Leftover::open);
    });
    eal.wait();
  }

 private:
  static Duration length(Duration asked) { return asked == Duration{0} ? Duration::max() : asked; }

  Outcome step(Shared& shared, const cli::SharedOptions& options, Duration warmup, dpdk::Eal& eal,
               const dpdk::TscClock& clock, const std::function<void()>& tend) {
    shared.continues = std::exchange(stepped_, true);
    shared.goes_on = true;
    return run(shared, options, warmup, eal, clock, tend);
  }
  Outcome run(Shared& shared, const cli::SharedOptions& options, Duration warmup, dpdk::Eal& eal,
              const dpdk::TscClock& clock, const std::function<void()>& tend) {
    Outcome outcome;
    add_end(outcome, "server", servers);
    add_end(outcome, "client", clients);
    shared.schedule.measure_from = clock.now() + warmup;
    shared.cores_running.store(static_cast<unsigned>(servers.size()));
    shared.cores_ending.store(static_cast<unsigned>(servers.size()));
    for (std::size_t i = 0; i < servers.size(); ++i) {
      outcome.cores.push_back(std::make_unique<CoreReport>());
      if (!clients[i].empty()) shared.clients_running.fetch_add(1);
    }
    std::atomic<unsigned> cores_running{static_cast<unsigned>(servers.size())};
    Monitor monitor{options, clock, shared, outcome.cores, outcome.ends};
    eal.launch(servers.size(), [&](std::size_t i) {
      run_core(clock, shared, *outcome.cores[i], servers[i], clients[i]);
      cores_running.fetch_sub(1, std::memory_order_release);
    });
    monitor.watch(cores_running, tend);
    eal.wait();
    fill_in(outcome, "server", servers);
    fill_in(outcome, "client", clients);
    outcome.per_second = monitor.per_second();
    outcome.samples = monitor.samples();
    return outcome;
  }

  template <class L>
  static void add_end(Outcome& outcome, const char* role, const std::vector<Lanes<L>>& by_core) {
    End end{role, {}};
    for (std::size_t core = 0; core < by_core.size(); ++core) {
      for (const auto& lane : by_core[core]) {
        end.lanes.push_back({core,
                             &lane->tally(),
                             &lane->counters(),
                             [&lane] { return lane->take_conflict(); },
                             {}});
      }
    }
    if (!end.lanes.empty()) outcome.ends.push_back(std::move(end));
  }
  template <class L>
  static void fill_in(Outcome& outcome, const char* role, const std::vector<Lanes<L>>& by_core) {
    for (End& end : outcome.ends) {
      if (end.role != role) continue;
      std::size_t next = 0;
      for (const auto& lanes : by_core) {
        for (const auto& lane : lanes) end.lanes[next++].measured = lane->measured();
      }
    }
  }

  bool stepped_ = false;
};

}  // namespace pollux::run
