#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "application/application.h"
#include "application/http_client.h"
#include "base/assert.h"
#include "base/inline.h"
#include "base/result.h"
#include "base/slab.h"
#include "base/time.h"
#include "cli/options.h"
#include "cli/profile.h"
#include "load/body_meter.h"
#include "load/hold_queue.h"
#include "load/pace.h"
#include "load/send_times.h"
#include "run/tally.h"

namespace pollux::load {

using cli::Close;

/// One core's share of what pollux-load was asked for.
struct GeneratorOptions {
  struct Target {
    application::Endpoint endpoint;
    std::uint32_t request = 0;  // which of `requests` it is asked
  };
  std::vector<Target> targets;
  /// One for each host that is asked.
  std::vector<application::HttpClientRequest> prepared;
  /// Connections a second of this core; none: as fast as `concurrency` allows.
  std::optional<double> rate;
  double part = 1;  // of all that are opened, by all generators
  std::uint32_t concurrency = 800;
  /// `concurrency` bounds a rate too: what is due when it is reached fails.
  bool limited = false;
  std::uint64_t requests = 1;
  std::uint32_t pipeline = 1;
  Close close = Close::server;
  bool hold = false;
  Duration hold_interval = 30s;
  Duration ramp{0};
  /// SYNs at the rate, and nothing else: who answers is reset.
  bool syn_only = false;
  /// Beside them, whole connections a second of this core.
  double beside = 0;
  /// Connections that are opened before all else and kept, and on which nothing is said.
  std::uint32_t held = 0;
  /// The first request is ready before the SYN leaves, which takes it along where it may.
  bool fast_open = false;
  /// Of a run of RFC 9411: replies are measured, and what is held is closed over the ramp-down.
  bool profile = false;
  Duration init{0};  // nothing is due in it
  Duration ramp_down{0};
  std::optional<std::uint64_t> object;  // bytes of body that each reply is to have
  /// The most connections that the stack keeps.
  std::uint32_t streams = 1'048'576;
};

/// Share number `share` of `shares` equal ones of what the options ask for.
Result<GeneratorOptions> generator_options(const cli::ClientOptions& options, std::size_t shares,
                                           std::size_t share);

/// The client's side: opens connections at a rate or as fast as answers come, sends requests,
/// checks every reply, and measures. A latency counts from the moment at which a connection was
/// due, not from when this core got round to it, so that a stall shows in every connection that it
/// delayed (no coordinated omission).
///
/// What begins in the warm-up is not counted: a connection by when it was opened, a request by when
/// its first byte was sent, on whatever connection.
class Generator {
 public:
  /// The bound on connections opened in one poll, so that a late poll makes no burst; and on those
  /// that are held and ask again.
  static constexpr std::uint32_t burst = 64;
  /// The same at a rate: each brings three frames, and of those that come in a poll takes 64, so
  /// that what has piled up in a stall goes down while connections are opened.
  static constexpr std::uint32_t at_rate = 16;
  /// How many are opened, and for how long, before anybody has been heard: until the next hop's
  /// address is known a few frames wait for it, and each SYN beyond them comes back a second later,
  /// or never where nobody keeps it.
  static constexpr std::uint32_t before_answer = 16;
  static constexpr Duration patience = 100ms;
  /// How long a closed loop leaves a target alone to which there is no way, or no neighbour.
  static constexpr Duration rest = 1s;
  /// How many of those that are to be held are opened at once where nobody says at which rate: so
  /// few that no ring of a link overflows.
  static constexpr std::uint32_t opening = 800;

  struct Session {
    std::uint32_t talk = 0xFFFF'FFFF;  // borrowed, or none
    std::uint32_t target = 0;          // which of the options'
    std::uint32_t answered = 0;        // while no talk is borrowed: requests so far
    bool counted : 1 = false;          // the connection began in the measured time
    bool established : 1 = false;
    bool first_byte : 1 = false;  // of the reply under way
    bool done : 1 = false;        // every reply is there
    bool bad : 1 = false;
    bool said_close : 1 = false;
    bool turn : 1 = false;   // a held connection is to ask
    bool early : 1 = false;  // the server closed it between two answers
    bool apart : 1 = false;  // it is not of the load, but beside it
    bool kept : 1 = false;   // and is to stay open, with nothing said
  };
  static_assert(sizeof(Session) == 16);

