#include "ack_thinner.h"

#include <algorithm>
#include <utility>

#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

namespace pollux::world {
namespace {

struct Segment {
  std::array<std::uint32_t, 3> flow;
  wire::SeqNum ack;
  bool bare;  // an ACK and no more
};

std::optional<Segment> read(const sim::Frame& frame) {
  const auto ethernet = wire::EthernetView::parse(frame.bytes());
  wire::Ipv4View ip;
  wire::TcpView tcp;
  if (!ethernet || ethernet->type() != wire::ether_type::ipv4 ||
      wire::Ipv4View::parse(ethernet->payload(), ip) != Drop::none ||
      ip.protocol() != wire::protocol::tcp || ip.is_fragment() ||
      wire::TcpView::parse(ip.payload(), tcp) != Drop::none ||
      !tcp.checksum_ok(ip.pseudo_header())) {
    return std::nullopt;
  }
  const bool bare = tcp.control() == wire::control::ack && tcp.text().empty() &&
                    wire::parse_options(tcp.options()).sack_count == 0;
  return Segment{{ip.source().value(), ip.destination().value(),
                  std::uint32_t{tcp.source_port()} << 16 | tcp.destination_port()},
                 tcp.ack(),
                 bare};
}

}  // namespace

void AckThinner::take(sim::Frame frame, Instant now, std::vector<sim::Frame>& out) {
  const auto segment = read(frame);
  if (!segment) {
    out.push_back(std::move(frame));
    return;
  }
  const auto at = held_.find(segment->flow);
  if (at != held_.end() && segment->bare && at->second.ack < segment->ack) {
    Held& held = at->second;
    held.frame = std::move(frame);
    held.ack = segment->ack;
    ++dropped_;
    if (++held.joined >= options_.most) release(segment->flow, out);
    return;
  }
  if (at == held_.end() && segment->bare) {
    held_.emplace(segment->flow, Held{std::move(frame), segment->ack, 1, now + options_.hold});
    return;
  }
  release(segment->flow, out);
  out.push_back(std::move(frame));
}

void AckThinner::expire(Instant now, std::vector<sim::Frame>& out) {
  std::vector<Flow> due;
  for (const auto& [flow, held] : held_) {
    if (held.until <= now) due.push_back(flow);
  }
  for (const Flow& flow : due) release(flow, out);
}

std::optional<Instant> AckThinner::next_event() const {
  std::optional<Instant> earliest;
  for (const auto& [flow, held] : held_) {
    earliest = std::min(earliest.value_or(held.until), held.until);
  }
  return earliest;
}

void AckThinner::release(Flow flow, std::vector<sim::Frame>& out) {
  const auto at = held_.find(flow);
  if (at == held_.end()) return;
  out.push_back(std::move(at->second.frame));
  held_.erase(at);
}

}  // namespace pollux::world
