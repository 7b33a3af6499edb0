#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/cause.h"
#include "base/time.h"
#include "wire/address.h"
#include "wire/checksum.h"

namespace pollux::application {

/// A connection's name for as long as it lives, and never another's: index and generation.
struct StreamId {
  std::uint32_t index = 0xFFFF'FFFF;
  std::uint32_t generation = 0;
  friend constexpr bool operator==(const StreamId&, const StreamId&) noexcept = default;
};

/// One end of a connection or datagram.
struct Endpoint {
  wire::Ipv4Address address;
  std::uint16_t port = 0;
  friend constexpr bool operator==(const Endpoint&, const Endpoint&) noexcept = default;
};

/// Bytes that outlive the stack (constants, a file read at start): sent, and kept for
/// retransmission, without a copy or an owner.
struct StaticSpan {
  const std::byte* data = nullptr;
  std::uint32_t size = 0;
  /// Their checksum's part, where it is known: it need not be computed for each connection.
  std::uint16_t sum = 0;
  bool summed = false;

  /// The same bytes with their sum.
  StaticSpan with_sum() const noexcept {
    return {data, size, wire::Sum{{data, size}}.partial(), true};
  }
};

/// What a connection may use where that is to differ from the stack's configuration; 0: as there.
struct Limits {
  /// Bytes of text in a segment: more is neither announced (the MSS option of our SYN) nor sent. No
  /// less than 48, and no more than the MTU leaves.
  std::uint16_t max_segment = 0;
  std::uint32_t receive_buffer = 0;    // bytes: the window
  std::uint32_t send_buffer = 0;       // bytes queued, those on their way among them
  std::uint8_t ttl = 0;                // of its datagrams, 1..255
  std::optional<std::uint8_t> dscp{};  // their Diffserv codepoint, 0..63 (RFC 2474)
  /// Text on SYNs (RFC 7413), for an application alone that takes no harm when the first text of a
  /// connection comes twice: the network may repeat a SYN (s.6.1). Of a listener: connections whose
  /// SYN has a cookie of ours begin with it, and on_accepted() is called before the handshake is
  /// over. Of an open: what send() and commit() queue before the callback that has called connect()
  /// returns goes with the SYN, where an earlier connection has brought a cookie.
  std::optional<bool> fast_open{};

