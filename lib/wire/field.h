#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

/// The only place where byte order changes. Everywhere else a number is a number, and what lies in
/// a packet is bytes; nothing is ever an integer that is secretly in wire order.
namespace pollux::wire {

/// The number whose bytes in memory, on this host, are those of `value` most significant first. It
/// is its own inverse. Only field.h and checksum code need it; others load and store.
constexpr std::uint16_t swapped_to_wire(std::uint16_t value) noexcept {
  return std::endian::native == std::endian::little ? __builtin_bswap16(value) : value;
}
constexpr std::uint32_t swapped_to_wire(std::uint32_t value) noexcept {
  return std::endian::native == std::endian::little ? __builtin_bswap32(value) : value;
}
constexpr std::uint64_t swapped_to_wire(std::uint64_t value) noexcept {
  return std::endian::native == std::endian::little ? __builtin_bswap64(value) : value;
}

/// Reads one unaligned field; the caller knows that its bytes exist.
inline std::uint8_t load_u8(const std::byte* at) noexcept {
  return std::to_integer<std::uint8_t>(*at);
}
inline std::uint16_t load_u16(const std::byte* at) noexcept {
  std::uint16_t raw;
  std::memcpy(&raw, at, sizeof raw);
  return swapped_to_wire(raw);
}
inline std::uint32_t load_u32(const std::byte* at) noexcept {
  std::uint32_t raw;
  std::memcpy(&raw, at, sizeof raw);
  return swapped_to_wire(raw);
}
inline std::uint64_t load_u64(const std::byte* at) noexcept {
  std::uint64_t raw;
  std::memcpy(&raw, at, sizeof raw);
  return swapped_to_wire(raw);
}

/// Writes one unaligned field; the caller knows that there is room.
inline void store_u8(std::byte* at, std::uint8_t value) noexcept { *at = std::byte{value}; }
inline void store_u16(std::byte* at, std::uint16_t value) noexcept {
  const std::uint16_t raw = swapped_to_wire(value);
  std::memcpy(at, &raw, sizeof raw);
}
inline void store_u32(std::byte* at, std::uint32_t value) noexcept {
  const std::uint32_t raw = swapped_to_wire(value);
  std::memcpy(at, &raw, sizeof raw);
}
inline void store_u64(std::byte* at, std::uint64_t value) noexcept {
  const std::uint64_t raw = swapped_to_wire(value);
  std::memcpy(at, &raw, sizeof raw);
}

}  // namespace pollux::wire
