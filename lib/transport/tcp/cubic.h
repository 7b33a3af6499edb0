#pragma once

#include <cstdint>

#include "base/time.h"

namespace pollux::tcp {

/// CUBIC (RFC 9438): how cwnd grows in congestion avoidance, by the time since the last congestion
/// event, and what is left of it after one. Windows are in bytes.
class Cubic {
 public:
  /// beta_cubic, s.4.6.
  static constexpr double decrease = 0.7;

  /// A congestion event (s.4.6, s.4.7): returns ssthresh, where at least `least` is left of the
  /// `flight` in flight. `cwnd` is that before the event.
  std::uint32_t reduce(std::uint32_t cwnd, std::uint32_t flight, std::uint32_t least) noexcept;
  /// The retransmission timer has expired (s.4.8): what was known of the path's size is not used.
  void forget() noexcept {
    largest_ = 0;
    growing_ = false;
  }
  /// The sender was not limited by cwnd: the time until it is again does not count (s.5.8).
  void pause() noexcept { growing_ = false; }

  /// cwnd after an ACK of `acked` bytes in congestion avoidance (s.4.2 to 4.5).
  std::uint32_t grow(std::uint32_t cwnd, std::uint32_t acked, std::uint32_t mss,
                     std::uint32_t srtt_us, Instant now) noexcept;

 private:
  void begin(std::uint32_t cwnd, std::uint32_t mss, Instant now) noexcept;

  double largest_ = 0;      // W_max; 0: none is known
  double before_ = 0;       // cwnd_prior
  double origin_ = 0;       // the plateau of the cubic function
  double estimate_ = 0;     // W_est: what Reno would have
  double rest_ = 0;         // of a byte that cwnd has yet to grow by
  std::uint32_t k_ms_ = 0;  // K: when the plateau is reached
  Millis32 begun_;          // the epoch
  bool growing_ = false;
};

}  // namespace pollux::tcp
