// The Internet checksum over texts and headers of all sizes, alone and while copying.

#include "wire/checksum.h"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "opaque.h"

namespace pollux::wire {
namespace {

using bench::opaque;

std::vector<std::byte> some_bytes(std::size_t size) {
  std::vector<std::byte> out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i * 7);
  return out;
}

void count_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}

void sum(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const auto bytes = some_bytes(size);
  for (auto _ : state) {
    benchmark::DoNotOptimize(fold(Sum{{opaque(bytes.data()), size}}));
  }
  count_bytes(state);
}
/// As behind an Ethernet header: two bytes off every border.
void sum_off_by_two(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const auto bytes = some_bytes(size + 2);
  for (auto _ : state) {
    benchmark::DoNotOptimize(fold(Sum{{opaque(bytes.data() + 2), size}}));
  }
  count_bytes(state);
}
void sum_while_copying(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const auto from = some_bytes(size);
  std::vector<std::byte> to(size);
  for (auto _ : state) {
    const std::span<std::byte> room{opaque(to.data()), size};
    benchmark::DoNotOptimize(copy_and_sum(room, {opaque(from.data()), size}));
  }
  count_bytes(state);
}
/// What a sum while copying is to be measured by.
void copy_alone(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const auto from = some_bytes(size);
  std::vector<std::byte> to(size);
  for (auto _ : state) std::memcpy(opaque(to.data()), opaque(from.data()), size);
  count_bytes(state);
}

// Headers (20, 32, 40), a small request (85), a reply (227), half a segment and a whole one, 64
// KiB.
void sizes(benchmark::internal::Benchmark* bench) {
  for (const std::int64_t size : {20, 32, 40, 64, 85, 227, 730, 1460, 65'536}) bench->Arg(size);
}
BENCHMARK(sum)->Apply(sizes);
BENCHMARK(sum_off_by_two)->Apply(sizes);
BENCHMARK(sum_while_copying)->Apply(sizes);
BENCHMARK(copy_alone)->Apply(sizes);

void one_word_changed(benchmark::State& state) {
  std::uint16_t checksum = 0x1234;
  for (auto _ : state) {
    checksum = update(opaque(checksum), opaque(std::uint16_t{1}), opaque(std::uint16_t{2}));
  }
  benchmark::DoNotOptimize(checksum);
}
void of_a_pseudo_header(benchmark::State& state) {
  constexpr Ipv4Address source{10, 0, 0, 1};
  constexpr Ipv4Address destination{10, 0, 0, 2};
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        pseudo_header(opaque(source), opaque(destination), 6, opaque(std::uint16_t{72})));
  }
}
BENCHMARK(one_word_changed);
BENCHMARK(of_a_pseudo_header);

}  // namespace
}  // namespace pollux::wire
