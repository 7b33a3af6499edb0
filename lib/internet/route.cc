#include "internet/route.h"

#include <algorithm>

namespace pollux::internet {

RouteTable::RouteTable(const wire::AddressSet& own) : own_(own) {
  for (const wire::Ipv4Prefix& prefix : own.prefixes()) {
    entries_.push_back({{prefix.network(), prefix.length}, std::nullopt});
  }
}

bool RouteTable::add(wire::Ipv4Prefix network, wire::Ipv4Address next_hop) {
  if (network.length > 32 || !wire::is_unicast_host(next_hop) || own_.contains(next_hop) ||
      own_.is_directed_broadcast(next_hop)) {
    return false;
  }
  network.address = network.network();
  const auto same = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& entry) { return entry.network == network; });
  if (same != entries_.end()) {
    if (!same->next_hop) return false;
    same->next_hop = next_hop;
    return true;
  }
  if (entries_.size() >= max_routes + own_.prefixes().size()) return false;
  const auto shorter = [&](const Entry& entry) { return entry.network.length < network.length; };
  entries_.insert(std::find_if(entries_.begin(), entries_.end(), shorter), {network, next_hop});
  return true;
}

std::optional<wire::Ipv4Address> RouteTable::next_hop(
    wire::Ipv4Address destination) const noexcept {
  if (!wire::is_unicast_host(destination) || own_.contains(destination) ||
      own_.is_directed_broadcast(destination)) {
    return std::nullopt;
  }
  for (const Entry& entry : entries_) {
    if (entry.network.contains(destination)) return entry.next_hop.value_or(destination);
  }
  return destination;
}

std::optional<wire::Ipv4Address> RouteTable::source_for(
    wire::Ipv4Address destination) const noexcept {
  const std::optional<wire::Ipv4Address> hop = next_hop(destination);
  if (!hop) return std::nullopt;
  return own_.source_for(*hop);
}

}  // namespace pollux::internet
