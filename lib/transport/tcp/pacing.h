#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/tcb.h"

/// Pacing: what a window has room for leaves spread over the round trip, not as one burst at the
/// speed of the card (RFC 9002 s.7.7; Aggarwal, Savage and Anderson 2000). docs/decisions/0028.
namespace pollux::tcp {

/// IW of RFC 6928 s.2 in bytes, for another number of segments than ten: large segments count for
/// more, yet at least two are allowed. As much may always leave at once.
inline std::uint32_t initial_window(const Tcb& tcb, const Config& config) noexcept {
  constexpr std::uint32_t ordinary_mss = 1460;
  const std::uint32_t segments = config.initial_window;
  if (tcb.mss <= ordinary_mss) return segments * tcb.mss;
  return std::min(segments * tcb.mss, std::max(2u * tcb.mss, segments * ordinary_mss));
}

/// Shorter round trips have too few ticks of the timers for text to be spread over.
inline constexpr std::chrono::microseconds least_paced_round_trip = 4ms;

/// The window by which text is spread. In fast recovery cwnd is only what proportional rate
/// reduction lets leave just now, on the way to ssthresh.
inline std::uint32_t paced_window(const Tcb& tcb) noexcept {
  return tcb.recovering ? std::max(tcb.cwnd, tcb.ssthresh) : tcb.cwnd;
}

/// Whether a connection's text is to be spread.
inline bool paces(const Tcb& tcb, const Config& config) noexcept {
  return tcb.srtt_8 >= 8 * least_paced_round_trip.count() && config.pacing == Pacing::automatic &&
         paced_window(tcb) > initial_window(tcb, config);
}

/// When text may leave. It leaves in twos, which one ACK answers: the second is early, and the next
/// wait for both. What a timer is late by, up to its tick, is made up for.
class Pacer {
 public:
  /// Nothing is in flight: this many bytes may leave at once.
  void restart(std::uint32_t burst, Instant now) noexcept {
    burst_ = burst;
    next_ = now;
  }

  /// Text leaves that is not paced: of the burst it is a part all the same.
  void unpaced(std::uint32_t bytes) noexcept { burst_ -= std::min(bytes, burst_); }

  /// Text has to wait.
  bool holds(Instant now) const noexcept { return now + step_ < next_; }

  /// When what is held is worth a timer.
  Instant due() const noexcept { return next_; }

  /// `bytes` leave now, and take their time. What may not wait, as a probe, takes it afterwards,
  /// so that nothing ever waits longer than two segments take. The last round trip counts where it
  /// was shorter than most, in us, or 0: a queue that has just drained must not be waited for.
  void sent(const Tcb& tcb, std::uint32_t bytes, std::uint32_t last_round_trip,
            Instant now) noexcept {
    constexpr Duration tick = 1ms;
    const bool burst = burst_ != 0;
    burst_ -= std::min(bytes, burst_);
    if (burst_ != 0) return;
    std::uint32_t round_trip = tcb.srtt_8 / 8;
    if (last_round_trip != 0) round_trip = std::min(round_trip, last_round_trip);
    step_ = Duration{std::uint64_t{bytes} * round_trip * 1000 * 10 /
                     (gain_in_tenths(tcb) * paced_window(tcb))};
    next_ = std::clamp(next_, now - tick, now + step_) + step_;
    if (burst) next_ += step_;  // which has had its early one
  }

 private:
  /// Twice the window in a round trip of slow start, which doubles it in that time, and a fifth
  /// more than it later, so that in the long run it is the window and not the pace that counts.
  static std::uint64_t gain_in_tenths(const Tcb& tcb) noexcept {
    return !tcb.recovering && tcb.cwnd < tcb.ssthresh ? 20 : 12;
  }

  Instant next_{};           // the next is in time then
  Duration step_{0};         // what the last text took
  std::uint32_t burst_ = 0;  // bytes that need not wait
};

}  // namespace pollux::tcp
