#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <memory>

namespace pollux::dpdk {

/// Returns to their pools the packets that are still on their way, chains as well, and then frees
/// the ring: nobody reads or writes it any more.
struct FreePacketRing {
  void operator()(rte_ring* ring) const noexcept {
    if (ring == nullptr) return;
    void* packet = nullptr;
    while (rte_ring_sc_dequeue(ring, &packet) == 0) {
      rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
    }
    rte_ring_free(ring);
  }
};
/// A ring of rte_mbufs that it owns.
using PacketRing = std::unique_ptr<rte_ring, FreePacketRing>;

}  // namespace pollux::dpdk
