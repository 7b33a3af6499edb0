// The whole pipeline, fed frames of any bytes. Flags of each frame ask for some of its fields to be
// made plausible, so that more than the first check of each layer is tried.

#include <array>
#include <vector>

#include "application/echo.h"
#include "input.h"
#include "stack.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include "wire/vlan.h"

namespace pollux::fuzz {
namespace {

constexpr std::uint16_t port = 7;

/// Both echo services: everything that comes in good order goes out again.
class Echo {
 public:
  struct Session {};
  void on_start(auto& stack) noexcept {
    tcp_.on_start(stack);
    udp_.on_start(stack);
  }
  void on_readable(auto& stream) noexcept { tcp_.on_readable(stream); }
  void on_writable(auto& stream) noexcept { tcp_.on_writable(stream); }
  void on_peer_closed(auto& stream) noexcept { tcp_.on_peer_closed(stream); }
  void on_closed(auto&, application::StreamId, Session&, Cause) noexcept {}
  void on_datagram(auto& stack, const application::Datagram& datagram) noexcept {
    udp_.on_datagram(stack, datagram);
  }

 private:
  application::TcpEcho tcp_{port};
  application::UdpEcho udp_{port};
};

/// What the stack sends must be sound; of TCP the numbers are kept, for frames that continue.
class Wire {
 public:
  void hear(std::span<const std::byte> frame) {
    const auto ethernet = wire::EthernetView::parse(frame);
    POLLUX_REQUIRE(ethernet && ethernet->source() == own_mac);
    if (ethernet->type() != wire::ether_type::ipv4) return;
    wire::Ipv4View ip;
    POLLUX_REQUIRE(wire::Ipv4View::parse(ethernet->payload(), ip) == Drop::none);
    POLLUX_REQUIRE(ip.checksum_ok() && ip.source() == own_address && ip.total_length() <= 1500);
    if (ip.is_fragment() || ip.protocol() != wire::protocol::tcp) return;
    wire::TcpView tcp;
    POLLUX_REQUIRE(wire::TcpView::parse(ip.payload(), tcp) == Drop::none);
    POLLUX_REQUIRE(tcp.checksum_ok(ip.pseudo_header()));
    seq = tcp.seq() + static_cast<std::uint32_t>(tcp.text().size()) +
          ((tcp.control() & (wire::control::syn | wire::control::fin)) != 0 ? 1u : 0u);
    ack = tcp.ack();
  }

