#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/siphash.h"
#include "base/time.h"
#include "transport/tcp/flight.h"
#include "transport/tcp/tcb.h"
#include "wire/address.h"
#include "wire/tcp_options.h"

/// TCP Fast Open (RFC 7413): a SYN that carries text, by leave of a cookie that an earlier
/// handshake has brought. accept_fast_open() in listener.h is the server's half of the state
/// machine.
namespace pollux::tcp {

/// The cookies that a server hands out: a keyed hash of both addresses and the time, so that
/// nothing is kept of a client, and only who receives at an address has its cookie (s.4.1.2).
class FastOpenCookies {
 public:
  /// A cookie is good in the period that it was made in, and in the next.
  static constexpr Duration period = 1800s;

  /// Who serves the same addresses has the same key.
  explicit FastOpenCookies(SipKey key) noexcept : key_(key) {}

  wire::FastOpenCookie make(const wire::FourTuple& tuple, Instant now) const noexcept;
  bool good(const wire::FourTuple& tuple, const wire::FastOpenCookie& cookie,
            Instant now) const noexcept;

 private:
  wire::FastOpenCookie made_in(const wire::FourTuple& tuple, std::int64_t in_period) const noexcept;

  SipKey key_;
};

/// How many connections that a SYN has made may wait for their handshake's end (s.5.1): past the
/// bound a SYN's text is not taken, and the handshake an ordinary one.
class FastOpenBacklog {
 public:
  /// A client that ends its half-made connection by a reset does not make room at once: who sends
  /// SYNs in others' names, and they reset, would never meet the bound (s.5.1).
  static constexpr Duration remembered = 60s;

  explicit FastOpenBacklog(std::uint16_t most) : resets_(most) {}

  bool has_room(Instant now) noexcept;
  /// Only where there is room.
  void begin() noexcept { ++pending_; }
  void end() noexcept { --pending_; }
  void end_by_reset(Instant now) noexcept;

 private:
  std::vector<Instant> resets_;  // a ring, the oldest at first_
  std::uint32_t first_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t pending_ = 0;
};

/// What a SYN may say, and carry.
struct FastOpenOffer {
  wire::FastOpenCookie cookie{};  // of no bytes: one is asked for, and no text goes along
  std::uint16_t peer_mss = default_mss;
};

/// What a client knows of servers, by both addresses and the server's port (s.4.1.3): cookies, and
/// on which paths a SYN with the option has come to nothing. Bounded: a server that was not asked
/// for long gives way.
class FastOpenCache {
 public:
  static constexpr std::size_t capacity = 1024;
  /// How long a path is left alone after a failure; twice as long after each further one, up to
  /// an hour and some minutes (s.4.1.3.1; docs/decisions/0026).
  static constexpr Duration first_rest = 1s;
  static constexpr std::uint8_t most_doublings = 12;

  explicit FastOpenCache(SipKey key) : key_(key), entries_(capacity) {}

  /// Nothing: the handshake is to be an ordinary one.
  std::optional<FastOpenOffer> offer(const wire::FourTuple& tuple, Instant now) noexcept;
  /// A SYN,ACK has brought a cookie.
  void learn(const wire::FourTuple& tuple, const FastOpenOffer& offer, Instant now) noexcept;
  /// A SYN's text was acknowledged by the SYN,ACK.
  void worked(const wire::FourTuple& tuple) noexcept;
  /// Our SYN was lost, or its text was not wanted though the cookie should have been good.
  void failed(const wire::FourTuple& tuple, Instant now) noexcept;

 private:
  struct Entry {
    wire::Ipv4Address local;
    wire::Ipv4Address remote;  // any: free
    std::uint16_t remote_port = 0;
    FastOpenOffer offer{};
    std::uint8_t failures = 0;
    Instant rests_until{};
    Instant used{};
  };
  static constexpr std::size_t ways = 4;

  Entry* set_of(const wire::FourTuple& tuple) noexcept;
  Entry* find(const wire::FourTuple& tuple) noexcept;
  /// The entry, or one that gives way to it.
  Entry& find_or_make(const wire::FourTuple& tuple, Instant now) noexcept;

  SipKey key_;
  std::vector<Entry> entries_;
};

/// The SYN of a Tcb that open_active() has just made says what `offer` does, and carries what is
/// queued by then, as much as fits. False, and the handshake an ordinary one, where the pool has
/// no Flight for the cookie.
[[nodiscard]] bool begin_fast_open(Tcb& tcb, FlightPool& flights,
                                   const FastOpenOffer& offer) noexcept;

/// Whether our next SYN has the option: the first, not one that is sent again for a loss.
inline bool asks_for_fast_open(const Tcb& tcb) noexcept {
  return tcb.state == State::syn_sent && tcb.flight != no_flight && !tcb.syn_resent;
}

/// Our SYN carried text; the SYN,ACK has acknowledged some of it. Both mean something before
/// anything else was sent.
inline bool syn_had_text(const Tcb& tcb) noexcept { return tcb.snd_nxt - tcb.iss > 1; }
inline bool syn_text_taken(const Tcb& tcb) noexcept { return tcb.snd_una - tcb.iss > 1; }

}  // namespace pollux::tcp
