#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "application/application.h"
#include "base/slab.h"
#include "packet/packet.h"
#include "wire/checksum.h"
#include "wire/seq_num.h"

namespace pollux::pipeline {

using wire::SeqNum;

/// One immutable piece of what a connection sends. An owner, where there is one, is packet memory
/// that holds the bytes; without one they are static.
template <packet::Packet P>
struct SendPiece {
  P owner;
  const std::byte* data = nullptr;
  std::uint32_t size = 0;
  std::uint32_t next = 0xFFFF'FFFF;
  std::uint16_t sum = 0;  // of all of them
  bool summed = false;    // and it is known
};

/// The bytes of one connection from the oldest unacknowledged one on, in the order of their
/// sequence numbers: a list of pieces in a slab that the whole pipeline shares. Segments are cut
/// out of it when they are sent, and cut anew when they are sent again.
template <packet::Packet P>
class SendQueue {
 public:
  using Pieces = Slab<SendPiece<P>>;
  static constexpr std::uint32_t none = 0xFFFF'FFFF;

  bool empty() const noexcept { return head_ == none; }

  /// The first byte that will be queued has this number (ISS + 1). Only while empty.
  void start_at(SeqNum seq) noexcept { base_ = seq; }

  /// Queues static bytes; false when the slab is full.
  bool push(Pieces& pieces, application::StaticSpan bytes) noexcept {
    if (!push(pieces, P{}, bytes.data, bytes.size)) return false;
    pieces[tail_].sum = bytes.sum;
    pieces[tail_].summed = bytes.summed;
    return true;
  }
  /// Queues bytes that lie in `owner`.
  bool push(Pieces& pieces, P owner, const std::byte* data, std::uint32_t size) noexcept {
    const std::uint32_t index = pieces.acquire();
    if (index == Pieces::none) return false;
    SendPiece<P>& piece = pieces[index];
    piece.owner = std::move(owner);
    piece.data = data;
    piece.size = size;
    if (tail_ != none) pieces[tail_].next = index;
    tail_ = index;
    if (head_ == none) {
      head_ = cursor_ = index;
      cursor_seq_ = base_;
    }
    return true;
  }

  /// The packet that the last piece owns, for bytes to be added behind it, or null.
  P* tail_owner(Pieces& pieces) noexcept {
    if (tail_ == none || !pieces[tail_].owner) return nullptr;
    return &pieces[tail_].owner;
  }
  /// n bytes more stand behind the last piece's.
  void grow_tail(Pieces& pieces, std::uint32_t n) noexcept { pieces[tail_].size += n; }

  /// Copies the bytes from `seq` on to `to`, all of which are queued, and sums them.
  wire::Sum copy(Pieces& pieces, SeqNum seq, std::span<std::byte> to) noexcept {
    // Nearly always they lie in one piece.
    POLLUX_ASSERT(cursor_ != none);
    const SendPiece<P>& piece = pieces[cursor_];
    const auto offset = static_cast<std::uint32_t>(seq - cursor_seq_);
    if (piece.summed && offset == 0 && to.size() == piece.size) {
      std::memcpy(to.data(), piece.data, piece.size);
      return wire::Sum::of_partial(piece.sum, piece.size);
    }
    if (offset < piece.size && to.size() <= piece.size - offset) [[likely]]
      return wire::copy_and_sum(to, {piece.data + offset, to.size()});
    return copy_pieces(pieces, seq, to);
  }

  /// Lets go of every piece that lies wholly before `una`; returns how many packets they owned.
  std::uint32_t release(Pieces& pieces, SeqNum una) noexcept {
    std::uint32_t owned = 0;
    while (head_ != none) {
      const SendPiece<P>& piece = pieces[head_];
      const SeqNum end = base_ + piece.size;
      if (end > una) break;
      const std::uint32_t next = piece.next;
      if (cursor_ == head_) {
        cursor_ = next;
        cursor_seq_ = end;
      }
      if (piece.owner) ++owned;
      pieces.release(head_);
      base_ = end;
      head_ = next;
    }
    if (head_ == none) tail_ = cursor_ = none;
    return owned;
  }

  /// Lets go of everything; returns how many packets there were.
  std::uint32_t clear(Pieces& pieces) noexcept {
    std::uint32_t owned = 0;
    while (head_ != none) {
      const std::uint32_t next = pieces[head_].next;
      if (pieces[head_].owner) ++owned;
      pieces.release(head_);
      head_ = next;
    }
    tail_ = cursor_ = none;
    return owned;
  }

 private:
  [[gnu::noinline]] wire::Sum copy_pieces(Pieces& pieces, SeqNum seq,
                                          std::span<std::byte> to) noexcept {
    if (seq < cursor_seq_) {
      cursor_ = head_;
      cursor_seq_ = base_;
    }
    wire::Sum sum;
    while (!to.empty()) {
      POLLUX_ASSERT(cursor_ != none);
      const SendPiece<P>& piece = pieces[cursor_];
      const std::uint32_t offset = static_cast<std::uint32_t>(seq - cursor_seq_);
      if (offset >= piece.size) {
        cursor_seq_ += piece.size;
        cursor_ = piece.next;
        continue;
      }
      const std::size_t n = std::min<std::size_t>(piece.size - offset, to.size());
      sum.add(wire::copy_and_sum(to, {piece.data + offset, n}));
      to = to.subspan(n);
      seq += static_cast<std::uint32_t>(n);
    }
    return sum;
  }

  std::uint32_t head_ = none;
  std::uint32_t tail_ = none;
  std::uint32_t cursor_ = none;  // where the last copy ended, so that sending in order never walks
  SeqNum base_;                  // of the head's first byte
  SeqNum cursor_seq_;            // of the cursor's first byte
};

}  // namespace pollux::pipeline
