#include "dpdk/ring_link.h"

#include <rte_errno.h>

#include <bit>
#include <string>

#include "dpdk/numa.h"

namespace pollux::dpdk {
namespace {

PoolOptions pool_options(const RingLinkOptions& options) {
  return {.name = "pollux-link",
          .buffers = 2 * options.buffers,
          .frame_bytes =
              static_cast<std::uint16_t>(options.mtu + 64 < 2'048 ? 2'048 : options.mtu + 64)};
}

}  // namespace

std::size_t RingLink::bytes_for(const RingLinkOptions& options) noexcept {
  const std::size_t ring = options.entries * sizeof(void*) + (std::size_t{1} << 12);
  return options.queues * (Pool::bytes_for(pool_options(options)) + 2 * ring);
}

Result<RingLink> RingLink::create(const RingLinkOptions& options) {
  if (!std::has_single_bit(options.entries)) {
    return Error{.what = "ring link",
                 .why = "its length is not a power of two",
                 .remedy = std::to_string(std::bit_ceil(options.entries))};
  }
  RingLink link(options);
  const Topology topology = Topology::find();
  for (std::size_t i = 0; i < options.queues; ++i) {
    PoolOptions buffers = pool_options(options);
    if (i < options.cores.size()) buffers.numa_socket = topology.memory_node_of(options.cores[i]);
    buffers.name += std::to_string(i);
    Result<Pool> pool = Pool::create(buffers);
    if (!pool) return pool.error();
    Pair pair{.pool = *std::move(pool), .out = {}};
    for (std::size_t end = 0; end < 2; ++end) {
      const std::string name = buffers.name + (end == 0 ? "a" : "b");
      pair.out[end].reset(rte_ring_create(name.c_str(), options.entries, SOCKET_ID_ANY,
                                          RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ));
      if (!pair.out[end]) {
        return Error{.kind = Error::Kind::machine,
                     .what = "ring link",
                     .why = std::string("cannot create a ring (") + rte_strerror(rte_errno) + ")",
                     .remedy = "more huge pages, or --no-huge"};
      }
    }
    link.pairs_.push_back(std::move(pair));
  }
  return link;
}

RingQueue RingLink::queue(std::size_t end, std::size_t index) const noexcept {
  POLLUX_ASSERT(end < 2 && index < options_.queues);
  const Pair& pair = pairs_[index];
  return {pair.out[1 - end].get(), pair.out[end].get(), pair.pool.get(), options_.macs[end],
          options_.mtu};
}

std::size_t RingLink::mbufs_in_use() const noexcept {
  std::size_t total = 0;
  for (const Pair& pair : pairs_) total += pair.pool.in_use();
  return total;
}

}  // namespace pollux::dpdk
