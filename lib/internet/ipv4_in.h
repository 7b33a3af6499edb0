#pragma once

#include <array>
#include <cstdint>

#include "base/counters.h"
#include "packet/packet.h"
#include "wire/address_set.h"
#include "wire/ipv4.h"

namespace pollux::internet {

/// What becomes of a datagram that arrived.
struct Ipv4Verdict {
  /// none: deliver the payload to `protocol`, which is ICMP, TCP or UDP; through the Reassembler
  /// first when it is a fragment.
  Drop drop = Drop::none;
  std::uint8_t protocol = 0;
  bool is_fragment = false;
  /// It was sent to every host here, by its IP or by its link-layer address: UDP and ICMP only, and
  /// never answered by an error.
  bool broadcast = false;
};

/// Datagram reception of a host that is no router (RFC 791 s.3.2; RFC 1122 s.3.2.1), for a datagram
/// whose lengths Ipv4View::parse has found good. `checksum` is what the device says of the header;
/// only `good` spares the sum. `link_group`: the frame came to a group MAC address.
///
/// Sources and destinations that cannot be (RFC 1122 s.3.2.1.3) are martians: sources that are no
/// single host, or are ours. Options are walked, and those that are well formed are ignored, but
/// for source routes, which are refused (RFC 7126 s.4.3 and s.4.4). Any TTL is good enough for us
/// (RFC 1122 s.3.2.1.7). ipv4_unknown_protocol deserves an ICMP error, if may_send_error_about()
/// says so.
Ipv4Verdict ipv4_arrives(const wire::Ipv4View& datagram, const wire::AddressSet& own,
                         packet::Verified checksum, bool link_group) noexcept;

/// Whether ipv4_arrives() delivers a datagram without options that came to our MAC address, if its
/// checksum is right: from a single host that is not us, to one of our addresses.
inline bool plain_addresses(wire::Ipv4Address source, wire::Ipv4Address destination,
                            const wire::AddressSet& own) noexcept {
  return own.contains(destination) && wire::is_unicast_host(source) && !own.contains(source) &&
         !own.is_directed_broadcast(source);
}

/// Remembers pairs of addresses that plain_addresses() has found good: those who talk to us go on.
/// An AddressSet does not change while it is in use.
class PlainAddresses {
 public:
  PlainAddresses() noexcept { pairs_[0] = 1; }  // so that no place holds a pair of its own yet

  /// `pair` is the source, and the destination below it.
  bool good(std::uint64_t pair, const wire::AddressSet& own) noexcept {
    std::uint64_t& known = pairs_[place(pair)];
    if (known == pair) [[likely]]
      return true;
    const wire::Ipv4Address source{static_cast<std::uint32_t>(pair >> 32)};
    const wire::Ipv4Address destination{static_cast<std::uint32_t>(pair)};
    if (!plain_addresses(source, destination, own)) return false;
    known = pair;
    return true;
  }

 private:
  static constexpr std::size_t places = 256;
  /// By the last octets of both.
  static std::size_t place(std::uint64_t pair) noexcept {
    return static_cast<std::size_t>(pair ^ pair >> 32) % places;
  }
  std::array<std::uint64_t, places> pairs_{};
};

}  // namespace pollux::internet
