#pragma once

#include <cstdint>

#include "base/counters.h"
#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/segment.h"
#include "transport/tcp/tcb.h"
#include "wire/address.h"

/// RFC 9293 s.3.10.7.2 (LISTEN), and SYN-RECEIVED of connections that were opened passively: small
/// entries of the listener, which become connections when the handshake is complete.
namespace pollux::tcp {

/// A connection request that waits for the ACK of our SYN.
struct alignas(64) HalfOpen {
  wire::FourTuple tuple;
  SeqNum iss;
  SeqNum irs;
  Millis32 deadline;  // of timeout()
  Micros32 created;   // when our SYN was first sent
  std::uint16_t peer_mss = default_mss;
  std::uint16_t peer_window = 0;  // of the SYN, not scaled
  std::uint16_t listener = 0;     // the owner's own
  std::uint8_t profile = 0;       // the owner's own, too
  std::uint8_t retries = 0;       // of our SYN, for want of an answer
  std::uint8_t snd_shift = 0;
  bool scaled = false;               // both sides offer window scaling
  bool resent = false;               // our SYN: because of that, or because the peer's came again
  bool sack = false;                 // both sides permit it
  bool timestamps = false;           // both sides have them
  bool ecn = false;                  // asked for, and granted (RFC 3168 s.6.1.1)
  bool from_cookie = false;          // when our SYN was sent is not known
  bool fast_open = false;            // asked for, by a cookie or for one (RFC 7413 s.4.2)
  std::uint32_t ts_recent = 0;       // RFC 7323 s.4.3
  std::uint32_t ts_offset = 0;       // the owner's own: what its timestamps are ahead of the clock
  std::uint16_t challenge_slot = 0;  // as a Tcb's
};
static_assert(sizeof(HalfOpen) == 64);

/// What a segment for a listening port gets when no entry is known for it.
enum class ListenAction : std::uint8_t { ignore, reset_reply, half_open };
ListenAction listen_arrives(const Segment& segment) noexcept;

/// Whether a SYN and our answer to it agree on timestamps.
bool agrees_on_timestamps(const Config& config, const Segment& syn) noexcept;

/// The entry that a SYN makes. Its first syn_ack() is to be sent now. Text and FIN that came with
/// the SYN are not acknowledged, so that they come again.
HalfOpen make_half_open(const Config& config, const wire::FourTuple& tuple, const Segment& syn,
                        SeqNum iss, std::uint16_t listener, const Now& now) noexcept;

/// <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>, to send.
Segment syn_ack(const HalfOpen& entry, const Config& config) noexcept;
/// The same, to send again: which of the two the peer's ACK answers cannot be told (MUST-18).
Segment syn_ack_again(HalfOpen& entry, const Config& config) noexcept;
/// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>: the answer to an unacceptable segment.
Segment acknowledgment(const HalfOpen& entry, const Config& config) noexcept;

/// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=RST,ACK>: the entry ends with its listener (s.3.10.5).
Segment reset(const HalfOpen& entry) noexcept;

/// What a segment means for a half-open entry, and what its owner does about it.
struct HalfOpenVerdict {
  enum class Action : std::uint8_t {
    ignore,
    send_syn_ack,    // again: the peer's SYN came again, it has not heard ours
    acknowledge,     // send acknowledgment()
    reset_reply,     // send reset_for(segment); the entry stays
    drop_entry,      // back to LISTEN (s.3.10.7.4, second and fourth)
    make_connection  // accept(), then give the same segment to segment_arrives()
  };
  Action action = Action::ignore;
  Drop drop = Drop::none;      // not with make_connection
  bool challenge_ack = false;  // with acknowledge: RFC 5961
};
HalfOpenVerdict segment_arrives(HalfOpen& entry, const Config& config, const Segment& segment,
                                const Now& now) noexcept;

/// What passing time means for it.
enum class HalfOpenTimeout : std::uint8_t { early, resend, give_up };
/// entry.deadline has passed: send syn_ack_again(), or forget the entry.
HalfOpenTimeout timeout(HalfOpen& entry, const Config& config, const Now& now) noexcept;

/// The Tcb, in SYN-RECEIVED, that takes the entry's place. The segment that make_connection was
/// said of completes the handshake in it.
Tcb accept(const HalfOpen& entry, const Config& config, const Now& now) noexcept;

/// RFC 7413 s.4.2.2: the Tcb that a SYN with a good cookie makes at once. Its text is received, and
/// its FIN, as far as the window takes them; next_segment() has our SYN, and what is queued follows
/// it.
Tcb accept_fast_open(const HalfOpen& entry, const Config& config, const Segment& syn,
                     const Now& now) noexcept;

}  // namespace pollux::tcp
