#pragma once

#include <cstdint>

#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/flight.h"
#include "transport/tcp/pacing.h"
#include "transport/tcp/tcb.h"

/// The congestion window (RFC 5681 s.3.1, s.4.1; RFC 9438; RFC 9293 MUST-19). What a loss does to
/// it is in recovery.h.
namespace pollux::tcp {

/// The largest window that a peer can offer (RFC 7323 s.2.3): more would change nothing.
inline constexpr std::uint32_t max_cwnd = 1u << 30;

/// The initial window (RFC 6928), or one segment where a SYN was lost (RFC 5681 s.3.1); the
/// Tcb's mss is known by then.
inline void open_congestion_window(Tcb& tcb, const Config& config) noexcept {
  tcb.cwnd = tcb.syn_resent ? tcb.mss : initial_window(tcb, config);
  tcb.ssthresh = max_cwnd;
}

/// An ACK outside of fast recovery.
struct Growth {
  std::uint32_t acked;   // bytes that it tells of the arrival of
  std::uint32_t flight;  // bytes that were in flight before it
  bool mended;           // a time-out had been, and it acknowledges what was sent before that
  Instant now;
};

/// Whether grow_congestion_window() has nothing to do for a connection that has no Sending: the
/// window was not used.
inline bool stays_unused(const Tcb& tcb, std::uint32_t flight) noexcept {
  return !tcb.cwnd_limited && (tcb.cwnd >= tcb.ssthresh || flight < tcb.cwnd / 2);
}

/// Slow start by counting bytes (RFC 3465, with a limit unless they are paced), or congestion
/// avoidance as CUBIC or Reno have it. A window that was not used does not grow (RFC 7661 s.4.4.1).
void grow_congestion_window(Tcb& tcb, const Config& config, Sending* sending,
                            const Growth& ack) noexcept;

/// A congestion event that was told when `flight` bytes were in flight, what the ACK that told it
/// acknowledges included: sets ssthresh by the algorithm in force, and notes in `sending`, where
/// there is one, what it was before. CUBIC without a Sending is Reno.
void reduce_threshold(Tcb& tcb, const Config& config, Sending* sending, std::uint32_t flight,
                      Instant now) noexcept;

/// Takes back what the last congestion event has done to the windows.
void restore_windows(Tcb& tcb, Sending& sending) noexcept;

/// Before text is sent when none is in flight: back to the initial window after a pause of more
/// than one RTO. An initial window may then leave at once, and where there is more the rest is
/// paced.
void restart_after_idle(Tcb& tcb, const Config& config, FlightPool& flights, Instant now) noexcept;

}  // namespace pollux::tcp
