#pragma once

#include <bit>
#include <cstdint>
#include <optional>

#include "base/cause.h"
#include "base/counters.h"
#include "base/inline.h"
#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/flight.h"
#include "transport/tcp/segment.h"
#include "transport/tcp/tcb.h"

/// The state machine of RFC 9293 section 3.10 on values: no packet, no clock, no table. After every
/// call the owner (pipeline/) looks at tcb.deadline, and asks next_segment() when told to.
namespace pollux::tcp {

/// What has been found out of the datagrams that the path takes (RFC 4821).
enum class PathNews : std::uint8_t {
  none,
  takes,      // one of this size has arrived, and segments have it from now on
  loses,      // one of this size was lost, and nothing else
  black_hole  // larger ones seem to vanish: segments keep to this size from now on
};

/// What a Verdict says for the counters only.
struct Notes {
  bool challenge_ack : 1 = false;    // RFC 5961
  bool duplicate : 1 = false;        // nothing in the segment's text was new
  bool out_of_order : 1 = false;     // its text lies past a gap
  bool fast_retransmit : 1 = false;  // RFC 5681 s.3.2
  bool recovery_undone : 1 = false;  // nothing was lost (RFC 3522, RFC 2883)
  bool zero_window_probe : 1 = false;
  bool keepalive : 1 = false;
  bool flights_exhausted : 1 = false;  // the pool had none to lend

  bool noteworthy() const noexcept { return std::bit_cast<std::uint8_t>(*this) != 0; }
};

/// What a Verdict says of nearly every event.
struct Says {
  /// snd_una moved: bytes before it may be released.
  bool acknowledged : 1 = false;
  /// Keep text_length bytes of the segment's text from text_offset on, at sequence number
  /// seg.seq + text_offset (+1 with SYN): in order when that is before the new rcv_nxt.
  bool keep_text : 1 = false;
  /// rcv_nxt moved over text: there is more to read.
  bool readable : 1 = false;
  /// Discarded, and reset_for() says what to answer.
  bool reset_reply : 1 = false;
  /// The peer's FIN was taken in order: nothing more will become readable.
  bool peer_closed : 1 = false;
  /// The connection is over; the Tcb is to be released. With time_wait it goes on as that.
  bool closed : 1 = false;
  /// next_segment() may have something to send.
  bool send : 1 = false;
  /// This event completed the handshake.
  bool established : 1 = false;

  /// All of them: for an owner whose own bits stand in the same places.
  constexpr std::uint8_t bits() const noexcept { return std::bit_cast<std::uint8_t>(*this); }
};

/// What an event means for the connection's owner.
struct Verdict : Notes, Says {
  /// Not constexpr, for the reason that a Tcb's is not.
  POLLUX_INLINE Verdict() noexcept {}

