#pragma once

#include <cstdint>

#include "application/application.h"
#include "base/cause.h"
#include "base/time.h"
#include "pipeline/profiles.h"
#include "pipeline/receive_queue.h"
#include "pipeline/send_queue.h"
#include "transport/tcp/tcb.h"
#include "transport/tcp/tcp.h"
#include "wire/address.h"

namespace pollux::pipeline {

/// What a connection's application has yet to hear, and what is due to be sent.
namespace pending {
inline constexpr std::uint8_t accepted = 1;
inline constexpr std::uint8_t connected = 2;
inline constexpr std::uint8_t readable = 4;
inline constexpr std::uint8_t writable = 8;
inline constexpr std::uint8_t peer_closed = 16;
inline constexpr std::uint8_t closed = 32;
inline constexpr std::uint8_t send = 64;
/// Those that a Verdict says in the same places.
inline constexpr std::uint8_t said = readable | peer_closed | closed | send;
static_assert(tcp::Says{.readable = true}.bits() == readable &&
              tcp::Says{.peer_closed = true}.bits() == peer_closed &&
              tcp::Says{.closed = true}.bits() == closed && tcp::Says{.send = true}.bits() == send);
}  // namespace pending

/// Everything one connection keeps outside the table and the timer wheel. The Tcb's two cache lines
/// come first, then one with what the pipeline needs to reach the peer and the application, and 16
/// bytes of the application's own.
template <packet::Packet P, class Session>
struct Connection {
  tcp::Tcb tcb;
  wire::FourTuple tuple;
  std::uint32_t ts_offset = 0;             // what its timestamps are ahead of the clock
  std::uint32_t next_ready = 0xFFFF'FFFF;  // the ready list runs through the connections
  bool ready : 1 = false;                  // on the ready list
  bool active : 1 = false;                 // opened by us
  bool wants_room : 1 = false;             // the application met a full send queue
  bool send_closed : 1 = false;            // the application has called shutdown_send() or close()
  bool closing : 1 = false;                // the application has called close() or abort()
  bool at_peer_end : 1 = false;            // the peer's FIN was taken
  bool end_told : 1 = false;               // on_peer_closed() was called
  bool time_wait : 1 = false;              // leaves a TimeWait entry behind
  bool detached : 1 = false;               // no longer in the table: only its reader keeps it
  bool finished : 1 = false;               // on_closed() was called: to be released
  bool armed : 1 = false;                  // somebody will look at its deadline, at armed_at
  bool in_wheel : 1 = false;               // and that is the wheel
  bool pushes : 1 = true;                  // the PSH bit at the end of what is queued
  bool corked : 1 = false;                 // what fills no segment is held back
  bool fast_open : 1 = false;              // as its SYN asked; until the handshake is over
  bool cork_timed : 1 = false;             // a timer runs for what is held
  std::uint16_t full_mss = 0;              // what both ends take; the path may take less
  std::uint8_t pending = 0;
  Cause cause = Cause::none;
  std::uint8_t profile = Profiles::common;  // what TCP is told of it
  std::uint8_t more_acks = 0;               // due beside the one that the Tcb knows of
  std::uint32_t held = 0;  // bytes at the send queue's end that TCP does not know of yet
  Millis32 armed_at;       // while it is `armed`
  SendQueue<P> send;
  ReceiveQueue<P> receive;
  [[no_unique_address]] Session session{};
};

}  // namespace pollux::pipeline
