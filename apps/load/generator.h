#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "application/application.h"
#include "application/http_client.h"
#include "base/result.h"
#include "base/time.h"
#include "cli/options.h"
#include "run/tally.h"

namespace pollux::load {

using cli::Close;

/// One core's share of what pollux-load was asked for.
struct GeneratorOptions {
  std::vector<application::Endpoint> targets;
  /// Connections a second of this core; none: as fast as `concurrency` allows.
  std::optional<double> rate;
  std::uint32_t concurrency = 800;
  std::uint64_t requests = 1;
  std::uint32_t pipeline = 1;
  Close close = Close::server;
  bool hold = false;
  Duration hold_interval = 30s;
  Duration ramp{0};
  application::HttpClientRequest request;
};

/// Share number `share` of `shares` equal ones of what the options ask for.
Result<GeneratorOptions> generator_options(const cli::ClientOptions& options, std::size_t shares,
                                           std::size_t share);

/// The client's side: opens connections at a rate or as fast as answers come, sends requests,
/// checks every reply, and measures. A latency counts from the moment at which a connection was
/// due, not from when this core got round to it, so that a stall shows in every connection that it
/// delayed (no coordinated omission).
class Generator {
 public:
  /// The bound on connections opened in one poll, so that a late poll makes no burst.
  static constexpr std::uint32_t burst = 64;
  /// How many are opened, and for how long, before anybody has been heard: until the next hop's
  /// address is known a few frames wait for it, and each SYN beyond them comes back a second later.
  static constexpr std::uint32_t before_answer = 16;
  static constexpr Duration patience = 100ms;

  struct Session {
    Instant due{};                // when it was to be opened
    Instant asked{};              // when the oldest unanswered request was sent
    Instant closing{};            // when its close began
    std::uint64_t sent = 0;       // requests
    std::uint64_t answered = 0;   // of them
    std::uint32_t body_sent = 0;  // bytes of a request that did not fit whole
    bool counted = false;         // began in the measured time
    bool established = false;
    bool first_byte = false;  // of the reply under way
    bool done = false;        // every reply is there
    bool bad = false;
    bool said_close = false;
    application::ReplyState reply;
  };

  explicit Generator(GeneratorOptions options)
      : options_(std::move(options)), parser_(options_.request.method_is_head()) {}

  // What the run loop asks.
  void begin_measuring(Instant) noexcept { measuring_ = true; }
  void wind_down(Instant) noexcept { winding_down_ = true; }
  bool idle() const noexcept { return tally_.live == 0; }
  void end_with(run::Leftover leftover) noexcept { leftover_ = leftover; }
  const run::Tally& tally() const noexcept { return tally_; }

  void on_start(auto& stack) noexcept { started_ = stack.now(); }

  void on_poll(auto& stack) noexcept {
    if (winding_down_) return;
    for (std::uint32_t n = due(stack.now()); n != 0; --n) {
      if (!open(stack)) break;
    }
  }

  void on_connected(application::Stream auto& stream) noexcept {
    Session& session = stream.session();
    session.established = true;
    heard_ = true;
    const Instant now = stream.stack().now();
    if (session.counted) {
      ++tally_.established;
      ++tally_.open;
      if (tally_.open > tally_.peak_open) tally_.peak_open = std::uint64_t{tally_.open};
      tally_.connect.record(elapsed(session.due, now));
    }
    ask(stream);
  }

  void on_writable(application::Stream auto& stream) noexcept { ask(stream); }

  void on_readable(application::Stream auto& stream) noexcept { read(stream); }

  void on_peer_closed(application::Stream auto& stream) noexcept {
    Session& session = stream.session();
    read(stream);
    if (!session.done && parser_.finish(session.reply)) answer(stream);
    if (!session.done) session.bad = true;
    begin_close(stream);
  }

  void on_timer(auto& stack, std::uint64_t token) noexcept {
    // Held connections ask again; the token is the connection's id.
    const application::StreamId id{static_cast<std::uint32_t>(token >> 32),
                                   static_cast<std::uint32_t>(token)};
    if (winding_down_) return;
    if (auto stream = stack.stream(id)) ask(*stream);
  }

  void on_closed(auto& stack, application::StreamId, Session& session, Cause cause) noexcept {
    --tally_.live;
    heard_ = true;
    parser_.release(session.reply);
    const bool orderly = cause == Cause::by_us || cause == Cause::by_peer;
    const bool reset_by_plan =
        cause == Cause::aborted && session.done && options_.close == Close::reset;
    const bool completed = session.done && !session.bad && (orderly || reset_by_plan);
    ++(completed ? tally_.live_completed : tally_.live_failed);
    if (!session.counted) return;
    if (leftover_ && cause == Cause::aborted && !reset_by_plan) {
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
      tally_.close.record(elapsed(session.closing, stack.now()));
    } else {
      count_failure(tally_, orderly ? Cause::none : cause);
    }
  }

 private:
  static std::uint64_t elapsed(Instant from, Instant to) noexcept {
    return static_cast<std::uint64_t>(std::max<std::int64_t>((to - from).count(), 1));
  }

