#pragma once

// The transport stages of Pipeline for received TCP: demultiplexing, the state machine's calls and
// timers, and what a Verdict means for a connection. Included by pipeline.h alone.

#include "pipeline/pipeline.h"

namespace pollux::pipeline {

/// Reads one segment into `arrival`, all but its packet; `text` is where its text lies.
template <link::Device D, application::Application A>
Drop Pipeline<D, A>::read_segment(const wire::Ipv4View& ip, bool verified, Arrival& arrival,
                                  std::span<const std::byte>& text) noexcept {
  wire::TcpView view;
  const auto bytes = ip.payload();
  if (const Drop drop = wire::TcpView::parse(bytes, view); drop != Drop::none) return drop;
  if (!verified && !view.checksum_ok(ip.pseudo_header())) return Drop::tcp_bad_checksum;
  if (view.source_port() == 0 || view.destination_port() == 0) return Drop::tcp_bad_ports;
  arrival.tuple = {ip.destination(), ip.source(), view.destination_port(), view.source_port()};
  arrival.hash = tcp::hash(arrival.tuple, table_key_);
  text = view.text();
  arrival.segment.seq = view.seq();
  arrival.segment.ack = view.ack();
  arrival.segment.text = static_cast<std::uint32_t>(text.size());
  arrival.segment.window = view.window();
  arrival.segment.control = view.control();
  arrival.segment.ecn = ip.ecn();
  wire::parse_options(view.options(), arrival.segment.options);
  return Drop::none;
}

/// Our timestamp that came back, in the time that the stack counts.
template <link::Device D, application::Application A>
void Pipeline<D, A>::read_echo(Arrival& arrival, std::uint32_t offset) noexcept {
  if (auto& timestamps = arrival.segment.options.timestamps) timestamps->echo -= offset;
}

/// The first free place for a segment. A burst has one for each of its frames, but a frame that
/// completes a large segment takes several: what is full is worked off.
template <link::Device D, application::Application A>
typename Pipeline<D, A>::Arrival& Pipeline<D, A>::next_arrival() noexcept {
  if (arrivals_count_ == arrivals_.size()) [[unlikely]] {
    tcp_demux();
    tcp_in();
  }
  return arrivals_[arrivals_count_];
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::tcp_arrives(const wire::Ipv4View& ip, Packet& packet) noexcept {
  counters_.count(Event::tcp_segments_received);
  Arrival& arrival = next_arrival();
  std::span<const std::byte> text;
  const packet::Verified said = packet.l4_verified();
  const Drop drop = read_segment(ip, believed(said, verified_packets_), arrival, text);
  if (drop != Drop::none) {
    if (drop == Drop::tcp_bad_checksum) disbelieve(said);
    return counters_.count(drop);
  }
  keep_arrival(arrival, packet, static_cast<std::size_t>(text.data() - packet.bytes().data()),
               said);
}

/// The segment that was read into the first free place stays there, with its packet, in which its
/// text begins at `text_at`.
template <link::Device D, application::Application A>
void Pipeline<D, A>::keep_arrival(Arrival& arrival, Packet& packet, std::size_t text_at,
                                  packet::Verified said) noexcept {
  if (said == packet::Verified::unfinished && arrival.segment.text > config_.tcp.mss) [[unlikely]] {
    counters_.count(Event::tcp_merged_received);
  }
  table_.prefetch(arrival.hash);
  arrival.text_at = static_cast<std::uint16_t>(text_at);
  arrival.frames = 1;
  arrival.packet = std::move(packet);
  ++arrivals_count_;
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::tcp_demux() noexcept {
  changed_ = {};
  for (std::size_t i = 0; i < arrivals_count_; ++i) {
    Arrival& arrival = arrivals_[i];
    // Whether it is of that four-tuple is looked at when the memory is there.
    arrival.entry = table_.find(arrival.hash, [](tcp::EntryId) noexcept { return true; });
    if (arrival.entry.kind() == tcp::EntryId::Kind::connection) {
      const Connection& c = connections_[arrival.entry.index()];
      __builtin_prefetch(&c.tcb);
      __builtin_prefetch(&c.tcb.iss);  // its second line
      __builtin_prefetch(&c.tuple);
    }
  }
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::tcp_in() noexcept {
  Arrival* const end = arrivals_.data() + arrivals_count_;
  for (Arrival* at = arrivals_.data(); at != end; ++at) {
    Arrival& arrival = *at;
    // A segment earlier in this burst may have changed what the four-tuple leads to.
    if (may_have_changed(arrival.hash) || !is_of(arrival.entry, arrival.tuple)) {
      arrival.entry = find(arrival.tuple, arrival.hash);
    }
    Drop drop = Drop::none;
    Connection* c = nullptr;  // whose segment it is
    switch (arrival.entry.kind()) {
      case tcp::EntryId::Kind::none:
        drop = unconnected_arrives(arrival, c);
        break;
      case tcp::EntryId::Kind::half_open:
        drop = half_open_arrives(arrival, c);
        break;
      case tcp::EntryId::Kind::connection:
        if (at + 1 != end && at[1].hash == arrival.hash) [[unlikely]] {
          at += run_arrives(std::span{at, end});
          continue;
        }
        c = &connections_[arrival.entry.index()];
        read_echo(arrival, c->ts_offset);
        break;
      case tcp::EntryId::Kind::time_wait:
        drop = time_wait_arrives(arrival);
        break;
    }
    if (c != nullptr) drop = connection_arrives<false>(*c, arrival, {});
    count_received(drop, arrival.frames);
    arrival.packet = Packet{};
  }
  arrivals_count_ = 0;
}

template <link::Device D, application::Application A>
tcp::EntryId Pipeline<D, A>::find(const wire::FourTuple& tuple, std::uint64_t hash) noexcept {
  return table_.find(hash, [&](tcp::EntryId id) noexcept { return is_of(id, tuple); });
}

/// Whether the entry, which is in the table, has this four-tuple; so has that of none.
template <link::Device D, application::Application A>
POLLUX_INLINE inline bool Pipeline<D, A>::is_of(tcp::EntryId id,
                                                const wire::FourTuple& tuple) const noexcept {
  switch (id.kind()) {
    case tcp::EntryId::Kind::none:
      break;
    case tcp::EntryId::Kind::half_open:
      return half_open_[id.index()].tuple == tuple;
    case tcp::EntryId::Kind::connection:
      return connections_[id.index()].tuple == tuple;
    case tcp::EntryId::Kind::time_wait:
      return time_wait_[id.index()].tuple == tuple;
  }
  return true;
}

/// Takes the text that comes next, of several segments of one burst that say the same, as that of
/// one segment: to TCP they are what LRO would have made of them, but each stays in its packet.
/// `head` then stands for all of them; returns how many of `behind` it has joined. What is not
/// plain goes one by one: together they must be next, in the window, more than a segment (which are
/// acknowledged at once, be they two or one), and have room.
template <link::Device D, application::Application A>
std::size_t Pipeline<D, A>::join_followers(Arrival& head,
                                           std::span<const Arrival> behind) const noexcept {
  const Connection& c = connections_[head.entry.index()];
  tcp::Segment& whole = head.segment;
  constexpr std::uint8_t plain = tcp::control::ack;
  const auto says = [](const tcp::Segment& s) { return s.control & ~tcp::control::psh; };
  if (whole.text == 0 || head.frames != 1 || says(whole) != plain ||
      whole.options.sack_count != 0 || whole.seq != c.tcb.rcv_nxt || !c.tcb.may_receive() ||
      !c.tcb.syn_acked || receive_pieces_.available() < burst || buffers_.scarce()) {
    return 0;
  }
  const std::uint32_t most = std::min<std::uint32_t>(c.tcb.rcv_wnd(), 0xFFFF);
  const tcp::SeqNum first = whole.seq;
  std::uint32_t text = whole.text;
  std::uint8_t control = whole.control;
  std::size_t joined = 0;
  for (const Arrival& next : behind) {
    const tcp::Segment& s = next.segment;
    if (next.hash != head.hash || next.tuple != head.tuple || s.seq != first + text ||
        s.text == 0 || says(s) != plain || s.ack != whole.ack || s.window != whole.window ||
        s.ecn != whole.ecn || s.options.sack_count != 0 ||
        s.options.timestamps != whole.options.timestamps || next.frames != 1 ||
        text + s.text > most) {
      break;
    }
    text += s.text;
    control |= s.control;
    ++joined;
  }
  if (text <= tcp_config(c).mss) return 0;
  whole.text = text;
  whole.control = control;
  return joined;
}

/// A connection's segment, the first of `left`, with another of the same flow behind it; returns
/// how many of those it has taken along.
template <link::Device D, application::Application A>
std::size_t Pipeline<D, A>::run_arrives(std::span<Arrival> left) noexcept {
  Arrival& head = left.front();
  const auto behind = left.subspan(1);
  const auto followers = behind.first(join_followers(head, behind));
  Connection& c = connections_[head.entry.index()];
  read_echo(head, c.ts_offset);
  const Drop drop = connection_arrives<true>(c, head, followers);
  count_received(drop, head.frames + static_cast<std::uint32_t>(followers.size()));
  head.packet = Packet{};
  for (Arrival& next : followers) next.packet = Packet{};
  return followers.size();
}

/// `followers` are what join_followers() has joined to the segment; with `run` alone are there any.
template <link::Device D, application::Application A>
template <bool run>
inline Drop Pipeline<D, A>::connection_arrives(Connection& c, Arrival& arrival,
                                               std::span<Arrival> followers) noexcept {
  const tcp::Segment& segment = arrival.segment;
  if ((c.pending & pending::closed) != 0 || c.finished) return Drop::tcp_after_close;
  // What nobody reads any more needs no room: the state machine answers it with a reset.
  const bool room = segment.text == 0 || c.tcb.receive_closed || has_room_for_text(c, segment);
  const bool ack_due = c.tcb.ack_now;
  const tcp::Verdict verdict =
      tcp::segment_arrives(c.tcb, tcp_config(c), segment, flights_, now_, room);
  // Each segment past a gap is to have an ACK of its own (RFC 5681 s.4.2), or a peer whose window
  // comes as one burst never counts three; but none for a gap that is no more.
  if (verdict.readable) {
    c.more_acks = 0;
  } else if (verdict.out_of_order) {
    // What is longer than a segment was several.
    const std::uint32_t others = segment.text == 0 ? 0 : (segment.text - 1) / tcp_config(c).mss;
    const std::uint32_t due = c.more_acks + others + (ack_due ? 1u : 0u);
    c.more_acks = static_cast<std::uint8_t>(std::min<std::uint32_t>(due, burst));
  }
  if (verdict.keep_text) {
    const tcp::SeqNum first =
        segment.seq + (segment.has(tcp::control::syn) ? 1u : 0u) + verdict.text_offset;
    POLLUX_ASSERT(followers.empty() || verdict.text_length == segment.text);
    std::uint32_t length = verdict.text_length;
    if constexpr (run) {
      for (const Arrival& next : followers) length -= next.segment.text;
    }
    bool kept = c.receive.insert(receive_pieces_, std::move(arrival.packet), first,
                                 static_cast<std::uint16_t>(arrival.text_at + verdict.text_offset),
                                 static_cast<std::uint16_t>(length), verdict.readable);
    if constexpr (run) {
      for (Arrival& next : followers) {
        kept = c.receive.insert(receive_pieces_, std::move(next.packet), next.segment.seq,
                                next.text_at, static_cast<std::uint16_t>(next.segment.text),
                                verdict.readable) &&
               kept;
      }
    }
    POLLUX_ASSERT(kept);
    static_cast<void>(kept);
  }
  if (verdict.reset_reply || verdict.established) [[unlikely]] {
    if (verdict.reset_reply) reset(arrival.tuple, segment);
    if (c.fast_open && verdict.established) fast_open_established(c, segment);
  }
  apply_here(c, verdict);
  return verdict.drop;
}

/// Whether there is something to keep the segment's text in. What is refused the peer sends again.
template <link::Device D, application::Application A>
bool Pipeline<D, A>::has_room_for_text(const Connection& c,
                                       const tcp::Segment& segment) const noexcept {
  const std::uint32_t free = receive_pieces_.available();
  const std::uint32_t all = receive_pieces_.capacity();
  if (free == 0) return false;
  if (buffers_.scarce()) [[unlikely]]
    return !buffers_.last() && c.tcb.unread == 0 && segment.seq <= c.tcb.rcv_nxt;
  // Text past a gap has a bound, and leaves a quarter to those who wait for what comes next: were
  // it all taken by text past gaps, no gap could be filled.
  if (c.tcb.rcv_nxt < segment.seq) {
    return c.receive.count(receive_pieces_) < max_pieces_past_gap && free > all / 4;
  }
  // The next expected byte is always welcome to a reader who has read all before it. One who has
  // not has a share, as long as memory is short.
  return c.tcb.unread == 0 || c.receive.count(receive_pieces_) <= share_of(free, all);
}

/// Carries out what a call of the state machine has said.
template <link::Device D, application::Application A>
void Pipeline<D, A>::apply(Connection& c, const tcp::Verdict& verdict) noexcept {
  apply_here(c, verdict);
}

/// The same, for those that are called for each segment, or for each connection.
template <link::Device D, application::Application A>
POLLUX_INLINE inline void Pipeline<D, A>::apply_here(Connection& c,
                                                     const tcp::Verdict& verdict) noexcept {
  auto news = static_cast<std::uint8_t>(verdict.bits() & pending::said);
  if (verdict.established) {
    counters_.count(Event::tcp_established);
    if (c.active) fit_path(c);  // the peer's MSS is known only now
    if (c.fast_open) {
      c.fast_open = false;  // it was accepted, and its text is being read, since the SYN came
    } else {
      c.receive.start_at(c.tcb.irs + 1);
      news |= c.active ? pending::connected : pending::accepted;
    }
  }
  if (verdict.acknowledged) {
    owned_packets_ -= c.send.release(send_pieces_, c.tcb.snd_una);
    if (c.wants_room && room_in_send_queue(c) >= tcp_config(c).send_buffer / 4) {
      // Forgotten here, not when it is told: an earlier callback may use the room up again first.
      c.wants_room = false;
      news |= pending::writable;
    }
  }
  if (verdict.peer_closed) c.at_peer_end = true;
  if (verdict.abort) send_reset(c);
  if (verdict.closed) {
    c.cause = verdict.cause;
    if (c.held != 0 && c.cause == Cause::reset_at_end) c.cause = Cause::reset;
    c.time_wait = verdict.time_wait;
  }
  if (verdict.path_news != tcp::PathNews::none) [[unlikely]]
    take_path_news(c, verdict);
  if (verdict.noteworthy() || (verdict.closed && !orderly(verdict.cause))) [[unlikely]]
    count_verdict(verdict);
  if (news != 0) {
    make_ready(c, news);  // tcp_out() arms it
  } else {
    arm(c);
  }
  POLLUX_ASSERT(tcp::check(c.tcb, flights_).empty());
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::count_verdict(const tcp::Verdict& verdict) noexcept {
  if (verdict.challenge_ack) counters_.count(Event::tcp_challenge_acks);
  if (verdict.duplicate) counters_.count(Event::tcp_duplicate);
  if (verdict.out_of_order) counters_.count(Event::tcp_out_of_order);
  if (verdict.fast_retransmit) counters_.count(Event::tcp_fast_retransmits);
  if (verdict.recovery_undone) counters_.count(Event::tcp_recoveries_undone);
  if (verdict.zero_window_probe) counters_.count(Event::tcp_zero_window_probes);
  if (verdict.keepalive) counters_.count(Event::tcp_keepalives_sent);
  if (verdict.flights_exhausted) counters_.count(Event::tcp_flights_exhausted);
  if (!verdict.closed) return;
  if (verdict.cause == Cause::reset || verdict.cause == Cause::reset_at_end) {
    counters_.count(Event::tcp_reset_received);
  }
  if (verdict.cause == Cause::timed_out) counters_.count(Event::tcp_timed_out);
}

/// Moves the wheel entry only when the deadline came closer; a later one is found when it is due.
template <link::Device D, application::Application A>
void Pipeline<D, A>::arm(Connection& c) noexcept {
  if (!c.tcb.has_deadline()) return;
  if (c.armed && c.armed_at <= c.tcb.deadline) return;
  c.armed = c.in_wheel = true;
  c.armed_at = c.tcb.deadline;
  wheel_.arm(connections_.index_of(c), instant_of(c.tcb.deadline));
}

/// Of a new connection: where its first deadline is not very near, it is looked at a little later,
/// when most short ones are over, and only then has an entry in the wheel.
template <link::Device D, application::Application A>
void Pipeline<D, A>::watch(Connection& c) noexcept {
  c.armed = young_.push(entry_id(c).raw(), now_);
  c.armed_at = Millis32{now_} + young_.delay();
}

/// The same of a half-open entry.
template <link::Device D, application::Application A>
void Pipeline<D, A>::watch_half_open(std::uint32_t index) noexcept {
  if (!young_.push(tcp::EntryId{tcp::EntryId::Kind::half_open, index}.raw(), now_)) {
    half_open_wheel_.arm(index, instant_of(half_open_[index].deadline));
  }
}

/// The wheel has none of it, and what it was to be looked at for may have been put off.
template <link::Device D, application::Application A>
void Pipeline<D, A>::look_at_deadline(Connection& c) noexcept {
  c.armed = c.in_wheel = false;
  if (c.tcb.has_deadline() && c.tcb.deadline <= Millis32{now_}) {
    apply(c, tcp::timeout(c.tcb, tcp_config(c), flights_, now_));
  } else {
    arm(c);
  }
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::tcp_expire() noexcept {
  wheel_.advance(now_,
                 [this](std::uint32_t index) noexcept { look_at_deadline(connections_[index]); });
  // Whoever has the place now, be it another: to look at one too early does no harm.
  young_.advance(now_, [this](std::uint32_t raw) noexcept {
    const auto id = tcp::EntryId::from_raw(raw);
    const std::uint32_t index = id.index();
    if (id.kind() == tcp::EntryId::Kind::half_open) {
      if (half_open_.live(index) && !half_open_wheel_.armed(index)) {
        half_open_wheel_.arm(index, instant_of(half_open_[index].deadline));
      }
    } else if (connections_.live(index)) {
      Connection& c = connections_[index];
      if (c.armed && !c.in_wheel) look_at_deadline(c);
    }
  });
  half_open_wheel_.advance(now_, [this](std::uint32_t index) noexcept {
    tcp::HalfOpen& half = half_open_[index];
    switch (tcp::timeout(half, tcp_config(half), now_)) {
      case tcp::HalfOpenTimeout::early:
        half_open_wheel_.arm(index, instant_of(half.deadline));
        break;
      case tcp::HalfOpenTimeout::resend:
        counters_.count(Event::tcp_retransmitted);
        half_open_wheel_.arm(index, instant_of(half.deadline));
        send_syn_ack(half, tcp::syn_ack_again(half, tcp_config(half)));
        break;
      case tcp::HalfOpenTimeout::give_up:
        table_.erase(tcp::hash(half.tuple, table_key_), {tcp::EntryId::Kind::half_open, index});
        release_half_open(index);
        break;
    }
  });
  time_wait_.expire(
      now_,
      [this](const tcp::TimeWait& entry) noexcept {
        table_.prefetch(tcp::hash(entry.tuple, table_key_));
      },
      [this](std::uint32_t index, const tcp::TimeWait& entry) noexcept {
        table_.erase(tcp::hash(entry.tuple, table_key_), {tcp::EntryId::Kind::time_wait, index});
      });
}

}  // namespace pollux::pipeline
