#include "transport/tcp/scoreboard.h"

#include <algorithm>

namespace pollux::tcp {

namespace {

Micros32 earlier_of(Micros32 a, Micros32 b) noexcept { return a < b ? a : b; }
Micros32 later_of(Micros32 a, Micros32 b) noexcept { return a < b ? b : a; }

}  // namespace

void Scoreboard::begin(SeqNum left, SeqNum right, Micros32 sent_at) noexcept {
  front_ = left;
  sacked_ = lost_ = 0;
  count_ = 0;
  begun_ = true;
  if (left != right) entries_[count_++] = {right, sent_at, sent_at};
}

void Scoreboard::sent(SeqNum left, SeqNum right, Micros32 now,
                      std::chrono::microseconds grain) noexcept {
  if (left < back()) {
    split(left);
    split(min(right, back()));
    SeqNum at = front_;
    for (std::uint8_t i = 0; i < count_ && at < right; ++i) {
      Entry& entry = entries_[i];
      if (left < entry.right && !entry.sacked) {
        if (entry.lost) lost_ -= static_cast<std::uint32_t>(entry.right - at);
        entry.lost = false;
        entry.again = true;
        entry.first_at = entry.sent_at = now;
      }
      at = entry.right;
    }
    join();
  }
  if (back() < right) append(right, now, grain);
}

void Scoreboard::append(SeqNum right, Micros32 now, std::chrono::microseconds grain) noexcept {
  if (count_ != 0) {
    Entry& last = entries_[count_ - 1];
    if (last.same_kind({}) && now - last.first_at <= grain) {
      last.right = right;
      last.sent_at = now;
      return;
    }
  }
  make_room();
  entries_[count_++] = {right, now, now};
}

/// Makes `at` the bound of a range.
void Scoreboard::split(SeqNum at) noexcept {
  if (at <= front_ || back() <= at) return;
  make_room();
  std::uint8_t i = 0;
  while (entries_[i].right < at) ++i;
  if (entries_[i].right == at) return;
  const auto from = entries_.all.begin() + i;
  std::copy_backward(from, entries_.all.begin() + count_, entries_.all.begin() + count_ + 1);
  entries_[i].right = at;
  ++count_;
}

/// Joins neighbours that nothing tells apart: when what has arrived was sent is of no interest any
/// more.
void Scoreboard::join() noexcept {
  if (count_ < 2) return;
  std::uint8_t to = 0;
  for (std::uint8_t i = 1; i < count_; ++i) {
    Entry& kept = entries_[to];
    const Entry& next = entries_[i];
    const bool both_sacked = kept.sacked && next.sacked;
    if (both_sacked ||
        (kept.same_kind(next) && kept.first_at == next.first_at && kept.sent_at == next.sent_at)) {
      kept.right = next.right;
    } else {
      entries_[++to] = next;
    }
  }
  count_ = static_cast<std::uint8_t>(to + 1);
}

/// Leaves a place for one range more. Pairs of neighbours of one kind are joined under the later
/// time; where there are none, what is known of the last two is given up, and they count as sent
/// again.
void Scoreboard::make_room() noexcept {
  if (count_ < max_ranges) return;
  std::uint8_t to = 0;
  for (std::uint8_t i = 0; i < max_ranges; ++to) {
    entries_[to] = entries_[i++];
    if (i == max_ranges || !entries_[to].same_kind(entries_[i])) continue;
    entries_[to].first_at = earlier_of(entries_[to].first_at, entries_[i].first_at);
    entries_[to].sent_at = later_of(entries_[to].sent_at, entries_[i].sent_at);
    entries_[to].right = entries_[i++].right;
  }
  count_ = to;
  if (count_ < max_ranges) return;
  Entry& joined = entries_[max_ranges - 2];
  const Entry& last = entries_[max_ranges - 1];
  uncount(joined, (*this)[max_ranges - 2].size());
  uncount(last, (*this)[max_ranges - 1].size());
  joined = {.right = last.right,
            .first_at = earlier_of(joined.first_at, last.first_at),
            .sent_at = later_of(joined.sent_at, last.sent_at),
            .again = true};
  --count_;
}

void Scoreboard::erase_front(std::uint8_t count) noexcept {
  if (count == 0) return;
  std::copy(entries_.all.begin() + count, entries_.all.begin() + count_, entries_.all.begin());
  count_ = static_cast<std::uint8_t>(count_ - count);
}

void Scoreboard::forget_sacked() noexcept {
  for (std::uint8_t i = 0; i < count_; ++i) entries_[i].sacked = false;
  sacked_ = 0;
}

void Scoreboard::forget_lost() noexcept {
  for (std::uint8_t i = 0; i < count_; ++i) entries_[i].lost = false;
  lost_ = 0;
}

std::uint8_t Scoreboard::islands() const noexcept {
  std::uint8_t found = 0;
  for (std::uint8_t i = 0; i < count_; ++i)
    found = static_cast<std::uint8_t>(found + entries_[i].sacked);
  return found;
}

bool Scoreboard::is_lost(SeqNum at) const noexcept {
  if (lost_ == 0) return false;
  std::uint8_t i = 0;
  while (i < count_ && entries_[i].right <= at) ++i;
  return i < count_ && entries_[i].lost;
}

bool Scoreboard::all_lost_once(SeqNum left, SeqNum right) const noexcept {
  for (std::uint8_t i = 0; i < count_; ++i) {
    const Range each = (*this)[i];
    if (each.lost && (each.again || each.left < left || right < each.right)) return false;
  }
  return true;
}

std::optional<Scoreboard::Range> Scoreboard::first_lost() const noexcept {
  if (lost_ == 0) return std::nullopt;
  for (std::uint8_t i = 0; i < count_; ++i) {
    if (entries_[i].lost) return (*this)[i];
  }
  return std::nullopt;
}

}  // namespace pollux::tcp
