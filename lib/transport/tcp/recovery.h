#pragma once

#include <cstdint>

#include "transport/tcp/tcb.h"

/// Loss: fast retransmit and NewReno's fast recovery (RFC 5681 s.3.2, RFC 6582), and what a
/// retransmission time-out does to the windows (RFC 5681 s.3.1).
namespace pollux::tcp {

/// Whether a new ACK restarts the retransmission timer.
enum class Restart : std::uint8_t { yes, no };

/// snd_una has moved over `acked` bytes of text.
Restart recover_on_new_ack(Tcb& tcb, std::uint32_t acked) noexcept;

/// A duplicate ACK as RFC 5681 s.2 defines it has come. True when it is the one that starts a fast
/// retransmit.
bool recover_on_duplicate_ack(Tcb& tcb) noexcept;

/// What may be in flight beyond cwnd: the first two duplicate ACKs let one segment of new text each
/// leave (RFC 3042).
std::uint32_t limited_transmit(const Tcb& tcb) noexcept;

/// The retransmission timer has expired: everything from snd_una on is sent again in slow start.
/// Called before tcb.retries counts this time.
void recover_on_timeout(Tcb& tcb) noexcept;

}  // namespace pollux::tcp
