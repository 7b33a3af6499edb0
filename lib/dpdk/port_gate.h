#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pollux::dpdk {

/// Where the cores that poll a port and the threads that tend it meet: the port's number, and
/// whether its driver may be called.
class PortGate {
 public:
  /// What the one core that polls a queue writes.
  struct alignas(64) Use {
    std::atomic<std::uint64_t> visits = 0;   // entries and exits of the driver: odd while inside
    std::atomic<std::uint64_t> broken = 0;   // frames of several segments that no buffer holds
    std::atomic<std::uint64_t> refused = 0;  // frames to send that the driver cannot
  };

  /// A core's stay inside the driver of one queue, if it is let in.
  class Visit {
   public:
    Visit(PortGate& gate, std::uint16_t queue) noexcept
        : visits_(&gate.queues[queue].visits),
          entry_(visits_->load(std::memory_order_relaxed) + 1) {
      visits_->store(entry_, std::memory_order_relaxed);
      // The gate is read after that store is seen: the processor's part of this is done by
      // await_leaving, so that a poll costs no fence.
      std::atomic_signal_fence(std::memory_order_seq_cst);
      port_ = gate.port_.load(std::memory_order_acquire);
    }
    ~Visit() { visits_->store(entry_ + 1, std::memory_order_release); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

    bool admitted() const noexcept { return port_ <= 0xFFFF; }
    std::uint16_t port() const noexcept { return static_cast<std::uint16_t>(port_); }

   private:
    std::atomic<std::uint64_t>* visits_;
    std::uint64_t entry_;
    std::uint32_t port_;
  };

  /// For the thread that tends the port: whether there is a driver that works.
  void open(std::uint16_t port) noexcept;
  void close() noexcept { port_.fetch_or(closed); }
  /// For the thread on which the driver hears of its peer: whether it is at work on that.
  void hold() noexcept { port_.fetch_or(held); }
  void release() noexcept { port_.fetch_and(~held); }

  /// Waits until each core that is inside the driver has left it; those that enter later see all
  /// that this thread has stored before. False if one is still there after `limit`.
  bool await_leaving(std::chrono::milliseconds limit) const noexcept;

  alignas(64) std::atomic<std::uint32_t> links = 0;  // how often the link has come back
  std::vector<Use> queues;

 private:
  // Above every port's number.
  static constexpr std::uint32_t closed = 0x1'0000;
  static constexpr std::uint32_t held = 0x2'0000;

  std::atomic<std::uint32_t> port_ = closed;
};

}  // namespace pollux::dpdk
