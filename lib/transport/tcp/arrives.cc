#include <algorithm>

#include "base/inline.h"
#include "transport/tcp/acknowledge.h"
#include "transport/tcp/challenge.h"
#include "transport/tcp/ecn.h"
#include "transport/tcp/recovery.h"
#include "transport/tcp/text.h"
#include "transport/tcp/timers.h"
#include "transport/tcp/timestamps.h"
#include "transport/tcp/window.h"

/// RFC 9293 s.3.10.7, SEGMENT ARRIVES: 3.10.7.1 (CLOSED), .3 (SYN-SENT) and .4 (other states); .2
/// (LISTEN) is in listener.cc. One function a step; each says whether the next one is reached.
namespace pollux::tcp {

namespace {

// --- 3.10.7.4, the steps ---

/// Table 6, with three allowances. A segment that spans the whole window is acceptable. So is one
/// without text at the window's very edge: a peer that has filled the window, and lost the first of
/// it, cannot acknowledge otherwise. And the number after RCV.NXT will do where the window is
/// closed: a peer that has sent a probe may count it as sent (RFC 9293 A.2).
bool acceptable(const Tcb& tcb, SeqNum seq, std::uint32_t length) noexcept {
  const std::uint32_t window = tcb.rcv_wnd();
  if (length > 0) return window > 0 && seq < tcb.rcv_adv && tcb.rcv_nxt < seq + length;
  return tcb.rcv_nxt <= seq && seq <= tcb.rcv_adv + (window == 0 ? 1 : 0);
}

/// Leaves the part of the segment that lies in the window.
void trim(Arrival& a) noexcept {
  const Tcb& tcb = a.tcb;
  if (a.seq < tcb.rcv_nxt) {
    const auto old = static_cast<std::uint32_t>(tcb.rcv_nxt - a.seq);
    const std::uint32_t cut = std::min(old, a.text);
    if (cut != 0) note_duplicate(a, a.seq, a.seq + cut);
    a.offset = cut;
    a.text -= cut;
    a.seq += cut;
  }
  const SeqNum end = a.seq + a.text;
  if (a.text > 0 && tcb.rcv_adv < end) a.text -= static_cast<std::uint32_t>(end - tcb.rcv_adv);
  if (a.fin && tcb.rcv_adv <= a.seq + a.text) a.fin = false;
}

/// In SYN-RECEIVED, or in FIN-WAIT-1 where CLOSE led there from it.
bool peer_syn_again(const Tcb& tcb, const Segment& segment) noexcept {
  return !tcb.syn_acked && segment.has(control::syn) && !segment.has(control::rst) &&
         segment.seq == tcb.irs;
}

/// Whether the ACK of an unacceptable segment is read nevertheless: into a closed window (s.3.4,
/// MUST-66), and where it lies one number too low. That number is what a probe uses up: when both
/// ends have taken each other's probe while their own ACKs were lost, all that either sends is old
/// to the other, and without this they would probe for ever (RFC 9293 A.2, simultaneous probes).
bool ack_counts(const Tcb& tcb, const Segment& segment) noexcept {
  if (segment.has(control::syn)) return false;
  if (segment.seq == tcb.rcv_nxt) return tcb.rcv_wnd() == 0;
  return segment.seq + 1 == tcb.rcv_nxt && segment.len() <= 1;
}

/// First, check sequence number, after the timestamp (RFC 7323 s.5.3).
bool check_sequence(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const Segment& segment = a.segment;
  if (is_old(tcb, segment, a.now)) {
    if (segment.text > 0) {
      tcb.ack_now = true;
    } else {
      challenge(a);
    }
    return discard(a, Drop::tcp_paws);
  }
  if (peer_syn_again(tcb, segment)) {
    // The peer's SYN once more. Without an ACK it has not heard ours. With one it is the second
    // half of a simultaneous open (figure 7): its SYN is old, and trimmed like any old byte.
    if (!segment.has(control::ack)) {
      repeat_syn(tcb);
      tcb.syn_resent = true;
      // It may have stopped asking (RFC 3168 s.6.1.1.1).
      tcb.ecn = tcb.ecn && accepts_ecn(a.config, segment);
      a.verdict.duplicate = true;
      return discard(a, Drop::tcp_bad_sequence);
    }
    a.seq += 1;
    trim(a);
    return go_on;
  }
  // A reset counts by its number alone, even into a closed window (MUST-66; RFC 5961 s.3).
  const std::uint32_t length = segment.has(control::rst) ? 0 : segment.len();
  if (acceptable(tcb, segment.seq, length)) {
    if (!segment.has(control::syn)) trim(a);
    return go_on;
  }
  if (segment.has(control::rst)) return discard(a, Drop::tcp_bad_reset);
  const bool empty = length == 0 || segment.has(control::syn);
  if (empty) {
    challenge(a);
  } else {
    a.verdict.duplicate = segment.text > 0 && segment.seq + length <= tcb.rcv_nxt;
    tcb.ack_now = true;
    if (a.verdict.duplicate) note_duplicate(a, segment.seq, segment.seq + segment.text);
  }
  if (!ack_counts(tcb, segment)) return discard(a, Drop::tcp_bad_sequence);
  a.seq = tcb.rcv_nxt;
  a.text = 0;
  a.fin = false;
  return go_on;
}

/// Second, check the RST bit, as RFC 5961 s.3 has it.
bool check_reset(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  if (!a.segment.has(control::rst)) return go_on;
  if (a.segment.seq != tcb.rcv_nxt) {
    challenge(a);
    return discard(a, Drop::tcp_bad_reset);
  }
  if (!tcb.syn_acked) return end(a, tcb.active_open ? Cause::refused : Cause::reset);
  // Its ACK, where it has one, may be the first to say that all has arrived.
  const SeqNum ack = a.segment.ack;
  const bool news = a.segment.has(control::ack) && tcb.snd_una < ack && ack <= tcb.snd_nxt;
  const bool spoke = tcb.stream_end() != tcb.iss + 1;
  const bool at_end = spoke && tcb.snd_end <= (news ? ack : tcb.snd_una);
  return end(a, at_end ? Cause::reset_at_end : Cause::reset);
}

/// Fourth, check the SYN bit (the third step, security, has nothing to check here).
bool check_syn(Arrival& a) noexcept {
  if (!a.segment.has(control::syn)) return go_on;
  if (peer_syn_again(a.tcb, a.segment)) return go_on;  // trimmed by now
  challenge(a);                                        // RFC 5961 s.4
  return discard(a, Drop::tcp_unexpected_syn);
}

/// Remembers the timestamp of an acceptable segment that begins no later than what was last
/// acknowledged (RFC 7323 s.4.3 (2)). What has come since then is counted in ack_pending: while
/// there is some, the next in order begins later.
template <Kind kind>
POLLUX_INLINE inline void note_timestamp(Tcb& tcb, const Segment& segment,
                                         const Now& now) noexcept {
  if (!tcb.timestamps || !segment.options.timestamps) return;
  if (kind == Kind::any && tcb.rcv_nxt < segment.seq) return;
  const bool next = kind == Kind::plain || segment.seq == tcb.rcv_nxt;
  if (next && tcb.ack_pending != 0) return;
  take_timestamp(tcb, segment.options.timestamps->value, now);
}

/// From the fifth step on.
template <Kind kind>
POLLUX_INLINE inline void last_steps(Arrival& a) noexcept {
  if (!check_ack<kind>(a)) return;
  note_timestamp<kind>(a.tcb, a.segment, a.now);
  if (kind == Kind::any) note_mark(a.tcb, a.segment);
  text_and_fin<kind>(a);
}

void other_states(Arrival& a) noexcept {
  if (check_sequence(a) && check_reset(a) && check_syn(a)) last_steps<Kind::any>(a);
}

// --- 3.10.7.3 ---

/// Both sides' options are known: what holds for the connection from here on.
POLLUX_INLINE inline void take_options(Tcb& tcb, const Config& config,
                                       const wire::TcpOptions& options, const Now& now) noexcept {
  const std::uint16_t peer = options.mss.value_or(default_mss);  // MUST-15
  tcb.mss = std::max(std::min(peer, config.mss), min_mss);       // MUST-16
  tcb.sack = config.sack && options.sack_permitted;
  if (offers_timestamps(config) && options.timestamps) {
    agree_on_timestamps(tcb, options.timestamps->value, now);
  }
  if (!tcb.scale_offered || !options.window_scale) return;  // RFC 7323 s.2.2: both or neither
  tcb.snd_shift = std::min(*options.window_scale, wire::TcpOptions::max_window_scale) & 0xF;
  tcb.rcv_shift = offered_scale(config) & 0xF;
}

/// Fourth, check the SYN bit: the peer's SYN is here. A plain one has our SYN's ACK, and nothing
/// else.
template <Kind kind>
POLLUX_INLINE inline void take_peer_syn(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const Segment& segment = a.segment;
  tcb.irs = segment.seq;
  tcb.rcv_nxt = segment.seq + 1;
  tcb.rcv_adv = tcb.rcv_nxt + syn_window(a.config);
  take_options(tcb, a.config, segment.options, a.now);
  const bool has_ack = kind == Kind::plain || segment.has(control::ack);
  if (has_ack) {
    tcb.ecn = asks_for_ecn(tcb, a.config) && grants_ecn(segment);
  } else {
    tcb.ecn = accepts_ecn(a.config, segment);
  }
  tcb.max_snd_wnd = 0;  // until now it was what our SYN could carry
  take_window<kind>(a, segment.seq, segment.window);
  if (has_ack) {
    enter_established<kind>(a);
    // What of our SYN's text is not acknowledged was not taken (RFC 7413 s.4.2.2), and it is our
    // SYN that this answers.
    if (kind == Kind::any && segment.ack < tcb.timed_seq) tcb.timed_seq = segment.ack;
    if (kind == Kind::plain) {  // nothing but our SYN is acknowledged, and the window is known
      advance(a);
      recover_without_scoreboard<kind>(a, tcb.iss, 0);
    } else {
      take_ack<Kind::any>(a, segment.window);
    }
    tcb.snd_pos = tcb.snd_una;
    tcb.ack_now = true;
    if (kind == Kind::plain) return;
    a.seq += 1;
    trim(a);
    text_and_fin<Kind::any>(a);
    return;
  }
  // Simultaneous open. The SYN goes out again, with the ACK; text that came with the peer's is
  // not acknowledged and will come again.
  tcb.state = State::syn_received;
  tcb.snd_pos = tcb.iss;
}

/// Our reset ends what the peer has, so the SYN may go again soon; once, for a peer whom that does
/// not help may be hostile.
void reset_and_ask_again(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  a.verdict.reset_reply = true;
  const Duration again = a.config.syn_again;
  if (again == Duration{0} || tcb.retries != 0 || tcb.syn_answered) return;
  tcb.syn_answered = tcb.syn_due = true;
  tcb.retransmit_at = later(a.now, again);
}

void syn_sent(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const Segment& segment = a.segment;
  const bool has_ack = segment.has(control::ack);
  if (has_ack && (segment.ack <= tcb.iss || tcb.snd_nxt < segment.ack)) {  // first, check the ACK
    // The peer still has an older connection of this four-tuple (figure 9).
    if (!segment.has(control::rst)) reset_and_ask_again(a);
    discard(a, Drop::tcp_bad_ack);
    return;
  }
  if (segment.has(control::rst)) {  // second, check the RST bit
    if (has_ack) {
      end(a, Cause::refused);
    } else {
      discard(a, Drop::tcp_bad_reset);
    }
    return;
  }
  if (segment.has(control::syn)) {
    // The peer's clock has to pass the old connection's text first: our SYN will come again.
    if (tcb.irs_bounded && segment.seq < tcb.irs) {
      if (has_ack) reset_and_ask_again(a);
      discard(a, Drop::tcp_bad_sequence);
      return;
    }
    take_peer_syn<Kind::any>(a);
  } else {
    discard(a, Drop::tcp_bad_sequence);  // fifth: what cannot be validated
  }
}

}  // namespace

void challenge(Arrival& a) noexcept {
  const auto slot = static_cast<std::uint16_t>(challenge_slot<65'535>(a.now));
  if (slot == a.tcb.challenge_slot) return;
  a.tcb.challenge_slot = slot;
  a.tcb.ack_now = true;
  a.verdict.challenge_ack = true;
}

Verdict any_segment_arrives(Tcb& tcb, const Config& config, const Segment& segment,
                            FlightPool& flights, const Now& now, bool room) noexcept {
  Verdict verdict;
  keep_in_memory(verdict);
  Arrival a{.tcb = tcb,
            .config = config,
            .segment = segment,
            .flights = flights,
            .now = now,
            .verdict = verdict,
            .seq = segment.seq,
            .text = room ? segment.text : 0,
            .fin = room && segment.has(control::fin)};
  if (tcb.state == State::syn_sent) {
    syn_sent(a);
  } else {
    other_states(a);
  }
  if (!room && verdict.drop == Drop::none && !verdict.closed) {
    tcb.ack_now = true;
    discard(a, Drop::tcp_no_buffer);
  }
  if (verdict.closed || flight_is_idle(tcb, flights)) release(tcb, flights);
  if (tcb.sack) update_mend(tcb, flights);
  update_deadline(tcb);
  verdict.send = (!verdict.closed || verdict.time_wait) && may_send_something(tcb);
  return verdict;
}

namespace {

/// The short way of what is_plain() lets through.
POLLUX_INLINE inline Verdict plain_segment_arrives(Tcb& tcb, const Config& config,
                                                   const Segment& segment, FlightPool& flights,
                                                   const Now& now) noexcept {
  Verdict verdict;
  keep_in_memory(verdict);
  Arrival a{.tcb = tcb,
            .config = config,
            .segment = segment,
            .flights = flights,
            .now = now,
            .verdict = verdict,
            .seq = segment.seq,
            .text = segment.text,
            .fin = segment.has(control::fin)};
  last_steps<Kind::plain>(a);
  update_deadline(tcb);
  if ((tcb.ack_now || tcb.snd_pos != tcb.stream_end()) && tcb.state != State::closed) {
    verdict.send = true;
  }
  return verdict;
}

/// And of what is_plain_syn_ack() does.
[[gnu::noinline]] Verdict plain_syn_ack_arrives(Tcb& tcb, const Config& config,
                                                const Segment& segment, FlightPool& flights,
                                                const Now& now) noexcept {
  Verdict verdict;
  keep_in_memory(verdict);
  Arrival a{.tcb = tcb,
            .config = config,
            .segment = segment,
            .flights = flights,
            .now = now,
            .verdict = verdict,
            .seq = segment.seq};
  take_peer_syn<Kind::plain>(a);
  update_deadline(tcb);
  verdict.send = true;  // the ACK of it
  return verdict;
}

}  // namespace

Verdict segment_arrives(Tcb& tcb, const Config& config, const Segment& segment, FlightPool& flights,
                        const Now& now, bool room) noexcept {
  if (tcb.state == State::syn_sent) {
    if (room && is_plain_syn_ack(tcb, segment)) {
      return plain_syn_ack_arrives(tcb, config, segment, flights, now);
    }
  } else if (room && is_plain(tcb, segment)) {
    return plain_segment_arrives(tcb, config, segment, flights, now);
  }
  return any_segment_arrives(tcb, config, segment, flights, now, room);
}

std::optional<Segment> reset_for(const Segment& segment) noexcept {
  if (segment.has(control::rst)) return std::nullopt;
  Segment reset;
  if (segment.has(control::ack)) {
    reset.seq = segment.ack;
    reset.control = control::rst;
  } else {
    reset.ack = segment.seq + segment.len();
    reset.control = control::rst | control::ack;
  }
  return reset;
}

}  // namespace pollux::tcp
