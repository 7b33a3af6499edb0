#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "link/device.h"
#include "sim/frame.h"
#include "wire/address.h"

namespace pollux::sim {

/// What a simulated network card does about checksums. All but `none` are for tests of how a stack
/// deals with cards: honest ones, and those that claim what they do not do.
enum class Offload : std::uint8_t {
  none,             // claims nothing, does nothing
  honest,           // finishes the sums that it is asked for; says good or bad, truthfully
  lies_on_send,     // claims to finish sums, and sends what it was given
  lies_always_good  // says good of every received sum
};

/// One device: who it is, how much it holds, and how it fails.
struct DeviceOptions {
  std::string name{};
  wire::MacAddress mac{};
  std::uint16_t mtu = 1500;
  Offload offload = Offload::none;
  /// Of honest cards: TCP packets of up to so much text are cut into segments (TSO); 0: none are.
  std::uint32_t cuts_up_to = 0;
  /// Of honest cards: segments of a flow that wait to be received one behind the other are put
  /// together (LRO), up to so much text and as far as a frame has room; 0: none are.
  std::uint32_t merges_up_to = 0;
  /// Frames that transmit() takes between two visits of the World; 0: a card that is stuck.
  std::size_t transmit_room = 1024;
  /// Frames that wait to be received; more are lost, as on a card whose ring is full.
  std::size_t receive_room = 4096;
  /// Frames that this host may hold at once; at that bound allocate() and the receive ring get
  /// none.
  std::size_t frames = std::numeric_limits<std::size_t>::max();
  /// The chance that allocate() fails although there is room.
  double allocate_failure = 0;
  /// The chance that transmit() stops before any one frame.
  double transmit_refusal = 0;
};

/// What a device did, in frames.
struct DeviceCounts {
  std::uint64_t received = 0;      // handed to the stack
  std::uint64_t sent = 0;          // taken from the stack
  std::uint64_t cut = 0;           // of those, into several
  std::uint64_t merged = 0;        // put behind what waited to be received
  std::uint64_t cut_no_frame = 0;  // segments that were lost for want of a frame
  std::uint64_t receive_full = 0;
  std::uint64_t receive_no_frame = 0;
  std::uint64_t allocate_failed = 0;
  std::uint64_t transmit_refused = 0;  // calls that took less than they were offered
};

/// One port with one queue pair, a model of link::Device. It knows no time: the World fetches what
/// it was given to send, and puts in what arrives.
class Device {
 public:
  using Packet = Frame;
  using Burst = packet::Burst<Frame, link::burst_size>;

  Device(FramePool& pool, DeviceOptions options, std::uint64_t seed);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // The stack's side (link::Device).
  void receive(Burst& burst) noexcept;
  std::size_t transmit(Burst& burst) noexcept;
  Frame allocate() noexcept;
  std::uint32_t spare_buffers() const noexcept;
  wire::MacAddress mac() const noexcept { return options_.mac; }
  std::uint16_t mtu() const noexcept { return options_.mtu; }
  link::Capabilities capabilities() const noexcept;
  std::uint32_t links() const noexcept { return links_; }

  // The World's side.

  /// Puts a frame at the end of the receive ring, or loses and counts it.
  void deliver(Frame frame) noexcept;
  bool has_received() const noexcept { return receive_count_ != 0; }
  /// Frames in the two rings.
  std::size_t waiting() const noexcept { return receive_count_ + sent_.size(); }
  /// What the stack has sent, in order. The caller moves the frames out and clears the vector.
  std::vector<Frame>& sent() noexcept { return sent_; }
  /// Whether transmit() took less than it was offered since this was last called.
  bool take_refusal() noexcept { return std::exchange(refused_, false); }

  /// The link was gone, and has come back.
  void relink() noexcept { ++links_; }

  /// May be changed at any time: rooms only downwards from what they were at construction.
  DeviceOptions& options() noexcept { return options_; }
  const DeviceOptions& options() const noexcept { return options_; }
  const DeviceCounts& counts() const noexcept { return counts_; }
  /// Frames that this host holds, those in the two rings included.
  std::size_t frames_held() const noexcept { return account_.live; }

 private:
  void send(Frame frame);
  void cut(Frame frame);

  FramePool& pool_;
  DeviceOptions options_;
  FrameAccount account_;
  DeviceCounts counts_;
  Prng prng_;
  std::vector<Frame> sent_;
  std::vector<Frame> ring_;
  bool refused_ = false;
  std::uint32_t links_ = 0;
  std::size_t receive_next_ = 0;
  std::size_t receive_count_ = 0;
};

static_assert(link::Device<Device> && link::Relinked<Device> && link::Pooled<Device>);

}  // namespace pollux::sim
