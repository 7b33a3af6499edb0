#pragma once

// The transport stage of Pipeline that sends: segments of ready connections, resets, and what is
// left of a connection at its end. Included by pipeline.h alone.

#include "pipeline/pipeline.h"

namespace pollux::pipeline {

/// Puts a connection at the end of the ready list, which application_in() walks and tcp_out()
/// empties, unless it is there.
template <link::Device D, application::Application A>
void Pipeline<D, A>::make_ready(Connection& c, std::uint8_t news) noexcept {
  c.pending = static_cast<std::uint8_t>(c.pending | news);
  if (c.ready) return;
  c.ready = true;
  c.next_ready = none;
  const std::uint32_t index = connections_.index_of(c);
  if (ready_tail_ == none) {
    ready_head_ = index;
  } else {
    connections_[ready_tail_].next_ready = index;
  }
  ready_tail_ = index;
}

/// Sends what every ready connection has to send, and lets go of the finished ones. A connection
/// that the device or the packet pool has no room for stays on the list.
template <link::Device D, application::Application A>
void Pipeline<D, A>::tcp_out() noexcept {
  std::uint32_t index = ready_head_;
  ready_head_ = ready_tail_ = none;
  while (index != none) {
    Connection& c = connections_[index];
    const std::uint32_t next = c.next_ready;
    c.ready = false;
    bool blocked = false;
    if ((c.pending & pending::send) != 0) {
      c.pending = static_cast<std::uint8_t>(c.pending & ~pending::send);
      blocked = !send_all(c);
    }
    if (blocked) {
      make_ready(c, pending::send);
      arm(c);
    } else if (c.finished) {
      release(c);
    } else if ((c.pending & pending::closed) != 0) {
      // Over, but for a reader that has yet to take the rest: the four-tuple is free already.
      if (!c.detached) leave_table(c);
      // One that ended after its turn with the application is told in the next round.
      if (!awaits_reader(c)) make_ready(c, 0);
    } else {
      if (c.pending != 0) make_ready(c, 0);
      arm(c);
    }
    index = next;
  }
}

/// False when something is left to send that there was no room for.
template <link::Device D, application::Application A>
inline bool Pipeline<D, A>::send_all(Connection& c) noexcept {
  if (c.detached) return true;
  if (c.tcb.mss < c.full_mss) [[unlikely]]
    ask_path(c);
  if (!transmit_.has_room()) return false;
  if (send_plain(c)) return true;
  tcp::Emit emit = tcp::Emit::more;
  std::uint32_t texts = 0;
  while (emit == tcp::Emit::more) {
    if (!transmit_.has_room()) return false;
    tcp::Segment segment;
    const tcp::SeqNum sent_before = c.tcb.snd_nxt;
    emit = tcp::next_segment(c.tcb, tcp_config(c), flights_, now_, segment);
    if (emit == tcp::Emit::none) break;
    POLLUX_ASSERT(segment.text <= c.tcb.mss || segment.cut != 0 ||
                  tcp::is_path_probe(c.tcb, flights_, segment.seq));
    // The last of several is pushed, though more may be queued: who puts segments together on the
    // way need not wait for another.
    if (segment.text != 0 && ++texts > 1 && emit == tcp::Emit::last) {
      segment.control |= tcp::control::psh;
    }
    if (!c.pushes || c.corked) [[unlikely]]
      withhold_push(c, segment);
    if (c.more_acks != 0) [[unlikely]]
      send_more_acks(c, segment, sent_before);
    if (segment.len() != 0 && segment.seq < sent_before) {
      counters_.count(Event::tcp_retransmitted, segment.cut == 0 ? 1 : segment.text / segment.cut);
    }
    if (!send_segment(tcp_config(c), c.tuple, c.ts_offset, segment, &c.send)) {
      tell_unreachable(c);
      if ((c.pending & pending::closed) != 0) break;
    }
  }
  POLLUX_ASSERT(tcp::check(c.tcb, flights_).empty());
  return true;
}

/// Nobody answers for the next hop.
template <link::Device D, application::Application A>
void Pipeline<D, A>::tell_unreachable(Connection& c) noexcept {
  apply(c, tcp::unreachable(c.tcb, Cause::no_neighbor, true));
}

/// All that the connection has to send, where that is one segment as most are; false, and nothing
/// has happened, where it may be something else.
template <link::Device D, application::Application A>
POLLUX_INLINE inline bool Pipeline<D, A>::send_plain(Connection& c) noexcept {
  if (!c.tcb.synchronized() || !c.pushes || c.corked || c.more_acks != 0) return false;
  const tcp::Config& config = tcp_config(c);
  tcp::PlainSegment segment;
  if (!tcp::next_plain_segment(c.tcb, config, flights_, now_, segment)) return false;
  POLLUX_ASSERT(tcp::check(c.tcb, flights_).empty());
  Packet packet = device_.allocate();
  if (!packet || packet.tailroom() < segment.text) [[unlikely]] {
    counters_.count(packet ? SendDrop::too_big : SendDrop::no_buffer);
    return true;
  }
  const std::size_t headers = transmit_.headers_size() + wire::TcpFields::size +
                              (segment.timestamps ? wire::timestamps_size : 0);
  const auto bytes = packet.lay_out(headers, segment.text);
  std::uint16_t text = 0;
  if (segment.text != 0) {
    text = c.send.copy(send_pieces_, segment.seq, bytes.subspan(headers)).partial();
  }
  if (!finish_segment(packet, bytes.first(headers), segment.timestamps, config, c.tuple,
                      c.ts_offset, segment, text)) {
    tell_unreachable(c);
  }
  return true;
}

/// No PSH bit at the end of what TCP has, where more follows soon or the application wants none.
template <link::Device D, application::Application A>
void Pipeline<D, A>::withhold_push(const Connection& c, tcp::Segment& segment) noexcept {
  if (c.send_closed || (c.pushes && c.held == 0)) return;
  if (segment.seq + segment.text != c.tcb.snd_end) return;
  segment.control &= static_cast<std::uint8_t>(~tcp::control::psh);
}

/// The ACKs that segments past a gap are due, before the segment that stands for the last of them.
/// The first of all tells of a duplicate.
template <link::Device D, application::Application A>
void Pipeline<D, A>::send_more_acks(Connection& c, tcp::Segment& last,
                                    tcp::SeqNum snd_nxt) noexcept {
  tcp::Segment ack;
  ack.seq = last.len() == 0 ? last.seq : snd_nxt;
  ack.ack = last.ack;
  ack.window = last.window;
  ack.control = tcp::control::ack;
  ack.options = last.options;
  for (; c.more_acks != 0; --c.more_acks) {
    send_segment(tcp_config(c), c.tuple, c.ts_offset, ack, nullptr);
    tcp::drop_duplicate_report(ack);
    tcp::drop_duplicate_report(last);
  }
}

/// The end of a connection: its four-tuple goes on as a TIME-WAIT entry, or becomes free.
template <link::Device D, application::Application A>
POLLUX_INLINE inline void Pipeline<D, A>::release(Connection& c) noexcept {
  if (!c.detached) leave_table(c);
  const std::uint32_t index = connections_.index_of(c);
  if (c.in_wheel) wheel_.cancel(index);
  if (c.fast_open) fast_open_over(c);
  orphans_ -= c.closing;
  owned_packets_ -= c.send.clear(send_pieces_);
  c.receive.clear(receive_pieces_);
  tcp::release(c.tcb, flights_);
  profiles_.leave(c.profile);
  connections_.release(index);
}

template <link::Device D, application::Application A>
POLLUX_INLINE inline void Pipeline<D, A>::leave_table(Connection& c) noexcept {
  const std::uint64_t hash = tcp::hash(c.tuple, table_key_);
  const tcp::EntryId id = entry_id(c);
  c.detached = true;
  note_change(hash);
  if (!c.time_wait) {
    table_.erase(hash, id);
    return;
  }
  counters_.count(Event::tcp_time_wait);
  const std::uint32_t entry = time_wait_.insert_made(
      [&]() noexcept { return tcp::make_time_wait(c.tcb, c.tuple, config_.tcp, now_); },
      [this](std::uint32_t oldest, const tcp::TimeWait& evicted) noexcept {
        counters_.count(Event::tcp_time_wait_evicted);
        const std::uint64_t its_hash = tcp::hash(evicted.tuple, table_key_);
        note_change(its_hash);
        table_.erase(its_hash, {tcp::EntryId::Kind::time_wait, oldest});
      });
  if (entry == tcp::TimeWaitQueue::none) {
    table_.erase(hash, id);
  } else {
    table_.replace(hash, id, {tcp::EntryId::Kind::time_wait, entry});
    // Of a burst, others go before it: its bucket is there by then.
    if (const auto* const evicted = time_wait_.next_evicted(3)) {
      table_.prefetch(tcp::hash(evicted->tuple, table_key_));
    }
  }
}

/// Tells the peer that the connection is no more (RFC 9293 s.3.10.5).
template <link::Device D, application::Application A>
void Pipeline<D, A>::send_reset(Connection& c) noexcept {
  if (const auto segment = tcp::abort(c.tcb)) {
    counters_.count(Event::tcp_resets_sent);
    send_segment(tcp_config(c), c.tuple, c.ts_offset, *segment, nullptr);
  }
}

/// Answers a segment that belongs to nothing (RFC 9293 s.3.10.7.1).
template <link::Device D, application::Application A>
void Pipeline<D, A>::reset(const wire::FourTuple& tuple, const tcp::Segment& segment) noexcept {
  if (const auto answer = tcp::reset_for(segment)) {
    counters_.count(Event::tcp_resets_sent);
    send_segment(config_.tcp, tuple, 0, *answer, nullptr);
  }
}

/// Text that is longer than a buffer, in as many as it takes, chained together; false when there
/// are not that many.
template <link::Device D, application::Application A>
bool Pipeline<D, A>::append_text(Packet& packet, tcp::SeqNum seq, std::uint32_t length,
                                 SendQueue<Packet>& queue) noexcept {
  std::array<Packet, most_chained> rest;
  std::size_t chained = 0;
  Packet* to = &packet;
  while (true) {
    const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(to->tailroom(), length));
    queue.copy(send_pieces_, seq, to->append(n));
    seq += n;
    length -= n;
    if (length == 0) break;
    if (chained == rest.size() || !(rest[chained] = device_.allocate())) return false;
    to = &rest[chained++];
  }
  while (chained > 1) {
    --chained;
    rest[chained - 1].attach(std::move(rest[chained]));
  }
  if (chained != 0) packet.attach(std::move(rest[0]));
  return true;
}

