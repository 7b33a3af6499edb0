#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "wire/address.h"
#include "wire/address_set.h"

namespace pollux::internet {

/// Where datagrams go first (RFC 1122 s.3.3.1). Filled at set-up, read on the data path.
class RouteTable {
 public:
  static constexpr std::size_t max_routes = 256;

  /// Networks that are connected need no route: `own` has them.
  explicit RouteTable(const wire::AddressSet& own);

  /// Adds a route; the gateway is the route of 0.0.0.0/0. False when `next_hop` is no single host's
  /// address or is ours, when the network is connected, or when the bound is reached. A second one
  /// for the same network replaces the first.
  [[nodiscard]] bool add(wire::Ipv4Prefix network, wire::Ipv4Address next_hop);

  /// Whom to hand a datagram for this destination: the route's next hop by longest prefix, or the
  /// destination itself when that is on the link, as everything is which no route matches. Nothing
  /// (SendDrop::no_route) for what is no single host elsewhere: broadcast, multicast, loopback,
  /// reserved, and our own addresses, since nothing here loops back.
  std::optional<wire::Ipv4Address> next_hop(wire::Ipv4Address destination) const noexcept;

  /// The own address to speak to the destination from: one of the next hop's network first (RFC
  /// 1122 s.3.3.4.3). Nothing when next_hop() has nothing or there is no own address.
  std::optional<wire::Ipv4Address> source_for(wire::Ipv4Address destination) const noexcept;

 private:
  struct Entry {
    wire::Ipv4Prefix network;
    std::optional<wire::Ipv4Address> next_hop;  // none: connected
  };
  wire::AddressSet own_;
  std::vector<Entry> entries_;  // longest prefix first
};

}  // namespace pollux::internet
