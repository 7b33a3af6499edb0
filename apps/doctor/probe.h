#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "packet/packet.h"
#include "wire/address.h"

/// The frames by which offloads are tried, and what became of them on the way.
namespace pollux::doctor {

/// A TCP segment or UDP datagram between two addresses that are for measurements (RFC 2544
/// s.C.2.2), of a text that follows from `serial` and the place in it. No router passes it on.
struct Probe {
  wire::MacAddress source = {};
  wire::MacAddress destination = {};
  std::uint16_t serial = 0;  // also the source port: a flow for each
  bool udp = false;
  std::uint32_t text = 64;   // bytes
  std::uint32_t offset = 0;  // of its first byte in the flow's text
  bool last = true;
  /// What is broken on purpose.
  bool bad_ipv4_sum = false;
  bool bad_sum = false;

  static constexpr std::size_t headers = 14 + 20 + 20;
  std::size_t header_bytes() const { return udp ? headers - 12 : headers; }

  /// Writes the headers, with the sums that `request` leaves to us, and for a packet that is to be
  /// cut the pseudo-header's as a device expects it. `text_bytes` lie behind them already, or in
  /// further buffers.
  void write_headers(std::span<std::byte> to, const packet::ChecksumRequest& request) const;
  /// The text's bytes from `at` on.
  void write_text(std::span<std::byte> to, std::uint32_t at) const;
};

/// What a device is asked for where all is left to it.
packet::ChecksumRequest request_for(const Probe& probe, bool ipv4, bool transport,
                                    std::uint16_t segment_size = 0);

/// A frame of ours, as it came.
struct Arrival {
  std::uint16_t serial = 0;
  std::uint32_t offset = 0;
  std::uint32_t text = 0;
  bool last = false;
  bool text_ok = false;
  bool ipv4_sum_ok = false;
  bool sum_ok = false;

  /// Nothing where it is none of ours.
  static std::optional<Arrival> parse(std::span<const std::byte> frame);
};

/// Where a probe comes from and goes to, as its receiver sees it.
wire::FourTuple tuple_of(std::uint16_t serial);

}  // namespace pollux::doctor
