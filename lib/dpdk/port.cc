#include "dpdk/port.h"

#include <net/if.h>
#include <rte_dev.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "dpdk/port_state.h"

namespace pollux::dpdk {
namespace {

using Kind = DeviceSpec::Kind;

/// A driver that hears that its device is unplugged says so on EAL's interrupt thread.
int note_removal(std::uint16_t /*port*/, rte_eth_event_type /*event*/, void* gone,
                 void* /*unused*/) {
  static_cast<std::atomic<bool>*>(gone)->store(true);
  return 0;
}

}  // namespace

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

void Port::State::watch_removal() noexcept {
  if (spec.kind == Kind::tap || spec.kind == Kind::af_packet || spec.kind == Kind::af_xdp) {
    interface = if_nametoindex(spec.target.c_str());
  }
  if (spec.kind == Kind::tap) {
    tap_files = files_of_tap(spec.target);
    if (tap_files.empty()) interface = 0;  // whether it was moved or removed could not be told
  }
  if (spec.kind == Kind::pci) card.emplace(spec.target);
  // Peers that go are waited for, whatever their drivers call it.
  if (spec.kind != Kind::pci && spec.kind != Kind::vdev) return;
  rte_eth_dev_callback_register(number(), RTE_ETH_EVENT_INTR_RMV, note_removal, &gone);
}

InterfaceState Port::State::look_at_interface() {
  InterfaceState now = InterfaceState::up;
  if (interface != 0) now = interface_state(interface, tap_files);
  if (card && card->taken_away()) now = InterfaceState::gone;
  if (now == InterfaceState::gone) gone.store(true);
  return now;
}

/// What the device has counted, if it is there to tell: what is read of a card that has gone
/// meanwhile is no count.
std::optional<PortStats> Port::State::ask_counts() const noexcept {
  const auto there = [this] { return id != none && (!card || card->responds()); };
  rte_eth_stats from{};
  if (!there() || rte_eth_stats_get(number(), &from) != 0 || !there()) return std::nullopt;
  return PortStats{.rx_packets = from.ipackets,
                   .tx_packets = from.opackets,
                   .rx_bytes = from.ibytes,
                   .tx_bytes = from.obytes,
                   .rx_missed = from.imissed,
                   .rx_no_buffer = from.rx_nombuf,
                   .rx_errors = from.ierrors,
                   .tx_errors = from.oerrors};
}

void Port::State::keep_counts() noexcept {
  if (const auto told = ask_counts()) counts = *told;
  last_counts = std::chrono::steady_clock::now();
}

/// It does not call us any more.
void Port::State::forget_driver() noexcept {
  if (started) {
    rte_eth_dev_callback_unregister(number(), RTE_ETH_EVENT_INTR_RMV, note_removal, &gone);
  }
  started = false;
}

void Port::State::stop() noexcept {
  const bool running = started;
  forget_driver();
  if (running) rte_eth_dev_stop(number());
}

void Port::State::detach() noexcept {
  gate.close();
  if (id == none) return;
  // libxdp has something to say when its program is taken off an interface.
  const HushedOutput hushed(!eal->log().verbose());
  beside_no_interrupt([this] {
    if (card && !card->answers()) {
      abandoned = true;
      forget_driver();
      return;
    }
    if (started) keep_counts();
    stop();
    // A close alone would keep what the kernel wants back.
    if (spec.kind == Kind::pci && !gone) {
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
    state_->look_at_interface();
    if (gone()) {
      return Error{.kind = Error::Kind::machine,
                   .what = "--device " + state_->spec.to_string(),
                   .why = "it was taken away while its link was waited for",
                   .remedy = "the same command again when it is back"};
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
  // Drivers do not always hear of what happens to the kernel's interface that they use.
  const InterfaceState interface = state_->look_at_interface();
  if (gone()) {
    // Of a card the kernel may be waiting for that.
    if (state_->clear_queues() && state_->card) state_->detach();
    return false;
  }
  // Those of a card are in its registers, which may be gone at the next look.
  const auto since = std::chrono::steady_clock::now() - state_->last_counts;
  if (state_->card && since >= std::chrono::seconds(1)) state_->keep_counts();
  if (interface == InterfaceState::down) {
    state_->link_lost = true;
    return false;
  }
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

bool Port::gone() const noexcept { return state_->gone.load(); }

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
  PortStats stats = state_->ask_counts().value_or(state_->counts);
  for (const PortGate::Use& queue : state_->gate.queues) {
    stats.rx_errors += queue.broken.load(std::memory_order_relaxed);
    stats.tx_errors += queue.refused.load(std::memory_order_relaxed);
  }
  return stats;
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

std::vector<int> Port::buffer_nodes(std::uint16_t index) const {
  return state_->pools[index].nodes();
}

std::size_t Port::mbufs_in_use() const noexcept {
  std::size_t total = 0;
  for (const Pool& pool : state_->pools) total += pool.in_use();
  for (const Pool& pool : state_->large_pools) total += pool.in_use();
  return total;
}

std::size_t Port::close() noexcept {
  state_->detach();
  return state_->abandoned ? 0 : mbufs_in_use();
}

}  // namespace pollux::dpdk