  /// What a connection borrows from when it is due until it is over; a held one only while it asks.
  struct Talk {
    Instant due{};                // when it was to be opened; when held, to ask
    Instant asked{};              // when the request was sent, where only one is under way at once
    Instant closing{};            // when its close began
    std::uint64_t begun = 0;      // requests of which something was sent
    std::uint64_t answered = 0;   // of them
    std::uint32_t half_sent = 0;  // bytes of the last one, while it is not out whole
    std::uint16_t uncounted = 0;  // requests under way that began in the warm-up: the oldest
    application::ReplyState reply;
  };
  static_assert(sizeof(Talk) == 64);
  using Talks = Slab<Talk>;

  /// Fails where the address space cannot be had for what goes with each stream.
  static Result<std::unique_ptr<Generator>> make(GeneratorOptions options);

  // What the run loop asks.
  void begin_measuring(Instant now) noexcept {
    measuring_ = true;
    measured_from_ = now;
    tally_.note_begin();
  }
  void wind_down(Instant now) noexcept {
    winding_down_ = true;
    tally_.note_end();
    wound_down_at_ = now;
    held_to_close_ = tally_.live_established;
    held_closed_ = 0;
    if (!pace_.closed_loop() && !options_.hold) tally_.behind = pace_.missing(now);
  }
  bool idle() const noexcept { return tally_.live == 0 && beside_live_ == 0; }
  void end_with(run::Leftover leftover) noexcept {
    leftover_ = leftover;
    if (options_.syn_only) give_up_syns();
  }
  const run::Tally& tally() const noexcept { return tally_; }
  void restart(Instant now) noexcept {
    tally_.clear();
    measuring_ = winding_down_ = false;
    leftover_.reset();
    pace_.start(now + options_.init);
    beside_.start(now);
    opens_held_ = false;
    looked_ = now;
  }
  /// All that are to be kept open beside the load are. The load begins with restart().
  bool ready() const noexcept { return tally_.held >= options_.held; }
  /// Why the last of them that could not be opened was not; "" where all were.
  std::string_view held_trouble() const noexcept { return held_trouble_; }
  /// When the connection was to be opened or, of a held one, its request is due; nothing while it
  /// waits for its turn.
  std::optional<Instant> due_of(const Session& session) const noexcept {
    if (session.talk == Talks::none) return std::nullopt;
    return talks_[session.talk].due;
  }
  /// Before a start or restart: how many connections a second all generators open together.
  void set_rate(double all) noexcept { pace_ = Pace{all * options_.part, options_.ramp}; }

  /// Before a start or restart: the next iteration of a run of RFC 9411.
  void set_iteration(const cli::Iteration& iteration) noexcept;

  void on_start(auto& stack) noexcept {
    pace_.start(stack.now() + options_.init);
    beside_.start(stack.now());
    looked_ = stack.now();
  }

  void on_poll(auto& stack) noexcept {
    if (options_.profile) note_time(stack.now());
    if (opens_held_) return open_held(stack);
    if (winding_down_) {
      if (options_.profile && options_.hold) close_held(stack);
      return;
    }
    // First, while there is room on the device.
    if (options_.beside > 0) open_beside(stack);
    for (std::uint32_t n = due(stack.now()); n != 0; --n) {
      if (!(options_.syn_only ? send_syn(stack) : open(stack))) break;
    }
    if (options_.hold) ask_held(stack);
  }

  void on_syn_answer(auto&, const application::SynAnswer& answer) noexcept {
    heard_ = true;
    if (options_.syn_only) take_answer(answer);
  }

