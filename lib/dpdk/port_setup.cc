#include <net/if.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "dpdk/drivers.h"
#include "dpdk/huge_pages.h"
#include "dpdk/numa.h"
#include "dpdk/port_state.h"

/// How a port comes up: attached, with buffers and queues, started.
namespace pollux::dpdk {
namespace {

using Kind = DeviceSpec::Kind;

wire::MacAddress from_dpdk(const rte_ether_addr& address) noexcept {
  wire::MacAddress out;
  std::memcpy(out.octets.data(), address.addr_bytes, out.octets.size());
  return out;
}

rte_ether_addr to_dpdk(const wire::MacAddress& address) noexcept {
  rte_ether_addr out;
  std::memcpy(out.addr_bytes, address.octets.data(), address.octets.size());
  return out;
}

PoolOptions pool_options(const PortOptions& options) {
  return {.buffers = options.stack_buffers + 2u * options.descriptors,
          .frame_bytes = static_cast<std::uint16_t>(
              std::min<std::uint32_t>(frame_room(options.mtu), large_frame_bytes))};
}

/// What each of so many cores keeps for itself of a pool. What it has freed there, no other can
/// have: who allocates misses it as if it were in use, and sheds SYNs when few are left
/// (Mbuf::spare). That is up to half as much again as the cache, DPDK's flush threshold.
///
/// Programs let their stacks hold a half of their buffers, and shed when an eighth is left
/// (host::stack_config): a quarter is for the others' caches. 38 caches of 512 would keep
/// 38 * 768 = 29,184 of 32,768 buffers, and the 3,584 that are left be few; of 143 they keep 8,132.
std::uint32_t core_cache(std::uint32_t buffers, std::size_t cores) {
  const std::uint32_t most = PoolOptions{}.core_cache;
  if (cores < 2) return most;
  const std::size_t each = buffers / 4 / (cores - 1);
  return static_cast<std::uint32_t>(std::min<std::size_t>(each * 2 / 3, most));
}

/// For what is merged, and waits to be read: as much as a window or two of some connections. When
/// there is none left, the packet is lost and comes again.
PoolOptions large_pool_options() { return {.buffers = 256, .frame_bytes = large_frame_bytes}; }

/// What an ordinary user lacks: the right to make or use interfaces, which the program can be
/// given.
std::string with_privilege(const DeviceSpec& spec) {
  if (spec.kind != Kind::tap && spec.kind != Kind::af_packet) return "running it as root";
  std::array<char, 4'096> path;
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) return "running it as root";
  return "as root: setcap cap_net_admin,cap_net_raw+ep " +
         std::string(path.data(), static_cast<std::size_t>(size));
}

Error refused(const Eal& eal, const DeviceSpec& spec, const std::string& step, int reason) {
  std::string why = step + " fails";
  if (const std::string complaint = eal.log().complaint(); !complaint.empty()) {
    why += ": " + complaint;
  } else if (reason != 0) {
    why += std::string(": ") + rte_strerror(reason < 0 ? -reason : reason);
  }
  std::string remedy = "--log-level debug to see what the driver says";
  if (geteuid() != 0) remedy = with_privilege(spec);
  // What stands after vdev: is the user's own, in DPDK's language.
  const bool misspelt = spec.kind == Kind::vdev && reason == -EINVAL;
  return {.kind = misspelt ? Error::Kind::usage : Error::Kind::machine,
          .what = "--device " + spec.to_string(),
          .why = std::move(why),
          .remedy = std::move(remedy)};
}

/// Whether the driver is installed; asked when the device could not be attached, because DPDK says
/// nothing of that.
Status check_driver(const DeviceSpec& spec) {
  const std::optional<std::string> driver = driver_name(spec.kind);
  if (!driver || Drivers::find().has(*driver)) return std::monostate{};
  return Error{.kind = Error::Kind::machine,
               .what = "--device " + spec.to_string(),
               .why = "DPDK's driver " + *driver + " is not installed",
               .remedy = install_command({*driver})};
}

/// Whether DPDK can read what stands after vdev: at all, and has a driver for it.
Status check_devargs(const Eal& eal, const DeviceSpec& spec) {
  rte_devargs parsed{};
  if (rte_devargs_parse(&parsed, spec.target.c_str()) != 0) {
    return refused(eal, spec, "finding a driver for it", -EINVAL);
  }
  std::free(parsed.data);
  return std::monostate{};
}

/// DPDK 22.11's memif and af_packet say that Ethernet's usual frames are the longest. They carry
/// what fits the buffers that devargs() asks for.
bool carries_more(const DeviceSpec& spec) {
  return spec.kind == Kind::memif || spec.kind == Kind::af_packet;
}

/// A tap's driver says nothing of an MTU, and stops at longer frames than it says that it takes.
std::uint16_t most_mtu_of(const DeviceSpec& spec, const rte_eth_dev_info& info) {
  if (spec.kind != Kind::tap) return info.max_mtu;
  return static_cast<std::uint16_t>(std::min<std::uint32_t>(
      info.max_mtu, info.max_rx_pktlen - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN));
}

}  // namespace

