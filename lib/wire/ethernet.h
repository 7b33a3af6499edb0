#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "base/assert.h"
#include "wire/address.h"
#include "wire/field.h"

namespace pollux::wire {

/// What an Ethernet header or a VLAN tag says of the bytes after it (IEEE 802 numbers).
namespace ether_type {
inline constexpr std::uint16_t ipv4 = 0x0800;
inline constexpr std::uint16_t arp = 0x0806;
inline constexpr std::uint16_t vlan = 0x8100;
inline constexpr std::uint16_t ipv6 = 0x86DD;
}  // namespace ether_type

inline MacAddress load_mac(const std::byte* at) noexcept {
  MacAddress out;
  std::memcpy(out.octets.data(), at, out.octets.size());
  return out;
}
/// The address as a number.
constexpr std::uint64_t word_of(const MacAddress& mac) noexcept {
  std::uint64_t word = 0;
  for (const std::uint8_t octet : mac.octets) word = word << 8 | octet;
  return word;
}
inline void store_mac(std::byte* at, const MacAddress& mac) noexcept {
  std::memcpy(at, mac.octets.data(), mac.octets.size());
}

/// An Ethernet II frame of at least 14 bytes, without preamble and frame check sequence.
class EthernetView {
 public:
  static constexpr std::size_t header_size = 14;

  /// Nothing when the frame is shorter than its header.
  static std::optional<EthernetView> parse(std::span<const std::byte> frame) noexcept {
    if (frame.size() < header_size) return std::nullopt;
    return EthernetView{frame};
  }

  MacAddress destination() const noexcept { return load_mac(frame_.data()); }
  MacAddress source() const noexcept { return load_mac(frame_.data() + 6); }
  /// One of ether_type, or below 1536 the length of an IEEE 802.3 frame, which nobody here reads.
  std::uint16_t type() const noexcept { return load_u16(frame_.data() + 12); }
  /// All that follows the header, padding included.
  std::span<const std::byte> payload() const noexcept { return frame_.subspan(header_size); }

 private:
  explicit EthernetView(std::span<const std::byte> frame) noexcept : frame_(frame) {}
  std::span<const std::byte> frame_;
};

/// The values of an Ethernet header.
struct EthernetFields {
  static constexpr std::size_t size = EthernetView::header_size;
  MacAddress destination{};
  MacAddress source{};
  std::uint16_t type = 0;

  /// Writes `size` bytes at the front of `to`.
  void write(std::span<std::byte> to) const noexcept {
    POLLUX_ASSERT(to.size() >= size);
    store_mac(to.data(), destination);
    store_mac(to.data() + 6, source);
    store_u16(to.data() + 12, type);
  }
};

}  // namespace pollux::wire
