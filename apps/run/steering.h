#pragma once

#include <cstdint>

#include "dpdk/device_spec.h"

namespace pollux::run {

/// Whether answers come to the core that asked: not where the kernel puts them on queues as it
/// likes, nor where a card does by its own sum, which no source port is picked by.
/// TODO(software-steering)
constexpr bool answers_come_home(dpdk::DeviceSpec::Kind kind, std::uint16_t queues,
                                 bool spreads_flows) noexcept {
  using Kind = dpdk::DeviceSpec::Kind;
  if (queues == 1) return true;
  if (spreads_flows) return false;
  switch (kind) {
    case Kind::tap:
    case Kind::af_packet:
    case Kind::af_xdp:
    case Kind::pci:
      return false;
    case Kind::memif:
    case Kind::vhost:
    case Kind::virtio_user:
    case Kind::vdev:
      return true;
  }
  return true;
}

}  // namespace pollux::run
