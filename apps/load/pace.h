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
///
/// What a stall has kept back is made up for at a quarter more than the rate, no slower than
/// `least_haste`. As fast as polls come it would be a burst that a link's rings do not hold: what
/// is lost there comes again on top of all that is due, and of a rate near the highest that never
/// ends.
class Pace {
 public:
  static constexpr double haste = 1.25;
  static constexpr double least_haste = 100'000;  // connections a second

  /// `rate`: connections a second; none: a closed loop.
  Pace(std::optional<double> rate, Duration ramp) noexcept
      : rate_(rate),
        ramp_(std::chrono::duration<double>(ramp).count()),
        fastest_(std::max(haste * rate.value_or(0), least_haste)) {}

  /// Nothing is due before.
  void start(Instant now) noexcept {
    started_ = now;
    taken_ = 0;
    looked_ = now;
    allowed_ = 0;
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
  /// Of these, how many may be opened now, `burst` at most; from poll to poll.
  std::uint64_t due(Instant now, std::uint32_t burst) noexcept {
    const double more = std::chrono::duration<double>(now - looked_).count() * fastest_;
    allowed_ = std::clamp(allowed_ + more, 0.0, static_cast<double>(burst));
    looked_ = now;
    return std::min(missing(now), static_cast<std::uint64_t>(allowed_));
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
  void take() noexcept {
    ++taken_;
    allowed_ -= 1;
  }
  /// Whatever is due now is not wanted any more.
  void forgive(Instant now) noexcept { taken_ += missing(now); }

  /// Of a closed loop: how many of `concurrency` may be open now.
  std::uint64_t wanted(Instant now, std::uint32_t concurrency) const noexcept {
    if (ramp_ == 0) return concurrency;
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
  double fastest_;
  Instant started_{};
  Instant looked_{};
  double allowed_ = 0;  // of what is missing, to be opened now
  std::uint64_t taken_ = 0;
};

}  // namespace pollux::load
