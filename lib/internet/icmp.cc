#include "internet/icmp.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "wire/checksum.h"
#include "wire/field.h"

namespace pollux::internet {
namespace {

/// RFC 1812 s.4.3.2.3: the whole datagram that carries an error stays within this.
constexpr std::size_t max_error_datagram = 576;

IcmpVerdict dropped(Drop why) noexcept { return {IcmpVerdict::Kind::dropped, why, {}}; }

std::optional<IcmpErrorKind> kind_of_unreachable(std::uint8_t code) noexcept {
  namespace codes = wire::icmp_unreachable;
  switch (code) {
    case codes::net:
    case codes::net_unknown:
    case codes::net_for_tos:
      return IcmpErrorKind::net_unreachable;
    case codes::host:
    case codes::host_unknown:
    case codes::source_host_isolated:
    case codes::host_for_tos:
      return IcmpErrorKind::host_unreachable;
    case codes::protocol:
      return IcmpErrorKind::protocol_unreachable;
    case codes::port:
      return IcmpErrorKind::port_unreachable;
    case codes::fragmentation_needed:
      return IcmpErrorKind::fragmentation_needed;
    case codes::source_route_failed:
      return IcmpErrorKind::source_route_failed;
    case codes::net_prohibited:
    case codes::host_prohibited:
    case codes::communication_prohibited:
      return IcmpErrorKind::prohibited;
    default:
      return std::nullopt;
  }
}

std::optional<IcmpErrorKind> kind_of(const wire::IcmpView& message) noexcept {
  switch (message.type()) {
    case wire::icmp_type::destination_unreachable:
      return kind_of_unreachable(message.code());
    case wire::icmp_type::time_exceeded:
      if (message.code() == wire::icmp_time_exceeded::in_transit) {
        return IcmpErrorKind::time_exceeded_in_transit;
      }
      if (message.code() == wire::icmp_time_exceeded::in_reassembly) {
        return IcmpErrorKind::time_exceeded_in_reassembly;
      }
      return std::nullopt;
    case wire::icmp_type::parameter_problem:
      return IcmpErrorKind::parameter_problem;
    default:
      return std::nullopt;
  }
}

/// Reads the quotation: which of our connections, and which of its segments, is spoken of.
IcmpVerdict error_arrives(const wire::IcmpView& message, const wire::AddressSet& own) noexcept {
  const std::optional<IcmpErrorKind> kind = kind_of(message);
  if (!kind) return dropped(Drop::icmp_unknown_type);
  wire::Ipv4View quoted;
  if (wire::Ipv4View::parse_quoted(message.quoted(), quoted) != Drop::none) {
    return dropped(Drop::icmp_truncated);
  }
  if (!own.contains(quoted.source())) return dropped(Drop::icmp_not_ours);
  if (quoted.protocol() == wire::protocol::icmp) return dropped(Drop::icmp_ignored);
  if (quoted.protocol() != wire::protocol::tcp && quoted.protocol() != wire::protocol::udp) {
    return dropped(Drop::icmp_not_ours);
  }
  // Only the first fragment has ports to tell whose it was.
  if (quoted.fragment_offset_bytes() != 0) return dropped(Drop::icmp_ignored);
  // RFC 792 promises eight bytes of it: the ports, and TCP's sequence number.
  const std::span<const std::byte> front = quoted.payload();
  if (front.size() < 8) return dropped(Drop::icmp_truncated);
  IcmpVerdict verdict;
  verdict.kind = IcmpVerdict::Kind::error;
  verdict.error.kind = *kind;
  verdict.error.protocol = quoted.protocol();
  verdict.error.quoted_length = quoted.total_length();
  if (*kind == IcmpErrorKind::fragmentation_needed) {
    verdict.error.next_hop_mtu = message.next_hop_mtu();
  }
  verdict.error.tuple = {quoted.source(), quoted.destination(), wire::load_u16(front.data()),
                         wire::load_u16(front.data() + 2)};
  if (quoted.protocol() == wire::protocol::tcp) {
    verdict.error.sequence = wire::SeqNum{wire::load_u32(front.data() + 4)};
  }
  return verdict;
}

}  // namespace

IcmpVerdict icmp_arrives(const wire::Ipv4View& datagram, const wire::AddressSet& own,
                         bool broadcast) noexcept {
  wire::IcmpView message;
  const Drop unreadable = wire::IcmpView::parse(datagram.payload(), message);
  if (unreadable != Drop::none) return dropped(unreadable);
  if (!message.checksum_ok()) return dropped(Drop::icmp_bad_checksum);
  switch (message.type()) {
    case wire::icmp_type::echo_request:
      if (broadcast) return dropped(Drop::icmp_not_ours);
      return {IcmpVerdict::Kind::echo_request, Drop::none, {}};
    case wire::icmp_type::echo_reply:
      return dropped(Drop::icmp_not_ours);
    case wire::icmp_type::source_quench:
    case wire::icmp_type::redirect:
      return dropped(Drop::icmp_ignored);
    case wire::icmp_type::destination_unreachable:
    case wire::icmp_type::time_exceeded:
    case wire::icmp_type::parameter_problem:
      return error_arrives(message, own);
    default:
      return dropped(Drop::icmp_unknown_type);
  }
}

wire::Ipv4Fields echo_reply_header(const wire::Ipv4View& request) noexcept {
  wire::Ipv4Fields header;
  // Codepoints of congestion are a matter between the network and a transport, not of an echo.
  header.tos = request.tos() & 0xFC;
  header.protocol = wire::protocol::icmp;
  header.source = request.destination();
  header.destination = request.source();
  return header;
}

void make_echo_reply(std::span<std::byte> message) noexcept {
  POLLUX_ASSERT(message.size() >= wire::IcmpView::header_size);
  std::byte* const at = message.data();
  const std::uint16_t before = wire::load_u16(at);
  wire::store_u8(at, wire::icmp_type::echo_reply);
  std::byte* const checksum = at + wire::IcmpView::checksum_offset;
  const std::uint16_t updated = wire::update(wire::load_u16(checksum), before, wire::load_u16(at));
  // All that is left may be zeros, whose checksum is not 0; and for all else both zeros of one's
  // complement are right.
  wire::store_u16(checksum, updated == 0 ? 0xFFFF : updated);
}

bool may_send_error_about(const wire::Ipv4View& datagram, const wire::AddressSet& own,
                          bool link_group) noexcept {
  if (link_group || !own.contains(datagram.destination())) return false;
  if (datagram.fragment_offset_bytes() != 0) return false;
  const wire::Ipv4Address source = datagram.source();
  if (!wire::is_unicast_host(source) || own.contains(source) || own.is_directed_broadcast(source)) {
    return false;
  }
  if (datagram.protocol() != wire::protocol::icmp) return true;
  // Only what is known to be a query: an unknown type may be somebody's error.
  wire::IcmpView message;
  return wire::IcmpView::parse(datagram.payload(), message) == Drop::none && message.is_echo();
}

std::size_t icmp_error_size(const wire::Ipv4View& about) noexcept {
  constexpr std::size_t room = max_error_datagram - wire::Ipv4Fields::size - wire::IcmpFields::size;
  return wire::IcmpFields::size + std::min(room, about.header_length() + about.payload().size());
}

void write_icmp_error(const wire::IcmpFields& error, const wire::Ipv4View& about,
                      std::span<std::byte> to) noexcept {
  const std::size_t size = icmp_error_size(about);
  POLLUX_ASSERT(to.size() >= size);
  const std::span<const std::byte> header = about.header();
  // The payload stands directly behind the header it was parsed with.
  std::memcpy(to.data() + wire::IcmpFields::size, header.data(), size - wire::IcmpFields::size);
  error.write(to.first(size));
}

wire::Ipv4Fields icmp_error_header(const wire::Ipv4View& about) noexcept {
  wire::Ipv4Fields header;
  header.tos = 0xC0;  // internetwork control, RFC 1812 s.4.3.2.5
  header.protocol = wire::protocol::icmp;
  header.source = about.destination();
  header.destination = about.source();
  return header;
}

}  // namespace pollux::internet
