#include "host.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"

namespace pollux::packetdrill {
namespace {

constexpr wire::Ipv4Address gateway{192, 168, 0, 2};
constexpr wire::MacAddress own_mac{{2, 0, 0, 0, 0, 1}};
constexpr wire::MacAddress gateway_mac{{2, 0, 0, 0, 0, 2}};

pipeline::Config pipeline_config(const tcp::Config& tcp) {
  pipeline::Config config;
  config.interface.addresses = {{{Host::own_address, 16}, 1}};
  config.interface.routes = {{{wire::Ipv4Address{}, 0}, gateway}};
  config.tcp = tcp;
  config.connections = 1'024;
  config.half_open = 1'024;
  config.time_wait = 1'024;
  config.flights = 1'024;
  config.send_pieces = 16'384;
  config.receive_pieces = 4'096;
  config.owned_packets = 2'048;
  config.neighbors = 64;
  config.seed = 1;
  config.cookie_seed = 0;  // scripts say the cookies that come from it
  return config;
}

}  // namespace

Host::Host(const tcp::Config& config, SocketEvents& events)
    : device_(pool_, {.name = "host", .mac = own_mac, .mtu = mtu}, 1),
      app_(events),
      stack_(*Stack::make(pipeline_config(config), device_, app_, now_)) {
  stack_->start(now_);
  // The gateway is known before the first script asks for it.
  advance_to(now_ + std::chrono::seconds(10));
}

Host::~Host() {
  stack_->stop(now_);
  settle();
  stack_.reset();
}

void Host::settle() {
  // A stack that always wants more at one instant would never let a script go on.
  for (int i = 0; i < 100'000; ++i) {
    stack_->poll(now_);
    std::vector<sim::Frame> out = std::exchange(device_.sent(), {});
    for (const sim::Frame& frame : out) sort_out(frame.bytes());
    const auto next = stack_->next_event();
    const bool more = device_.has_received() || (next && *next <= now_);
    if (!more && out.empty() && !device_.take_refusal()) return;
  }
}

void Host::advance_to(Instant when) {
  while (step(when)) {
  }
  now_ = std::max(now_, when);
  settle();
}

bool Host::step(Instant limit) {
  const auto next = stack_->next_event();
  if (!next || *next > limit) return false;
  now_ = std::max(now_, *next);
  settle();
  return true;
}

void Host::arrive(std::span<const std::byte> datagram) {
  if (datagram.empty() || datagram.size() > longest) return;
  const bool version_4 = static_cast<std::uint8_t>(datagram[0]) >> 4 == 4;
  deliver(version_4 ? wire::ether_type::ipv4 : std::uint16_t{0x86DD}, datagram);
  settle();
}

std::optional<Host::Sent> Host::take_sent() {
  if (sent_.empty()) return std::nullopt;
  Sent first = std::move(sent_.front());
  sent_.pop_front();
  return first;
}

void Host::deliver(std::uint16_t type, std::span<const std::byte> payload) {
  sim::Frame frame = pool_.allocate();
  if (!frame) return;
  std::memcpy(frame.append(payload.size()).data(), payload.data(), payload.size());
  wire::EthernetFields{own_mac, gateway_mac, type}.write(frame.prepend(wire::EthernetFields::size));
  device_.deliver(std::move(frame));
}

/// The gateway answers ARP, and hands datagrams on.
void Host::sort_out(std::span<const std::byte> frame) {
  const auto ethernet = wire::EthernetView::parse(frame);
  if (!ethernet) return;
  if (ethernet->type() == wire::ether_type::arp) {
    const auto arp = wire::ArpView::parse(ethernet->payload());
    if (!arp || arp->operation() != wire::arp_operation::request ||
        arp->target_protocol() == own_address) {
      return;
    }
    std::array<std::byte, wire::ArpFields::size> reply{};
    wire::ArpFields{wire::arp_operation::reply, gateway_mac, arp->target_protocol(), own_mac,
                    own_address}
        .write(reply);
    deliver(wire::ether_type::arp, reply);
    return;
  }
  wire::Ipv4View ip;
  if (ethernet->type() != wire::ether_type::ipv4 ||
      wire::Ipv4View::parse(ethernet->payload(), ip) != Drop::none) {
    return;
  }
  const auto whole = ethernet->payload().first(ip.total_length());
  sent_.push_back({{whole.begin(), whole.end()}, now_});
}

}  // namespace pollux::packetdrill
