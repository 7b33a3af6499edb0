#include "transport/tcp/congestion.h"

#include <algorithm>

#include "transport/tcp/rtt.h"

namespace pollux::tcp {

namespace {

/// IW of RFC 6928 s.2, for another number of segments than ten: large segments count for more, yet
/// at least two are allowed.
std::uint32_t initial_window(const Tcb& tcb, const Config& config) noexcept {
  constexpr std::uint32_t ordinary_mss = 1460;
  const std::uint32_t segments = config.initial_window;
  return std::min(segments * tcb.mss, std::max(2u * tcb.mss, segments * ordinary_mss));
}

}  // namespace

void open_congestion_window(Tcb& tcb, const Config& config) noexcept {
  tcb.cwnd = tcb.syn_resent ? tcb.mss : initial_window(tcb, config);
  tcb.ssthresh = max_cwnd;
}

void grow_congestion_window(Tcb& tcb, std::uint32_t acked) noexcept {
  if (tcb.cwnd < tcb.ssthresh) {
    // Equation (2): no more than SMSS, so that a peer who acknowledges bytes one by one, or many
    // at once, gains nothing by it.
    tcb.cwnd += std::min<std::uint32_t>(acked, tcb.mss);
  } else {
    tcb.acked_bytes += acked;
    if (tcb.acked_bytes >= tcb.cwnd) {
      tcb.acked_bytes -= tcb.cwnd;
      tcb.cwnd += tcb.mss;
    }
  }
  tcb.cwnd = std::min(tcb.cwnd, max_cwnd);
}

void restart_after_idle(Tcb& tcb, const Config& config, Instant now) noexcept {
  const std::uint32_t restart_window = initial_window(tcb, config);  // RW = min(IW, cwnd)
  if (tcb.cwnd <= restart_window) return;
  if (Millis32{now} - tcb.sent_at <= retransmission_timeout(tcb, config)) return;
  tcb.cwnd = restart_window;
}

}  // namespace pollux::tcp
