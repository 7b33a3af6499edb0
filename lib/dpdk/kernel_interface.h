#pragma once

#include <cstdint>
#include <string>

namespace pollux::dpdk {

/// What the kernel says of one of its network interfaces.
enum class InterfaceState {
  up,    // and has a carrier
  down,  // taken down, or without a carrier: it may come back
  gone   // removed, for good: another of its name would be another one
};

/// Of the interface that had this index, in this process's network namespace. A tap of this
/// process is not gone when it was moved to another one: `tap` is then its name, else empty.
InterfaceState interface_state(unsigned index, const std::string& tap);

/// Bytes of a datagram; 0, or the reason of the kernel as a negative number.
int set_interface_mtu(const std::string& name, std::uint16_t mtu);

}  // namespace pollux::dpdk
