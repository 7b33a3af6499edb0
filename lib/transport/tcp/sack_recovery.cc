#include <algorithm>

#include "transport/tcp/arrival.h"
#include "transport/tcp/congestion.h"
#include "transport/tcp/path_probe.h"
#include "transport/tcp/recovery.h"

/// Loss where there is a scoreboard.
namespace pollux::tcp {

namespace {

using std::chrono::microseconds;

Rack::Context context_of(const Tcb& tcb) noexcept {
  return {.mss = tcb.mss, .srtt_us = tcb.srtt_8 / 8, .recovering = tcb.recovering != 0};
}

/// When what is in flight was sent, for a scoreboard that begins only now: in one burst with the
/// segment that was timed last, or a scoreboard would have begun with the second.
Micros32 sent_time(const Tcb& tcb, Instant now) noexcept {
  const microseconds age = Micros32{now} - tcb.timed_at;
  return age < 0us || age > 10min ? Micros32{now} : tcb.timed_at;
}

/// The duplicate counts for what was sent again since the congestion event. When all of that was
/// for nothing, so was the event (RFC 3708 s.3).
void take_duplicate_report(Arrival& a, Sending& sending) noexcept {
  Tcb& tcb = a.tcb;
  const auto& block = a.segment.options.sack[0];
  sending.rack.duplicated(tcb.snd_una, tcb.snd_nxt);
  if (!sending.may_undo || block.left < sending.undo_una || sending.undo_pending == 0) return;
  const auto size = static_cast<std::uint32_t>(block.right - block.left);
  sending.undo_pending -= std::min(size, sending.undo_pending);
  if (sending.undo_pending != 0) return;
  undo(tcb, sending);
  a.verdict.recovery_undone = true;
}

/// RFC 8985 s.7.4.2: whether the probe has found a loss, and mended it.
void end_tail_probe(Arrival& a, Sending& sending, SeqNum before, bool duplicate_report) noexcept {
  Tcb& tcb = a.tcb;
  if (!sending.probe_out || tcb.snd_una < sending.probe_end) return;
  const bool bare_duplicate = a.segment.ack == sending.probe_end &&
                              a.segment.options.sack_count == 0 && a.segment.text == 0 &&
                              !a.verdict.acknowledged;
  if (!sending.probe_again || duplicate_report || bare_duplicate) {
    sending.probe_out = false;
  } else if (sending.probe_end < tcb.snd_una) {
    sending.probe_out = false;
    if (tcb.in_episode()) return;
    reduce_threshold(tcb, a.config, &sending, static_cast<std::uint32_t>(tcb.snd_nxt - before),
                     a.now);
    sending.may_undo = false;  // what was mended was lost
    tcb.cwnd = std::min(tcb.cwnd, tcb.ssthresh);
  }
}

/// RFC 9937 s.6.2: cwnd such that what leaves is in proportion to what arrives.
void reduce_in_proportion(Tcb& tcb, Sending& sending, std::uint32_t delivered, bool safe) noexcept {
  sending.prr_delivered += delivered;
  const std::uint32_t pipe = sending.board.pipe();
  std::int64_t more;
  if (pipe > tcb.ssthresh) {
    const std::uint64_t due = std::uint64_t{sending.prr_delivered} * tcb.ssthresh;
    more = static_cast<std::int64_t>((due + sending.prr_flight - 1) / sending.prr_flight) -
           sending.prr_out;
  } else {
    std::int64_t limit =
        std::max(std::int64_t{sending.prr_delivered} - sending.prr_out, std::int64_t{delivered});
    if (safe) limit += tcb.mss;
    more = std::min<std::int64_t>(tcb.ssthresh - pipe, limit);
  }
  const std::uint32_t least = sending.prr_out == 0 ? tcb.mss : 0;  // the fast retransmit itself
  more = std::max<std::int64_t>(more, least);
  tcb.cwnd = std::clamp<std::uint32_t>(pipe + static_cast<std::uint32_t>(more), tcb.mss, max_cwnd);
}

/// RecoverFS is what will yet be delivered: not what had arrived before (RFC 9937 s.6.1).
void begin_proportion(Tcb& tcb, Sending& sending, SeqNum una, std::uint32_t sacked) noexcept {
  const auto flight = static_cast<std::uint32_t>(tcb.snd_nxt - una);
  sending.prr_delivered = sending.prr_out = 0;
  sending.prr_flight = std::max(flight - std::min(sacked, flight), 1u);
}

void enter_recovery(Tcb& tcb, const Config& config, Sending& sending, SeqNum before,
                    std::uint32_t sacked, Instant now) noexcept {
  begin_proportion(tcb, sending, before, sacked);
  reduce_threshold(tcb, config, &sending, static_cast<std::uint32_t>(tcb.snd_nxt - before), now);
  tcb.recover = tcb.snd_nxt;
  tcb.recovering = true;
}

/// Whether something is lost that no episode is about yet.
bool shows_congestion(const Tcb& tcb, const Sending& sending) noexcept {
  return sending.board.lost() > 0 && !tcb.in_episode() && !only_path_probe_lost(sending);
}

/// A report of duplicates counts until a round trip after the episode's end: what comes later is of
/// something else.
void limit_undo(const Tcb& tcb, Sending& sending, SeqNum before) noexcept {
  if (!sending.may_undo) return;
  if (before < tcb.recover && tcb.recover <= tcb.snd_una) {
    sending.undo_ends = true;
    sending.undo_end = tcb.snd_nxt;
  } else if (sending.undo_ends && sending.undo_end < tcb.snd_una) {
    sending.may_undo = false;
  }
}

void leave_episode(Tcb& tcb, Sending& sending) noexcept {
  if (tcb.recovering) {
    tcb.cwnd = std::max<std::uint32_t>(tcb.ssthresh, tcb.mss);
    tcb.acked_bytes = 0;
    sending.rack.recovered();
  }
  tcb.recovering = false;
  tcb.recover = tcb.snd_una - 1;
}

}  // namespace

bool is_duplicate_report(const wire::TcpOptions& options, SeqNum ack) noexcept {
  if (options.sack_count == 0) return false;
  const auto& first = options.sack[0];
  if (first.left < first.right && first.right <= ack) return true;
  if (options.sack_count < 2) return false;
  const auto& second = options.sack[1];
  return first.left < first.right && second.left <= first.left && first.right <= second.right;
}

Sending* scoreboard_of(const Tcb& tcb, FlightPool& flights) noexcept {
  Sending* const sending = sending_of(tcb, flights);
  return sending != nullptr && sending->board.begun() ? sending : nullptr;
}

const Sending* scoreboard_of(const Tcb& tcb, const FlightPool& flights) noexcept {
  const Sending* const sending = sending_of(tcb, flights);
  return sending != nullptr && sending->board.begun() ? sending : nullptr;
}

Sending* begin_scoreboard(Tcb& tcb, FlightPool& flights, SeqNum una, Instant now) noexcept {
  if (!tcb.sack) return nullptr;
  Sending* const sending = remember(tcb, flights);
  if (sending == nullptr || sending->board.begun()) return sending;
  sending->board.begin(una, tcb.snd_nxt, sent_time(tcb, now));
  sending->rack.begin(una);
  begin_proportion(tcb, *sending, una, 0);  // a recovery that began without goes on with it
  tcb.dup_acks = 0;
  return sending;
}

bool recover_by_scoreboard(Arrival& a, Sending& sending, SeqNum before) noexcept {
  Tcb& tcb = a.tcb;
  const wire::TcpOptions& options = a.segment.options;
  Rack::Ack ack{
      .now = Micros32{a.now}, .echo_age = std::nullopt, .highest = sending.rack.highest()};
  if (tcb.timestamps && options.timestamps) {
    ack.echo_age = Millis32{a.now} - Millis32::from_raw(options.timestamps->echo);
  }
  Scoreboard& board = sending.board;
  std::uint32_t delivered = 0;
  const auto arrived = [&](const Scoreboard::Range& range) noexcept {
    delivered += range.size();
    sending.rack.delivered(range, ack);
  };
  const std::uint32_t sacked_before = board.sacked();
  board.acknowledge(tcb.snd_una, arrived);
  const bool duplicate = is_duplicate_report(options, a.segment.ack);
  for (std::uint8_t i = duplicate ? 1 : 0; i < options.sack_count; ++i) {
    const auto& block = options.sack[i];
    if (block.left < block.right && tcb.snd_una <= block.left && block.right <= tcb.snd_nxt) {
      board.sack(block.left, block.right, arrived);
    }
  }
  if (undo_if_spurious(a, sending, before)) a.verdict.recovery_undone = true;
  if (duplicate) take_duplicate_report(a, sending);
  end_tail_probe(a, sending, before, duplicate);

  const std::uint32_t lost_before = board.lost();
  sending.rack.detect(board, context_of(tcb), ack.now);
  const auto acked = static_cast<std::uint32_t>(tcb.snd_una - before);
  if (acked > 0) sending.probe_due = false;
  const bool mended = tcb.snd_una <= tcb.recover;
  const bool was_recovering = tcb.recovering;
  bool entered = false;
  limit_undo(tcb, sending, before);
  if (tcb.recover <= tcb.snd_una) leave_episode(tcb, sending);
  if (sending.path.state != PathProbe::State::none) [[unlikely]]
    judge_path_probe(tcb, sending, a.verdict);
  if (shows_congestion(tcb, sending)) {
    enter_recovery(tcb, a.config, sending, before, sacked_before, a.now);
    sending.rack.detect(board, context_of(tcb), ack.now);  // nothing is waited for any more
    entered = true;
  }
  if (!tcb.recovering) {
    if (acked > 0 && !was_recovering) {
      grow_congestion_window(
          tcb, a.config, &sending,
          {.acked = delivered, .flight = tcb.in_flight() + acked, .mended = mended, .now = a.now});
    }
  } else if (delivered > 0 || entered) {
    reduce_in_proportion(tcb, sending, delivered, acked > 0 && board.lost() <= lost_before);
  }
  tcb.no_tail_probe = sending.probe_out || board.sacked() != 0;
  return entered;
}

microseconds reordering_wait(const Tcb& tcb, Sending& sending, Instant now) noexcept {
  return sending.rack.detect(sending.board, context_of(tcb), Micros32{now});
}

void recover_on_reordering_timeout(Tcb& tcb, const Config& config, Sending& sending, Instant now,
                                   Verdict& verdict) noexcept {
  sending.rack.detect(sending.board, context_of(tcb), Micros32{now});
  judge_path_probe(tcb, sending, verdict);
  if (!shows_congestion(tcb, sending)) return;
  enter_recovery(tcb, config, sending, tcb.snd_una, sending.board.sacked(), now);
  sending.rack.detect(sending.board, context_of(tcb), Micros32{now});
  reduce_in_proportion(tcb, sending, 0, false);
  verdict.fast_retransmit = true;
}

void lose_on_timeout(Tcb& tcb, Sending& sending, Instant now) noexcept {
  Scoreboard& board = sending.board;
  // What comes next has arrived, and yet nothing acknowledges it: the peer has thrown it away.
  if (board.front_is_sacked()) board.forget_sacked();
  sending.rack.lose_on_timeout(board, context_of(tcb), Micros32{now});
  sending.probe_out = sending.probe_due = false;
  sending.path = {};
  tcb.no_tail_probe = true;
}

}  // namespace pollux::tcp
