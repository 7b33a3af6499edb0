#include <algorithm>

#include "transport/tcp/recovery.h"
#include "transport/tcp/tcp.h"
#include "transport/tcp/timers.h"
#include "transport/tcp/timestamps.h"

/// RFC 9293 s.3.10.8, timeouts; TIME-WAIT's is in time_wait.h.
namespace pollux::tcp {

namespace {

constexpr std::uint8_t max_backoff = 30;

void give_up(Tcb& tcb, Verdict& verdict) noexcept {
  verdict.closed = true;
  // What ICMP or ARP has said since explains it better than silence does (SHLD-25).
  verdict.cause = tcb.soft_cause != Cause::none ? tcb.soft_cause : Cause::timed_out;
  disarm_all(tcb);
  tcb.state = State::closed;
}

/// The same with a reset; abort() needs the state as it is.
void abandon(Verdict& verdict) noexcept {
  verdict.closed = verdict.abort = true;
  verdict.cause = Cause::timed_out;
}

/// R2 of s.3.8.3, which for a SYN is another one (MUST-23), and for a connection that nobody waits
/// for a time; or the USER TIMEOUT.
bool exhausted(const Tcb& tcb, const Config& config, const Now& now) noexcept {
  const auto without_progress = Millis32{now} - tcb.sent_at;
  const bool limited = tcb.user_timeout_ms != 0;
  if (limited && without_progress >= std::chrono::milliseconds{tcb.user_timeout_ms}) return true;
  if (!tcb.syn_acked) {
    return tcb.retries >= (tcb.active_open ? config.syn_retries : config.syn_ack_retries);
  }
  const bool orphan = tcb.receive_closed && !limited;
  if (orphan && without_progress >= config.orphan_timeout) return true;
  return tcb.retries >= config.data_retries;
}

/// Whether the timer runs for nothing that is on its way: nothing was sent, or only a probe that a
/// closed window has refused.
bool waits(const Tcb& tcb) noexcept {
  if (!tcb.syn_acked) return false;
  const bool refused = tcb.in_flight() == 1 && tcb.snd_pos == tcb.snd_una && !tcb.resend_first;
  return tcb.in_flight() == 0 || refused;
}

/// Where long segments vanish and no ICMP says why, shorter ones may arrive (RFC 4821 s.7.7, a
/// black hole). Said only after some retransmissions, which most losses and outages end before.
void suspect_black_hole(Tcb& tcb, const Config& config, Verdict& verdict) noexcept {
  constexpr std::uint16_t headers = 40;
  constexpr std::uint16_t steps[] = {1024 - headers, 576 - headers};  // s.7.2; RFC 1122 s.3.3.3
  constexpr std::uint8_t suspicious = 6;  // retransmissions; and two more for the next step
  if (!config.path_probing || tcb.in_flight() < tcb.mss) return;
  if (tcb.retries < suspicious || tcb.retries % 2 != 0) return;
  for (const std::uint16_t step : steps) {
    const std::uint16_t mss = tcb.timestamps ? text_beside_timestamps(step) : step;
    if (mss >= tcb.mss) continue;
    tcb.mss = mss;
    tcb.cwnd = mss;  // one segment, as after any time-out
    verdict.path_news = PathNews::black_hole;
    verdict.path_mtu = datagram_size(tcb, mss);
    return;
  }
}

/// The RETRANSMISSION TIMEOUT, which also probes a closed window and overrides silly-window
/// avoidance.
void retransmit(Tcb& tcb, const Config& config, FlightPool& flights, const Now& now,
                Verdict& verdict) noexcept {
  const bool waiting = waits(tcb);
  if (waiting && tcb.snd_pos == tcb.stream_end()) {
    tcb.retransmit_armed = false;
    return;
  }
  const bool closed_window = tcb.syn_acked && tcb.snd_wnd == 0;
  if (exhausted(tcb, config, now)) {
    // Who keeps the window closed may well be there, and is told that nobody waits any more.
    return closed_window && tcb.receive_closed ? abandon(verdict) : give_up(tcb, verdict);
  }
  tcb.retransmit_armed = false;
  if (closed_window || waiting) {
    tcb.probe = true;
    tcb.snd_pos = tcb.snd_una;
    tcb.resend_first = false;
    verdict.zero_window_probe = closed_window;
  } else if (tcb.syn_acked) {
    recover_on_timeout(tcb, config, flights, now);
  } else {
    repeat_syn(tcb);
    if (tcb.syn_due) {  // nothing was lost: no back-off, no small window
      tcb.syn_due = false;
      arm_retransmit(tcb, config, now);
      return;
    }
    if (tcb.in_flight() > 0) tcb.syn_resent = true;  // else it could not leave
  }
  if (closed_window || !waiting) {  // silly-window avoidance overridden is no retransmission
    if (tcb.retries < 255) ++tcb.retries;
    tcb.backoff = std::min<std::uint8_t>(tcb.backoff + 1, max_backoff);
    if (tcb.syn_acked && !closed_window) suspect_black_hole(tcb, config, verdict);
  }
  arm_retransmit(tcb, config, now);  // RFC 6298 (5.5), (5.6)
}

/// RFC 8985 s.7.3: next_segment() has the probe. Without a Flight there is none, and the time-out
/// whose place it would have taken is now.
void probe_tail(Tcb& tcb, const Config& config, FlightPool& flights, const Now& now,
                Verdict& verdict) noexcept {
  tcb.no_tail_probe = true;
  if (Sending* const sending = begin_scoreboard(tcb, flights, tcb.snd_una, now)) {
    sending->probe_due = true;
  } else if (tcb.timing && Micros32{now} - tcb.timed_at >= retransmission_timeout(tcb, config)) {
    return retransmit(tcb, config, flights, now, verdict);
  }
  arm_retransmit(tcb, config, now);
}

void detect_loss(Tcb& tcb, const Config& config, FlightPool& flights, const Now& now,
                 Verdict& verdict) noexcept {
  Sending* const sending = scoreboard_of(tcb, flights);
  if (sending != nullptr) {
    recover_on_reordering_timeout(tcb, config, *sending, now, verdict);
  }
  arm_retransmit(tcb, config, now);
  if (sending == nullptr) return;
  const auto wait = reordering_wait(tcb, *sending, now);
  if (wait.count() > 0) arm_reordering(tcb, wait, now);
}

/// What the retransmission timer was armed for.
void expired(Tcb& tcb, const Config& config, FlightPool& flights, const Now& now,
             Verdict& verdict) noexcept {
  switch (tcb.timer) {
    case Timer::retransmission:
      return retransmit(tcb, config, flights, now, verdict);
    case Timer::tail_probe:
      return probe_tail(tcb, config, flights, now, verdict);
    case Timer::reordering:
      return detect_loss(tcb, config, flights, now, verdict);
  }
}

/// How long a silent peer is probed on: the user's limit counts from the last that was heard, and
/// takes the place of a number of probes. One probe is never enough (MUST-29).
Duration keepalive_left(const Tcb& tcb, const Config& config) noexcept {
  if (tcb.user_timeout_ms == 0) {
    return (config.keepalive_count - tcb.keepalive_probes) * config.keepalive_interval;
  }
  const Duration limit = std::chrono::milliseconds{tcb.user_timeout_ms};
  const Duration silent = config.keepalive_idle + tcb.keepalive_probes * config.keepalive_interval;
  const bool early = tcb.keepalive_probes == 0 && limit <= silent;
  return early ? config.keepalive_interval : limit - silent;
}

/// Keep-alive (s.3.8.4), or the limit of FIN-WAIT-2 for a connection that nobody uses any more.
void idle(Tcb& tcb, const Config& config, const Now& now, Verdict& verdict) noexcept {
  tcb.idle_armed = false;
  if (tcb.receive_closed) {
    if (tcb.state == State::fin_wait_2) give_up(tcb, verdict);
    return;
  }
  if (!tcb.keepalive) return;
  if (tcb.in_flight() > 0 || tcb.snd_pos != tcb.stream_end()) {
    arm_idle(tcb, now, config.keepalive_idle);  // MUST-26; retransmission finds out by itself
    return;
  }
  const Duration left = keepalive_left(tcb, config);
  if (left <= Duration{0}) return give_up(tcb, verdict);
  ++tcb.keepalive_probes;
  tcb.keepalive_due = true;
  verdict.keepalive = true;
  arm_idle(tcb, now, std::min(config.keepalive_interval, left));
}

}  // namespace

Verdict timeout(Tcb& tcb, const Config& config, FlightPool& flights, const Now& now) noexcept {
  Verdict verdict;
  const Millis32 time{now};
  if (tcb.paced && tcb.deadline <= time) tcb.paced = false;  // next_segment() looks again
  if (tcb.ack_armed && tcb.ack_at <= time) {
    tcb.ack_armed = false;
    tcb.ack_now = true;
  }
  if (tcb.retransmit_armed && tcb.retransmit_at <= time)
    expired(tcb, config, flights, now, verdict);
  if (tcb.idle_armed && tcb.idle_at <= time) idle(tcb, config, now, verdict);
  if (verdict.closed) release(tcb, flights);
  if (tcb.sack) update_mend(tcb, flights);
  update_deadline(tcb);
  verdict.send = !verdict.closed && may_send_something(tcb);
  return verdict;
}

}  // namespace pollux::tcp
