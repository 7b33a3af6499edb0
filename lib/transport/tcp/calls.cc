#include <algorithm>

#include "base/assert.h"
#include "transport/tcp/congestion.h"
#include "transport/tcp/recovery.h"
#include "transport/tcp/tcp.h"
#include "transport/tcp/timers.h"
#include "transport/tcp/timestamps.h"
#include "transport/tcp/window.h"

/// RFC 9293 s.3.10.1 to 3.10.6: what the user calls. STATUS is reading the Tcb.
namespace pollux::tcp {

namespace {

/// The connection ends here, by a call.
Verdict over(Tcb& tcb, Cause cause) noexcept {
  disarm_all(tcb);
  tcb.state = State::closed;
  Verdict verdict;
  verdict.closed = true;
  verdict.cause = cause;
  return verdict;
}

/// s.3.10.4: the FIN is queued behind the last byte. RFC 9293 lets CLOSE-WAIT last until the text
/// before the FIN is gone; to name the state after what the user has called is the same to the
/// peer.
void queue_fin(Tcb& tcb) noexcept {
  if (tcb.fin_queued) return;
  tcb.fin_queued = true;
  switch (tcb.state) {
    case State::syn_received:
      // With text queued it waits for ESTABLISHED.
      if (tcb.snd_end == tcb.iss + 1) tcb.state = State::fin_wait_1;
      break;
    case State::established:
      tcb.state = State::fin_wait_1;
      break;
    case State::close_wait:
      tcb.state = State::last_ack;
      break;
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::closing:
    case State::last_ack:
    case State::time_wait:
      break;
  }
}

}  // namespace

Tcb open_active(const Config& config, SeqNum iss, const Now& now,
                std::optional<SeqNum> irs_from) noexcept {
  Tcb tcb;
  tcb.state = State::syn_sent;
  tcb.active_open = true;
  tcb.iss = iss;
  tcb.snd_una = tcb.snd_nxt = tcb.snd_pos = tcb.recover = iss;
  tcb.snd_end = iss + 1;
  if (irs_from) {
    tcb.irs = *irs_from;
    tcb.irs_bounded = true;
  }
  tcb.mss = std::max(config.mss, min_mss);
  tcb.scale_offered = config.offer_window_scale;
  tcb.nagle = config.nagle;
  tcb.sent_at = Millis32{now};
  keep_in_memory(tcb);
  arm_retransmit(tcb, config, now, false);  // a SYN that cannot leave is given up, too
  update_deadline(tcb);
  return tcb;
}

void set_options(Tcb& tcb, const Config& config, const Options& options, const Now& now) noexcept {
  tcb.nagle = options.nagle;
  const auto user_timeout = std::chrono::ceil<std::chrono::milliseconds>(options.user_timeout);
  tcb.user_timeout_ms = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(user_timeout.count(), 0, std::int64_t{1} << 30));
  if (tcb.retransmit_armed) arm_retransmit(tcb, config, now);
  // Only a change may touch the timer, which FIN-WAIT-2 uses too.
  const bool changed = tcb.keepalive != options.keepalive || options.keepalive_again;
  if (changed && !tcb.receive_closed) {
    tcb.idle_armed = false;
    if (options.keepalive) arm_idle(tcb, now, config.keepalive_idle);
  }
  tcb.keepalive = options.keepalive;
  tcb.keepalive_probes = 0;
  update_deadline(tcb);
}

void send(Tcb& tcb, std::uint32_t n) noexcept {
  POLLUX_ASSERT(tcb.may_send());
  tcb.snd_end += n;
}

bool receive(Tcb& tcb, const Config& config, std::uint32_t n) noexcept {
  POLLUX_ASSERT(n <= tcb.unread);
  tcb.unread -= n;
  if (!tcb.may_receive()) return false;
  // The edge may move; whether that deserves a segment of its own is another question (s.3.8.6.3):
  // it does once the window at least doubles by it, so that a peer who still has room, and will
  // hear of it by the next ACK anyway, is not told about each read.
  const std::uint32_t advance = right_edge_advance(tcb, config);
  if (advance == 0 || advance < tcb.rcv_wnd()) return false;
  tcb.ack_now = true;
  return true;
}

