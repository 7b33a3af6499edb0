#include <algorithm>

#include "transport/tcp/congestion.h"
#include "transport/tcp/recovery.h"
#include "transport/tcp/rtt.h"
#include "transport/tcp/tcp.h"
#include "transport/tcp/timers.h"
#include "transport/tcp/window.h"

/// RFC 9293 s.3.10.7, SEGMENT ARRIVES: 3.10.7.1 (CLOSED), .3 (SYN-SENT) and .4 (other states); .2
/// (LISTEN) is in listener.cc. One function a step; each says whether the next one is reached.
namespace pollux::tcp {

namespace {

/// One segment on its way through the steps.
struct Arrival {
  Tcb& tcb;
  const Config& config;
  const Segment& segment;
  FlightPool& flights;
  Instant now;
  Verdict verdict{};
  // What is left of the segment after trimming: it begins at `seq`, `offset` bytes into the text.
  SeqNum seq;
  std::uint32_t offset = 0;
  std::uint32_t text = 0;
  bool fin = false;
};

constexpr bool go_on = true;
constexpr bool done = false;

bool discard(Arrival& a, Drop drop) noexcept {
  a.verdict.drop = drop;
  return done;
}

/// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, at most once in 512 ms where the segment may itself be such
/// an answer (RFC 5961 s.7), so that two ends that disagree do not talk for ever.
void challenge(Arrival& a) noexcept {
  const auto slot = static_cast<std::uint8_t>(Millis32{a.now}.raw() / 512 % 255 + 1);
  if (slot == a.tcb.challenge_slot) return;
  a.tcb.challenge_slot = slot;
  a.tcb.ack_now = true;
  a.verdict.challenge_ack = true;
}

bool end(Arrival& a, Cause cause) noexcept {
  a.verdict.closed = true;
  a.verdict.cause = cause;
  disarm_all(a.tcb);
  a.tcb.state = State::closed;
  return done;
}

void enter_time_wait(Arrival& a) noexcept {
  end(a, Cause::by_us);
  a.verdict.time_wait = true;
  a.tcb.state = State::time_wait;
}

/// Both sides' options are known: what holds for the connection from here on.
void take_options(Tcb& tcb, const Config& config, const wire::TcpOptions& options) noexcept {
  const std::uint16_t peer = options.mss.value_or(default_mss);  // MUST-15
  tcb.mss = std::max(std::min(peer, tcb.mss), min_mss);          // MUST-16
  if (!tcb.scale_offered || !options.window_scale) return;       // RFC 7323 s.2.2: both or neither
  tcb.snd_shift = std::min(*options.window_scale, wire::TcpOptions::max_window_scale) & 0xF;
  tcb.rcv_shift = std::min(config.window_scale, wire::TcpOptions::max_window_scale) & 0xF;
}

void take_window(Tcb& tcb, SeqNum seq, std::uint32_t window) noexcept {
  // What the probes of a closed window have added says nothing about the path.
  if (tcb.snd_wnd == 0 && window != 0) tcb.backoff = 0;
  tcb.snd_wnd = window;
  tcb.snd_wl1 = seq;
  tcb.max_snd_wnd = std::max(tcb.max_snd_wnd, window);
}

void enter_established(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  // A FIN that was queued before goes out as soon as there is a connection.
  tcb.state = tcb.fin_queued ? State::fin_wait_1 : State::established;
  a.verdict.established = true;
  tcb.backoff = 0;  // RFC 6298 (5.7): the RTO begins anew with the text
  open_congestion_window(tcb, a.config);
  if (tcb.keepalive) arm_idle(tcb, a.now, a.config.keepalive_idle);
}

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

/// SND.UNA < SEG.ACK =< SND.NXT.
void take_new_ack(Arrival& a) noexcept {
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
  }
  Restart restart = Restart::yes;
  if (text > 0) restart = recover_on_new_ack(tcb, text);
  tcb.retries = 0;
  tcb.probe = false;
  tcb.resend_first = tcb.resend_first && tcb.in_flight() > 0;
  if (tcb.in_flight() == 0) {
    tcb.retransmit_armed = false;  // RFC 6298 (5.2)
  } else if (restart == Restart::yes) {
    tcb.sent_at = Millis32{a.now};
    arm_retransmit(tcb, a.config, a.now);  // (5.3)
  }
}

/// The processing of the ACK in ESTABLISHED, which other states add to.
void take_ack(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const Segment& segment = a.segment;
  if (tcb.keepalive) {  // the peer is there
    tcb.keepalive_probes = 0;
    if (!tcb.receive_closed) arm_idle(tcb, a.now, a.config.keepalive_idle);
  }
  if (segment.ack < tcb.snd_una) return;
  // SND.WL1 =< SEG.SEQ (see snd_wl1 for why SND.WL2 is not asked), or the highest ACK so far, as
  // s.3.8.6 refines it: a window is counted from its own ACK, and would be too large from a later
  // one that came with an old sequence number, in a retransmission.
  const bool take = tcb.snd_una < segment.ack || tcb.snd_wl1 <= segment.seq;
  if (tcb.snd_una < segment.ack) {
    take_new_ack(a);
  } else if (duplicate_ack(tcb, segment)) {
    a.verdict.fast_retransmit = recover_on_duplicate_ack(tcb);
  }
  if (take) take_window(tcb, max(tcb.snd_wl1, segment.seq), window_of(tcb, segment));
  if (tcb.snd_wnd == 0 && tcb.retransmit_armed) {
    // As long as probes are answered the connection stays open (MUST-37, SHLD-17).
    tcb.retries = 0;
    tcb.sent_at = Millis32{a.now};
    if (tcb.user_timeout_ms != 0) arm_retransmit(tcb, a.config, a.now);  // it counts from here
  }
}

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
    a.offset = cut;
    a.text -= cut;
    a.seq += cut;
  }
  if (a.text > 0 && tcb.rcv_adv < a.seq + a.text) {
    a.text = static_cast<std::uint32_t>(tcb.rcv_adv - a.seq);
    a.fin = false;
  }
  if (a.fin && tcb.rcv_adv <= a.seq + a.text) a.fin = false;
}

