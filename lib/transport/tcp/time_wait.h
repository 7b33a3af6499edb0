#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/counters.h"
#include "base/result.h"
#include "base/slab.h"
#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/segment.h"
#include "transport/tcp/tcb.h"
#include "wire/address.h"

/// TIME-WAIT (RFC 9293 s.3.6.1, 3.10.7.4): all that is left of a connection that we closed first.
namespace pollux::tcp {

/// What a connection leaves behind, in half a cache line.
struct TimeWait {
  wire::FourTuple tuple;
  SeqNum snd_nxt;
  SeqNum rcv_nxt;
  /// TS.Recent (RFC 7323 s.4.3); 0: the connection had no timestamps. One whose last was 0 goes by
  /// its numbers, as if it had had none.
  std::uint32_t ts_recent = 0;
  // What TimeWaitQueue keeps for itself.
  std::uint64_t deadline : 14 = 0;  // in ticks, which come round
  std::uint64_t previous : 23 = 0;
  std::uint64_t next : 23 = 0;
  std::uint64_t challenge_slot : 3 = 0;  // of the last ACK that was no answer to text or FIN
  std::uint64_t challenged : 1 = false;  // the last ACK answered a SYN
};
static_assert(sizeof(TimeWait) == 32);

/// What replaces a Tcb whose Verdict says time_wait; it lasts 2 MSL from now on (MUST-13), rounded
/// up to a tenth of a second, and 20 minutes at most.
TimeWait make_time_wait(const Tcb& tcb, const wire::FourTuple& tuple, const Config& config,
                        Instant now) noexcept;

/// For how long the entry waits yet; not more than nothing when that is over. Right within 7
/// minutes of its end.
Duration time_left(const TimeWait& entry, Instant now) noexcept;

/// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>. The window is closed: everything has been received.
Segment acknowledgment(const TimeWait& entry) noexcept;

/// What a segment means for such an entry, and what its owner does about it.
struct TimeWaitVerdict {
  enum class Action : std::uint8_t {
    ignore,
    acknowledge,  // send acknowledgment()
    close,        // the entry goes
    reopen        // a new connection's SYN (MAY-2): the entry goes, and the segment to LISTEN; the
                  // new ISS must be after this entry's snd_nxt
  };
  Action action = Action::ignore;
  Drop drop = Drop::none;      // not with reopen
  bool challenge_ack = false;  // with acknowledge: RFC 5961
};

/// One core's entries. All wait equally long, so they stand in the order of their deadlines.
class TimeWaitQueue {
 public:
  static constexpr std::uint32_t none = Slab<TimeWait>::none;
  /// The most that a queue holds: a link has 23 bits.
  static constexpr std::uint32_t most = 0x7f'fffe;

  /// Room for `capacity` <= most entries; `huge` as in Reservation::make.
  static Result<TimeWaitQueue> make(std::uint32_t capacity, bool huge = false);
  /// A queue of no entries, for members that are made later.
  TimeWaitQueue() noexcept = default;

  /// Appends what make() returns, and returns the index. When full, the oldest goes first, and
  /// on_evicted(std::uint32_t index, const TimeWait&) is called while it is still there. None only
  /// when the capacity is 0.
  template <class Make, class F>
  [[nodiscard]] std::uint32_t insert_made(Make&& make, F&& on_evicted) noexcept {
    if (entries_.available() == 0 && first_ != end) {
      on_evicted(first_, std::as_const(entries_[first_]));
      erase(first_);
    }
    const std::uint32_t index = entries_.acquire_made(make);
    if (index != none) append(index);
    return index;
  }
  template <class F>
  [[nodiscard]] std::uint32_t insert(const TimeWait& entry, F&& on_evicted) noexcept {
    return insert_made([&]() noexcept { return entry; }, on_evicted);
  }
  /// Of those that go next where there is no room, the one behind `others` of them, or null.
  const TimeWait* next_evicted(std::uint32_t others) const noexcept {
    if (entries_.available() != 0 || entries_.size() <= others) return nullptr;
    std::uint32_t index = first_;
    while (others-- != 0) index = static_cast<std::uint32_t>(entries_[index].next);
    return &entries_[index];
  }

  /// Takes an entry out, in O(1): reopened, or closed for another reason.
  void erase(std::uint32_t index) noexcept;

  /// s.3.10.7.4 for TIME-WAIT. The peer's FIN, come again, begins the wait anew (eighth).
  ///
  /// Resets are ignored, for an old one must not end the wait (RFC 1337), except the exact answer
  /// to a challenge: the peer knows nothing of the connection any more, and wants a new one whose
  /// number happens to be too low. Without this it could not have it for the rest of 2 MSL
  /// (docs/decisions/0005).
  TimeWaitVerdict segment_arrives(std::uint32_t index, const Segment& segment, const Config& config,
                                  Instant now) noexcept;

  /// Takes out every entry whose wait is over, the oldest first; on_expired(std::uint32_t index,
  /// const TimeWait&) is called while it is still there. They come in small groups: for each of a
  /// group on_due(const TimeWait&) is called before the first of it goes, to ask for memory.
  /// Neither may call the queue.
  template <class Due, class Expired>
  void expire(Instant now, Due&& on_due, Expired&& on_expired) noexcept {
    std::array<std::uint32_t, 16> group;
    std::size_t n = group.size();
    while (n == group.size()) {
      n = due(now, group);
      for (std::size_t i = 0; i < n; ++i) on_due(std::as_const(entries_[group[i]]));
      for (std::size_t i = 0; i < n; ++i) {
        on_expired(group[i], std::as_const(entries_[group[i]]));
        erase(group[i]);
      }
    }
  }
  template <class Expired>
  void expire(Instant now, Expired&& on_expired) noexcept {
    expire(
        now, [](const TimeWait&) noexcept {}, on_expired);
  }
  /// When expire() will have something to do.
  std::optional<Instant> next_deadline(Instant now) const noexcept;

  const TimeWait& operator[](std::uint32_t index) const noexcept { return entries_[index]; }
  void prefetch(std::uint32_t index) const noexcept { entries_.prefetch(index); }
  std::uint32_t size() const noexcept { return entries_.size(); }
  std::uint32_t capacity() const noexcept { return entries_.capacity(); }

 private:
  /// The end of the list, in the bits of a link.
  static constexpr std::uint32_t end = most + 1;

  explicit TimeWaitQueue(Slab<TimeWait> entries) noexcept : entries_(std::move(entries)) {}
  /// Which entries' wait is over, the oldest first, as many as `out` takes; returns how many.
  std::size_t due(Instant now, std::span<std::uint32_t> out) const noexcept;
  void append(std::uint32_t index) noexcept;
  void unlink(std::uint32_t index) noexcept;
  /// What follows an entry, or what stands before it; of the queue's own end: its first, its last.
  void set_next(std::uint32_t index, std::uint32_t next) noexcept;
  void set_previous(std::uint32_t index, std::uint32_t previous) noexcept;

  Slab<TimeWait> entries_;
  std::uint32_t first_ = end;
  std::uint32_t last_ = end;
};

}  // namespace pollux::tcp
