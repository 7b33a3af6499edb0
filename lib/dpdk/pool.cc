#include "dpdk/pool.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memzone.h>

#include <algorithm>
#include <set>

#include "dpdk/numa.h"

namespace pollux::dpdk {
namespace {

std::uint16_t buffer_bytes(const PoolOptions& options) noexcept {
  return static_cast<std::uint16_t>(options.frame_bytes + RTE_PKTMBUF_HEADROOM);
}

unsigned cache_of(const PoolOptions& options) noexcept {
  const std::uint32_t most = RTE_MEMPOOL_CACHE_MAX_SIZE;
  return std::min({options.core_cache, most, options.buffers / 2});
}

Error failure(const PoolOptions& options, int reason) {
  return {.kind = Error::Kind::machine,
          .what = "packet pool " + options.name,
          .why = "cannot create " + std::to_string(options.buffers) + " buffers (" +
                 rte_strerror(reason) + ")",
          .remedy = "more huge pages, --no-huge, or fewer --connections"};
}

void free_zone(rte_mempool_memhdr*, void* zone) {
  rte_memzone_free(static_cast<const rte_memzone*>(zone));
}

/// Lays the buffers end to end in one zone. rte_pktmbuf_pool_create keeps each within one page,
/// which with pages of 4 KiB wastes nearly half the memory and touches twice as many pages; where a
/// bus address is a virtual one, a buffer may as well straddle two of them.
int populate_packed(rte_mempool* pool) {
  std::size_t smallest = 0;
  std::size_t alignment = 0;
  const ssize_t bytes =
      rte_mempool_op_calc_mem_size_default(pool, pool->size, 0, &smallest, &alignment);
  if (bytes < 0) return static_cast<int>(-bytes);
  const rte_memzone* const zone =
      rte_memzone_reserve_aligned(pool->name, static_cast<std::size_t>(bytes), pool->socket_id, 0,
                                  static_cast<unsigned>(alignment));
  if (zone == nullptr) return rte_errno;
  const int added =
      rte_mempool_populate_iova(pool, static_cast<char*>(zone->addr), zone->iova, zone->len,
                                &free_zone, const_cast<rte_memzone*>(zone));
  if (added >= 0 && static_cast<unsigned>(added) == pool->size) return 0;
  return added < 0 ? -added : ENOMEM;
}

}  // namespace

std::size_t Pool::bytes_for(const PoolOptions& options) noexcept {
  const std::size_t buffer = sizeof(rte_mbuf) + buffer_bytes(options) + sizeof(rte_mempool_objhdr) +
                             std::size_t{2} * RTE_CACHE_LINE_SIZE;
  // The shared part is a ring of pointers, a power of two; the caches are in the pool's header.
  return options.buffers * (buffer + 4 * sizeof(void*)) +
         RTE_MAX_LCORE * sizeof(rte_mempool_cache) + (std::size_t{1} << 20);
}

Result<Pool> Pool::create(const PoolOptions& options) {
  // Without huge pages DPDK's memory is of no node until it is touched.
  const OnNode here{options.numa_socket};
  Result<Pool> pool = create_there(options);
  if (pool || options.numa_socket < 0) return pool;
  PoolOptions anywhere = options;
  anywhere.numa_socket = SOCKET_ID_ANY;
  return create_there(anywhere);
}

std::vector<int> Pool::nodes() const {
  std::set<int> found;
  const auto look = [](rte_mempool*, void* nodes, rte_mempool_memhdr* piece, unsigned) {
    for (const int node : nodes_of({static_cast<const std::byte*>(piece->addr), piece->len})) {
      static_cast<std::set<int>*>(nodes)->insert(node);
    }
  };
  rte_mempool_mem_iter(pool_, look, &found);
  return {found.begin(), found.end()};
}

Result<Pool> Pool::create_there(const PoolOptions& options) {
  if (rte_eal_has_hugepages() != 0 || rte_eal_iova_mode() != RTE_IOVA_VA) {
    rte_mempool* const pool =
        rte_pktmbuf_pool_create(options.name.c_str(), options.buffers, cache_of(options), 0,
                                buffer_bytes(options), options.numa_socket);
    if (pool == nullptr) return failure(options, rte_errno);
    return Pool{pool};
  }
  const auto element = static_cast<unsigned>(sizeof(rte_mbuf) + buffer_bytes(options));
  rte_mempool* const raw = rte_mempool_create_empty(
      options.name.c_str(), options.buffers, element, cache_of(options),
      sizeof(rte_pktmbuf_pool_private), options.numa_socket, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
  if (raw == nullptr) return failure(options, rte_errno);
  Pool pool{raw};
  if (const int refused = rte_mempool_set_ops_byname(raw, rte_mbuf_best_mempool_ops(), nullptr);
      refused != 0) {
    return failure(options, -refused);
  }
  rte_pktmbuf_pool_private shape{};
  shape.mbuf_data_room_size = buffer_bytes(options);
  rte_pktmbuf_pool_init(raw, &shape);
  if (const int refused = populate_packed(raw); refused != 0) return failure(options, refused);
  rte_mempool_obj_iter(raw, rte_pktmbuf_init, nullptr);
  return pool;
}

}  // namespace pollux::dpdk
