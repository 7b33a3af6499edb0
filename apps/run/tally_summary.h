#pragma once

#include <algorithm>

#include "base/histogram.h"
#include "cli/summary.h"
#include "cli/sustain.h"
#include "run/tally.h"

namespace pollux::run {

/// Adds to a summary what one lane has counted, but for its latencies.
inline void add(cli::Summary& out, const Tally& tally) {
  auto& c = out.connections;
  c.attempted += tally.attempted;
  c.established += tally.established;
  c.completed += tally.completed;
  c.failed += tally.failed;
  c.timed_out += tally.timed_out;
  c.reset += tally.reset;
  c.aborted += tally.aborted;
  c.open += tally.open;
  c.peak_open += tally.peak_open;
  c.held_back += tally.held_back;
  c.open_from_warmup += tally.open_from_warmup;
  c.not_set_up_in_warmup += tally.not_set_up_in_warmup;
  c.completed_in_time = c.completed_in_time.value_or(0) + tally.completed_in_time;
  c.completed_meanwhile = c.completed_meanwhile.value_or(0) + tally.live_completed_in_time -
                          tally.live_completed_before;
  auto& f = out.failures;
  f.refused += tally.refused;
  f.unreachable += tally.unreachable;
  f.no_arp += tally.no_arp;
  f.timeout += tally.timed_out;
  f.reset += tally.reset;
  f.bad_reply += tally.bad_reply;
  f.closed_early += tally.closed_early;
  f.no_resources += tally.no_resources;
  auto& r = out.requests;
  r.sent += tally.requests_sent;
  r.answered += tally.requests_answered;
  r.bad += tally.requests_bad;
  r.answered_in_time = r.answered_in_time.value_or(0) + tally.answered_in_time;
  for (unsigned code = 100; code < 1'000; ++code) {
    if (const std::uint64_t n = tally.status[code - 100]; n != 0) r.status[code] += n;
  }
}

/// Adds what one lane had beside its load, but for its latencies.
inline void add(cli::Summary::Held& out, const Tally& tally) {
  out.open += tally.held;
  out.lost += tally.held_lost;
}
inline void add(cli::Summary::Beside& out, const Tally& tally) {
  out.attempted += tally.beside_attempted;
  out.completed += tally.beside_completed;
  out.failed += tally.beside_failed;
}

/// Adds to a sustain phase what one lane has counted, but for its samples and latencies.
inline void add(cli::Sustain& out, const Tally& tally) {
  out.live_before += tally.live_before;
  out.transactions_ok += tally.transactions_ok;
  out.wrong_size += tally.wrong_size;
  out.terminated += tally.terminated;
  if (tally.largest == 0) return;
  const bool first = out.replies == 0;
  const std::uint64_t least = tally.smallest - 1;
  out.smallest = first ? least : std::min(out.smallest, least);
  out.largest = std::max(out.largest, tally.largest - 1);
  out.replies += tally.requests_answered;
}

/// From a histogram of nanoseconds.
inline cli::Spread milliseconds_of(const Histogram& histogram) {
  return {static_cast<double>(histogram.min()) / 1e6, histogram.mean() / 1e6,
          static_cast<double>(histogram.max()) / 1e6};
}

}  // namespace pollux::run