/// Builds the frame of one segment and hands it to the link. Its timestamp is `ts_offset` ahead of
/// the clock. `queue` has the text; null without. False when nobody answers for the
/// next hop; a segment lost for want of a buffer is TCP's to mend.
template <link::Device D, application::Application A>
bool Pipeline<D, A>::send_segment(const tcp::Config& config, const wire::FourTuple& tuple,
                                  std::uint32_t ts_offset, const tcp::Segment& segment,
                                  SendQueue<Packet>* queue) noexcept {
  if (segment.cut != 0) [[unlikely]]
    return send_uncut(config, tuple, ts_offset, segment, *queue);
  Packet packet = device_.allocate();
  if (!packet || packet.tailroom() < segment.text) [[unlikely]] {
    counters_.count(packet ? SendDrop::too_big : SendDrop::no_buffer);
    return true;
  }
  const bool timestamps_alone = segment.options.timestamps_alone();
  const std::size_t headers =
      transmit_.headers_size() + wire::TcpFields::size +
      (timestamps_alone ? wire::timestamps_size : wire::options_size(segment.options));
  const auto bytes = packet.lay_out(headers, segment.text);
  std::uint16_t text = 0;
  if (segment.text != 0) {
    const tcp::SeqNum first = segment.seq + (segment.has(tcp::control::syn) ? 1u : 0u);
    text = queue->copy(send_pieces_, first, bytes.subspan(headers)).partial();
  }
  return finish_segment(packet, bytes.first(headers), timestamps_alone, config, tuple, ts_offset,
                        segment, text);
}

