#include "transport/udp.h"

#include "base/assert.h"
#include "wire/checksum.h"
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

void write_header(std::span<std::byte> datagram, const wire::FourTuple& path) noexcept {
  POLLUX_ASSERT(datagram.size() >= wire::UdpFields::size &&
                datagram.size() <= wire::UdpFields::size + max_payload);
  const auto length = static_cast<std::uint16_t>(datagram.size());
  wire::UdpFields fields{.source_port = path.local_port,
                         .destination_port = path.remote_port,
                         .length = length,
                         .checksum = 0};
  fields.write(datagram);
  wire::Sum sum = wire::pseudo_header(path.local, path.remote, wire::protocol::udp, length);
  fields.checksum = wire::fold_udp(sum.add(datagram));
  fields.write(datagram);
}

}  // namespace pollux::udp
