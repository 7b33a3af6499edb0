#pragma once

#include "base/slab.h"
#include "transport/tcp/reassembly.h"

namespace pollux::tcp {

/// What a connection needs only while something is out of order, borrowed from a core's pool and
/// named by its index in the Tcb. A connection that gets none does without: text past a gap is
/// dropped and counted, and the peer sends it again.
struct Flight {
  OutOfOrder out_of_order;
};

/// One core's Flights.
using FlightPool = Slab<Flight>;

/// Whether what a Tcb has borrowed can be given back: nothing is out of order, and nothing is left
/// to tell.
inline bool flight_is_idle(const auto& tcb, const FlightPool& flights) noexcept {
  return tcb.flight != FlightPool::none && flights[tcb.flight].out_of_order.empty();
}

}  // namespace pollux::tcp
