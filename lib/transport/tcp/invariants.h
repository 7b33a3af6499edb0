#pragma once

#include <string_view>

#include "transport/tcp/flight.h"
#include "transport/tcp/tcb.h"

namespace pollux::tcp {

/// What must be true of a Tcb between any two calls: empty, or the first promise that is broken.
/// For tests, fuzzers and simulation, after every event; cheap enough for a debug build.
std::string_view check(const Tcb& tcb) noexcept;
/// The same, and what must be true of its Flight.
std::string_view check(const Tcb& tcb, const FlightPool& flights) noexcept;

}  // namespace pollux::tcp
