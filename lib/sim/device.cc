#include "sim/device.h"

#include <algorithm>
#include <utility>

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"

namespace pollux::sim {
namespace {

/// Replaces the pseudo-header's sum at `field` by the checksum of all from `begin` on.
void finish_sum(std::span<std::byte> frame, std::size_t begin, std::size_t field, bool udp) {
  if (frame.size() < field + 2) return;
  std::uint16_t sum = wire::fold(wire::Sum{frame.subspan(begin)});
  if (udp && sum == 0) sum = 0xFFFF;  // 0 would say that there is none (RFC 768)
  wire::store_u16(frame.data() + field, sum);
}

/// What an honest card does with a ChecksumRequest.
void finish(Frame& frame) {
  const packet::ChecksumRequest& request = frame.requested();
  const std::span<std::byte> bytes = frame.mutable_bytes();
  const std::size_t l3 = request.l2_length;
  const std::size_t l4 = l3 + request.l3_length;
  if (request.tcp) finish_sum(bytes, l4, l4 + 16, false);
  if (request.udp) finish_sum(bytes, l4, l4 + 6, true);
  if (request.ipv4 && bytes.size() >= l4) {
    wire::store_u16(bytes.data() + l3 + 10, 0);
    const std::uint16_t sum = wire::fold(wire::Sum{bytes.subspan(l3, request.l3_length)});
    wire::store_u16(bytes.data() + l3 + 10, sum);
  }
}

/// What an honest card says of an untagged, unfragmented TCP or UDP frame; unknown of all others.
void look_at(Frame& frame) {
  using packet::Verified;
  const std::span<const std::byte> bytes = frame.bytes();
  constexpr std::size_t l3 = wire::EthernetView::header_size;
  if (bytes.size() < l3 + 20 || wire::load_u16(bytes.data() + 12) != wire::ether_type::ipv4) return;
  const std::byte* const ip = bytes.data() + l3;
  const std::size_t header = std::size_t{wire::load_u8(ip)} % 16 * 4;
  const std::size_t total = wire::load_u16(ip + 2);
  if (wire::load_u8(ip) >> 4 != 4 || header < 20 || total < header) return;
  if (bytes.size() < l3 + total) return;
  const bool ip_good = wire::fold(wire::Sum{bytes.subspan(l3, header)}) == 0;
  const std::uint8_t protocol = wire::load_u8(ip + 9);
  const bool fragment = (wire::load_u16(ip + 6) & 0x3FFF) != 0;
  Verified l4 = Verified::unknown;
  const bool tcp = protocol == 6 && total - header >= 20;
  const bool udp = protocol == 17 && total - header >= 8 && wire::load_u16(ip + header + 6) != 0 &&
                   wire::load_u16(ip + header + 4) == total - header;
  if (!fragment && (tcp || udp)) {
    wire::Sum sum = wire::pseudo_header(wire::Ipv4Address{wire::load_u32(ip + 12)},
                                        wire::Ipv4Address{wire::load_u32(ip + 16)}, protocol,
                                        static_cast<std::uint16_t>(total - header));
    sum.add(bytes.subspan(l3 + header, total - header));
    l4 = wire::fold(sum) == 0 ? Verified::good : Verified::bad;
  }
  frame.set_verified(ip_good ? Verified::good : Verified::bad, l4);
}

}  // namespace

Device::Device(FramePool& pool, DeviceOptions options, std::uint64_t seed)
    : pool_(pool), options_(std::move(options)), prng_(seed), ring_(options_.receive_room) {
  sent_.reserve(options_.transmit_room);
}

void Device::receive(Burst& burst) noexcept {
  while (receive_count_ != 0 && !burst.full()) {
    burst.push(std::move(ring_[receive_next_]));
    receive_next_ = (receive_next_ + 1) % ring_.size();
    --receive_count_;
    ++counts_.received;
  }
}

std::size_t Device::transmit(Burst& burst) noexcept {
  std::size_t taken = 0;
  while (taken < burst.size() && sent_.size() < options_.transmit_room &&
         !(options_.transmit_refusal > 0 && prng_.chance(options_.transmit_refusal))) {
    Frame& frame = burst[taken];
    if (options_.offload == Offload::honest) finish(frame);
    sent_.push_back(std::move(frame));
    ++taken;
  }
  if (taken < burst.size()) {
    ++counts_.transmit_refused;
    refused_ = true;
  }
  counts_.sent += taken;
  burst.remove_front(taken);
  return taken;
}

Frame Device::allocate() noexcept {
  account_.limit = options_.frames;
  const bool fails = options_.allocate_failure > 0 && prng_.chance(options_.allocate_failure);
  Frame frame = fails ? Frame{} : pool_.allocate(&account_);
  if (!frame) ++counts_.allocate_failed;
  return frame;
}

link::Capabilities Device::capabilities() const noexcept {
  const bool sends =
      options_.offload == Offload::honest || options_.offload == Offload::lies_on_send;
  const bool receives =
      options_.offload == Offload::honest || options_.offload == Offload::lies_always_good;
  return {.transmit_ipv4_checksum = sends,
          .transmit_tcp_checksum = sends,
          .transmit_udp_checksum = sends,
          .receive_checksum = receives};
}

void Device::deliver(Frame frame) noexcept {
  if (account_.live >= options_.frames) {
    ++counts_.receive_no_frame;
    return;
  }
  if (receive_count_ >= options_.receive_room) {
    ++counts_.receive_full;
    return;
  }
  frame.charge(&account_);
  frame.set_verified(packet::Verified::unknown, packet::Verified::unknown);
  if (options_.offload == Offload::honest) look_at(frame);
  if (options_.offload == Offload::lies_always_good) {
    frame.set_verified(packet::Verified::good, packet::Verified::good);
  }
  ring_[(receive_next_ + receive_count_) % ring_.size()] = std::move(frame);
  ++receive_count_;
}

}  // namespace pollux::sim
