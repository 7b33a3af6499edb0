#include "host/run.h"

#include <random>

namespace pollux::host {
namespace {

Error wrong(std::string what, std::string why, std::string remedy) {
  return {Error::Kind::usage, std::move(what), std::move(why), std::move(remedy)};
}

Result<pipeline::InterfaceConfig> interface_of(const Options& options) {
  pipeline::InterfaceConfig interface;
  const auto own = wire::Ipv4Prefix::parse(options.address);
  if (!own) {
    return wrong("address '" + options.address + "'", "not an IPv4 address and a prefix length",
                 "10.0.0.1/24");
  }
  interface.addresses.push_back({*own, 1});
  if (options.gateway.empty()) return interface;
  const auto gateway = wire::Ipv4Address::parse(options.gateway);
  if (!gateway || !own->contains(*gateway) || *gateway == own->address) {
    return wrong("gateway '" + options.gateway + "'", "not an IPv4 address of another host on link",
                 "10.0.0.254");
  }
  interface.routes.push_back({wire::Ipv4Prefix{wire::Ipv4Address{}, 0}, *gateway});
  return interface;
}

}  // namespace

std::uint64_t fresh_seed() {
  std::random_device source;
  return std::uint64_t{source()} << 32 | source();
}

pipeline::Config stack_config(std::uint32_t connections, std::uint32_t pool) {
  pipeline::Config config;
  config.owned_packets = pool / 4;
  config.receive_pieces = pool / 4;
  config.few_buffers = pool / 8;
  config.connections = connections;
  // Whoever is refused gets some time to stop sending.
  config.app_timers = connections;
  return config;
}

Result<Site> Site::open(const Options& options) {
  auto spec = dpdk::DeviceSpec::parse(options.device);
  if (!spec) return spec.error();
  auto interface = interface_of(options);
  if (!interface) return interface.error();
  constexpr std::uint32_t pool = 16'384;
  Site site;
  site.stack = stack_config(options.connections, pool);
  site.stack.interface = std::move(*interface);
  site.stack.tcp = options.tcp;
  site.stack.half_open = options.connections;
  site.stack.time_wait = 4 * options.connections;
  site.stack.seed = fresh_seed();
  dpdk::EalOptions eal;
  if (options.core) eal.cores = {*options.core};
  eal.no_huge = options.no_huge;
  dpdk::PortOptions port;
  port.stack_buffers = pool;
  auto devices = Devices::open(eal, {{std::move(*spec), port}});
  if (!devices) return devices.error();
  if (Status up = devices->wait_for_links(options.wait); !up) return up.error();
  site.devices = std::move(*devices);
  site.stack.huge_pages = site.devices.eal->huge_pages();
  return site;
}

}  // namespace pollux::host
