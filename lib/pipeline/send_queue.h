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

  // Of a queue's first piece alone: what the queue has to know while there is any.
  std::uint16_t owned = 0;    // pieces with an owner
  std::uint32_t tail = 0;     // the last piece
  std::uint32_t cursor = 0;   // where the last copy ended, so that sending in order never walks
  wire::SeqNum base{};        // of this piece's first byte
  wire::SeqNum cursor_seq{};  // of the cursor's first byte
};

/// The bytes of one connection from the oldest unacknowledged one on, in the order of their
/// sequence numbers: a list of pieces in a slab that the whole pipeline shares. Segments are cut
/// out of it when they are sent, and cut anew when they are sent again. An empty one, which most
/// are, is a word: all else lies in the first piece.
template <packet::Packet P>
class SendQueue {
 public:
  using Pieces = Slab<SendPiece<P>>;
  static constexpr std::uint32_t none = 0xFFFF'FFFF;

  bool empty() const noexcept { return head_ == none; }

  /// Queues static bytes, the first numbered `seq`, which follows what is queued already; false
  /// when the slab is full.
  bool push(Pieces& pieces, SeqNum seq, application::StaticSpan bytes) noexcept {
    SendPiece<P>* const piece = push_piece(pieces, seq, bytes.data, bytes.size);
    if (piece == nullptr) return false;
    piece->sum = bytes.sum;
    piece->summed = bytes.summed;
    return true;
  }
  /// Queues bytes that lie in `owner`.
  bool push(Pieces& pieces, SeqNum seq, P owner, const std::byte* data,
            std::uint32_t size) noexcept {
    SendPiece<P>* const piece = push_piece(pieces, seq, data, size);
    if (piece == nullptr) return false;
    piece->owner = std::move(owner);
    ++pieces[head_].owned;
    return true;
  }

  /// How many packets it owns.
  std::uint16_t owned(const Pieces& pieces) const noexcept {
    return head_ == none ? std::uint16_t{0} : pieces[head_].owned;
  }

  /// The packet that the last piece owns, for bytes to be added behind it, or null.
  P* tail_owner(Pieces& pieces) noexcept {
    if (head_ == none) return nullptr;
    P& owner = pieces[pieces[head_].tail].owner;
    return owner ? &owner : nullptr;
  }
  /// n bytes more stand behind the last piece's.
  void grow_tail(Pieces& pieces, std::uint32_t n) noexcept { pieces[pieces[head_].tail].size += n; }

  /// Copies the bytes from `seq` on to `to`, all of which are queued, and sums them.
  wire::Sum copy(Pieces& pieces, SeqNum seq, std::span<std::byte> to) noexcept {
    // Nearly always they lie in one piece.
    POLLUX_ASSERT(head_ != none);
    const SendPiece<P>& head = pieces[head_];
    const SendPiece<P>& piece = pieces[head.cursor];
    const auto offset = static_cast<std::uint32_t>(seq - head.cursor_seq);
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
      const SeqNum end = piece.base + piece.size;
      if (end > una) break;
      const std::uint32_t next = piece.next;
      const std::uint32_t its_own = piece.owner ? 1 : 0;
      if (next != none) {
        SendPiece<P>& heir = pieces[next];
        heir.owned = static_cast<std::uint16_t>(piece.owned - its_own);
        heir.tail = piece.tail;
        heir.base = end;
        heir.cursor = piece.cursor == head_ ? next : piece.cursor;
        heir.cursor_seq = piece.cursor == head_ ? end : piece.cursor_seq;
      }
      owned += its_own;
      pieces.release(head_);
      head_ = next;
    }
    return owned;
  }

  /// Lets go of everything; returns how many packets there were.
  std::uint32_t clear(Pieces& pieces) noexcept {
    const std::uint32_t had = owned(pieces);
    while (head_ != none) {
      const std::uint32_t next = pieces[head_].next;
      pieces.release(head_);
      head_ = next;
    }
    return had;
  }

 private:
  /// A piece without an owner at the end, or null when the slab is full.
  SendPiece<P>* push_piece(Pieces& pieces, SeqNum seq, const std::byte* data,
                           std::uint32_t size) noexcept {
    const std::uint32_t index = pieces.acquire();
    if (index == Pieces::none) return nullptr;
    SendPiece<P>& piece = pieces[index];
    piece.data = data;
    piece.size = size;
    if (head_ == none) {
      head_ = piece.tail = piece.cursor = index;
      piece.base = piece.cursor_seq = seq;
    } else {
      SendPiece<P>& head = pieces[head_];
      pieces[head.tail].next = index;
      head.tail = index;
    }
    return &piece;
  }

  [[gnu::noinline]] wire::Sum copy_pieces(Pieces& pieces, SeqNum seq,
                                          std::span<std::byte> to) noexcept {
    SendPiece<P>& head = pieces[head_];
    if (seq < head.cursor_seq) {
      head.cursor = head_;
      head.cursor_seq = head.base;
    }
    wire::Sum sum;
    while (!to.empty()) {
      POLLUX_ASSERT(head.cursor != none);
      const SendPiece<P>& piece = pieces[head.cursor];
      const std::uint32_t offset = static_cast<std::uint32_t>(seq - head.cursor_seq);
      if (offset >= piece.size) {
        head.cursor_seq += piece.size;
        head.cursor = piece.next;
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
};

}  // namespace pollux::pipeline
