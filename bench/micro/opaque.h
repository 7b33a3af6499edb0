#pragma once

#include <benchmark/benchmark.h>

namespace pollux::bench {

/// The same value, of which the optimiser knows nothing any more: not what it is, nor, of a
/// pointer, what lies behind it.
template <class T>
T opaque(T value) noexcept {
  benchmark::DoNotOptimize(value);
  benchmark::ClobberMemory();
  return value;
}

}  // namespace pollux::bench
