#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/cause.h"
#include "base/histogram.h"

namespace pollux::run {

/// A number that its owner's thread alone writes and any thread may read.
class Count {
 public:
  Count() noexcept = default;
  Count& operator+=(std::uint64_t n) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    return *this;
  }
  Count& operator++() noexcept { return *this += 1; }
  Count& operator--() noexcept { return *this += ~std::uint64_t{0}; }
  Count& operator=(std::uint64_t n) noexcept {
    value_.store(n, std::memory_order_relaxed);
    return *this;
  }
  operator std::uint64_t() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// How connections that are still there when a run ends are counted.
enum class Leftover : std::uint8_t { open, aborted };

/// What became of the connections of one lane that began in the measured time. The names are those
/// of the JSON summary.
struct Tally {
  Count attempted, established, completed, failed, timed_out, reset, aborted, open, peak_open;
  /// Polls of a closed loop that found no port or no memory for the next connection.
  Count held_back;
  Count refused, unreachable, no_arp, no_resources, bad_reply;
  /// Ended by the server in good order, with good replies, before all that was planned was asked.
  Count closed_early;
  Count requests_sent, requests_answered, requests_bad;
  /// By status code, those from 100 to 999.
  Count status[900];
  /// All that live now and all that were completed, the warm-up's too: for the live line.
  Count live, live_completed, live_failed, live_answered;
  /// What had been completed and answered when the measured time was over: rates are of these.
  Count completed_in_time, answered_in_time, live_completed_in_time;
  /// What had been completed when it began.
  Count live_completed_before;
  /// Connections of the warm-up that were still open when the run ended.
  Count open_from_warmup;
  /// Connections of the warm-up that never were set up.
  Count not_set_up_in_warmup;
  /// Of a rate: what was due when the measured time was over, and not opened.
  Count behind;
  /// Connections that are established now, and their number times the nanoseconds that they were,
  /// of as many nanoseconds as were watched.
  Count live_established, established_ns, watched_ns;
  /// Connections that lived when the measured time began.
  Count live_before;
  /// Kept open beside the load, in none of the above: established now, and ended since they were.
  Count held, held_lost;
  /// Whole connections beside SYNs alone, in none of the above but `requests_*`; one that is
  /// neither completed nor failed is open.
  Count beside_attempted, beside_completed, beside_failed;
  /// Ended by a reset that nobody had asked for, of those that count and of those before them.
  Count terminated;
  /// Of a run of RFC 9411: replies of status 200, and those of them that had another size than the
  /// object; the least and the greatest body, in bytes and one more (0: none yet).
  Count transactions_ok, wrong_size, smallest, largest;
  Histogram connect, first_byte, close;
  Histogram beside_connect;
  Histogram late;  // of a rate: how long after it was due each was opened
  /// Of a run of RFC 9411, from when the SYN was due: to the first byte, and to the last.
  Histogram syn_to_first_byte, syn_to_last_byte;

  /// Forgets all but who lives, between two steps of a search.
  void clear() noexcept {
    const std::uint64_t alive = live, established_ones = live_established, kept = held;
    std::destroy_at(this);
    std::construct_at(this);
    live = alive;
    live_established = established_ones;
    held = kept;
  }
  void note_begin() noexcept {
    live_completed_before = std::uint64_t{live_completed};
    live_before = std::uint64_t{live};
  }
  /// The measured time is over.
  void note_end() noexcept {
    completed_in_time = std::uint64_t{completed};
    answered_in_time = std::uint64_t{requests_answered};
    live_completed_in_time = std::uint64_t{live_completed};
  }
};

/// A connection did not complete: counts it, and why.
inline void count_failure(Tally& tally, Cause cause) noexcept {
  ++tally.failed;
  switch (cause) {
    case Cause::reset:
    case Cause::reset_at_end:
      ++tally.reset;
      break;
    case Cause::refused:
      ++tally.refused;
      break;
    case Cause::timed_out:
      ++tally.timed_out;
      break;
    case Cause::unreachable:
      ++tally.unreachable;
      break;
    case Cause::no_neighbor:
      ++tally.no_arp;
      break;
    case Cause::no_memory:
      ++tally.no_resources;
      break;
    case Cause::none:
    case Cause::by_us:
    case Cause::by_peer:
    case Cause::aborted:
    case Cause::count_:
      ++tally.bad_reply;
      break;
  }
}

}  // namespace pollux::run
