#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "dpdk/mbuf.h"
#include "dpdk/packet_ring.h"
#include "dpdk/port.h"
#include "dpdk/rss.h"
#include "link/device.h"
#include "packet/packet.h"
#include "wire/address.h"

namespace pollux::dpdk {

/// What a port's steering is made with.
struct SteeringOptions {
  std::uint16_t cores = 1;
  std::uint16_t queues = 1;  // core i has queue i; those that get none send through another's
  /// Of the sum by which flows are told apart: the device's own, where it spreads them.
  std::vector<std::uint8_t> key = {};
  /// Which core a sum belongs to: homes[sum % homes.size()]. The device's own table, where it
  /// spreads flows.
  std::vector<std::uint16_t> homes = {};
  /// The device says that it puts flows on queues by this key and table: it is believed once the
  /// first packets of some flows have come to their cores, and until one comes to another.
  bool device_spreads = false;
};

/// The flows of one port on their way to the cores, each of which polls a stack of its own: what a
/// core has received for another goes over a lock-free ring to it. All of a flow comes to one core,
/// which is told by its Toeplitz sum; what has none (ARP, ICMP) stays where it came in, and the
/// fragments of a datagram go where their addresses say, from where it is carried home.
class Steering {
 public:
  using Burst = packet::Burst<Mbuf, link::burst_size>;

  static Result<std::unique_ptr<Steering>> create(SteeringOptions options);
  Steering(const Steering&) = delete;
  Steering& operator=(const Steering&) = delete;
  /// Returns to their pools what is still on its way.
  ~Steering();

  /// The core that a frame belongs to, or nothing where any will do.
  std::optional<std::uint16_t> home_of(std::span<const std::byte> frame) const noexcept;
  /// The core of the flow of `tuple`, which our end's name of it is.
  std::uint16_t home_of(const wire::FourTuple& tuple) const noexcept {
    return options_.homes[sum_.of(tuple) % options_.homes.size()];
  }

  // Of core `core`, on its own thread.

  /// Appends what others have received for this core, as far as half of the room takes it.
  void take_in(std::uint16_t core, Burst& burst) noexcept;
  /// Of the frames from `first` on, hands over those that are for others.
  void sort(std::uint16_t core, Burst& burst, std::size_t first) noexcept;
  /// Hands a frame to the core of `flow`; false: it is lost.
  bool carry_home(std::uint16_t core, const wire::FourTuple& flow, Mbuf frame) noexcept;
  /// Hands frames to the core that sends for this one; returns how many it takes, from the front.
  std::size_t send_through(std::uint16_t core, Burst& burst) noexcept;
  /// Appends what others want this core to send.
  void take_out(std::uint16_t core, Burst& burst) noexcept;

  std::uint16_t cores() const noexcept { return options_.cores; }
  std::uint16_t queues() const noexcept { return options_.queues; }
  /// Whether frames are looked at by us now: not those of a device that is believed.
  bool software(std::uint16_t core) const noexcept;

  /// handed_over() and dropped() leave out what it has done so far.
  void begin_counting(std::uint16_t core) noexcept;

  // From any thread, since begin_counting().

  /// Frames that came in on another core than theirs, and that were lost on the way to it.
  std::uint64_t handed_over() const noexcept;
  std::uint64_t dropped() const noexcept;
  /// Whether the device has put a flow's first packet on another queue than its sum says.
  bool device_lied() const noexcept { return lied_.load(std::memory_order_relaxed); }

 private:
  /// A core's own, on cache lines of their own.
  struct alignas(64) Core {
    PacketRing in;                           // what others have received for it
    PacketRing out;                          // what others want it to send
    std::uint32_t right = 0;                 // first packets that came to this core rightly
    std::uint32_t bursts = 0;                // since the device is believed
    std::atomic<std::uint64_t> handed_over;  // to others
    std::atomic<std::uint64_t> dropped;
    /// Frames for each other core.
    std::vector<std::array<rte_mbuf*, link::burst_size>> staged;
    std::vector<std::uint16_t> count;
  };
  static constexpr std::uint32_t enough = 64;   // of Core::right, to believe a device
  static constexpr std::uint32_t seldom = 256;  // bursts between two that are looked at then

  explicit Steering(SteeringOptions options);
  void judge(Core& core, bool home, std::span<const std::byte> frame) noexcept;

  SteeringOptions options_;
  FlowSum sum_;
  std::vector<std::unique_ptr<Core>> cores_;
  std::atomic<bool> lied_ = false;
};

/// One core's queue of a port whose flows are steered, or, without steering, just that queue;
/// models link::Device.
class SteeredQueue {
 public:
  using Packet = Mbuf;
  using Burst = packet::Burst<Mbuf, link::burst_size>;

  explicit SteeredQueue(Queue queue) noexcept : queue_(std::move(queue)) {}
  /// Of a core without a queue of its own, `queue` is that of the core that sends for it.
  SteeredQueue(Queue queue, Steering& steering, std::uint16_t core) noexcept
      : queue_(std::move(queue)),
        steering_(&steering),
        core_(core),
        has_queue_(core < steering.queues()) {}

  void receive(Burst& burst) noexcept {
    if (steering_ == nullptr) [[likely]] {
      queue_.receive(burst);
      return;
    }
    receive_steered(burst);
  }
  std::size_t transmit(Burst& burst) noexcept {
    if (has_queue_) [[likely]]
      return queue_.transmit(burst);
    return steering_->send_through(core_, burst);
  }
  Mbuf allocate() noexcept { return queue_.allocate(); }
  std::uint32_t spare_buffers() const noexcept { return queue_.spare_buffers(); }
  wire::MacAddress mac() const noexcept { return queue_.mac(); }
  std::uint16_t mtu() const noexcept { return queue_.mtu(); }
  link::Capabilities capabilities() const noexcept { return queue_.capabilities(); }
  std::uint32_t links() const noexcept { return queue_.links(); }
  void begin_counting() noexcept {
    if (steering_ != nullptr) steering_->begin_counting(core_);
  }
  /// Sends what cores without a queue want this one to send; whether there was something.
  bool pass_on() noexcept;
  bool comes_home(const wire::FourTuple& tuple) const noexcept {
    return steering_ == nullptr || steering_->home_of(tuple) == core_;
  }
  bool knows_homes() const noexcept { return steering_ != nullptr; }
  bool carry_home(const wire::FourTuple& flow, Mbuf frame) noexcept {
    return steering_->carry_home(core_, flow, std::move(frame));
  }

 private:
  void receive_steered(Burst& burst) noexcept;

  Queue queue_;
  Steering* steering_ = nullptr;
  std::uint16_t core_ = 0;
  bool has_queue_ = true;
  Burst others_;  // what this core sends for others
};
static_assert(link::Device<SteeredQueue> && link::Relinked<SteeredQueue> &&
              link::Steered<SteeredQueue> && link::Pooled<SteeredQueue>);

}  // namespace pollux::dpdk
