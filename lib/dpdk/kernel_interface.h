#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace pollux::dpdk {

/// What the kernel says of one of its network interfaces.
enum class InterfaceState {
  up,    // and has a carrier
  down,  // taken down, or without a carrier: it may come back
  gone   // removed, for good: another of its name would be another one
};

/// The files of this process that are queues of the tap of that name; none where nobody can tell.
std::vector<int> files_of_tap(const std::string& name);

/// Of the interface that had this index, in this process's network namespace. A tap of this
/// process is not gone when it was moved to another one, whatever its name is there: `tap` are its
/// files, or none of another kind of interface.
InterfaceState interface_state(unsigned index, std::span<const int> tap);

/// How many queues AF_XDP can have of it, at least 1: its combined channels, as DPDK's driver
/// counts them, for which one without any has a single stream.
std::uint16_t channels_of(const std::string& name);

/// Bytes of a datagram; 0, or the reason of the kernel as a negative number.
int set_interface_mtu(const std::string& name, std::uint16_t mtu);

}  // namespace pollux::dpdk
