#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pollux::dpdk {

/// What `--device SPEC` names.
struct DeviceSpec {
  enum class Kind : std::uint8_t { tap, memif, vhost, virtio_user, pci, af_packet, af_xdp, vdev };
  /// A memif has a server, which makes the socket, and a client. Automatic: client where somebody
  /// listens on the path already, server otherwise.
  enum class Role : std::uint8_t { automatic, server, client };

  Kind kind = Kind::tap;
  /// The interface, the path, the bus address in full, or (vdev) DPDK's own device arguments.
  std::string target = {};
  Role role = Role::automatic;

  /// `tap:NAME`, `memif:PATH[,role=server|client]`, `vhost:PATH`, `virtio-user:PATH`,
  /// `pci:0000:00:04.0`, `af_packet:IFACE`, `af_xdp:IFACE`, `vdev:DEVARGS`. Looks at the text only;
  /// every error is of wrong usage and names the part that is wrong.
  static Result<DeviceSpec> parse(std::string_view text);
  /// As parse() takes it.
  std::string to_string() const;

  friend bool operator==(const DeviceSpec&, const DeviceSpec&) = default;
};

/// The word before the colon.
std::string_view name(DeviceSpec::Kind kind) noexcept;

/// A command that starts what belongs at the other end of a memif (whose role has been settled),
/// vhost or virtio-user: "pollux-httpd ... --device vhost:PATH". Empty for all others.
std::string other_side(const DeviceSpec& spec);

/// Looks whether the machine has what the device needs before DPDK is asked for it, so that the
/// error can say what is missing: the folder of a socket, the socket of a virtio-user, the
/// interface, the bus address. Removes the socket file of a server that is no more.
Status check_machine(const DeviceSpec& spec);

/// Whether the device can do with the memory that EAL was started with; `reason` is why that is in
/// huge pages or not. A card that no IOMMU translates for gets physical addresses, and ordinary
/// pages have none that stay.
Status check_memory(const DeviceSpec& spec, bool huge_pages, std::string_view reason);

/// What DPDK has to know of a device besides its name.
struct DevargsOptions {
  /// Makes the device's name unique in the process: net_tap0, net_tap1, ...
  unsigned index = 0;
  std::uint16_t queues = 1;
  std::uint16_t mtu = 1'500;
  /// Packets of several segments are welcome.
  bool merging = false;
  /// Frames of a memif's or virtio device's rings; a power of two, at most 16,384 for memif.
  std::uint16_t ring_entries = 1'024;
};

/// Bytes of a buffer for a frame of that MTU: Ethernet's header, two VLAN tags, and what drivers
/// put before it or count to it. Whole KiB, so that af_packet's blocks need not be long.
constexpr std::uint32_t frame_room(std::uint16_t mtu) noexcept {
  constexpr std::uint32_t before = 14 + 2 * 4 + 66;
  return std::max((mtu + before + 1'023) / 1'024 * 1'024, 2'048u);
}

/// DPDK's name of the device: "net_memif0", or the bus address.
std::string device_name(const DeviceSpec& spec, unsigned index);
/// DPDK's device arguments, the name first: "net_tap0,iface=tap7". The role of a memif must have
/// been settled (check resolved_role).
std::string devargs(const DeviceSpec& spec, const DevargsOptions& options);
/// The role that an automatic memif takes now.
DeviceSpec::Role resolved_role(const DeviceSpec& spec);

}  // namespace pollux::dpdk
