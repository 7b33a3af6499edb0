#pragma once

#include "transport/tcp/plain.h"
#include "transport/tcp/tcp.h"
#include "transport/tcp/timers.h"

/// For the files of this room only: one segment on its way through the steps of RFC 9293
/// s.3.10.7.4, of which arrives.cc has the first four, acknowledge.h the fifth and text.h the
/// seventh and eighth.
namespace pollux::tcp {

/// The segment, and what is said of it.
struct Arrival {
  Tcb& tcb;
  const Config& config;
  const Segment& segment;
  FlightPool& flights;
  const Now& now;
  Verdict& verdict;
  // What is left of the segment after trimming: it begins at `seq`, `offset` bytes into the text.
  SeqNum seq;
  std::uint32_t offset = 0;
  std::uint32_t text = 0;
  bool fin = false;
};

/// Whether the next step is reached.
inline constexpr bool go_on = true;
inline constexpr bool done = false;

/// The segment goes no further, and is counted as this.
inline bool discard(Arrival& a, Drop drop) noexcept {
  a.verdict.drop = drop;
  return done;
}

/// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, at most once in 512 ms where the segment may itself be such
/// an answer (RFC 5961 s.7), so that two ends that disagree do not talk for ever.
void challenge(Arrival& a) noexcept;

/// The connection is over.
inline bool end(Arrival& a, Cause cause) noexcept {
  a.verdict.closed = true;
  a.verdict.cause = cause;
  disarm_all(a.tcb);
  a.tcb.state = State::closed;
  return done;
}

/// Over, and TIME-WAIT begins.
inline void enter_time_wait(Arrival& a) noexcept {
  end(a, Cause::by_us);
  a.verdict.time_wait = true;
  a.tcb.state = State::time_wait;
}

/// Text that was taken before has come again, alone or with what is new: where both sides permit
/// it, the peer is told at once which it was (RFC 2883).
void note_duplicate(Arrival& a, SeqNum left, SeqNum right) noexcept;

}  // namespace pollux::tcp
