#include "dpdk/port_gate.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

namespace pollux::dpdk {
namespace {

/// Every thread of this process passes a full barrier before this returns.
void fence_every_core() noexcept {
  const auto membarrier = [](int command) { return syscall(SYS_membarrier, command, 0, 0) == 0; };
  if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) &&
      membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) {
    return;
  }
  // A kernel without it: a store is seen by the other cores long before.
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace

void PortGate::open(std::uint16_t port) noexcept {
  std::uint32_t now = port_.load();
  while (!port_.compare_exchange_weak(now, (now & held) | port)) {
  }
}

bool PortGate::await_leaving(std::chrono::milliseconds limit) const noexcept {
  fence_every_core();
  const auto end = std::chrono::steady_clock::now() + limit;
  for (const Use& each : queues) {
    const std::uint64_t seen = each.visits.load(std::memory_order_acquire);
    if (seen % 2 == 0) continue;
    while (each.visits.load(std::memory_order_acquire) == seen) {
      if (std::chrono::steady_clock::now() >= end) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  return true;
}

}  // namespace pollux::dpdk
