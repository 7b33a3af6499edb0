#pragma once

#include <algorithm>
#include <chrono>

#include "base/inline.h"
#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/plain.h"
#include "transport/tcp/rtt.h"
#include "transport/tcp/tcb.h"

/// For the files of this room only: what writes a Tcb's timers.
namespace pollux::tcp {

/// `by` after now, rounded up, so that a timer is never early.
inline Millis32 later(const Now& now, Duration by) noexcept {
  return Millis32{now + by + 1ms - 1ns};
}

/// Writes `deadline`; called after any timer was armed or disarmed. What waits for its time is not
/// made to wait longer: next_segment() alone knows until when.
inline void update_deadline(Tcb& tcb) noexcept {
  if (tcb.retransmit_armed && !tcb.ack_armed && !tcb.idle_armed && !tcb.paced) {
    tcb.deadline = tcb.retransmit_at;
    return;
  }
  if (!tcb.has_deadline()) return;
  bool any = tcb.paced;
  const auto consider = [&](bool armed, Millis32 at) {
    if (!armed || (any && tcb.deadline <= at)) return;
    tcb.deadline = at;
    any = true;
  };
  consider(tcb.retransmit_armed, tcb.retransmit_at);
  consider(tcb.ack_armed, tcb.ack_at);
  consider(tcb.idle_armed, tcb.idle_at);
}

/// PTO (RFC 8985 s.7.2): when the end of what is in flight is probed, for want of what its loss
/// would be told by. An ACK of a single segment may be delayed; and two ticks are for the timers of
/// both ends.
inline Duration tail_probe_timeout(const Tcb& tcb) noexcept {
  constexpr Duration ticks = 2ms;
  constexpr Duration delayed_ack = 200ms;
  const Duration two_round_trips = std::chrono::microseconds{tcb.srtt_8 / 4};
  return two_round_trips + (tcb.in_flight() <= tcb.mss ? delayed_ack : ticks);
}

/// Whether such a probe could help.
template <Kind kind = Kind::any>
POLLUX_INLINE inline bool may_probe_tail(const Tcb& tcb) noexcept {
  const bool possible = tcb.sack && tcb.syn_acked && !tcb.no_tail_probe && tcb.srtt_8 != 0 &&
                        tcb.retries == 0 && !tcb.in_episode();
  if (kind == Kind::plain) return possible;
  return possible && tcb.in_flight() > 0 && tcb.snd_wnd != 0 && tcb.snd_pos == tcb.snd_nxt;
}

/// Makes the retransmission timer, which runs, that of a tail loss probe where one could help: at
/// the latest it comes in place of the time-out (RFC 8985 s.7.2), whose timer begins anew with it.
inline void arm_tail_probe(Tcb& tcb, const Now& now) noexcept {
  if (tcb.timer != Timer::retransmission || !may_probe_tail(tcb)) return;
  tcb.retransmit_at = std::min(tcb.retransmit_at, later(now, tail_probe_timeout(tcb)));
  tcb.timer = Timer::tail_probe;
}

/// Starts the retransmission timer, or starts it again, with the RTO in force (RFC 6298 s.5), or
/// for a tail loss probe. The user's limit, counted from the last time that something new was sent
/// or answered, may end it sooner.
inline void arm_retransmit(Tcb& tcb, const Config& config, const Now& now,
                           bool may_probe) noexcept {
  Duration wait = retransmission_timeout(tcb, config);
  tcb.retransmit_armed = true;
  tcb.timer = Timer::retransmission;
  if (may_probe) {
    wait = std::min(wait, tail_probe_timeout(tcb));
    tcb.timer = Timer::tail_probe;
  }
  tcb.retransmit_at = later(now, wait);
  if (tcb.user_timeout_ms == 0) return;
  const Millis32 limit = tcb.sent_at + std::chrono::milliseconds{tcb.user_timeout_ms};
  if (tcb.retransmit_at <= limit) return;
  tcb.retransmit_at = limit < Millis32{now} ? Millis32{now} : limit;
  tcb.timer = Timer::retransmission;
}

inline void arm_retransmit(Tcb& tcb, const Config& config, const Now& now) noexcept {
  arm_retransmit(tcb, config, now, may_probe_tail(tcb));
}

/// Makes the retransmission timer that of RACK, where that is sooner.
inline void arm_reordering(Tcb& tcb, std::chrono::microseconds wait, const Now& now) noexcept {
  const Millis32 at = later(now, wait);
  if (tcb.retransmit_armed && tcb.retransmit_at <= at) return;
  tcb.retransmit_at = at;
  tcb.retransmit_armed = true;
  tcb.timer = Timer::reordering;
}

/// Text waits until then.
inline void await_pace(Tcb& tcb, Instant due, const Now& now) noexcept {
  const Millis32 at = later(now, due - now);
  if (!tcb.has_deadline() || at < tcb.deadline) tcb.deadline = at;
  tcb.paced = true;
}

inline void arm_idle(Tcb& tcb, const Now& now, Duration by) noexcept {
  tcb.idle_at = later(now, by);
  tcb.idle_armed = true;
}

/// Turns every timer off: the connection is over.
inline void disarm_all(Tcb& tcb) noexcept {
  tcb.retransmit_armed = false;
  tcb.ack_armed = false;
  tcb.idle_armed = false;
}

/// The sequence number of a segment without text: SND.NXT, but the edge of the peer's window where
/// that lies before it because of a probe, or of a window that was taken back. The peer could not
/// accept what lies behind the edge, and would not read the ACK in it (RFC 9293 A.2). An edge that
/// seems to be taken back by less than the scale's unit is a matter of rounding (RFC 7323 s.2.4).
inline SeqNum next_seq(const Tcb& tcb) noexcept {
  if (!tcb.syn_acked || tcb.in_flight() <= tcb.snd_wnd) return tcb.snd_nxt;
  const std::uint32_t beyond = tcb.in_flight() - tcb.snd_wnd;
  const bool probing = tcb.snd_wnd == 0 && beyond == 1;
  const bool rounding = beyond < (1u << tcb.snd_shift);
  return rounding && !probing ? tcb.snd_nxt : tcb.snd_una + tcb.snd_wnd;
}

/// Our SYN is to go again. Of a passive open that is a fast one, whose peer may not even be who it
/// seems, it goes alone, however much has followed it (RFC 7413 s.5.2).
inline void repeat_syn(Tcb& tcb) noexcept {
  if (tcb.active_open) {
    tcb.snd_pos = tcb.iss;
  } else {
    tcb.resend_first = true;
  }
}

/// Whether next_segment() may find something to do.
inline bool may_send_something(const Tcb& tcb) noexcept {
  return tcb.ack_now || tcb.resend_first || tcb.probe || tcb.mend || tcb.keepalive_due ||
         tcb.snd_pos != tcb.stream_end();
}

}  // namespace pollux::tcp
