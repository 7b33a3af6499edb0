#include "transport/tcp/recovery.h"

#include <algorithm>

#include "transport/tcp/arrival.h"
#include "transport/tcp/congestion.h"
#include "transport/tcp/ecn.h"

/// Loss where there is no scoreboard, and time-outs; the rest is in sack_recovery.cc.
namespace pollux::tcp {

namespace {

constexpr std::uint8_t dup_ack_threshold = 3;

}  // namespace

Sending* remember(Tcb& tcb, FlightPool& flights) noexcept {
  if (tcb.flight == FlightPool::none) tcb.flight = flights.acquire();
  return sending_of(tcb, flights);
}

Sending* sending_of(const Tcb& tcb, FlightPool& flights) noexcept {
  return tcb.flight == FlightPool::none ? nullptr : &flights[tcb.flight].sending;
}

const Sending* sending_of(const Tcb& tcb, const FlightPool& flights) noexcept {
  return tcb.flight == FlightPool::none ? nullptr : &flights[tcb.flight].sending;
}

void update_mend(Tcb& tcb, const FlightPool& flights) noexcept {
  const Sending* const sending = scoreboard_of(tcb, flights);
  tcb.mend = sending != nullptr && (sending->probe_due || sending->board.lost() != 0 ||
                                    sending->path.state == PathProbe::State::due);
}

Restart recover_on_new_ack(Arrival& a, std::uint32_t acked) noexcept {
  Tcb& tcb = a.tcb;
  if (tcb.recover <= tcb.snd_una) {  // RFC 6582 s.3.2 step 3, full acknowledgment, option (1)
    tcb.recovering = false;
    tcb.resend_first = false;
    tcb.acked_bytes = 0;
    tcb.cwnd = std::min<std::uint32_t>(tcb.ssthresh,
                                       std::max<std::uint32_t>(tcb.in_flight(), tcb.mss) + tcb.mss);
    tcb.recover = tcb.snd_una - 1;
    return Restart::yes;
  }
  // A partial one: the next hole begins at snd_una. The window shrinks by what has left the network
  // and, where that was a segment at least, lets one more in.
  tcb.resend_first = true;
  tcb.cwnd -= std::min(acked, tcb.cwnd);
  if (acked >= tcb.mss) tcb.cwnd += tcb.mss;
  tcb.cwnd = std::max<std::uint32_t>(tcb.cwnd, tcb.mss);
  const bool first = !tcb.partial_ack;
  tcb.partial_ack = true;
  // The "impatient" variant (RFC 6582 s.4): with many holes the timer takes over.
  return first ? Restart::yes : Restart::no;
}

bool recover_on_duplicate_ack(Arrival& a) noexcept {
  Tcb& tcb = a.tcb;
  if (tcb.dup_acks < 15) ++tcb.dup_acks;
  if (tcb.recovering) {  // a segment has left the network (RFC 5681 s.3.2 step 4)
    tcb.cwnd = std::min(tcb.cwnd + tcb.mss, max_cwnd);
    return false;
  }
  if (tcb.dup_acks != dup_ack_threshold) return false;
  // An ACK that covers no more than `recover` was caused by segments that we sent twice; or one of
  // those is lost again. The former comes after a leap over what had arrived, the latter does not
  // (RFC 6582 s.4.1). Without this each such loss would cost a time-out, twice as long as the last.
  if (tcb.snd_una <= tcb.recover && !(tcb.small_step && tcb.cwnd > tcb.mss)) return false;
  reduce_threshold(tcb, a.config, remember(tcb, a.flights), tcb.in_flight(), a.now);
  tcb.cwnd = tcb.ssthresh + dup_ack_threshold * tcb.mss;
  tcb.recover = tcb.snd_nxt;
  tcb.recovering = true;
  tcb.partial_ack = false;
  tcb.resend_first = true;
  return true;
}

std::uint32_t limited_transmit(const Tcb& tcb) noexcept {
  if (tcb.recovering || tcb.snd_pos != tcb.snd_nxt) return 0;
  return std::min<std::uint32_t>(tcb.dup_acks, dup_ack_threshold - 1) * tcb.mss;
}

void recover_on_timeout(Tcb& tcb, const Config& config, FlightPool& flights, Instant now) noexcept {
  Sending* const sending = remember(tcb, flights);
  // A segment that is lost twice says nothing new about the path (RFC 5681 s.3.1).
  if (tcb.retries == 0) {
    reduce_threshold(tcb, config, sending, tcb.in_flight(), now);
    if (sending != nullptr) sending->cubic.forget();
  }
  tcb.cwnd = tcb.mss;  // LW
  tcb.acked_bytes = 0;
  tcb.recovering = false;
  tcb.dup_acks = 0;
  tcb.recover = tcb.snd_nxt;  // RFC 6582 s.3.2 step 4
  tcb.resend_first = true;    // whatever silly-window avoidance says about what fits
  if (sending != nullptr) sending->reduced = false;
  if (begin_scoreboard(tcb, flights, tcb.snd_una, now) != nullptr) {
    lose_on_timeout(tcb, *sending, now);
    tcb.snd_pos = tcb.snd_nxt;
  } else {
    tcb.snd_pos = tcb.snd_una;
  }
}

bool undo_if_spurious(Arrival& a, Sending& sending, SeqNum before) noexcept {
  Tcb& tcb = a.tcb;
  if (!sending.may_undo || before != sending.undo_una || tcb.snd_una == before) return false;
  const auto& timestamps = a.segment.options.timestamps;
  if (!tcb.timestamps || !timestamps) return false;
  if (Millis32::from_raw(timestamps->echo) >= sending.undo_at) return false;
  undo(tcb, sending);
  return true;
}

void react_to_echo(Tcb& tcb, const Config& config, FlightPool& flights, SeqNum before,
                   Instant now) noexcept {
  if (tcb.in_episode()) return;
  if (tcb.snd_nxt == before) {  // nothing to shrink; and the peer is to stop
    tcb.cwr_due = true;
    return;
  }
  Sending* const sending = remember(tcb, flights);
  if (sending != nullptr) {
    if (sending->reduced && tcb.snd_una <= sending->reduced_to) return;
    sending->reduced = true;
    sending->reduced_to = tcb.snd_nxt;
  } else if (tcb.cwr_due) {
    return;
  }
  reduce_threshold(tcb, config, sending, static_cast<std::uint32_t>(tcb.snd_nxt - before), now);
  if (sending != nullptr) sending->may_undo = false;
  tcb.cwnd = std::min(tcb.cwnd, tcb.ssthresh);
}

void undo(Tcb& tcb, Sending& sending) noexcept {
  restore_windows(tcb, sending);
  if (sending.board.begun()) sending.board.forget_lost();
  tcb.recovering = false;
  tcb.recover = tcb.snd_una - 1;
  tcb.snd_pos = tcb.snd_nxt;
  tcb.resend_first = false;
  tcb.backoff = 0;
}

}  // namespace pollux::tcp
