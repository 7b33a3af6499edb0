#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/result.h"
#include "base/time.h"
#include "base/timer_wheel.h"
#include "base/token_bucket.h"
#include "wire/address.h"

namespace pollux::link {

/// The index of a neighbour's entry, below the table's capacity. It stays the same neighbour's for
/// as long as datagrams wait for it: until it was reported resolved or failed.
using NeighborId = std::uint32_t;

/// Who has which hardware address on the link (RFC 826; RFC 1122 s.2.3.2). Bounded; it sends
/// nothing itself, but says what is to be sent.
///
/// An entry's life: incomplete (asked by broadcast, once a second) until an answer makes it
/// reachable, or three requests without one make it failed. A reachable one is confirmed by every
/// ARP packet of that neighbour. When half a minute has passed without, it is asked again by
/// unicast if it is in use, three times while it still resolves, and then it is incomplete again.
/// One that nobody used for a minute is stale: it gives way to whoever needs its place, and
/// resolves once more while it is asked by unicast whether it is still there. A failed one is asked
/// on, once a second, for a minute after the last demand, which is as long as a connection may
/// sleep between two retransmissions; until it answers, whoever wants it hears at once that it does
/// not.
///
/// New ones that have not answered fill at most half of the table, so that answers to made-up
/// addresses of the link push out none of those that exist and keep none out that asks for us.
class NeighborTable {
 public:
  struct Config {
    std::uint32_t capacity = 1024;
    Duration confirmed_for = 30s;              // then it is asked again by unicast, if used
    Duration stale_after = 60s;                // since it was confirmed, if not used
    Duration retry = 1s;                       // between two requests of one entry, at least
    std::uint8_t requests = 3;                 // unanswered, until it is failed
    Duration wanted_for = 60s;                 // how long one lookup keeps a failed one asked
    std::uint32_t requests_per_second = 1000;  // of all entries together
    std::uint32_t burst = 100;
  };

  static Result<NeighborTable> make(const Config& config, Instant now);

  enum class State : std::uint8_t {
    resolved,     // send to `mac` now
    waiting,      // keep the datagram in the waiting queue of `id`
    unreachable,  // asked in vain, and asked on every second: SendDrop::no_neighbor
    table_full    // SendDrop::neighbor_table_full
  };
  struct Lookup {
    State state = State::table_full;
    wire::MacAddress mac;
    NeighborId id = 0;
    /// advance() has a request to send for it at once.
    bool request_due = false;
  };
  /// For the sending path: how to reach `next_hop`, a single host's address on this link.
  [[nodiscard]] Lookup lookup(wire::Ipv4Address next_hop, Instant now) noexcept {
    const Slot& slot = index_[find(next_hop)];
    if (slot.id != no_id) {
      Entry& entry = entries_[slot.id];
      if (entry.resolves()) [[likely]] {
        entry.used = true;
        return {State::resolved, entry.mac, slot.id, false};
      }
    }
    return lookup_slowly(next_hop, now);
  }
  /// The short way of most lookups: `at` is the id that an earlier one has found, or any below
  /// capacity(). Null, and nothing has happened, where that is another's or is not resolved.
  const wire::MacAddress* lookup_at(NeighborId at, wire::Ipv4Address next_hop) noexcept {
    Entry& entry = entries_[at];
    if (entry.address != next_hop || !entry.resolves()) [[unlikely]]
      return nullptr;
    entry.used = true;
    return &entry.mac;
  }

  /// What an ARP packet changed: datagrams that wait for `id` can leave to `mac`.
  struct Resolved {
    NeighborId id = 0;
    wire::Ipv4Address address;
    wire::MacAddress mac;
  };
  struct Learned {
    bool known = false;  // there is an entry, old or new
    std::optional<Resolved> resolved;
  };
  /// An ARP packet says that `address` is at `mac`. An entry that exists is updated; without one, a
  /// new one is made when `create_new` says so and there is room (RFC 826's merge flag).
  Learned learn(wire::Ipv4Address address, wire::MacAddress mac, bool create_new,
                Instant now) noexcept;

