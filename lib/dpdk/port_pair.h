#pragma once

#include <cstddef>

#include "base/result.h"
#include "dpdk/eal.h"
#include "dpdk/port.h"

namespace pollux::dpdk {

/// The drivers that can have both their ends in one process.
enum class PairKind { memif, virtio };

/// Both ends of a link through shared memory, in one process: two ports whose queues i are joined.
/// All bytes go through the real drivers, as between two processes.
struct PortPair {
  Port near;
  Port far;

  /// Opens near (a memif's server, or the vhost side), then far (a memif's client, or the
  /// virtio-user side), and waits until both are up. The socket between them lies in the folder of
  /// `eal`. `options.mac` must be empty: each end has an address of its own.
  static Result<PortPair> open(const Eal& eal, PairKind kind, const PortOptions& options);
  /// The same with options of each end's own, as many queues on both.
  static Result<PortPair> open(const Eal& eal, PairKind kind, const PortOptions& of_near,
                               const PortOptions& of_far);
  /// For EalOptions::memory_bytes.
  static std::size_t bytes_for(const PortOptions& options) noexcept;
};

}  // namespace pollux::dpdk