Verdict shutdown_send(Tcb& tcb, const Config&, const Now&) noexcept {
  queue_fin(tcb);
  Verdict verdict;
  verdict.send = may_send_something(tcb);
  return verdict;
}

Verdict close(Tcb& tcb, const Config& config, bool unread, const Now& now) noexcept {
  Verdict verdict;
  if (tcb.state == State::syn_sent) {
    verdict = over(tcb, Cause::by_us);
    return verdict;
  }
  // In CLOSING and LAST-ACK, once the FIN is sent, CLOSE has nothing to say (s.3.10.4): both are
  // over but for what is on its way, which must still arrive.
  const bool ending =
      (tcb.state == State::closing || tcb.state == State::last_ack) && tcb.fin_sent();
  if (unread && tcb.synchronized() && !ending) {
    // s.3.6.1: a good FIN would let the peer believe that its text was read. abort() still has to
    // see the state.
    verdict.abort = true;
    verdict.closed = true;
    verdict.cause = Cause::aborted;
    return verdict;
  }
  // An orphan's patience counts from here where something waits already.
  const bool waits = tcb.in_flight() > 0 || tcb.snd_wnd == 0;
  if (waits && !tcb.receive_closed && tcb.user_timeout_ms == 0) tcb.sent_at = Millis32{now};
  tcb.receive_closed = true;
  queue_fin(tcb);
  if (tcb.state == State::fin_wait_2) {
    arm_idle(tcb, now, config.fin_wait_2_timeout);
    update_deadline(tcb);
  }
  if (may_send_something(tcb)) verdict.send = true;
  return verdict;
}

std::optional<Segment> abort(Tcb& tcb) noexcept {
  const State state = tcb.state;
  disarm_all(tcb);
  tcb.state = State::closed;
  switch (state) {
    case State::syn_received:
    case State::established:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::close_wait:
      break;
    case State::closing:
    case State::last_ack:
      // What RFC 9293 calls FIN-WAIT-1 and CLOSE-WAIT lasts until the FIN is sent.
      if (!tcb.fin_sent()) break;
      return std::nullopt;
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::time_wait:
      return std::nullopt;
  }
  // <SEQ=SND.NXT><CTL=RST>, and an ACK with it: for a peer in SYN-SENT a reset means nothing else,
  // and an echo may stand only beside one (RFC 7323 s.3.2, which wants timestamps on resets, too).
  Segment reset;
  reset.seq = next_seq(tcb);
  reset.ack = tcb.rcv_nxt;
  reset.control = control::rst | control::ack;
  put_timestamps(tcb, reset);
  return reset;
}

void release(Tcb& tcb, FlightPool& flights) noexcept {
  if (tcb.flight == FlightPool::none) return;
  flights.release(tcb.flight);
  tcb.flight = FlightPool::none;
  tcb.no_tail_probe = false;
  tcb.paced = false;
}

void path_mtu_changed(Tcb& tcb, const Config& config, FlightPool& flights,
                      std::uint16_t mtu) noexcept {
  const std::uint16_t mss = text_in_datagram(tcb, mtu);
  if (mss >= tcb.mss || mss >= config.mss) return;
  // Nothing was lost to congestion: cwnd stays as it is (RFC 1191 s.6.5).
  tcb.mss = mss;
  if (!tcb.synchronized()) return;
  if (tcb.syn_acked && tcb.snd_nxt == tcb.iss + 1) {
    return open_congestion_window(tcb, config);  // nothing was sent
  }
  if (Sending* const sending = sending_of(tcb, flights)) {
    sending->undo_mss = std::min(sending->undo_mss, mss);
    if (sending->path.state == PathProbe::State::due) {
      sending->path = {};
      update_mend(tcb, flights);
    }
  }
  // Text may have followed a SYN that is not acknowledged.
  if (!tcb.syn_acked && tcb.snd_pos == tcb.iss) return;
  tcb.snd_pos = tcb.syn_acked ? tcb.snd_una : tcb.iss + 1;
  tcb.resend_first = false;
  tcb.timing = false;
}

Verdict unreachable(Tcb& tcb, Cause cause, bool hard) noexcept {
  if (hard && tcb.state == State::syn_sent) return over(tcb, cause);
  tcb.soft_cause = cause;
  return {};
}

}  // namespace pollux::tcp
