#pragma once

#include <cstdint>

#include "wire/seq_num.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

namespace pollux::tcp {

using wire::SeqNum;
namespace control = wire::control;

/// A segment as a value: what the state machine reads and writes. Its text stays in the packet
/// (received) or in the send queue (to send, the bytes from `seq` on).
struct Segment {
  SeqNum seq;
  SeqNum ack;                // meaningful only when has(control::ack)
  std::uint32_t text = 0;    // bytes
  std::uint16_t window = 0;  // as on the wire, not scaled
  std::uint8_t control = 0;
  /// The datagram's ECN field (RFC 3168 s.5): of one to send, whether the network may mark it.
  std::uint8_t ecn = 0;
  /// Of one to send, where it is not 0: the device makes segments with so much text each of it.
  std::uint16_t cut = 0;
  /// Timestamps: the echo is in milliseconds of the stack's clock, as Millis32 counts them. Of one
  /// to send, the owner writes the value, from the clock as the segment leaves; what stands here is
  /// by how much it is to lie before that (a SYN cookie's alone).
  wire::TcpOptions options{};

  constexpr bool has(std::uint8_t bits) const noexcept { return (control & bits) != 0; }
  /// SEG.LEN: text, and one for each of SYN and FIN (RFC 9293 s.3.4).
  constexpr std::uint32_t len() const noexcept {
    return text + (has(control::syn) ? 1 : 0) + (has(control::fin) ? 1 : 0);
  }
};

/// A segment to send as nearly all are: without options but for timestamps, without text that a
/// device is to cut, its datagram's ECN field 0. The members are a Segment's.
struct PlainSegment {
  SeqNum seq;
  SeqNum ack;
  std::uint32_t text = 0;
  std::uint16_t window = 0;
  std::uint8_t control = 0;
  bool timestamps = false;
  std::uint32_t echo = 0;  // with timestamps

  Segment whole() const noexcept {
    Segment segment{.seq = seq, .ack = ack, .text = text, .window = window, .control = control};
    if (timestamps) segment.options.timestamps = wire::Timestamps{.echo = echo};
    return segment;
  }
};

}  // namespace pollux::tcp
