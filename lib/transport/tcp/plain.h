#pragma once

#include <cstdint>

#include "base/inline.h"
#include "transport/tcp/pacing.h"
#include "transport/tcp/segment.h"
#include "transport/tcp/tcb.h"
#include "transport/tcp/tcp.h"
#include "transport/tcp/timestamps.h"

/// For the files of this room only: what is so common that it has a short way, and why that is
/// equal to the long one. Tests take both and compare.
namespace pollux::tcp {

/// Some steps are compiled twice. Of what is plain, by one of the functions below, much is known
/// from the start: what only `Kind::any` asks cannot be so. Nothing else tells the short way from
/// the long one.
enum class Kind : std::uint8_t { any, plain };

/// Nothing is lost, probed for or past a gap, and neither keep-alive nor ECN is in use: what an
/// event does is told by few of the variables. (Most are bits of the same bytes, tested together;
/// `mend` is never set without a Flight.)
POLLUX_INLINE inline bool undisturbed(const Tcb& tcb) noexcept {
  return !tcb.resend_first && !tcb.probe && !tcb.keepalive_due && !tcb.recovering &&
         !tcb.keepalive && !tcb.ecn && tcb.dup_acks == 0 && tcb.flight == no_flight;
}

/// After SYN-SENT. Header prediction (Van Jacobson 1990; RFC 1323 s.4.3), for more segments than
/// those of a bulk transfer: also those that end the handshake, and those with the FIN of either
/// side. All that is in one is acceptable (RFC 9293 s.3.10.7.4, first), and it is neither old (RFC
/// 7323 s.5.3) nor a duplicate ACK (RFC 5681 s.2), nor does it open or close a window.
POLLUX_INLINE inline bool is_plain(const Tcb& tcb, const Segment& segment) noexcept {
  constexpr std::uint8_t steps_2_to_5 = control::rst | control::syn | control::ack;
  if ((segment.control & steps_2_to_5) != control::ack || segment.seq != tcb.rcv_nxt) return false;
  if (!undisturbed(tcb) || tcb.snd_wnd == 0) return false;
  if (segment.window == 0 || segment.options.sack_count != 0) return false;
  if (tcb.timestamps && segment.options.timestamps &&
      is_before(segment.options.timestamps->value, tcb.ts_recent)) {
    return false;
  }
  const auto acked = static_cast<std::uint32_t>(segment.ack - tcb.snd_una);
  if (acked > tcb.in_flight()) return false;
  const std::uint32_t length = segment.text + (segment.has(control::fin) ? 1 : 0);
  if (length > tcb.rcv_wnd()) return false;
  if (acked == 0 && (!tcb.syn_acked || length == 0)) return false;
  return segment.text == 0 || !tcb.receive_closed;  // else it is answered by a reset
}

/// In SYN-SENT: the answer to our SYN, which had no text, by our peer's, which has none either.
POLLUX_INLINE inline bool is_plain_syn_ack(const Tcb& tcb, const Segment& segment) noexcept {
  constexpr std::uint8_t syn_ack = control::syn | control::ack;
  if ((segment.control & (syn_ack | control::rst | control::fin)) != syn_ack) return false;
  if (segment.ack != tcb.iss + 1 || segment.ack != tcb.snd_nxt || segment.text != 0) return false;
  if (!undisturbed(tcb) || tcb.irs_bounded) return false;
  return segment.options.sack_count == 0;
}

/// Nothing is in flight, and what is to be sent never was: the timer starts anew with it, and there
/// is nothing that it could be too much beside.
POLLUX_INLINE inline bool is_plain_sender(const Tcb& tcb) noexcept {
  return undisturbed(tcb) && tcb.snd_una == tcb.snd_nxt;
}

/// A plain sender's first SYN. Its window is none yet.
inline bool sends_plain_syn(const Tcb& tcb) noexcept {
  return tcb.state == State::syn_sent && tcb.cwnd == 0;
}

/// A window that has not grown needs neither pacing nor, after a pause, a new beginning (RFC 5681
/// s.4.1); and it has room for another segment beside this much text and a FIN.
inline bool has_plain_room(const Tcb& tcb, const Config& config, std::uint32_t text) noexcept {
  return text + tcb.mss < tcb.cwnd && tcb.cwnd <= initial_window(tcb, config);
}

/// All that a plain sender has queued, and its FIN, are one segment, which Nagle's algorithm lets
/// leave (RFC 9293 s.3.7.4) and the peer's window takes.
inline bool sends_plain_text(const Tcb& tcb, const Config& config) noexcept {
  if (!tcb.synchronized() || !tcb.syn_acked || tcb.snd_pos == tcb.stream_end()) return false;
  const auto queued = static_cast<std::uint32_t>(tcb.snd_end - tcb.snd_pos);
  return queued <= tcb.mss && queued < tcb.snd_wnd && has_plain_room(tcb, config, queued);
}

/// A plain sender has nothing to send but an ACK.
inline bool sends_plain_ack(const Tcb& tcb, const Config& config) noexcept {
  if (!tcb.ack_now || !tcb.synchronized() || tcb.snd_pos != tcb.stream_end()) return false;
  return tcb.state == State::time_wait || has_plain_room(tcb, config, 0);
}

/// In memory a bit of a Verdict, or a Tcb, costs one instruction. The compiler would rather have
/// each in a register, and put them together in the end.
POLLUX_INLINE inline void keep_in_memory(auto& bits) noexcept { asm("" : "+m"(bits)); }

/// segment_arrives() and next_segment() the long way, which is right for all.
[[gnu::noinline]] Verdict any_segment_arrives(Tcb& tcb, const Config& config,
                                              const Segment& segment, FlightPool& flights,
                                              const Now& now, bool room) noexcept;
[[gnu::noinline]] Emit any_next_segment(Tcb& tcb, const Config& config, FlightPool& flights,
                                        const Now& now, Segment& out) noexcept;

}  // namespace pollux::tcp