  wire::SeqNum seq;  // behind what came last from the stack
  wire::SeqNum ack;  // what it expects
};

namespace flags {
constexpr std::uint8_t for_us = 1;        // an Ethernet header of IPv4 is put before it
constexpr std::uint8_t ip_lengths = 2;    // version, header length and total length
constexpr std::uint8_t ip_addresses = 4;  // from the peer to us
constexpr std::uint8_t ip_checksum = 8;   // right
constexpr std::uint8_t ports = 16;        // from one of four to the echo service
constexpr std::uint8_t numbers = 32;      // of TCP: relative to what the stack expects
constexpr std::uint8_t sum_above = 64;    // the checksum of what IPv4 carries
constexpr std::uint8_t wait = 128;        // time passes, as a byte says, behind it
}  // namespace flags

void mend_transport(std::span<std::byte> payload, std::uint8_t protocol, std::uint8_t which,
                    const Wire& wire) {
  const bool tcp = protocol == wire::protocol::tcp && payload.size() >= wire::TcpFields::size;
  const bool udp = protocol == wire::protocol::udp && payload.size() >= wire::UdpFields::size;
  if ((which & flags::ports) != 0 && (tcp || udp)) {
    wire::store_u16(&payload[0], static_cast<std::uint16_t>(5000 + wire::load_u8(&payload[1]) % 4));
    wire::store_u16(&payload[2], port);
    if (udp) wire::store_u16(&payload[4], static_cast<std::uint16_t>(payload.size()));
  }
  if ((which & flags::numbers) != 0 && tcp) {
    // Small differences of either sign stay as they are; the upper half is made to fit.
    const auto near = [&](std::size_t at, wire::SeqNum base) {
      const auto difference = static_cast<std::int16_t>(wire::load_u16(&payload[at + 2]));
      wire::store_u32(&payload[at], base.value() + static_cast<std::uint32_t>(difference));
    };
    near(4, wire.ack);
    near(8, wire.seq);
    // A header without options, unless the field is sound.
    const std::size_t header = std::size_t{wire::load_u8(&payload[12])} / 16 * 4;
    if (header < 20 || header > payload.size()) wire::store_u8(&payload[12], 0x50);
  }
  if ((which & flags::sum_above) == 0) return;
  std::size_t at = wire::IcmpView::checksum_offset;
  std::uint64_t sum = 0;
  if (protocol != wire::protocol::icmp) {
    if (!tcp && !udp) return;
    at = tcp ? wire::TcpView::checksum_offset : wire::UdpView::checksum_offset;
    sum = wire::pseudo_header(peer_address, own_address, protocol,
                              static_cast<std::uint16_t>(payload.size()))
              .partial();
  }
  if (payload.size() < at + 2) return;
  wire::store_u16(&payload[at], 0);
  wire::store_u16(&payload[at], plain_checksum(payload, sum));
}

void mend_ipv4(std::span<std::byte> datagram, std::uint8_t which, const Wire& wire) {
  if (datagram.size() < wire::Ipv4Fields::size) return;
  if ((which & flags::ip_lengths) != 0) {
    const unsigned words = wire::load_u8(&datagram[0]) % 16;
    const bool sound = words >= 5 && words * 4 <= datagram.size();
    wire::store_u8(&datagram[0], static_cast<std::uint8_t>(0x40 | (sound ? words : 5)));
    wire::store_u16(&datagram[2], static_cast<std::uint16_t>(datagram.size()));
  }
  if ((which & flags::ip_addresses) != 0) {
    wire::store_u32(&datagram[12], peer_address.value());
    wire::store_u32(&datagram[16], own_address.value());
  }
  wire::Ipv4View ip;
  if (wire::Ipv4View::parse(datagram, ip) != Drop::none) return;
  mend_transport(datagram.subspan(ip.header_length(), ip.payload().size()), ip.protocol(), which,
                 wire);
  if ((which & flags::ip_checksum) != 0) {
    const auto header = datagram.first(ip.header_length());
    wire::store_u16(&header[wire::Ipv4View::checksum_offset], 0);
    wire::store_u16(&header[wire::Ipv4View::checksum_offset], plain_checksum(header));
  }
}

std::vector<std::byte> link_header(std::optional<std::uint16_t> vlan) {
  std::vector<std::byte> out(wire::EthernetFields::size + (vlan ? wire::VlanFields::size : 0));
  const std::uint16_t type = vlan ? wire::ether_type::vlan : wire::ether_type::ipv4;
  wire::EthernetFields{own_mac, peer_mac, type}.write(out);
  if (vlan) {
    wire::VlanFields{.id = *vlan, .type = wire::ether_type::ipv4}.write(
        std::span{out}.subspan(wire::EthernetFields::size));
  }
  return out;
}

void run(Input in) {
  const std::uint8_t setup = in.u8();
  pipeline::Config config = small_config();
  if ((setup & 1) != 0) config.interface.vlan = 5;
  if ((setup & 2) != 0) config.tcp.delayed_ack = 0ms;
  config.tcp.timestamps = (setup & 4) != 0;
  sim::DeviceOptions device = small_device();
  if ((setup & 8) != 0) device.offload = sim::Offload::lies_always_good;
  Echo echo;
  Wire wire;
  Stack<Echo, Wire> stack{config, echo, wire, Instant{1h}, device};
  // The peer is known from the start.
  std::array<std::byte, wire::EthernetFields::size + wire::ArpFields::size> arp{};
  wire::EthernetFields{own_mac, peer_mac, wire::ether_type::arp}.write(arp);
  wire::ArpFields{wire::arp_operation::request, peer_mac, peer_address, {}, own_address}.write(
      std::span{arp}.subspan(wire::EthernetFields::size));
  stack.deliver(arp);
  stack.poll();

  while (!in.empty()) {
    const std::uint8_t which = in.u8();
    const std::size_t size = std::size_t{in.u8()} * ((which & flags::wait) != 0 ? 6 : 1);
    const auto body = in.take(size);
    std::vector<std::byte> frame;
    if ((which & flags::for_us) != 0) frame = link_header(config.interface.vlan);
    const std::size_t header = frame.size();
    frame.insert(frame.end(), body.begin(), body.end());
    if (header != 0) mend_ipv4(std::span{frame}.subspan(header), which, wire);
    stack.deliver(frame);
    stack.poll();
    if ((which & flags::wait) != 0) stack.run_for(in.u8() * 50ms, 20);
  }
  stack.stop();
}

}  // namespace
}  // namespace pollux::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pollux::fuzz::run({data, size});
  return 0;
}
