#include "transport/tcp/cubic.h"

#include <algorithm>
#include <cmath>

namespace pollux::tcp {

namespace {

constexpr double c = 0.4;  // C, s.5: in segments per second cubed

/// alpha_cubic of s.4.3, with which W_est keeps up with Reno on average although it gives up less.
constexpr double reno_increase = 3 * (1 - Cubic::decrease) / (1 + Cubic::decrease);

}  // namespace

std::uint32_t Cubic::reduce(std::uint32_t cwnd, std::uint32_t flight,
                            std::uint32_t least) noexcept {
  const auto window = static_cast<double>(cwnd);
  before_ = window;
  // Fast convergence (s.4.7): a flow that has lost again before it reached its former share leaves
  // room to new ones.
  largest_ = window < largest_ ? window * (1 + decrease) / 2 : window;
  growing_ = false;
  return std::max(static_cast<std::uint32_t>(static_cast<double>(flight) * decrease), least);
}

void Cubic::begin(std::uint32_t cwnd, std::uint32_t mss, Instant now) noexcept {
  const auto window = static_cast<double>(cwnd);
  growing_ = true;
  begun_ = Millis32{now};
  estimate_ = window;
  rest_ = 0;
  origin_ = std::max(largest_, window);
  const double segments = (origin_ - window) / static_cast<double>(mss);
  k_ms_ = static_cast<std::uint32_t>(std::cbrt(segments / c) * 1000);  // figure 2
}

std::uint32_t Cubic::grow(std::uint32_t cwnd, std::uint32_t acked, std::uint32_t mss,
                          std::uint32_t srtt_us, Instant now) noexcept {
  if (!growing_) begin(cwnd, mss, now);
  const auto window = static_cast<double>(cwnd);
  const auto share = static_cast<double>(acked) / window;
  const auto segment = static_cast<double>(mss);
  const double elapsed = static_cast<double>((Millis32{now} - begun_).count()) / 1e3;
  const double from_plateau = elapsed - static_cast<double>(k_ms_) / 1e3;
  const auto at = [&](double t) { return origin_ + c * segment * t * t * t; };  // figure 1

  estimate_ += (estimate_ < before_ ? reno_increase : 1.0) * share * segment;  // figure 4
  double next = window + rest_;
  if (at(from_plateau) < estimate_) {
    next = std::max(next, estimate_);  // s.4.3, the region of Reno
  } else {
    const double ahead = at(from_plateau + static_cast<double>(srtt_us) / 1e6);
    next += (std::clamp(ahead, window, window * 1.5) - window) * share;
  }
  const auto whole = static_cast<std::uint32_t>(next);
  rest_ = next - static_cast<double>(whole);
  return std::max(whole, cwnd);
}

}  // namespace pollux::tcp
