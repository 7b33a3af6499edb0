#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "base/slab.h"
#include "packet/packet.h"
#include "wire/seq_num.h"

namespace pollux::pipeline {

using wire::SeqNum;

/// Received text that lies in one packet: `length` bytes at `offset`, the first numbered `seq`.
template <packet::Packet P>
struct ReceivePiece {
  P packet;
  SeqNum seq;
  std::uint16_t offset = 0;
  std::uint16_t length = 0;
  std::uint32_t next = 0xFFFF'FFFF;

  // Of a queue's first piece alone: what the queue has to know while there is any.
  std::uint32_t tail = 0;            // the last piece
  std::uint32_t edge = 0xFFFF'FFFF;  // the piece that the text before the first gap ends with
  std::uint16_t count = 1;           // of pieces
};

/// One connection's received text that is not consumed yet, in order or past a gap, in the packets
/// that it came in: a list sorted by sequence number. Pieces may overlap; reading skips what was
/// read already. What is before rcv_nxt can be read. An empty one is two words: all else lies in
/// the first piece.
template <packet::Packet P>
class ReceiveQueue {
 public:
  using Pieces = Slab<ReceivePiece<P>>;
  static constexpr std::uint32_t none = 0xFFFF'FFFF;
  /// Text of up to this many bytes is copied behind what it follows, so that a peer that sends
  /// single bytes cannot pin a packet with each.
  static constexpr std::size_t copied_at_most = 256;

  bool empty() const noexcept { return head_ == none; }
  void start_at(SeqNum seq) noexcept { read_ = seq; }
  /// The number of the next byte to read.
  SeqNum read_seq() const noexcept { return read_; }
  std::uint16_t count(const Pieces& pieces) const noexcept {
    return head_ == none ? std::uint16_t{0} : pieces[head_].count;
  }

  /// Keeps the `length` bytes at `offset` of the packet; false when the slab is full. `in_order`:
  /// there is no gap before them, and some of them are new.
  bool insert(Pieces& pieces, P packet, SeqNum seq, std::uint16_t offset, std::uint16_t length,
              bool in_order) noexcept {
    if (head_ != none) {
      const std::uint32_t before = in_order ? pieces[head_].edge : pieces[head_].tail;
      if (before != none && append_copy(pieces[before], packet, seq, offset, length)) {
        if (in_order) move_edge(pieces, before);
        return true;
      }
    }
    const std::uint32_t index = pieces.acquire();
    if (index == Pieces::none) return false;
    ReceivePiece<P>& piece = pieces[index];
    piece.packet = std::move(packet);
    piece.seq = seq;
    piece.offset = offset;
    piece.length = length;
    link(pieces, index);
    if (in_order) move_edge(pieces, index);
    return true;
  }

  /// The next bytes that lie in one piece and before `rcv_nxt`.
  std::span<const std::byte> readable(Pieces& pieces, SeqNum rcv_nxt) noexcept {
    while (head_ != none) {
      ReceivePiece<P>& piece = pieces[head_];
      if (piece.seq > read_ || read_ >= rcv_nxt) return {};
      const std::uint32_t seen = static_cast<std::uint32_t>(read_ - piece.seq);
      if (seen < piece.length) {
        return piece.packet.bytes().subspan(piece.offset + seen, piece.length - seen);
      }
      pop(pieces);
    }
    return {};
  }

  /// Copies what can be read, from the first byte on, and leaves it where it is; returns how much
  /// that was.
  std::size_t peek(const Pieces& pieces, SeqNum rcv_nxt, std::span<std::byte> to) const noexcept {
    SeqNum at = read_;
    std::size_t done = 0;
    for (std::uint32_t i = head_; i != none && done < to.size(); i = pieces[i].next) {
      const ReceivePiece<P>& piece = pieces[i];
      if (piece.seq > at || at >= rcv_nxt) break;
      const std::uint32_t seen = static_cast<std::uint32_t>(at - piece.seq);
      if (seen >= piece.length) continue;
      const std::size_t n = std::min<std::size_t>(piece.length - seen, to.size() - done);
      std::memcpy(to.data() + done, piece.packet.bytes().data() + piece.offset + seen, n);
      at += static_cast<std::uint32_t>(n);
      done += n;
    }
    return done;
  }

