// IPv4 and ICMP as they arrive, what is answered to them included. The first byte says which
// checksums are made right beforehand, so that more than their refusal is tried.

#include "wire/ipv4.h"

#include <algorithm>
#include <array>
#include <vector>

#include "input.h"
#include "internet/icmp.h"
#include "internet/ipv4_in.h"
#include "wire/address_set.h"
#include "wire/icmp.h"

namespace pollux::fuzz {
namespace {

using wire::Ipv4View;

const wire::AddressSet& own() {
  static const wire::AddressSet set = [] {
    wire::AddressSet made;
    POLLUX_REQUIRE(made.add({wire::Ipv4Address{10, 0, 0, 2}, 24}));
    POLLUX_REQUIRE(made.add({wire::Ipv4Address{192, 168, 1, 10}, 28}, 3));
    return made;
  }();
  return set;
}

/// The fields that Ipv4Fields knows come back from what it writes.
void fields_survive(const Ipv4View& read) {
  const wire::Ipv4Fields fields{.tos = read.tos(),
                                .total_length = read.total_length(),
                                .identification = read.identification(),
                                .dont_fragment = read.dont_fragment(),
                                .more_fragments = read.more_fragments(),
                                .fragment_offset_bytes = read.fragment_offset_bytes(),
                                .ttl = read.ttl(),
                                .protocol = read.protocol(),
                                .source = read.source(),
                                .destination = read.destination()};
  std::array<std::byte, wire::Ipv4Fields::size> out{};
  fields.write(out);
  Ipv4View again;
  POLLUX_REQUIRE(Ipv4View::parse_quoted(out, again) == Drop::none);
  POLLUX_REQUIRE(again.checksum_ok() && again.tos() == read.tos());
  POLLUX_REQUIRE(again.total_length() == read.total_length());
  POLLUX_REQUIRE(again.identification() == read.identification());
  POLLUX_REQUIRE(again.dont_fragment() == read.dont_fragment());
  POLLUX_REQUIRE(again.more_fragments() == read.more_fragments());
  POLLUX_REQUIRE(again.fragment_offset_bytes() == read.fragment_offset_bytes());
  POLLUX_REQUIRE(again.ttl() == read.ttl() && again.protocol() == read.protocol());
  POLLUX_REQUIRE(again.source() == read.source() && again.destination() == read.destination());
}

/// An error about the datagram is sound itself, and never answered by another.
void error_about(const Ipv4View& ip, bool link_group) {
  if (!internet::may_send_error_about(ip, own(), link_group)) return;
  std::array<std::byte, 576> room{};
  const std::size_t size = internet::icmp_error_size(ip);
  POLLUX_REQUIRE(size >= wire::IcmpView::header_size && size + wire::Ipv4Fields::size <= 576);
  const auto message = std::span{room}.first(size);
  internet::write_icmp_error(wire::IcmpFields::unreachable(wire::icmp_unreachable::port), ip,
                             message);
  wire::IcmpView icmp;
  POLLUX_REQUIRE(wire::IcmpView::parse(message, icmp) == Drop::none);
  POLLUX_REQUIRE(icmp.checksum_ok() && icmp.is_error());
  const auto quoted = icmp.quoted();
  POLLUX_REQUIRE(quoted.size() >= ip.header_length());
  POLLUX_REQUIRE(std::equal(quoted.begin(), quoted.end(), ip.header().begin()));
  const wire::Ipv4Fields header = internet::icmp_error_header(ip);
  POLLUX_REQUIRE(header.source == ip.destination() && header.destination == ip.source());
  POLLUX_REQUIRE(header.protocol == wire::protocol::icmp);
}

void icmp_arrives(const Ipv4View& ip, bool broadcast) {
  const internet::IcmpVerdict verdict = internet::icmp_arrives(ip, own(), broadcast);
  switch (verdict.kind) {
    case internet::IcmpVerdict::Kind::dropped:
      POLLUX_REQUIRE(verdict.drop != Drop::none);
      break;
    case internet::IcmpVerdict::Kind::echo_request: {
      std::vector<std::byte> answer{ip.payload().begin(), ip.payload().end()};
      internet::make_echo_reply(answer);
      wire::IcmpView reply;
      POLLUX_REQUIRE(wire::IcmpView::parse(answer, reply) == Drop::none);
      POLLUX_REQUIRE(reply.type() == wire::icmp_type::echo_reply && reply.checksum_ok());
      POLLUX_REQUIRE(internet::echo_reply_header(ip).destination == ip.source());
      break;
    }
    case internet::IcmpVerdict::Kind::error:
      POLLUX_REQUIRE(own().contains(verdict.error.tuple.local));
      break;
  }
}

void arrives(std::span<const std::byte> bytes, bool link_group) {
  Ipv4View ip;
  Ipv4View quoted;
  const Drop drop = Ipv4View::parse(bytes, ip);
  const Drop quoted_drop = Ipv4View::parse_quoted(bytes, quoted);
  if (quoted_drop == Drop::none) fields_survive(quoted);
  if (drop != Drop::none) return;
  POLLUX_REQUIRE(quoted_drop == Drop::none);
  POLLUX_REQUIRE(inside(ip.header(), bytes) && inside(ip.payload(), bytes));
  POLLUX_REQUIRE(ip.header().size() + ip.payload().size() == ip.total_length());
  POLLUX_REQUIRE(ip.checksum_ok() == (plain_checksum(ip.header()) == 0));
  const auto verdict = internet::ipv4_arrives(ip, own(), packet::Verified::unknown, link_group);
  if (verdict.drop == Drop::ipv4_unknown_protocol) error_about(ip, verdict.broadcast);
  if (verdict.drop != Drop::none) return;
  POLLUX_REQUIRE(ip.checksum_ok() && verdict.protocol == ip.protocol());
  POLLUX_REQUIRE(verdict.is_fragment == ip.is_fragment());
  POLLUX_REQUIRE(verdict.broadcast || own().contains(ip.destination()));
  error_about(ip, verdict.broadcast);
  if (!verdict.is_fragment && verdict.protocol == wire::protocol::icmp) {
    icmp_arrives(ip, verdict.broadcast);
  }
}

/// Makes a checksum of the field at `at` right over all of `bytes`.
void make_right(std::span<std::byte> bytes, std::size_t at) {
  if (bytes.size() < at + 2) return;
  wire::store_u16(&bytes[at], 0);
  wire::store_u16(&bytes[at], plain_checksum(bytes));
}

void run(Input in) {
  const std::uint8_t flags = in.u8();
  const auto rest = in.rest();
  std::vector<std::byte> bytes{rest.begin(), rest.end()};
  Ipv4View ip;
  if (Ipv4View::parse(bytes, ip) == Drop::none) {
    const std::size_t header = ip.header_length();
    if ((flags & 1) != 0) {
      make_right(std::span{bytes}.subspan(header, ip.payload().size()),
                 wire::IcmpView::checksum_offset);
    }
    if ((flags & 2) != 0) make_right(std::span{bytes}.first(header), Ipv4View::checksum_offset);
  }
  arrives(bytes, (flags & 4) != 0);
}

}  // namespace
}  // namespace pollux::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pollux::fuzz::run({data, size});
  return 0;
}
