#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "wire/address.h"

namespace pollux::dpdk {

/// The key that Pollux gives to devices that spread flows, `size` bytes long (40 is usual): one
/// pair of bytes again and again, so that both directions of a flow have one sum.
std::vector<std::uint8_t> rss_key(std::size_t size);

/// The Toeplitz sum of `input` under `key`, as receive-side scaling defines it: for every bit set
/// in the input, the 32 bits of the key that begin there. The key must be 4 bytes longer at least.
std::uint32_t toeplitz(std::span<const std::uint8_t> key, std::span<const std::uint8_t> input);

/// The sum of an IPv4 TCP or UDP packet that comes from the remote end of `tuple` to the local one:
/// source address, destination address, source port, destination port in the order of the wire.
std::uint32_t toeplitz(std::span<const std::uint8_t> key, const wire::FourTuple& tuple);

}  // namespace pollux::dpdk
