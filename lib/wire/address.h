#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace pollux::wire {

/// An IPv4 address; the value is the number that its text writes, most significant byte first.
class Ipv4Address {
 public:
  constexpr Ipv4Address() noexcept = default;
  explicit constexpr Ipv4Address(std::uint32_t value) noexcept : value_(value) {}
  constexpr Ipv4Address(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) noexcept
      : value_(std::uint32_t{a} << 24 | std::uint32_t{b} << 16 | std::uint32_t{c} << 8 | d) {}
  /// Exactly four decimal numbers of 0-255 with dots between; nothing else.
  static std::optional<Ipv4Address> parse(std::string_view text);
  std::string to_string() const;

  constexpr std::uint32_t value() const noexcept { return value_; }
  constexpr bool is_any() const noexcept { return value_ == 0; }
  constexpr bool is_this_network() const noexcept { return value_ >> 24 == 0; }
  constexpr bool is_loopback() const noexcept { return value_ >> 24 == 127; }
  constexpr bool is_multicast() const noexcept { return value_ >> 28 == 0xE; }
  /// 240.0.0.0/4, which the limited broadcast address belongs to (RFC 1112 s.4).
  constexpr bool is_reserved() const noexcept { return value_ >> 28 == 0xF; }
  constexpr bool is_limited_broadcast() const noexcept { return value_ == 0xFFFF'FFFF; }

  friend constexpr bool operator==(Ipv4Address, Ipv4Address) noexcept = default;
  friend constexpr auto operator<=>(Ipv4Address, Ipv4Address) noexcept = default;

 private:
  std::uint32_t value_ = 0;
};

/// An address and the length of its network part, 0 to 32.
struct Ipv4Prefix {
  Ipv4Address address;
  std::uint8_t length = 32;

  /// "10.0.0.0/8"; the host part may be set, as in an interface's own address.
  static std::optional<Ipv4Prefix> parse(std::string_view text);
  std::string to_string() const;

  constexpr std::uint32_t mask() const noexcept {
    return length == 0 ? 0 : 0xFFFF'FFFFu << (32 - length);
  }
  constexpr Ipv4Address network() const noexcept { return Ipv4Address{address.value() & mask()}; }
  constexpr bool contains(Ipv4Address a) const noexcept {
    return (a.value() & mask()) == (address.value() & mask());
  }
  /// The all-ones host of the network; a /31 or /32 has none (RFC 3021).
  constexpr std::optional<Ipv4Address> broadcast() const noexcept {
    if (length >= 31) return std::nullopt;
    return Ipv4Address{address.value() | ~mask()};
  }
  friend constexpr bool operator==(const Ipv4Prefix&, const Ipv4Prefix&) noexcept = default;
};

/// A 48-bit Ethernet address in the order of the wire.
struct MacAddress {
  std::array<std::uint8_t, 6> octets{};

  /// Six pairs of hexadecimal digits with colons between.
  static std::optional<MacAddress> parse(std::string_view text);
  std::string to_string() const;
  static constexpr MacAddress broadcast() noexcept {
    return {{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
  }
  constexpr bool is_group() const noexcept { return (octets[0] & 1) != 0; }
  constexpr bool is_zero() const noexcept { return *this == MacAddress{}; }
  friend constexpr bool operator==(const MacAddress&, const MacAddress&) noexcept = default;
};
static_assert(sizeof(MacAddress) == 6);

/// One connection's name, seen from this host. The only type that knows TCP's address family.
struct FourTuple {
  Ipv4Address local;
  Ipv4Address remote;
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;

  friend constexpr bool operator==(const FourTuple& a, const FourTuple& b) noexcept {
    if (!std::is_constant_evaluated()) return std::memcmp(&a, &b, sizeof a) == 0;  // in two words
    return a.local == b.local && a.remote == b.remote && a.local_port == b.local_port &&
           a.remote_port == b.remote_port;
  }
};
static_assert(sizeof(FourTuple) == 12 && std::has_unique_object_representations_v<FourTuple>);

}  // namespace pollux::wire
