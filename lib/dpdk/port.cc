#include "dpdk/port.h"

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
#include <string_view>
#include <thread>
#include <utility>

#include "dpdk/drivers.h"
#include "dpdk/interrupt_thread.h"
#include "dpdk/offloads.h"

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
  const std::uint32_t frame = std::uint32_t{options.mtu} + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN;
  return {.buffers = options.stack_buffers + 2u * options.descriptors,
          .frame_bytes = static_cast<std::uint16_t>(std::max(2'048u, (frame + 63) / 64 * 64))};
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

}  // namespace

struct Port::State {
  State(const Eal& environment, DeviceSpec wanted, PortOptions chosen)
      : eal(&environment), spec(std::move(wanted)), options(std::move(chosen)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { detach(); }

  Status open();
  Status attach();
  Status configure();
  Status start();
  Status create_pools();
  void choose_mac();
  template <class F>
  void beside_no_interrupt(F work) noexcept;
  void stop() noexcept;
  void detach() noexcept;
  bool mendable() const noexcept;
  bool time_to_mend() noexcept;
  bool mend();
  bool clear_queues() noexcept;

  std::uint16_t number() const noexcept { return static_cast<std::uint16_t>(id); }

  const Eal* eal;
  DeviceSpec spec;
  PortOptions options;
  static constexpr std::uint32_t none = 0xFFFF'FFFF;
  std::uint32_t id = none;
  bool started = false;
  bool link_lost = false;  // seen by tend(), and not come back yet
  std::chrono::steady_clock::time_point last_start{};
  rte_eth_dev_info info{};
  wire::MacAddress mac;
  Offloads offloads;
  std::vector<Pool> pools;
  std::vector<Pool> large_pools;  // one a queue, with options.merging
  PortGate gate;
  std::optional<PeerMessageGuard> peer_message_guard;
};

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
  PoolOptions wanted = pool_options(options);
  wanted.numa_socket = rte_eth_dev_socket_id(number());
  for (std::uint16_t i = 0; i < options.queues; ++i) {
    wanted.name = "pollux-p" + std::to_string(id) + "q" + std::to_string(i);
    Result<Pool> pool = Pool::create(wanted);
    if (!pool) return pool.error();
    pools.push_back(*std::move(pool));
    if (!offloads.merges) continue;
    PoolOptions large = large_pool_options();
    large.name = wanted.name + "-large";
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
  if (options.mtu > info.max_mtu || options.mtu < info.min_mtu) {
    return Error{.what = "--mtu " + std::to_string(options.mtu),
                 .why = "that of " + spec.to_string() + " can be " + std::to_string(info.min_mtu) +
                        " to " + std::to_string(info.max_mtu),
                 .remedy = "another --mtu"};
  }
  rte_eth_conf conf{};
  conf.rxmode.mtu = options.mtu;
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
  // Most virtual devices have no MTU to set and carry whatever fits their buffers.
  if (const int failure = rte_eth_dev_set_mtu(number(), options.mtu);
      failure != 0 && failure != -ENOTSUP) {
    return Error{.kind = Error::Kind::machine,
                 .what = "--mtu " + std::to_string(options.mtu),
                 .why = spec.to_string() +
                        " does not take it: " + rte_strerror(failure < 0 ? -failure : failure),
                 .remedy = "another --mtu"};
  }
  return std::monostate{};
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
  choose_mac();
  // ARP's requests are broadcast, which all devices pass; some need to be told of multicast.
  rte_eth_allmulticast_enable(number());
  return std::monostate{};
}

/// A memif's driver hears on EAL's interrupt thread that its peer has gone, and takes the same
/// things down as a stop does: never both at once.
template <class F>
void Port::State::beside_no_interrupt(F work) noexcept {
  if (spec.kind == Kind::memif) {
    on_interrupt_thread(work);
  } else {
    work();
  }
}

void Port::State::stop() noexcept {
  if (started) rte_eth_dev_stop(number());
  started = false;
}

void Port::State::detach() noexcept {
  gate.close();
  if (id == none) return;
  // libxdp has something to say when its program is taken off an interface.
  const HushedOutput hushed(!eal->log().verbose());
  beside_no_interrupt([this] {
    stop();
    if (spec.kind == Kind::pci) {
      rte_eth_dev_close(number());
    } else if (info.device != nullptr) {
      rte_dev_remove(info.device);
    }
  });
  id = none;
}

/// Closes the gate and waits until no core is inside the driver; false if one does not leave it.
bool Port::State::clear_queues() noexcept {
  gate.close();
  return gate.await_leaving(std::chrono::milliseconds(200));
}

/// Whether this driver must be helped to find a lost peer; the others wait for one by themselves.
bool Port::State::mendable() const noexcept {
  return spec.kind == Kind::virtio_user ||
         (spec.kind == Kind::memif && spec.role == DeviceSpec::Role::client);
}

/// Soon after a failure, but a peer that has accepted gets the time that it needs to answer.
bool Port::State::time_to_mend() noexcept {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_start < std::chrono::milliseconds(started ? 3'000 : 100)) return false;
  last_start = now;
  return true;
}

/// Tries once to find a lost peer, with no queue inside the driver. True if the port runs.
bool Port::State::mend() {
  if (spec.kind == Kind::memif) {
    bool up = false;
    beside_no_interrupt([&] {
      stop();
      up = start().ok() && started;
    });
    return up;
  }
  if (spec.kind == Kind::virtio_user) {
    if (!check_machine(spec)) return false;
    const std::uint32_t promised = offloads.capabilities.transmit_tcp_text;
    detach();
    if (!open()) return false;
    // The queues that were lent go by what they were told: a peer that takes less is none.
    if (promised <= offloads.capabilities.transmit_tcp_text) return true;
    detach();
    return false;
  }
  return true;
}

Port::Port(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Port::Port(Port&&) noexcept = default;
Port::~Port() = default;

std::size_t Port::bytes_for(const PortOptions& options) noexcept {
  // Rings, and what a memif or a vhost keeps for itself.
  const std::size_t driver = std::size_t{2} << 20;
  const std::size_t large = options.merging ? Pool::bytes_for(large_pool_options()) : 0;
  return options.queues * (Pool::bytes_for(pool_options(options)) + large + driver);
}

Result<Port> Port::open(const Eal& eal, const DeviceSpec& spec, const PortOptions& options) {
  auto state = std::make_unique<State>(eal, spec, options);
  state->gate.queues = std::vector<PortGate::Use>(options.queues);
  if (options.mac && (options.mac->is_group() || options.mac->is_zero())) {
    return Error{.what = "--mac " + options.mac->to_string(),
                 .why = "it is no address of one device",
                 .remedy = "one whose first octet is even, such as 02:00:00:00:00:01"};
  }
  // Some drivers, and the libraries below them, print without asking.
  const HushedOutput hushed(!eal.log().verbose());
  if (spec.kind == Kind::memif) state->peer_message_guard.emplace(state->gate);
  if (const Status done = state->open(); !done) return done.error();
  state->gate.open(state->number());
  return Port{std::move(state)};
}

bool Port::link_up() const noexcept {
  rte_eth_link link{};
  return state_->started && rte_eth_link_get_nowait(state_->number(), &link) == 0 &&
         link.link_status == RTE_ETH_LINK_UP;
}

namespace {

/// "10 s", "0.5 s".
std::string seconds_text(std::chrono::milliseconds time) {
  std::string text = std::to_string(time.count() / 1'000);
  if (const auto rest = time.count() % 1'000; rest != 0) {
    std::string digits = std::to_string(1'000 + rest).substr(1);
    digits.erase(digits.find_last_not_of('0') + 1);
    text += "." + digits;
  }
  return text + " s";
}

}  // namespace

Status Port::wait_for_link(std::chrono::milliseconds limit, bool (*given_up)() noexcept) {
  const auto begin = std::chrono::steady_clock::now();
  while (!link_up()) {
    if (given_up != nullptr && given_up()) {
      if (!state_->started) state_->gate.close();
      return std::monostate{};
    }
    if (std::chrono::steady_clock::now() - begin >= limit) {
      const bool waits_for_peer =
          state_->spec.kind == Kind::memif || state_->spec.kind == Kind::vhost;
      return Error{.kind = Error::Kind::machine,
                   .what = "--device " + state_->spec.to_string(),
                   .why = std::string(waits_for_peer ? "no peer has come" : "it has no link") +
                          " within " + seconds_text(limit) + " (--wait)",
                   .remedy = waits_for_peer ? other_side(state_->spec)
                                            : "its cable, or `ip link set up` of its peer"};
    }
    if (state_->mendable() && state_->time_to_mend()) state_->mend();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  state_->gate.open(state_->number());
  return std::monostate{};
}

bool Port::tend() {
  if (!link_up()) {
    state_->link_lost = true;
    if (!state_->mendable() || !state_->time_to_mend()) return false;
    if (state_->clear_queues()) state_->mend();
    if (state_->started) state_->gate.open(state_->number());
    if (!link_up()) return false;
  }
  if (std::exchange(state_->link_lost, false)) state_->gate.links.fetch_add(1);
  return true;
}

Queue Port::queue(std::uint16_t index) const noexcept {
  POLLUX_ASSERT(index < state_->options.queues);
  return {state_->gate,
          index,
          state_->pools[index].get(),
          state_->mac,
          static_cast<std::uint16_t>(state_->options.mtu - state_->offloads.mtu_margin),
          state_->offloads.capabilities,
          state_->large_pools.empty() ? nullptr : state_->large_pools[index].get(),
          state_->spec.kind == Kind::vhost};
}
std::uint16_t Port::queues() const noexcept { return state_->options.queues; }

PortStats Port::stats() const noexcept {
  rte_eth_stats from{};
  if (state_->id == State::none || rte_eth_stats_get(state_->number(), &from) != 0) return {};
  std::uint64_t broken = 0;
  std::uint64_t refused = 0;
  for (const PortGate::Use& queue : state_->gate.queues) {
    broken += queue.broken.load(std::memory_order_relaxed);
    refused += queue.refused.load(std::memory_order_relaxed);
  }
  return {.rx_packets = from.ipackets,
          .tx_packets = from.opackets,
          .rx_bytes = from.ibytes,
          .tx_bytes = from.obytes,
          .rx_missed = from.imissed,
          .rx_no_buffer = from.rx_nombuf,
          .rx_errors = from.ierrors + broken,
          .tx_errors = from.oerrors + refused};
}

const DeviceSpec& Port::spec() const noexcept { return state_->spec; }
wire::MacAddress Port::mac() const noexcept { return state_->mac; }
std::string Port::driver() const { return state_->info.driver_name; }

std::string Port::offloads() const { return state_->offloads.to_string(); }

Advertised Port::advertised() const { return advertised_by(state_->info); }
bool Port::merges() const noexcept { return state_->offloads.merges; }
std::string Port::link_text() const {
  rte_eth_link link{};
  if (!link_up() || rte_eth_link_get_nowait(state_->number(), &link) != 0) return "down";
  if (link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN || link.link_speed == 0) return "up";
  return "up, " + std::to_string(link.link_speed) + " Mbit/s";
}

bool Port::spreads_flows() const noexcept { return !state_->offloads.spreading_key.empty(); }
std::vector<std::uint8_t> Port::spreading_key() const { return state_->offloads.spreading_key; }
std::vector<std::uint16_t> Port::spreading_table() const {
  const std::uint16_t queues = state_->options.queues;
  std::uint16_t size = state_->info.reta_size;
  // What most devices begin with, should this one not tell.
  const bool told = size != 0;
  if (!told) size = 128;
  std::vector<rte_eth_rss_reta_entry64> groups((size + RTE_ETH_RETA_GROUP_SIZE - 1u) /
                                               RTE_ETH_RETA_GROUP_SIZE);
  for (auto& group : groups) group.mask = ~std::uint64_t{0};
  const bool known = told && rte_eth_dev_rss_reta_query(state_->number(), groups.data(), size) == 0;
  std::vector<std::uint16_t> table(size);
  for (std::uint16_t i = 0; i < size; ++i) {
    const std::uint16_t entry =
        groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
    table[i] = known ? entry : static_cast<std::uint16_t>(i % queues);
  }
  return table;
}
int Port::numa_socket() const noexcept { return rte_eth_dev_socket_id(state_->number()); }

std::size_t Port::mbufs_in_use() const noexcept {
  std::size_t total = 0;
  for (const Pool& pool : state_->pools) total += pool.in_use();
  for (const Pool& pool : state_->large_pools) total += pool.in_use();
  return total;
}

std::size_t Port::close() noexcept {
  state_->detach();
  return mbufs_in_use();
}

}  // namespace pollux::dpdk
