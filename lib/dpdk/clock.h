#pragma once

#include <rte_cycles.h>

#include <cstdint>

#include "base/time.h"

namespace pollux::dpdk {

/// The processor's time stamp counter as an Instant: nanoseconds since this clock was made. Copies
/// share the epoch, and all cores read the same counter. A read costs one multiplication.
class TscClock {
 public:
  /// Starts at zero. EAL must have been started: it is EAL that measures the counter's frequency.
  TscClock() noexcept
      : start_(rte_rdtsc()),
        hz_(rte_get_tsc_hz()),
        scale_(static_cast<std::uint64_t>((Wide{1'000'000'000} << shift) / hz_)) {}

  Instant now() const noexcept { return at(rte_rdtsc()); }
  /// The instant at which the counter stood at `cycles`.
  Instant at(std::uint64_t cycles) const noexcept {
    return Instant{Duration{static_cast<std::int64_t>(to_nanoseconds(cycles - start_))}};
  }
  Duration duration(std::uint64_t cycles) const noexcept {
    return Duration{static_cast<std::int64_t>(to_nanoseconds(cycles))};
  }
  std::uint64_t hz() const noexcept { return hz_; }

 private:
  __extension__ using Wide = unsigned __int128;
  /// Wide enough that rounding costs under a nanosecond a second for counters above 1 GHz.
  static constexpr unsigned shift = 32;

  std::uint64_t to_nanoseconds(std::uint64_t cycles) const noexcept {
    return static_cast<std::uint64_t>((Wide{cycles} * scale_) >> shift);
  }

  std::uint64_t start_;
  std::uint64_t hz_;
  std::uint64_t scale_;
};

}  // namespace pollux::dpdk
