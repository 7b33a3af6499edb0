#pragma once

#include <cstdint>

#include "base/time.h"
#include "transport/tcp/segment.h"

/// For the files of this room only: the throttle of RFC 5961 s.7.
namespace pollux::tcp {

/// The half second or so that `now` is in, as a number from 1 to `Slots`, which comes round. Who
/// remembers the one of its last challenge ACK, and sends no other in the same, sends at most one
/// in 512 ms; where few numbers come round, now and then none.
template <std::uint32_t Slots>
constexpr std::uint32_t challenge_slot(Instant now) noexcept {
  return Millis32{now}.raw() / 512 % Slots + 1;
}

/// Whether an unacceptable segment is answered each time it comes: text, or a FIN, whose sender may
/// not have heard our ACK. All else is answered as a challenge is, once a slot.
constexpr bool always_answered(const Segment& segment) noexcept {
  return segment.len() != 0 && !segment.has(control::syn | control::rst);
}

}  // namespace pollux::tcp