  /// How many connections to open now.
  std::uint32_t due(Instant now) noexcept {
    const double since = std::chrono::duration<double>(now - started_).count();
    const double ramp = std::chrono::duration<double>(options_.ramp).count();
    if (options_.rate) {
      const double owed = since < ramp ? *options_.rate * since * since / (2 * ramp)
                                       : *options_.rate * (since - ramp / 2);
      const double missing = owed - static_cast<double>(opened_);
      return missing < 1 ? 0 : static_cast<std::uint32_t>(std::min<double>(missing, burst));
    }
    const double share = since < ramp ? since / ramp : 1.0;
    auto wanted = static_cast<std::uint64_t>(share * options_.concurrency);
    if (!heard_ && now - started_ < patience) {
      wanted = std::min<std::uint64_t>(wanted, before_answer);
    }
    return wanted <= tally_.live
               ? 0
               : static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted - tally_.live, burst));
  }

  /// When connection number `opened_` was due.
  Instant due_time(Instant now) const noexcept {
    if (!options_.rate) return now;
    const double ramp = std::chrono::duration<double>(options_.ramp).count();
    const auto k = static_cast<double>(opened_) + 1;
    const double in_ramp = *options_.rate * ramp / 2;
    const double at =
        k < in_ramp ? std::sqrt(2 * ramp * k / *options_.rate) : k / *options_.rate + ramp / 2;
    return started_ + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(at));
  }

  bool open(auto& stack) noexcept {
    const Instant at = due_time(stack.now());
    const auto& target = options_.targets[next_target_];
    if (++next_target_ == options_.targets.size()) next_target_ = 0;
    const auto id = stack.connect(target, {.nagle = false});
    if (!id) {
      // In a closed loop it waits; at a rate, one that could not be opened is one that failed.
      if (!options_.rate) {
        if (measuring_) ++tally_.held_back;
        return false;
      }
      ++opened_;
      if (measuring_) {
        ++tally_.attempted;
        count_failure(tally_, Cause::no_memory);
      }
      return true;
    }
    ++opened_;
    ++tally_.live;
    auto stream = stack.stream(*id);
    Session& session = stream->session();
    session.due = at;
    session.counted = measuring_;
    if (measuring_) ++tally_.attempted;
    return true;
  }

  /// Sends as many requests as are wanted now and fit.
  void ask(application::Stream auto& stream) noexcept {
    Session& session = stream.session();
    while (session.sent < options_.requests && !session.said_close &&
           session.sent - session.answered < options_.pipeline) {
      const bool last = session.sent + 1 == options_.requests;
      const bool closes = last && options_.close == Close::server && !options_.hold;
      const auto bytes = options_.request.bytes(closes);
      // A request that does not fit the send queue whole goes out in pieces.
      const auto rest = bytes.size() - session.body_sent;
      const auto piece = static_cast<std::uint32_t>(std::min(rest, stream.writable()));
      if (session.body_sent == 0 && session.sent == session.answered) {
        session.asked = stream.stack().now();
        session.first_byte = false;
      }
      if (piece != 0 && !stream.send({bytes.data() + session.body_sent, piece})) {
        return;
      }
      session.body_sent += piece;
      if (piece < rest) return;
      session.body_sent = 0;
      ++session.sent;
      if (session.counted) ++tally_.requests_sent;
    }
  }

  void read(application::Stream auto& stream) noexcept {
    Session& session = stream.session();
    for (auto bytes = stream.readable(); !bytes.empty(); bytes = stream.readable()) {
      if (session.done) {
        // Bytes behind the last reply that was asked for.
        session.bad = true;
        stream.consume(bytes.size());
        continue;
      }
      if (!session.first_byte) {
        session.first_byte = true;
        if (session.counted) {
          tally_.first_byte.record(elapsed(session.asked, stream.stack().now()));
        }
      }
      const auto fed = parser_.feed(session.reply, bytes);
      stream.consume(fed.consumed);
      if (fed.outcome == application::ReplyOutcome::bad) {
        session.bad = true;
        if (session.counted) ++tally_.requests_bad;
        stream.abort();
        return;
      }
      if (fed.outcome == application::ReplyOutcome::complete) answer(stream);
    }
  }

  /// One reply is there, whole.
  void answer(application::Stream auto& stream) noexcept {
    Session& session = stream.session();
    const auto& reply = session.reply;
    ++session.answered;
    ++tally_.live_answered;
    if (session.counted) {
      ++tally_.requests_answered;
      if (const unsigned code = reply.status(); code >= 100 && code < 600) {
        ++tally_.status[code - 100];
      }
    }
    if (!reply.keep_alive()) session.said_close = true;
    session.first_byte = false;
    session.asked = stream.stack().now();
    if (session.answered < options_.requests && !session.said_close) {
      if (!options_.hold) return ask(stream);
      const auto id = stream.id();
      stream.stack().after(options_.hold_interval, std::uint64_t{id.index} << 32 | id.generation);
      return;
    }
    session.done = session.answered == options_.requests;
    if (!session.done) session.bad = true;  // the server closes before everything was asked
    if (options_.close == Close::server) {
      session.closing = stream.stack().now();
    } else {
      begin_close(stream);
    }
  }

  void begin_close(application::Stream auto& stream) noexcept {
    Session& session = stream.session();
    if (session.closing == Instant{}) session.closing = stream.stack().now();
    if (options_.close == Close::reset && session.done) {
      stream.abort();
    } else {
      stream.close();
    }
  }

  GeneratorOptions options_;
  application::ReplyParser parser_;
  run::Tally tally_;
  Instant started_{};
  std::uint64_t opened_ = 0;
  std::size_t next_target_ = 0;
  bool measuring_ = false;
  bool winding_down_ = false;
  bool heard_ = false;  // of a connection that was opened or refused
  std::optional<run::Leftover> leftover_;
};

}  // namespace pollux::load
