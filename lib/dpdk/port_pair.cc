#include "dpdk/port_pair.h"

#include <chrono>
#include <string>
#include <utility>

namespace pollux::dpdk {

std::size_t PortPair::bytes_for(const PortOptions& options) noexcept {
  return 2 * Port::bytes_for(options);
}

Result<PortPair> PortPair::open(const Eal& eal, PairKind kind, const PortOptions& options) {
  return open(eal, kind, options, options);
}

Result<PortPair> PortPair::open(const Eal& eal, PairKind kind, const PortOptions& of_near,
                                const PortOptions& of_far) {
  if (eal.folder().empty()) {
    return Error{.kind = Error::Kind::machine,
                 .what = "the link between both ends",
                 .why = "there is no folder for its socket that this user may write to",
                 .remedy = "XDG_RUNTIME_DIR=/some/folder, or --link ring"};
  }
  const bool memif = kind == PairKind::memif;
  const std::string socket = eal.folder() + (memif ? "/memif.sock" : "/vhost.sock");
  DeviceSpec near_spec{.kind = DeviceSpec::Kind::vhost, .target = socket};
  DeviceSpec far_spec{.kind = DeviceSpec::Kind::virtio_user, .target = socket};
  if (memif) {
    near_spec = {DeviceSpec::Kind::memif, socket, DeviceSpec::Role::server};
    far_spec = {DeviceSpec::Kind::memif, socket, DeviceSpec::Role::client};
  }
  Result<Port> near = Port::open(eal, near_spec, of_near);
  if (!near) return near.error();
  Result<Port> far = Port::open(eal, far_spec, of_far);
  if (!far) return far.error();
  constexpr std::chrono::seconds limit{5};
  if (const Status up = near->wait_for_link(limit); !up) return up.error();
  if (const Status up = far->wait_for_link(limit); !up) return up.error();
  return PortPair{.near = *std::move(near), .far = *std::move(far)};
}

}  // namespace pollux::dpdk
