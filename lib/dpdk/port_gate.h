#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pollux::dpdk {

/// Where the cores that poll a port and the threads that tend it meet: the port's number, or
/// `closed` while nobody may call its driver.
struct PortGate {
  static constexpr std::uint32_t closed = 0xFFFF'FFFF;

  /// What the one core that polls a queue writes.
  struct alignas(64) Use {
    std::atomic<std::uint64_t> visits = 0;  // entries and exits of the driver: odd while inside
    std::atomic<std::uint64_t> broken = 0;  // frames of several segments that no buffer holds
  };

  /// A core's stay inside the driver. What it reads of the gate, or in the driver, it reads after
  /// it is seen to be inside.
  class Visit {
   public:
    explicit Visit(Use& use) noexcept
        : visits_(&use.visits), entry_(visits_->load(std::memory_order_relaxed) + 1) {
      visits_->store(entry_, std::memory_order_relaxed);
      // The processor's part is done by await_leaving, so that a poll costs no fence.
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    ~Visit() { visits_->store(entry_ + 1, std::memory_order_release); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    std::atomic<std::uint64_t>* visits_;
    std::uint64_t entry_;
  };

  /// Waits until each core that is inside the driver has left it; those that enter later see all
  /// that this thread has stored before. False if one is still there after `limit`.
  bool await_leaving(std::chrono::milliseconds limit) const noexcept;

  alignas(64) std::atomic<std::uint32_t> port = closed;
  std::atomic<std::uint32_t> links = 0;  // how often the link has come back
  std::vector<Use> queues;
};

}  // namespace pollux::dpdk
