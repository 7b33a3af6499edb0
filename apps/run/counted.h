#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "application/application.h"
#include "base/cause.h"
#include "run/tally.h"

namespace pollux::run {

/// Counts what becomes of the connections that `Inner`, a server, accepts. Inner does not know; it
/// has counters() of its own, and a `mark` of two bits in its sessions that it leaves alone.
template <class Inner>
class Counted {
 public:
  using Session = typename Inner::Session;

  template <class... Args>
  explicit Counted(Args&&... args) : inner_(std::forward<Args>(args)...) {}

  void begin_measuring(Instant) noexcept {
    measuring_ = true;
    first_ = inner_.counters();
    tally_.note_begin();
  }
  void wind_down(Instant) noexcept {
    measuring_ = false;
    winding_down_ = true;
    tally_.note_end();
    tally_.answered_in_time = counters().answered();
  }
  bool idle() const noexcept { return tally_.live == 0; }
  void end_with(Leftover leftover) noexcept {
    leftover_ = leftover;
    if (leftover == Leftover::open) return;
    for (; cut_short_ != 0; --cut_short_) {
      --tally_.open;
      ++tally_.aborted;
    }
  }
  /// Another step of a search begins, with its warm-up.
  void restart(Instant) noexcept {
    tally_.clear();
    measuring_ = winding_down_ = false;
    cut_short_ = 0;
    leftover_.reset();
  }
  const Tally& tally() const noexcept { return tally_; }
  Inner& inner() noexcept { return inner_; }
  const Inner& inner() const noexcept { return inner_; }
  /// What Inner has counted since the warm-up.
  auto counters() const noexcept { return inner_.counters().since(first_); }

  void on_start(auto& stack) noexcept { inner_.on_start(stack); }
  void on_timer(auto& stack, std::uint64_t token) noexcept {
    if constexpr (requires { inner_.on_timer(stack, token); }) inner_.on_timer(stack, token);
  }
  void on_poll(auto& stack) noexcept {
    if constexpr (requires { inner_.on_poll(stack); }) inner_.on_poll(stack);
    tally_.live_answered = inner_.counters().answered();
  }
  void on_datagram(auto& stack, const application::Datagram& datagram) noexcept {
    if constexpr (requires { inner_.on_datagram(stack, datagram); }) {
      inner_.on_datagram(stack, datagram);
    }
  }

  void on_accepted(application::Stream auto& stream) noexcept {
    Session& session = stream.session();
    session.mark = measuring_ ? counted : accepted;
    ++tally_.live;
    if (measuring_) {
      ++tally_.attempted;
      ++tally_.established;
      ++tally_.open;
      if (tally_.open > tally_.peak_open) tally_.peak_open = std::uint64_t{tally_.open};
    }
    if constexpr (requires { inner_.on_accepted(stream); }) inner_.on_accepted(stream);
  }
  void on_readable(application::Stream auto& stream) noexcept { inner_.on_readable(stream); }
  void on_writable(application::Stream auto& stream) noexcept {
    if constexpr (requires { inner_.on_writable(stream); }) inner_.on_writable(stream);
  }
  void on_peer_closed(application::Stream auto& stream) noexcept {
    if constexpr (requires { inner_.on_peer_closed(stream); }) inner_.on_peer_closed(stream);
  }
  void on_closed(auto& stack, application::StreamId id, Session& session, Cause cause) noexcept {
    inner_.on_closed(stack, id, session, cause);
    if (session.mark == none) return;
    --tally_.live;
    const bool reset = cause == Cause::reset || cause == Cause::reset_at_end;
    // What a client resets when the time is up was still open then; before, it may end so what it
    // has had in full.
    const bool cut_short = reset && winding_down_;
    const bool had_all = cause == Cause::reset_at_end && !winding_down_ && Inner::done(session);
    const bool completed = cause == Cause::by_us || cause == Cause::by_peer || had_all;
    const bool left_over = cause == Cause::aborted && leftover_.has_value();
    if (completed) {
      ++tally_.live_completed;
    } else if (!cut_short && !left_over) {
      ++tally_.live_failed;
    }
    if (session.mark != counted) return;
    if (cut_short) {
      ++cut_short_;
      return;
    }
    if (left_over && *leftover_ == Leftover::open) return;
    --tally_.open;
    if (completed) {
      ++tally_.completed;
    } else if (left_over) {
      ++tally_.aborted;
    } else {
      count_failure(tally_, cause);
    }
  }

 private:
  // What a session's mark says.
  static constexpr std::uint8_t none = 0;
  static constexpr std::uint8_t accepted = 1;  // on_accepted() was called
  static constexpr std::uint8_t counted = 2;   // and it was in the measured time

  Inner inner_;
  std::remove_cvref_t<decltype(std::declval<const Inner&>().counters())> first_;
  Tally tally_;
  bool measuring_ = false;
  bool winding_down_ = false;
  std::uint64_t cut_short_ = 0;  // connections, by clients since the run is over
  std::optional<Leftover> leftover_;
};

}  // namespace pollux::run
