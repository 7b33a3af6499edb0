#pragma once

#include <algorithm>
#include <cstdint>

#include "base/assert.h"
#include "base/time.h"

namespace pollux {

/// Lets `burst` events through at once and `per_second` of them in the long run; the rest are
/// refused. It keeps one Instant: the time until which what was let through has been paid for.
class TokenBucket {
 public:
  /// `per_second` in 1..10^9, `burst` at least 1. It starts full.
  constexpr TokenBucket(std::uint32_t per_second, std::uint32_t burst) noexcept
      : price_(std::int64_t{1'000'000'000} / std::int64_t{per_second == 0 ? 1 : per_second}),
        allowance_(price_ * std::int64_t{burst}) {
    POLLUX_ASSERT(per_second > 0 && per_second <= 1'000'000'000 && burst > 0);
  }

  /// True when one more event may happen now; it is then counted.
  [[nodiscard]] constexpr bool take(Instant now) noexcept {
    const Instant from = std::max(paid_until_, now);
    if (from + price_ > now + allowance_) return false;
    paid_until_ = from + price_;
    return true;
  }

  /// When the next event may happen, `now` or later; it is counted, and others come after it. For
  /// events that are put off in turn rather than refused: their number is the caller's to bound.
  [[nodiscard]] constexpr Instant reserve(Instant now) noexcept {
    paid_until_ = std::max(paid_until_, now) + price_;
    return std::max(now, paid_until_ - allowance_);
  }

 private:
  Duration price_;
  Duration allowance_;
  Instant paid_until_{Duration::min()};
};

}  // namespace pollux
