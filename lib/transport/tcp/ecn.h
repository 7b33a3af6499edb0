#pragma once

#include <cstdint>

#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/flight.h"
#include "transport/tcp/segment.h"
#include "transport/tcp/tcb.h"

/// For the files of this room only: explicit congestion notification with the classic reaction (RFC
/// 3168 s.6.1).
namespace pollux::tcp {

/// Values of the ECN field (s.5).
namespace codepoint {
inline constexpr std::uint8_t not_ect = 0;
inline constexpr std::uint8_t ect_0 = 2;
inline constexpr std::uint8_t ce = 3;
}  // namespace codepoint

/// A SYN that asks for it (s.6.1.1), and we grant it.
inline bool accepts_ecn(const Config& config, const Segment& syn) noexcept {
  return config.ecn != Ecn::off && syn.has(control::ece) && syn.has(control::cwr);
}

/// Whether our SYN asks for it: the first does. A second may be the answer to a network that loses
/// those that ask (s.6.1.1.1).
inline bool asks_for_ecn(const Tcb& tcb, const Config& config) noexcept {
  return config.ecn == Ecn::on && !tcb.syn_resent;
}

/// A SYN,ACK that grants what our SYN has asked for.
inline bool grants_ecn(const Segment& syn_ack) noexcept {
  return syn_ack.has(control::ece) && !syn_ack.has(control::cwr);
}

/// An acceptable segment of the peer: whether it was marked on the way, and whether the peer has
/// reacted to an earlier mark (s.6.1.3).
inline void note_mark(Tcb& tcb, const Segment& segment) noexcept {
  if (!tcb.ecn) return;
  if (segment.has(control::cwr)) tcb.ecn_echo = false;
  if (segment.ecn == codepoint::ce) tcb.ecn_echo = true;
}

/// What a segment that is neither SYN nor reset says. New text may be marked where `may_mark`,
/// which a probe of a closed window is not; what is sent again, and what has no text, may not be
/// (s.6.1.4 to 6.1.6).
inline void put_ecn(Tcb& tcb, Segment& out, bool may_mark) noexcept {
  if (!tcb.ecn) return;
  if (tcb.ecn_echo) out.control |= control::ece;
  if (!may_mark || out.text == 0 || out.seq < tcb.snd_nxt) return;
  out.ecn = codepoint::ect_0;
  if (!tcb.cwr_due) return;
  out.control |= control::cwr;
  tcb.cwr_due = false;
}

/// The peer has echoed a mark, with an ACK that has moved SND.UNA from `before`: as if something
/// was lost, but at most once in a round trip, and nothing is sent again (s.6.1.2).
void react_to_echo(Tcb& tcb, const Config& config, FlightPool& flights, SeqNum before,
                   Instant now) noexcept;

}  // namespace pollux::tcp
