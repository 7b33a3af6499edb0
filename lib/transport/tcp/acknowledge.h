#pragma once

#include <algorithm>

#include "base/inline.h"
#include "transport/tcp/arrival.h"
#include "transport/tcp/congestion.h"
#include "transport/tcp/ecn.h"
#include "transport/tcp/pacing.h"
#include "transport/tcp/recovery.h"
#include "transport/tcp/rtt.h"
#include "transport/tcp/timers.h"

/// RFC 9293 s.3.10.7.4, fifth: what an acknowledgment does. Of arrives.cc alone, which has all of
/// it twice: for any segment, and for a plain one (plain.h).
namespace pollux::tcp {

/// The window field as bytes: that of a SYN is never scaled.
template <Kind kind>
std::uint32_t window_of(const Tcb& tcb, const Segment& segment) noexcept {
  if (kind == Kind::any && segment.has(control::syn)) return segment.window;
  return std::uint32_t{segment.window} << tcb.snd_shift;
}

/// RFC 5681 s.2, DUPLICATE ACKNOWLEDGMENT, (a) to (e). What answers the probes of a closed window
/// looks the same, and says nothing about a loss.
inline bool duplicate_ack(const Tcb& tcb, const Segment& segment) noexcept {
  return tcb.in_flight() > 0 && tcb.snd_wnd > 0 && segment.text == 0 &&
         !segment.has(control::syn | control::fin) && segment.ack == tcb.snd_una &&
         window_of<Kind::any>(tcb, segment) == tcb.snd_wnd;
}

/// Measures the round trip by the timestamp that has come back (RFC 7323 s.4.1), where it may.
void sample_echo(Tcb& tcb, const Segment& segment, Instant now) noexcept;

/// SND.UNA < SEG.ACK =< SND.NXT. Returns how many bytes of text it acknowledges.
POLLUX_INLINE inline std::uint32_t advance(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const SeqNum ack = a.segment.ack;
  auto text = static_cast<std::uint32_t>(ack - tcb.snd_una);
  if (!tcb.syn_acked) --text;  // the ACK of a SYN must not open cwnd (RFC 5681 s.3.1)
  tcb.syn_acked = true;
  tcb.snd_una = ack;
  tcb.snd_pos = max(tcb.snd_pos, ack);
  a.verdict.acknowledged = true;

  if (tcb.timing) {
    if (tcb.timed_seq <= ack) {
      sample_round_trip(tcb, Micros32{a.now} - tcb.timed_at);
      tcb.timing = false;
    }
  } else if ((tcb.retries != 0 || tcb.recovering || tcb.srtt_8 == 0) && tcb.timestamps &&
             a.segment.options.timestamps) {
    sample_echo(tcb, a.segment, a.now);
  }
  return text;
}

/// What a new ACK ends, once recovery has made of it what it can.
template <Kind kind = Kind::any>
POLLUX_INLINE inline void settle(Arrival& a, Restart restart) noexcept {
  Tcb& tcb = a.tcb;
  tcb.retries = 0;
  tcb.soft_cause = Cause::none;
  if (kind == Kind::any) tcb.probe = false;
  if (tcb.in_flight() == 0) {
    if (kind == Kind::any) tcb.resend_first = false;
    tcb.retransmit_armed = false;  // RFC 6298 (5.2)
    return;
  }
  tcb.sent_at = Millis32{a.now};
  if (restart == Restart::yes) {
    arm_retransmit(tcb, a.config, a.now);  // (5.3)
  }
}

/// The scoreboard that the ACK is for, begun when it is the first that has a block.
Sending* scoreboard_for(Arrival& a, SeqNum before) noexcept;
/// With a scoreboard: SND.UNA has moved there from `before`, or has not moved.
void recover_and_wait(Arrival& a, Sending& sending, SeqNum before) noexcept;

/// Without one: SND.UNA has moved over `acked` bytes of text, of which `told` were known not to be
/// in flight any more; it is not fast recovery.
POLLUX_INLINE inline void grow(Arrival& a, Sending* sending, std::uint32_t acked,
                               std::uint32_t told) noexcept {
  Tcb& tcb = a.tcb;
  const std::uint32_t flight = tcb.in_flight() + acked;
  if (sending != nullptr || !stays_unused(tcb, flight)) {
    grow_congestion_window(
        tcb, a.config, sending,
        {.acked = std::max(acked - told, std::min<std::uint32_t>(acked, tcb.mss)),
         .flight = flight,
         .mended = tcb.snd_una <= tcb.recover,
         .now = a.now});
  }
  // `recover` is pulled along, so that it is never so old that it seems to lie ahead.
  if (tcb.recover < tcb.snd_una) tcb.recover = tcb.snd_una - 1;
}

/// Without one: SND.UNA has moved from `before`, over `text` bytes.
template <Kind kind>
POLLUX_INLINE inline void recover_without_scoreboard(Arrival& a, SeqNum before,
                                                     std::uint32_t text) noexcept {
  Sending* const sending = kind == Kind::plain ? nullptr : sending_of(a.tcb, a.flights);
  if (sending != nullptr) a.verdict.recovery_undone = undo_if_spurious(a, *sending, before);
  Tcb& tcb = a.tcb;
  tcb.no_tail_probe = false;
  if (text == 0) return settle<kind>(a, Restart::yes);
  // Of these the duplicate ACKs have told already.
  const std::uint32_t told =
      kind == Kind::plain ? 0 : std::min<std::uint32_t>(tcb.dup_acks * tcb.mss, text);
  if (kind == Kind::any) tcb.dup_acks = 0;
  tcb.small_step = text <= 4u * tcb.mss;
  if (kind == Kind::any && tcb.recovering) return settle(a, recover_on_new_ack(a, text));
  grow(a, sending, text, told);
  settle<kind>(a, Restart::yes);
}

/// SND.WND, SND.WL1 and MAX.SND.WND.
template <Kind kind>
POLLUX_INLINE inline void take_window(Arrival& a, SeqNum seq, std::uint32_t window) noexcept {
  Tcb& tcb = a.tcb;
  if (kind == Kind::any && tcb.snd_wnd == 0 && window != 0 && tcb.syn_acked) {
    // What the probes of a closed window have added says nothing about the path, and what goes out
    // now has not been tried yet.
    tcb.backoff = 0;
    tcb.retries = 0;
    tcb.sent_at = Millis32{a.now};
    if (tcb.retransmit_armed) arm_retransmit(tcb, a.config, a.now);
  }
  tcb.snd_wnd = window;
  tcb.snd_wl1 = seq;
  tcb.max_snd_wnd = std::max(tcb.max_snd_wnd, window);
}

/// The handshake is complete.
template <Kind kind>
POLLUX_INLINE inline void enter_established(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  // A FIN that was queued before goes out as soon as there is a connection. A fast open has its
  // state already.
  if (!tcb.synchronized()) tcb.state = tcb.fin_queued ? State::fin_wait_1 : State::established;
  if (kind == Kind::any) tcb.resend_first = false;
  a.verdict.established = true;
  tcb.backoff = 0;  // RFC 6298 (5.7): the RTO begins anew with the text
  open_congestion_window(tcb, a.config);
  if (kind == Kind::any && tcb.keepalive) arm_idle(tcb, a.now, a.config.keepalive_idle);
}

/// The processing of an acceptable ACK in ESTABLISHED, which other states add to; its window is
/// `window` bytes.
template <Kind kind>
POLLUX_INLINE inline void take_ack(Arrival& a, std::uint32_t window) noexcept {
  Tcb& tcb = a.tcb;
  const Segment& segment = a.segment;
  if (kind == Kind::any && tcb.keepalive) {  // the peer is there
    if (tcb.keepalive_probes != 0) tcb.soft_cause = Cause::none;
    tcb.keepalive_probes = 0;
    if (!tcb.receive_closed) arm_idle(tcb, a.now, a.config.keepalive_idle);
  }
  if (kind == Kind::any && segment.ack < tcb.snd_una) {
    // One that was overtaken: what its blocks tell is news nevertheless.
    if (segment.options.sack_count == 0) return;
    if (Sending* const sending = scoreboard_for(a, tcb.snd_una)) {
      recover_and_wait(a, *sending, tcb.snd_una);
    }
    return;
  }
  // SND.WL1 =< SEG.SEQ (see snd_wl1 for why SND.WL2 is not asked), or the highest ACK so far, as
  // s.3.8.6 refines it: a window is counted from its own ACK, and would be too large from a later
  // one that came with an old sequence number, in a retransmission.
  const bool take = tcb.snd_una < segment.ack || tcb.snd_wl1 <= segment.seq;
  const SeqNum before = tcb.snd_una;
  const bool duplicate = kind == Kind::any && duplicate_ack(tcb, segment);
  const std::uint32_t text = before < segment.ack ? advance(a) : 0;
  Sending* const scoreboard = kind == Kind::plain ? nullptr : scoreboard_for(a, before);
  if (scoreboard != nullptr) {
    recover_and_wait(a, *scoreboard, before);
  } else if (before != tcb.snd_una) {
    recover_without_scoreboard<kind>(a, before, text);
  } else if (duplicate) {
    a.verdict.fast_retransmit = recover_on_duplicate_ack(a);
    if (a.verdict.fast_retransmit) arm_retransmit(tcb, a.config, a.now);
  }
  if (kind == Kind::any && tcb.ecn && segment.has(control::ece) && !segment.has(control::syn)) {
    react_to_echo(tcb, a.config, a.flights, before, a.now);
  }
  if (take) take_window<kind>(a, max(tcb.snd_wl1, segment.seq), window);
  if (kind == Kind::any && tcb.snd_wnd == 0 && tcb.retransmit_armed) {
    // As long as probes are answered the connection stays open (MUST-37, SHLD-17), unless nobody
    // waits for it any more, or the user has said for how long (RFC 6429 s.4): sent_at stays.
    tcb.retries = 0;
    tcb.soft_cause = Cause::none;
  }
}

/// Fifth, check the ACK field.
template <Kind kind>
POLLUX_INLINE inline bool check_ack(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const Segment& segment = a.segment;
  if (kind == Kind::any && !segment.has(control::ack)) return discard(a, Drop::tcp_no_ack);
  if (!tcb.syn_acked) {  // SYN-RECEIVED, and FIN-WAIT-1 where CLOSE led there from it
    if (kind == Kind::any && (segment.ack <= tcb.snd_una || tcb.snd_nxt < segment.ack)) {
      a.verdict.reset_reply = true;
      return discard(a, Drop::tcp_bad_ack);
    }
    // What has followed a SYN that was lost is lost, too: the peer had no use for it.
    if (tcb.syn_resent && !tcb.active_open) tcb.snd_pos = segment.ack;
    enter_established<kind>(a);
    tcb.snd_wl1 = segment.seq;
  } else if (kind == Kind::any &&
             (segment.ack < tcb.snd_una - tcb.max_snd_wnd || tcb.snd_nxt < segment.ack)) {
    challenge(a);  // RFC 5961 s.5
    return discard(a, Drop::tcp_bad_ack);
  }
  take_ack<kind>(a, window_of<kind>(tcb, segment));
  if (!tcb.fin_acked()) return go_on;
  switch (tcb.state) {
    case State::fin_wait_1:
      tcb.state = State::fin_wait_2;
      if (tcb.receive_closed) arm_idle(tcb, a.now, a.config.fin_wait_2_timeout);
      return go_on;
    case State::closing:
      enter_time_wait(a);
      return done;
    case State::last_ack:
      return end(a, Cause::by_peer);
    case State::fin_wait_2:
    case State::established:
    case State::close_wait:
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::syn_received:
    case State::time_wait:
      break;
  }
  return go_on;
}

}  // namespace pollux::tcp
