#include "transport/tcp/congestion.h"

#include <algorithm>

#include "transport/tcp/pacing.h"
#include "transport/tcp/recovery.h"
#include "transport/tcp/rtt.h"

namespace pollux::tcp {

namespace {

/// L of RFC 3465: a burst no longer than the one that a connection may begin with (RFC 6928), so
/// that one ACK of all of that doubles it. RFC 9406 s.4.3 has 8 for a sender that does not pace,
/// and no limit for one that does.
constexpr std::uint32_t most_segments_by_ack = 10;

std::uint32_t most_growth_by_ack(const Tcb& tcb, const Config& config, const Sending* sending,
                                 bool mended) noexcept {
  if (mended) return tcb.mss;  // what fills a hole was in flight for long
  if (sending != nullptr && paces(tcb, config)) return max_cwnd;
  return most_segments_by_ack * tcb.mss;
}

bool uses_cubic(const Config& config, const Sending* sending) noexcept {
  return config.congestion == Congestion::cubic && sending != nullptr;
}

}  // namespace

void grow_congestion_window(Tcb& tcb, const Config& config, Sending* sending,
                            const Growth& ack) noexcept {
  // Nor does one that has just been told to shrink (RFC 3168 s.6.1.2).
  if (sending != nullptr && sending->reduced) {
    if (tcb.snd_una <= sending->reduced_to) return;
    sending->reduced = false;
  }
  const bool by_cubic = uses_cubic(config, sending);
  if (tcb.cwnd < tcb.ssthresh) {
    if (!tcb.cwnd_limited && ack.flight < tcb.cwnd / 2) return;
    // A peer who acknowledges bytes one by one gains nothing by it, nor does one who acknowledges
    // many at once gain a burst without end.
    tcb.cwnd += std::min(ack.acked, most_growth_by_ack(tcb, config, sending, ack.mended));
  } else if (!tcb.cwnd_limited) {
    if (by_cubic) sending->cubic.pause();
  } else if (by_cubic) {
    tcb.cwnd = sending->cubic.grow(tcb.cwnd, ack.acked, tcb.mss, tcb.srtt_8 / 8, ack.now);
  } else {
    tcb.acked_bytes += ack.acked;
    if (tcb.acked_bytes >= tcb.cwnd) {
      tcb.acked_bytes -= tcb.cwnd;
      tcb.cwnd += tcb.mss;
    }
  }
  tcb.cwnd = std::min(tcb.cwnd, max_cwnd);
}

void reduce_threshold(Tcb& tcb, const Config& config, Sending* sending, std::uint32_t flight,
                      Instant now) noexcept {
  // Equation (4) of RFC 5681. What limited transmit sent beyond cwnd does not count (s.3.2 step 2).
  flight = std::min(flight, tcb.cwnd);
  const std::uint32_t least = 2u * tcb.mss;
  if (sending != nullptr) {
    sending->undo_cwnd = tcb.cwnd;
    sending->undo_ssthresh = tcb.ssthresh;
    sending->undo_cubic = sending->cubic;
    sending->undo_una = tcb.snd_una;
    sending->undo_at = Millis32{now};
    sending->undo_mss = tcb.mss;
    // What else was sent again will be reported as well.
    const bool goes_on = sending->may_undo && tcb.in_episode();
    if (!goes_on) sending->undo_pending = 0;
    if (sending->probe_out && sending->probe_again) sending->undo_pending += sending->probe_size;
    sending->may_undo = true;
    sending->undo_ends = false;
    sending->eventful = true;
  }
  tcb.cwr_due = tcb.ecn;  // whatever the reason is (RFC 3168 s.6.1.2)
  tcb.ssthresh = uses_cubic(config, sending) ? sending->cubic.reduce(tcb.cwnd, flight, least)
                                             : std::max(flight / 2, least);
}

void restore_windows(Tcb& tcb, Sending& sending) noexcept {
  sending.may_undo = false;
  tcb.mss = std::max(tcb.mss, sending.undo_mss);
  sending.cubic = sending.undo_cubic;
  tcb.cwnd = std::max(tcb.cwnd, sending.undo_cwnd);
  tcb.ssthresh = std::max(tcb.ssthresh, sending.undo_ssthresh);
}

void restart_after_idle(Tcb& tcb, const Config& config, FlightPool& flights, Instant now) noexcept {
  const std::uint32_t restart_window = initial_window(tcb, config);  // RW = min(IW, cwnd)
  if (tcb.cwnd <= restart_window && tcb.flight == no_flight) return;
  Sending* sending = sending_of(tcb, flights);
  if (tcb.cwnd > restart_window) {
    if (Millis32{now} - tcb.sent_at > retransmission_timeout(tcb, config)) {
      tcb.cwnd = restart_window;
      if (sending != nullptr) sending->cubic.pause();
    } else if (paces(tcb, config) && tcb.snd_end - tcb.snd_pos > std::int64_t{restart_window}) {
      sending = remember(tcb, flights);
    }
  }
  if (sending != nullptr) sending->pacer.restart(restart_window, now);
}

}  // namespace pollux::tcp
