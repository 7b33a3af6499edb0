#pragma once

#include "base/slab.h"
#include "transport/tcp/reassembly.h"
#include "transport/tcp/sending.h"
#include "transport/tcp/tcb.h"
#include "wire/tcp_options.h"

namespace pollux::tcp {

/// What a connection needs only while something is out of order, or in flight in several bursts,
/// or once something was lost, or while its SYN asks for a fast open: borrowed from a core's pool
/// and named by its index in the Tcb. A connection that gets none does without: text past a gap is
/// dropped and counted, and the peer sends it again; what was lost is found by duplicate ACKs and
/// the retransmission timer.
struct Flight {
  OutOfOrder out_of_order;
  Sending sending;
  wire::FastOpenCookie cookie;  // of our SYN, in SYN-SENT
};

/// One core's Flights.
using FlightPool = Slab<Flight>;
static_assert(FlightPool::none == no_flight);

/// Something has come past a gap, or twice.
inline bool holds_text(const Tcb& tcb, const FlightPool& flights) noexcept {
  return tcb.flight != FlightPool::none && !flights[tcb.flight].out_of_order.empty();
}

/// The Flight can be given back: nothing is out of order, all is acknowledged, no probe is out or
/// about to be, and there was no congestion to remember; or there are few left, and others need
/// them more.
inline bool flight_is_idle(const Tcb& tcb, const FlightPool& flights) noexcept {
  if (tcb.flight == FlightPool::none || tcb.snd_una != tcb.snd_nxt) return false;
  const Flight& flight = flights[tcb.flight];
  const bool remembers = flight.sending.eventful && flights.available() >= flights.capacity() / 4;
  const bool probes_path =
      flight.sending.path.state == PathProbe::State::due && tcb.snd_pos < tcb.snd_end;
  return flight.out_of_order.empty() && !flight.sending.probe_out && !probes_path && !remembers;
}

}  // namespace pollux::tcp
