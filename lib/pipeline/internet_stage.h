#pragma once

// The internet stages of Pipeline: IPv4, reassembly, ICMP, and UDP above them; and the timers of
// all layers. Included by pipeline.h alone.

#include "pipeline/pipeline.h"

namespace pollux::pipeline {

template <link::Device D, application::Application A>
void Pipeline<D, A>::ipv4_in() noexcept {
  for (std::size_t i = 0; i < datagrams_.size(); ++i) {
    Packet& packet = datagrams_[i];
    wire::Ipv4View ip;
    if (const Drop drop = wire::Ipv4View::parse(packet.bytes(), ip); drop != Drop::none) {
      counters_.count(drop);
      continue;
    }
    const packet::Verified said = packet.ip_verified();
    const internet::Ipv4Verdict verdict = internet::ipv4_arrives(
        ip, addresses_,
        believed(said, verified_headers_) ? packet::Verified::good : packet::Verified::unknown,
        group_[i]);
    if (verdict.drop != Drop::none) {
      counters_.count(verdict.drop);
      if (verdict.drop == Drop::ipv4_bad_checksum) disbelieve(said);
      if (verdict.drop == Drop::ipv4_unknown_protocol) {
        send_icmp_error(ip, wire::IcmpFields::unreachable(wire::icmp_unreachable::protocol),
                        group_[i]);
      }
    } else if (verdict.is_fragment) {
      fragment_in(ip, verdict.broadcast);
    } else {
      deliver(ip, packet, verdict.broadcast);
    }
  }
  datagrams_.clear();
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::deliver(const wire::Ipv4View& ip, Packet& packet, bool broadcast) noexcept {
  switch (ip.protocol()) {
    case wire::protocol::tcp:
      tcp_arrives(ip, packet);
      break;
    case wire::protocol::udp:
      udp_arrives(ip, packet.l4_verified(), broadcast);
      break;
    default:
      count_received(icmp_in(ip, broadcast));
      break;
  }
}

/// Whether a device's word that a checksum is good is taken for it: not of the first 64 packets,
/// nor of one in 4,096 after them, nor ever again once it was wrong. `seen` counts such words.
/// Where the packet holds no checksum its word is all there is.
template <link::Device D, application::Application A>
bool Pipeline<D, A>::believed(packet::Verified said, std::uint64_t& seen) noexcept {
  if (said == packet::Verified::unknown) return false;
  if (said != packet::Verified::good || distrusted_) {
    return said == packet::Verified::unfinished && !distrusted_;
  }
  const std::uint64_t n = seen++;
  return n >= 64 && n % 4096 != 0;
}

/// A checksum was wrong; if the device said it was good, that was the last time it is believed.
template <link::Device D, application::Application A>
void Pipeline<D, A>::disbelieve(packet::Verified said) noexcept {
  if (said != packet::Verified::good) return;
  distrusted_ = true;
  counters_.count(Event::checksum_offload_lies);
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::udp_arrives(const wire::Ipv4View& ip, packet::Verified said,
                                 bool broadcast) noexcept {
  const Drop drop = udp_in(ip, believed(said, verified_packets_), broadcast);
  if (drop == Drop::udp_bad_checksum) disbelieve(said);
  count_received(drop);
}

/// n received frames have reached their protocol, or went no further.
template <link::Device D, application::Application A>
void Pipeline<D, A>::count_received(Drop drop, std::uint32_t frames) noexcept {
  if (drop == Drop::none) {
    counters_.count(Event::frames_delivered, frames);
  } else {
    counters_.count(drop, frames);
  }
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::fragment_in(const wire::Ipv4View& fragment, bool broadcast) noexcept {
  const internet::Reassembled result = reassembly_.add(fragment, now_);
  if (result.evicted != 0) counters_.count(Drop::fragment_no_room, result.evicted);
  if (result.concluded == 0) return;
  if (result.drop != Drop::none) return counters_.count(result.drop, result.concluded);
  counters_.count(Event::datagrams_reassembled);
  wire::Ipv4View whole;
  if (const Drop drop = wire::Ipv4View::parse(result.datagram, whole); drop != Drop::none) {
    return counters_.count(drop, result.concluded);
  }
  switch (whole.protocol()) {
    case wire::protocol::tcp:
      reassembled_tcp_in(whole, result.concluded);
      break;
    case wire::protocol::udp:
      count_received(udp_in(whole, false, broadcast), result.concluded);
      break;
    default:
      count_received(icmp_in(whole, broadcast), result.concluded);
      break;
  }
}

/// A segment that came in fragments lies in the reassembler's memory and may be larger than a
/// packet: it goes on as segments of a packet's size, which say the same.
template <link::Device D, application::Application A>
void Pipeline<D, A>::reassembled_tcp_in(const wire::Ipv4View& ip, std::uint32_t frames) noexcept {
  counters_.count(Event::tcp_segments_received);
  Arrival whole;
  std::span<const std::byte> text;
  if (const Drop drop = read_segment(ip, false, whole, text); drop != Drop::none) {
    return counters_.count(drop, frames);
  }
  // A card spreads fragments by their addresses alone: what is unknown here may be a sibling's, and
  // what begins here would go on there.
  if (!siblings_.empty() && !(knows_homes() && comes_home(whole.tuple)) &&
      find(whole.tuple, whole.hash).kind() == tcp::EntryId::Kind::none) {
    return count_received(hand_over(whole.tuple, ip), frames);
  }
  do {
    Packet packet = device_.allocate();
    if (!packet) return counters_.count(Drop::no_buffer, frames);
    const std::size_t n = std::min(packet.tailroom(), text.size());
    if (n != 0) std::memcpy(packet.append(n).data(), text.data(), n);
    text = text.subspan(n);
    Arrival& arrival = next_arrival();
    ++arrivals_count_;
    arrival.tuple = whole.tuple;
    arrival.hash = whole.hash;
    arrival.segment = whole.segment;
    arrival.segment.text = static_cast<std::uint32_t>(n);
    if (!text.empty()) {
      arrival.segment.control = static_cast<std::uint8_t>(whole.segment.control &
                                                          ~(tcp::control::fin | tcp::control::psh));
    }
    arrival.text_at = 0;
    arrival.frames = std::exchange(frames, 0);
    arrival.packet = std::move(packet);
    whole.segment.seq += arrival.segment.len() - (arrival.segment.has(tcp::control::fin) ? 1u : 0u);
    whole.segment.control = static_cast<std::uint8_t>(whole.segment.control & ~tcp::control::syn);
  } while (!text.empty());
}

template <link::Device D, application::Application A>
Drop Pipeline<D, A>::icmp_in(const wire::Ipv4View& ip, bool broadcast) noexcept {
  const internet::IcmpVerdict verdict = internet::icmp_arrives(ip, addresses_, broadcast);
  switch (verdict.kind) {
    case internet::IcmpVerdict::Kind::dropped:
      return verdict.drop;
    case internet::IcmpVerdict::Kind::echo_request:
      send_echo_reply(ip);
      return Drop::none;
    case internet::IcmpVerdict::Kind::error:
      counters_.count(Event::icmp_errors_received);
      if (const Drop drop = icmp_error_in(verdict.error); drop != Drop::icmp_not_ours) return drop;
      return hand_over(verdict.error);
  }
  return Drop::none;
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::send_echo_reply(const wire::Ipv4View& request) noexcept {
  const auto message = request.payload();
  std::array<std::byte, wire::IcmpView::header_size> header;
  std::memcpy(header.data(), message.data(), header.size());
  internet::make_echo_reply(header);
  const Sent sent = transmit_.send_bytes(header, message.subspan(header.size()),
                                         internet::echo_reply_header(request),
                                         path_mtu_.mtu(request.source(), now_), now_);
  if (sent == Sent::sent) counters_.count(Event::icmp_echoes_answered);
}

/// An error about a segment of ours reaches its connection only when what it quotes is in flight
/// there (RFC 5927 s.4.1); nobody on the way can guess that by chance.
template <link::Device D, application::Application A>
Drop Pipeline<D, A>::icmp_error_in(const internet::IcmpError& error) noexcept {
  if (error.protocol != wire::protocol::tcp) return datagram_error_in(error);
  const tcp::EntryId id = find(error.tuple, tcp::hash(error.tuple, table_key_));
  if (id.kind() == tcp::EntryId::Kind::none) return Drop::icmp_not_ours;
  // What is half open or over ends by itself.
  if (id.kind() != tcp::EntryId::Kind::connection) return Drop::icmp_ignored;
  Connection& c = connections_[id.index()];
  if (!c.tcb.in_flight(error.sequence)) return Drop::icmp_bad_sequence;
  if (error.kind == internet::IcmpErrorKind::fragmentation_needed) {
    const auto mtu =
        path_mtu_.learn(error.tuple.remote, error.next_hop_mtu, error.quoted_length, now_);
    if (mtu) {
      tcp::path_mtu_changed(c.tcb, tcp_config(c), flights_, *mtu);
      make_ready(c, pending::send);
    }
    return Drop::none;
  }
  const Cause cause = internet::is_hard(error.kind) ? Cause::refused : Cause::unreachable;
  apply(c, tcp::unreachable(c.tcb, cause, internet::is_hard(error.kind)));
  return Drop::none;
}

/// An error about a datagram of ours is its application's to judge (RFC 1122 s.4.1.3.3); but none
/// of them was too large to be forwarded, since they go without DF.
template <link::Device D, application::Application A>
Drop Pipeline<D, A>::datagram_error_in(const internet::IcmpError& error) noexcept {
  if (!datagram_ports_.contains(error.tuple.local_port)) return Drop::icmp_not_ours;
  if (error.kind == internet::IcmpErrorKind::fragmentation_needed) return Drop::icmp_ignored;
  const application::Endpoint local{error.tuple.local, error.tuple.local_port};
  const application::Endpoint remote{error.tuple.remote, error.tuple.remote_port};
  const Cause cause = internet::is_hard(error.kind) ? Cause::refused : Cause::unreachable;
  if constexpr (requires { application_.on_datagram_error(*this, local, remote, cause); }) {
    application_.on_datagram_error(*this, local, remote, cause);
    return Drop::none;
  }
  return Drop::icmp_ignored;
}

/// An error about a connection that is not here may be about a sibling's: a card spreads ICMP by
/// other fields than the segment that it quotes.
template <link::Device D, application::Application A>
Drop Pipeline<D, A>::hand_over(const internet::IcmpError& error) noexcept {
  if (siblings_.empty() || error.protocol != wire::protocol::tcp) return Drop::icmp_not_ours;
  bool taken = false;
  for (Hearsay* sibling : siblings_) taken = sibling->errors.push(error) || taken;
  if (!taken) return Drop::hand_over_full;
  counters_.count(Event::handed_over);
  return Drop::none;
}

/// A datagram of a flow that comes to a sibling goes on to it in a frame, as if it had come there.
/// Whoever keeps to our MSS sends none that is longer.
template <link::Device D, application::Application A>
Drop Pipeline<D, A>::hand_over(const wire::FourTuple& flow, const wire::Ipv4View& ip) noexcept {
  if (!knows_homes()) return Drop::tcp_wrong_core;
  if constexpr (link::Steered<D>) {
    Packet frame = device_.allocate();
    if (!frame) return Drop::no_buffer;
    const auto vlan = config_.interface.vlan;
    const wire::EthernetFields link{device_.mac(), device_.mac(),
                                    vlan ? wire::ether_type::vlan : wire::ether_type::ipv4};
    link.write(frame.append(wire::EthernetFields::size));
    if (vlan) {
      wire::VlanFields{.id = *vlan, .type = wire::ether_type::ipv4}.write(
          frame.append(wire::VlanFields::size));
    }
    const std::size_t size = ip.header().size() + ip.payload().size();
    if (size > frame.tailroom()) return Drop::tcp_wrong_core;
    std::memcpy(frame.append(size).data(), ip.header().data(), size);
    if (!device_.carry_home(flow, std::move(frame))) return Drop::hand_over_full;
    counters_.count(Event::handed_over);
    return Drop::none;
  }
  return Drop::tcp_wrong_core;
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::send_icmp_error(const wire::Ipv4View& about, const wire::IcmpFields& error,
                                     bool link_group) noexcept {
  if (!internet::may_send_error_about(about, addresses_, link_group)) return;
  if (!icmp_errors_allowed_.take(now_)) return counters_.count(SendDrop::rate_limited);
  std::array<std::byte, 576> message;
  const auto bytes = std::span{message}.first(internet::icmp_error_size(about));
  internet::write_icmp_error(error, about, bytes);
  const Sent sent = transmit_.send_bytes(bytes, {}, internet::icmp_error_header(about),
                                         path_mtu_.mtu(about.source(), now_), now_);
  if (sent == Sent::sent) counters_.count(Event::icmp_errors_sent);
}

template <link::Device D, application::Application A>
Drop Pipeline<D, A>::udp_in(const wire::Ipv4View& ip, bool verified, bool broadcast) noexcept {
  const auto [drop, datagram] =
      udp::arrives(ip.payload(), ip.source(), ip.destination(), verified, datagram_ports_);
  if (drop == Drop::udp_no_listener) {
    send_icmp_error(ip, wire::IcmpFields::unreachable(wire::icmp_unreachable::port), broadcast);
  }
  if (drop != Drop::none) return drop;
  counters_.count(Event::udp_delivered);
  if constexpr (requires(const application::Datagram& d) { application_.on_datagram(*this, d); }) {
    application_.on_datagram(*this,
                             application::Datagram{{ip.destination(), datagram.destination_port()},
                                                   {ip.source(), datagram.source_port()},
                                                   datagram.payload()});
  }
  return Drop::none;
}

template <link::Device D, application::Application A>
Result<std::monostate, application::StackError> Pipeline<D, A>::bind(std::uint16_t port) noexcept {
  if (port == 0) return application::StackError::invalid;
  if (!datagram_ports_.add(port)) return application::StackError::in_use;
  return std::monostate{};
}

template <link::Device D, application::Application A>
Result<std::monostate, application::StackError> Pipeline<D, A>::send_datagram(
    application::Endpoint local, application::Endpoint remote,
    std::span<const std::byte> bytes) noexcept {
  using application::StackError;
  if (bytes.size() > udp::max_payload) return StackError::too_big;
  if (remote.port == 0) return StackError::invalid;
  if (!addresses_.contains(local.address)) {
    const auto source = transmit_.routes().source_for(remote.address);
    if (!source) return StackError::no_route;
    local.address = *source;
  }
  const auto header = udp::header({local.address, remote.address, local.port, remote.port}, bytes);
  const Sent sent = transmit_.send_bytes(
      header, bytes,
      {.protocol = wire::protocol::udp, .source = local.address, .destination = remote.address},
      path_mtu_.mtu(remote.address, now_), now_);
  switch (sent) {
    case Sent::sent:
      counters_.count(Event::udp_sent);
      return std::monostate{};
    case Sent::lost:
      return StackError::no_memory;
    case Sent::unreachable:
      break;
  }
  return StackError::no_route;
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::expire() noexcept {
  link_expire();
  reassembly_.expire(now_, [this](const internet::Reassembler::Expired& expired) noexcept {
    counters_.count(Drop::fragment_timeout, expired.frames);
    wire::Ipv4View first;
    if (expired.first.empty() || wire::Ipv4View::parse_quoted(expired.first, first) != Drop::none) {
      return;
    }
    send_icmp_error(first, wire::IcmpFields::time_exceeded(wire::icmp_time_exceeded::in_reassembly),
                    false);
  });
  tcp_expire();
}

}  // namespace pollux::pipeline
