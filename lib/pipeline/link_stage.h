#pragma once

// The link stages of Pipeline: Ethernet, VLAN and ARP. Included by pipeline.h alone.

#include "pipeline/pipeline.h"

namespace pollux::pipeline {

/// Leaves in datagrams_ the frames that carry IPv4 for us, beginning with their IPv4 header; but
/// for plain TCP, which is read at once.
template <link::Device D, application::Application A>
void Pipeline<D, A>::ethernet_in() noexcept {
  if (frames_.empty()) return;
  std::uint64_t bytes = 0;
  for (Packet& frame : frames_) __builtin_prefetch(frame.bytes().data());
  for (Packet& frame : frames_) {
    bytes += frame.bytes().size();
    if (plain_frame_arrives(frame)) continue;
    const Drop drop = frame_arrives(frame);
    if (drop != Drop::none) counters_.count(drop);
  }
  counters_.count(Event::frames_received, frames_.size());
  counters_.count(Event::bytes_received, bytes);
  frames_.clear();
}

/// The short way of nearly every frame past the stages of link, internet and transport, which
/// decide the same: a plain TCP segment for us. False, and nothing has happened, for any other, and
/// for one that came behind another that goes the long way, which it is not to overtake.
template <link::Device D, application::Application A>
bool Pipeline<D, A>::plain_frame_arrives(Packet& frame) noexcept {
  if (!datagrams_.empty() || config_.interface.vlan) [[unlikely]]
    return false;
  wire::PlainSegment plain;
  if (!wire::PlainSegment::parse(frame.bytes(), plain) || plain.destination_mac() != own_mac_ ||
      !plain_addresses_.good(plain.address_pair(), addresses_) || plain.source_port() == 0 ||
      plain.destination_port() == 0) {
    return false;
  }
  const packet::Verified header_said = frame.ip_verified();
  if (!believed(header_said, verified_headers_) && !plain.header_checksum_ok()) [[unlikely]] {
    counters_.count(Drop::ipv4_bad_checksum);
    disbelieve(header_said);
    return true;
  }
  counters_.count(Event::tcp_segments_received);
  const packet::Verified said = frame.l4_verified();
  if (!believed(said, verified_packets_) && !plain.checksum_ok()) [[unlikely]] {
    counters_.count(Drop::tcp_bad_checksum);
    disbelieve(said);
    return true;
  }
  Arrival& arrival = next_arrival();
  arrival.tuple = plain.tuple();
  arrival.hash = tcp::hash(arrival.tuple, table_key_);
  tcp::Segment& segment = arrival.segment;
  segment.seq = plain.seq();
  segment.ack = plain.ack();
  segment.text = plain.text();
  segment.window = plain.window();
  segment.control = plain.control();
  segment.ecn = plain.ecn();
  wire::parse_options(plain.options(), segment.options);
  keep_arrival(arrival, frame, plain.text_at(), said);
  return true;
}

template <link::Device D, application::Application A>
Drop Pipeline<D, A>::frame_arrives(Packet& frame) noexcept {
  const auto ethernet = wire::EthernetView::parse(frame.bytes());
  if (!ethernet) return Drop::ethernet_truncated;
  const wire::MacAddress destination = ethernet->destination();
  const bool to_group = destination.is_group();
  if (!to_group && destination != device_.mac()) return Drop::ethernet_not_for_us;
  std::uint16_t type = ethernet->type();
  std::span<const std::byte> payload = ethernet->payload();
  std::size_t header = wire::EthernetView::header_size;
  if (type == wire::ether_type::vlan) {
    const auto tag = wire::VlanView::parse(payload);
    if (!tag) return Drop::ethernet_truncated;
    // A tag of VLAN 0 is a priority only (IEEE 802.1Q s.6.9.1).
    if (tag->id() != config_.interface.vlan.value_or(0)) return Drop::vlan_other;
    type = tag->type();
    payload = tag->payload();
    header += wire::VlanView::header_size;
  } else if (config_.interface.vlan) {
    return Drop::vlan_other;
  }
  if (type == wire::ether_type::ipv4) {
    group_[datagrams_.size()] = to_group;
    frame.drop_front(header);
    datagrams_.push(std::move(frame));
    return Drop::none;
  }
  if (type == wire::ether_type::arp) return arp_in(ethernet->source(), payload);
  return Drop::ethernet_unknown_type;
}

template <link::Device D, application::Application A>
Drop Pipeline<D, A>::arp_in(wire::MacAddress source, std::span<const std::byte> bytes) noexcept {
  const auto packet = wire::ArpView::parse(bytes);
  if (!packet) return Drop::arp_malformed;
  const auto verdict = link::arp_arrives(*packet, source, addresses_, device_.mac(),
                                         transmit_.neighbors(), arp_defence_, now_);
  if (verdict.conflict) {
    counters_.count(Event::arp_address_conflicts);
    static_cast<void>(conflicts_.push({packet->sender_protocol(), packet->sender_hardware()}));
  }
  if (verdict.reply && transmit_.send_arp(*verdict.reply)) {
    counters_.count(Event::arp_replies_sent);
  }
  if (verdict.resolved) transmit_.resolved(*verdict.resolved);
  // What is not news here may be so for a sibling; a probe, or our own words, are nobody's.
  const wire::Ipv4Address sender = packet->sender_protocol();
  if (verdict.drop != Drop::arp_malformed && !sender.is_any() && !addresses_.contains(sender)) {
    for (auto* sibling : siblings_) {
      // A full queue loses news that the sibling's next request brings again.
      static_cast<void>(sibling->neighbors.push({sender, packet->sender_hardware()}));
    }
  }
  if (verdict.drop == Drop::none) counters_.count(Event::frames_delivered);
  return verdict.drop;
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::link_expire() noexcept {
  if (!siblings_.empty()) siblings_in();
  if constexpr (link::Relinked<D>) {
    if (device_.links() != links_) [[unlikely]]
      link_returns();
  }
  announcer_.advance(now_, addresses_, device_.mac(), [this](const link::ArpMessage& message) {
    static_cast<void>(transmit_.send_arp(message));
  });
  transmit_.neighbors().advance(now_, [this](const link::NeighborTable::Action& action) noexcept {
    if (action.kind == link::NeighborTable::Action::Kind::failed) {
      transmit_.failed(action.id,
                       [this](const Packet& packet) noexcept { undeliverable(packet.bytes()); });
      return;
    }
    if (transmit_.send_arp(link::arp_request(action, addresses_, device_.mac()))) {
      counters_.count(Event::arp_requests_sent);
    }
  });
}

/// Whoever is at the other end now hears of us, and is asked for again.
template <link::Device D, application::Application A>
void Pipeline<D, A>::link_returns() noexcept {
  if constexpr (link::Relinked<D>) links_ = device_.links();
  announcer_ = link::ArpAnnouncer{now_};
  transmit_.neighbors().forget_resolved();
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::siblings_in() noexcept {
  for (std::size_t n = 0; n != burst; ++n) {
    const auto news = heard_.neighbors.pop();
    if (!news) break;
    const auto learned = transmit_.neighbors().learn(news->address, news->mac, false, now_);
    if (learned.resolved) transmit_.resolved(*learned.resolved);
  }
  // Whose frame it was has counted it.
  for (std::size_t n = 0; n != burst; ++n) {
    const auto error = heard_.errors.pop();
    if (!error) break;
    static_cast<void>(icmp_error_in(*error));
  }
}

/// A datagram of ours found no neighbour: its connection hears of it (RFC 1122 s.2.3.2.2).
template <link::Device D, application::Application A>
void Pipeline<D, A>::undeliverable(std::span<const std::byte> datagram) noexcept {
  wire::Ipv4View ip;
  if (wire::Ipv4View::parse(datagram, ip) != Drop::none) return;
  if (ip.protocol() != wire::protocol::tcp) return;
  wire::TcpView segment;
  if (wire::TcpView::parse(ip.payload(), segment) != Drop::none) return;
  const wire::FourTuple tuple{ip.source(), ip.destination(), segment.source_port(),
                              segment.destination_port()};
  const tcp::EntryId id = find(tuple, tcp::hash(tuple, table_key_));
  if (id.kind() != tcp::EntryId::Kind::connection) return;
  Connection& c = connections_[id.index()];
  apply(c, tcp::unreachable(c.tcb, Cause::no_neighbor, true));
}

}  // namespace pollux::pipeline
