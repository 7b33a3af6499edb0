#pragma once

#include <cstdint>
#include <vector>

namespace pollux::cli {

/// The least, the average and the greatest of some values.
struct Spread {
  double min = 0, avg = 0, max = 0;
};

/// What the sustain phase of an iteration of RFC 9411 has come to, of all generators together.
struct Sustain {
  /// What was counted between two looks at the counters.
  struct Sample {
    double seconds = 0;
    double connections = 0;   // completed
    double transactions = 0;  // successful
    double bytes = 0;         // of frames, both directions
    double concurrent = 0;    // established, on average over that time
  };
  std::vector<Sample> samples;
  std::uint64_t live_before = 0;            // connections when the phase began
  std::uint64_t transactions_ok = 0;        // status 200, and the object's size
  std::uint64_t wrong_size = 0;             // status 200, and another size
  std::uint64_t replies = 0;                // of any status and size
  std::uint64_t smallest = 0, largest = 0;  // of the bodies that came, bytes
  /// Ended by a reset that nobody had asked for.
  std::uint64_t terminated = 0;
  /// Milliseconds from when the SYN was due: to the first byte that came, and to the last.
  Spread first_byte_ms, last_byte_ms;
};

}  // namespace pollux::cli