  void on_connected(application::Stream auto& stream) noexcept {
    Session& session = stream.session();
    session.established = true;
    heard_ = true;
    if (session.apart) return connected_apart(stream);
    ++tally_.live_established;
    const Instant now = stream.stack().now();
    if (session.counted) {
      ++tally_.established;
      ++tally_.open;
      if (tally_.open > tally_.peak_open) tally_.peak_open = std::uint64_t{tally_.open};
      tally_.connect.record(elapsed(talk_of(session).due, now));
    }
    if (options_.hold) give_turn(stream, now);
    ask(stream);
  }

  void on_writable(application::Stream auto& stream) noexcept { ask(stream); }

  void on_readable(application::Stream auto& stream) noexcept { read(stream); }

  void on_peer_closed(application::Stream auto& stream) noexcept {
    Session& session = stream.session();
    if (Talk& talk = talk_of(session); talk.begun != talk.answered) {
      if (parser_.finish(talk.reply)) {
        answer(stream, session, talk);
      } else {
        spoil(session);
      }
    }
    if (!session.done) break_off(session);
    begin_close(stream, session, talk_of(session));
  }

  void on_closed(auto& stack, application::StreamId id, Session& session, Cause cause) noexcept {
    heard_ = true;
    Instant closing{};
    if (session.talk != Talks::none) {
      closing = talks_[session.talk].closing;
      give_back(session);
    }
    if (session.kept) return closed_held(session, cause, stack.now());
    if (session.apart) {
      --beside_live_;
    } else {
      --tally_.live;
      if (session.established) --tally_.live_established;
    }
    if (options_.profile) body_.take(id.index);
    if (options_.hold) held_.remove(id.index);
    if (cause == Cause::no_neighbor) rests_until_[session.target] = stack.now() + rest;
    // Who has the whole reply does not mind a reset behind it.
    const bool orderly =
        cause == Cause::by_us || cause == Cause::by_peer || cause == Cause::reset_at_end;
    const bool reset_by_plan =
        cause == Cause::aborted && session.done && options_.close == Close::reset;
    const bool completed = session.done && !session.bad && (orderly || reset_by_plan);
    const bool left_over = leftover_ && cause == Cause::aborted && !reset_by_plan;
    if (session.apart) {
      if (session.counted && !left_over) {
        ++(completed ? tally_.beside_completed : tally_.beside_failed);
      }
      return;
    }
    if (!left_over) ++(completed ? tally_.live_completed : tally_.live_failed);
    const bool by_reset =
        cause == Cause::reset || cause == Cause::reset_at_end || cause == Cause::refused;
    if (by_reset && (session.counted || (measuring_ && !winding_down_))) ++tally_.terminated;
    if (!session.counted) {
      if (!session.established) ++tally_.not_set_up_in_warmup;
      if (left_over && session.established) ++tally_.open_from_warmup;
      return;
    }
    if (left_over) {
      // Still under way when the run ended: neither completed nor failed.
      if (*leftover_ == run::Leftover::open) {
        if (!session.established) ++tally_.open;
      } else {
        if (session.established) --tally_.open;
        ++tally_.aborted;
      }
      return;
    }
    if (session.established) --tally_.open;
    if (completed) {
      ++tally_.completed;
      tally_.close.record(elapsed(closing, stack.now()));
    } else {
      if (orderly && session.early) {
        ++tally_.failed;
        ++tally_.closed_early;
      } else {
        count_failure(tally_, orderly ? Cause::none : cause);
      }
    }
  }

 private:
  Generator(GeneratorOptions options, Talks talks, HoldQueue held, SendTimes sent_at,
            BodyMeter body);

