#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/assert.h"
#include "wire/field.h"

namespace pollux::wire {

/// What follows an Ethernet header of type ether_type::vlan: two bytes of tag control information
/// and the type of what is tagged (IEEE 802.1Q s.9.6).
class VlanView {
 public:
  static constexpr std::size_t header_size = 4;

  /// `payload` is the Ethernet header's payload; nothing when it is shorter than the tag.
  static std::optional<VlanView> parse(std::span<const std::byte> payload) noexcept {
    if (payload.size() < header_size) return std::nullopt;
    return VlanView{payload};
  }

  /// The VLAN's number, 0 to 4095; 0 marks a frame that has a priority only, 4095 is reserved.
  std::uint16_t id() const noexcept { return control() & 0x0FFF; }
  /// The priority code point, 0 to 7.
  std::uint8_t priority() const noexcept { return static_cast<std::uint8_t>(control() >> 13); }
  bool drop_eligible() const noexcept { return (control() & 0x1000) != 0; }
  std::uint16_t type() const noexcept { return load_u16(bytes_.data() + 2); }
  std::span<const std::byte> payload() const noexcept { return bytes_.subspan(header_size); }

 private:
  explicit VlanView(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}
  std::uint16_t control() const noexcept { return load_u16(bytes_.data()); }
  std::span<const std::byte> bytes_;
};

/// The values of a VLAN tag.
struct VlanFields {
  static constexpr std::size_t size = VlanView::header_size;
  std::uint16_t id = 0;  // 0 to 4095
  std::uint16_t type = 0;
  std::uint8_t priority = 0;  // 0 to 7
  bool drop_eligible = false;

  /// Writes `size` bytes at the front of `to`, directly behind the Ethernet header.
  void write(std::span<std::byte> to) const noexcept {
    POLLUX_ASSERT(to.size() >= size && id < 4096 && priority < 8);
    store_u16(to.data(), static_cast<std::uint16_t>(priority << 13 | (drop_eligible ? 0x1000 : 0) |
                                                    (id & 0x0FFF)));
    store_u16(to.data() + 2, type);
  }
};

}  // namespace pollux::wire
