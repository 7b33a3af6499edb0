#pragma once

#include <rte_ring.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/inline.h"
#include "base/result.h"
#include "dpdk/mbuf.h"
#include "dpdk/packet_ring.h"
#include "dpdk/pool.h"
#include "link/device.h"
#include "wire/address.h"

namespace pollux::dpdk {

/// One end of one queue of a RingLink; models link::Device. Frames change hands, not bytes: what
/// one end sends is the very buffer that the other receives. Each end belongs to one core.
class RingQueue {
 public:
  using Packet = Mbuf;
  using Burst = packet::Burst<Mbuf, link::burst_size>;

  /// Borrows all it is given; RingLink::queue makes them.
  RingQueue(rte_ring* in, rte_ring* out, rte_mempool* pool, wire::MacAddress mac,
            std::uint16_t mtu) noexcept
      : in_(in), out_(out), pool_(pool), mac_(mac), mtu_(mtu) {}
  RingQueue(RingQueue&&) noexcept = default;
  RingQueue& operator=(RingQueue&&) noexcept = default;

  std::size_t receive(Burst& burst) noexcept {
    const std::size_t before = burst.size();
    const unsigned got =
        rte_ring_sc_dequeue_burst(in_, reinterpret_cast<void**>(as_array(burst.data() + before)),
                                  static_cast<unsigned>(burst.room()), nullptr);
    // Each buffer was last touched by the other core: all of them are asked for at once, and then
    // what the sender wrote, which begins in the headroom's second half.
    rte_mbuf** const slots = as_array(burst.data() + before);
    for (unsigned i = 0; i < got; ++i) __builtin_prefetch(slots[i]);
    for (unsigned i = 0; i < got; ++i) {
      __builtin_prefetch(reinterpret_cast<const std::byte*>(slots[i] + 1) +
                         RTE_PKTMBUF_HEADROOM / 2);
      __builtin_prefetch(reinterpret_cast<const std::byte*>(slots[i] + 1) + RTE_PKTMBUF_HEADROOM);
    }
    burst.resize_after_fill(before + got);
    return got;
  }

  std::size_t transmit(Burst& burst) noexcept {
    const unsigned sent =
        rte_ring_sp_enqueue_burst(out_, reinterpret_cast<void* const*>(as_array(burst.data())),
                                  static_cast<unsigned>(burst.size()), nullptr);
    for (unsigned i = 0; i < sent; ++i) (void)burst.data()[i].release();
    burst.remove_front(sent);
    return sent;
  }

  POLLUX_INLINE Mbuf allocate() noexcept { return Mbuf::allocate(pool_); }
  std::uint32_t spare_buffers() const noexcept { return Mbuf::spare(pool_); }
  wire::MacAddress mac() const noexcept { return mac_; }
  std::uint16_t mtu() const noexcept { return mtu_; }
  /// None: both ends compute and check real sums, as over a wire.
  link::Capabilities capabilities() const noexcept { return {}; }

 private:
  rte_ring* in_;
  rte_ring* out_;
  rte_mempool* pool_;
  wire::MacAddress mac_;
  std::uint16_t mtu_;
};
static_assert(link::Device<RingQueue> && link::Pooled<RingQueue>);

/// What a link of rings is made with.
struct RingLinkOptions {
  std::uint16_t queues = 1;
  /// The core that polls end 0 of each, on whose NUMA node its buffers are to lie; empty: wherever.
  std::vector<unsigned> cores = {};
  /// Frames that may be on their way in one direction of one queue; a power of two.
  std::uint32_t entries = 4'096;
  /// Buffers of each end of each queue: what is on its way, in the cores' caches and in the stack.
  /// No more than needed: 65,536 halve the rate of small frames, because all of them take turns.
  std::uint32_t buffers = 8'192;
  std::uint16_t mtu = 1'500;
  std::array<wire::MacAddress, 2> macs{wire::MacAddress{{0x02, 0, 0, 0, 0, 0x01}},
                                       wire::MacAddress{{0x02, 0, 0, 0, 0, 0x02}}};
};

/// Two hosts' devices back to back in one process, with as many queues as asked for: queue i of
/// one end is joined with queue i of the other.
class RingLink {
 public:
  static Result<RingLink> create(const RingLinkOptions& options);
  /// For EalOptions::memory_bytes.
  static std::size_t bytes_for(const RingLinkOptions& options) noexcept;

  RingLink(RingLink&&) noexcept = default;
  RingLink& operator=(RingLink&&) noexcept = default;

  /// End 0 or 1. Borrows from the link, which must outlive it; one for each end and queue.
  RingQueue queue(std::size_t end, std::size_t index) const noexcept;
  /// Buffers that somebody owns or that are on their way; exact while nothing moves.
  std::size_t mbufs_in_use() const noexcept;
  /// The NUMA nodes that a queue's buffers lie on; empty where the kernel does not tell.
  std::vector<int> buffer_nodes(std::size_t index) const { return pairs_[index].pool.nodes(); }

 private:
  /// Both ends of one queue. They share a pool: what a core has received and done with is what it
  /// takes for its answer, so that a buffer's cache lines cross over once a frame and not twice.
  /// The rings go first, and return what is still on its way.
  struct Pair {
    Pool pool;
    std::array<PacketRing, 2> out;
  };

  explicit RingLink(const RingLinkOptions& options) : options_(options) {}

  RingLinkOptions options_;
  std::vector<Pair> pairs_;
};

}  // namespace pollux::dpdk
