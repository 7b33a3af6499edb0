#pragma once

// The application stages of Pipeline: callbacks on what the layers below found out, and what the
// application asks for in them. Included by pipeline.h alone.

#include "pipeline/pipeline.h"

namespace pollux::pipeline {

template <link::Device D, application::Application A>
void Pipeline<D, A>::application_in() noexcept {
  app_timers_wheel_.advance(now_, [this](std::uint32_t index) noexcept {
    const AppTimer timer = app_timers_[index];
    app_timers_.release(index);
    timer_expired(timer);
  });
  if constexpr (HasMessages<A>) {
    // Those who post faster than they are served do not hold up the rest.
    for (std::size_t n = 0; n != max_messages; ++n) {
      auto message = messages_.pop();
      if (!message) break;
      application_.on_message(*this, std::move(*message));
    }
  }
  // Callbacks may add to the list; what they add is reached in the same walk.
  for (std::uint32_t i = ready_head_; i != none; i = connections_[i].next_ready) {
    Connection& c = connections_[i];
    if (c.next_ready != none) __builtin_prefetch(&connections_[c.next_ready].next_ready);
    dispatch(c);
  }
  if constexpr (requires { application_.on_poll(*this); }) application_.on_poll(*this);
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::timer_expired(const AppTimer& timer) noexcept {
  if (timer.use == TimerUse::application) {
    if constexpr (requires { application_.on_timer(*this, timer.token); }) {
      application_.on_timer(*this, timer.token);
    }
    return;
  }
  Connection* const c = connections_.find({timer.stream.index, timer.stream.generation});
  if (c == nullptr || c->finished || (c->pending & pending::closed) != 0) return;
  switch (timer.use) {
    case TimerUse::cork:
      c->cork_timed = false;
      if (c->held != 0) release_held(*c);
      break;
    case TimerUse::linger:
      abort(*c);
      break;
    case TimerUse::application:
      break;
  }
}

/// Calls back for everything that is pending on one connection, in the order of its life.
template <link::Device D, application::Application A>
void Pipeline<D, A>::dispatch(Connection& c) noexcept {
  if (c.finished || (c.pending & ~pending::send) == 0) return;
  Stream stream{*this, c};
  const auto take = [&c](std::uint8_t bit) noexcept {
    if ((c.pending & bit) == 0) return false;
    c.pending = static_cast<std::uint8_t>(c.pending & ~bit);
    return true;
  };
  if (take(pending::accepted)) {
    if constexpr (requires { application_.on_accepted(stream); }) application_.on_accepted(stream);
  }
  if (take(pending::connected)) {
    if constexpr (requires { application_.on_connected(stream); }) {
      application_.on_connected(stream);
    }
  }
  const bool lost = (c.pending & pending::closed) != 0 && !keeps_text(c);
  if (take(pending::readable) && !c.closing && !lost) {
    if constexpr (requires { application_.on_readable(stream); }) application_.on_readable(stream);
  }
  if (take(pending::writable) && !c.closing && !lost) {
    if constexpr (requires { application_.on_writable(stream); }) application_.on_writable(stream);
  }
  // The end is told behind the last byte: consume() brings it up again when text is left.
  if (take(pending::peer_closed) && !c.closing && !lost && readable(c).empty()) {
    c.end_told = true;
    if constexpr (requires { application_.on_peer_closed(stream); }) {
      application_.on_peer_closed(stream);
    }
  }
  if ((c.pending & pending::closed) != 0) finish(c);
}

/// Of a connection that is over: whether the application has yet to read the last of what came.
template <link::Device D, application::Application A>
bool Pipeline<D, A>::awaits_reader(Connection& c) noexcept {
  return keeps_text(c) && !c.closing && !readable(c).empty();
}

/// Ends the application's part, unless there is something to read first.
template <link::Device D, application::Application A>
void Pipeline<D, A>::finish(Connection& c) noexcept {
  if (awaits_reader(c)) return;
  c.pending = static_cast<std::uint8_t>(c.pending & pending::send);
  c.finished = true;
  counters_.count(c.cause == Cause::aborted ? Event::tcp_aborted : Event::tcp_closed);
  if constexpr (requires { application_.on_closed(*this, stream_id(c), c.session, c.cause); }) {
    application_.on_closed(*this, stream_id(c), c.session, c.cause);
  }
}

template <link::Device D, application::Application A>
std::span<const std::byte> Pipeline<D, A>::readable(Connection& c) noexcept {
  return c.receive.readable(receive_pieces_, c.tcb.rcv_nxt);
}

template <link::Device D, application::Application A>
std::size_t Pipeline<D, A>::peek(const Connection& c, std::span<std::byte> to) noexcept {
  return c.receive.peek(receive_pieces_, c.tcb.rcv_nxt, to);
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::consume(Connection& c, std::size_t n) noexcept {
  if (n == 0) return;
  POLLUX_ASSERT(n <= readable(c).size());
  c.receive.consume(receive_pieces_, static_cast<std::uint32_t>(n));
  if (!c.detached && tcp::receive(c.tcb, tcp_config(c), static_cast<std::uint32_t>(n))) {
    make_ready(c, pending::send);
  }
  if (c.at_peer_end && readable(c).empty()) {
    const bool over = (c.pending & pending::closed) != 0;
    if (!c.end_told || over) {
      make_ready(c, c.end_told ? std::uint8_t{0} : pending::peer_closed);
    }
  }
}

template <link::Device D, application::Application A>
bool Pipeline<D, A>::at_end(Connection& c) noexcept {
  return c.at_peer_end && readable(c).empty();
}

template <link::Device D, application::Application A>
std::size_t Pipeline<D, A>::unacknowledged(const Connection& c) const noexcept {
  return static_cast<std::uint32_t>(c.tcb.stream_end() - c.tcb.send_queue_front()) + c.held;
}

template <link::Device D, application::Application A>
std::size_t Pipeline<D, A>::room_in_send_queue(const Connection& c) const noexcept {
  const auto queued = static_cast<std::uint32_t>(c.tcb.snd_end - c.tcb.send_queue_front()) + c.held;
  const std::uint32_t size = tcp_config(c).send_buffer;
  return queued < size ? size - queued : 0;
}

template <link::Device D, application::Application A>
std::size_t Pipeline<D, A>::writable(Connection& c) noexcept {
  if (c.send_closed || (c.pending & pending::closed) != 0) return 0;
  return room_in_send_queue(c);
}

/// Bytes were queued: an application that has used up half the room hears when there is more.
template <link::Device D, application::Application A>
POLLUX_INLINE inline void Pipeline<D, A>::queued(Connection& c, std::uint32_t n) noexcept {
  c.held += n;
  hand_over(c);
  if (c.held != 0 && !c.cork_timed) [[unlikely]]
    time_cork(c);
  if (room_in_send_queue(c) < tcp_config(c).send_buffer / 2) c.wants_room = true;
  make_ready(c, pending::send);
}

/// Gives TCP what is held back: all of it, or of a corked connection what fills segments.
template <link::Device D, application::Application A>
void Pipeline<D, A>::hand_over(Connection& c) noexcept {
  std::uint32_t n = c.held;
  if (c.corked) {
    const auto unsent =
        static_cast<std::uint32_t>(c.tcb.snd_end - max(c.tcb.snd_nxt, c.tcb.iss + 1));
    const std::uint32_t full = (unsent + c.held) / c.tcb.mss * c.tcb.mss;
    n = full > unsent ? full - unsent : 0;
  }
  if (n == 0) return;
  c.held -= n;
  tcp::send(c.tcb, n);
}

/// TCP has all that was queued from here on.
template <link::Device D, application::Application A>
void Pipeline<D, A>::hand_over_all(Connection& c) noexcept {
  if (c.held != 0) tcp::send(c.tcb, std::exchange(c.held, 0));
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::uncork(Connection& c) noexcept {
  c.corked = false;
  hand_over_all(c);
}

/// A cork holds nothing back for ever. Without a timer it holds back nothing.
template <link::Device D, application::Application A>
void Pipeline<D, A>::time_cork(Connection& c) noexcept {
  c.cork_timed = set_timer(longest_cork, {.stream = stream_id(c), .use = TimerUse::cork});
  if (!c.cork_timed) hand_over_all(c);
}

/// The cork has held this long enough; it stays for what comes. The peer's reader has waited, too.
template <link::Device D, application::Application A>
void Pipeline<D, A>::release_held(Connection& c) noexcept {
  hand_over_all(c);
  c.pushes = true;
  make_ready(c, pending::send);
}

template <link::Device D, application::Application A>
bool Pipeline<D, A>::send(Connection& c, application::StaticSpan bytes) noexcept {
  if (bytes.size == 0) return true;
  if (writable(c) < bytes.size) {
    c.wants_room = true;
    return false;
  }
  if (!c.send.push(send_pieces_, c.tcb.snd_end + c.held, bytes)) {
    starve(c);
    return false;
  }
  queued(c, bytes.size);
  return true;
}

template <link::Device D, application::Application A>
std::span<std::byte> Pipeline<D, A>::reserve(Connection& c, std::size_t n) noexcept {
  reserved_ = {};
  n = std::min(n, writable(c));
  if (n == 0) {
    c.wants_room = true;
    return {};
  }
  reserved_.connection = &c;
  // Bytes go behind those of the last piece while its packet has room worth a call.
  if (Packet* tail = c.send.tail_owner(send_pieces_);
      tail != nullptr && tail->tailroom() >= std::min<std::size_t>(n, 64)) {
    reserved_.size = std::min(n, tail->tailroom());
    const auto bytes = tail->mutable_bytes();
    return {bytes.data() + bytes.size(), reserved_.size};
  }
  // Send queues leave packets in the pool: without any, nothing could be sent that frees them.
  const std::uint32_t free = config_.owned_packets - owned_packets_;
  const std::uint32_t owned = c.send.owned(send_pieces_);
  if (free != 0 && owned != 0 &&
      (buffers_.scarce() || owned > std::min(share_of(free, config_.owned_packets), most_owned))) {
    c.wants_room = true;  // the peer's next ACK frees some of its own
    return {};
  }
  const bool room = free != 0 && send_pieces_.available() != 0;
  if (room && !buffers_.last()) {
    reserved_.fresh = device_.allocate();
    buffers_.took_one();
  }
  if (!reserved_.fresh) {
    starve(c);
    return {};
  }
  reserved_.size = std::min(n, reserved_.fresh.tailroom());
  return {reserved_.fresh.mutable_bytes().data(), reserved_.size};
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::commit(Connection& c, std::size_t n) noexcept {
  POLLUX_ASSERT(n <= reserved_.size && (n == 0 || reserved_.connection == &c));
  if (n == 0) {
    reserved_ = {};
    return;
  }
  const auto size = static_cast<std::uint32_t>(n);
  if (reserved_.fresh) {
    const auto bytes = reserved_.fresh.append(n);
    ++owned_packets_;
    c.send.push(send_pieces_, c.tcb.snd_end + c.held, std::move(reserved_.fresh), bytes.data(),
                size);
  } else {
    c.send.tail_owner(send_pieces_)->append(n);
    c.send.grow_tail(send_pieces_, size);
  }
  reserved_ = {};
  queued(c, size);
}

/// Memory that all connections share is used up: the application is asked again in the next poll.
template <link::Device D, application::Application A>
void Pipeline<D, A>::starve(Connection& c) noexcept {
  make_ready(c, pending::writable);
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::shutdown_send(Connection& c) noexcept {
  if (c.send_closed || (c.pending & pending::closed) != 0) return;
  c.send_closed = true;
  uncork(c);
  apply(c, tcp::shutdown_send(c.tcb, tcp_config(c), now_));
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::close(Connection& c) noexcept {
  if (c.closing) return;
  c.closing = c.send_closed = true;
  ++orphans_;
  if ((c.pending & pending::closed) != 0) return make_ready(c, 0);
  if (orphans_ > config_.orphans) [[unlikely]]
    return refuse_orphan(c);
  uncork(c);
  const bool unread = !readable(c).empty();
  if (unread) c.receive.clear(receive_pieces_);
  apply_here(c, tcp::close(c.tcb, tcp_config(c), unread, now_));
}

/// Too many live on without an application: this one does not (docs/decisions/0031).
template <link::Device D, application::Application A>
void Pipeline<D, A>::refuse_orphan(Connection& c) noexcept {
  counters_.count(Event::tcp_orphans_reset);
  abort(c);
}

template <link::Device D, application::Application A>
bool Pipeline<D, A>::close_within(Connection& c, Duration limit) noexcept {
  if (!set_timer(limit, {.stream = stream_id(c), .use = TimerUse::linger})) return false;
  close(c);
  return true;
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::abort(Connection& c) noexcept {
  if (c.finished) return;
  const bool over = (c.pending & pending::closed) != 0;
  // The peer of one that is over already is told nothing; only what was unread is lost.
  if (over && !awaits_reader(c)) return;
  if (!c.closing) ++orphans_;
  c.closing = c.send_closed = true;
  if (!over) send_reset(c);
  c.cause = Cause::aborted;
  make_ready(c, pending::closed);
}

template <link::Device D, application::Application A>
application::StreamStatus Pipeline<D, A>::status(const Connection& c) const noexcept {
  const tcp::Tcb& tcb = c.tcb;
  return {.max_segment = tcb.mss,
          .in_flight = tcb.in_flight(),
          .send_window = tcb.snd_wnd,
          .receive_window = tcb.rcv_wnd(),
          .congestion_window = tcb.cwnd,
          .slow_start_threshold = tcb.ssthresh,
          .round_trip = std::chrono::microseconds{tcb.srtt_8 / 8},
          .round_trip_variation = std::chrono::microseconds{tcb.rttvar_4 / 4},
          .retransmission_timeout = tcp::retransmission_timeout(tcb, tcp_config(c)),
          .soft_error = tcb.soft_cause,
          .retries = tcb.retries,
          .recovering = tcb.recovering != 0};
}

/// False, and nothing is changed, when too many different configurations are in use.
template <link::Device D, application::Application A>
bool Pipeline<D, A>::change_profile(Connection& c, const tcp::Config& wanted) noexcept {
  const auto profile = profiles_.join(wanted);
  if (!profile) return false;
  profiles_.leave(std::exchange(c.profile, *profile));
  return true;
}

template <link::Device D, application::Application A>
bool Pipeline<D, A>::set_options(Connection& c,
                                 const application::StreamOptions& options) noexcept {
  if ((c.pending & pending::closed) != 0 || c.finished) return true;
  const tcp::Config& now = tcp_config(c);
  tcp::Config wanted = now;
  wanted.keepalive_idle = options.keepalive_idle.value_or(now.keepalive_idle);
  wanted.keepalive_interval = options.keepalive_interval.value_or(now.keepalive_interval);
  wanted.keepalive_count = options.keepalive_count.value_or(now.keepalive_count);
  wanted.send_buffer = options.send_buffer.value_or(now.send_buffer);
  wanted.receive_buffer = options.receive_buffer.value_or(now.receive_buffer);
  wanted.dscp = options.dscp.value_or(now.dscp) & 0x3F;
  const bool other_times = wanted.keepalive_idle != now.keepalive_idle ||
                           wanted.keepalive_interval != now.keepalive_interval;
  if (wanted != now && !change_profile(c, wanted)) return false;
  tcp::set_options(c.tcb, tcp_config(c),
                   {.nagle = options.nagle.value_or(c.tcb.nagle != 0),
                    .keepalive = options.keepalive.value_or(c.tcb.keepalive != 0),
                    .user_timeout = options.user_timeout.value_or(
                        std::chrono::milliseconds{c.tcb.user_timeout_ms}),
                    .keepalive_again = other_times},
                   now_);
  if (options.push) c.pushes = *options.push;
  if (options.cork == true) c.corked = !c.send_closed;
  if (options.cork == false) uncork(c);
  // What was held back, by this or by Nagle's algorithm, may leave now.
  if (options.nagle == false || options.cork == false) make_ready(c, pending::send);
  arm(c);
  return true;
}

/// The profile of a connection that starts with these limits; nothing when there is none left.
template <link::Device D, application::Application A>
std::optional<std::uint8_t> Pipeline<D, A>::join_profile(
    const application::Limits& limits) noexcept {
  if (limits == application::Limits{}) return Profiles::common;
  tcp::Config wanted = config_.tcp;
  if (limits.max_segment != 0) {
    wanted.mss = std::min(std::max(limits.max_segment, tcp::min_mss), config_.tcp.mss);
  }
  if (limits.receive_buffer != 0) wanted.receive_buffer = limits.receive_buffer;
  if (limits.send_buffer != 0) wanted.send_buffer = limits.send_buffer;
  wanted.dscp = limits.dscp.value_or(wanted.dscp) & 0x3F;
  if (limits.ttl != 0) wanted.ttl = limits.ttl;
  wanted.fast_open = limits.fast_open.value_or(wanted.fast_open);
  return profiles_.join(wanted);
}

}  // namespace pollux::pipeline
