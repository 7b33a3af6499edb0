#pragma once

// How Generator offers SYNs of which nobody keeps anything. Included by generator.h alone.

#include "load/generator.h"

namespace pollux::load {

/// Whether a SYN of that time is of the measured time. An answer knows it to 4 us: the SYNs of the
/// moment in which that time begins are the warm-up's.
inline bool Generator::counts(Instant sent) const noexcept {
  return measuring_ && sent >= measured_from_ + 4us;
}

/// The next SYN; false when no more leave now.
bool Generator::send_syn(auto& stack) noexcept {
  const Instant now = stack.now();
  const std::uint32_t target = next_target(now);
  const auto sent = stack.send_syn(options_.targets[target].endpoint, syns_[target]);
  if (!sent && sent.error() == application::StackError::no_memory) {
    // The device is full: what is due stays so.
    if (measuring_) ++tally_.held_back;
    return false;
  }
  ++syns_[target];
  // Where we listen ourselves, another port does as well.
  if (!sent && sent.error() == application::StackError::in_use) return true;
  if (!sent) {
    fail_unopened(sent.error() == application::StackError::no_neighbor ? Cause::no_neighbor
                                                                       : Cause::unreachable);
    return true;
  }
  take_turn(now);
  ++tally_.live;
  if (counts(now)) ++tally_.attempted;
  return true;
}

/// One that comes twice cannot be told from another: there are never more than there were SYNs.
inline void Generator::take_answer(const application::SynAnswer& answer) noexcept {
  // Of an earlier step of a search, or of one that has been given up.
  if (answer.sent < pace_.started() || tally_.live == 0) return;
  --tally_.live;
  ++(answer.accepted ? tally_.live_completed : tally_.live_failed);
  if (!counts(answer.sent) || tally_.completed + tally_.failed >= tally_.attempted) return;
  if (answer.accepted) {
    ++tally_.established;
    ++tally_.completed;
  } else {
    count_failure(tally_, Cause::refused);
  }
}

/// What was not answered until the run is over.
inline void Generator::give_up_syns() noexcept {
  const std::uint64_t answered = tally_.completed + tally_.failed;
  const std::uint64_t unanswered = tally_.attempted - answered;
  tally_.failed += unanswered;
  tally_.timed_out += unanswered;
  tally_.live_failed += tally_.live;
  tally_.live = 0;
}

}  // namespace pollux::load
