// UDP: datagrams as they arrive, and headers as they are written.

#include "transport/udp.h"

#include <algorithm>
#include <array>
#include <vector>

#include "input.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

namespace pollux::fuzz {
namespace {

constexpr wire::Ipv4Address source{10, 0, 0, 1};
constexpr wire::Ipv4Address destination{10, 0, 0, 2};

void arrives(std::span<const std::byte> payload, bool verified) {
  udp::Ports ports;
  POLLUX_REQUIRE(ports.add(7) && ports.add(65'535));
  wire::UdpView view;
  const Drop parsed = wire::UdpView::parse(payload, view);
  const auto [drop, datagram] = udp::arrives(payload, source, destination, verified, ports);
  if (parsed != Drop::none) {
    POLLUX_REQUIRE(drop == parsed);
    return;
  }
  POLLUX_REQUIRE(inside(view.payload(), payload));
  const auto pseudo = wire::pseudo_header(source, destination, wire::protocol::udp, view.length());
  const bool right =
      view.checksum() == 0 || plain_checksum(payload.first(view.length()), pseudo.partial()) == 0;
  POLLUX_REQUIRE(view.checksum_ok(pseudo) == right);
  if (!verified && !right) {
    POLLUX_REQUIRE(drop == Drop::udp_bad_checksum);
  } else {
    const bool wanted = ports.contains(view.destination_port());
    POLLUX_REQUIRE(drop == (wanted ? Drop::none : Drop::udp_no_listener));
    POLLUX_REQUIRE(datagram.payload().data() == view.payload().data());
  }
}

/// What we write arrives.
void round_trip(Input in) {
  const wire::FourTuple path{source, destination, in.u16(), 7};
  const auto payload = in.rest();
  const auto header = udp::header(path, payload);
  std::vector<std::byte> bytes{header.begin(), header.end()};
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  wire::UdpView view;
  POLLUX_REQUIRE(wire::UdpView::parse(bytes, view) == Drop::none);
  POLLUX_REQUIRE(view.checksum() != 0 && view.length() == bytes.size());
  POLLUX_REQUIRE(view.source_port() == path.local_port);
  arrives(bytes, false);
}

void run(Input in) {
  const std::uint8_t flags = in.u8();
  if ((flags & 1) != 0) return round_trip(in);
  arrives(in.rest(), (flags & 2) != 0);
}

}  // namespace
}  // namespace pollux::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pollux::fuzz::run({data, size});
  return 0;
}
