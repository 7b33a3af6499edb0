#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/siphash.h"
#include "base/time.h"
#include "wire/address.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

/// What nobody without the key knows of a four-tuple, by SipHash-2-4, the same for ever.
struct TupleSecret {
  std::uint32_t number = 0;  // F of RFC 6528 s.3
  /// What is added to the clock for its timestamps, so that they neither tell how long the stack
  /// has run nor join its connections together (RFC 7323 s.7.1), and go on from one connection of
  /// the four-tuple to the next.
  std::uint32_t timestamps = 0;
};
TupleSecret tuple_secret(const wire::FourTuple& tuple, SipKey key) noexcept;

/// The initial sequence number of a connection that opens at `now`: M + F(tuple, key), where M
/// counts 4 microseconds and F is SipHash-2-4 (RFC 6528 s.3; RFC 9293 s.3.4.1, MUST-8, SHLD-1). For
/// one tuple it grows with time, so that a new incarnation starts beyond the old one; between
/// tuples it says nothing to whoever lacks the key. `now` may be before the epoch.
wire::SeqNum initial_sequence_number(const TupleSecret& secret, Instant now) noexcept;
inline wire::SeqNum initial_sequence_number(const wire::FourTuple& tuple, SipKey key,
                                            Instant now) noexcept {
  return initial_sequence_number(tuple_secret(tuple, key), now);
}

/// When the connection was opened whose initial number is `iss`: initial_sequence_number() turned
/// round, so that an answer to a SYN tells when that left although nobody has kept it. To 4
/// microseconds, rounded down, and later than `now` never; nothing where that is more than
/// `longest` ago, as of any number that is not ours, but for one in 2^32 / (longest / 4 us).
std::optional<Instant> opened_at(wire::SeqNum iss, const wire::FourTuple& tuple, SipKey key,
                                 Instant now, Duration longest) noexcept;

/// Chooses source ports so that a stranger cannot foretell them and each is rested as long as
/// possible before it is used again: for every local address and remote endpoint the ports are
/// taken in turn, from an offset that only the key's owner knows (RFC 6056 s.3.3.4, algorithm 4).
/// Bounded: the turns are counted in a table that destinations may share, which at worst skips
/// ports until the next round.
class EphemeralPorts {
 public:
  /// The range that RFC 6056 s.3.2 asks for. Listeners' ports in it are the predicate's to refuse.
  static constexpr std::uint16_t first = 1024;
  static constexpr std::uint16_t last = 65535;
  static constexpr std::uint32_t count = last - first + 1;

  explicit EphemeralPorts(SipKey key) noexcept : key_(key) {}

  /// The next port of the tuple's turn for which refuses(port) is false, or nothing when `tries`
  /// ports in a row were refused; the turn goes on from there at the next call. With tries = count
  /// every port was asked. In a steady load the port whose turn it is has rested longest and is
  /// free, so that one try is the rule.
  template <class Refuses>
  std::optional<std::uint16_t> pick(wire::Ipv4Address local, wire::Ipv4Address remote,
                                    std::uint16_t remote_port, Refuses&& refuses,
                                    std::uint32_t tries = count) noexcept {
    const Turn& turn = turn_of(local, remote, remote_port);
    std::uint32_t& position = positions_[turn.position];
    for (; tries != 0; --tries) {
      const std::uint32_t next = position;
      position = next + 1 == count ? 0 : next + 1;
      const auto port = static_cast<std::uint16_t>(first + (turn.offset + next) % count);
      if (!refuses(port)) return port;
    }
    return std::nullopt;
  }

  /// The port that pick() will ask for first in `ahead` calls of the tuple from now; 0: in the
  /// next.
  std::uint16_t peek(wire::Ipv4Address local, wire::Ipv4Address remote, std::uint16_t remote_port,
                     std::uint32_t ahead) noexcept {
    const Turn& turn = turn_of(local, remote, remote_port);
    const std::uint32_t position = positions_[turn.position] + ahead;
    return static_cast<std::uint16_t>(first + (turn.offset + position) % count);
  }

 private:
  static constexpr std::size_t turns = 1024;

  /// Of one local address and remote endpoint; all zeros is nobody's.
  struct Turn {
    wire::Ipv4Address local;
    wire::Ipv4Address remote;
    std::uint16_t remote_port = 0;
    std::uint16_t position = 0;  // which of `positions_`
    std::uint32_t offset = 0;    // below count
  };
  /// Who opens many connections does so to few endpoints: what the hash says of them is kept.
  const Turn& turn_of(wire::Ipv4Address local, wire::Ipv4Address remote,
                      std::uint16_t remote_port) noexcept {
    const std::uint32_t at = local.value() + remote.value() + remote_port;
    Turn& turn = recent_[at % recent_.size()];
    if (turn.local != local || turn.remote != remote || turn.remote_port != remote_port)
        [[unlikely]] {
      turn = find_turn(local, remote, remote_port);
    }
    return turn;
  }
  Turn find_turn(wire::Ipv4Address local, wire::Ipv4Address remote,
                 std::uint16_t remote_port) const noexcept;

  SipKey key_;
  std::array<std::uint32_t, turns> positions_{};  // each below count
  std::array<Turn, 256> recent_{};
};

}  // namespace pollux::tcp
