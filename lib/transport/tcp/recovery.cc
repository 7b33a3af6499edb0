#include "transport/tcp/recovery.h"

#include <algorithm>

#include "transport/tcp/congestion.h"

namespace pollux::tcp {

namespace {

constexpr std::uint8_t dup_ack_threshold = 3;

/// Equation (4) of RFC 5681. What limited transmit sent beyond cwnd does not count (s.3.2 step 2).
std::uint32_t half_of_flight(const Tcb& tcb) noexcept {
  return std::max<std::uint32_t>(std::min(tcb.in_flight(), tcb.cwnd) / 2, 2u * tcb.mss);
}

}  // namespace

Restart recover_on_new_ack(Tcb& tcb, std::uint32_t acked) noexcept {
  tcb.dup_acks = 0;
  if (!tcb.recovering) {
    // `recover` is pulled along, so that it is never so old that it seems to lie ahead.
    if (tcb.recover < tcb.snd_una) tcb.recover = tcb.snd_una - 1;
    grow_congestion_window(tcb, acked);
    return Restart::yes;
  }
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

bool recover_on_duplicate_ack(Tcb& tcb) noexcept {
  if (tcb.dup_acks < 255) ++tcb.dup_acks;
  if (tcb.recovering) {  // a segment has left the network (RFC 5681 s.3.2 step 4)
    tcb.cwnd = std::min(tcb.cwnd + tcb.mss, max_cwnd);
    return false;
  }
  // An ACK that covers no more than `recover` was caused by segments that we sent twice.
  if (tcb.dup_acks != dup_ack_threshold || tcb.snd_una <= tcb.recover) return false;
  tcb.ssthresh = half_of_flight(tcb);
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

void recover_on_timeout(Tcb& tcb) noexcept {
  // A segment that is lost twice says nothing new about the path (RFC 5681 s.3.1).
  if (tcb.retries == 0) tcb.ssthresh = half_of_flight(tcb);
  tcb.cwnd = tcb.mss;  // LW
  tcb.acked_bytes = 0;
  tcb.recovering = false;
  tcb.dup_acks = 0;
  tcb.recover = tcb.snd_nxt;  // RFC 6582 s.3.2 step 4
  tcb.snd_pos = tcb.snd_una;
  tcb.resend_first = true;  // whatever silly-window avoidance says about what fits
}

}  // namespace pollux::tcp
