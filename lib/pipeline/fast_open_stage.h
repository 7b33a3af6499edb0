#pragma once

// Fast Open (RFC 7413) of Pipeline: connections that a SYN makes at once, and what becomes of those
// that we asked for. Included by pipeline.h alone.

#include "pipeline/pipeline.h"

namespace pollux::pipeline {

/// A SYN for a listener, which gets an answer with state.
template <link::Device D, application::Application A>
Drop Pipeline<D, A>::open_passive(Arrival& arrival, tcp::SeqNum iss,
                                  std::uint32_t ts_offset) noexcept {
  const bool asks = arrival.segment.options.fast_open_length != 0;
  if (asks && open_fast(arrival, iss, ts_offset)) return Drop::none;
  return open_half(arrival, iss, ts_offset);
}

/// RFC 7413 s.4.2.2: makes the connection, with the SYN's text to read. False, and nothing is done,
/// where it has no good cookie, too many are under way, or memory is short.
template <link::Device D, application::Application A>
bool Pipeline<D, A>::open_fast(Arrival& arrival, tcp::SeqNum iss,
                               std::uint32_t ts_offset) noexcept {
  const std::uint8_t at = listener_at_[arrival.tuple.local_port];
  const std::uint8_t profile = listeners_[at - 1u].profile;
  const tcp::Config& config = profiles_[profile];
  const tcp::Segment& syn = arrival.segment;
  const auto cookie = syn.options.fast_open();
  if (!config.fast_open || cookie->size == 0) return false;
  counters_.count(Event::tcp_fast_opens_tried);
  if (!fast_open_cookies_.good(arrival.tuple, *cookie, now_)) return false;
  if (!fast_open_backlog_.has_room(now_)) return false;
  if (syn.text != 0 && receive_pieces_.available() == 0) return false;
  tcp::HalfOpen half = tcp::make_half_open(config, arrival.tuple, syn, iss, at, now_);
  half.profile = profile;
  half.ts_offset = ts_offset;
  Connection* const made = acquire_for(half, arrival.hash, true);
  if (made == nullptr) return false;
  Connection& c = *made;
  c.tcb = tcp::accept_fast_open(half, config, syn, now_);
  start_accepted(c, half);
  c.fast_open = true;
  fast_open_backlog_.begin();
  counters_.count(Event::tcp_fast_opens_taken);
  std::uint8_t news = pending::accepted | pending::send;
  const tcp::SeqNum first = c.tcb.irs + 1;
  c.receive.start_at(first);
  if (c.tcb.unread != 0) {
    c.receive.insert(receive_pieces_, std::move(arrival.packet), first, arrival.text_at,
                     static_cast<std::uint16_t>(c.tcb.unread), true);
    news |= pending::readable;
  }
  if (!c.tcb.may_receive()) {
    c.at_peer_end = true;
    news |= pending::peer_closed;
  }
  make_ready(c, news);
  POLLUX_ASSERT(tcp::check(c.tcb, flights_).empty());
  return true;
}

/// The handshake of a fast open is complete, by `segment`.
template <link::Device D, application::Application A>
void Pipeline<D, A>::fast_open_established(Connection& c, const tcp::Segment& segment) noexcept {
  if (!c.active) return fast_open_backlog_.end();
  c.fast_open = false;
  const bool tried = tcp::syn_had_text(c.tcb);
  const bool taken = tcp::syn_text_taken(c.tcb);
  const auto cookie = segment.has(tcp::control::syn) ? segment.options.fast_open() : std::nullopt;
  const bool learnt = cookie && cookie->size != 0;
  if (tried) counters_.count(Event::tcp_fast_opens_tried);
  if (taken) {
    counters_.count(Event::tcp_fast_opens_taken);
    fast_open_cache_.worked(c.tuple);
  } else if (c.tcb.syn_resent || (tried && !learnt)) {
    return fast_open_cache_.failed(c.tuple, now_);
  }
  if (learnt) {
    fast_open_cache_.learn(c.tuple, {*cookie, segment.options.mss.value_or(tcp::default_mss)},
                           now_);
  }
}

/// It has ended before that.
template <link::Device D, application::Application A>
void Pipeline<D, A>::fast_open_over(Connection& c) noexcept {
  if (!c.active) {
    if (c.cause == Cause::reset) return fast_open_backlog_.end_by_reset(now_);
    return fast_open_backlog_.end();
  }
  if (tcp::syn_had_text(c.tcb)) counters_.count(Event::tcp_fast_opens_tried);
  // A server that refuses says nothing about the path.
  if (c.cause == Cause::timed_out || c.cause == Cause::unreachable) {
    fast_open_cache_.failed(c.tuple, now_);
  }
}

}  // namespace pollux::pipeline
