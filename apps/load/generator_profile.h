#pragma once

// What Generator does for the runs of RFC 9411. Included by generator.h alone.

#include <chrono>
#include <cmath>

#include "load/generator.h"

namespace pollux::load {

/// How many of `connections` that all generators hold are one's part of them, at least one. Rounded
/// up, but for what a product of floating point is too large by: of few connections on many cores
/// all shares together are not to be fewer than was asked for.
inline std::uint32_t held_share(std::uint64_t connections, double part) noexcept {
  const double share = static_cast<double>(connections) * part;
  return std::max<std::uint32_t>(static_cast<std::uint32_t>(std::ceil(share - 1e-6)), 1);
}

/// Its share of what the iteration asks for.
inline void Generator::set_iteration(const cli::Iteration& iteration) noexcept {
  const double rate = iteration.rate * options_.part;
  // Held connections are opened evenly in the ramp-up, until all are there.
  pace_ = Pace{rate, iteration.holds() ? Duration{0} : iteration.ramp_up};
  if (iteration.holds()) {
    options_.concurrency = held_share(iteration.connections, options_.part);
  }
  options_.init = iteration.init;
  options_.ramp_down = iteration.ramp_down;
  options_.hold_interval = iteration.think;
  options_.object = iteration.object;
}

/// For the average of the connections that are there: what has been since the last poll.
inline void Generator::note_time(Instant now) noexcept {
  const Duration since = now - std::exchange(looked_, now);
  if (since > Duration{0}) {
    const auto ns = static_cast<std::uint64_t>(since.count());
    tally_.established_ns += std::uint64_t{tally_.live_established} * ns;
    tally_.watched_ns += ns;
  }
}

/// A reply that is whole, of a request that counts.
inline void Generator::judge(unsigned status, std::uint64_t body) noexcept {
  if (tally_.smallest == 0 || body + 1 < tally_.smallest) tally_.smallest = body + 1;
  if (body + 1 > tally_.largest) tally_.largest = body + 1;
  if (status != 200) return;
  const bool right = !options_.object || body == *options_.object;
  ++(right ? tally_.transactions_ok : tally_.wrong_size);
}

/// Held connections are closed evenly over the ramp-down, those that wait for an answer last.
void Generator::close_held(auto& stack) noexcept {
  const Instant now = stack.now();
  const std::uint64_t all = held_to_close_;
  const double part = options_.ramp_down == Duration{0}
                          ? 1
                          : std::chrono::duration<double>(now - wound_down_at_) /
                                std::chrono::duration<double>(options_.ramp_down);
  // Some may have been set up since then: in the end all are closed.
  const std::uint64_t due =
      part >= 1 ? UINT64_MAX : static_cast<std::uint64_t>(part * static_cast<double>(all));
  for (std::uint32_t n = burst; n != 0 && held_closed_ < due && !held_.empty(); --n) {
    const application::StreamId id = held_.front();
    auto stream = stack.stream(id);
    if (!stream) {
      held_.remove(id.index);
      continue;
    }
    Session& session = stream->session();
    if (session.talk != Talks::none &&
        talks_[session.talk].begun != talks_[session.talk].answered) {
      held_.push(id, now);
      continue;
    }
    held_.remove(id.index);
    ++held_closed_;
    session.done = true;
    Talk& talk = talk_of(session);
    talk.due = now;
    begin_close(*stream, session, talk);
  }
}

/// What the iteration asks for, of all generators of these lanes together, from the next start on.
template <class LanesByCore>
void set_iteration(LanesByCore& by_core, const cli::Iteration& iteration) {
  for (auto& lanes : by_core) {
    for (auto& lane : lanes) lane->application().set_iteration(iteration);
  }
}

}  // namespace pollux::load
