#include "transport/tcp/reassembly.h"

#include <algorithm>

#include "base/assert.h"

namespace pollux::tcp {

OutOfOrder::Added OutOfOrder::add(SeqNum left, SeqNum right) noexcept {
  POLLUX_ASSERT(left < right);
  note_latest(left);
  // [first, last) are the ranges that the new one overlaps or touches.
  std::uint8_t first = 0;
  while (first < count_ && ranges_[first].right < left) ++first;
  std::uint8_t last = first;
  while (last < count_ && ranges_[last].left <= right) ++last;

  if (first == last) {
    if (count_ == max_ranges) return Added::full;
    std::copy_backward(ranges_.begin() + first, ranges_.begin() + count_,
                       ranges_.begin() + count_ + 1);
    ranges_[first] = {left, right};
    ++count_;
    return Added::new_text;
  }
  for (std::uint8_t i = first; i != last; ++i) {
    const Range twice{max(ranges_[i].left, left), min(ranges_[i].right, right)};
    if (twice.right <= twice.left) continue;  // they touch
    note_duplicate(twice.left, twice.right);
    break;
  }
  Range& joined = ranges_[first];
  if (joined.left <= left && right <= joined.right) return Added::nothing_new;
  joined = {min(joined.left, left), max(ranges_[last - 1].right, right)};
  erase(static_cast<std::uint8_t>(first + 1), last);
  return Added::new_text;
}

/// A range that is refused, or that has been read by now, is passed over by report().
void OutOfOrder::note_latest(SeqNum at) noexcept {
  const auto end = latest_.begin() + latest_count_;
  const auto known = std::find(latest_.begin(), end, at);
  if (known == end && latest_count_ < max_reported) ++latest_count_;
  const auto last = known == end ? latest_.begin() + latest_count_ - 1 : known;
  std::copy_backward(latest_.begin(), last, last + 1);
  latest_[0] = at;
}

std::uint8_t OutOfOrder::report(std::uint8_t most, Range* to) const noexcept {
  std::uint8_t written = 0;
  if (has_duplicate_ && most != 0) to[written++] = duplicate_;
  std::uint32_t seen = 0;  // a bit for each range
  const auto add = [&](std::uint8_t i) {
    if (written == most || (seen >> i & 1) != 0) return;
    seen |= 1u << i;
    to[written++] = ranges_[i];
  };
  for (std::uint8_t k = 0; k < latest_count_; ++k) {
    for (std::uint8_t i = 0; i < count_; ++i) {
      if (ranges_[i].left <= latest_[k] && latest_[k] < ranges_[i].right) add(i);
    }
  }
  for (std::uint8_t i = count_; i > 0; --i) add(static_cast<std::uint8_t>(i - 1));
  return written;
}

void OutOfOrder::add_fin(SeqNum at) noexcept {
  if (has_fin_) return;
  has_fin_ = true;
  fin_ = at;
}

SeqNum OutOfOrder::advance(SeqNum next) noexcept {
  if (count_ != 0 && ranges_[0].left < next && !has_duplicate_) {
    note_duplicate(ranges_[0].left, min(ranges_[0].right, next));
  }
  std::uint8_t passed = 0;
  while (passed < count_ && ranges_[passed].left <= next) {
    next = max(next, ranges_[passed].right);
    ++passed;
  }
  erase(0, passed);
  if (has_fin_ && fin_ < next) has_fin_ = false;
  return next;
}

void OutOfOrder::erase(std::uint8_t first, std::uint8_t last) noexcept {
  std::copy(ranges_.begin() + last, ranges_.begin() + count_, ranges_.begin() + first);
  count_ = static_cast<std::uint8_t>(count_ - (last - first));
}

}  // namespace pollux::tcp