  friend constexpr bool operator==(const Limits&, const Limits&) noexcept = default;
};

/// What every connection of a listener starts with.
struct ListenOptions {
  bool nagle = true;
  Limits limits{};
};

/// Where an active open comes from, and what it starts with.
struct ConnectOptions {
  wire::Ipv4Address local_address{};  // 0: any own address, in turn
  std::uint16_t local_port = 0;       // 0: an ephemeral port (RFC 6056)
  bool nagle = true;
  Limits limits{};
};

/// Why listen(), connect() or send() of a datagram did nothing.
enum class StackError : std::uint8_t {
  in_use,       // the port or four-tuple is taken
  no_ports,     // every local port towards that endpoint is in use
  no_memory,    // a bound known at start is reached
  no_route,     // no own address or next hop for that destination
  no_neighbor,  // nobody answers for the next hop (send_syn() alone says so)
  too_big,      // a datagram over 65,507 bytes
  stopped,      // the stack is told to stop: nothing new begins
  invalid       // port 0, or an address that nobody can have
};

/// The name in logs, equal to the enumerator.
constexpr std::string_view name(StackError error) noexcept {
  switch (error) {
    case StackError::in_use:
      return "in_use";
    case StackError::no_ports:
      return "no_ports";
    case StackError::no_memory:
      return "no_memory";
    case StackError::no_route:
      return "no_route";
    case StackError::no_neighbor:
      return "no_neighbor";
    case StackError::too_big:
      return "too_big";
    case StackError::stopped:
      return "stopped";
    case StackError::invalid:
      return "invalid";
  }
  return "";
}

/// What a SYN of stack.send_syn() has brought. Nothing was kept of it: all of this comes from the
/// answer, and an answer that comes twice is told twice.
struct SynAnswer {
  Endpoint local{};
  Endpoint remote{};
  Instant sent{};         // when the SYN left, to 4 us, rounded down
  bool accepted = false;  // a SYN,ACK, which the stack has answered with a reset; else a reset
};

/// Per-connection switches (RFC 9293 s.3.8.4, 3.8.7.1; RFC 5482): what is not given stays as it is.
struct StreamOptions {
  std::optional<bool> nagle{};
  std::optional<bool> push{};  // the end of what was queued is pushed (RFC 9293 s.3.9.1.2); true
  // Holds back what fills no segment: until false, the FIN, or for 200 ms at most. What has waited
  // so long is pushed, and so is what comes then.
  std::optional<bool> cork{};
  std::optional<bool> keepalive{};
  std::optional<Duration> keepalive_idle{};       // of silence, before the first probe
  std::optional<Duration> keepalive_interval{};   // between probes
  std::optional<std::uint8_t> keepalive_count{};  // unanswered ones, before it gives up
  std::optional<Duration> user_timeout{};         // 0: the stack's own number of retries
  std::optional<std::uint32_t> send_buffer{};     // bytes
  std::optional<std::uint32_t> receive_buffer{};  // bytes; a window once told is never taken back
  std::optional<std::uint8_t> dscp{};             // of the datagrams that follow, 0..63
};

/// How a connection does (RFC 9293 s.3.10.6, STATUS).
struct StreamStatus {
  std::uint16_t max_segment = 0;     // bytes of text in one that is sent
  std::uint32_t in_flight = 0;       // sent and not acknowledged, SYN and FIN counting one each
  std::uint32_t send_window = 0;     // bytes, as the peer offers them
  std::uint32_t receive_window = 0;  // bytes, as it was told
  std::uint32_t congestion_window = 0;
  std::uint32_t slow_start_threshold = 0;
  Duration round_trip{0};  // smoothed; 0: not known yet
  Duration round_trip_variation{0};
  Duration retransmission_timeout{0};
  /// What ICMP said of the path since the peer was last heard, which ends no connection; none: all
  /// is well.
  Cause soft_error = Cause::none;
  std::uint8_t retries = 0;  // transmissions since anything was acknowledged, less the first
  bool recovering = false;   // fast recovery (RFC 5681 s.3.2)
};

// Version 14 does not know how to lay out a requirement.
// clang-format off
/// A connection lent to an application for one callback; never stored (its id() may be).
template <class S>
concept Stream = requires(S s, const S c, std::size_t n, StaticSpan bytes) {
  { c.id() } noexcept -> std::same_as<StreamId>;
  { c.local() } noexcept -> std::same_as<Endpoint>;
  { c.remote() } noexcept -> std::same_as<Endpoint>;
  /// The application's own part of the connection.
  s.session();
  /// The next received bytes that lie in one piece; empty when there are none yet. Valid until
  /// consume() or the end of the callback.
  { c.readable() } noexcept -> std::same_as<std::span<const std::byte>>;
  /// Copies received bytes from the first one on, those that readable() does not show among them,
  /// without giving any back; returns how many.
  { c.peek(std::span<std::byte>{}) } noexcept -> std::same_as<std::size_t>;
  /// Gives n <= readable().size() bytes back; the receive window opens as this is called.
  { s.consume(n) } noexcept;
  /// Received bytes that are not consumed yet, those that readable() does not show among them.
  { c.unread() } noexcept -> std::same_as<std::size_t>;
  /// Every byte that the peer sent has been consumed, and its FIN has come.
  { c.at_end() } noexcept -> std::same_as<bool>;
  /// Bytes that send() and commit() would take now.
  { c.writable() } noexcept -> std::same_as<std::size_t>;
  /// Bytes that were queued and that the peer has not acknowledged; our FIN counts as one.
  { c.unacknowledged() } noexcept -> std::same_as<std::size_t>;
  /// Queues all of `bytes`, or nothing and false when they are more than writable().
  { s.send(bytes) } noexcept -> std::same_as<bool>;
  /// Packet memory for up to n bytes (possibly fewer, possibly none); commit(k) sends its first k.
  /// The stack has one such reservation: between the two nothing else may be called on this stream,
  /// and no reserve() on another.
  { s.reserve(n) } noexcept -> std::same_as<std::span<std::byte>>;
  { s.commit(n) } noexcept;
  /// No more bytes from us: FIN behind the last one; receiving goes on.
  { s.shutdown_send() } noexcept;
  /// The same, and what the peer still sends is not wanted. on_closed() follows when it is over.
  { s.close() } noexcept;
  /// close(), and abort() of what is not over `limit` from now. False, and nothing is done, where
  /// no timer is free (stack.after() says why). A caller that cannot wait has by it what SO_LINGER
  /// bounds: unacknowledged() == 0 on the way says that all has arrived.
  { s.close_within(Duration{}) } noexcept -> std::same_as<bool>;
  /// RST now. on_closed(id, Cause::aborted) follows, also where both have ended in good order and
  /// the peer's text is still unread.
  { s.abort() } noexcept;
  /// May be called at any time, and means nothing once the connection is over. False, and nothing
  /// is changed, when connections of the stack want 63 different sets of numbers already.
  { s.options(StreamOptions{}) } noexcept -> std::same_as<bool>;
  { c.status() } noexcept -> std::same_as<StreamStatus>;
  s.stack();
};
// clang-format on

/// What a stack calls. `Session` lives in the connection: bounded, trivially destructible, made
/// fresh for each. Every callback but on_closed may use the stream that it is lent.
///
///   void on_start(auto& stack)        once, before the first packet: listen, connect, set timers
///   void on_accepted(Stream auto&)    a peer's handshake is complete; of a fast open, its SYN is
///                                     here
///   void on_connected(Stream auto&)   ours is
///   void on_readable(Stream auto&)    more bytes to read (again only when still more arrive)
///   void on_writable(Stream auto&)    after a send() or reserve() that was refused, or when less
///                                     than half of the buffer was left, there is room again
///   void on_peer_closed(Stream auto&) the peer's FIN has come: after the last readable byte
///   void on_closed(auto& stack, StreamId, Session&, Cause)
///                                     over; also after a failed connect()
///   void on_timer(auto& stack, uint64_t token)
///                                     a timer of stack.after()
///   void on_datagram(auto& stack, const Datagram&)
///                                     UDP
///   void on_datagram_error(auto& stack, Endpoint local, Endpoint remote, Cause)
///                                     ICMP says that a datagram from a port of bind() did not
///                                     arrive: refused or unreachable (RFC 1122 s.4.1.3.3)
///   void on_message(auto& stack, Message&&)
///                                     stack.post() of another thread
///   void on_syn_answer(auto& stack, const SynAnswer&)
///                                     somebody has answered a SYN of stack.send_syn()
///   void on_poll(auto& stack)         each poll, before sending
///
/// Only Session is required; a missing callback costs nothing.
template <class A>
concept Application = std::is_trivially_destructible_v<typename A::Session> &&
    std::default_initializable<typename A::Session>;

/// One received UDP datagram, lent for the callback.
struct Datagram {
  Endpoint local;
  Endpoint remote;
  std::span<const std::byte> bytes;
};

}  // namespace pollux::application
