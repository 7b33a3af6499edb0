#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/prng.h"
#include "base/time.h"
#include "sim/frame.h"

namespace pollux::sim {

/// Losses that come in bursts (Gilbert 1960): the link is good or bad, changes between the two
/// before each frame with these chances, and loses a frame in its bad state with `loss`.
struct BurstLoss {
  double enter = 0;
  double leave = 1;
  double loss = 1;
};

/// What one direction of a cable does to frames. Chances are per frame.
struct LinkOptions {
  /// Bits that leave in a second; 0: all at once. A frame takes as long as on Ethernet, preamble,
  /// frame check sequence and gap (24 bytes) included.
  std::uint64_t bits_per_second = 0;
  /// Bytes that may wait to leave, by the same count, the frame that is leaving included; more are
  /// lost (drop-tail). Only of use with a rate.
  std::size_t queue_bytes = 1 << 20;
  Duration delay{0};
  /// Uniform extra delay up to this much; no frame overtakes another through it.
  Duration jitter{0};
  /// A frame that is held back for up to reorder_delay more, so that those behind it overtake.
  double reorder = 0;
  Duration reorder_delay = 1ms;
  double loss = 0;
  std::optional<BurstLoss> burst_loss = std::nullopt;
  double duplicate = 0;
  double corrupt = 0;
  /// A corrupted frame has a run of 1 to this many bits changed, of which the first and the last
  /// are, anywhere in it. A run of up to 15 bits never escapes the Internet checksum.
  unsigned corrupt_bits = 15;
  /// ARP has no checksum of its own, so that a changed frame cannot be told from a lying host's.
  bool corrupt_arp = false;
  /// Frames are made at least 60 bytes long, as on Ethernet, with bytes that are not 0.
  bool pad = true;
};

/// What a link did, in frames. Once nothing is in flight,
/// arrived = offered + duplicated - lost - queue_full - down.
struct LinkCounts {
  std::uint64_t offered = 0;
  std::uint64_t arrived = 0;
  std::uint64_t bytes_arrived = 0;
  std::uint64_t lost = 0;
  std::uint64_t queue_full = 0;
  std::uint64_t down = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t reordered = 0;
};

/// One direction of a cable. All its chance comes from its seed.
class Link {
 public:
  static constexpr std::size_t ethernet_overhead = 24;
  static constexpr std::size_t ethernet_minimum = 60;

  Link(const LinkOptions& options, std::uint64_t seed);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Takes a frame from the host at its near end; calls are in order of time.
  void send(Frame frame, Instant now);
  /// When the next frame reaches the far end; nothing while none is on the way.
  std::optional<Instant> next_arrival() const noexcept;
  /// The next frame that has reached the far end by now; empty when there is none.
  Frame take_arrival(Instant now);

  /// A link that goes down loses what is on it, and all that is sent until it is up again.
  void set_up(bool up);
  bool is_up() const noexcept { return up_; }

  /// May be changed at any time, for the frames that are sent from then on.
  LinkOptions& options() noexcept { return options_; }
  const LinkOptions& options() const noexcept { return options_; }
  const LinkCounts& counts() const noexcept { return counts_; }
  std::size_t in_flight() const noexcept { return flying_.size(); }

 private:
  struct Flying {
    Instant at;
    std::uint64_t order;  // of equals, the one that was sent first arrives first
    Frame frame;
  };
  struct Waiting {
    std::int64_t leaves_ps;
    std::size_t bytes;
  };
  static bool later(const Flying& a, const Flying& b) noexcept {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }

  /// The time at which the last bit has left; nothing when the queue is full.
  std::optional<Instant> leave(std::size_t frame_bytes, Instant now);
  bool is_lost();
  void corrupt(Frame& frame);
  void fly(Frame frame, Instant left);

  LinkOptions options_;
  Prng prng_;
  LinkCounts counts_;
  bool up_ = true;
  bool bad_ = false;
  std::int64_t busy_until_ps_ = 0;  // picoseconds, in which a bit at 10 Gbit/s is a whole number
  std::deque<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  Instant last_in_order_{};
  std::uint64_t next_order_ = 0;
  std::vector<Flying> flying_;  // a heap
};

}  // namespace pollux::sim
