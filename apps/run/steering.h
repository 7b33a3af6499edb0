#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "cli/options.h"
#include "dpdk/device_spec.h"
#include "dpdk/port.h"
#include "dpdk/steering.h"

namespace pollux::run {

/// How the flows of a port come to the cores.
enum class SteeringWay : std::uint8_t {
  none,     // there is one core
  peer,     // who is at the other end keeps each flow on the queue that it began on
  rss,      // the device does it, and is watched at first
  software  // each core looks at what it receives, and hands it on
};

/// The way for a device of this kind that has `queues` for so many cores, and may spread flows
/// itself. --steering rss asks for rss of a device that spreads flows.
constexpr SteeringWay choose_steering(cli::Steering asked, dpdk::DeviceSpec::Kind kind,
                                      std::size_t cores, std::uint16_t queues,
                                      bool spreads_flows) noexcept {
  using Kind = dpdk::DeviceSpec::Kind;
  if (cores == 1) return SteeringWay::none;
  if (asked == cli::Steering::software || queues < cores) return SteeringWay::software;
  if (spreads_flows) return SteeringWay::rss;
  switch (kind) {
    // A kernel puts flows on queues as it likes, a card that cannot spread has one for all, and
    // what stands behind a virtual device may be either.
    case Kind::tap:
    case Kind::af_packet:
    case Kind::af_xdp:
    case Kind::pci:
    case Kind::vdev:
      return SteeringWay::software;
    case Kind::memif:
    case Kind::vhost:
    case Kind::virtio_user:
      return SteeringWay::peer;
  }
  return SteeringWay::software;
}

/// How one port is steered: its Steering where frames may have to be handed over, else null.
struct PortSteering {
  static Result<PortSteering> create(cli::Steering asked, const dpdk::Port& port,
                                     std::size_t cores);
  /// The device of one core.
  dpdk::SteeredQueue queue(const dpdk::Port& port, std::uint16_t core) const;

  std::unique_ptr<dpdk::Steering> steering;
  std::string text;  // the way and why it was chosen, for the banner and the summary
};

}  // namespace pollux::run
