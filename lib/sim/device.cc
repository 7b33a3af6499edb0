#include "sim/device.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

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

/// Makes one of several segments of a copy of their common headers with the text from `offset` on.
void make_segment(std::span<std::byte> bytes, const packet::ChecksumRequest& request,
                  std::size_t offset, bool first, bool last) {
  using namespace wire::control;
  std::byte* const ip = bytes.data() + request.l2_length;
  std::byte* const tcp = ip + request.l3_length;
  const auto size = static_cast<std::uint16_t>(bytes.size() - request.l2_length);
  const auto payload = static_cast<std::uint16_t>(size - request.l3_length);
  const std::size_t number = offset / request.segment_size;
  wire::store_u16(ip + 2, size);
  wire::store_u16(ip + 4, static_cast<std::uint16_t>(wire::load_u16(ip + 4) + number));
  wire::store_u16(ip + 10, 0);
  wire::store_u16(ip + 10, wire::fold(wire::Sum{{ip, request.l3_length}}));
  wire::store_u32(tcp + 4, wire::load_u32(tcp + 4) + static_cast<std::uint32_t>(offset));
  std::uint8_t bits = wire::load_u8(tcp + 13);
  if (!first) bits = static_cast<std::uint8_t>(bits & ~cwr);
  if (!last) bits = static_cast<std::uint8_t>(bits & ~(fin | psh));
  wire::store_u8(tcp + 13, bits);
  // The pseudo-header's sum came without the length.
  const std::uint16_t pseudo = wire::load_u16(tcp + 16);
  wire::store_u16(tcp + 16, wire::Sum{}.add_u16(pseudo).add_u16(payload).partial());
  finish_sum(bytes, std::size_t{request.l2_length} + request.l3_length,
             std::size_t{request.l2_length} + request.l3_length + wire::TcpView::checksum_offset,
             false);
}

/// What is merged: a segment with text, and nothing else to say than that and an ACK, in an
/// untagged frame.
struct Mergeable {
  wire::Ipv4View ip;
  wire::TcpView tcp;

  static std::optional<Mergeable> of(const Frame& frame) {
    constexpr std::size_t l3 = wire::EthernetView::header_size;
    const std::span<const std::byte> bytes = frame.bytes();
    Mergeable out;
    if (bytes.size() < l3 || wire::load_u16(bytes.data() + 12) != wire::ether_type::ipv4 ||
        wire::Ipv4View::parse(bytes.subspan(l3), out.ip) != Drop::none || out.ip.is_fragment() ||
        out.ip.header_length() != wire::Ipv4View::min_header_size ||
        out.ip.protocol() != wire::protocol::tcp ||
        wire::TcpView::parse(out.ip.payload(), out.tcp) != Drop::none || out.tcp.text().empty() ||
        (out.tcp.control() & ~wire::control::psh) != wire::control::ack) {
      return std::nullopt;
    }
    return out;
  }
  bool goes_on_with(const Mergeable& next) const {
    const auto same = [](std::span<const std::byte> a, std::span<const std::byte> b) {
      return std::equal(a.begin(), a.end(), b.begin(), b.end());
    };
    return ip.source() == next.ip.source() && ip.destination() == next.ip.destination() &&
           ip.tos() == next.ip.tos() && tcp.source_port() == next.tcp.source_port() &&
           tcp.destination_port() == next.tcp.destination_port() && tcp.ack() == next.tcp.ack() &&
           tcp.window() == next.tcp.window() && same(tcp.options(), next.tcp.options()) &&
           (tcp.control() & wire::control::psh) == 0 &&
           tcp.seq() + static_cast<std::uint32_t>(tcp.text().size()) == next.tcp.seq();
  }
};

