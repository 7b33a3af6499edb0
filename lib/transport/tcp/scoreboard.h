#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

using wire::SeqNum;

/// What a sender knows of the sequence numbers in flight: for each, when it was last sent, and
/// whether it has arrived (RFC 2018 s.6), is believed lost, or was sent again. Kept as ranges that
/// lie end to end from SND.UNA to SND.NXT; neighbours of one kind that were sent within a grain of
/// time are one range, with the first and the last of its times, so that a window of any size takes
/// a bounded number. When there is no room for one more, ranges are joined. What has arrived counts
/// as sent at the first of its times, what is missing at the last: a loss is noticed later, never
/// too early, and at worst something is sent again that has arrived.
class Scoreboard {
 public:
  static constexpr std::uint8_t max_ranges = 96;

  /// From `left` up to, not including, `right`.
  struct Range {
    SeqNum left;
    SeqNum right;
    Micros32 first_at;  // the first of it was sent, the last time that it was
    Micros32 sent_at;   // the last of it was
    bool sacked = false;
    bool lost = false;
    bool again = false;  // sent more than once
    std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(right - left); }
  };

  /// Nothing is written here: a Scoreboard is made for each of many short uses.
  Scoreboard() noexcept {}

  /// Begins, with all of [left, right) sent once, at `sent_at`.
  void begin(SeqNum left, SeqNum right, Micros32 sent_at) noexcept;
  bool begun() const noexcept { return begun_; }

  /// [left, right) leaves now: it is new, from back() on, or sent again.
  void sent(SeqNum left, SeqNum right, Micros32 now, std::chrono::microseconds grain) noexcept;

  /// SND.UNA moves; `delivered(const Range&)` is called for what had not been known to have
  /// arrived.
  template <class F>
  void acknowledge(SeqNum una, F&& delivered) noexcept {
    std::uint8_t passed = 0;
    SeqNum left = front_;
    for (; passed < count_ && left < una; ++passed) {
      Entry& entry = entries_[passed];
      const SeqNum right = min(entry.right, una);
      if (!entry.sacked) delivered(range(entry, left, right));
      uncount(entry, static_cast<std::uint32_t>(right - left));
      left = right;
      if (right != entry.right) break;  // a part of it is left
    }
    erase_front(passed);
    front_ = max(front_, una);
  }

  /// A block of the SACK option, which lies within [front(), back()). The same is called for what
  /// is new in it.
  template <class F>
  void sack(SeqNum left, SeqNum right, F&& delivered) noexcept {
    split(left);
    split(right);
    SeqNum at = front_;
    for (std::uint8_t i = 0; i < count_ && at < right; ++i) {
      Entry& entry = entries_[i];
      if (left <= at && !entry.sacked) {
        delivered(range(entry, at, entry.right));
        const auto size = static_cast<std::uint32_t>(entry.right - at);
        if (entry.lost) lost_ -= size;
        entry.lost = false;
        entry.sacked = true;
        sacked_ += size;
      }
      at = entry.right;
    }
    join();
  }

  /// Believes everything lost that is not yet, has not arrived, and that is_lost(const Range&) says
  /// so of.
  template <class F>
  void lose(F&& is_lost) noexcept {
    SeqNum at = front_;
    for (std::uint8_t i = 0; i < count_; ++i) {
      Entry& entry = entries_[i];
      if (!entry.sacked && !entry.lost && is_lost(range(entry, at, entry.right))) {
        entry.lost = true;
        lost_ += static_cast<std::uint32_t>(entry.right - at);
      }
      at = entry.right;
    }
  }

  /// The receiver has taken back what it said (RFC 2018 s.8): nothing has arrived.
  void forget_sacked() noexcept;
  /// Nothing was lost after all.
  void forget_lost() noexcept;

  SeqNum front() const noexcept { return front_; }
  SeqNum back() const noexcept { return count_ == 0 ? front_ : entries_[count_ - 1].right; }
  std::uint32_t sacked() const noexcept { return sacked_; }  // bytes
  std::uint32_t lost() const noexcept { return lost_; }      // bytes
  /// What is believed to be in the network: neither arrived nor lost (RFC 6675 s.2, pipe).
  std::uint32_t pipe() const noexcept {
    return static_cast<std::uint32_t>(back() - front_) - sacked_ - lost_;
  }
  bool front_is_sacked() const noexcept { return count_ != 0 && entries_[0].sacked; }
  /// Discontiguous ranges that have arrived.
  std::uint8_t islands() const noexcept;
  /// Whether the byte at `at` is believed lost.
  bool is_lost(SeqNum at) const noexcept;
  /// Whether all that is believed lost lies in [left, right), and was sent once only.
  bool all_lost_once(SeqNum left, SeqNum right) const noexcept;
  /// The first that is to be sent again.
  std::optional<Range> first_lost() const noexcept;

  std::uint8_t size() const noexcept { return count_; }
  /// In the order of sequence numbers; i < size().
  Range operator[](std::uint8_t i) const noexcept {
    return range(entries_[i], i == 0 ? front_ : entries_[i - 1].right, entries_[i].right);
  }

 private:
  struct Entry {
    SeqNum right;
    Micros32 first_at;
    Micros32 sent_at;
    bool sacked = false;
    bool lost = false;
    bool again = false;

    bool same_kind(const Entry& other) const noexcept {
      return sacked == other.sacked && lost == other.lost && again == other.again;
    }
  };
  union Entries {  // left as they are until they are used
    Entries() noexcept {}
    std::array<Entry, max_ranges> all;
    Entry& operator[](std::size_t i) noexcept { return all[i]; }
    const Entry& operator[](std::size_t i) const noexcept { return all[i]; }
  };

  static Range range(const Entry& entry, SeqNum left, SeqNum right) noexcept {
    return {left, right, entry.first_at, entry.sent_at, entry.sacked, entry.lost, entry.again};
  }
  void uncount(const Entry& entry, std::uint32_t size) noexcept {
    if (entry.sacked) sacked_ -= size;
    if (entry.lost) lost_ -= size;
  }
  void append(SeqNum right, Micros32 now, std::chrono::microseconds grain) noexcept;
  void split(SeqNum at) noexcept;
  void join() noexcept;
  void make_room() noexcept;
  void erase_front(std::uint8_t count) noexcept;

  SeqNum front_;
  std::uint32_t sacked_ = 0;
  std::uint32_t lost_ = 0;
  std::uint8_t count_ = 0;
  bool begun_ = false;
  Entries entries_;
};

}  // namespace pollux::tcp
