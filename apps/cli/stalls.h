#pragma once

#include <cstdint>

#include "base/time.h"

namespace pollux::cli {

/// What the machine took from a polling core: the gaps between two looks at the clock that are
/// longer than the work between them explains. They stand beside every latency, because a gap of
/// 5 ms in the machine is 5 ms in the slowest percentiles, whoever's fault it is.
class StallMeter {
 public:
  /// A gap of more than this is a stall.
  static constexpr Duration bound = 10us;

  /// Once for each poll, with the clock as it was read for that poll. `work` is what the poll
  /// before it can have taken by itself (its packets, say, at a generous price each); it is taken
  /// off the gap, so that a full burst does not look like a stall.
  void poll(Instant now, Duration work = Duration{0}) noexcept {
    if (!started_) {
      started_ = true;
      first_ = last_ = now;
      return;
    }
    const Duration gap = now - last_ - work;
    last_ = now;
    if (gap <= bound) [[likely]] {
      return;
    }
    lost_ += gap;
    if (gap > longest_) longest_ = gap;
    if (gap > 1ms) ++over_1ms_;
  }

  /// Forgets everything before now: the end of a warm-up.
  void restart(Instant now) noexcept {
    *this = StallMeter{};
    poll(now);
  }

  /// Share of the time since the first poll that was lost, 0 to 1.
  double share() const noexcept {
    const Duration all = last_ - first_;
    return all.count() <= 0 ? 0.0
                            : static_cast<double>(lost_.count()) / static_cast<double>(all.count());
  }
  double longest_us() const noexcept { return static_cast<double>(longest_.count()) / 1000.0; }
  std::uint64_t over_1ms() const noexcept { return over_1ms_; }

 private:
  Instant first_{};
  Instant last_{};
  Duration lost_{0};
  Duration longest_{0};
  std::uint64_t over_1ms_ = 0;
  bool started_ = false;
};

}  // namespace pollux::cli
