#include "base/histogram.h"

#include <algorithm>
#include <cmath>

namespace pollux {

void Histogram::record_corrected(std::uint64_t ns, std::uint64_t expected_interval) noexcept {
  record(ns);
  if (expected_interval == 0 || ns < expected_interval) return;
  // Those that were never sent would have waited ns - interval, ns - 2 interval, ..., down to one
  // interval. There may be millions of them, so they are counted a bucket at a time.
  std::uint64_t longest = ns - expected_interval;
  while (longest >= expected_interval) {
    const std::size_t bucket = bucket_of(longest);
    const std::uint64_t floor = std::max(lowest(bucket), expected_interval);
    const std::uint64_t steps = (longest - floor) / expected_interval;
    const std::uint64_t shortest = longest - steps * expected_interval;
    grow(cells_[bucket], steps + 1);
    grow(count_, steps + 1);
    grow_sum((static_cast<double>(shortest) + static_cast<double>(longest)) / 2 *
             static_cast<double>(steps + 1));
    note_extremes(shortest, longest);
    longest = shortest - expected_interval;
  }
}

void Histogram::add(const Histogram& other) noexcept {
  for (std::size_t i = 0; i < buckets; ++i) {
    if (const std::uint64_t n = read(other.cells_[i]); n != 0) grow(cells_[i], n);
  }
  grow(count_, read(other.count_));
  note_extremes(read(other.min_), read(other.max_));
  grow_sum(other.read_sum());
}

void Histogram::clear() noexcept {
  for (std::uint64_t& cell : cells_) write(cell, 0);
  write(count_, 0);
  write(min_, nothing);
  write(max_, 0);
  grow_sum(-sum_);
}

double Histogram::mean() const noexcept {
  const std::uint64_t n = count();
  return n == 0 ? 0 : read_sum() / static_cast<double>(n);
}

std::uint64_t Histogram::percentile(double p) const noexcept {
  POLLUX_ASSERT(p >= 0 && p <= 100);
  static_assert(bucket_of(max_value) == buckets - 1 && highest(buckets - 1) == max_value);
  // The cells' own sum, not count_: while the owner writes the two may differ by a little.
  std::uint64_t total = 0;
  for (const std::uint64_t& cell : cells_) total += read(cell);
  if (total == 0) return 0;
  if (p <= 0) return min();
  // The smallest rank that is at least p per cent. 99.9 is not a number of the machine's, and the
  // product may come out a hair above a whole one: a trillionth is forgiven.
  const double exact = p / 100 * static_cast<double>(total);
  const auto rank = static_cast<std::uint64_t>(std::ceil(exact - exact * 1e-12));
  std::uint64_t passed = 0;
  // The last bucket has no upper end, for it takes in all that is longer.
  for (std::size_t i = 0; i + 1 < buckets; ++i) {
    const std::uint64_t here = read(cells_[i]);
    passed += here;
    if (here != 0 && passed >= rank) return std::min(highest(i), max());
  }
  return max();
}

}  // namespace pollux
