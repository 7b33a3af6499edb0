#pragma once

// Connections of Generator that are not of the load: those that are kept open beside it, and those
// that are to fare well beside SYNs. Included by generator.h alone.

#include "load/generator.h"

namespace pollux::load {

/// For people: why connect() did nothing.
constexpr std::string_view why(application::StackError error) noexcept {
  switch (error) {
    case application::StackError::in_use:
    case application::StackError::no_ports:
      return "no port is left";
    case application::StackError::no_memory:
      return "no memory is left";
    case application::StackError::no_route:
    case application::StackError::no_neighbor:
    case application::StackError::too_big:
    case application::StackError::stopped:
    case application::StackError::invalid:
      return "there is no way to the target";
  }
  return {};
}

/// Opens what is to be held, as in a closed loop. One that fails is opened again.
void Generator::open_held(auto& stack) noexcept {
  const Instant now = stack.now();
  const bool careful = !heard_ && pace_.since_start(now) < patience;
  const std::uint64_t under_way = held_begun_ - tally_.held;
  const std::uint64_t at_once = careful ? before_answer : opening;
  std::uint64_t wanted = std::min<std::uint64_t>(options_.held - held_begun_, burst);
  wanted = std::min(wanted, at_once - std::min(under_way, at_once));
  for (; wanted != 0; --wanted) {
    const std::uint32_t target = next_target(now);
    if (target == options_.targets.size()) return;
    const auto id = stack.connect(options_.targets[target].endpoint, {.nagle = false});
    if (!id) {
      rests_until_[target] = now + 1ms;
      held_trouble_ = why(id.error());
      return;
    }
    ++held_begun_;
    Session& session = stack.stream(*id)->session();
    session.target = target;
    session.apart = session.kept = true;
    session.said_close = true;  // so that nothing is asked on it
  }
}

inline void Generator::closed_held(const Session& session, Cause cause, Instant now) noexcept {
  --held_begun_;
  if (leftover_) return;
  if (session.established) {
    --tally_.held;
    ++tally_.held_lost;
  }
  held_trouble_ = name(cause);
  if (cause == Cause::no_neighbor) rests_until_[session.target] = now + rest;
}

/// At their own rate, each due at its time. One that cannot be opened has failed.
void Generator::open_beside(auto& stack) noexcept {
  const Instant now = stack.now();
  for (auto n = std::min<std::uint64_t>(beside_.missing(now), burst); n != 0; --n) {
    const Instant due = beside_.next_due(now);
    beside_.take();
    if (measuring_) ++tally_.beside_attempted;
    const std::uint32_t target = next_target(now);
    const auto id = stack.connect(options_.targets[target].endpoint, {.nagle = false});
    if (!id) {
      if (measuring_) ++tally_.beside_failed;
      continue;
    }
    ++beside_live_;
    Session& session = stack.stream(*id)->session();
    talk_of(session).due = due;
    session.target = target;
    session.apart = true;
    session.counted = measuring_;
  }
}

void Generator::connected_apart(application::Stream auto& stream) noexcept {
  Session& session = stream.session();
  if (session.kept) {
    ++tally_.held;
    return;
  }
  if (session.counted) {
    tally_.beside_connect.record(elapsed(talk_of(session).due, stream.stack().now()));
  }
  ask(stream);
}

}  // namespace pollux::load
