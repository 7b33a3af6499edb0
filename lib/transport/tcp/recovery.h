#pragma once

#include <cstdint>

#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/flight.h"
#include "transport/tcp/tcb.h"
#include "wire/tcp_options.h"

/// Loss. With SACK: a scoreboard, RACK-TLP (RFC 8985) and proportional rate reduction (RFC 9937),
/// which take the place of RFC 6675. Without, or without a Flight: three duplicate ACKs and NewReno
/// (RFC 5681 s.3.2, RFC 6582). And what a retransmission time-out does to the windows.
///
/// An episode of recovery lasts while snd_una < recover; it is fast recovery when `recovering` is
/// set, and else follows a time-out.
namespace pollux::tcp {

/// What leaves within such a time has one time in the scoreboard.
constexpr std::chrono::microseconds scoreboard_grain(std::uint32_t srtt_us) noexcept {
  return std::chrono::microseconds{srtt_us / 32};
}

struct Arrival;
struct Verdict;

/// Whether a new ACK restarts the retransmission timer.
enum class Restart : std::uint8_t { yes, no };

/// The Sending of a connection's Flight, whether or not it has a scoreboard; null without.
Sending* sending_of(const Tcb& tcb, FlightPool& flights) noexcept;
const Sending* sending_of(const Tcb& tcb, const FlightPool& flights) noexcept;
/// The same where it has a scoreboard; else null.
Sending* scoreboard_of(const Tcb& tcb, FlightPool& flights) noexcept;
const Sending* scoreboard_of(const Tcb& tcb, const FlightPool& flights) noexcept;

/// Writes `mend`; called after anything that may have changed the scoreboard.
void update_mend(Tcb& tcb, const FlightPool& flights) noexcept;

/// Begins a scoreboard for what is in flight from `una` on, unless there is one, in a Flight that
/// is borrowed now if need be. Null where there is none to be had, or no SACK.
Sending* begin_scoreboard(Tcb& tcb, FlightPool& flights, SeqNum una, Instant now) noexcept;

/// An ACK of a connection with a scoreboard: the segment's own, after snd_una has moved there from
/// `before`. True when it starts a fast retransmit.
bool recover_by_scoreboard(Arrival& a, Sending& sending, SeqNum before) noexcept;
/// The time has come at which what is overtaken counts as lost: the Verdict's fast_retransmit is
/// written, and what it tells of the path.
void recover_on_reordering_timeout(Tcb& tcb, const Config& config, Sending& sending, Instant now,
                                   Verdict& verdict) noexcept;
/// How long to wait for that; 0 when there is nothing to wait for.
std::chrono::microseconds reordering_wait(const Tcb& tcb, Sending& sending, Instant now) noexcept;

/// A block that tells of text that had arrived before (RFC 2883 s.4): what the ACK covers already,
/// or a part of the block behind it.
bool is_duplicate_report(const wire::TcpOptions& options, SeqNum ack) noexcept;

/// Without a scoreboard, in fast recovery: snd_una has moved over `acked` bytes of text.
Restart recover_on_new_ack(Arrival& a, std::uint32_t acked) noexcept;
/// Without a scoreboard: a duplicate ACK as RFC 5681 s.2 defines it has come. True as above.
bool recover_on_duplicate_ack(Arrival& a) noexcept;

/// What may be in flight beyond cwnd where there is no scoreboard: the first two duplicate ACKs let
/// one segment of new text each leave (RFC 3042).
std::uint32_t limited_transmit(const Tcb& tcb) noexcept;

/// The retransmission timer has expired: what is in flight is sent again in slow start. Called
/// before tcb.retries counts this time.
void recover_on_timeout(Tcb& tcb, const Config& config, FlightPool& flights, Instant now) noexcept;
/// The same for the scoreboard: the first in flight is lost, and what is as old.
void lose_on_timeout(Tcb& tcb, Sending& sending, Instant now) noexcept;

/// The Sending of a connection's Flight, which is borrowed now if it has none; null without.
Sending* remember(Tcb& tcb, FlightPool& flights) noexcept;

/// Whether the first ACK of what was sent again answers what was sent before, as its timestamp
/// tells (RFC 3522), and if so takes back what the event has done to the windows.
bool undo_if_spurious(Arrival& a, Sending& sending, SeqNum before) noexcept;
void undo(Tcb& tcb, Sending& sending) noexcept;

}  // namespace pollux::tcp
