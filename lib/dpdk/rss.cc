#include "dpdk/rss.h"

#include <array>

#include "base/assert.h"

namespace pollux::dpdk {

std::vector<std::uint8_t> rss_key(std::size_t size) {
  std::vector<std::uint8_t> key(size);
  for (std::size_t i = 0; i < size; ++i) key[i] = i % 2 == 0 ? 0x6D : 0x5A;
  return key;
}

std::uint32_t toeplitz(std::span<const std::uint8_t> key, std::span<const std::uint8_t> input) {
  POLLUX_ASSERT(key.size() >= input.size() + 4);
  std::uint32_t sum = 0;
  std::uint32_t window = std::uint32_t{key[0]} << 24 | std::uint32_t{key[1]} << 16 |
                         std::uint32_t{key[2]} << 8 | key[3];
  for (std::size_t i = 0; i < input.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      if ((input[i] << bit & 0x80) != 0) sum ^= window;
      window = window << 1 | (key[i + 4] >> (7 - bit) & 1u);
    }
  }
  return sum;
}

std::uint32_t toeplitz(std::span<const std::uint8_t> key, const wire::FourTuple& tuple) {
  std::array<std::uint8_t, 12> input;
  const auto put = [&](std::size_t at, std::uint32_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) {
      input[at + i] = static_cast<std::uint8_t>(value >> (8 * (bytes - 1 - i)));
    }
  };
  put(0, tuple.remote.value(), 4);
  put(4, tuple.local.value(), 4);
  put(8, tuple.remote_port, 2);
  put(10, tuple.local_port, 2);
  return toeplitz(key, input);
}

FlowSum::FlowSum(std::span<const std::uint8_t> key) {
  std::array<std::uint8_t, 12> input{};
  for (std::size_t at = 0; at < input.size(); ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      input[at] = static_cast<std::uint8_t>(value);
      tables_[at][value] = toeplitz(key, input);
    }
    input[at] = 0;
  }
}

}  // namespace pollux::dpdk
