#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/time.h"
#include "sim/device.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"

namespace pollux::world {

/// A host without a stack: it answers ARP for its address, sends the datagrams that a test gives
/// it, and keeps those that come.
class RawHost {
 public:
  RawHost(sim::Device& device, wire::Ipv4Address own) : device_(device), own_(own) {}

  /// Sends a datagram with this header (length and checksum are filled in) in the next poll.
  void send(wire::MacAddress to, wire::Ipv4Fields ip, std::span<const std::byte> payload) {
    sim::Frame frame = device_.allocate();
    if (!frame) return;
    ip.source = own_;
    ip.total_length = static_cast<std::uint16_t>(wire::Ipv4Fields::size + payload.size());
    std::memcpy(frame.append(payload.size()).data(), payload.data(), payload.size());
    ip.write(frame.prepend(wire::Ipv4Fields::size));
    wire::EthernetFields{to, device_.mac(), wire::ether_type::ipv4}.write(
        frame.prepend(wire::EthernetFields::size));
    out_.push_back(std::move(frame));
  }

  /// Sends these bytes as they are.
  void send_frame(std::span<const std::byte> bytes) {
    sim::Frame frame = device_.allocate();
    if (!frame) return;
    std::memcpy(frame.append(bytes.size()).data(), bytes.data(), bytes.size());
    out_.push_back(std::move(frame));
  }

  void poll(Instant) {
    sim::Device::Burst burst;
    device_.receive(burst);
    for (sim::Frame& frame : std::span{burst.data(), burst.size()}) take(frame.bytes());
    burst.clear();
    for (sim::Frame& frame : out_) {
      burst.push(std::move(frame));
      if (burst.full()) device_.transmit(burst);
    }
    device_.transmit(burst);
    out_.clear();
  }
  std::optional<Instant> next_event() const { return std::nullopt; }

  /// Whole IPv4 datagrams, header and all, without the frame's padding.
  std::vector<std::vector<std::byte>> datagrams;
  /// Every frame, as it came.
  std::vector<std::vector<std::byte>> frames;
  /// Whether it answers ARP.
  bool present = true;

 private:
  void take(std::span<const std::byte> bytes) {
    frames.emplace_back(bytes.begin(), bytes.end());
    const auto ethernet = wire::EthernetView::parse(bytes);
    if (!ethernet) return;
    if (ethernet->type() == wire::ether_type::arp) return answer(ethernet->payload());
    wire::Ipv4View ip;
    if (ethernet->type() != wire::ether_type::ipv4 ||
        wire::Ipv4View::parse(ethernet->payload(), ip) != Drop::none) {
      return;
    }
    const auto whole = ethernet->payload().first(ip.total_length());
    datagrams.emplace_back(whole.begin(), whole.end());
  }
  void answer(std::span<const std::byte> bytes) {
    const auto arp = wire::ArpView::parse(bytes);
    if (!arp || !present || arp->operation() != wire::arp_operation::request ||
        arp->target_protocol() != own_) {
      return;
    }
    sim::Frame frame = device_.allocate();
    if (!frame) return;
    wire::ArpFields{wire::arp_operation::reply, device_.mac(), own_, arp->sender_hardware(),
                    arp->sender_protocol()}
        .write(frame.append(wire::ArpFields::size));
    wire::EthernetFields{arp->sender_hardware(), device_.mac(), wire::ether_type::arp}.write(
        frame.prepend(wire::EthernetFields::size));
    out_.push_back(std::move(frame));
  }

  sim::Device& device_;
  wire::Ipv4Address own_;
  std::vector<sim::Frame> out_;
};

}  // namespace pollux::world
