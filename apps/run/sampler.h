#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/counters.h"
#include "base/time.h"
#include "cli/sustain.h"
#include "run/tally.h"

namespace pollux::run {

/// Samples of a sustain phase (RFC 9411 s.7.2.4), from looks at what one side has counted so far.
class Sampler {
 public:
  /// All lanes of the side at one moment.
  struct Look {
    Instant at{};
    std::uint64_t connections = 0, transactions = 0, bytes = 0;
    std::uint64_t established_ns = 0, watched_ns = 0, lanes = 0;

    void add(const Tally& tally, const Counters& counters) noexcept {
      connections += tally.live_completed;
      transactions += tally.transactions_ok;
      bytes += counters[Event::bytes_received] + counters[Event::bytes_sent];
      established_ns += tally.established_ns;
      watched_ns += tally.watched_ns;
      ++lanes;
    }
  };

  /// The first look only marks where the samples begin.
  void take(const Look& look) {
    if (last_ && look.at > last_->at) {
      const auto more = [&](std::uint64_t Look::*what) {
        return static_cast<double>(look.*what - (*last_).*what);
      };
      const double seconds = std::chrono::duration<double>(look.at - last_->at).count();
      // By the clock of those who count: they may be behind ours, by a stall.
      const double watched = more(&Look::watched_ns) / static_cast<double>(look.lanes);
      if (watched > 0) concurrent_ = more(&Look::established_ns) / watched;
      samples_.push_back({seconds, more(&Look::connections), more(&Look::transactions),
                          more(&Look::bytes), concurrent_});
    }
    last_ = look;
  }
  const std::vector<cli::Sustain::Sample>& samples() const noexcept { return samples_; }

 private:
  std::optional<Look> last_;
  double concurrent_ = 0;
  std::vector<cli::Sustain::Sample> samples_;
};

}  // namespace pollux::run
