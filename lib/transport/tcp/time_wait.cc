#include "transport/tcp/time_wait.h"

#include "base/assert.h"
#include "transport/tcp/timers.h"

namespace pollux::tcp {

TimeWait make_time_wait(const Tcb& tcb, const wire::FourTuple& tuple, const Config& config,
                        Instant now) noexcept {
  return {.tuple = tuple,
          .snd_nxt = tcb.snd_nxt,
          .rcv_nxt = tcb.rcv_nxt,
          .deadline = later(now, 2 * config.msl)};
}

Segment acknowledgment(const TimeWait& entry, const Segment& answered) noexcept {
  Segment out;
  out.seq = entry.snd_nxt;
  out.ack = entry.rcv_nxt;
  out.control = control::ack;
  if (answered.options.timestamps) {
    out.options.timestamps = wire::Timestamps{.echo = answered.options.timestamps->value};
  }
  return out;
}

TimeWaitVerdict segment_arrives(const TimeWait& entry, const Segment& segment) noexcept {
  using Action = TimeWaitVerdict::Action;
  if (segment.has(control::rst)) {
    const bool answer = entry.challenged && segment.seq == entry.rcv_nxt;
    if (answer) return {Action::close, Drop::none};
    return {Action::ignore, Drop::tcp_bad_reset};
  }
  if (segment.has(control::syn)) {
    // Beyond all that the old connection used it cannot be an old duplicate (RFC 1122 s.4.2.2.13).
    if (!segment.has(control::ack) && entry.rcv_nxt < segment.seq) return {Action::reopen};
    return {Action::challenge, Drop::tcp_unexpected_syn};
  }
  if (!segment.has(control::ack)) return {Action::ignore, Drop::tcp_no_ack};
  if (segment.has(control::fin) && segment.seq + segment.len() == entry.rcv_nxt) {
    return {Action::restart, Drop::tcp_bad_sequence};
  }
  // The only number that the peer has left to use is RCV.NXT, and it has nothing more to say.
  const bool acceptable = segment.len() == 0 && segment.seq == entry.rcv_nxt;
  if (!acceptable) return {Action::acknowledge, Drop::tcp_bad_sequence};
  if (entry.snd_nxt < segment.ack) return {Action::acknowledge, Drop::tcp_bad_ack};
  return {Action::ignore, Drop::none};
}

Result<TimeWaitQueue> TimeWaitQueue::make(std::uint32_t capacity, bool huge) {
  POLLUX_ASSERT(capacity < end);
  auto entries = Slab<TimeWait>::make(capacity, huge);
  if (!entries) return entries.error();
  return TimeWaitQueue{std::move(*entries)};
}

void TimeWaitQueue::erase(std::uint32_t index) noexcept {
  unlink(index);
  entries_.release(index);
}

void TimeWaitQueue::restart(std::uint32_t index, const Config& config, Instant now) noexcept {
  unlink(index);
  entries_[index].deadline = later(now, 2 * config.msl);
  append(index);
}

std::optional<Millis32> TimeWaitQueue::next_deadline() const noexcept {
  if (first_ == end) return std::nullopt;
  return entries_[first_].deadline;
}

void TimeWaitQueue::append(std::uint32_t index) noexcept {
  TimeWait& entry = entries_[index];
  entry.previous = last_;
  entry.next = end;
  set_next(last_, index);
  last_ = index;
}

void TimeWaitQueue::unlink(std::uint32_t index) noexcept {
  const TimeWait& entry = entries_[index];
  set_next(entry.previous, entry.next);
  set_previous(entry.next, entry.previous);
}

void TimeWaitQueue::set_next(std::uint32_t index, std::uint32_t next) noexcept {
  if (index == end) {
    first_ = next;
  } else {
    entries_[index].next = next;
  }
}

void TimeWaitQueue::set_previous(std::uint32_t index, std::uint32_t previous) noexcept {
  if (index == end) {
    last_ = previous;
  } else {
    entries_[index].previous = previous;
  }
}

}  // namespace pollux::tcp