Status Port::State::open() {
  if (const Status done = attach(); !done) return done.error();
  if (const Status done = configure(); !done) return done.error();
  return start();
}

Status Port::State::attach() {
  eal->log().forget();
  if (const Status present = check_machine(spec); !present) return present.error();
  if (const Status fits = check_memory(spec, eal->huge_pages(), eal->memory_reason()); !fits) {
    return fits.error();
  }
  if (spec.kind == Kind::vdev) {
    if (const Status readable = check_devargs(*eal, spec); !readable) return readable.error();
  }
  if (spec.kind == Kind::memif) spec.role = resolved_role(spec);
  DevargsOptions wanted{.queues = options.queues,
                        .mtu = options.mtu,
                        .merging = options.merging,
                        .ring_entries = options.descriptors};
  // Its driver refuses to be there at all when it is asked for more.
  if (spec.kind == Kind::af_xdp) wanted.queues = std::min(wanted.queues, channels_of(spec.target));
  std::uint16_t found = 0;
  // The first name of its kind that no other port of this process has.
  while (spec.kind != Kind::pci && spec.kind != Kind::vdev &&
         rte_eth_dev_get_port_by_name(device_name(spec, wanted.index).c_str(), &found) == 0) {
    ++wanted.index;
  }
  const std::string name = device_name(spec, wanted.index);
  // A PCI device was attached when EAL started, as it was named then.
  if (rte_eth_dev_get_port_by_name(name.c_str(), &found) != 0) {
    const int failure = rte_dev_probe(devargs(spec, wanted).c_str());
    if (failure != 0) {
      if (const Status there = check_driver(spec); !there) return there.error();
      return refused(*eal, spec, "attaching it", failure);
    }
    if (rte_eth_dev_get_port_by_name(name.c_str(), &found) != 0) {
      if (spec.kind == Kind::pci && eal->log().complaint().empty()) {
        return Error{.kind = Error::Kind::machine,
                     .what = "--device " + spec.to_string(),
                     .why = "DPDK has no driver for it",
                     .remedy = "apt-get install librte-meta-net"};
      }
      return refused(*eal, spec, "finding its port", ENODEV);
    }
  }
  id = found;
  if (const int failure = rte_eth_dev_info_get(number(), &info); failure != 0) {
    return refused(*eal, spec, "asking what it can do", failure);
  }
  return std::monostate{};
}

Status Port::State::create_pools() {
  if (!pools.empty()) return std::monostate{};
  const RoomForDrivers kept{eal->drivers_pages()};
  PoolOptions wanted = pool_options(options);
  wanted.core_cache = core_cache(options.stack_buffers, eal->cores().size());
  const Topology topology = Topology::find();
  for (std::uint16_t i = 0; i < options.queues; ++i) {
    const std::size_t worker = options.first_worker + i;
    wanted.numa_socket = worker < eal->cores().size()
                             ? topology.memory_node_of(eal->cores()[worker])
                             : rte_eth_dev_socket_id(number());
    wanted.name = "pollux-p" + std::to_string(id) + "q" + std::to_string(i);
    Result<Pool> pool = Pool::create(wanted);
    if (!pool) return pool.error();
    pools.push_back(*std::move(pool));
    if (!offloads.merges) continue;
    PoolOptions large = large_pool_options();
    large.name = wanted.name + "-large";
    large.core_cache = core_cache(large.buffers, eal->cores().size());
    large.numa_socket = wanted.numa_socket;
    Result<Pool> large_pool = Pool::create(large);
    if (!large_pool) return large_pool.error();
    large_pools.push_back(*std::move(large_pool));
  }
  return std::monostate{};
}