/// A segment that the device is to cut into several, from text that may be longer than a buffer.
template <link::Device D, application::Application A>
bool Pipeline<D, A>::send_uncut(const tcp::Config& config, const wire::FourTuple& tuple,
                                std::uint32_t ts_offset, const tcp::Segment& segment,
                                SendQueue<Packet>& queue) noexcept {
  Packet packet = device_.allocate();
  if (!packet || !append_text(packet, segment.seq, segment.text, queue)) {
    counters_.count(SendDrop::no_buffer);
    return true;
  }
  counters_.count(Event::tcp_uncut_sent);
  counters_.count(Event::tcp_segments_sent, segment.text / segment.cut - 1);
  const auto headers = packet.prepend(transmit_.headers_size() + wire::TcpFields::size +
                                      wire::options_size(segment.options));
  return finish_segment(packet, headers, segment.options.timestamps_alone(), config, tuple,
                        ts_offset, segment, 0);
}

/// Writes the headers in front of a segment's text, the partial() of whose sum is given, and hands
/// it to the link.
template <link::Device D, application::Application A>
template <class Segment>
inline bool Pipeline<D, A>::finish_segment(Packet& packet, std::span<std::byte> headers,
                                           bool timestamps_alone, const tcp::Config& config,
                                           const wire::FourTuple& tuple, std::uint32_t ts_offset,
                                           const Segment& segment, std::uint16_t text) noexcept {
  using Headers = wire::SegmentHeaders;
  constexpr bool plain = std::is_same_v<Segment, tcp::PlainSegment>;
  const auto options = headers.subspan(transmit_.link_header_size() + Headers::size);
  const std::uint32_t clock = Millis32{now_}.raw() + ts_offset;
  std::uint64_t behind = text;
  std::uint16_t cut = 0;
  std::uint8_t ecn = 0;
  if constexpr (plain) {
    if (timestamps_alone) behind += wire::write_timestamps({clock, segment.echo}, options.data());
  } else {
    const wire::TcpOptions& own = segment.options;
    const std::uint32_t value = clock - (own.timestamps ? own.timestamps->value : 0);
    if (timestamps_alone) {
      behind += wire::write_timestamps({value, own.timestamps->echo}, options.data());
    } else if (!options.empty()) {
      behind += wire::write_options(own, value, options).partial();
    }
    cut = segment.cut;
    ecn = segment.ecn;
  }
  const link::Capabilities device = device_.capabilities();
  const Headers::Left left{.ipv4 = device.transmit_ipv4_checksum,
                           .tcp = device.transmit_tcp_checksum || cut != 0,
                           .cut = cut != 0};
  const std::uint32_t more = cut == 0 ? 0 : segment.text / cut - 1;
  Headers{.tuple = tuple,
          .fragment = transmit_.fragment_word(tuple.remote, more, now_),
          .tos = static_cast<std::uint8_t>(config.dscp << 2 | ecn),
          .ttl = config.ttl,
          .control = segment.control,
          .options_length = static_cast<std::uint8_t>(options.size()),
          .seq = segment.seq,
          .ack = plain || (segment.control & tcp::control::ack) != 0 ? segment.ack : tcp::SeqNum{},
          .window = segment.window,
          .text = segment.text,
          .behind = behind}
      .write(headers.data() + transmit_.link_header_size(), left);
  if (left.ipv4 || left.tcp) {
    const auto l4_length = static_cast<std::uint16_t>(wire::TcpFields::size + options.size());
    packet.request({.l2_length = transmit_.link_header_size(),
                    .l3_length = wire::Ipv4Fields::size,
                    .ipv4 = left.ipv4,
                    .tcp = left.tcp,
                    .udp = false,
                    .segment_size = cut,
                    .l4_length = cut == 0 ? std::uint16_t{0} : l4_length});
  }
  counters_.count(Event::tcp_segments_sent);
  return transmit_.send(packet, tuple.remote, now_);
}

