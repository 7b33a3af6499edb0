#include "transport/udp.h"

#include "base/assert.h"
#include "wire/checksum.h"
#include "wire/field.h"
#include "wire/ipv4.h"

namespace pollux::udp {

Verdict arrives(std::span<const std::byte> payload, wire::Ipv4Address source,
                wire::Ipv4Address destination, bool verified, const Ports& ports) noexcept {
  Verdict verdict;
  verdict.drop = wire::UdpView::parse(payload, verdict.datagram);
  if (verdict.drop != Drop::none) return verdict;
  const wire::UdpView& datagram = verdict.datagram;
  if (!verified && !datagram.checksum_ok(wire::pseudo_header(
                       source, destination, wire::protocol::udp, datagram.length()))) {
    verdict.drop = Drop::udp_bad_checksum;
  } else if (!ports.contains(datagram.destination_port())) {
    verdict.drop = Drop::udp_no_listener;
  }
  return verdict;
}

std::array<std::byte, wire::UdpFields::size> header(const wire::FourTuple& path,
                                                    std::span<const std::byte> payload) noexcept {
  POLLUX_ASSERT(payload.size() <= max_payload);
  const auto length = static_cast<std::uint16_t>(wire::UdpFields::size + payload.size());
  std::array<std::byte, wire::UdpFields::size> out;
  wire::UdpFields fields{.source_port = path.local_port,
                         .destination_port = path.remote_port,
                         .length = length,
                         .checksum = 0};
  wire::Sum sum = fields.write(out);
  sum.add(wire::pseudo_header(path.local, path.remote, wire::protocol::udp, length));
  sum.add(wire::Sum{payload});
  wire::store_u16(out.data() + wire::UdpView::checksum_offset, wire::fold_udp(sum));
  return out;
}

}  // namespace pollux::udp
