#include "link/arp.h"

namespace pollux::link {
namespace {

ArpVerdict dropped(Drop why) noexcept {
  ArpVerdict verdict;
  verdict.drop = why;
  return verdict;
}

ArpMessage answer(const wire::ArpView& request, wire::MacAddress own_mac) noexcept {
  ArpMessage message;
  message.fields.operation = wire::arp_operation::reply;
  message.fields.sender_hardware = own_mac;
  message.fields.sender_protocol = request.target_protocol();
  message.fields.target_hardware = request.sender_hardware();
  message.fields.target_protocol = request.sender_protocol();
  message.destination = request.sender_hardware();
  return message;
}

/// Nobody sends from a group address or from none, and 0.0.0.0 can ask (a probe) but not tell.
bool malformed(const wire::ArpView& packet, wire::MacAddress frame_source,
               const wire::AddressSet& own) noexcept {
  const wire::MacAddress mac = packet.sender_hardware();
  const wire::Ipv4Address sender = packet.sender_protocol();
  if (frame_source.is_group() || mac.is_group() || mac.is_zero()) return true;
  switch (packet.operation()) {
    case wire::arp_operation::request:
      if (sender.is_any()) return false;
      break;
    case wire::arp_operation::reply:
      break;
    default:
      return true;
  }
  return !wire::is_unicast_host(sender) || own.is_directed_broadcast(sender);
}

}  // namespace

ArpMessage arp_announcement(wire::Ipv4Address address, wire::MacAddress own_mac) noexcept {
  ArpMessage message;
  message.fields.operation = wire::arp_operation::request;
  message.fields.sender_hardware = own_mac;
  message.fields.sender_protocol = address;
  message.fields.target_protocol = address;
  message.destination = wire::MacAddress::broadcast();
  return message;
}

ArpMessage arp_request(const NeighborTable::Action& action, const wire::AddressSet& own,
                       wire::MacAddress own_mac) noexcept {
  POLLUX_ASSERT(action.kind != NeighborTable::Action::Kind::failed);
  ArpMessage message;
  message.fields.operation = wire::arp_operation::request;
  message.fields.sender_hardware = own_mac;
  message.fields.sender_protocol = own.source_for(action.address).value_or(wire::Ipv4Address{});
  message.fields.target_protocol = action.address;
  message.destination = action.mac;
  return message;
}

ArpVerdict arp_arrives(const wire::ArpView& packet, wire::MacAddress frame_source,
                       const wire::AddressSet& own, wire::MacAddress own_mac,
                       NeighborTable& neighbors, ArpDefence& defence, Instant now) noexcept {
  if (malformed(packet, frame_source, own)) return dropped(Drop::arp_malformed);
  const wire::Ipv4Address sender = packet.sender_protocol();
  const wire::MacAddress sender_mac = packet.sender_hardware();
  const bool for_us = own.contains(packet.target_protocol());
  const bool asks_us = for_us && packet.operation() == wire::arp_operation::request;

  ArpVerdict verdict;
  if (own.contains(sender)) {
    // The link gave our own words back to us; or somebody else has taken the address.
    if (sender_mac == own_mac) return dropped(Drop::arp_not_for_us);
    verdict.conflict = true;
    if (defence.take(now)) verdict.reply = arp_announcement(sender, own_mac);
    return verdict;
  }
  if (sender.is_any()) {
    if (!asks_us) return dropped(Drop::arp_not_for_us);
    verdict.reply = answer(packet, own_mac);
    return verdict;
  }
  const NeighborTable::Learned learned = neighbors.learn(sender, sender_mac, asks_us, now);
  if (!learned.known && !asks_us) return dropped(Drop::arp_not_for_us);
  verdict.resolved = learned.resolved;
  if (asks_us) verdict.reply = answer(packet, own_mac);
  return verdict;
}

}  // namespace pollux::link