/// Its MSS is what both ends have said: segments are to be no longer than the path takes, either.
template <link::Device D, application::Application A>
void Pipeline<D, A>::fit_path(Connection& c) noexcept {
  c.full_mss = c.tcb.mss;
  const std::uint16_t mtu = path_mtu_.mtu(c.tuple.remote, now_);
  if (mtu < device_.mtu()) tcp::path_mtu_changed(c.tcb, tcp_config(c), flights_, mtu);
}

/// Segments are shorter than both ends would take: asks the path for more, now and then (RFC 4821),
/// or takes what another connection has found.
template <link::Device D, application::Application A>
void Pipeline<D, A>::ask_path(Connection& c) noexcept {
  if (!tcp_config(c).path_probing) return;
  const std::uint16_t low = tcp::datagram_size(c.tcb, c.tcb.mss);
  const std::uint16_t high = tcp::datagram_size(c.tcb, c.full_mss);
  const std::uint16_t found = std::min(path_mtu_.found(c.tuple.remote, now_), high);
  if (found > low) return tcp::path_takes(c.tcb, flights_, found);
  const auto size = path_mtu_.probe_size(c.tuple.remote, low, high, now_);
  if (!size || !tcp::probe_path(c.tcb, flights_, *size, now_)) return;
  path_mtu_.probing(c.tuple.remote, low, *size, now_);
  counters_.count(Event::tcp_path_probes);
}

/// What a connection has found out of its path holds for all that go there.
template <link::Device D, application::Application A>
void Pipeline<D, A>::take_path_news(const Connection& c, const tcp::Verdict& verdict) noexcept {
  const auto mtu = static_cast<std::uint16_t>(verdict.path_mtu);
  switch (verdict.path_news) {
    case tcp::PathNews::none:
      break;
    case tcp::PathNews::takes:
      path_mtu_.takes(c.tuple.remote, mtu, now_);
      break;
    case tcp::PathNews::loses:
      counters_.count(Event::tcp_path_probes_lost);
      path_mtu_.loses(c.tuple.remote, mtu, now_);
      break;
    case tcp::PathNews::black_hole:
      counters_.count(Event::tcp_black_holes);
      path_mtu_.black_hole(c.tuple.remote, mtu, now_);
      break;
  }
}

}  // namespace pollux::pipeline
