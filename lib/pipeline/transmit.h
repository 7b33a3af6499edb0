#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/counters.h"
#include "base/inline.h"
#include "base/time.h"
#include "internet/fragment.h"
#include "internet/path_mtu.h"
#include "internet/route.h"
#include "link/arp.h"
#include "link/device.h"
#include "link/neighbor_table.h"
#include "link/waiting.h"
#include "packet/packet.h"
#include "pipeline/config.h"
#include "wire/address.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/field.h"
#include "wire/ipv4.h"
#include "wire/vlan.h"

namespace pollux::pipeline {

/// What became of a datagram that was to be sent; all but `sent` are counted as a SendDrop.
enum class Sent : std::uint8_t {
  sent,        // it left, or waits for its neighbour's address
  lost,        // for want of a buffer, or of room in a bounded queue: try again
  unreachable  // nobody answers for the next hop, or there is none
};

/// The way down: route, neighbour, headers, burst. Packets come in with their transport header
/// behind room for those of the layers below, and leave as frames, or wait here for their
/// neighbour's address.
template <link::Device D>
class Transmitter {
 public:
  using Packet = typename D::Packet;
  static constexpr std::uint32_t waiting_bound = 1024;

  Transmitter(D& device, Counters& counters, link::NeighborTable neighbors,
              internet::RouteTable routes, std::uint32_t neighbor_capacity,
              std::optional<std::uint16_t> vlan, std::uint16_t first_identification,
              const internet::PathMtuCache& path_mtu)
      : device_(device),
        counters_(counters),
        path_mtu_(path_mtu),
        neighbors_(std::move(neighbors)),
        routes_(std::move(routes)),
        waiting_(neighbor_capacity, waiting_bound),
        vlan_(vlan),
        link_header_(wire::EthernetFields::size + (vlan ? wire::VlanFields::size : 0)),
        source_and_ipv4_(wire::word_of(device.mac()) << 16 | wire::ether_type::ipv4),
        identification_(first_identification) {}

  /// Whether another frame would be taken now.
  bool has_room() noexcept {
    if (out_.full()) flush();
    return !out_.full();
  }
  /// Hands what is due to the device; what it does not take stays, in order, for the next time.
  void flush() noexcept {
    if (out_.empty()) return;
    std::size_t bytes = 0;
    // Sizes are read before the device owns the frames.
    std::array<std::uint32_t, link::burst_size> sizes;
    const std::size_t before = out_.size();
    for (std::size_t i = 0; i < before; ++i) {
      sizes[i] = static_cast<std::uint32_t>(out_[i].length());
    }
    const std::size_t sent = device_.transmit(out_);
    for (std::size_t i = 0; i < sent; ++i) bytes += sizes[i];
    counters_.count(Event::frames_sent, sent);
    counters_.count(Event::bytes_sent, bytes);
  }
  bool empty() const noexcept { return out_.empty(); }

  /// The next hop of a destination, or 0.0.0.0 where there is none.
  wire::Ipv4Address next_hop(wire::Ipv4Address destination) noexcept {
    return hop_to(destination).next;
  }

  /// How many bytes of a packet are this class's to write.
  std::uint16_t link_header_size() const noexcept { return link_header_; }
  /// And how many are not the transport layer's: the headers of link and IPv4.
  std::size_t headers_size() const noexcept { return link_header_ + wire::Ipv4Fields::size; }

  /// The second word of the IPv4 header of a datagram that is not cut on its way: DF, unless the
  /// path is too narrow for that; then it has a number, and so have those `behind` it that the
  /// device makes of the same.
  std::uint32_t fragment_word(wire::Ipv4Address destination, std::uint32_t behind,
                              Instant now) noexcept {
    constexpr std::uint32_t dont_fragment = 0x4000;
    if (!path_mtu_.narrow(destination, now)) [[likely]]
      return dont_fragment;
    const std::uint32_t word = std::uint32_t{identification_} << 16;
    // The device numbers the others onwards from there.
    identification_ = static_cast<std::uint16_t>(identification_ + 1 + behind);
    return word;
  }

