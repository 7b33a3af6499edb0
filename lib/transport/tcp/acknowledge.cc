#include "transport/tcp/acknowledge.h"

#include <algorithm>

/// What an acknowledgment does where something was lost, or may have been.
namespace pollux::tcp {

// What was sent again cannot be timed (Karn), but by the timestamp that comes back. An echo of what
// we have not sent, in the future or long ago, says nothing. Nor does one that comes with the
// report of a duplicate: its time counts from the copy whose ACK was lost, and has our own waiting
// in it, so that each such loss would make the RTO longer than the last.
void sample_echo(Tcb& tcb, const Segment& segment, Instant now) noexcept {
  if (is_duplicate_report(segment.options, segment.ack)) return;
  const std::uint32_t echo = segment.options.timestamps->echo;
  const std::chrono::milliseconds since = Millis32{now} - Millis32::from_raw(echo);
  if (since < 0ms || since > 10min) return;
  sample_round_trip(tcb, std::max<std::chrono::microseconds>(since, 1ms));
}

Sending* scoreboard_for(Arrival& a, SeqNum before) noexcept {
  if (!a.tcb.sack) return nullptr;
  if (Sending* const sending = scoreboard_of(a.tcb, a.flights)) return sending;
  if (a.segment.options.sack_count == 0 || !a.tcb.syn_acked || before == a.tcb.snd_nxt) {
    return nullptr;
  }
  return begin_scoreboard(a.tcb, a.flights, before, a.now);
}

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

}  // namespace pollux::tcp
