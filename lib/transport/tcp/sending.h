#pragma once

#include <cstdint>

#include "base/time.h"
#include "transport/tcp/cubic.h"
#include "transport/tcp/pacing.h"
#include "transport/tcp/rack.h"
#include "transport/tcp/scoreboard.h"

namespace pollux::tcp {

/// A segment that is longer than the path is known to take, to find out whether it takes it (RFC
/// 4821 s.7.5).
struct PathProbe {
  enum class State : std::uint8_t {
    none,
    due,  // to be sent once cwnd has room for it
    out,  // on its way
    lost  // alone: while its text is sent again in shorter segments, that is no loss of others
  };
  State state = State::none;
  std::uint16_t size = 0;  // of its text
  SeqNum left;             // once it was sent
  SeqNum right;
};

/// The sender's part of a Flight.
struct Sending {
  /// Of a connection with SACK. Whether it has begun, sent(), and what is lost decide together what
  /// is sent next.
  Scoreboard board;
  Rack rack;
  Cubic cubic;
  Pacer pacer;

  // Proportional rate reduction (RFC 9937 s.6), while the Tcb is recovering.
  std::uint32_t prr_delivered = 0;  // bytes
  std::uint32_t prr_out = 0;        // bytes
  std::uint32_t prr_flight = 0;     // RecoverFS

  // What a congestion event has changed, until it is known whether it was one (RFC 3522, RFC 2883).
  std::uint32_t undo_cwnd = 0;
  std::uint32_t undo_ssthresh = 0;
  Cubic undo_cubic;
  SeqNum undo_una;                 // SND.UNA when it began
  Millis32 undo_at;                // when it did
  std::uint32_t undo_pending = 0;  // bytes that were sent again, and not reported as duplicates
  SeqNum undo_end;                 // with undo_ends: behind this nothing is undone any more
  std::uint16_t undo_mss = 0;

  SeqNum reduced_to;  // what was in flight when a mark of ECN was last reacted to
  SeqNum probe_end;   // TLP.end_seq (RFC 8985 s.7.1)
  std::uint32_t probe_size = 0;
  bool probe_due = false;    // a tail loss probe is to be sent
  bool probe_out = false;    // one is on its way
  bool probe_again = false;  // it was sent before
  bool reduced = false;      // reduced_to means something
  bool may_undo = false;
  bool undo_ends = false;
  PathProbe path;
  bool eventful = false;  // there was a congestion event: the rest of the connection knows it
};

}  // namespace pollux::tcp
