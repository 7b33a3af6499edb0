#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "packet/packet.h"
#include "wire/address.h"

namespace pollux::link {

/// What one queue of a device offers. Only what is set here is ever asked of it.
struct Capabilities {
  bool transmit_ipv4_checksum = false;
  bool transmit_tcp_checksum = false;
  bool transmit_udp_checksum = false;
  bool receive_checksum = false;  // ip_verified() and l4_verified() may say good or bad
  /// The most text of a TCP packet that the device cuts into segments (TSO), bytes; 0: it cuts
  /// none.
  std::uint32_t transmit_tcp_text = 0;
};

inline constexpr std::size_t burst_size = 64;

/// One queue pair of one port, polled by one core. Modelled by dpdk::Queue and sim::Device.
template <class D>
concept Device = packet::Packet<typename D::Packet> &&
    requires(D d, const D c, packet::Burst<typename D::Packet, burst_size>& burst) {
  /// Appends what has arrived, up to burst.room() frames, each at least an Ethernet header
  /// long only if the peer made it so.
  { d.receive(burst) }
  noexcept;
  /// Takes frames from the front as far as the device has room, returns how many, and leaves
  /// the rest at the front of the burst.
  { d.transmit(burst) }
  noexcept->std::same_as<std::size_t>;
  /// A fresh packet without bytes, or an empty (false) one when the pool has run dry.
  { d.allocate() }
  noexcept->std::same_as<typename D::Packet>;
  { c.mac() }
  noexcept->std::same_as<wire::MacAddress>;
  /// The largest IPv4 datagram that a frame carries, in bytes.
  { c.mtu() }
  noexcept->std::same_as<std::uint16_t>;
  { c.capabilities() }
  noexcept->std::same_as<Capabilities>;
};

/// A device that can lose its link while it is polled also has
///   std::uint32_t links() const noexcept
/// which says something else than before when the link was gone and has come back, perhaps to
/// another peer.
template <class D>
concept Relinked = requires(const D d) {
  { d.links() }
  noexcept->std::same_as<std::uint32_t>;
};

/// A device whose packets come from a pool of a fixed size also has
///   std::uint32_t spare_buffers() const noexcept
/// which says how many allocate() would still give, and what arrives may still take.
template <class D>
concept Pooled = requires(const D d) {
  { d.spare_buffers() }
  noexcept->std::same_as<std::uint32_t>;
};

/// A device that brings the flows of one address to several stacks also has
///   bool comes_home(const wire::FourTuple&) const noexcept
/// which says whether what the peer sends of that flow comes to this one,
///   bool knows_homes() const noexcept
/// false: the peer chooses by rules of its own, and comes_home() is always true, and
///   bool carry_home(const wire::FourTuple&, Packet) noexcept
/// by which the stack that a flow does come to, which is known, receives a frame of it; false: it
/// is lost.
template <class D>
concept Steered = requires(D d, const D c, const wire::FourTuple& tuple, typename D::Packet frame) {
  { c.comes_home(tuple) }
  noexcept->std::same_as<bool>;
  { c.knows_homes() }
  noexcept->std::same_as<bool>;
  { d.carry_home(tuple, std::move(frame)) }
  noexcept->std::same_as<bool>;
};

}  // namespace pollux::link
