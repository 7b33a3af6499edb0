#pragma once

#include <rte_ethdev.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/inline.h"
#include "base/result.h"
#include "dpdk/device_spec.h"
#include "dpdk/eal.h"
#include "dpdk/mbuf.h"
#include "dpdk/pool.h"
#include "dpdk/port_gate.h"
#include "link/device.h"
#include "wire/address.h"

namespace pollux::dpdk {

/// What a Port is opened with; the device may have less, and what counts is what it says.
struct PortOptions {
  /// Receive and transmit queues, one pair for each core that polls.
  std::uint16_t queues = 1;
  /// The worker that polls the first of them, and the next ones the others: its buffers are to lie
  /// on the NUMA node of its core.
  std::size_t first_worker = 0;
  /// Where the device has fewer queues, take those, each with the others' share of buffers.
  bool fewer_queues = false;
  std::uint16_t mtu = 1'500;
  /// The stack's address; without it the device's own, or for a tap one beside the kernel's.
  std::optional<wire::MacAddress> mac = std::nullopt;
  /// Length of each ring, a power of two; fitted to what the device has.
  std::uint16_t descriptors = 1'024;
  /// Buffers a queue beyond those that its two rings hold: what the stack keeps for itself.
  std::uint32_t stack_buffers = 8'192;
  /// Ask for flows to be spread over the queues, where the driver is known to do it.
  bool spread_flows = false;
  /// Let the device cut TCP packets into segments (TSO): nothing: where the driver is known to do
  /// it well; true: wherever it is offered.
  std::optional<bool> segmentation = std::nullopt;
  /// Take packets of several segments (LRO), where the device puts them together or its peer never
  /// cuts them. Such a one is copied into one large buffer, of which each queue gets a few.
  bool merging = false;
  /// Ask for all that the device says it can do, whatever is known of its driver, and take fewer
  /// queues where it has no more: for who finds out whether it is true.
  bool believing = false;
};

/// What a device says of itself.
struct Advertised {
  std::vector<std::string> receive = {};  // DPDK's names of offloads: "IPV4_CKSUM"
  std::vector<std::string> transmit = {};
  std::uint16_t receive_queues = 0;
  std::uint16_t transmit_queues = 0;
  std::uint16_t least_mtu = 0;
  std::uint16_t most_mtu = 0;
  bool spreads_flows = false;
};

/// What a device has counted since it was opened.
struct PortStats {
  std::uint64_t rx_packets = 0;
  std::uint64_t tx_packets = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  /// Lost because the ring was full, because the pool was empty, or because they were broken.
  std::uint64_t rx_missed = 0;
  std::uint64_t rx_no_buffer = 0;
  std::uint64_t rx_errors = 0;
  std::uint64_t tx_errors = 0;
};

/// One queue pair of a port; models link::Device. Belongs to one core; the port outlives it.
class Queue {
 public:
  using Packet = Mbuf;
  using Burst = packet::Burst<Mbuf, link::burst_size>;

  /// Port::queue makes them. `large_pool` is null where nothing is received that needs it;
  /// `scribbles`: the driver writes to slots of a burst that it then does not fill.
  Queue(PortGate& gate, std::uint16_t index, rte_mempool* pool, wire::MacAddress mac,
        std::uint16_t mtu, link::Capabilities capabilities, rte_mempool* large_pool,
        bool scribbles) noexcept
      : gate_(&gate),
        pool_(pool),
        large_pool_(large_pool),
        index_(index),
        mtu_(mtu),
        mac_(mac),
        scribbles_(scribbles),
        capabilities_(capabilities) {}
  Queue(Queue&&) noexcept = default;
  Queue& operator=(Queue&&) noexcept = default;

  std::size_t receive(Burst& burst) noexcept {
    const std::size_t before = burst.size();
    rte_mbuf** const slots = as_array(burst.data() + before);
    std::uint16_t got = 0;
    {
      const PortGate::Visit visit(*gate_, index_);
      if (!visit.admitted()) [[unlikely]]
        return 0;
      got = rte_eth_rx_burst(visit.port(), index_, slots, static_cast<std::uint16_t>(burst.room()));
    }
    // What stands there is in its pool again: a Burst that forgot it would give it back twice.
    if (scribbles_) [[unlikely]]
      std::fill(slots + got, slots + burst.room(), nullptr);
    std::size_t whole = got;
    for (std::uint16_t i = 0; i < got; ++i) {
      if (slots[i]->nb_segs != 1) [[unlikely]] {
        whole = straighten(slots, got);
        break;
      }
    }
    burst.resize_after_fill(before + whole);
    return whole;
  }

  std::size_t transmit(Burst& burst) noexcept {
    if (burst.empty()) return 0;
    std::uint16_t sent = 0;
    {
      const PortGate::Visit visit(*gate_, index_);
      if (!visit.admitted()) [[unlikely]]
        return 0;
      auto ready = static_cast<std::uint16_t>(burst.size());
      if (capabilities_.transmit_tcp_text != 0) [[unlikely]] {
        ready = rte_eth_tx_prepare(visit.port(), index_, as_array(burst.data()), ready);
        if (ready == 0) return drop_front(burst);
      }
      sent = rte_eth_tx_burst(visit.port(), index_, as_array(burst.data()), ready);
    }
    for (std::uint16_t i = 0; i < sent; ++i) (void)burst.data()[i].release();
    burst.remove_front(sent);
    return sent;
  }

