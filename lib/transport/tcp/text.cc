#include <algorithm>

#include "transport/tcp/arrival.h"
#include "transport/tcp/timers.h"

/// RFC 9293 s.3.10.7.4, seventh and eighth: text and FIN.
namespace pollux::tcp {

namespace {

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
  if (!a.tcb.sack) flight->out_of_order.reported();  // nobody is to be told
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
  if (holds_text(tcb, a.flights)) {
    // A segment that fills a gap, or a part of it, is acknowledged at once (RFC 5681 s.4.2).
    OutOfOrder& held = a.flights[tcb.flight].out_of_order;
    next = held.advance(next);
    if (!tcb.sack) held.reported();
    tcb.ack_now = true;
  }
  tcb.unread += static_cast<std::uint32_t>(next - tcb.rcv_nxt);
  tcb.rcv_nxt = next;
  keep_text(a);
  a.verdict.readable = true;
  // More than a segment can hold are several, which the device or the peer's has put together.
  const int segments = tcb.ack_pending + (a.text > a.config.mss ? 2 : 1);
  tcb.ack_pending = std::min(segments, 3) & 3;
  if (tcb.ack_pending >= 2 || a.config.delayed_ack == Duration{0}) {  // SHLD-19
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
  if (holds_text(tcb, a.flights)) {
    OutOfOrder& held = a.flights[tcb.flight].out_of_order;
    fin = fin || held.fin_at(tcb.rcv_nxt);
    if (fin) held = OutOfOrder{};
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

}  // namespace

void note_duplicate(Arrival& a, SeqNum left, SeqNum right) noexcept {
  if (!a.tcb.sack) return;
  a.tcb.ack_now = true;
  if (Flight* const flight = borrow_flight(a)) flight->out_of_order.note_duplicate(left, right);
}

void text_and_fin(Arrival& a) noexcept {
  if (process_text(a)) check_fin(a);
}

}  // namespace pollux::tcp
