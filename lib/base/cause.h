#pragma once

#include <cstdint>
#include <string_view>

namespace pollux {

/// Why a connection ended, as its application hears it.
enum class Cause : std::uint8_t {
  none,
  by_us,         // closed in good order, our FIN first or together with the peer's
  by_peer,       // closed in good order, the peer's FIN first
  aborted,       // this side called abort(), or the stack was stopped
  reset,         // a valid RST came for a synchronized connection
  reset_at_end,  // the same, when there was something to send and all of it had arrived
  refused,       // a RST answered our SYN
  timed_out,     // retransmissions, probes or the user's limit were used up
  unreachable,   // ICMP or the routing table says so, before or while retrying
  no_neighbor,   // nobody answers ARP for the next hop
  no_memory,     // a bound known at start was reached
  count_
};

/// The name in JSON and logs, equal to the enumerator.
std::string_view name(Cause cause) noexcept;

}  // namespace pollux
