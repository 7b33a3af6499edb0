#include "host/devices.h"

#include <thread>
#include <utility>

#include "host/signals.h"

namespace pollux::host {

Result<Devices> Devices::open(dpdk::EalOptions eal, const std::vector<DeviceOptions>& wanted) {
  eal.memory_bytes = 0;
  eal.pci_devices.clear();
  for (const DeviceOptions& device : wanted) {
    if (Status present = dpdk::check_machine(device.spec); !present) return present.error();
    eal.memory_bytes += dpdk::Port::bytes_for(device.port);
    if (device.spec.kind == dpdk::DeviceSpec::Kind::pci) {
      eal.pci_devices.push_back(device.spec.target);
    } else {
      eal.virtual_devices = true;
    }
  }
  Devices out;
  auto started = dpdk::Eal::start(eal);
  if (!started) return started.error();
  out.eal = std::make_unique<dpdk::Eal>(std::move(*started));
  for (const DeviceOptions& device : wanted) {
    auto port = dpdk::Port::open(*out.eal, device.spec, device.port);
    if (!port) return port.error();
    out.ports.push_back(std::move(*port));
  }
  return out;
}

Status Devices::wait_for_links(std::chrono::milliseconds limit) {
  for (dpdk::Port& port : ports) {
    if (Status up = port.wait_for_link(limit, stop_requested); !up) return up.error();
  }
  return std::monostate{};
}

void Devices::tend() {
  gone_.resize(ports.size());
  for (std::size_t i = 0; i < ports.size(); ++i) {
    ports[i].tend();
    if (!ports[i].gone() || gone_[i]) continue;
    gone_[i] = true;
    losses_.push_back({.kind = Error::Kind::machine,
                       .what = "--device " + ports[i].spec().to_string(),
                       .why = "it was taken away while it was in use",
                       .remedy = "the same command again when it is back"});
    if (losses_.size() == ports.size()) request_stop();
  }
}

void Devices::rest_and_tend() {
  std::this_thread::sleep_for(std::chrono::milliseconds{20});
  tend();
}

}  // namespace pollux::host
