#pragma once

#include <chrono>

#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/tcb.h"

/// The retransmission time-out (RFC 6298; RFC 9293 MUST-18).
namespace pollux::tcp {

/// Takes the time between a segment's sending and the ACK of its last byte. Karn's algorithm is the
/// caller's: a segment that was sent twice gives no sample. Undoes the back-off (RFC 6298 s.5).
void sample_round_trip(Tcb& tcb, std::chrono::microseconds round_trip) noexcept;

/// The RTO in force, back-off included: at most config.max_rto.
Duration retransmission_timeout(const Tcb& tcb, const Config& config) noexcept;

}  // namespace pollux::tcp
