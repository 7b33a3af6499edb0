#pragma once

#include <cstdint>
#include <optional>
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
  Millis32 deadline;
  // Links of the queue.
  std::uint32_t previous : 31 = 0;
  std::uint32_t challenged : 1 = false;  // the last acknowledgment() answered a SYN
  std::uint32_t next = 0;
};
static_assert(sizeof(TimeWait) == 32);

/// What replaces a Tcb whose Verdict says time_wait; it lasts 2 MSL from now on (MUST-13).
TimeWait make_time_wait(const Tcb& tcb, const wire::FourTuple& tuple, const Config& config,
                        Instant now) noexcept;

/// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, in answer to a segment, whose timestamp it echoes: a peer
/// who sends timestamps may take nothing without (RFC 7323 s.3.2). The window is closed: everything
/// has been received.
Segment acknowledgment(const TimeWait& entry, const Segment& answered) noexcept;

/// What a segment means for such an entry, and what its owner does about it.
struct TimeWaitVerdict {
  enum class Action : std::uint8_t {
    ignore,
    acknowledge,  // TimeWaitQueue::acknowledges(), and send acknowledgment()
    challenge,    // the same, for a SYN that may be an old one
    restart,      // the same, for the peer's FIN; and TimeWaitQueue::restart()
    close,        // the entry goes
    reopen        // a new connection's SYN (MAY-2): the entry goes, and the segment to LISTEN; the
                  // new ISS must be after this entry's snd_nxt
  };
  Action action = Action::ignore;
  Drop drop = Drop::none;  // not with reopen
};
/// Resets are ignored, for an old one must not end the wait (RFC 1337), except the exact answer to
/// a challenge: the peer knows nothing of the connection any more, and wants a new one whose number
/// happens to be too low. Without this it could not have it for the rest of 2 MSL, and that is half
/// of the connections of a client that was started again (docs/decisions/0005).
TimeWaitVerdict segment_arrives(const TimeWait& entry, const Segment& segment) noexcept;

/// One core's entries. All wait equally long, so they stand in the order of their deadlines.
class TimeWaitQueue {
 public:
  static constexpr std::uint32_t none = Slab<TimeWait>::none;

  /// Room for `capacity` entries; `huge` as in Reservation::make.
  static Result<TimeWaitQueue> make(std::uint32_t capacity, bool huge = false);
  /// A queue of no entries, for members that are made later.
  TimeWaitQueue() noexcept = default;

  /// Appends and returns the index. When full, the oldest goes first, and
  /// on_evicted(std::uint32_t index, const TimeWait&) is called while it is still there. None only
  /// when the capacity is 0.
  template <class F>
  [[nodiscard]] std::uint32_t insert(const TimeWait& entry, F&& on_evicted) noexcept {
    if (entries_.available() == 0 && first_ != end) {
      on_evicted(first_, std::as_const(entries_[first_]));
      erase(first_);
    }
    const std::uint32_t index = entries_.acquire(entry);
    if (index != none) append(index);
    return index;
  }

  /// Takes an entry out, in O(1): reopened, or closed for another reason.
  void erase(std::uint32_t index) noexcept;
  /// The entry acknowledges, for a SYN or for something else; see segment_arrives().
  void acknowledges(std::uint32_t index, bool challenge) noexcept {
    entries_[index].challenged = challenge;
  }
  /// The wait begins again (s.3.10.7.4, eighth).
  void restart(std::uint32_t index, const Config& config, Instant now) noexcept;

  /// Takes out every entry whose wait is over, the oldest first; on_expired(std::uint32_t index,
  /// const TimeWait&) is called while it is still there, and must not call the queue.
  template <class F>
  void expire(Instant now, F&& on_expired) noexcept {
    const Millis32 time{now};
    while (first_ != end && entries_[first_].deadline <= time) {
      on_expired(first_, std::as_const(entries_[first_]));
      erase(first_);
    }
  }
  /// When expire() will have something to do.
  std::optional<Millis32> next_deadline() const noexcept;

  const TimeWait& operator[](std::uint32_t index) const noexcept { return entries_[index]; }
  void prefetch(std::uint32_t index) const noexcept { entries_.prefetch(index); }
  std::uint32_t size() const noexcept { return entries_.size(); }
  std::uint32_t capacity() const noexcept { return entries_.capacity(); }

 private:
  /// The end of the list, in the 31 bits of a link.
  static constexpr std::uint32_t end = 0x7fff'ffff;

  explicit TimeWaitQueue(Slab<TimeWait> entries) noexcept : entries_(std::move(entries)) {}
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
