#pragma once

#include <cstdint>

#include "pipeline/pipeline.h"
#include "probe_app.h"
#include "sim/device.h"
#include "wire/address.h"

namespace pollux::world {

using Stack = pipeline::Pipeline<sim::Device, ProbeApp>;

inline constexpr wire::Ipv4Address left_address{10, 0, 0, 1};
inline constexpr wire::Ipv4Address right_address{10, 0, 0, 2};
inline constexpr wire::MacAddress left_mac{{2, 0, 0, 0, 0, 1}};
inline constexpr wire::MacAddress right_mac{{2, 0, 0, 0, 0, 2}};
inline constexpr std::uint16_t port = 7;

inline pipeline::Config config_of(wire::Ipv4Address own) {
  pipeline::Config config;
  config.interface.addresses = {{{own, 24}, 1}};
  config.connections = 64;
  config.half_open = 64;
  config.time_wait = 64;
  config.flights = 64;
  config.send_pieces = 4096;
  config.receive_pieces = 4096;
  config.neighbors = 64;
  config.seed = own.value();
  return config;
}

}  // namespace pollux::world

// Compiled once, in stack_setup.cc: it takes half a minute with sanitizers.
extern template class pollux::pipeline::Pipeline<pollux::sim::Device, pollux::world::ProbeApp>;
