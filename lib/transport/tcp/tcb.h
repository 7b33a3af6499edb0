#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/cause.h"
#include "base/inline.h"
#include "base/time.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

using wire::SeqNum;

/// RFC 9293 s.3.3.2. LISTEN is not a Tcb's state: listeners and their half-open entries are in
/// listener.h. A Tcb in TIME-WAIT only has its last ACK to send; then time_wait.h goes on.
enum class State : std::uint8_t {
  closed,
  listen,
  syn_sent,
  syn_received,
  established,
  fin_wait_1,
  fin_wait_2,
  close_wait,
  closing,
  last_ack,
  time_wait
};

/// What is assumed of a peer that sends no MSS option (RFC 9293 MUST-15).
inline constexpr std::uint16_t default_mss = 536;
/// A Tcb's flight when nothing is borrowed.
inline constexpr std::uint32_t no_flight = 0xffffffff;
/// A smaller MSS, or path MTU, is taken for this: it would only make the sender work for nothing.
inline constexpr std::uint16_t min_mss = 48;

/// What the retransmission timer waits for.
enum class Timer : std::uint8_t {
  retransmission,
  tail_probe,  // RFC 8985 s.7
  reordering   // RFC 8985 s.6.2 step 5
};

/// A connection's variables (RFC 9293 s.3.3.1). The functions of tcp.h alone write it; the owner
/// reads. The send queue holds the bytes from max(snd_una, iss + 1) up to snd_end: the first byte
/// of text has the number iss + 1, and our FIN has the number snd_end.
struct alignas(64) Tcb {
  /// Not constexpr: a constant would be cleared by a string instruction, which takes longer to
  /// begin than a store for each 16 bytes does to end.
  POLLUX_INLINE Tcb() noexcept {}

  // Line 0: all that an in-order segment touches.
  SeqNum rcv_nxt;
  SeqNum rcv_adv;  // right edge of the receive window, as the peer was told; never retreats
  SeqNum snd_una;
  SeqNum snd_nxt;  // behind the last sequence number ever sent; never retreats
  SeqNum snd_pos;  // where sending goes on: snd_nxt, or less while something is sent again
  SeqNum snd_end;  // behind the last queued byte
  SeqNum snd_wl1;  // seq of the segment that last updated snd_wnd; snd_wl2 is never after snd_una,
                   // so that its test in s.3.10.7.4 is always true and it need not be kept
  std::uint32_t snd_wnd = 0;  // scaled
  std::uint32_t cwnd = 0;     // bytes
  std::uint32_t unread = 0;   // bytes in order that the application has not consumed
  Millis32 deadline;          // the earliest of the timers; means something with has_deadline()
  Millis32 ack_at;            // delayed ACK
  std::uint32_t flight = no_flight;  // index of what is borrowed from the FlightPool

  // Bits, eight to a byte and never across two: one that was just written is read at once only as
  // what it was written as.
  // Timers that run.
  std::uint8_t retransmit_armed : 1 = false;
  std::uint8_t ack_armed : 1 = false;
  std::uint8_t idle_armed : 1 = false;
  // What next_segment() is to do beside sending what is queued.
  std::uint8_t ack_now : 1 = false;
  std::uint8_t resend_first : 1 = false;  // the segment at snd_una, once, whatever snd_pos is
  std::uint8_t probe : 1 = false;         // the window, or silly-window avoidance overridden
  std::uint8_t keepalive_due : 1 = false;
  // How far it has come.
  std::uint8_t active_open : 1 = false;  // SYN-RECEIVED came from SYN-SENT (RFC 9293 MUST-11)
  std::uint8_t syn_acked : 1 = false;    // ours
  std::uint8_t syn_resent : 1 = false;
  std::uint8_t syn_answered : 1 = false;    // by an older connection
  std::uint8_t syn_due : 1 = false;         // again for that reason, and for no loss
  std::uint8_t irs_bounded : 1 = false;     // in SYN-SENT: irs is the least that is taken
  std::uint8_t fin_queued : 1 = false;      // ours, at snd_end; snd_end moves no more
  std::uint8_t receive_closed : 1 = false;  // text is not wanted any more: close() was called
  std::uint8_t timing : 1 = false;          // timed_seq and sent_at measure a round trip
  std::uint8_t recovering : 1 = false;      // fast recovery (RFC 6582)
  std::uint8_t partial_ack : 1 = false;     // one has come since (RFC 6582 s.3.2 step 3)
  // Switches; agreed upon by both sides: selective acknowledgments (RFC 2018 s.2) and ECN (RFC 3168
  // s.6.1).
  std::uint8_t nagle : 1 = true;
  std::uint8_t keepalive : 1 = false;
  std::uint8_t scale_offered : 1 = false;  // in our SYN
  std::uint8_t sack : 1 = false;
  std::uint8_t ecn : 1 = false;
  std::uint8_t ecn_echo : 1 = false;  // a mark has come: the peer is told until it has reacted
  std::uint8_t cwr_due : 1 = false;   // we have reacted, and tell it with the next new text
  // Timestamps (RFC 7323 s.3): agreed upon, and the period that ts_recent is of.
  std::uint8_t timestamps : 1 = false;
  std::uint8_t ts_period : 6 = 0;

