#include "internet/ipv4_in.h"

#include <cstddef>
#include <span>

#include "wire/field.h"

namespace pollux::internet {
namespace {

/// Walks the options (RFC 791 s.3.1): each of two kinds is one byte, every other one has a length
/// that covers itself and stays within the header.
bool options_acceptable(std::span<const std::byte> options) noexcept {
  constexpr std::uint8_t end_of_list = 0;
  constexpr std::uint8_t no_operation = 1;
  constexpr std::uint8_t loose_source_route = 131;
  constexpr std::uint8_t strict_source_route = 137;
  for (std::size_t at = 0; at < options.size();) {
    const std::uint8_t kind = wire::load_u8(&options[at]);
    if (kind == end_of_list) return true;
    if (kind == no_operation) {
      ++at;
      continue;
    }
    if (kind == loose_source_route || kind == strict_source_route) return false;
    if (options.size() - at < 2) return false;
    const std::size_t length = wire::load_u8(&options[at + 1]);
    if (length < 2 || length > options.size() - at) return false;
    at += length;
  }
  return true;
}

bool martian_source(wire::Ipv4Address source, const wire::AddressSet& own) noexcept {
  return !wire::is_unicast_host(source) || own.contains(source) ||
         own.is_directed_broadcast(source);
}

/// Whether it can be no datagram's destination on a link: no host, no network, nobody listens.
bool martian_destination(wire::Ipv4Address destination) noexcept {
  return destination.is_this_network() || destination.is_loopback() ||
         (destination.is_reserved() && !destination.is_limited_broadcast());
}

}  // namespace

Ipv4Verdict ipv4_arrives(const wire::Ipv4View& datagram, const wire::AddressSet& own,
                         packet::Verified checksum, bool link_group) noexcept {
  Ipv4Verdict verdict;
  const auto dropped = [&verdict](Drop why) {
    verdict.drop = why;
    return verdict;
  };
  verdict.protocol = datagram.protocol();
  verdict.is_fragment = datagram.is_fragment();
  verdict.broadcast = link_group;
  if (checksum != packet::Verified::good && !datagram.checksum_ok()) {
    return dropped(Drop::ipv4_bad_checksum);
  }
  if (martian_source(datagram.source(), own)) return dropped(Drop::ipv4_martian_source);
  const wire::Ipv4Address destination = datagram.destination();
  if (own.contains(destination)) {
    // What a broadcast frame carries must be for everybody (RFC 1122 s.3.3.6).
    if (link_group) return dropped(Drop::ipv4_martian_destination);
  } else {
    if (martian_destination(destination)) return dropped(Drop::ipv4_martian_destination);
    if (!own.is_broadcast(destination)) return dropped(Drop::ipv4_not_for_us);
    verdict.broadcast = true;
  }
  if (datagram.header_length() != wire::Ipv4View::min_header_size &&
      !options_acceptable(datagram.options())) {
    return dropped(Drop::ipv4_bad_options);
  }
  switch (verdict.protocol) {
    case wire::protocol::icmp:
    case wire::protocol::udp:
      return verdict;
    case wire::protocol::tcp:
      // RFC 9293 MUST-57: a connection has two ends.
      return verdict.broadcast ? dropped(Drop::tcp_not_unicast) : verdict;
    default:
      return dropped(Drop::ipv4_unknown_protocol);
  }
}

}  // namespace pollux::internet
