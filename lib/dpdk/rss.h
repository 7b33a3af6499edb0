#pragma once

#include <array>
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

/// toeplitz() of a tuple by twelve look-ups: for who asks of every frame.
class FlowSum {
 public:
  /// `key` is of 16 bytes at least.
  explicit FlowSum(std::span<const std::uint8_t> key);

  std::uint32_t of(const wire::FourTuple& tuple) const noexcept {
    const std::uint32_t ports = std::uint32_t{tuple.remote_port} << 16 | tuple.local_port;
    return of_word(0, tuple.remote.value()) ^ of_word(4, tuple.local.value()) ^ of_word(8, ports);
  }

 private:
  std::uint32_t of_word(std::size_t at, std::uint32_t word) const noexcept {
    return tables_[at][word >> 24] ^ tables_[at + 1][word >> 16 & 0xFF] ^
           tables_[at + 2][word >> 8 & 0xFF] ^ tables_[at + 3][word & 0xFF];
  }

  std::array<std::array<std::uint32_t, 256>, 12> tables_;  // by place and value of a byte
};

}  // namespace pollux::dpdk
