#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/assert.h"
#include "wire/address.h"
#include "wire/ethernet.h"
#include "wire/field.h"

namespace pollux::wire {

namespace arp_operation {
inline constexpr std::uint16_t request = 1;
inline constexpr std::uint16_t reply = 2;
}  // namespace arp_operation

/// An address resolution packet for IPv4 on Ethernet, the only kind there is here (RFC 826).
class ArpView {
 public:
  static constexpr std::size_t size = 28;

  /// Nothing when it is short, or speaks of other hardware or another protocol. The operation is
  /// not looked at: RFC 826 reads it last, after the sender has been learnt. Bytes past the packet
  /// are Ethernet's padding.
  static std::optional<ArpView> parse(std::span<const std::byte> payload) noexcept {
    if (payload.size() < size) return std::nullopt;
    const std::byte* const at = payload.data();
    if (load_u16(at) != 1 || load_u16(at + 2) != ether_type::ipv4) return std::nullopt;
    if (load_u8(at + 4) != 6 || load_u8(at + 5) != 4) return std::nullopt;
    return ArpView{at};
  }

  std::uint16_t operation() const noexcept { return load_u16(begin_ + 6); }
  MacAddress sender_hardware() const noexcept { return load_mac(begin_ + 8); }
  Ipv4Address sender_protocol() const noexcept { return Ipv4Address{load_u32(begin_ + 14)}; }
  MacAddress target_hardware() const noexcept { return load_mac(begin_ + 18); }
  Ipv4Address target_protocol() const noexcept { return Ipv4Address{load_u32(begin_ + 24)}; }

 private:
  explicit ArpView(const std::byte* begin) noexcept : begin_(begin) {}
  const std::byte* begin_;
};

/// The values of an address resolution packet.
struct ArpFields {
  static constexpr std::size_t size = ArpView::size;
  std::uint16_t operation = arp_operation::request;
  MacAddress sender_hardware{};
  Ipv4Address sender_protocol{};
  MacAddress target_hardware{};
  Ipv4Address target_protocol{};

  /// Writes `size` bytes at the front of `to`.
  void write(std::span<std::byte> to) const noexcept {
    POLLUX_ASSERT(to.size() >= size);
    std::byte* const at = to.data();
    store_u16(at, 1);
    store_u16(at + 2, ether_type::ipv4);
    store_u8(at + 4, 6);
    store_u8(at + 5, 4);
    store_u16(at + 6, operation);
    store_mac(at + 8, sender_hardware);
    store_u32(at + 14, sender_protocol.value());
    store_mac(at + 18, target_hardware);
    store_u32(at + 24, target_protocol.value());
  }
};

}  // namespace pollux::wire
