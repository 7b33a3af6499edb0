#pragma once

// Listeners, and what Pipeline does with segments that no connection is known for: listening and
// closed ports, half-open entries, SYN cookies, TIME-WAIT. Included by pipeline.h alone.

#include "pipeline/pipeline.h"

namespace pollux::pipeline {

template <link::Device D, application::Application A>
Result<std::monostate, application::StackError> Pipeline<D, A>::listen(
    std::uint16_t port, const application::ListenOptions& options) noexcept {
  if (port == 0) return application::StackError::invalid;
  if (listener_at_[port] != 0) return application::StackError::in_use;
  const auto free = std::find_if(listeners_.begin(), listeners_.end(),
                                 [](const Listener& each) { return each.port == 0; });
  if (free == listeners_.end()) return application::StackError::no_memory;
  const auto profile = join_profile(options.limits);
  if (!profile) return application::StackError::no_memory;
  *free = {.port = port, .profile = *profile, .nagle = options.nagle};
  listener_at_[port] = static_cast<std::uint8_t>(free - listeners_.begin() + 1);
  return std::monostate{};
}

template <link::Device D, application::Application A>
Result<std::monostate, application::StackError> Pipeline<D, A>::change_listener(
    std::uint16_t port, const application::ListenOptions& options) noexcept {
  if (listener_at_[port] == 0) return application::StackError::invalid;
  const auto profile = join_profile(options.limits);
  if (!profile) return application::StackError::no_memory;
  Listener& listener = listeners_[listener_at_[port] - 1u];
  profiles_.leave(std::exchange(listener.profile, *profile));
  listener.nagle = options.nagle;
  return std::monostate{};
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::unlisten(std::uint16_t port) noexcept {
  const std::uint8_t listener = std::exchange(listener_at_[port], std::uint8_t{0});
  if (listener == 0) return;
  for (std::uint32_t index = 0; index < half_open_.high_water(); ++index) {
    if (!half_open_.live(index) || half_open_[index].listener != listener) continue;
    const tcp::HalfOpen& half = half_open_[index];
    const std::uint64_t hash = tcp::hash(half.tuple, table_key_);
    counters_.count(Event::tcp_resets_sent);
    send_segment(tcp_config(half), half.tuple, half.ts_offset, tcp::reset(half), nullptr);
    table_.erase(hash, {tcp::EntryId::Kind::half_open, index});
    note_change(hash);
    release_half_open(index);
  }
  Listener& ended = listeners_[listener - 1u];
  profiles_.leave(ended.profile);
  ended = {};
}

/// CLOSED and LISTEN (RFC 9293 s.3.10.7.1, .2). The connection that a SYN cookie made has the
/// segment still to come.
template <link::Device D, application::Application A>
Drop Pipeline<D, A>::unconnected_arrives(Arrival& arrival, Connection*& made) noexcept {
  if (const std::uint8_t at = listener_at_[arrival.tuple.local_port]; at != 0) {
    switch (tcp::listen_arrives(arrival.segment)) {
      case tcp::ListenAction::ignore:
        return arrival.segment.has(tcp::control::rst) ? Drop::tcp_bad_reset : Drop::tcp_no_ack;
      case tcp::ListenAction::reset_reply:
        if (!cookies_.awaited(now_) || arrival.segment.has(tcp::control::syn)) break;
        if (cookies_.acknowledges(arrival.tuple, arrival.segment, now_)) {
          if (const auto half = take_cookie(arrival, at)) return accept(*half, arrival, made);
          counters_.count(Event::tcp_syn_cookies_refused);
          return Drop::tcp_bad_sequence;
        }
        counters_.count(Event::tcp_syn_cookies_refused);
        break;
      case tcp::ListenAction::half_open: {
        if (buffers_.few()) [[unlikely]]
          return Drop::tcp_syn_shed;
        if (answers_with_cookie()) return answer_with_cookie(arrival);
        const auto secret = tcp::tuple_secret(arrival.tuple, isn_key_);
        return open_passive(arrival, tcp::initial_sequence_number(secret, now_), secret.timestamps);
      }
    }
  }
  reset(arrival.tuple, arrival.segment);
  return takes_syn_answer(arrival) ? Drop::none : Drop::tcp_no_connection;
}

/// The half-open entry that an ACK's SYN had none of.
template <link::Device D, application::Application A>
std::optional<tcp::HalfOpen> Pipeline<D, A>::take_cookie(Arrival& arrival,
                                                         std::uint8_t listener) noexcept {
  const std::uint32_t ts_offset = tcp::tuple_secret(arrival.tuple, isn_key_).timestamps;
  read_echo(arrival, ts_offset);
  auto half = cookies_.take(arrival.tuple, arrival.segment, listener, now_);
  if (!half) return std::nullopt;
  half->profile = listeners_[listener - 1u].profile;
  half->ts_offset = ts_offset;
  return half;
}

/// Whether a SYN that comes now gets no entry, but an answer all the same.
template <link::Device D, application::Application A>
bool Pipeline<D, A>::answers_with_cookie() const noexcept {
  switch (config_.tcp.syn_cookies) {
    case tcp::SynCookieUse::automatic:
      return half_open_.available() == 0;
    case tcp::SynCookieUse::always:
      return true;
    case tcp::SynCookieUse::never:
      break;
  }
  return false;
}

template <link::Device D, application::Application A>
Drop Pipeline<D, A>::answer_with_cookie(const Arrival& arrival) noexcept {
  const Listener& listener = listeners_[listener_at_[arrival.tuple.local_port] - 1u];
  counters_.count(Event::tcp_syn_cookies_sent);
  const tcp::Config& config = profiles_[listener.profile];
  send_segment(config, arrival.tuple, tcp::tuple_secret(arrival.tuple, isn_key_).timestamps,
               cookies_.answer(arrival.tuple, arrival.segment, config, now_), nullptr);
  return Drop::none;
}

template <link::Device D, application::Application A>
Drop Pipeline<D, A>::open_half(const Arrival& arrival, tcp::SeqNum iss,
                               std::uint32_t ts_offset) noexcept {
  const std::uint8_t listener = listener_at_[arrival.tuple.local_port];
  const std::uint8_t profile = listeners_[listener - 1u].profile;
  const tcp::Config& config = profiles_[profile];
  const std::uint32_t index = half_open_.acquire_made([&]() noexcept {
    return tcp::make_half_open(config, arrival.tuple, arrival.segment, iss, listener, now_);
  });
  if (index == HalfOpens::none) return Drop::tcp_half_open_full;
  const tcp::EntryId id{tcp::EntryId::Kind::half_open, index};
  if (!table_.insert(arrival.hash, id, true)) {
    half_open_.release(index);
    return Drop::tcp_connections_full;
  }
  note_change(arrival.hash);
  half_open_[index].profile = profile;
  half_open_[index].ts_offset = ts_offset;
  profiles_.join(profile);
  watch_half_open(index);
  send_syn_ack(half_open_[index], tcp::syn_ack(half_open_[index], config));
  return Drop::none;
}

/// SYN-RECEIVED of a passive open, kept as a small entry until the handshake is complete. The
/// connection that it then made has the segment still to come.
template <link::Device D, application::Application A>
Drop Pipeline<D, A>::half_open_arrives(Arrival& arrival, Connection*& made) noexcept {
  using Action = tcp::HalfOpenVerdict::Action;
  const std::uint32_t index = arrival.entry.index();
  tcp::HalfOpen& half = half_open_[index];
  const tcp::Config& config = tcp_config(half);
  const tcp::HalfOpenVerdict verdict = tcp::segment_arrives(half, config, arrival.segment, now_);
  if (verdict.challenge_ack) counters_.count(Event::tcp_challenge_acks);
  switch (verdict.action) {
    case Action::ignore:
      return verdict.drop;
    case Action::send_syn_ack:
      counters_.count(Event::tcp_retransmitted);
      send_syn_ack(half, tcp::syn_ack_again(half, config));
      return verdict.drop;
    case Action::acknowledge:
      send_segment(config, half.tuple, half.ts_offset, tcp::acknowledgment(half, config), nullptr);
      return verdict.drop;
    case Action::reset_reply:
      // Or the peer's SYN was answered with a cookie before it came again and made the entry.
      if (cookies_.awaited(now_) && cookies_.acknowledges(arrival.tuple, arrival.segment, now_)) {
        if (const auto by_cookie = take_cookie(arrival, static_cast<std::uint8_t>(half.listener))) {
          drop_half_open(arrival);
          return accept(*by_cookie, arrival, made);
        }
      }
      reset(arrival.tuple, arrival.segment);
      return verdict.drop;
    case Action::drop_entry:
      drop_half_open(arrival);
      return verdict.drop;
    case Action::make_connection:
      break;
  }
  read_echo(arrival, half.ts_offset);
  return accept(half, arrival, made);
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::send_syn_ack(const tcp::HalfOpen& half, const tcp::Segment& segment) noexcept {
  if (half.fast_open) [[unlikely]] {
    tcp::Segment with_cookie = segment;
    with_cookie.options.set_fast_open(fast_open_cookies_.make(half.tuple, now_));
    send_segment(tcp_config(half), half.tuple, half.ts_offset, with_cookie, nullptr);
  } else {
    send_segment(tcp_config(half), half.tuple, half.ts_offset, segment, nullptr);
  }
}

/// A connection for the entry, all but its Tcb; with `new_entry` it gets a place of its own in the
/// table. None when there is no room.
template <link::Device D, application::Application A>
POLLUX_INLINE inline auto Pipeline<D, A>::acquire_for(const tcp::HalfOpen& half, std::uint64_t hash,
                                                      bool new_entry) noexcept -> Connection* {
  const std::uint32_t made = connections_.acquire();
  if (made == Connections::none) return nullptr;
  if (new_entry && !table_.insert(hash, {tcp::EntryId::Kind::connection, made}, true)) {
    connections_.release(made);
    return nullptr;
  }
  note_change(hash);
  connections_.prefetch_next();
  Connection& c = connections_[made];
  c.tuple = half.tuple;
  c.ts_offset = half.ts_offset;
  c.profile = half.profile;
  profiles_.join(c.profile);
  return &c;
}

/// Its Tcb is there.
template <link::Device D, application::Application A>
POLLUX_INLINE inline void Pipeline<D, A>::start_accepted(Connection& c,
                                                         const tcp::HalfOpen& half) noexcept {
  if (!listeners_[half.listener - 1u].nagle) {
    tcp::begin_without_nagle(c.tcb);
  }
  fit_path(c);
  watch(c);
  counters_.count(Event::tcp_passive_opens);
}

/// Makes the connection that the segment completes. `half` is the arrival's entry, or was made of a
/// cookie and is in no table.
template <link::Device D, application::Application A>
Drop Pipeline<D, A>::accept(const tcp::HalfOpen& half, Arrival& arrival,
                            Connection*& made) noexcept {
  made = acquire_for(half, arrival.hash, half.from_cookie);
  if (made == nullptr) return Drop::tcp_connections_full;
  Connection& c = *made;
  ::new (&c.tcb) tcp::Tcb(tcp::accept(half, tcp_config(c), now_));  // in its place, not a copy
  start_accepted(c, half);
  if (half.from_cookie) {
    counters_.count(Event::tcp_syn_cookies_accepted);
  } else {
    table_.replace(arrival.hash, arrival.entry, entry_id(c));
    release_half_open(arrival.entry.index());
  }
  return Drop::none;
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::drop_half_open(const Arrival& arrival) noexcept {
  table_.erase(arrival.hash, arrival.entry);
  note_change(arrival.hash);
  release_half_open(arrival.entry.index());
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::release_half_open(std::uint32_t index) noexcept {
  half_open_wheel_.cancel(index);
  profiles_.leave(half_open_[index].profile);
  half_open_.release(index);
}

template <link::Device D, application::Application A>
Drop Pipeline<D, A>::time_wait_arrives(Arrival& arrival) noexcept {
  using Action = tcp::TimeWaitVerdict::Action;
  const std::uint32_t index = arrival.entry.index();
  const tcp::TimeWait& entry = time_wait_[index];
  const tcp::TimeWaitVerdict verdict =
      time_wait_.segment_arrives(index, arrival.segment, config_.tcp, now_);
  if (verdict.challenge_ack) counters_.count(Event::tcp_challenge_acks);
  switch (verdict.action) {
    case Action::ignore:
      return verdict.drop;
    case Action::close:
      release_time_wait(arrival.hash, arrival.entry);
      return verdict.drop;
    case Action::acknowledge:
      send_segment(config_.tcp, entry.tuple, tcp::tuple_secret(entry.tuple, isn_key_).timestamps,
                   tcp::acknowledgment(entry), nullptr);
      return verdict.drop;
    case Action::reopen:
      break;
  }
  if (listener_at_[arrival.tuple.local_port] == 0) {
    reset(arrival.tuple, arrival.segment);
    return Drop::tcp_no_connection;
  }
  if (buffers_.few()) return Drop::tcp_syn_shed;  // and it waits on
  // The number that a cookie is may lie anywhere: only timestamps then tell old text from new.
  const Listener& listener = listeners_[listener_at_[arrival.tuple.local_port] - 1u];
  const bool cookie = answers_with_cookie() && entry.ts_recent != 0 &&
                      tcp::agrees_on_timestamps(profiles_[listener.profile], arrival.segment);
  if (!cookie && half_open_.available() == 0) return Drop::tcp_half_open_full;  // and it waits on
  // RFC 9293 s.3.6.1 (MAY-2): the new connection's numbers lie above the old one's.
  const auto secret = tcp::tuple_secret(arrival.tuple, isn_key_);
  const tcp::SeqNum iss = max(tcp::initial_sequence_number(secret, now_), entry.snd_nxt + 1);
  release_time_wait(arrival.hash, arrival.entry);
  counters_.count(Event::tcp_time_wait_reused);
  return cookie ? answer_with_cookie(arrival) : open_passive(arrival, iss, secret.timestamps);
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::release_time_wait(std::uint64_t hash, tcp::EntryId id) noexcept {
  table_.erase(hash, id);
  time_wait_.erase(id.index());
  note_change(hash);
}

}  // namespace pollux::pipeline
