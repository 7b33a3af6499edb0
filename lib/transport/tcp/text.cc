#include "transport/tcp/text.h"

/// Text and FIN that come past a gap, fill one, or come twice.
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

}  // namespace

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

SeqNum fill_gap(Arrival& a, SeqNum next) noexcept {
  // A segment that fills a gap, or a part of it, is acknowledged at once (RFC 5681 s.4.2).
  OutOfOrder& held = a.flights[a.tcb.flight].out_of_order;
  next = held.advance(next);
  if (!a.tcb.sack) held.reported();
  a.tcb.ack_now = true;
  return next;
}

bool take_held_fin(Arrival& a, bool fin) noexcept {
  OutOfOrder& held = a.flights[a.tcb.flight].out_of_order;
  fin = fin || held.fin_at(a.tcb.rcv_nxt);
  if (fin) held = OutOfOrder{};
  return fin;
}

void note_duplicate(Arrival& a, SeqNum left, SeqNum right) noexcept {
  if (!a.tcb.sack) return;
  a.tcb.ack_now = true;
  if (Flight* const flight = borrow_flight(a)) flight->out_of_order.note_duplicate(left, right);
}

}  // namespace pollux::tcp
