#include "middlebox.h"

#include <algorithm>
#include <cstring>

#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/field.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

namespace pollux::world {
namespace {

constexpr std::size_t ethernet_size = wire::EthernetView::header_size;

/// Writes NOPs over the options of these kinds; whether there were any.
bool blank(std::span<std::byte> options, std::uint32_t kinds) {
  bool found = false;
  for (std::size_t at = 0; at < options.size();) {
    const std::uint8_t kind = wire::load_u8(options.data() + at);
    if (kind == 0) break;
    if (kind == 1) {
      ++at;
      continue;
    }
    if (at + 1 == options.size()) break;
    const std::size_t length = wire::load_u8(options.data() + at + 1);
    if (length < 2 || length > options.size() - at) break;
    if (kind < 32 && (kinds >> kind & 1) != 0) {
      std::memset(options.data() + at, 1, length);
      found = true;
    }
    at += length;
  }
  return found;
}

/// The segment's header ends behind its 20 bytes, and the frame is as much shorter.
void cut_options(sim::Frame& frame, PassingSegment& segment) {
  const std::size_t cut = segment.header_length() - wire::TcpFields::size;
  std::byte* const tcp = segment.tcp.data();
  std::memmove(tcp + wire::TcpFields::size, tcp + segment.header_length(),
               segment.tcp.size() - segment.header_length());
  wire::store_u8(tcp + 12, wire::TcpFields::size / 4 << 4);
  segment.tcp = segment.tcp.first(segment.tcp.size() - cut);
  const std::size_t total = segment.ip.size() + segment.tcp.size();
  wire::store_u16(segment.ip.data() + 2, static_cast<std::uint16_t>(total));
  frame.keep_front(ethernet_size + total);
}

}  // namespace

std::optional<PassingSegment> PassingSegment::find(sim::Frame& frame) {
  const auto ethernet = wire::EthernetView::parse(frame.bytes());
  wire::Ipv4View ip;
  wire::TcpView tcp;
  if (!ethernet || ethernet->type() != wire::ether_type::ipv4 ||
      wire::Ipv4View::parse(ethernet->payload(), ip) != Drop::none ||
      ip.protocol() != wire::protocol::tcp || ip.is_fragment() || !ip.checksum_ok() ||
      wire::TcpView::parse(ip.payload(), tcp) != Drop::none ||
      !tcp.checksum_ok(ip.pseudo_header())) {
    return std::nullopt;
  }
  const std::span<std::byte> datagram =
      frame.mutable_bytes().subspan(ethernet_size, ip.total_length());
  return PassingSegment{datagram.first(ip.header_length()), datagram.subspan(ip.header_length())};
}

std::size_t PassingSegment::header_length() const {
  return std::size_t{4} * (wire::load_u8(tcp.data() + 12) >> 4);
}

void PassingSegment::mend() {
  wire::store_u16(ip.data() + wire::Ipv4View::checksum_offset, 0);
  wire::store_u16(ip.data() + wire::Ipv4View::checksum_offset, wire::fold(wire::Sum{ip}));
  const wire::Sum pseudo =
      wire::pseudo_header(wire::Ipv4Address{wire::load_u32(ip.data() + 12)},
                          wire::Ipv4Address{wire::load_u32(ip.data() + 16)}, wire::protocol::tcp,
                          static_cast<std::uint16_t>(tcp.size()));
  wire::store_u16(tcp.data() + wire::TcpView::checksum_offset, 0);
  wire::store_u16(tcp.data() + wire::TcpView::checksum_offset,
                  wire::fold(wire::add(pseudo, wire::Sum{tcp})));
}

bool Nat::outwards(PassingSegment& segment) {
  const std::pair inner{wire::load_u32(segment.ip.data() + 12), wire::load_u16(segment.tcp.data())};
  auto at = outer_.find(inner);
  if (at == outer_.end()) {
    const std::uint8_t control = wire::load_u8(segment.tcp.data() + 13);
    if (options_.syn_only && (control & wire::control::syn) == 0) {
      ++refused_;
      return false;
    }
    // A port that is still somebody's is not given away; there are more ports than connections.
    while (inner_.contains(next_port_)) ++next_port_;
    inner_[next_port_] = {wire::Ipv4Address{inner.first}, inner.second};
    at = outer_.emplace(inner, next_port_++).first;
  }
  ++translated_;
  wire::store_u32(segment.ip.data() + 12, options_.outside.value());
  wire::store_u16(segment.tcp.data(), at->second);
  segment.mend();
  return true;
}

std::optional<wire::Ipv4Address> Nat::inwards(PassingSegment& segment) {
  const auto at = inner_.find(wire::load_u16(segment.tcp.data() + 2));
  if (at == inner_.end() || wire::load_u32(segment.ip.data() + 16) != options_.outside.value()) {
    ++refused_;
    return std::nullopt;
  }
  ++translated_;
  wire::store_u32(segment.ip.data() + 16, at->second.first.value());
  wire::store_u16(segment.tcp.data() + 2, at->second.second);
  segment.mend();
  return at->second.first;
}

void Nat::forget() {
  outer_.clear();
  inner_.clear();
  if (options_.same_ports_again) next_port_ = options_.first_port;
  if (options_.moves) options_.outside = wire::Ipv4Address{options_.outside.value() + 1};
}

void Middlebox::carry(Side& from, Side& to, Instant now) {
  sim::Device::Burst in;
  from.device.receive(in);
  for (sim::Frame& frame : std::span{in.data(), in.size()}) {
    change(frame, is_left(from));
    if (nat_) {
      const auto ethernet = wire::EthernetView::parse(frame.bytes());
      if (ethernet && ethernet->type() == wire::ether_type::arp) {
        answer_arp(from, to, ethernet->payload());
        continue;
      }
      if (!translate(frame, from, to)) continue;
    }
    ++passed_;
    pass(to, std::move(frame), now);
  }
  if (!to.thinner) return;
  std::vector<sim::Frame> due;
  to.thinner->expire(now, due);
  send_all(to, due);
}

void Middlebox::pass(Side& to, sim::Frame frame, Instant now) {
  std::vector<sim::Frame> frames;
  if (to.thinner) {
    to.thinner->take(std::move(frame), now, frames);
  } else {
    frames.push_back(std::move(frame));
  }
  send_all(to, frames);
}

std::optional<Instant> Middlebox::next_event() const {
  if (!left_.thinner) return std::nullopt;
  const auto left = left_.thinner->next_event();
  const auto right = right_.thinner->next_event();
  return left && right ? std::min(*left, *right) : left ? left : right;
}

void Middlebox::change(sim::Frame& frame, bool from_left) {
  auto segment = PassingSegment::find(frame);
  if (!segment) return;
  std::byte* const tcp = segment->tcp.data();
  const std::uint8_t control = wire::load_u8(tcp + 13);
  bool changed = false;
  if (options_.strip != 0 && (from_left || !options_.strip_to_the_right_only) &&
      ((control & wire::control::syn) != 0 || !options_.strip_syns_only)) {
    const std::size_t header = segment->header_length();
    if (options_.strip != MiddleboxOptions::all_kinds) {
      changed = blank(segment->tcp.subspan(wire::TcpFields::size, header - wire::TcpFields::size),
                      options_.strip);
    } else if (header != wire::TcpFields::size) {
      cut_options(frame, *segment);
      changed = true;
    }
  }
  if (options_.shift_left != 0 || options_.shift_right != 0) {
    const std::uint32_t own = from_left ? options_.shift_left : options_.shift_right;
    const std::uint32_t other = from_left ? options_.shift_right : options_.shift_left;
    wire::store_u32(tcp + 4, wire::load_u32(tcp + 4) + own);
    if ((control & wire::control::ack) != 0) {
      wire::store_u32(tcp + 8, wire::load_u32(tcp + 8) - other);
    }
    changed = true;
  }
  if (!changed) return;
  segment->mend();
  ++changed_;
}

bool Middlebox::translate(sim::Frame& frame, const Side& from, const Side& to) {
  auto segment = PassingSegment::find(frame);
  if (!segment) return false;
  wire::Ipv4Address destination{wire::load_u32(segment->ip.data() + 16)};
  if (is_left(from)) {
    if (!nat_->outwards(*segment)) return false;
  } else {
    const auto inner = nat_->inwards(*segment);
    if (!inner) return false;
    destination = *inner;
  }
  for (const Station& station : to.stations) {
    if (station.address != destination) continue;
    wire::EthernetFields{station.mac, to.device.mac(), wire::ether_type::ipv4}.write(
        frame.mutable_bytes());
    return true;
  }
  return false;
}

void Middlebox::answer_arp(Side& side, const Side& other, std::span<const std::byte> payload) {
  const auto arp = wire::ArpView::parse(payload);
  if (!arp || arp->operation() != wire::arp_operation::request) return;
  bool ours = !is_left(side) && arp->target_protocol() == nat_->outside();
  if (is_left(side)) {
    for (const Station& station : other.stations) {
      ours = ours || station.address == arp->target_protocol();
    }
  }
  sim::Frame frame = ours ? side.device.allocate() : sim::Frame{};
  if (!frame) return;
  wire::ArpFields{wire::arp_operation::reply, side.device.mac(), arp->target_protocol(),
                  arp->sender_hardware(), arp->sender_protocol()}
      .write(frame.append(wire::ArpFields::size));
  wire::EthernetFields{arp->sender_hardware(), side.device.mac(), wire::ether_type::arp}.write(
      frame.prepend(wire::EthernetFields::size));
  send(side, std::move(frame));
}

void Middlebox::send(Side& to, sim::Frame frame) {
  sim::Device::Burst out;
  out.push(std::move(frame));
  to.device.transmit(out);
  out.clear();
}

void Middlebox::send_all(Side& to, std::vector<sim::Frame>& frames) {
  for (sim::Frame& frame : frames) send(to, std::move(frame));
}

}  // namespace pollux::world
