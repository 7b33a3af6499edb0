#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/assert.h"

namespace pollux {

/// How often each length of time occurred, from 0 ns to 18 minutes, any of them known to better
/// than 1 % (1/128). Every power of two is cut into 128 equal buckets; below 256 ns they are exact.
/// Its owner alone writes; any thread may read at any time, each cell whole, and gets a moment's
/// picture in which the last few values may be half entered. 34 KiB, of one size for ever.
class Histogram {
 public:
  /// The greatest length with a bucket of its own (1,099 s); longer ones share that bucket.
  static constexpr std::uint64_t max_value = (std::uint64_t{1} << 40) - 1;

  /// Enters one length of time, in nanoseconds.
  void record(std::uint64_t ns) noexcept { record_many(ns, 1); }

  /// Enters a length that was measured by a generator which wanted to send every
  /// `expected_interval` ns, but waited for the answer: whatever it would have sent meanwhile would
  /// have waited too, by one interval less each, so those are entered as well (Tene's correction
  /// of coordinated omission). An interval of 0 corrects nothing.
  void record_corrected(std::uint64_t ns, std::uint64_t expected_interval) noexcept;

  /// Adds another's counts to this one, which must have no other writer.
  void add(const Histogram& other) noexcept;
  /// Forgets everything.
  void clear() noexcept;

  /// How many were entered; the least and the greatest of them, exact (0 when there is none).
  std::uint64_t count() const noexcept { return read(count_); }
  std::uint64_t min() const noexcept {
    const std::uint64_t least = read(min_);
    return least == nothing ? 0 : least;
  }
  std::uint64_t max() const noexcept { return read(max_); }
  /// The average in nanoseconds, 0 when there is none.
  double mean() const noexcept;
  /// The length that `p` per cent of all do not exceed (50 is the median, 99.9 is p999), at most
  /// 1/128 above the truth and never below it. 0 gives the least, 100 the greatest; 0 when there is
  /// none.
  std::uint64_t percentile(double p) const noexcept;

 private:
  static constexpr unsigned sub_bits = 7;  // 128 buckets to a power of two
  static constexpr std::size_t buckets = (40 - sub_bits + 1) << sub_bits;
  static constexpr std::uint64_t nothing = std::numeric_limits<std::uint64_t>::max();

  static constexpr std::size_t bucket_of(std::uint64_t ns) noexcept {
    if (ns > max_value) ns = max_value;
    // The top 8 bits of a length say where it belongs: the shift which power, the rest which part.
    const auto width = static_cast<unsigned>(std::bit_width(ns));
    const unsigned shift = width > sub_bits + 1 ? width - (sub_bits + 1) : 0;
    return (std::size_t{shift} << sub_bits) + static_cast<std::size_t>(ns >> shift);
  }
  /// The least and the greatest length that a bucket stands for.
  static constexpr std::uint64_t lowest(std::size_t bucket) noexcept {
    const std::size_t power = bucket >> sub_bits;
    const std::size_t shift = power == 0 ? 0 : power - 1;
    return (bucket - (shift << sub_bits)) << shift;
  }
  static constexpr std::uint64_t highest(std::size_t bucket) noexcept {
    return lowest(bucket + 1) - 1;
  }

  void record_many(std::uint64_t ns, std::uint64_t times) noexcept {
    grow(cells_[bucket_of(ns)], times);
    grow(count_, times);
    note_extremes(ns, ns);
    grow_sum(static_cast<double>(ns) * static_cast<double>(times));
  }
  void note_extremes(std::uint64_t least, std::uint64_t greatest) noexcept {
    if (least < min_) write(min_, least);
    if (greatest > max_) write(max_, greatest);
  }

  static void write(std::uint64_t& cell, std::uint64_t value) noexcept {
    std::atomic_ref<std::uint64_t>(cell).store(value, std::memory_order_relaxed);
  }
  static void grow(std::uint64_t& cell, std::uint64_t by) noexcept { write(cell, cell + by); }
  static std::uint64_t read(const std::uint64_t& cell) noexcept {
    return std::atomic_ref<std::uint64_t>(const_cast<std::uint64_t&>(cell))
        .load(std::memory_order_relaxed);
  }
  void grow_sum(double by) noexcept {
    std::atomic_ref<double>(sum_).store(sum_ + by, std::memory_order_relaxed);
  }
  double read_sum() const noexcept {
    return std::atomic_ref<double>(const_cast<double&>(sum_)).load(std::memory_order_relaxed);
  }

  std::uint64_t count_ = 0;
  std::uint64_t min_ = nothing;
  std::uint64_t max_ = 0;
  // A double, for nanoseconds of millions a second would overflow 64 bits within the hour.
  double sum_ = 0;
  std::array<std::uint64_t, buckets> cells_{};
};

}  // namespace pollux
