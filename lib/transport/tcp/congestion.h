#pragma once

#include <cstdint>

#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/tcb.h"

/// The congestion window (RFC 5681 s.3.1, s.4.1; RFC 9293 MUST-19). What a loss does to it is in
/// recovery.h.
namespace pollux::tcp {

/// The largest window that a peer can offer (RFC 7323 s.2.3): more would change nothing.
inline constexpr std::uint32_t max_cwnd = 1u << 30;

/// The initial window (RFC 6928), or one segment where a SYN was lost (RFC 5681 s.3.1); the
/// Tcb's mss is known by then.
void open_congestion_window(Tcb& tcb, const Config& config) noexcept;

/// An ACK of `acked` new bytes of text, outside of fast recovery: slow start, or congestion
/// avoidance by counting bytes.
void grow_congestion_window(Tcb& tcb, std::uint32_t acked) noexcept;

/// Before text is sent when none is in flight: back to the initial window after a pause of more
/// than one RTO.
void restart_after_idle(Tcb& tcb, const Config& config, Instant now) noexcept;

}  // namespace pollux::tcp
