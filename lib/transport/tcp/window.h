#pragma once

#include <algorithm>
#include <cstdint>

#include "transport/tcp/config.h"
#include "transport/tcp/tcb.h"
#include "wire/tcp_options.h"

/// For the files of this room only: the receive window (RFC 9293 s.3.8.6, RFC 7323 s.2).
namespace pollux::tcp {

inline constexpr std::uint32_t max_window_field = 65535;

/// What the window field of our SYN says: it is never scaled (RFC 7323 s.2.2).
inline std::uint16_t syn_window(const Config& config) noexcept {
  return static_cast<std::uint16_t>(std::min(config.receive_buffer, max_window_field));
}

/// What the window scale option of our SYN says (RFC 7323 s.2.3): a buffer of less than two units
/// could hardly be offered.
inline std::uint8_t offered_scale(const Config& config) noexcept {
  std::uint8_t scale = std::min(config.window_scale, wire::TcpOptions::max_window_scale);
  while (scale != 0 && config.receive_buffer >> scale < 2) --scale;
  return scale;
}

/// Where the right edge could lie now, given what the buffer still takes: the edge that the field
/// can express.
inline SeqNum possible_right_edge(const Tcb& tcb, const Config& config) noexcept {
  const std::uint32_t room =
      config.receive_buffer > tcb.unread ? config.receive_buffer - tcb.unread : 0;
  const std::uint32_t field = std::min(room >> tcb.rcv_shift, max_window_field);
  return tcb.rcv_nxt + (field << tcb.rcv_shift);
}

/// Silly-window avoidance of the receiver (s.3.8.6.2.2, MUST-39): by how much the right edge may
/// move, which is not at all as long as that is little.
inline std::uint32_t right_edge_advance(const Tcb& tcb, const Config& config) noexcept {
  const SeqNum edge = possible_right_edge(tcb, config);
  if (edge <= tcb.rcv_adv) return 0;
  const auto advance = static_cast<std::uint32_t>(edge - tcb.rcv_adv);
  return advance >= std::min<std::uint32_t>(config.receive_buffer / 2, tcb.mss) ? advance : 0;
}

}  // namespace pollux::tcp
