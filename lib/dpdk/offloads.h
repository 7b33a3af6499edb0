#pragma once

#include <rte_ethdev.h>

#include <cstdint>
#include <string>
#include <vector>

#include "dpdk/device_spec.h"
#include "dpdk/port.h"
#include "link/device.h"

namespace pollux::dpdk {

/// What a port asks its device for.
struct Offloads {
  link::Capabilities capabilities;
  bool merges = false;           // packets of several segments may come
  std::uint16_t mtu_margin = 0;  // what the stack's MTU is less than the device's
  /// Of the Toeplitz sum by which flows are spread over queues; empty: they are not.
  std::vector<std::uint8_t> spreading_key = {};

  /// For the banner: "transmit TCP checksum, receive checksums", or "none".
  std::string to_string() const;
};

/// The longest packet of several segments that is taken, its frame's header included.
inline constexpr std::uint16_t large_frame_bytes = 65'280;

/// What the driver says that the device can do.
Advertised advertised_by(const rte_eth_dev_info& info);

/// What the device has, and its driver is believed in or its user asks for; `conf` is told of it,
/// and goes by the result's key. `buffer_bytes` is what one buffer of a frame holds.
Offloads choose_offloads(const rte_eth_dev_info& info, DeviceSpec::Kind kind,
                         const PortOptions& options, std::uint32_t buffer_bytes,
                         rte_eth_conf& conf);

}  // namespace pollux::dpdk
