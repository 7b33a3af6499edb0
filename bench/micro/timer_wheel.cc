// The timers of a core's connections, few and many.

#include "base/timer_wheel.h"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/prng.h"
#include "opaque.h"

namespace pollux {
namespace {

using bench::opaque;

constexpr Instant start{1000s};
constexpr std::uint32_t batch = 1024;

/// Times ahead as connections have them: delayed ACKs, retransmissions, keep-alives.
class Times {
 public:
  Times() {
    Prng random{1};
    for (std::size_t i = 0; i < ahead_.size(); ++i) {
      const std::uint64_t longest = i % 3 == 0 ? 40 : i % 3 == 1 ? 1'000 : 7'200'000;
      ahead_[i] = std::chrono::milliseconds{1 + random.next() % longest};
    }
  }
  Duration next() { return ahead_[at_++ % ahead_.size()]; }

 private:
  std::vector<Duration> ahead_ = std::vector<Duration>(4096);
  std::size_t at_ = 0;
};

/// n timers are armed, and a batch of ids behind them is not.
TimerWheel filled(std::int64_t n, Times& times) {
  auto wheel = *TimerWheel::make(static_cast<std::uint32_t>(n) + batch, start);
  for (std::uint32_t id = 0; id < n; ++id) wheel.arm(id, start + times.next());
  return wheel;
}

void arm(benchmark::State& state) {
  Times times;
  auto wheel = filled(state.range(0), times);
  const auto first = static_cast<std::uint32_t>(state.range(0));
  while (state.KeepRunningBatch(batch)) {
    for (std::uint32_t id = first; id < first + batch; ++id) wheel.arm(id, start + times.next());
    state.PauseTiming();
    for (std::uint32_t id = first; id < first + batch; ++id) wheel.cancel(id);
    state.ResumeTiming();
  }
}
void cancel(benchmark::State& state) {
  Times times;
  auto wheel = filled(state.range(0), times);
  const auto first = static_cast<std::uint32_t>(state.range(0));
  while (state.KeepRunningBatch(batch)) {
    state.PauseTiming();
    for (std::uint32_t id = first; id < first + batch; ++id) wheel.arm(id, start + times.next());
    state.ResumeTiming();
    for (std::uint32_t id = first; id < first + batch; ++id) wheel.cancel(id);
  }
}
/// Arming what is armed already, one after the other.
void move(benchmark::State& state) {
  Times times;
  auto wheel = filled(state.range(0), times);
  const auto n = static_cast<std::uint32_t>(state.range(0));
  std::uint32_t id = 0;
  for (auto _ : state) {
    wheel.arm(id, start + times.next());
    id = id + 1 == n ? 0 : id + 1;
  }
}
/// What a poll pays when nothing is due: the next tick has not come, or, every 200th time, has.
void advance_to_nothing(benchmark::State& state) {
  auto wheel = *TimerWheel::make(batch, start);
  wheel.arm(1, start + 40 * 24h);
  Instant now = start;
  std::uint32_t fired = 0;
  for (auto _ : state) {
    now += 5us;
    wheel.advance(opaque(now), [&](std::uint32_t) { ++fired; });
  }
  benchmark::DoNotOptimize(fired);
}
/// A timer that fires and is armed again, the way down the levels included: by timers, not calls.
void advance_and_fire(benchmark::State& state) {
  auto wheel = *TimerWheel::make(static_cast<std::uint32_t>(state.range(0)), start);
  Times times;
  const auto short_time = [&] { return times.next() % 1s; };
  for (std::uint32_t id = 0; id < state.range(0); ++id) wheel.arm(id, start + short_time());
  Instant now = start;
  std::int64_t fired = 0;
  for (auto _ : state) {
    now += 1ms;
    wheel.advance(now, [&](std::uint32_t id) {
      ++fired;
      wheel.arm(id, now + 1ms + short_time());
    });
  }
  state.SetItemsProcessed(fired);
  state.counters["each"] = benchmark::Counter(
      static_cast<double>(fired), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
void next_deadline(benchmark::State& state) {
  Times times;
  const auto wheel = filled(state.range(0), times);
  for (auto _ : state) benchmark::DoNotOptimize(opaque(&wheel)->next_deadline());
}

void sizes(benchmark::internal::Benchmark* bench) {
  for (const std::int64_t n : {1'000, 1'000'000, 10'000'000}) bench->Arg(n);
}
BENCHMARK(arm)->Apply(sizes);
BENCHMARK(cancel)->Apply(sizes);
BENCHMARK(move)->Apply(sizes);
BENCHMARK(advance_to_nothing);
BENCHMARK(advance_and_fire)->Apply(sizes);
BENCHMARK(next_deadline)->Apply(sizes);

}  // namespace
}  // namespace pollux
