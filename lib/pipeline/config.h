#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "transport/tcp/config.h"
#include "wire/address.h"

namespace pollux::pipeline {

/// `count` consecutive own addresses from prefix.address on, all in the same network.
struct AddressRange {
  wire::Ipv4Prefix prefix;
  std::uint32_t count = 1;
};

/// Where datagrams to one prefix go: to `next_hop`, which is on link.
struct Route {
  wire::Ipv4Prefix destination;
  wire::Ipv4Address next_hop;
};

/// One port's place in the network. Its MAC address and MTU come from the device.
struct InterfaceConfig {
  std::vector<AddressRange> addresses;
  std::vector<Route> routes;  // the gateway is the route of 0.0.0.0/0
  std::optional<std::uint16_t> vlan;
};

/// What one pipeline is built with: bounds and switches, fixed at start.
struct Config {
  InterfaceConfig interface;
  tcp::Config tcp;
  std::uint32_t connections = 1'048'576;
  /// Connections that live on after close(), until their peers have acknowledged all and closed,
  /// too: one more is reset. 0: half of `connections`.
  std::uint32_t orphans = 0;
  std::uint32_t half_open = 65'536;
  std::uint32_t time_wait = 1'048'576;
  std::uint32_t flights = 32'768;
  /// Pieces of bytes queued to send, and of received text in packets, of all connections together.
  std::uint32_t send_pieces = 2'097'152;
  std::uint32_t receive_pieces = 65'536;
  /// Packets that hold bytes queued to send. This many, and one for each receive piece, are to be
  /// fewer than the device's pool has, by what is on its way.
  std::uint32_t owned_packets = 65'536;
  /// With fewer free in the device's pool than this, new SYNs are dropped; with fewer than half of
  /// it, text and writes of who holds some already are refused; and a quarter, which is to be more
  /// than a burst, is for what is neither kept nor queued: acknowledgments, ARP, ICMP. 0: no bound.
  std::uint32_t few_buffers = 0;
  /// Timers of after(), those of corks and of close_within() among them.
  std::uint32_t app_timers = 4'096;
  std::uint32_t neighbors = 1'024;
  /// Keys of hashes, initial sequence numbers and ports come from this.
  std::uint64_t seed = 0;
  /// The key of Fast Open's cookies comes from this one, or from `seed`: pipelines that serve the
  /// same addresses have the same, for a client's next connection may be another's.
  std::optional<std::uint64_t> cookie_seed{};
  bool huge_pages = false;
};

}  // namespace pollux::pipeline