  /// The connection's, borrowed now where it has none: there is one for each stream.
  Talk& talk_of(Session& session) noexcept {
    if (session.talk == Talks::none) [[unlikely]] {
      session.talk = talks_.acquire();
      POLLUX_ASSERT(session.talk != Talks::none);
      talks_[session.talk].begun = talks_[session.talk].answered = session.answered;
    }
    return talks_[session.talk];
  }
  /// Whoever asks so often that it does not fit has no last request.
  void give_back(Session& session) noexcept {
    Talk& talk = talks_[session.talk];
    parser_.release(talk.reply);
    session.answered =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(talk.answered, 0xFFFF'FFFF));
    talks_.release(std::exchange(session.talk, Talks::none));
  }

  static std::uint64_t elapsed(Instant from, Instant to) noexcept {
    return static_cast<std::uint64_t>(std::max<std::int64_t>((to - from).count(), 1));
  }

  // Opening (generator_open.h)
  std::uint32_t due(Instant now) noexcept;
  std::uint32_t next_target(Instant now) noexcept;
  bool open(auto& stack) noexcept;
  bool not_opened(application::StackError error, std::uint32_t target, Instant now) noexcept;
  void fail_unopened(Cause cause) noexcept;
  Instant take_turn(Instant now) noexcept;

  // SYNs alone (generator_syn.h)
  bool counts(Instant sent) const noexcept;
  bool send_syn(auto& stack) noexcept;
  void take_answer(const application::SynAnswer& answer) noexcept;
  void give_up_syns() noexcept;

  // Beside the load (generator_apart.h)
  void open_held(auto& stack) noexcept;
  void closed_held(const Session& session, Cause cause, Instant now) noexcept;
  void open_beside(auto& stack) noexcept;
  void connected_apart(application::Stream auto& stream) noexcept;

  // Talking (generator_talk.h)
  void give_turn(application::Stream auto& stream, Instant due) noexcept;
  void ask_held(auto& stack) noexcept;
  bool may_begin(const Session& session, const Talk& talk) const noexcept;
  void ask(application::Stream auto& stream) noexcept;
  void begin_request(application::Stream auto& stream, Session& session, Talk& talk) noexcept;
  void read(application::Stream auto& stream) noexcept;
  void note_first_byte(application::Stream auto& stream, Session& session,
                       const Talk& talk) noexcept;
  void answer(application::Stream auto& stream, Session& session, Talk& talk) noexcept;
  POLLUX_INLINE void begin_close(application::Stream auto& stream, Session& session,
                                 Talk& talk) noexcept;
  void spoil(Session& session) noexcept;
  void break_off(Session& session) noexcept;

  // RFC 9411 (generator_profile.h)
  void note_time(Instant now) noexcept;
  void judge(unsigned status, std::uint64_t body) noexcept;
  void close_held(auto& stack) noexcept;

  GeneratorOptions options_;
  Pace pace_;
  Pace beside_;
  application::ReplyParser parser_;
  Talks talks_;
  HoldQueue held_;     // of those that wait for their turn to ask again
  SendTimes sent_at_;  // where several requests are under way at once
  BodyMeter body_;     // of replies whose size is asked for
  run::Tally tally_;
  std::vector<Instant> rests_until_;  // of each target
  std::uint32_t next_target_ = 0;
  std::vector<std::uint64_t> syns_;  // sent to each target
  Instant measured_from_{};
  std::uint32_t held_begun_ = 0;  // of those to be held, that are there, in whatever state
  std::uint32_t beside_live_ = 0;
  std::string_view held_trouble_;
  bool opens_held_ = false;  // until the first restart()
  bool measuring_ = false;
  bool winding_down_ = false;
  bool heard_ = false;  // of a connection that was opened or refused
  std::optional<run::Leftover> leftover_;
  Instant looked_{};  // when the connections that are there were last taken note of
  Instant wound_down_at_{};
  std::uint64_t held_to_close_ = 0;
  std::uint64_t held_closed_ = 0;
};

/// So many connections a second of all generators of these lanes together, from the next start on.
template <class LanesByCore>
void set_rate(LanesByCore& by_core, std::uint64_t rate) {
  for (auto& lanes : by_core) {
    for (auto& lane : lanes) lane->application().set_rate(static_cast<double>(rate));
  }
}

}  // namespace pollux::load

#include "load/generator_apart.h"
#include "load/generator_open.h"
#include "load/generator_profile.h"
#include "load/generator_syn.h"
#include "load/generator_talk.h"