  /// Sends one whole datagram that the path takes, its IPv4 header behind room for the link's.
  /// False when nobody answers for the next hop, or there is none: it is dropped, counted.
  POLLUX_INLINE bool send(Packet& packet, wire::Ipv4Address destination, Instant now) noexcept {
    return route(packet, destination, now) != Sent::unreachable;
  }

  /// Sends a datagram whose payload (transport header and all, checksums done) is `first` and then
  /// `second`, up to 65,515 bytes, cut into fragments of at most `mtu` bytes where it must be.
  /// `header` lacks length and identification, which are given here.
  /// Once a piece is lost the rest, of no use without it, is not sent either.
  Sent send_bytes(std::span<const std::byte> first, std::span<const std::byte> second,
                  wire::Ipv4Fields header, std::uint16_t mtu, Instant now) noexcept {
    const std::size_t total = first.size() + second.size();
    header.identification = identification_++;
    internet::Fragmenter fragments{total, mtu};
    std::uint32_t pieces = 0;
    while (const auto piece = fragments.next()) {
      Packet packet = device_.allocate();
      if (!packet || packet.tailroom() < piece->length) {
        counters_.count(packet ? SendDrop::too_big : SendDrop::no_buffer);
        return Sent::lost;
      }
      copy_piece(packet.append(piece->length), first, second, piece->offset);
      const wire::Ipv4Fields fields = internet::fragment_header(header, *piece);
      fields.write(packet.prepend(headers_size()).subspan(link_header_));
      const bool fragment = fields.more_fragments || fields.fragment_offset_bytes != 0;
      const std::uint32_t datagram = fragment ? 0x1'0000u | header.identification : 0u;
      const Sent sent = route(packet, header.destination, now, datagram);
      if (sent != Sent::sent) return sent;
      ++pieces;
    }
    if (pieces > 1) counters_.count(Event::datagrams_fragmented);
    return Sent::sent;
  }

  /// False when there was no buffer or no room for it.
  bool send_arp(const link::ArpMessage& message) noexcept {
    Packet packet = device_.allocate();
    if (!packet) {
      counters_.count(SendDrop::no_buffer);
      return false;
    }
    message.fields.write(packet.append(wire::ArpFields::size));
    packet.prepend(link_header_);
    return frame(packet, message.destination, wire::ether_type::arp);
  }

  /// The neighbour's waiting datagrams leave.
  void resolved(const link::NeighborTable::Resolved& neighbor) noexcept {
    waiting_.take_all(neighbor.id, [&](Packet&& packet) noexcept {
      packet.prepend(link_header_);
      frame(packet, neighbor.mac, wire::ether_type::ipv4);
    });
  }
  /// The neighbour does not answer: drop(const Packet&) is called for each datagram that waited,
  /// which begins with its IPv4 header, and it is counted.
  template <class F>
  void failed(link::NeighborId id, F&& drop) noexcept {
    waiting_.take_all(id, [&](Packet&& packet) noexcept {
      counters_.count(SendDrop::no_neighbor);
      drop(packet);
    });
  }

  /// Drops all that waits, for a neighbour or for the device.
  void stop() noexcept {
    counters_.count(SendDrop::shutdown, out_.size() + waiting_.drop_all());
    out_.clear();
  }

  link::NeighborTable& neighbors() noexcept { return neighbors_; }
  const link::NeighborTable& neighbors() const noexcept { return neighbors_; }
  const internet::RouteTable& routes() const noexcept { return routes_; }

 private:
  static void copy_piece(std::span<std::byte> to, std::span<const std::byte> first,
                         std::span<const std::byte> second, std::size_t offset) noexcept {
    for (std::byte& byte : to) {
      byte = offset < first.size() ? first[offset] : second[offset - first.size()];
      ++offset;
    }
  }

