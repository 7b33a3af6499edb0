#pragma once

#include <rte_mempool.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "dpdk/mbuf.h"

namespace pollux::dpdk {

/// What a pool of packet buffers is made with.
struct PoolOptions {
  /// Unique in the process, at most 20 characters.
  std::string name = {};
  std::uint32_t buffers = 8'192;
  /// Bytes of a frame that fit behind the headroom of 128.
  std::uint16_t frame_bytes = 2'048;
  /// What each core keeps for itself, to spare the shared part; at most 512 and half the buffers.
  std::uint32_t core_cache = 512;
  /// The NUMA node that they are to lie on. Where that has no room, others serve.
  int numa_socket = SOCKET_ID_ANY;
};

/// Packet buffers of one size, taken at start. Outlives every Mbuf taken from it.
class Pool {
 public:
  static Result<Pool> create(const PoolOptions& options);
  /// What create() takes from EAL's memory, rounded up, for EalOptions::memory_bytes.
  static std::size_t bytes_for(const PoolOptions& options) noexcept;

  Pool(Pool&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
  Pool& operator=(Pool&& other) noexcept {
    std::swap(pool_, other.pool_);
    return *this;
  }
  ~Pool() { rte_mempool_free(pool_); }

  rte_mempool* get() const noexcept { return pool_; }
  /// Buffers that somebody owns now; exact while no core is at work on the pool.
  std::size_t in_use() const noexcept { return rte_mempool_in_use_count(pool_); }
  std::size_t size() const noexcept { return pool_->size; }
  /// The NUMA nodes that the buffers lie on; empty where the kernel does not tell.
  std::vector<int> nodes() const;

 private:
  static Result<Pool> create_there(const PoolOptions& options);
  explicit Pool(rte_mempool* pool) noexcept : pool_(pool) {}
  rte_mempool* pool_;
};

}  // namespace pollux::dpdk
