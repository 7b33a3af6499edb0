#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "base/time.h"
#include "internet/fragment.h"
#include "internet/icmp.h"
#include "sim/device.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

namespace pollux::world {

/// Two ends of a cable with a link between them that takes less: what is too long for it is cut, or
/// refused where it may not be cut, as a router does (RFC 791 s.2.3; RFC 1191 s.4). It is no
/// station of its own, so that those at the ends know each other's MAC addresses.
class NarrowPath {
 public:
  NarrowPath(sim::Device& left, sim::Device& right, std::uint16_t takes)
      : mtu(takes), left_(left), right_(right) {}

  void poll(Instant) {
    carry(left_, right_);
    carry(right_, left_);
  }
  std::optional<Instant> next_event() const { return std::nullopt; }

  std::uint16_t mtu;
  /// What it says of its MTU; 0: as routers from before RFC 1191.
  std::optional<std::uint16_t> says;
  bool silent = false;      // it says nothing: a black hole (RFC 2923)
  std::size_t refused = 0;  // with DF
  std::size_t cut = 0;
  std::size_t whole = 0;
  std::size_t largest = 0;  // datagram that came by

 private:
  static constexpr wire::Ipv4Address address{10, 0, 0, 99};

  void carry(sim::Device& from, sim::Device& to) {
    sim::Device::Burst in;
    from.receive(in);
    for (sim::Frame& frame : std::span{in.data(), in.size()}) {
      const auto ethernet = wire::EthernetView::parse(frame.bytes());
      wire::Ipv4View ip;
      if (ethernet && ethernet->type() == wire::ether_type::ipv4 &&
          wire::Ipv4View::parse(ethernet->payload(), ip) == Drop::none) {
        largest = std::max<std::size_t>(largest, ip.total_length());
        if (ip.total_length() > mtu) {
          ip.dont_fragment() ? refuse(from, *ethernet, ip) : in_pieces(to, *ethernet, ip);
          continue;
        }
      }
      ++whole;
      send(to, std::move(frame));
    }
  }
  void refuse(sim::Device& back, const wire::EthernetView& ethernet, const wire::Ipv4View& ip) {
    ++refused;
    if (silent) return;
    sim::Frame frame = back.allocate();
    if (!frame) return;
    internet::write_icmp_error(
        wire::IcmpFields::unreachable(wire::icmp_unreachable::fragmentation_needed,
                                      says.value_or(mtu)),
        ip, frame.append(internet::icmp_error_size(ip)));
    wire::Ipv4Fields fields;
    fields.total_length = static_cast<std::uint16_t>(wire::Ipv4Fields::size + frame.bytes().size());
    fields.protocol = wire::protocol::icmp;
    fields.source = address;
    fields.destination = ip.source();
    fields.write(frame.prepend(wire::Ipv4Fields::size));
    wire::EthernetFields{ethernet.source(), ethernet.destination(), wire::ether_type::ipv4}.write(
        frame.prepend(wire::EthernetFields::size));
    send(back, std::move(frame));
  }
  void in_pieces(sim::Device& to, const wire::EthernetView& ethernet, const wire::Ipv4View& ip) {
    ++cut;
    wire::Ipv4Fields fields;
    fields.tos = ip.tos();
    fields.identification = ip.identification();
    fields.protocol = ip.protocol();
    fields.source = ip.source();
    fields.destination = ip.destination();
    internet::Fragmenter pieces{ip.payload().size(), mtu};
    while (const auto piece = pieces.next()) {
      sim::Frame frame = to.allocate();
      if (!frame) return;
      std::memcpy(frame.append(piece->length).data(), ip.payload().data() + piece->offset,
                  piece->length);
      internet::fragment_header(fields, *piece).write(frame.prepend(wire::Ipv4Fields::size));
      wire::EthernetFields{ethernet.destination(), ethernet.source(), wire::ether_type::ipv4}.write(
          frame.prepend(wire::EthernetFields::size));
      send(to, std::move(frame));
    }
  }
  static void send(sim::Device& to, sim::Frame frame) {
    sim::Device::Burst out;
    out.push(std::move(frame));
    to.transmit(out);
    out.clear();
  }

  sim::Device& left_;
  sim::Device& right_;
};

}  // namespace pollux::world
