#include "doctor/probe.h"

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace pollux::doctor {
namespace {

constexpr wire::Ipv4Address source_address{198, 18, 0, 1};
constexpr wire::Ipv4Address destination_address{198, 18, 0, 2};
constexpr std::uint16_t discard_port = 9;
constexpr std::uint16_t first_port = 20'000;
constexpr std::uint32_t first_number = 0x1234'5678;
constexpr std::size_t ethernet = wire::EthernetFields::size;
constexpr std::size_t ipv4 = wire::Ipv4Fields::size;

std::byte text_byte(std::uint16_t serial, std::uint32_t at) {
  return static_cast<std::byte>((serial * 31u + at * 7u + (at >> 8)) & 0xFF);
}

void break_at(std::byte* at) { wire::store_u16(at, wire::load_u16(at) ^ 0x5555); }

}  // namespace

void Probe::write_text(std::span<std::byte> to, std::uint32_t at) const {
  for (std::byte& byte : to) byte = text_byte(serial, offset + at++);
}

void Probe::write_headers(std::span<std::byte> to, const packet::ChecksumRequest& request) const {
  wire::EthernetFields{destination, source, wire::ether_type::ipv4}.write(to);
  const std::size_t transport = udp ? wire::UdpFields::size : wire::TcpFields::size;
  const auto length = static_cast<std::uint16_t>(transport + text);
  const std::uint8_t protocol = udp ? wire::protocol::udp : wire::protocol::tcp;
  const wire::Ipv4Fields fields{.total_length = static_cast<std::uint16_t>(ipv4 + length),
                                .identification = serial,
                                .dont_fragment = true,
                                .ttl = 1,
                                .protocol = protocol,
                                .source = source_address,
                                .destination = destination_address};
  const auto ip = to.subspan(ethernet, ipv4);
  if (request.ipv4) {
    fields.write_without_checksum(ip);
  } else {
    fields.write(ip);
  }
  if (bad_ipv4_sum) break_at(ip.data() + wire::Ipv4View::checksum_offset);

  const auto behind = to.subspan(ethernet + ipv4, transport);
  const auto port = static_cast<std::uint16_t>(first_port + serial);
  wire::Sum sum = wire::pseudo_header(source_address, destination_address, protocol,
                                      request.segment_size == 0 ? length : std::uint16_t{0});
  std::size_t at = wire::TcpView::checksum_offset;
  wire::Sum header;
  if (udp) {
    at = wire::UdpView::checksum_offset;
    header = wire::UdpFields{port, discard_port, length, 0}.write(behind);
  } else {
    const std::uint8_t bits = last ? wire::control::ack | wire::control::psh : wire::control::ack;
    header = wire::TcpFields{.source_port = port,
                             .destination_port = discard_port,
                             .seq = wire::SeqNum{first_number + offset},
                             .ack = wire::SeqNum{1},
                             .control = bits,
                             .window = 1'000}
                 .write(behind);
  }
  if (request.tcp || request.udp) {
    wire::store_u16(behind.data() + at, sum.partial());
    return;
  }
  sum.add(header);
  for (std::uint32_t i = 0; i < text; i += 2) {
    const auto high = static_cast<unsigned>(text_byte(serial, offset + i)) << 8;
    const auto low = i + 1 < text ? static_cast<unsigned>(text_byte(serial, offset + i + 1)) : 0u;
    sum.add_u16(static_cast<std::uint16_t>(high | low));
  }
  wire::store_u16(behind.data() + at, udp ? wire::fold_udp(sum) : wire::fold(sum));
  if (bad_sum) break_at(behind.data() + at);
}

packet::ChecksumRequest request_for(const Probe& probe, bool of_ipv4, bool transport,
                                    std::uint16_t segment_size) {
  return {.l2_length = ethernet,
          .l3_length = ipv4,
          .ipv4 = of_ipv4,
          .tcp = transport && !probe.udp,
          .udp = transport && probe.udp,
          .segment_size = segment_size,
          .l4_length = static_cast<std::uint16_t>(probe.udp ? wire::UdpFields::size
                                                            : wire::TcpFields::size)};
}

std::optional<Arrival> Arrival::parse(std::span<const std::byte> frame) {
  const auto link = wire::EthernetView::parse(frame);
  if (!link || link->type() != wire::ether_type::ipv4) return std::nullopt;
  wire::Ipv4View ip;
  if (wire::Ipv4View::parse(link->payload(), ip) != Drop::none) return std::nullopt;
  if (ip.source() != source_address || ip.destination() != destination_address) {
    return std::nullopt;
  }
  Arrival out;
  std::span<const std::byte> text;
  std::uint16_t port = 0;
  if (ip.protocol() == wire::protocol::tcp) {
    wire::TcpView tcp;
    if (wire::TcpView::parse(ip.payload(), tcp) != Drop::none) return std::nullopt;
    text = tcp.text();
    port = tcp.source_port();
    out.offset = static_cast<std::uint32_t>(tcp.seq() - wire::SeqNum{first_number});
    out.last = (tcp.control() & wire::control::psh) != 0;
    out.sum_ok = tcp.checksum_ok(ip.pseudo_header());
  } else {
    wire::UdpView udp;
    if (wire::UdpView::parse(ip.payload(), udp) != Drop::none) return std::nullopt;
    text = udp.payload();
    port = udp.source_port();
    // A sum of zero would be right, but ours were to be made.
    out.sum_ok = udp.checksum() != 0 && udp.checksum_ok(ip.pseudo_header());
    out.last = true;
  }
  out.serial = static_cast<std::uint16_t>(port - first_port);
  out.text = static_cast<std::uint32_t>(text.size());
  out.ipv4_sum_ok = ip.checksum_ok();
  out.text_ok = true;
  for (std::uint32_t i = 0; i < text.size(); ++i) {
    out.text_ok = out.text_ok && text[i] == text_byte(out.serial, out.offset + i);
  }
  return out;
}

wire::FourTuple tuple_of(std::uint16_t serial) {
  return {.local = destination_address,
          .remote = source_address,
          .local_port = discard_port,
          .remote_port = static_cast<std::uint16_t>(first_port + serial)};
}

}  // namespace pollux::doctor