bool peer_syn_again(const Tcb& tcb, const Segment& segment) noexcept {
  return tcb.state == State::syn_received && segment.has(control::syn) &&
         !segment.has(control::rst) && segment.seq == tcb.irs;
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

/// First, check sequence number.
bool check_sequence(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const Segment& segment = a.segment;
  if (peer_syn_again(tcb, segment)) {
    // The peer's SYN once more. Without an ACK it has not heard ours. With one it is the second
    // half of a simultaneous open (figure 7): its SYN is old, and trimmed like any old byte.
    if (!segment.has(control::ack)) {
      tcb.snd_pos = tcb.iss;
      a.verdict.duplicate = true;
      return discard(a, Drop::tcp_bad_sequence);
    }
    a.seq += 1;
    trim(a);
    return go_on;
  }
  const std::uint32_t length = segment.len();
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
  switch (tcb.state) {
    case State::syn_received:
      return end(a, tcb.active_open ? Cause::refused : Cause::reset);
    case State::closing:
    case State::last_ack: {
      // All that the peer had to say is here. When all our text is there too, it was a good end.
      const bool delivered = tcb.snd_end <= tcb.snd_una;
      const Cause order = tcb.state == State::closing ? Cause::by_us : Cause::by_peer;
      return end(a, delivered ? order : Cause::reset);
    }
    case State::established:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::close_wait:
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::time_wait:
      break;
  }
  return end(a, Cause::reset);
}

/// Fourth, check the SYN bit (the third step, security, has nothing to check here).
bool check_syn(Arrival& a) noexcept {
  if (!a.segment.has(control::syn)) return go_on;
  if (peer_syn_again(a.tcb, a.segment)) return go_on;  // trimmed by now
  challenge(a);                                        // RFC 5961 s.4
  return discard(a, Drop::tcp_unexpected_syn);
}

/// Fifth, check the ACK field.
bool check_ack(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const Segment& segment = a.segment;
  if (!segment.has(control::ack)) return discard(a, Drop::tcp_no_ack);
  if (tcb.state == State::syn_received) {
    if (segment.ack <= tcb.snd_una || tcb.snd_nxt < segment.ack) {
      a.verdict.reset_reply = true;
      return discard(a, Drop::tcp_bad_ack);
    }
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

/// The Flight of this connection, borrowed now if it has none; null when the pool is empty.
Flight* borrow_flight(Arrival& a) noexcept {
  if (a.tcb.flight == FlightPool::none) a.tcb.flight = a.flights.acquire();
  if (a.tcb.flight == FlightPool::none) {
    a.verdict.flights_exhausted = true;
    return nullptr;
  }
  return &a.flights[a.tcb.flight];
}

void keep_text(Arrival& a) noexcept {
  a.verdict.keep_text = true;
  a.verdict.text_offset = static_cast<std::uint16_t>(a.offset);
  a.verdict.text_length = static_cast<std::uint16_t>(a.text);
}

/// What begins past RCV.NXT is held, and the gap is shown to the peer at once (RFC 5681 s.4.2).
bool hold_out_of_order(Arrival& a) noexcept {
  a.tcb.ack_now = true;
  a.verdict.out_of_order = true;
  Flight* const flight = borrow_flight(a);
  if (flight == nullptr) return discard(a, Drop::tcp_no_buffer);
  if (a.text > 0) {
    switch (flight->out_of_order.add(a.seq, a.seq + a.text)) {
      case OutOfOrder::Added::new_text:
        keep_text(a);
        break;
      case OutOfOrder::Added::nothing_new:
        a.verdict.duplicate = true;
        break;
      case OutOfOrder::Added::full:
        return discard(a, Drop::tcp_no_buffer);
    }
  }
  if (a.fin) flight->out_of_order.add_fin(a.seq + a.text);
  return done;
}

/// Seventh, process the segment text (the sixth step's urgent data is read like any other).
bool process_text(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  if (!tcb.may_receive()) {
    a.text = 0;
    a.fin = false;
    return go_on;
  }
  if (a.text > 0 && tcb.receive_closed) {
    // SHLD-3: nobody will read it, and the peer has to know. abort() needs the state as it is.
    a.verdict.abort = true;
    a.verdict.closed = true;
    a.verdict.cause = Cause::aborted;
    return discard(a, Drop::tcp_after_close);
  }
  if (a.text == 0 && !a.fin) return go_on;
  if (a.seq != tcb.rcv_nxt) return hold_out_of_order(a);
  if (a.text == 0) return go_on;

  SeqNum next = tcb.rcv_nxt + a.text;
  if (tcb.flight != FlightPool::none) {
    // A segment that fills a gap, or a part of it, is acknowledged at once (RFC 5681 s.4.2).
    next = a.flights[tcb.flight].out_of_order.advance(next);
    tcb.ack_now = true;
  }
  tcb.unread += static_cast<std::uint32_t>(next - tcb.rcv_nxt);
  tcb.rcv_nxt = next;
  keep_text(a);
  a.verdict.readable = true;
  if (++tcb.ack_pending >= 2) {  // SHLD-19
    tcb.ack_now = true;
  } else if (!tcb.ack_armed && !tcb.ack_now) {
    tcb.ack_at = later(a.now, a.config.delayed_ack);
    tcb.ack_armed = true;
  }
  return go_on;
}

/// Eighth, check the FIN bit.
void check_fin(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  bool fin = a.fin && a.seq + a.text == tcb.rcv_nxt;
  if (tcb.flight != FlightPool::none) {
    const OutOfOrder& held = a.flights[tcb.flight].out_of_order;
    fin = fin || held.fin_at(tcb.rcv_nxt);
    if (fin || held.empty()) release(tcb, a.flights);
  }
  if (!fin) return;
  tcb.rcv_nxt += 1;
  tcb.rcv_adv = max(tcb.rcv_adv, tcb.rcv_nxt);
  tcb.ack_now = true;
  a.verdict.peer_closed = true;
  switch (tcb.state) {
    case State::established:
      tcb.state = State::close_wait;
      break;
    case State::fin_wait_1:  // had our FIN been acknowledged, this would be FIN-WAIT-2
      tcb.state = State::closing;
      break;
    case State::fin_wait_2:
      enter_time_wait(a);
      break;
    case State::close_wait:
    case State::closing:
    case State::last_ack:
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::syn_received:
    case State::time_wait:
      break;
  }
}

void text_and_fin(Arrival& a) noexcept {
  if (process_text(a)) check_fin(a);
}

void other_states(Arrival& a) noexcept {
  if (check_sequence(a) && check_reset(a) && check_syn(a) && check_ack(a)) text_and_fin(a);
}

// --- 3.10.7.3 ---

/// Fourth, check the SYN bit: the peer's SYN is here.
void take_peer_syn(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const Segment& segment = a.segment;
  tcb.irs = segment.seq;
  tcb.rcv_nxt = segment.seq + 1;
  tcb.rcv_adv = tcb.rcv_nxt + syn_window(a.config);
  take_options(tcb, a.config, segment.options);
  take_window(tcb, segment.seq, segment.window);
  if (segment.has(control::ack)) {
    enter_established(a);
    take_ack(a);
    tcb.ack_now = true;
    a.seq += 1;
    trim(a);
    text_and_fin(a);
    return;
  }
  // Simultaneous open. The SYN goes out again, with the ACK; text that came with the peer's is
  // not acknowledged and will come again.
  tcb.state = State::syn_received;
  tcb.snd_pos = tcb.iss;
}

void syn_sent(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  const Segment& segment = a.segment;
  const bool has_ack = segment.has(control::ack);
  if (has_ack && (segment.ack <= tcb.iss || tcb.snd_nxt < segment.ack)) {  // first, check the ACK
    a.verdict.reset_reply = !segment.has(control::rst);
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
    take_peer_syn(a);
  } else {
    discard(a, Drop::tcp_no_connection);  // fifth
  }
}

}  // namespace

Verdict segment_arrives(Tcb& tcb, const Config& config, const Segment& segment, FlightPool& flights,
                        Instant now) noexcept {
  Arrival a{.tcb = tcb,
            .config = config,
            .segment = segment,
            .flights = flights,
            .now = now,
            .seq = segment.seq,
            .text = segment.text,
            .fin = segment.has(control::fin)};
  if (tcb.state == State::syn_sent) {
    syn_sent(a);
  } else {
    other_states(a);
  }
  if (a.verdict.closed) release(tcb, flights);
  update_deadline(tcb);
  a.verdict.send = (!a.verdict.closed || a.verdict.time_wait) && may_send_something(tcb);
  return a.verdict;
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