  /// What was known may be wrong: whoever is looked up next is asked for anew.
  void forget_resolved() noexcept;

  struct Action {
    enum class Kind : std::uint8_t {
      request_broadcast,  // ask who has `address`
      request_unicast,    // ask `mac` whether it still has it
      failed              // drop what waits for `id`; tell those who talk through it
    };
    Kind kind = Kind::failed;
    NeighborId id = 0;
    wire::Ipv4Address address;
    wire::MacAddress mac;
  };
  /// Calls action(const Action&) for all that is due by now. It may call lookup(), not advance().
  template <class F>
  void advance(Instant now, F&& action) noexcept {
    wheel_.advance(now, [&](std::uint32_t id) {
      if (const std::optional<Action> due = timeout(id, now)) action(*due);
    });
  }
  /// When advance() next has something to do; nothing when no entry exists.
  std::optional<Instant> next_deadline() const noexcept { return wheel_.next_deadline(); }

  std::uint32_t size() const noexcept { return size_; }
  std::uint32_t capacity() const noexcept { return config_.capacity; }
  /// For reports: calls f(address, mac, resolved) for each entry.
  template <class F>
  void for_each(F&& f) const {
    for (const Entry& entry : entries_) {
      if (entry.phase != Phase::free) f(entry.address, entry.mac, !entry.unresolved());
    }
  }

 private:
  enum class Phase : std::uint8_t { free, incomplete, failed, stale, reachable, probing };
  struct Entry {
    wire::Ipv4Address address;
    wire::MacAddress mac;
    Phase phase = Phase::free;
    bool used = false;          // looked up since it was confirmed, or since probing began
    bool reserved = false;      // the rate limit has given it the time of its timer
    std::uint8_t attempts = 0;  // requests sent in this phase
    Instant requested_at{Duration::min()};
    Instant wanted_at{Duration::min()};  // the last lookup that found no answer
    Instant since{Duration::min()};      // reachable: confirmed

    bool resolves() const noexcept { return phase >= Phase::reachable; }
    bool unresolved() const noexcept {
      return phase == Phase::incomplete || phase == Phase::failed;
    }
  };
  struct Slot {
    wire::Ipv4Address address;
    NeighborId id = no_id;
  };
  static constexpr NeighborId no_id = 0xFFFF'FFFF;
  /// Whom a new entry may take the place of.
  enum class Displaces : std::uint8_t {
    failed,
    unused,  // and failed: who was not used since confirmed
    idle     // and those: who was not used since the hand came by
  };

  NeighborTable(const Config& config, TimerWheel wheel);

  std::size_t home(wire::Ipv4Address a) const noexcept {
    return static_cast<std::size_t>((a.value() * std::uint64_t{0x9E37'79B9'7F4A'7C15}) >> shift_);
  }
  /// The slot that holds the address, or the empty one where it would go.
  std::size_t find(wire::Ipv4Address a) const noexcept {
    std::size_t at = home(a);
    while (index_[at].id != no_id && index_[at].address != a) at = (at + 1) & mask_;
    return at;
  }
  Lookup lookup_slowly(wire::Ipv4Address next_hop, Instant now) noexcept;
  NeighborId create(wire::Ipv4Address address, bool wanted) noexcept;
  NeighborId evict(Displaces whom) noexcept;
  void set_phase(Entry& entry, Phase phase) noexcept;
  void forget(NeighborId id) noexcept;
  void confirm(NeighborId id, wire::MacAddress mac, Instant now) noexcept;
  std::optional<Action> timeout(NeighborId id, Instant now) noexcept;
  std::optional<Action> request(NeighborId id, Instant now) noexcept;

  Config config_;
  TimerWheel wheel_;
  TokenBucket bucket_;
  std::vector<Entry> entries_;
  std::vector<NeighborId> free_;
  std::vector<Slot> index_;  // open addressing, at most half full
  std::size_t mask_ = 0;
  unsigned shift_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t unresolved_ = 0;  // incomplete or failed
  NeighborId hand_ = 0;           // where eviction looks next
};

}  // namespace pollux::link
