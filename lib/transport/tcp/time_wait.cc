#include "transport/tcp/time_wait.h"

#include <algorithm>
#include <chrono>
#include <ratio>

#include "base/assert.h"
#include "transport/tcp/challenge.h"
#include "transport/tcp/timestamps.h"

namespace pollux::tcp {

namespace {

/// What an entry's deadline counts. It comes round after 27 minutes: what would be further away
/// than the longest wait lies in the past.
using Ticks = std::chrono::duration<std::int64_t, std::ratio<1, 10>>;
constexpr std::uint32_t round = 1u << 14;
constexpr Duration longest = 20min;

std::uint32_t deadline_after(Instant now, const Config& config) noexcept {
  const Instant when = now + std::min(2 * config.msl, longest);
  return static_cast<std::uint32_t>(std::chrono::ceil<Ticks>(when.time_since_epoch()).count()) %
         round;
}

/// RFC 6191 s.2: whether a SYN begins a new connection, and is no old duplicate. By its timestamp,
/// where both connections have them; else, or where the peer's clock has not moved, it has to lie
/// beyond all that the old connection used (RFC 1122 s.4.2.2.13).
bool is_new(const TimeWait& entry, const Segment& syn) noexcept {
  if (entry.ts_recent != 0 && syn.options.timestamps) {
    const std::uint32_t value = syn.options.timestamps->value;
    if (value != entry.ts_recent) return is_before(entry.ts_recent, value);
  }
  return entry.rcv_nxt < syn.seq;
}

bool is_old(const TimeWait& entry, const Segment& segment) noexcept {
  return entry.ts_recent != 0 && segment.options.timestamps &&
         is_before(segment.options.timestamps->value, entry.ts_recent);
}

/// Of a segment that lies before what was last acknowledged, as all that is acceptable here does
/// (RFC 7323 s.4.3); and whose acknowledgment is good, see decision 0023.
void note_timestamp(TimeWait& entry, const Segment& segment) noexcept {
  if (entry.ts_recent == 0 || !segment.options.timestamps || entry.snd_nxt < segment.ack) return;
  entry.ts_recent = segment.options.timestamps->value;
}

TimeWaitVerdict answer(TimeWait& entry, Drop drop) noexcept {
  entry.challenged = false;
  return {TimeWaitVerdict::Action::acknowledge, drop};
}

/// The same, but at most once in 512 ms (RFC 5961 s.7). `syn`: of one, whose sender may find that
/// it knows nothing of the old connection.
TimeWaitVerdict challenge(TimeWait& entry, Drop drop, bool syn, Instant now) noexcept {
  const std::uint32_t slot = challenge_slot<7>(now);
  if (slot == entry.challenge_slot) return {TimeWaitVerdict::Action::ignore, drop};
  entry.challenge_slot = slot & 0x7;
  entry.challenged = syn;
  return {TimeWaitVerdict::Action::acknowledge, drop, true};
}

}  // namespace

TimeWait make_time_wait(const Tcb& tcb, const wire::FourTuple& tuple, const Config& config,
                        Instant now) noexcept {
  return {.tuple = tuple,
          .snd_nxt = tcb.snd_nxt,
          .rcv_nxt = tcb.rcv_nxt,
          .ts_recent = tcb.timestamps ? tcb.ts_recent : 0,
          .deadline = deadline_after(now, config) % round};
}

Duration time_left(const TimeWait& entry, Instant now) noexcept {
  const auto tick = std::chrono::floor<Ticks>(now.time_since_epoch());
  const auto low = static_cast<std::uint32_t>(tick.count());
  std::int64_t ticks = (static_cast<std::uint32_t>(entry.deadline) - low) % round;
  if (Ticks{ticks} > longest + Ticks{1}) ticks -= round;
  return tick + Ticks{ticks} - now.time_since_epoch();
}

Segment acknowledgment(const TimeWait& entry) noexcept {
  Segment out;
  out.seq = entry.snd_nxt;
  out.ack = entry.rcv_nxt;
  out.control = control::ack;
  if (entry.ts_recent != 0) {
    out.options.timestamps = wire::Timestamps{.echo = entry.ts_recent};
  }
  return out;
}

Result<TimeWaitQueue> TimeWaitQueue::make(std::uint32_t capacity, bool huge) {
  POLLUX_ASSERT(capacity <= most);
  auto entries = Slab<TimeWait>::make(capacity, huge);
  if (!entries) return entries.error();
  return TimeWaitQueue{std::move(*entries)};
}

void TimeWaitQueue::erase(std::uint32_t index) noexcept {
  unlink(index);
  entries_.release(index);
}

TimeWaitVerdict TimeWaitQueue::segment_arrives(std::uint32_t index, const Segment& segment,
                                               const Config& config, Instant now) noexcept {
  using Action = TimeWaitVerdict::Action;
  TimeWait& entry = entries_[index];
  if (segment.has(control::rst)) {
    const bool exact = entry.challenged && segment.seq == entry.rcv_nxt;
    if (exact) return {Action::close, Drop::none};
    return {Action::ignore, Drop::tcp_bad_reset};
  }
  if (segment.has(control::syn)) {
    if (!segment.has(control::ack) && is_new(entry, segment)) return {Action::reopen};
    const Drop drop = is_old(entry, segment) ? Drop::tcp_paws : Drop::tcp_unexpected_syn;
    return challenge(entry, drop, true, now);
  }
  if (!segment.has(control::ack)) return {Action::ignore, Drop::tcp_no_ack};
  if (is_old(entry, segment)) return challenge(entry, Drop::tcp_paws, false, now);
  if (segment.has(control::fin) && segment.seq + segment.len() == entry.rcv_nxt) {
    note_timestamp(entry, segment);
    unlink(index);
    entry.deadline = deadline_after(now, config) % round;
    append(index);
    return answer(entry, Drop::tcp_bad_sequence);
  }
  // The only number that the peer has left to use is RCV.NXT, and it has nothing more to say.
  if (always_answered(segment)) return answer(entry, Drop::tcp_bad_sequence);
  if (segment.seq != entry.rcv_nxt) return challenge(entry, Drop::tcp_bad_sequence, false, now);
  if (entry.snd_nxt < segment.ack) return challenge(entry, Drop::tcp_bad_ack, false, now);
  note_timestamp(entry, segment);
  return {Action::ignore, Drop::none};
}

std::optional<Instant> TimeWaitQueue::next_deadline(Instant now) const noexcept {
  if (first_ == end) return std::nullopt;
  return now + time_left(entries_[first_], now);
}

void TimeWaitQueue::append(std::uint32_t index) noexcept {
  TimeWait& entry = entries_[index];
  entry.previous = last_ & end;
  entry.next = end;
  set_next(last_, index);
  last_ = index;
}

void TimeWaitQueue::unlink(std::uint32_t index) noexcept {
  const TimeWait& entry = entries_[index];
  set_next(static_cast<std::uint32_t>(entry.previous), static_cast<std::uint32_t>(entry.next));
  set_previous(static_cast<std::uint32_t>(entry.next), static_cast<std::uint32_t>(entry.previous));
}

std::size_t TimeWaitQueue::due(Instant now, std::span<std::uint32_t> out) const noexcept {
  std::size_t n = 0;
  for (std::uint32_t i = first_; n != out.size() && i != end; ++n) {
    if (time_left(entries_[i], now) > Duration{0}) break;
    out[n] = i;
    i = static_cast<std::uint32_t>(entries_[i].next);
  }
  return n;
}

void TimeWaitQueue::set_next(std::uint32_t index, std::uint32_t next) noexcept {
  if (index == end) {
    first_ = next;
  } else {
    entries_[index].next = next & end;
  }
}

void TimeWaitQueue::set_previous(std::uint32_t index, std::uint32_t previous) noexcept {
  if (index == end) {
    last_ = previous;
  } else {
    entries_[index].previous = previous & end;
  }
}

}  // namespace pollux::tcp
