#include <algorithm>

#include "transport/tcp/arrival.h"
#include "transport/tcp/congestion.h"
#include "transport/tcp/ecn.h"
#include "transport/tcp/recovery.h"
#include "transport/tcp/rtt.h"
#include "transport/tcp/timers.h"

/// RFC 9293 s.3.10.7.4, fifth: what an acknowledgment does.
namespace pollux::tcp {

namespace {

/// The window field as bytes: that of a SYN is never scaled.
std::uint32_t window_of(const Tcb& tcb, const Segment& segment) noexcept {
  if (segment.has(control::syn)) return segment.window;
  return std::uint32_t{segment.window} << tcb.snd_shift;
}

/// RFC 5681 s.2, DUPLICATE ACKNOWLEDGMENT, (a) to (e). What answers the probes of a closed window
/// looks the same, and says nothing about a loss.
bool duplicate_ack(const Tcb& tcb, const Segment& segment) noexcept {
  return tcb.in_flight() > 0 && tcb.snd_wnd > 0 && segment.text == 0 &&
         !segment.has(control::syn | control::fin) && segment.ack == tcb.snd_una &&
         window_of(tcb, segment) == tcb.snd_wnd;
}

/// What was sent again cannot be timed (Karn), but by the timestamp that comes back (RFC 7323
/// s.4.1). An echo of what we have not sent, in the future or long ago, says nothing. Nor does one
/// that comes with the report of a duplicate: its time counts from the copy whose ACK was lost, and
/// has our own waiting in it, so that each such loss would make the RTO longer than the last.
void sample_echo(Tcb& tcb, const Segment& segment, Instant now) noexcept {
  if (is_duplicate_report(segment.options, segment.ack)) return;
  const std::uint32_t echo = segment.options.timestamps->echo;
  const std::chrono::milliseconds since = Millis32{now} - Millis32::from_raw(echo);
  if (since < 0ms || since > 10min) return;
  sample_round_trip(tcb, std::max<std::chrono::microseconds>(since, 1ms));
}

/// SND.UNA < SEG.ACK =< SND.NXT. Returns how many bytes of text it acknowledges.
std::uint32_t advance(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const SeqNum ack = a.segment.ack;
  auto text = static_cast<std::uint32_t>(ack - tcb.snd_una);
  if (!tcb.syn_acked) --text;  // the ACK of a SYN must not open cwnd (RFC 5681 s.3.1)
  tcb.syn_acked = true;
  tcb.snd_una = ack;
  tcb.snd_pos = max(tcb.snd_pos, ack);
  a.verdict.acknowledged = true;

  if (tcb.timing && tcb.timed_seq <= ack) {
    sample_round_trip(tcb, Micros32{a.now} - tcb.timed_at);
    tcb.timing = false;
  } else if (!tcb.timing && (tcb.retries != 0 || tcb.recovering || tcb.srtt_8 == 0) &&
             tcb.timestamps && a.segment.options.timestamps) {
    sample_echo(tcb, a.segment, a.now);
  }
  return text;
}

/// What a new ACK ends, once recovery has made of it what it can.
void settle(Arrival& a, Restart restart) noexcept {
  Tcb& tcb = a.tcb;
  tcb.retries = 0;
  tcb.soft_cause = Cause::none;
  tcb.probe = false;
  tcb.resend_first = tcb.resend_first && tcb.in_flight() > 0;
  if (tcb.in_flight() == 0) {
    tcb.retransmit_armed = false;  // RFC 6298 (5.2)
    return;
  }
  tcb.sent_at = Millis32{a.now};
  if (restart == Restart::yes) {
    arm_retransmit(tcb, a.config, a.now);  // (5.3)
  }
}

/// The scoreboard that the ACK is for, begun when it is the first that has a block.
Sending* scoreboard_for(Arrival& a, SeqNum before) noexcept {
  if (!a.tcb.sack) return nullptr;
  if (Sending* const sending = scoreboard_of(a.tcb, a.flights)) return sending;
  if (a.segment.options.sack_count == 0 || !a.tcb.syn_acked || before == a.tcb.snd_nxt) {
    return nullptr;
  }
  return begin_scoreboard(a.tcb, a.flights, before, a.now);
}

/// With a scoreboard: SND.UNA has moved there from `before`, or has not moved.
void recover_and_wait(Arrival& a, Sending& sending, SeqNum before) noexcept {
  Tcb& tcb = a.tcb;
  a.verdict.fast_retransmit = recover_by_scoreboard(a, sending, before);
  if (tcb.snd_una != before) settle(a, Restart::yes);
  // What a probe would have told is known now.
  const bool probing = tcb.retransmit_armed && tcb.timer == Timer::tail_probe;
  const bool path_probe_lost = a.verdict.path_news == PathNews::loses;
  const bool restart =
      a.verdict.fast_retransmit || path_probe_lost || (probing && tcb.no_tail_probe);
  if (restart && tcb.in_flight() > 0) arm_retransmit(tcb, a.config, a.now);
  const auto wait = reordering_wait(tcb, sending, a.now);
  if (wait.count() > 0) arm_reordering(tcb, wait, a.now);
}

void recover_without_scoreboard(Arrival& a, SeqNum before, std::uint32_t text) noexcept {
  if (Sending* const sending = sending_of(a.tcb, a.flights)) {
    a.verdict.recovery_undone = undo_if_spurious(a, *sending, before);
  }
  a.tcb.no_tail_probe = false;
  settle(a, text > 0 ? recover_on_new_ack(a, text) : Restart::yes);
}

}  // namespace

void take_window(Arrival& a, SeqNum seq, std::uint32_t window) noexcept {
  Tcb& tcb = a.tcb;
  if (tcb.snd_wnd == 0 && window != 0 && tcb.syn_acked) {
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

void enter_established(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  // A FIN that was queued before goes out as soon as there is a connection. A fast open has its
  // state already.
  if (!tcb.synchronized()) tcb.state = tcb.fin_queued ? State::fin_wait_1 : State::established;
  tcb.resend_first = false;
  a.verdict.established = true;
  tcb.backoff = 0;  // RFC 6298 (5.7): the RTO begins anew with the text
  open_congestion_window(tcb, a.config);
  if (tcb.keepalive) arm_idle(tcb, a.now, a.config.keepalive_idle);
}

void take_ack(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const Segment& segment = a.segment;
  if (tcb.keepalive) {  // the peer is there
    if (tcb.keepalive_probes != 0) tcb.soft_cause = Cause::none;
    tcb.keepalive_probes = 0;
    if (!tcb.receive_closed) arm_idle(tcb, a.now, a.config.keepalive_idle);
  }
  if (segment.ack < tcb.snd_una) {
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
  const bool duplicate = duplicate_ack(tcb, segment);
  const std::uint32_t text = before < segment.ack ? advance(a) : 0;
  if (Sending* const sending = scoreboard_for(a, before)) {
    recover_and_wait(a, *sending, before);
  } else if (before != tcb.snd_una) {
    recover_without_scoreboard(a, before, text);
  } else if (duplicate) {
    a.verdict.fast_retransmit = recover_on_duplicate_ack(a);
    if (a.verdict.fast_retransmit) arm_retransmit(tcb, a.config, a.now);
  }
  if (tcb.ecn && segment.has(control::ece) && !segment.has(control::syn)) {
    react_to_echo(tcb, a.config, a.flights, before, a.now);
  }
  if (take) take_window(a, max(tcb.snd_wl1, segment.seq), window_of(tcb, segment));
  if (tcb.snd_wnd == 0 && tcb.retransmit_armed) {
    // As long as probes are answered the connection stays open (MUST-37, SHLD-17), unless nobody
    // waits for it any more, or the user has said for how long (RFC 6429 s.4): sent_at stays.
    tcb.retries = 0;
    tcb.soft_cause = Cause::none;
  }
}

bool check_ack(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const Segment& segment = a.segment;
  if (!segment.has(control::ack)) return discard(a, Drop::tcp_no_ack);
  if (!tcb.syn_acked) {  // SYN-RECEIVED, and FIN-WAIT-1 where CLOSE led there from it
    if (segment.ack <= tcb.snd_una || tcb.snd_nxt < segment.ack) {
      a.verdict.reset_reply = true;
      return discard(a, Drop::tcp_bad_ack);
    }
    // What has followed a SYN that was lost is lost, too: the peer had no use for it.
    if (tcb.syn_resent && !tcb.active_open) tcb.snd_pos = segment.ack;
    enter_established(a);
    tcb.snd_wl1 = segment.seq;
  } else if (segment.ack < tcb.snd_una - tcb.max_snd_wnd || tcb.snd_nxt < segment.ack) {
    challenge(a);  // RFC 5961 s.5
    return discard(a, Drop::tcp_bad_ack);
  }
  take_ack(a);
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
