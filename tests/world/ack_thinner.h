#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/time.h"
#include "sim/frame.h"
#include "wire/seq_num.h"

namespace pollux::world {

/// How an AckThinner behaves.
struct ThinOptions {
  /// This many ACKs become one.
  std::uint32_t most = 32;
  /// The longest that one waits for others.
  Duration hold = 5ms;
};

/// Drops an ACK when a later one that says more comes while it waits, as cable modems do (RFC 3449
/// s.5.2.1), or as a receiver does that joins segments before it answers them. What tells of a loss
/// passes at once: duplicate ACKs, SACK blocks; so does all that is more than an ACK.
class AckThinner {
 public:
  explicit AckThinner(const ThinOptions& options) : options_(options) {}

  /// Appends to `out` what goes on now, in order.
  void take(sim::Frame frame, Instant now, std::vector<sim::Frame>& out);
  /// The same for what has waited long enough.
  void expire(Instant now, std::vector<sim::Frame>& out);
  std::optional<Instant> next_event() const;
  /// ACKs that were dropped.
  std::uint64_t dropped() const { return dropped_; }

 private:
  using Flow = std::array<std::uint32_t, 3>;
  struct Held {
    sim::Frame frame;
    wire::SeqNum ack;
    std::uint32_t joined;
    Instant until;
  };
  void release(Flow flow, std::vector<sim::Frame>& out);

  ThinOptions options_;
  std::map<Flow, Held> held_;
  std::uint64_t dropped_ = 0;
};

}  // namespace pollux::world
