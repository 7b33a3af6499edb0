#pragma once

#include <rte_ethdev.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "dpdk/interrupt_thread.h"
#include "dpdk/kernel_interface.h"
#include "dpdk/offloads.h"
#include "dpdk/pci_card.h"
#include "dpdk/port.h"

namespace pollux::dpdk {

/// What a port is made of: port_setup.cc brings it up, port.cc keeps it so. Included by those two
/// alone.
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
  int set_mtu();
  void choose_mac();
  template <class F>
  void beside_no_interrupt(F work) noexcept;
  void stop() noexcept;
  void forget_driver() noexcept;
  void detach() noexcept;
  bool mendable() const noexcept;
  bool time_to_mend() noexcept;
  bool mend();
  bool clear_queues() noexcept;
  void watch_removal() noexcept;
  InterfaceState look_at_interface();
  std::optional<PortStats> ask_counts() const noexcept;
  void keep_counts() noexcept;

  std::uint16_t number() const noexcept { return static_cast<std::uint16_t>(id); }

  const Eal* eal;
  DeviceSpec spec;
  PortOptions options;
  static constexpr std::uint32_t none = 0xFFFF'FFFF;
  std::uint32_t id = none;
  bool started = false;
  bool link_lost = false;  // seen by tend(), and not come back yet
  bool abandoned = false;  // with what is in its rings: a card that does not answer
  std::atomic<bool> gone = false;
  unsigned interface = 0;  // of the kernel, that this is a door to; 0: of none
  std::vector<int> tap_files;
  std::optional<PciCard> card;  // once it runs
  std::chrono::steady_clock::time_point last_start{};
  std::chrono::steady_clock::time_point last_counts{};
  PortStats counts;  // the device's, as it last told
  rte_eth_dev_info info{};
  wire::MacAddress mac;
  Offloads offloads;
  std::vector<Pool> pools;
  std::vector<Pool> large_pools;  // one a queue, with options.merging
  PortGate gate;
  std::optional<PeerMessageGuard> peer_message_guard;
};

}  // namespace pollux::dpdk
