#pragma once

#include <array>
#include <cstdint>

#include "wire/seq_num.h"

namespace pollux::tcp {

using wire::SeqNum;

/// What has been received past a gap: ranges of text, and the place of a FIN (RFC 9293 SHLD-31).
/// The bytes themselves lie in the owner's receive queue. Bounded: a range too many is refused, and
/// the peer sends its text again.
class OutOfOrder {
 public:
  static constexpr std::uint8_t max_ranges = 16;

  /// Text from `left` up to, not including, `right`.
  struct Range {
    SeqNum left;
    SeqNum right;
    friend constexpr bool operator==(const Range&, const Range&) noexcept = default;
  };

  enum class Added : std::uint8_t {
    new_text,     // at least one byte of it was not held yet
    nothing_new,  // all of it was
    full          // no room for one more range; nothing changed
  };

  /// Notes a range, left < right, joined with those that it overlaps or touches. The first overlap
  /// is a duplicate.
  Added add(SeqNum left, SeqNum right) noexcept;
  /// Text that has come twice, left < right, to tell the peer of. Of several the last counts.
  void note_duplicate(SeqNum left, SeqNum right) noexcept {
    duplicate_ = {left, right};
    has_duplicate_ = true;
  }
  /// Notes that the peer's FIN has the sequence number `at`. The first FIN that was heard of
  /// counts.
  void add_fin(SeqNum at) noexcept;
  /// How far text reaches without a gap, when it has come up to `next`; what lies before that is
  /// forgotten, and so is a FIN with a sequence number that text has taken. What was held before
  /// `next` is a duplicate, unless there is another already.
  SeqNum advance(SeqNum next) noexcept;
  /// The peer's FIN comes next.
  bool fin_at(SeqNum next) const noexcept { return has_fin_ && fin_ == next; }

  /// What to tell the peer of (RFC 2018 s.4): the range of the text that came last first, then
  /// those of what came before it, then others; and before them all a duplicate (RFC 2883 s.4).
  /// Writes up to `most` (at most max_reported) ranges and returns how many.
  std::uint8_t report(std::uint8_t most, Range* to) const noexcept;
  static constexpr std::uint8_t max_reported = 4;
  /// The peer has been told: of a duplicate once is enough.
  void reported() noexcept { has_duplicate_ = false; }

  /// There is nothing to hold, and nothing to tell.
  bool empty() const noexcept { return count_ == 0 && !has_fin_ && !has_duplicate_; }
  std::uint8_t size() const noexcept { return count_; }
  /// In the order of sequence numbers, with a gap before each; i < size().
  Range operator[](std::uint8_t i) const noexcept { return ranges_[i]; }

 private:
  void note_latest(SeqNum at) noexcept;
  void erase(std::uint8_t first, std::uint8_t last) noexcept;

  std::array<Range, max_ranges> ranges_{};
  std::array<SeqNum, max_reported> latest_{};  // a number in each, the latest first
  std::uint8_t latest_count_ = 0;
  Range duplicate_{};
  SeqNum fin_;
  std::uint8_t count_ = 0;
  bool has_fin_ = false;
  bool has_duplicate_ = false;
};

}  // namespace pollux::tcp
