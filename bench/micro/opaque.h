#pragma once

#include <type_traits>

namespace pollux::bench {

/// The same value, of which the optimiser knows nothing any more: not what it is, nor, of a
/// pointer, what lies behind it. (Google Benchmark's DoNotOptimize lets g++ 12 choose between
/// memory and a register, and g++ then reads the one that it has not written.)
template <class T>
T opaque(T value) noexcept {
  if constexpr (std::is_integral_v<T> || std::is_pointer_v<T> || std::is_enum_v<T>) {
    asm volatile("" : "+r"(value) : : "memory");
  } else {
    asm volatile("" : "+m"(value) : : "memory");
  }
  return value;
}

}  // namespace pollux::bench
