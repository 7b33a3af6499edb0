#include "base/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace pollux {
namespace {

/// The first set bit at or after `from`, or 256.
template <class Words>
unsigned first_set(const Words& words, unsigned from) noexcept {
  unsigned word = from / 64;
  std::uint64_t bits = words[word] & (~std::uint64_t{0} << (from % 64));
  while (bits == 0) {
    if (++word == words.size()) return static_cast<unsigned>(words.size() * 64);
    bits = words[word];
  }
  return word * 64 + static_cast<unsigned>(std::countr_zero(bits));
}

}  // namespace

Result<TimerWheel> TimerWheel::make(std::uint32_t capacity, Instant now, bool huge) {
  POLLUX_ASSERT(capacity < first_of);
  auto memory = Reservation::make(std::size_t{capacity} * sizeof(Link), huge);
  if (!memory) return memory.error();
  return TimerWheel{std::move(*memory), capacity, tick_at_or_before(now)};
}

void TimerWheel::arm(std::uint32_t id, Instant when) noexcept {
  POLLUX_ASSERT(id < capacity_);
  const bool moves = armed(id);
  const std::int64_t asked = tick_at_or_after(when);
  std::uint32_t list = overdue_list;
  std::int64_t due = horizon_;
  if (asked > horizon_) {
    due = std::min(asked, current_ + max_ticks_ahead);
    list = list_for(due);
    // The commonest move is none at all: the same tick again.
    if (moves && links()[id].due == static_cast<std::uint32_t>(due)) return;
  }
  if (moves) unlink(id);
  links()[id].due = static_cast<std::uint32_t>(due);
  link(id, list);
}

void TimerWheel::cancel(std::uint32_t id) noexcept {
  if (armed(id)) unlink(id);
}

bool TimerWheel::take_due_slot() noexcept {
  if (heads_[firing_list] != 0) return true;
  while (const std::optional<Slot> slot = earliest_slot()) {
    if (slot->start > horizon_) break;
    current_ = slot->start;
    if (slot->list < slots) {
      splice_to_firing(slot->list);
      return true;
    }
    cascade(slot->list);
  }
  current_ = horizon_;
  return false;
}

std::optional<Instant> TimerWheel::next_deadline() const noexcept {
  if (size_ == 0) return std::nullopt;
  const std::optional<Slot> slot = earliest_slot();
  const bool waiting = (heads_[overdue_list] | heads_[firing_list]) != 0;
  const std::int64_t tick = waiting || !slot ? horizon_ : slot->start;
  return Instant{std::chrono::milliseconds{tick}};
}

// A timer lies at the level of the highest digit (of 8 bits) in which its tick differs from the
// current one, in the slot of its own digit there. So whatever a level holds is due before all that
// the levels above it hold, and within a level the slots lie ahead of the current digit, in order.
// Only the top level wraps around.
std::uint32_t TimerWheel::list_for(std::int64_t due) const noexcept {
  const auto to = static_cast<std::uint64_t>(due);
  const std::uint64_t difference = to ^ static_cast<std::uint64_t>(current_);
  const unsigned highest = static_cast<unsigned>(std::bit_width(difference | 1)) - 1;
  const unsigned level = std::min(highest / digit_bits, levels - 1);
  return level * slots + static_cast<std::uint32_t>(to >> (level * digit_bits)) % slots;
}

std::optional<TimerWheel::Slot> TimerWheel::earliest_slot() const noexcept {
  for (unsigned level = 0; level < levels; ++level) {
    const unsigned shift = level * digit_bits;
    const std::int64_t at = current_ >> shift;  // in units of the level's slots
    const auto digit = static_cast<unsigned>(static_cast<std::uint64_t>(at) % slots);
    unsigned slot = first_set(occupied_[level], digit);
    if (slot == slots && level == levels - 1) slot = first_set(occupied_[level], 0);
    if (slot == slots) continue;
    const std::int64_t ahead = (slot + slots - digit) % slots;
    return Slot{level * slots + slot, (at + ahead) << shift};
  }
  return std::nullopt;
}

void TimerWheel::cascade(std::uint32_t list) noexcept {
  std::uint32_t next = heads_[list];
  heads_[list] = 0;
  mark(list, false);
  while (next != 0) {
    const std::uint32_t id = next - 1;
    next = links()[id].next;
    if (next != 0) __builtin_prefetch(&links()[next - 1]);
    // No timer lies a whole wrap of the 32 bits ahead, so they give back the full tick.
    const std::uint32_t ahead = links()[id].due - static_cast<std::uint32_t>(current_);
    link(id, list_for(current_ + ahead));
    --size_;  // link() counted it, but it was armed before
  }
}

void TimerWheel::link(std::uint32_t id, std::uint32_t list) noexcept {
  const std::uint32_t first = heads_[list];
  if (first != 0) {
    links()[first - 1].previous = id + 1;
  } else {
    mark(list, true);
  }
  links()[id].next = first;
  links()[id].previous = first_of + list;
  heads_[list] = id + 1;
  ++size_;
}

void TimerWheel::unlink(std::uint32_t id) noexcept {
  Link& gone = links()[id];
  if (gone.next != 0) links()[gone.next - 1].previous = gone.previous;
  if ((gone.previous & first_of) != 0) {
    const std::uint32_t list = gone.previous - first_of;
    heads_[list] = gone.next;
    if (gone.next == 0) mark(list, false);
  } else {
    links()[gone.previous - 1].next = gone.next;
  }
  gone.previous = unlinked;
  --size_;
}

void TimerWheel::splice_to_firing(std::uint32_t list) noexcept {
  POLLUX_ASSERT(heads_[firing_list] == 0);
  const std::uint32_t first = heads_[list];
  heads_[list] = 0;
  mark(list, false);
  heads_[firing_list] = first;
  if (first != 0) links()[first - 1].previous = first_of + firing_list;
}

void TimerWheel::mark(std::uint32_t list, bool occupied) noexcept {
  if (list >= overdue_list) return;
  const std::uint64_t bit = std::uint64_t{1} << (list % 64);
  std::uint64_t& word = occupied_[list / slots][list % slots / 64];
  word = occupied ? word | bit : word & ~bit;
}

}  // namespace pollux
