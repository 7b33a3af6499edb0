#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "transfer_plan.h"

namespace pollux::world {

/// The kinds of network that seeds are spread over.
enum class Topology : std::uint8_t {
  two_hosts,       // on a rough link: rough_plan()
  many_to_one,     // all clients at once towards one server's cable
  bottleneck,      // several pairs share a slow link with a drop-tail queue
  asymmetric,      // one direction is fast and near, the other slow and far
  flapping,        // a link that goes down and comes up, again and again
  nat,             // addresses are translated, and the table is lost at times
  strips_options,  // a middlebox that takes TCP options out
  shifts_numbers,  // one that changes sequence numbers, but not those in SACK blocks
  thins_acks,      // one that drops ACKs which later ones stand in for
  offloads,        // cards that cut and merge TCP packets
  falls_silent,    // from here on: a hostile peer of that kind beside good ones
  shrinks_window,
  acks_unsent,
  sacks_unreceived,
  floods,
  random_fields,
  pauses,  // two hosts, whose cores are taken away now and then
  count_
};

/// As on the command line.
std::string_view name(Topology topology);
std::optional<Topology> topology_of(std::string_view name);

/// The topology that a seed has, unless somebody chooses another.
Topology topology_of(std::uint64_t seed);

/// The plan that a seed draws in a topology, with up to about `connections` a side. Options of TCP
/// are drawn too, each on and off, and differ between clients and servers at times.
TransferPlan draw_plan(Topology topology, std::uint64_t seed, std::uint32_t connections);

}  // namespace pollux::world
