#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/memory.h"
#include "base/result.h"
#include "base/time.h"

namespace pollux {

/// One timer for each id in [0, capacity), in ticks of a millisecond: a hierarchical wheel
/// (Varghese and Lauck 1987) of four levels of 256 slots. Arming, cancelling and firing touch a
/// slot's head and the 12-byte links of at most two neighbours; a timer changes level at most three
/// times in its life; and a jump over hours costs no more than the timers that it passes. Links lie
/// in an array of their own, whose pages are touched as ids are.
///
/// A timer never fires early: its time is rounded up to a tick. Timers of one tick fire in an order
/// that depends on nothing but the calls made before.
class TimerWheel {
 public:
  /// What an id costs once it was used.
  static constexpr std::size_t bytes_per_entry = 12;
  /// The farthest that a timer may lie ahead (49 days): what is asked for beyond is cut to it, the
  /// one case in which a timer is early.
  static constexpr std::int64_t max_ticks_ahead =
      (std::int64_t{1} << 32) - (std::int64_t{1} << 24) - 1;

  /// A wheel of no ids, for members that are made later.
  TimerWheel() noexcept = default;
  /// A wheel with nothing armed, whose time is `now`; capacity < 2^31. Some 4 KiB, and 12 bytes of
  /// address space an id.
  static Result<TimerWheel> make(std::uint32_t capacity, Instant now, bool huge = false);

  /// Arms the id's timer, or moves it if it is armed. One that lies in the past, or within a
  /// running advance() not after its `now`, fires at the next advance().
  void arm(std::uint32_t id, Instant when) noexcept;
  /// Disarms the id's timer, if it is armed.
  void cancel(std::uint32_t id) noexcept;
  bool armed(std::uint32_t id) const noexcept {
    POLLUX_ASSERT(id < capacity_);
    return links()[id].previous != unlinked;
  }
  /// How many timers are armed.
  std::uint32_t size() const noexcept { return size_; }
  std::uint32_t capacity() const noexcept { return capacity_; }

  /// Moves the time on to `now` (a time before the last one counts as the last one) and calls
  /// on_due(std::uint32_t id) once for each timer that was due by then, earlier ticks first, after
  /// disarming it. on_due may arm and cancel any id, its own too; it must not call advance().
  template <class F>
  void advance(Instant now, F&& on_due) noexcept {
    if (!begin(tick_at_or_before(now))) return;
    while (take_due_slot()) {
      while (heads_[firing_list] != 0) {
        const std::uint32_t id = heads_[firing_list] - 1;
        unlink(id);
        on_due(id);
      }
    }
  }

  /// No timer fires before this time, and advance() to it gets on: it fires what is due, or brings
  /// far timers one level nearer (at most three times in a timer's life). It is exact where the
  /// earliest timer's tick shares all but its low 8 bits with the time. With nothing armed there is
  /// none.
  std::optional<Instant> next_deadline() const noexcept;

 private:
  static constexpr unsigned levels = 4;
  static constexpr unsigned digit_bits = 8;
  static constexpr unsigned slots = 1u << digit_bits;
  static constexpr unsigned words = slots / 64;
  // Lists that are no slot: timers for the next advance(), and those which are firing now.
  static constexpr std::uint32_t overdue_list = levels * slots;
  static constexpr std::uint32_t firing_list = overdue_list + 1;
  static constexpr std::uint32_t lists = firing_list + 1;

  /// Links to ids are one up, so that zeroed memory means: not armed.
  struct Link {
    std::uint32_t next;      // id + 1, or 0 at the end
    std::uint32_t previous;  // id + 1, or first_of + list, or unlinked
    std::uint32_t due;       // the tick's low 32 bits
  };
  static_assert(sizeof(Link) == 12);
  static constexpr std::uint32_t unlinked = 0;
  static constexpr std::uint32_t first_of = 0x80000000;

  /// The earliest slot that holds anything, and the first tick that it stands for.
  struct Slot {
    std::uint32_t list;
    std::int64_t start;
  };

  TimerWheel(Reservation links, std::uint32_t capacity, std::int64_t now) noexcept
      : memory_(std::move(links)), capacity_(capacity), current_(now), horizon_(now) {}

  static std::int64_t tick_at_or_before(Instant when) noexcept {
    return std::chrono::floor<std::chrono::milliseconds>(when.time_since_epoch()).count();
  }
  static std::int64_t tick_at_or_after(Instant when) noexcept {
    return std::chrono::ceil<std::chrono::milliseconds>(when.time_since_epoch()).count();
  }
  Link* links() noexcept { return reinterpret_cast<Link*>(memory_.data()); }
  const Link* links() const noexcept { return reinterpret_cast<const Link*>(memory_.data()); }

  /// Sets the horizon and takes the overdue; false when there is nothing to do, the usual case.
  bool begin(std::int64_t target) noexcept {
    if (target <= horizon_ && heads_[overdue_list] == 0) return false;
    if (target > horizon_) horizon_ = target;
    splice_to_firing(overdue_list);
    return true;
  }
  /// Moves the time on until some list is ready to fire; false when it has reached the horizon.
  bool take_due_slot() noexcept;
  std::optional<Slot> earliest_slot() const noexcept;
  /// Spreads a slot of a higher level over the levels below; the time is the slot's start.
  void cascade(std::uint32_t list) noexcept;
  /// The list for a timer that is due at this tick, seen from the current one.
  std::uint32_t list_for(std::int64_t due) const noexcept;
  void link(std::uint32_t id, std::uint32_t list) noexcept;
  void unlink(std::uint32_t id) noexcept;
  void splice_to_firing(std::uint32_t list) noexcept;
  void mark(std::uint32_t list, bool occupied) noexcept;

  Reservation memory_;
  std::uint32_t capacity_ = 0;
  std::uint32_t size_ = 0;
  // All that was due by this tick has fired; within advance() it runs after the horizon.
  std::int64_t current_ = 0;
  // The tick of the last advance(): what is armed for it or before waits for the next one.
  std::int64_t horizon_ = 0;
  std::array<std::array<std::uint64_t, words>, levels> occupied_{};
  std::array<std::uint32_t, lists> heads_{};
};

}  // namespace pollux
