#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/counters.h"
#include "base/time.h"
#include "link/neighbor_table.h"
#include "wire/address.h"
#include "wire/address_set.h"
#include "wire/arp.h"

namespace pollux::link {

/// An ARP packet to send, and the Ethernet address to send it to.
struct ArpMessage {
  wire::ArpFields fields;
  wire::MacAddress destination;
};

/// What an ARP packet that arrived means.
struct ArpVerdict {
  /// none: it was of use. Otherwise arp_malformed or arp_not_for_us, and everything below is empty.
  Drop drop = Drop::none;
  /// Somebody else claims one of our addresses: Event::arp_address_conflicts.
  bool conflict = false;
  /// The answer to a request, or the defence of our address.
  std::optional<ArpMessage> reply;
  /// The datagrams that wait for this entry can leave.
  std::optional<NeighborTable::Resolved> resolved;
};

/// Somebody else on the link uses an address of ours too.
struct Conflict {
  wire::Ipv4Address address;
  wire::MacAddress mac;
  friend bool operator==(const Conflict&, const Conflict&) noexcept = default;
};

/// Defends our addresses, at most once in ten seconds altogether (RFC 5227 s.2.4 (b)).
class ArpDefence {
 public:
  static constexpr Duration interval = 10s;
  /// True when a defence may be sent now; it then counts as sent.
  [[nodiscard]] bool take(Instant now) noexcept {
    if (last_ && now - *last_ < interval) return false;
    last_ = now;
    return true;
  }

 private:
  std::optional<Instant> last_;
};

/// Packet reception of RFC 826, in its order, with what later RFCs add. `frame_source` is the
/// Ethernet header's source. A request for any address in `own` is answered, a probe (sender
/// 0.0.0.0, RFC 5227 s.1.1) too, though it teaches nothing. A sender is learnt when it is known
/// already, or when the packet asks for one of ours. What tells nothing new is arp_not_for_us, and
/// so is our own packet that came back: one of our addresses at our own MAC. Our MAC with another
/// address is a neighbour like any other, since on a tap the kernel's end has the MAC of ours.
ArpVerdict arp_arrives(const wire::ArpView& packet, wire::MacAddress frame_source,
                       const wire::AddressSet& own, wire::MacAddress own_mac,
                       NeighborTable& neighbors, ArpDefence& defence, Instant now) noexcept;

/// The request for a NeighborTable::Action of one of the request kinds. `own` is not empty.
ArpMessage arp_request(const NeighborTable::Action& action, const wire::AddressSet& own,
                       wire::MacAddress own_mac) noexcept;

/// Says to everybody that `address` is at `own_mac` (RFC 5227 s.3: a request, not a reply).
ArpMessage arp_announcement(wire::Ipv4Address address, wire::MacAddress own_mac) noexcept;

/// Tells the neighbours at start that our addresses are here (RFC 5227 s.2.3): each twice, two
/// seconds apart, but at most 64 in 10 ms, so that thousands do not come as a flood.
class ArpAnnouncer {
 public:
  static constexpr std::size_t batch = 64;
  static constexpr Duration batch_interval = 10ms;
  static constexpr Duration round_interval = 2s;
  static constexpr unsigned rounds = 2;

  /// The first batch is due at `start`.
  explicit ArpAnnouncer(Instant start) noexcept : due_(start), round_start_(start) {}

  /// When advance() next has something to send; nothing when all is announced.
  std::optional<Instant> next_deadline() const noexcept {
    if (round_ == rounds) return std::nullopt;
    return due_;
  }
  /// Calls send(const ArpMessage&) for what is due by now: at most `batch` times.
  template <class F>
  void advance(Instant now, const wire::AddressSet& own, wire::MacAddress own_mac, F&& send) {
    if (round_ == rounds || now < due_) return;
    const std::size_t end = std::min(own.size(), next_ + batch);
    for (; next_ < end; ++next_) send(arp_announcement(own.nth(next_), own_mac));
    due_ = now + batch_interval;
    if (next_ < own.size()) return;
    next_ = 0;
    ++round_;
    round_start_ = std::max(due_, round_start_ + round_interval);
    due_ = round_start_;
  }

 private:
  Instant due_;
  Instant round_start_;
  std::size_t next_ = 0;
  unsigned round_ = 0;
};

}  // namespace pollux::link
