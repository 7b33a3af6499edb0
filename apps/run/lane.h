#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/counters.h"
#include "base/time.h"
#include "link/arp.h"
#include "pipeline/pipeline.h"
#include "run/tally.h"

namespace pollux::run {

/// What the run loop asks of the programs' applications, beside being one.
template <class A>
concept Measured = requires(A a, const A c, Instant now, Leftover leftover) {
  /// What begins from now on counts.
  a.begin_measuring(now);
  /// Nothing new begins any more.
  a.wind_down(now);
  /// Nothing is under way.
  { c.idle() } -> std::same_as<bool>;
  /// What is reset from now on was still there when the run ended.
  a.end_with(leftover);
  /// Another step of a search begins as the first did, with its warm-up. Nothing is under way.
  a.restart(now);
  { c.tally() } -> std::same_as<const Tally&>;
};

/// One pipeline and its application, polled by one core together with that core's other lanes.
template <link::Device D, Measured A>
class Lane {
 public:
  using Pipeline = pipeline::Pipeline<D, A>;

  static Result<std::unique_ptr<Lane>> make(D device, std::unique_ptr<A> application,
                                            const pipeline::Config& config, Instant now) {
    std::unique_ptr<Lane> lane{new Lane(std::move(device), std::move(application))};
    auto pipeline = Pipeline::make(config, lane->device_, *lane->application_, now);
    if (!pipeline) return pipeline.error();
    lane->pipeline_ = std::move(*pipeline);
    return lane;
  }

  /// Both are queues of the same port. Before start(), and on each of the two.
  void tell_neighbors_to(Lane& sibling) { pipeline_->tell_neighbors_to(*sibling.pipeline_); }

  void start(Instant now) noexcept { pipeline_->start(now); }
  /// How much it did: frames received and sent, and requests answered, of which a frame may hold
  /// many.
  std::uint64_t poll(Instant now) noexcept {
    const std::uint64_t before = frames() + tally().live_answered;
    pipeline_->poll(now);
    return frames() + tally().live_answered - before;
  }
  void begin_measuring(Instant now) noexcept {
    application_->begin_measuring(now);
    if constexpr (requires { device_.begin_counting(); }) device_.begin_counting();
    first_ = pipeline_->counters();
  }
  void wind_down(Instant now) noexcept { application_->wind_down(now); }
  bool idle() const noexcept { return application_->idle(); }
  /// Ends a step of a search: fixes the counts, and resets what is left, so that nothing of it is
  /// under way in the next.
  void end_step(Instant now, Leftover leftover) noexcept {
    application_->end_with(leftover);
    last_ = pipeline_->counters();
    last_.count(Drop::fragment_shutdown, pipeline_->frames_held());
    std::uint32_t ended = 0;
    for (std::uint32_t place = 0; place < pipeline_->stream_places(); ++place) {
      auto stream = pipeline_->stream_at(place);
      if (!stream) continue;
      stream->abort();
      // A device takes a burst at a time.
      if (++ended % link::burst_size == 0) pipeline_->poll(now);
    }
    pipeline_->poll(now);
  }
  /// Begins the next step.
  void restart(Instant now) noexcept { application_->restart(now); }
  /// Ends what is left, and fixes the counts.
  void stop(Instant now, Leftover leftover) noexcept {
    application_->end_with(leftover);
    last_ = pipeline_->counters();
    pipeline_->stop(now);
    held_ = pipeline_->counters()[Drop::fragment_shutdown];
    last_.count(Drop::fragment_shutdown, held_);
  }

  /// Sends what others want this core to send; whether there was something.
  bool pass_on() noexcept {
    if constexpr (requires { device_.pass_on(); }) return device_.pass_on();
    return false;
  }

  const Tally& tally() const noexcept { return application_->tally(); }
  const A& application() const noexcept { return *application_; }
  A& application() noexcept { return *application_; }
  /// The counts as they are now, readable from any thread.
  const Counters& counters() const noexcept { return pipeline_->counters(); }
  /// Of the pipeline, for the control thread.
  std::optional<link::Conflict> take_conflict() noexcept { return pipeline_->take_conflict(); }
  /// What was counted from begin_measuring() to stop().
  Counters measured() const noexcept { return last_.since(first_); }
  /// Frames received and sent since the start.
  std::uint64_t frames() const noexcept {
    return counters()[Event::frames_received] + counters()[Event::frames_sent];
  }

 private:
  Lane(D device, std::unique_ptr<A> application)
      : device_(std::move(device)), application_(std::move(application)) {}

  D device_;
  std::unique_ptr<A> application_;
  std::unique_ptr<Pipeline> pipeline_;
  Counters first_;
  Counters last_;
  std::uint64_t held_ = 0;
};

/// Two lanes of one port hear of each other's neighbours.
template <class L>
void introduce(L& a, L& b) {
  a.tell_neighbors_to(b);
  b.tell_neighbors_to(a);
}

}  // namespace pollux::run