  struct Hop {
    wire::Ipv4Address destination;
    wire::Ipv4Address next;
    link::NeighborId neighbor = 0;  // where it was last found
  };

  /// Routes stay as they are, so that what was found once holds: the table is asked when another
  /// destination comes by.
  Hop& hop_to(wire::Ipv4Address destination) noexcept {
    Hop& hop = hops_[destination.value() % hops_.size()];
    if (hop.destination != destination) [[unlikely]] {
      hop = {destination, routes_.next_hop(destination).value_or(wire::Ipv4Address{})};
    }
    return hop;
  }

  /// Of a packet with its IPv4 header behind room for the link's; taken over unless it is dropped.
  POLLUX_INLINE Sent route(Packet& packet, wire::Ipv4Address destination, Instant now,
                           std::uint32_t datagram = 0) noexcept {
    Hop& hop = hop_to(destination);
    if (hop.next.is_any()) {
      counters_.count(SendDrop::no_route);
      return Sent::unreachable;
    }
    if (const auto* const mac = neighbors_.lookup_at(hop.neighbor, hop.next)) [[likely]]
      return frame(packet, *mac, wire::ether_type::ipv4) ? Sent::sent : Sent::lost;
    return find_neighbor(hop, packet, datagram, now);
  }

  /// The long way, where the neighbour lies elsewhere in its table or has to be asked for.
  [[gnu::noinline]] Sent find_neighbor(Hop& hop, Packet& packet, std::uint32_t datagram,
                                       Instant now) noexcept {
    const auto found = neighbors_.lookup(hop.next, now);
    hop.neighbor = found.id;
    switch (found.state) {
      case link::NeighborTable::State::resolved:
        return frame(packet, found.mac, wire::ether_type::ipv4) ? Sent::sent : Sent::lost;
      case link::NeighborTable::State::waiting: {
        packet.drop_front(link_header_);
        const auto pushed = waiting_.push(found.id, std::move(packet), datagram);
        counters_.count(SendDrop::neighbor_queue_full, pushed.dropped);
        return pushed.kept ? Sent::sent : Sent::lost;
      }
      case link::NeighborTable::State::unreachable:
        counters_.count(SendDrop::no_neighbor);
        return Sent::unreachable;
      case link::NeighborTable::State::table_full:
        counters_.count(SendDrop::neighbor_table_full);
        return Sent::lost;
    }
    return Sent::lost;
  }

  /// Writes the link's header in the room for it.
  POLLUX_INLINE bool frame(Packet& packet, wire::MacAddress destination,
                           std::uint16_t type) noexcept {
    const auto header = packet.mutable_bytes().first(link_header_);
    if (vlan_) [[unlikely]] {
      wire::VlanFields{.id = *vlan_, .type = type}.write(
          header.subspan(wire::EthernetFields::size));
      type = wire::ether_type::vlan;
    }
    if (type == wire::ether_type::ipv4) [[likely]] {
      wire::store_mac(header.data(), destination);
      wire::store_u64(header.data() + sizeof destination, source_and_ipv4_);
    } else {
      wire::EthernetFields{destination, device_.mac(), type}.write(header);
    }
    if (!has_room()) {
      counters_.count(SendDrop::device_full);
      return false;
    }
    out_.push(std::move(packet));
    return true;
  }

  D& device_;
  Counters& counters_;
  const internet::PathMtuCache& path_mtu_;
  packet::Burst<Packet, link::burst_size> out_;
  std::array<Hop, 256> hops_{};
  link::NeighborTable neighbors_;
  internet::RouteTable routes_;
  link::WaitingQueue<Packet> waiting_;
  std::optional<std::uint16_t> vlan_;
  std::uint16_t link_header_;      // its size
  std::uint64_t source_and_ipv4_;  // the end of an Ethernet header
  std::uint16_t identification_;
};

}  // namespace pollux::pipeline
