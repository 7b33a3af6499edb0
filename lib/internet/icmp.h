#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/counters.h"
#include "wire/address.h"
#include "wire/address_set.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/seq_num.h"

namespace pollux::internet {

/// What an ICMP error says of a datagram of ours (RFC 792; RFC 1122 s.3.2.2; RFC 1812 s.5.2.7).
enum class IcmpErrorKind : std::uint8_t {
  net_unreachable,
  host_unreachable,
  protocol_unreachable,
  port_unreachable,
  fragmentation_needed,
  source_route_failed,
  prohibited,  // a filter on the way (codes 9, 10 and 13)
  time_exceeded_in_transit,
  time_exceeded_in_reassembly,
  parameter_problem
};

/// Whether it is hard: it will not mend itself (RFC 1122 s.4.2.3.9; that RFC does not speak of
/// filters, which refuse as finally as a host does). TCP gives up for these in SYN-SENT alone (RFC
/// 5461 s.4.1).
constexpr bool is_hard(IcmpErrorKind kind) noexcept {
  return kind == IcmpErrorKind::protocol_unreachable || kind == IcmpErrorKind::port_unreachable ||
         kind == IcmpErrorKind::prohibited;
}

/// An error about a datagram of ours, which it quotes.
struct IcmpError {
  IcmpErrorKind kind = IcmpErrorKind::net_unreachable;
  /// Of the quoted datagram: TCP or UDP.
  std::uint8_t protocol = 0;
  /// Its total length, for PathMtuCache::learn.
  std::uint16_t quoted_length = 0;
  /// With fragmentation_needed; 0 when the router does not say.
  std::uint16_t next_hop_mtu = 0;
  /// As the connection is named here: local is the quoted source.
  wire::FourTuple tuple;
  /// Of TCP: the quoted sequence number, to be checked against the window (RFC 5927 s.4.1).
  wire::SeqNum sequence;
};

/// What becomes of an ICMP message that arrived.
struct IcmpVerdict {
  enum class Kind : std::uint8_t { dropped, echo_request, error };
  Kind kind = Kind::dropped;
  /// Why, when it is dropped.
  Drop drop = Drop::none;
  /// With Kind::error.
  IcmpError error;
};

/// ICMP reception (RFC 1122 s.3.2.2) of a whole, reassembled datagram. Checks the checksum. Drops:
/// icmp_truncated (message or quotation), icmp_bad_checksum, icmp_unknown_type, icmp_not_ours (an
/// error about nothing that we sent, an echo reply, a broadcast echo request, which s.3.2.2.6 lets
/// us ignore), icmp_ignored (source quench, RFC 6633 s.3; redirects, since routes are given by
/// hand; errors about our own ICMP).
IcmpVerdict icmp_arrives(const wire::Ipv4View& datagram, const wire::AddressSet& own,
                         bool broadcast) noexcept;

/// The header for the answer to an echo request: from the address that was asked, to who asked, of
/// the same TOS (RFC 1122 s.3.2.2.6, s.3.2.1.6). Length and identification are the sender's matter.
wire::Ipv4Fields echo_reply_header(const wire::Ipv4View& request) noexcept;
/// Turns an echo request that a checksum was right for, an IPv4 payload, into its answer: type and
/// checksum change, the rest goes back as it came. It may be the copy, or stand in place.
void make_echo_reply(std::span<std::byte> message) noexcept;

/// Whether an ICMP error may be sent about a datagram that arrived (RFC 1122 s.3.2.2): not about an
/// ICMP error or what cannot be read as something else, nor one sent to many by its IP address or
/// by link-layer (`link_group`), nor a fragment but the first, nor one whose source is no single
/// other host. Rates are the caller's matter (TokenBucket; RFC 1812 s.4.3.2.8).
bool may_send_error_about(const wire::Ipv4View& datagram, const wire::AddressSet& own,
                          bool link_group) noexcept;

/// How long the ICMP message of an error about the datagram is, without its IPv4 header: the quoted
/// header and as much of the payload as keeps the whole within 576 bytes (RFC 1812 s.4.3.2.3).
std::size_t icmp_error_size(const wire::Ipv4View& about) noexcept;
/// Writes that message to the front of `to`, which has room for it: IcmpFields::unreachable() or
/// time_exceeded(), then the quotation. `about` is not in `to`.
void write_icmp_error(const wire::IcmpFields& error, const wire::Ipv4View& about,
                      std::span<std::byte> to) noexcept;
/// The header for it: from the address that the datagram was for, back to its source. Length and
/// identification are the sender's matter.
wire::Ipv4Fields icmp_error_header(const wire::Ipv4View& about) noexcept;

}  // namespace pollux::internet
