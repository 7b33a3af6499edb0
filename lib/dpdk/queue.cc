#include <rte_mbuf.h>

#include <atomic>
#include <cstring>
#include <utility>

#include "dpdk/port.h"

/// What seldom happens to a queue: frames that lie in several buffers, and those that a driver
/// refuses.
namespace pollux::dpdk {

namespace {

void count_one(std::atomic<std::uint64_t>& count) noexcept {
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

std::size_t Queue::straighten(rte_mbuf** frames, std::size_t count) noexcept {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    rte_mbuf* const frame = std::exchange(frames[i], nullptr);
    if (rte_mbuf* const whole = frame->nb_segs == 1 ? frame : straightened(frame)) {
      frames[kept++] = whole;
    } else {
      count_one(gate_->queues[index_].broken);
    }
  }
  return kept;
}

rte_mbuf* Queue::straightened(rte_mbuf* chain) noexcept {
  if (rte_pktmbuf_linearize(chain) == 0) return chain;
  Mbuf whole = large_pool_ == nullptr ? Mbuf{} : Mbuf::allocate(large_pool_);
  if (whole && whole.tailroom() < chain->pkt_len) whole = Mbuf{};
  if (whole) {
    for (const rte_mbuf* each = chain; each != nullptr; each = each->next) {
      std::memcpy(whole.append(each->data_len).data(), rte_pktmbuf_mtod(each, const std::byte*),
                  each->data_len);
    }
    whole.get()->ol_flags = chain->ol_flags & ~(RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
    whole.get()->hash = chain->hash;
  }
  rte_pktmbuf_free(chain);
  return whole.release();
}

std::size_t Queue::drop_front(Burst& burst) noexcept {
  burst[0] = Mbuf{};
  burst.remove_front(1);
  count_one(gate_->queues[index_].refused);
  return 1;
}

}  // namespace pollux::dpdk
