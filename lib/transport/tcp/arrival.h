#pragma once

#include "transport/tcp/tcp.h"

/// For the files of this room only: one segment on its way through the steps of RFC 9293
/// s.3.10.7.4, of which arrives.cc has the first four, acknowledge.cc the fifth and text.cc the
/// seventh and eighth.
namespace pollux::tcp {

/// The segment, and what is said of it.
struct Arrival {
  Tcb& tcb;
  const Config& config;
  const Segment& segment;
  FlightPool& flights;
  Instant now;
  Verdict verdict{};
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
bool end(Arrival& a, Cause cause) noexcept;
/// Over, and TIME-WAIT begins.
void enter_time_wait(Arrival& a) noexcept;

/// SND.WND, SND.WL1 and MAX.SND.WND.
void take_window(Arrival& a, SeqNum seq, std::uint32_t window) noexcept;
/// The handshake is complete.
void enter_established(Arrival& a) noexcept;
/// The processing of an acceptable ACK in ESTABLISHED, which other states add to.
void take_ack(Arrival& a) noexcept;
/// Fifth, check the ACK field.
bool check_ack(Arrival& a) noexcept;
/// Text that was taken before has come again, alone or with what is new: where both sides permit
/// it, the peer is told at once which it was (RFC 2883).
void note_duplicate(Arrival& a, SeqNum left, SeqNum right) noexcept;
/// Seventh, process the segment text, and eighth, check the FIN bit.
void text_and_fin(Arrival& a) noexcept;

}  // namespace pollux::tcp