  /// Not none: the segment was discarded. An ACK or RST may still have to be sent.
  Drop drop = Drop::none;
  /// Set with `closed`.
  Cause cause = Cause::none;
  /// With path_mtu.
  PathNews path_news = PathNews::none;
  /// With `closed`: our FIN is acknowledged and so is the peer's, and a TimeWait takes the place of
  /// this Tcb.
  bool time_wait : 1 = false;
  /// With `closed`: the peer is to be told; send what abort() returns before the Tcb is released.
  bool abort : 1 = false;
  std::uint32_t text_offset = 0;
  std::uint32_t text_length = 0;
  std::uint32_t path_mtu = 0;  // with path_news: the size of a datagram
};
// So that it is returned in memory, where it is written bit by bit: to put it together in registers
// is to load it in words, which waits for every byte that was just stored.
static_assert(sizeof(Verdict) > 2 * sizeof(std::uint64_t));

/// Whether next_segment() has given a segment, and whether another call may give one more.
enum class Emit : std::uint8_t { none, last, more };

/// A connection's own switches; the defaults are RFC 9293's.
struct Options {
  bool nagle = true;             // MUST-17
  bool keepalive = false;        // MUST-24, MUST-25
  Duration user_timeout{0};      // s.3.9.1.1; 0: config.data_retries alone decides
  bool keepalive_again = false;  // its times have changed: they count from now
};

/// Nagle's algorithm off, of a Tcb that has queued nothing yet.
inline void begin_without_nagle(Tcb& tcb) noexcept { tcb.nagle = false; }

/// RFC 9293 s.3.10.1, active OPEN: the Tcb is in SYN-SENT and next_segment() has the SYN. (A
/// passive OPEN's Tcb comes from accept() in listener.h.) With `irs_from`, RCV.NXT of an earlier
/// connection of the same four-tuple, a SYN of the peer that lies before it is refused (decision
/// 0021): its text could not be told from the old one's.
[[nodiscard]] Tcb open_active(const Config& config, SeqNum iss, const Now& now,
                              std::optional<SeqNum> irs_from = std::nullopt) noexcept;

/// May be called at any time.
void set_options(Tcb& tcb, const Config& config, const Options& options, const Now& now) noexcept;

/// s.3.10.2 SEND: n more bytes stand in the send queue. Not after close() or shutdown_send().
void send(Tcb& tcb, std::uint32_t n) noexcept;

/// s.3.10.3 RECEIVE: the application has consumed n bytes. True when a window update is due, that
/// is when next_segment() has something (silly-window avoidance, s.3.8.6.2.2).
[[nodiscard]] bool receive(Tcb& tcb, const Config& config, std::uint32_t n) noexcept;

/// s.3.10.4 CLOSE of the sending side: a FIN follows the last queued byte; receiving goes on. A
/// second call does nothing.
[[nodiscard]] Verdict shutdown_send(Tcb& tcb, const Config& config, const Now& now) noexcept;

/// CLOSE of both: as shutdown_send, and text that arrives afterwards is answered by a reset
/// (s.3.6.1). `unread`: received text that nobody will consume now; then the connection is over at
/// once and the Verdict says `abort` (SHLD-3). In SYN-SENT it is over at once too.
[[nodiscard]] Verdict close(Tcb& tcb, const Config& config, bool unread, const Now& now) noexcept;

/// s.3.10.5 ABORT: what to send (a RST, where the state asks for one). The Tcb is closed.
[[nodiscard]] std::optional<Segment> abort(Tcb& tcb) noexcept;

/// Gives back what the Tcb has borrowed. Called before its memory is used for something else,
/// whichever way it ended; a second call is harmless.
void release(Tcb& tcb, FlightPool& flights) noexcept;

/// s.3.10.7.3 and .4: for a Tcb in SYN-SENT or any later state. Without `room` its text and FIN are
/// refused, as if they lay outside the window: all else counts, and RCV.NXT is acknowledged at
/// once.
[[nodiscard]] Verdict segment_arrives(Tcb& tcb, const Config& config, const Segment& segment,
                                      FlightPool& flights, const Now& now,
                                      bool room = true) noexcept;

/// s.3.10.8: tcb.deadline has passed. An early call is harmless.
[[nodiscard]] Verdict timeout(Tcb& tcb, const Config& config, FlightPool& flights,
                              const Now& now) noexcept;

/// What to send now; call again while it says more. The text is the `out.text` bytes of the send
/// queue from sequence number out.seq (out.seq + 1 with SYN) on. Bookkeeping is done when it
/// returns: a caller that cannot send counts the segment as lost, and TCP mends it. A segment with
/// len() > 0 whose seq is before the snd_nxt of before the call is a retransmission. Text of more
/// than tcb.mss, which is a multiple of it, is for the device to cut (Config::packet_text): to TCP
/// it is so many segments that leave at once. What is sent again to mend a loss is never that long.
[[nodiscard]] Emit next_segment(Tcb& tcb, const Config& config, FlightPool& flights, const Now& now,
                                Segment& out) noexcept;

/// The short way of next_segment() where it would give a plain segment, and then nothing: false,
/// and nothing has happened, where it may do something else.
[[nodiscard]] bool next_plain_segment(Tcb& tcb, const Config& config, FlightPool& flights,
                                      const Now& now, PlainSegment& out) noexcept;

/// Takes the block that tells of a duplicate out of an ACK that next_segment() has given: of each,
/// one ACK tells (RFC 2883 s.4).
void drop_duplicate_report(Segment& ack) noexcept;

/// s.3.10.7.1: the reset that answers a segment for which there is no connection, or one that a
/// Verdict refused with reset_reply; nothing for a segment that is itself a reset.
[[nodiscard]] std::optional<Segment> reset_for(const Segment& segment) noexcept;

/// ICMP says the path takes only `mtu` bytes of IPv4 datagram; the caller has checked that the
/// quoted sequence number lies in [snd_una, snd_nxt) (RFC 5927 s.7). Cuts what is in flight again:
/// next_segment() has it.
void path_mtu_changed(Tcb& tcb, const Config& config, FlightPool& flights,
                      std::uint16_t mtu) noexcept;

/// The IPv4 datagram that `mss` bytes of text of this connection make, and the reverse: the text
/// that one of `mtu` bytes has room for, at least min_mss.
std::uint16_t datagram_size(const Tcb& tcb, std::uint16_t mss) noexcept;
std::uint16_t text_in_datagram(const Tcb& tcb, std::uint16_t mtu) noexcept;

/// Asks for one segment that makes a datagram of `mtu` bytes, more than the path is known to take,
/// of text that would be sent anyway; a Verdict's path_news will tell what has become of it, unless
/// other losses leave it open. False, and nothing happens, where its loss could not be told from
/// others: without SACK, while anything is being mended or another such segment is out, and where
/// text, the peer's window or cwnd have no room for it and three segments more (RFC 4821 s.7.4).
[[nodiscard]] bool probe_path(Tcb& tcb, FlightPool& flights, std::uint16_t mtu,
                              const Now& now) noexcept;

/// Whether the segment at `seq` that next_segment() has just given is one: the only kind that has
/// more text than tcb.mss.
bool is_path_probe(const Tcb& tcb, const FlightPool& flights, SeqNum seq) noexcept;

/// The path takes `mtu` bytes, as another connection has found out; not more than both ends have
/// said that they take.
void path_takes(Tcb& tcb, FlightPool& flights, std::uint16_t mtu) noexcept;

/// ICMP or ARP says the peer cannot be reached. `hard`: in SYN-SENT the connection is over at once
/// (RFC 5461 s.4.1); in every other case it is remembered, until the peer acknowledges
/// something, as the cause of a later give-up (RFC 9293 MUST-56, s.3.9.2.2).
[[nodiscard]] Verdict unreachable(Tcb& tcb, Cause cause, bool hard) noexcept;

}  // namespace pollux::tcp
