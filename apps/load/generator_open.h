#pragma once

// How Generator opens connections. Included by generator.h alone.

#include "load/generator.h"

namespace pollux::load {

/// How many connections to open now.
inline std::uint32_t Generator::due(Instant now) noexcept {
  const std::uint64_t live = tally_.live;
  const std::uint64_t room = options_.concurrency > live ? options_.concurrency - live : 0;
  std::uint64_t wanted = 0;
  if (!pace_.closed_loop()) {
    // Held connections are opened at the rate, up to as many as are to be held.
    if (options_.hold && room == 0) pace_.forgive(now);
    // A SYN alone brings one answer, of which nothing is kept, and waits where there is no room.
    wanted = options_.syn_only ? pace_.missing(now) : pace_.due(now, at_rate);
    if (options_.hold) wanted = std::min(wanted, room);
    if (!heard_ && pace_.since_start(now) < patience) {
      wanted = std::min<std::uint64_t>(wanted, live < before_answer ? before_answer - live : 0);
    }
  } else {
    wanted = pace_.wanted(now, options_.concurrency);
    if (!heard_ && pace_.since_start(now) < patience) {
      wanted = std::min<std::uint64_t>(wanted, before_answer);
    }
    wanted = wanted <= live ? 0 : wanted - live;
    if (options_.hold) {
      const std::uint64_t under_way = live - tally_.live_established;
      wanted = std::min(wanted, opening - std::min<std::uint64_t>(under_way, opening));
    }
  }
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, burst));
}

/// The targets in turn; in a closed loop those that rest are passed over. As many as there are
/// targets: all rest.
inline std::uint32_t Generator::next_target(Instant now) noexcept {
  const auto count = static_cast<std::uint32_t>(options_.targets.size());
  for (std::uint32_t tries = count; tries != 0; --tries) {
    const std::uint32_t target = next_target_;
    if (++next_target_ == count) next_target_ = 0;
    if (!pace_.closed_loop() || rests_until_[target] <= now) return target;
  }
  return count;
}

bool Generator::open(auto& stack) noexcept {
  const Instant now = stack.now();
  const std::uint32_t target = next_target(now);
  if (target == options_.targets.size()) return false;
  if (options_.limited && tally_.live >= options_.concurrency) {
    fail_unopened(Cause::no_memory);
    return true;
  }
  const auto id = stack.connect(options_.targets[target].endpoint, {.nagle = false});
  if (!id) return not_opened(id.error(), target, now);
  auto stream = stack.stream(*id);
  Session& session = stream->session();
  talk_of(session).due = take_turn(now);
  session.target = target;
  session.counted = measuring_;
  ++tally_.live;
  if (measuring_) ++tally_.attempted;
  if (options_.fast_open && !options_.hold) ask(*stream);
  return true;
}

/// One that is opened now: when it was due.
inline Instant Generator::take_turn(Instant now) noexcept {
  const Instant due = pace_.next_due(now);
  pace_.take();
  if (measuring_ && !pace_.closed_loop()) tally_.late.record(elapsed(due, now));
  return due;
}

/// At a rate, one that could not be opened is one that failed. A closed loop waits for a port or
/// for memory; where there is no way to the target it fails too, but now and then only. Returns
/// whether the next may be tried.
inline bool Generator::not_opened(application::StackError error, std::uint32_t target,
                                  Instant now) noexcept {
  switch (error) {
    case application::StackError::no_route:
    case application::StackError::no_neighbor:
    case application::StackError::invalid:
    case application::StackError::too_big:
      rests_until_[target] = now + rest;
      fail_unopened(Cause::unreachable);
      return true;
    case application::StackError::in_use:
    case application::StackError::no_ports:
    case application::StackError::no_memory:
    case application::StackError::stopped:
      break;
  }
  if (pace_.closed_loop()) {
    if (measuring_) ++tally_.held_back;
    return false;
  }
  fail_unopened(Cause::no_memory);
  return true;
}

inline void Generator::fail_unopened(Cause cause) noexcept {
  pace_.take();
  ++tally_.live_failed;
  if (!measuring_) {
    ++tally_.not_set_up_in_warmup;
    return;
  }
  ++tally_.attempted;
  count_failure(tally_, cause);
}

}  // namespace pollux::load
