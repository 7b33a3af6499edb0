#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/counters.h"
#include "base/time.h"
#include "cli/options.h"
#include "cli/summary.h"
#include "dpdk/clock.h"
#include "link/arp.h"
#include "run/loop.h"
#include "run/sampler.h"
#include "run/tally.h"

namespace pollux::run {

/// One lane as the reports see it, whatever its types are.
struct LaneView {
  std::size_t core = 0;  // index among the run's cores
  const Tally* tally = nullptr;
  const Counters* live = nullptr;
  std::function<std::optional<link::Conflict>()> take_conflict;
  Counters measured;  // filled in when the run is over
};

/// All lanes of one role: "server" or "client".
struct End {
  std::string role;
  std::vector<LaneView> lanes;
};

/// Watches a run from the control thread: prints live lines and samples whole seconds.
class Monitor {
 public:
  Monitor(const cli::SharedOptions& options, const dpdk::TscClock& clock, const Shared& shared,
          const std::vector<std::unique_ptr<CoreReport>>& cores, std::vector<End>& ends);

  /// Returns when no core's loop runs any more. `tend`, if any, is called some times a second.
  void watch(const std::atomic<unsigned>& cores_running, const std::function<void()>& tend);

  /// Rates of the measured whole seconds, one list for each end.
  const std::vector<std::vector<double>>& per_second() const noexcept { return per_second_; }
  /// Of the last end, where the schedule asks for them.
  const std::vector<cli::Sustain::Sample>& samples() const noexcept { return sampler_.samples(); }

 private:
  struct Sample {
    Instant at;
    std::uint64_t completed = 0, answered = 0, open = 0, failed = 0, dropped = 0;
    std::uint64_t busy_ns = 0, total_ns = 0;
  };
  Sample sample(std::size_t end, Instant now) const;
  void print_live(Instant now);
  void warn_of_conflicts(Instant now);
  void sample_second(Instant now);
  void sample_sustain(Instant now);
  void sample_last_seconds();
  void note_rate(std::size_t end, const Sample& latest, std::size_t seconds_over);

  const cli::SharedOptions& options_;
  const dpdk::TscClock& clock_;
  const Shared& shared_;
  const std::vector<std::unique_ptr<CoreReport>>& cores_;
  std::vector<End>& ends_;
  Instant started_;
  Sample last_live_;
  Instant next_live_;
  Instant next_second_;
  std::optional<Instant> warned_;  // of a conflict, last
  std::vector<Sample> last_second_;
  std::vector<std::vector<double>> per_second_;
  Instant next_sample_;
  Sampler sampler_;
};

/// What stays the same for a whole run.
struct Facts {
  std::string program;
  std::string link;
  std::string steering;
  bool huge_pages = false;
  std::uint64_t bytes_per_connection = 0;
  std::uint64_t connections_capacity = 0;  // of each lane
  std::string offloads = "none";           // of the device
  /// Of a client: what was asked for beside its load.
  std::optional<cli::Summary::Held> held = std::nullopt;
  bool beside = false;
  cli::Summary::Named device_drops = {};
  // Of several cores whose flows may have to be brought to one.
  bool steered = false;
  std::uint64_t handed_over = 0;  // frames that came in on another core than theirs
  std::uint64_t lost_between_cores = 0;
};

/// The sustain phase of a client's end.
cli::Sustain sustain_of(const End& end, std::vector<cli::Sustain::Sample> samples);

/// One end's summary, all lanes and cores added up.
cli::Summary summarize(const Facts& facts, const End& end, const std::vector<double>& per_second,
                       const std::vector<unsigned>& core_numbers,
                       const std::vector<std::unique_ptr<CoreReport>>& cores,
                       const dpdk::TscClock& clock);

}  // namespace pollux::run
