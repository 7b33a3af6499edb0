#pragma once

#include <chrono>
#include <cstdint>

namespace pollux {

/// The stack's clock has no now(): time is an argument everywhere below the adapters.
struct StackClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<StackClock>;
  static constexpr bool is_steady = true;
};

using Duration = StackClock::duration;
/// Nanoseconds since an epoch of the caller's choice (start of the process, start of a simulation).
using Instant = StackClock::time_point;
using namespace std::chrono_literals;

class Now;

/// An Instant cut to 32 bits of a coarser unit, for structures that must be small. It compares by
/// signed distance, as sequence numbers do: right as long as the two are less than half a wrap
/// apart (24 days for milliseconds, 35 minutes for microseconds).
template <class Unit>
class Wrapped {
 public:
  constexpr Wrapped() noexcept = default;
  /// Rounds down.
  explicit constexpr Wrapped(Instant when) noexcept
      : count_(static_cast<std::uint32_t>(
            (static_cast<std::uint64_t>(when.time_since_epoch().count()) + whole_wraps) /
            nanoseconds)) {}
  /// The same, known already.
  explicit constexpr Wrapped(const Now& now) noexcept;
  static constexpr Wrapped from_raw(std::uint32_t raw) noexcept {
    Wrapped out;
    out.count_ = raw;
    return out;
  }
  constexpr std::uint32_t raw() const noexcept { return count_; }

  /// The distance from `from` to `to`, negative when `to` is earlier.
  friend constexpr Unit operator-(Wrapped to, Wrapped from) noexcept {
    return Unit{static_cast<std::int32_t>(to.count_ - from.count_)};
  }
  friend constexpr Wrapped operator+(Wrapped from, Unit by) noexcept {
    return from_raw(from.count_ + static_cast<std::uint32_t>(by.count()));
  }
  friend constexpr bool operator==(Wrapped, Wrapped) noexcept = default;
  friend constexpr bool operator<(Wrapped a, Wrapped b) noexcept { return (a - b).count() < 0; }
  friend constexpr bool operator<=(Wrapped a, Wrapped b) noexcept { return (a - b).count() <= 0; }
  friend constexpr bool operator>(Wrapped a, Wrapped b) noexcept { return b < a; }
  friend constexpr bool operator>=(Wrapped a, Wrapped b) noexcept { return b <= a; }

 private:
  static constexpr auto nanoseconds = static_cast<std::uint64_t>(Duration{Unit{1}}.count());
  /// Takes Instants before the epoch to positive numbers, which divide the faster, and changes
  /// nothing of the lower 32 bits: as many whole wraps as there is room for.
  static constexpr std::uint64_t whole_wraps =
      (std::uint64_t{1} << 63) / (nanoseconds << 32) * (nanoseconds << 32);

  std::uint32_t count_ = 0;
};

using Millis32 = Wrapped<std::chrono::milliseconds>;
using Micros32 = Wrapped<std::chrono::microseconds>;

/// The Instant of a burst, and what many of its segments ask of it: divided once.
class Now : public Instant {
 public:
  constexpr Now() noexcept = default;
  constexpr Now(Instant instant) noexcept
      : Instant(instant), millis_(Millis32{instant}), micros_(Micros32{instant}) {}
  constexpr Millis32 millis() const noexcept { return millis_; }
  constexpr Micros32 micros() const noexcept { return micros_; }

 private:
  Millis32 millis_;
  Micros32 micros_;
};

template <>
constexpr Millis32::Wrapped(const Now& now) noexcept : count_(now.millis().raw()) {}
template <>
constexpr Micros32::Wrapped(const Now& now) noexcept : count_(now.micros().raw()) {}

}  // namespace pollux
