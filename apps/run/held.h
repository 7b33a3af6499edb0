#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "base/time.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/summary.h"
#include "dpdk/clock.h"
#include "dpdk/eal.h"
#include "host/signals.h"
#include "run/fleet.h"

namespace pollux::run {

/// One core's polls until all clients of all cores have open what they are to keep beside their
/// load, or until somebody asks for the end.
template <class Server, class Client>
void open_held_on_core(const dpdk::TscClock& clock, std::atomic<unsigned>& waiting,
                       const std::atomic<bool>& enough, Lanes<Server>& servers,
                       Lanes<Client>& clients) noexcept {
  const auto each = [&](auto&& f) {
    for (auto& lane : servers) f(*lane);
    for (auto& lane : clients) f(*lane);
  };
  Instant now = clock.now();
  each([&](auto& lane) { lane.start(now); });
  bool ready = clients.empty();
  while (waiting.load(std::memory_order_acquire) != 0 && !host::stop_requested() &&
         !enough.load(std::memory_order_relaxed)) {
    each([&](auto& lane) { lane.poll(now); });
    now = clock.now();
    if (ready) continue;
    ready = std::all_of(clients.begin(), clients.end(),
                        [](const auto& lane) { return lane->application().ready(); });
    if (ready) waiting.fetch_sub(1, std::memory_order_acq_rel);
  }
}

/// Before a run: opens the connections that its clients keep beside their load, all of them
/// together `asked`. Returns how long that took, or why it came to nothing: none was opened for ten
/// seconds. Where somebody has asked for the end it is over too, and so is the run at once.
template <class Server, class Client>
Result<Duration> open_held(Fleet<Server, Client>& fleet, const cli::SharedOptions& options,
                           std::uint64_t asked, dpdk::Eal& eal, const dpdk::TscClock& clock,
                           const std::function<void()>& tend = {}) {
  constexpr Duration patience = 10s;
  std::atomic<unsigned> waiting{0};
  for (const auto& lanes : fleet.clients) waiting += lanes.empty() ? 0 : 1;
  const auto cores = fleet.servers.size();
  std::atomic<unsigned> running{static_cast<unsigned>(cores)};
  std::atomic<bool> enough{false};
  const auto open = [&] {
    std::uint64_t sum = 0;
    for (const auto& lanes : fleet.clients) {
      for (const auto& lane : lanes) sum += lane->tally().held;
    }
    return sum;
  };
  const Instant began = clock.now();
  std::atomic<std::int64_t> ended{0};
  eal.launch(cores, [&](std::size_t i) {
    open_held_on_core(clock, waiting, enough, fleet.servers[i], fleet.clients[i]);
    ended.store((clock.now() - began).count(), std::memory_order_relaxed);
    running.fetch_sub(1, std::memory_order_release);
  });
  std::uint64_t seen = 0, told = 0;
  Instant moved = began, tended = began, told_at = began;
  while (running.load(std::memory_order_acquire) != 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    const Instant now = clock.now();
    if (tend && now - tended >= 200ms) {
      tend();
      tended = now;
    }
    const std::uint64_t held = open();
    if (held != seen) moved = now;
    seen = held;
    if (now - moved >= patience) enough.store(true, std::memory_order_relaxed);
    if (options.stats_interval > Duration{0} && now - told_at >= options.stats_interval) {
      const double seconds = std::chrono::duration<double>(now - told_at).count();
      fmt::print(options.human(), "{}",
                 cli::held_line(std::chrono::duration<double>(now - began).count(), held, asked,
                                static_cast<double>(std::max(held, told) - told) / seconds));
      std::fflush(options.human());
      told = held;
      told_at = now;
    }
  }
  eal.wait();
  fleet.go_on();
  if (!enough.load() || open() >= asked) return Duration{ended.load()};
  std::string_view why = "no answer has come";
  for (const auto& lanes : fleet.clients) {
    for (const auto& lane : lanes) {
      const std::string_view trouble = lane->application().held_trouble();
      if (!trouble.empty()) why = trouble;
    }
  }
  return Error{Error::Kind::machine, fmt::format("--held {}", asked),
               fmt::format("{} are open, and no other in 10 s: {}", open(), why),
               "fewer of them, more addresses, or --connections of the server"};
}

/// For the summary: what was asked for, and what it took to open it.
inline cli::Summary::Held held_of(const cli::ClientOptions& options, Duration took) {
  cli::Summary::Held out;
  out.asked = options.held;
  out.opened_in_s = std::chrono::duration<double>(took).count();
  return out;
}

}  // namespace pollux::run