  State state = State::closed;
  std::uint8_t ack_pending : 2 = 0;       // segments with text since our last ACK; stops at 3
  std::uint8_t cwnd_limited : 1 = false;  // it was cwnd that ended the last burst, or that will
  std::uint8_t paced : 1 = false;         // text waits for its time: the deadline is not after it
  std::uint8_t small_step : 1 = false;    // SND.UNA has last moved by four segments at most
  std::uint16_t mss = default_mss;        // effective send MSS: the most text in a segment
  std::uint8_t snd_shift : 4 = 0;         // of the windows that we are told (RFC 7323 s.2.2)
  std::uint8_t rcv_shift : 4 = 0;         // of those that we tell
  std::uint8_t keepalive_probes = 0;
  Cause soft_cause = Cause::none;           // why no answer may come (RFC 9293 SHLD-25)
  std::uint8_t dup_acks : 4 = 0;            // without a scoreboard; stops at 15
  Timer timer : 2 = Timer::retransmission;  // with retransmit_armed
  std::uint8_t no_tail_probe : 1 = false;   // one is out, or SACK tells what is lost
  std::uint8_t mend : 1 = false;            // the scoreboard has something to send

  // Line 1: timers, open, close, one segment's send time.
  SeqNum iss;
  SeqNum irs;
  SeqNum timed_seq;        // behind the segment that is timed
  Micros32 timed_at;       // when it was sent
  Millis32 sent_at;        // when something new was last sent, or answered while more was in flight
  Millis32 retransmit_at;  // also probes
  Millis32 idle_at;        // keep-alive, or the limit of FIN-WAIT-2
  std::uint32_t srtt_8 = 0;    // smoothed round trip in us, times 8; 0 before the first sample
  std::uint32_t rttvar_4 = 0;  // its variation in us, times 4
  std::uint32_t max_snd_wnd = 0;
  std::uint32_t ssthresh = 0;         // bytes
  std::uint32_t acked_bytes = 0;      // since cwnd last grew in congestion avoidance
  SeqNum recover;                     // RFC 6582 s.3.2: no fast retransmit before this is passed
  std::uint32_t user_timeout_ms = 0;  // 0: none
  std::uint16_t challenge_slot = 0;   // when the last challenge ACK was sent, in 512 ms (RFC 5961)
  std::uint8_t retries = 0;           // transmissions that nothing has answered, less the first
  std::uint8_t backoff = 0;           // the RTO is doubled so often (RFC 6298 (5.5))
  std::uint32_t ts_recent = 0;        // TS.Recent: the timestamp to echo (RFC 7323 s.4.3)

  /// Losses are being mended: after a fast retransmit (`recovering`), or after a time-out.
  bool in_episode() const noexcept { return snd_una < recover; }
  bool has_deadline() const noexcept { return retransmit_armed || ack_armed || idle_armed; }
  /// The deadline as an Instant, for a timer wheel; rounded up, and right within 24 days of now.
  Instant deadline_instant(Instant now) const noexcept {
    return std::chrono::floor<std::chrono::milliseconds>(now) + (deadline - Millis32{now});
  }
  /// Both SYNs are exchanged, and ours is acknowledged; but for a fast open's, which goes from
  /// LISTEN to ESTABLISHED and on (RFC 7413 s.4.2), and FIN-WAIT-1, which CLOSE also enters from
  /// SYN-RECEIVED, so that the FIN need not wait. There syn_acked tells: what RFC 9293 says of
  /// SYN-RECEIVED holds until it is set.
  bool synchronized() const noexcept { return state >= State::established; }
  /// Text may still be queued: neither close() nor shutdown_send() was called.
  bool may_send() const noexcept { return state != State::closed && !fin_queued; }
  /// The peer has not sent its FIN (in order) yet.
  bool may_receive() const noexcept {
    return state == State::established || state == State::fin_wait_1 || state == State::fin_wait_2;
  }
  /// The first byte that the send queue still has to keep.
  SeqNum send_queue_front() const noexcept { return syn_acked ? snd_una : iss + 1; }
  /// Behind our FIN, or behind the queue where there is none.
  SeqNum stream_end() const noexcept { return snd_end + (fin_queued ? 1 : 0); }
  bool fin_sent() const noexcept { return fin_queued && snd_nxt == snd_end + 1; }
  bool fin_acked() const noexcept { return fin_queued && snd_una == snd_end + 1; }
  std::uint32_t in_flight() const noexcept { return static_cast<std::uint32_t>(snd_nxt - snd_una); }
  /// Whether we have sent this number and it is not acknowledged (for errors that quote it).
  bool in_flight(SeqNum seq) const noexcept { return snd_una <= seq && seq < snd_nxt; }
  /// RCV.WND: what the peer may still send.
  std::uint32_t rcv_wnd() const noexcept { return static_cast<std::uint32_t>(rcv_adv - rcv_nxt); }
};

static_assert(sizeof(Tcb) == 128);
static_assert(offsetof(Tcb, soft_cause) < 64 && offsetof(Tcb, iss) == 64);
static_assert(std::is_trivially_copyable_v<Tcb> && std::is_trivially_destructible_v<Tcb>);

}  // namespace pollux::tcp
