#pragma once

#include <algorithm>

#include "base/inline.h"
#include "transport/tcp/arrival.h"
#include "transport/tcp/timers.h"

/// RFC 9293 s.3.10.7.4, seventh and eighth: text and FIN. Of arrives.cc alone, as acknowledge.h is.
namespace pollux::tcp {

inline void keep_text(Arrival& a) noexcept {
  a.verdict.keep_text = true;
  a.verdict.text_offset = a.offset;
  a.verdict.text_length = a.text;
}

/// What begins past RCV.NXT is held, and the gap is shown to the peer at once (RFC 5681 s.4.2).
/// Whether the next step is reached.
bool hold_out_of_order(Arrival& a) noexcept;

/// Text up to `next` has come in order, and some is held: RCV.NXT with what follows now.
SeqNum fill_gap(Arrival& a, SeqNum next) noexcept;

/// Whether a FIN that came past a gap is the next in order. With `fin` one has come now. After
/// either nothing is held any more.
bool take_held_fin(Arrival& a, bool fin) noexcept;

/// Seventh, process the segment text (the sixth step's urgent data is read like any other).
template <Kind kind>
POLLUX_INLINE inline bool process_text(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  if (!tcb.may_receive()) {
    a.text = 0;
    a.fin = false;
    return go_on;
  }
  if (kind == Kind::any && a.text > 0 && tcb.receive_closed) {
    // SHLD-3: nobody will read it, and the peer has to know. abort() needs the state as it is.
    a.verdict.abort = true;
    a.verdict.closed = true;
    a.verdict.cause = Cause::aborted;
    return discard(a, Drop::tcp_after_close);
  }
  if (kind == Kind::any && (a.text != 0 || a.fin) && a.seq != tcb.rcv_nxt) {
    return hold_out_of_order(a);
  }
  if (a.text == 0) return go_on;

  SeqNum next = tcb.rcv_nxt + a.text;
  if (kind == Kind::any && holds_text(tcb, a.flights)) next = fill_gap(a, next);
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
template <Kind kind>
POLLUX_INLINE inline void check_fin(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  bool fin = a.fin && (kind == Kind::plain || a.seq + a.text == tcb.rcv_nxt);
  if (kind == Kind::any && holds_text(tcb, a.flights)) fin = take_held_fin(a, fin);
  if (!fin) return;
  tcb.rcv_nxt += 1;
  if (kind == Kind::any) tcb.rcv_adv = max(tcb.rcv_adv, tcb.rcv_nxt);
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

template <Kind kind>
POLLUX_INLINE inline void text_and_fin(Arrival& a) noexcept {
  if (process_text<kind>(a)) check_fin<kind>(a);
}

}  // namespace pollux::tcp
