#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace pollux::load {

/// When connections are to be opened: at a rate, or, without one, as many as there is room for.
/// Both grow from nothing over the ramp.
class Pace {
 public:
  /// `rate`: connections a second; none: a closed loop.
  Pace(std::optional<double> rate, Duration ramp) noexcept
      : rate_(rate), ramp_(std::chrono::duration<double>(ramp).count()) {}

  /// Nothing is due before.
  void start(Instant now) noexcept {
    started_ = now;
    taken_ = 0;
  }
  Instant started() const noexcept { return started_; }
  bool closed_loop() const noexcept { return !rate_; }
  /// Negative before the start.
  Duration since_start(Instant now) const noexcept { return now - started_; }

  /// Of a rate: how many connections are due that have not been taken yet.
  std::uint64_t missing(Instant now) const noexcept {
    const double missing = owed(now) - static_cast<double>(taken_);
    return missing < 1 ? 0 : static_cast<std::uint64_t>(missing);
  }
  /// When the next connection is due, or was: of a closed loop, now.
  Instant next_due(Instant now) const noexcept {
    if (!rate_) return now;
    const auto k = static_cast<double>(taken_) + 1;
    const double in_ramp = *rate_ * ramp_ / 2;
    const double at = k < in_ramp ? std::sqrt(2 * ramp_ * k / *rate_) : k / *rate_ + ramp_ / 2;
    return started_ + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(at));
  }
  /// One is opened, or has failed.
  void take() noexcept { ++taken_; }
  /// Whatever is due now is not wanted any more.
  void forgive(Instant now) noexcept { taken_ += missing(now); }

  /// Of a closed loop: how many of `concurrency` may be open now.
  std::uint64_t wanted(Instant now, std::uint32_t concurrency) const noexcept {
    const double since = seconds(now);
    return static_cast<std::uint64_t>((since < ramp_ ? since / ramp_ : 1.0) * concurrency);
  }

 private:
  double seconds(Instant now) const noexcept {
    return std::max(std::chrono::duration<double>(now - started_).count(), 0.0);
  }
  double owed(Instant now) const noexcept {
    const double since = seconds(now);
    return since < ramp_ ? *rate_ * since * since / (2 * ramp_) : *rate_ * (since - ramp_ / 2);
  }

  std::optional<double> rate_;
  double ramp_;
  Instant started_{};
  std::uint64_t taken_ = 0;
};

}  // namespace pollux::load