  POLLUX_INLINE Mbuf allocate() noexcept { return Mbuf::allocate(pool_); }
  std::uint32_t spare_buffers() const noexcept { return Mbuf::spare(pool_); }
  wire::MacAddress mac() const noexcept { return mac_; }
  std::uint16_t mtu() const noexcept { return mtu_; }
  link::Capabilities capabilities() const noexcept { return capabilities_; }
  std::uint32_t links() const noexcept { return gate_->links.load(std::memory_order_relaxed); }

 private:
  /// Makes one segment of each chain of segments, in place; one that cannot be is dropped, and
  /// counted in PortStats::rx_errors. Returns how many frames are left.
  std::size_t straighten(rte_mbuf** frames, std::size_t count) noexcept;
  /// The chain in one segment; null, and the chain is gone, where it fits none.
  rte_mbuf* straightened(rte_mbuf* chain) noexcept;
  /// The driver refuses the first frame for good: it is dropped, counted in PortStats::tx_errors,
  /// so that it does not stand in the way. Returns 1, as if it had been sent.
  std::size_t drop_front(Burst& burst) noexcept;

  PortGate* gate_;
  rte_mempool* pool_;
  rte_mempool* large_pool_;
  std::uint16_t index_;
  std::uint16_t mtu_;
  wire::MacAddress mac_;
  bool scribbles_;
  link::Capabilities capabilities_;
};
static_assert(link::Device<Queue> && link::Relinked<Queue> && link::Pooled<Queue>);

/// One DPDK port, opened, started and owned.
class Port {
 public:
  /// Attaches the device that `spec` names, sets it up and starts it. Ports open in the order in
  /// which this is called, and on the thread that started EAL. Does not wait for a peer.
  static Result<Port> open(const Eal& eal, const DeviceSpec& spec, const PortOptions& options);
  /// What open() takes from EAL's memory, for EalOptions::memory_bytes.
  static std::size_t bytes_for(const PortOptions& options) noexcept;

  Port(Port&& other) noexcept;
  Port& operator=(Port&&) = delete;
  /// close(). No Mbuf of the port's pools may be left then.
  ~Port();

  /// Waits until the device has its link or its peer: a memif's other side, a vhost's front end.
  /// Before polling starts. An error of the machine when `limit` has passed or the device is taken
  /// away; no error when `given_up` says that nobody wants the link any more, which is then as if
  /// it had been lost.
  Status wait_for_link(std::chrono::milliseconds limit, bool (*given_up)() noexcept = nullptr);
  bool link_up() const noexcept;
  /// To be called some times a second by a thread that does not poll, while others do: finds a peer
  /// again that was lost, where the driver does not by itself, and finds out whether the device is
  /// gone. True while the link is up.
  bool tend();
  /// Whether the device was taken away, for good: a card unplugged, an interface deleted. Its
  /// queues then neither receive nor send. So is a card that the kernel wants back while vfio-pci
  /// lends it; tend() then lets go of it. Peers that go are waited for, and are no such case.
  bool gone() const noexcept;

  /// Borrows from the port; one for each index.
  Queue queue(std::uint16_t index) const noexcept;
  std::uint16_t queues() const noexcept;

  /// Of a device that is not there any more: as it last told.
  PortStats stats() const noexcept;
  const DeviceSpec& spec() const noexcept;
  wire::MacAddress mac() const noexcept;
  /// DPDK's name of the driver: "net_tap".
  std::string driver() const;
  /// For the banner: "transmit TCP and UDP checksums, receive checksums", or "none".
  std::string offloads() const;
  Advertised advertised() const;
  /// Whether packets of several segments may come.
  bool merges() const noexcept;
  /// Of the link now: "up, 10000 Mbit/s", "down".
  std::string link_text() const;
  /// Whether the device was told to spread flows over its queues, and the key of its Toeplitz sum.
  bool spreads_flows() const noexcept;
  std::vector<std::uint8_t> spreading_key() const;
  /// Then: the queue of a flow of sum s is table[s % table.size()].
  std::vector<std::uint16_t> spreading_table() const;
  int numa_socket() const noexcept;
  /// The NUMA nodes that a queue's buffers lie on; empty where the kernel does not tell.
  std::vector<int> buffer_nodes(std::uint16_t index) const;

  /// Buffers that somebody owns now, those in the device's rings included; exact while nothing
  /// moves.
  std::size_t mbufs_in_use() const noexcept;
  /// Stops the device and gives it back. Returns how many buffers are still owned by somebody:
  /// none, unless a Burst or the stack holds them.
  ///
  /// A card that is not there any more is left alone, with those of its rings, and 0 returned. DPDK
  /// 22.11 gives a card back through its driver alone, which may wait for registers that never
  /// change; so this process cannot open it again, and a kernel that lent it by vfio-pci waits for
  /// the process to end. Nor could its memory be unmapped behind the driver's back, whose alarms
  /// and interrupt handlers read it.
  std::size_t close() noexcept;

 private:
  struct State;
  explicit Port(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace pollux::dpdk
