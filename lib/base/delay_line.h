#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/assert.h"
#include "base/time.h"

namespace pollux {

/// Numbers that come out again a fixed time after they went in: a ring, in the order of their
/// times. For deadlines that hardly anybody reaches who has one, and that nobody takes back: to put
/// one in is two stores, where a TimerWheel links and unlinks.
class DelayLine {
 public:
  /// Room for `capacity` numbers, a power of two; a delay of less than 24 days.
  DelayLine(std::uint32_t capacity, std::chrono::milliseconds delay)
      : items_(capacity), delay_(delay) {
    POLLUX_ASSERT(capacity != 0 && (capacity & (capacity - 1)) == 0);
  }

  std::chrono::milliseconds delay() const noexcept { return delay_; }
  std::uint32_t size() const noexcept { return end_ - first_; }

  /// False when there is no room. `now` does not go backwards.
  [[nodiscard]] bool push(std::uint32_t number, Instant now) noexcept {
    if (size() == items_.size()) return false;
    at(end_++) = {number, Millis32{now} + delay_};
    return true;
  }

  /// Calls out(std::uint32_t number) for each whose time has come, the first first. It may push.
  template <class F>
  void advance(Instant now, F&& out) noexcept {
    if (size() == 0) return;
    const Millis32 by{now};
    while (size() != 0 && at(first_).due <= by) out(at(first_++).number);
  }

  /// When advance() has something to do, seen from `now`.
  std::optional<Instant> next_deadline(Instant now) const noexcept {
    if (size() == 0) return std::nullopt;
    const auto left = items_[first_ & (items_.size() - 1)].due - Millis32{now};
    return std::chrono::floor<std::chrono::milliseconds>(now) + left;
  }

 private:
  struct Item {
    std::uint32_t number = 0;
    Millis32 due;
  };
  Item& at(std::uint32_t i) noexcept { return items_[i & (items_.size() - 1)]; }

  std::vector<Item> items_;
  std::chrono::milliseconds delay_;
  std::uint32_t first_ = 0;  // and end_: of all that ever went in
  std::uint32_t end_ = 0;
};

}  // namespace pollux