  /// Gives back the first n bytes of what readable() showed.
  void consume(Pieces& pieces, std::uint32_t n) noexcept {
    read_ += n;
    if (head_ == none) return;
    const ReceivePiece<P>& piece = pieces[head_];
    if (static_cast<std::uint32_t>(read_ - piece.seq) >= piece.length) pop(pieces);
  }

  void clear(Pieces& pieces) noexcept {
    while (head_ != none) pop(pieces);
  }

 private:
  /// Puts a piece in its place by its number. Only pieces past a gap are walked, which have a
  /// bound.
  void link(Pieces& pieces, std::uint32_t index) noexcept {
    ReceivePiece<P>& piece = pieces[index];
    if (head_ == none) {
      head_ = piece.tail = index;
      return;
    }
    ReceivePiece<P>& head = pieces[head_];
    if (piece.seq < head.seq) {
      piece.next = head_;
      be_head(pieces, index, head);
    } else if (pieces[head.tail].seq <= piece.seq) {
      pieces[head.tail].next = index;
      head.tail = index;
    } else {
      std::uint32_t before =
          head.edge != none && pieces[head.edge].seq <= piece.seq ? head.edge : head_;
      while (pieces[pieces[before].next].seq <= piece.seq) before = pieces[before].next;
      piece.next = pieces[before].next;
      pieces[before].next = index;
    }
    ++pieces[head_].count;
  }
  /// A queue's first piece is another from now on, and knows what the last one did.
  void be_head(Pieces& pieces, std::uint32_t index, const ReceivePiece<P>& last) noexcept {
    pieces[index].tail = last.tail;
    pieces[index].edge = last.edge;
    pieces[index].count = last.count;
    head_ = index;
  }

  /// The text before the gap goes on to the end of `edge`, or of those behind it that it has
  /// reached.
  void move_edge(Pieces& pieces, std::uint32_t edge) noexcept {
    std::uint32_t last = edge;
    SeqNum end = pieces[edge].seq + pieces[edge].length;
    for (std::uint32_t i = pieces[edge].next; i != none && pieces[i].seq <= end;
         i = pieces[i].next) {
      const SeqNum its_end = pieces[i].seq + pieces[i].length;
      if (its_end < end) continue;
      last = i;
      end = its_end;
    }
    pieces[head_].edge = last;
  }

  void pop(Pieces& pieces) noexcept {
    const std::uint32_t first = head_;
    ReceivePiece<P>& piece = pieces[first];
    if (piece.next == none) {
      head_ = none;
    } else {
      if (piece.edge == first) piece.edge = none;
      --piece.count;
      be_head(pieces, piece.next, piece);
    }
    pieces.release(first);
  }

  /// The packet's text is small, follows that of `last` directly, and fits behind it.
  static bool append_copy(ReceivePiece<P>& last, P& packet, SeqNum seq, std::uint16_t offset,
                          std::uint16_t length) noexcept {
    if (length > copied_at_most || last.seq + last.length != seq) return false;
    const std::size_t end = std::size_t{last.offset} + last.length;
    const std::size_t behind = last.packet.bytes().size() - end;
    if (behind + last.packet.tailroom() < length || end + length > 0xFFFF) return false;
    last.packet.keep_front(end);
    const auto to = last.packet.append(length);
    std::memcpy(to.data(), packet.bytes().data() + offset, length);
    last.length = static_cast<std::uint16_t>(last.length + length);
    packet = P{};
    return true;
  }

  std::uint32_t head_ = none;
  SeqNum read_;
};

}  // namespace pollux::pipeline
