#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "wire/address_set.h"
#include "wire/checksum.h"
#include "wire/field.h"
#include "wire/ipv4.h"

namespace pollux::internet {

using Bytes = std::vector<std::byte>;
using wire::Ipv4Address;

inline constexpr Ipv4Address us{10, 0, 0, 2};
inline constexpr Ipv4Address peer{10, 0, 0, 1};

/// 10.0.0.2 to 10.0.0.5 in 10.0.0.0/24.
inline wire::AddressSet own_addresses() {
  wire::AddressSet own;
  EXPECT_TRUE(own.add({us, 24}, 4));
  return own;
}

inline Bytes bytes_of(std::initializer_list<int> values) {
  Bytes out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

/// `n` bytes that differ from their neighbours, and with the seed.
inline Bytes pattern(std::size_t n, unsigned seed = 0) {
  Bytes out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::byte>(i * 7 + (i >> 8) + seed);
  return out;
}

/// Byte by byte, since g++ 12 takes fright at the library's block copies (-Warray-bounds).
inline void append(Bytes& to, const Bytes& bytes) {
  for (const std::byte byte : bytes) to.push_back(byte);
}

/// A datagram with right lengths and checksum; options are padded to whole words.
inline Bytes datagram(wire::Ipv4Fields fields, const Bytes& payload, Bytes options = {}) {
  while (options.size() % 4 != 0) options.push_back(std::byte{0});
  const std::size_t header = wire::Ipv4Fields::size + options.size();
  Bytes out(wire::Ipv4Fields::size);
  fields.total_length = static_cast<std::uint16_t>(header + payload.size());
  fields.write(out);
  append(out, options);
  append(out, payload);
  wire::store_u8(out.data(), static_cast<std::uint8_t>(0x40 | header / 4));
  wire::store_u16(out.data() + 10, 0);
  wire::store_u16(out.data() + 10,
                  wire::fold(wire::Sum{std::span<const std::byte>{out}.first(header)}));
  return out;
}

inline wire::Ipv4Fields from_peer(std::uint8_t protocol) {
  wire::Ipv4Fields fields;
  fields.protocol = protocol;
  fields.source = peer;
  fields.destination = us;
  return fields;
}

inline wire::Ipv4View view(const Bytes& bytes) {
  wire::Ipv4View out;
  EXPECT_EQ(wire::Ipv4View::parse(bytes, out), Drop::none);
  return out;
}

}  // namespace pollux::internet