/// Puts the text of `next` behind that of `last`, where both are good and it follows. What comes of
/// it has no right TCP checksum.
bool merge(Frame& last, const Frame& next, std::uint32_t most) {
  using packet::Verified;
  if (most == 0 || last.ip_verified() != Verified::good || last.l4_verified() == Verified::bad ||
      last.l4_verified() == Verified::unknown || next.l4_verified() != Verified::good) {
    return false;
  }
  const auto before = Mergeable::of(last);
  const auto after = Mergeable::of(next);
  if (!before || !after || !before->goes_on_with(*after)) return false;
  const std::span<const std::byte> text = after->tcp.text();
  if (before->tcp.text().size() + text.size() > most) return false;
  const auto total = static_cast<std::uint16_t>(before->ip.total_length() + text.size());
  const std::uint8_t pushed = after->tcp.control();
  constexpr std::size_t l3 = wire::EthernetView::header_size;
  last.keep_front(l3 + before->ip.total_length());  // without padding
  if (last.tailroom() < text.size()) return false;
  std::copy(text.begin(), text.end(), last.append(text.size()).begin());
  std::byte* const ip = last.mutable_bytes().data() + l3;
  wire::store_u16(ip + 2, total);
  wire::store_u16(ip + 10, 0);
  wire::store_u16(ip + 10, wire::fold(wire::Sum{{ip, wire::Ipv4View::min_header_size}}));
  wire::store_u8(ip + wire::Ipv4View::min_header_size + 13, pushed);
  last.set_verified(Verified::good, Verified::unfinished);
  return true;
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
    send(std::move(burst[taken]));
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

void Device::send(Frame frame) {
  if (options_.offload != Offload::honest) {
    sent_.push_back(std::move(frame));
  } else if (frame.requested().segment_size != 0) {
    ++counts_.cut;
    cut(std::move(frame));
  } else {
    finish(frame);
    sent_.push_back(std::move(frame));
  }
}

/// Sends the text in segments of the size that is asked for, with headers like the frame's.
void Device::cut(Frame frame) {
  const packet::ChecksumRequest request = frame.requested();
  std::vector<std::byte> whole;
  while (frame) {
    whole.insert(whole.end(), frame.bytes().begin(), frame.bytes().end());
    frame = frame.detach();
  }
  const std::size_t headers =
      std::size_t{request.l2_length} + request.l3_length + request.l4_length;
  POLLUX_ASSERT(whole.size() > headers && whole.size() - headers <= options_.cuts_up_to);
  for (std::size_t at = headers; at < whole.size(); at += request.segment_size) {
    const std::size_t text = std::min<std::size_t>(request.segment_size, whole.size() - at);
    Frame piece = pool_.allocate(&account_);
    if (!piece) {
      ++counts_.cut_no_frame;
      continue;
    }
    const std::span<std::byte> bytes = piece.append(headers + text);
    std::copy_n(whole.begin(), headers, bytes.begin());
    std::copy_n(whole.begin() + static_cast<std::ptrdiff_t>(at), text,
                bytes.begin() + static_cast<std::ptrdiff_t>(headers));
    make_segment(bytes, request, at - headers, at == headers, at + text == whole.size());
    sent_.push_back(std::move(piece));
  }
}

Frame Device::allocate() noexcept {
  account_.limit = options_.frames;
  const bool fails = options_.allocate_failure > 0 && prng_.chance(options_.allocate_failure);
  Frame frame = fails ? Frame{} : pool_.allocate(&account_);
  if (!frame) ++counts_.allocate_failed;
  return frame;
}

std::uint32_t Device::spare_buffers() const noexcept {
  const std::size_t spare = options_.frames - std::min(options_.frames, account_.live);
  return static_cast<std::uint32_t>(std::min<std::size_t>(spare, 0xFFFF'FFFF));
}

link::Capabilities Device::capabilities() const noexcept {
  const bool sends =
      options_.offload == Offload::honest || options_.offload == Offload::lies_on_send;
  const bool receives =
      options_.offload == Offload::honest || options_.offload == Offload::lies_always_good;
  return {.transmit_ipv4_checksum = sends,
          .transmit_tcp_checksum = sends,
          .transmit_udp_checksum = sends,
          .receive_checksum = receives,
          .transmit_tcp_text = options_.offload == Offload::honest ? options_.cuts_up_to : 0};
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
  if (options_.offload == Offload::honest && receive_count_ != 0 &&
      merge(ring_[(receive_next_ + receive_count_ - 1) % ring_.size()], frame,
            options_.merges_up_to)) {
    ++counts_.merged;
    return;
  }
  if (options_.offload == Offload::lies_always_good) {
    frame.set_verified(packet::Verified::good, packet::Verified::good);
  }
  ring_[(receive_next_ + receive_count_) % ring_.size()] = std::move(frame);
  ++receive_count_;
}

}  // namespace pollux::sim