Status Port::State::configure() {
  const std::string what = "--device " + spec.to_string();
  const std::uint16_t most = std::min(info.max_rx_queues, info.max_tx_queues);
  // Not one that comes back, whose queues are lent.
  const bool may_shrink = (options.fewer_queues || options.believing) && pools.empty();
  if (options.queues > most && may_shrink && most != 0) {
    options.stack_buffers = options.stack_buffers * options.queues / most;  // of the same memory
    options.queues = most;
  }
  if (options.queues > most) {
    return Error{.kind = Error::Kind::machine,
                 .what = what,
                 .why = "it has " + std::to_string(most) + " queues, and each core needs one",
                 .remedy = "fewer --cores"};
  }
  if (const auto most_mtu = most_mtu_of(spec, info);
      options.mtu > most_mtu || options.mtu < info.min_mtu) {
    return Error{.what = "--mtu " + std::to_string(options.mtu),
                 .why = "that of " + spec.to_string() + " can be " + std::to_string(info.min_mtu) +
                        " to " + std::to_string(most_mtu),
                 .remedy = "another --mtu"};
  }
  rte_eth_conf conf{};
  conf.rxmode.mtu = options.mtu;
  if (carries_more(spec)) conf.rxmode.mtu = std::min<std::uint32_t>(options.mtu, RTE_ETHER_MTU);
  conf.intr_conf.rmv = (*info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
  offloads = choose_offloads(info, spec.kind, options, pool_options(options).frame_bytes, conf);
  if (const int failure = rte_eth_dev_configure(number(), options.queues, options.queues, &conf);
      failure != 0) {
    return refused(*eal, spec, "setting it up", failure);
  }
  std::uint16_t receive = options.descriptors;
  std::uint16_t transmit = options.descriptors;
  rte_eth_dev_adjust_nb_rx_tx_desc(number(), &receive, &transmit);
  if (const Status made = create_pools(); !made) return made.error();
  const auto socket = static_cast<unsigned>(rte_eth_dev_socket_id(number()));
  for (std::uint16_t i = 0; i < options.queues; ++i) {
    int failure = rte_eth_rx_queue_setup(number(), i, receive, socket, nullptr, pools[i].get());
    if (failure == 0) {
      failure = rte_eth_tx_queue_setup(number(), i, transmit, socket, nullptr);
    }
    if (failure != 0) return refused(*eal, spec, "setting up queue " + std::to_string(i), failure);
  }
  if (const int failure = set_mtu(); failure != 0) {
    return Error{.kind = Error::Kind::machine,
                 .what = "--mtu " + std::to_string(options.mtu),
                 .why = spec.to_string() +
                        " does not take it: " + rte_strerror(failure < 0 ? -failure : failure),
                 .remedy = "another --mtu"};
  }
  return std::monostate{};
}

/// 0, or the reason as a negative number. Most virtual devices have no MTU to set and carry
/// whatever fits their buffers.
int Port::State::set_mtu() {
  if (options.mtu <= RTE_ETHER_MTU || !carries_more(spec)) {
    const int failure = rte_eth_dev_set_mtu(number(), options.mtu);
    return failure == -ENOTSUP ? 0 : failure;
  }
  if (spec.kind == Kind::af_packet) return set_interface_mtu(spec.target, options.mtu);
  return 0;
}

/// Which address the stack has, which is not always the one that the driver tells.
void Port::State::choose_mac() {
  rte_ether_addr own{};
  rte_eth_macaddr_get(number(), &own);
  if (mac.is_zero()) {
    mac = from_dpdk(own);
    // The driver tells the kernel's address of a tap: a stack of that address would take the
    // kernel's frames for its own.
    if (spec.kind == Kind::tap) mac.octets[5] ^= 1;
    // All of vhost's devices have one and the same.
    if (spec.kind == Kind::vhost) {
      rte_eth_random_addr(own.addr_bytes);
      mac = from_dpdk(own);
    }
    if (options.mac) mac = *options.mac;
  }
  if (spec.kind == Kind::tap || mac == from_dpdk(own)) return;
  rte_ether_addr wanted = to_dpdk(mac);
  if (spec.kind == Kind::pci && rte_eth_dev_default_mac_addr_set(number(), &wanted) == 0) return;
  // Frames to an address that the device does not know come only if it filters none.
  rte_eth_promiscuous_enable(number());
}

Status Port::State::start() {
  last_start = std::chrono::steady_clock::now();
  if (const int failure = rte_eth_dev_start(number()); failure != 0) {
    // A memif's client whose server is not there yet fails to start: wait_for_link tries again.
    if (spec.kind != Kind::memif) return refused(*eal, spec, "starting it", failure);
    return std::monostate{};
  }
  started = true;
  watch_removal();
  choose_mac();
  // ARP's requests are broadcast, which all devices pass; some need to be told of multicast.
  rte_eth_allmulticast_enable(number());
  return std::monostate{};
}

std::size_t Port::bytes_for(const PortOptions& options) noexcept {
  // Rings, and what a memif or a vhost keeps for itself.
  const std::size_t driver = std::size_t{2} << 20;
  const std::size_t large = options.merging ? Pool::bytes_for(large_pool_options()) : 0;
  return options.queues * (Pool::bytes_for(pool_options(options)) + large + driver);
}

}  // namespace pollux::dpdk
