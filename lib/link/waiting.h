#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "link/neighbor_table.h"
#include "packet/packet.h"

namespace pollux::link {

/// Datagrams that wait until a neighbour has answered, oldest first (RFC 1122 s.2.3.2.2). A full
/// neighbour gives up its own oldest one for a new one, a full queue the oldest of all.
template <packet::Packet P>
class WaitingQueue {
 public:
  /// `neighbors` is the table's capacity. All memory is taken here.
  WaitingQueue(std::uint32_t neighbors, std::uint32_t bound, std::uint32_t bound_each = 16)
      : nodes_(std::max(bound, std::uint32_t{1})),
        lists_(neighbors),
        bound_each_(std::max(bound_each, std::uint32_t{1})) {
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      nodes_[i].next = i + 1 < nodes_.size() ? i + 1 : none;
    }
    free_ = 0;
  }

  /// Appends a packet for the neighbour. Returns how many older ones were dropped for it (0 or 1),
  /// which the caller counts as SendDrop::neighbor_queue_full.
  [[nodiscard]] std::uint32_t push(NeighborId id, P&& packet) noexcept {
    POLLUX_ASSERT(id < lists_.size());
    std::uint32_t dropped = 0;
    if (lists_[id].count == bound_each_) {
      pop(id);
      ++dropped;
    } else if (free_ == none) {
      pop(nodes_[oldest_].id);
      ++dropped;
    }
    append(id, std::move(packet));
    return dropped;
  }

  /// Hands out, in order, what waited for the neighbour when it was called: send(P&&). The callee
  /// may push, for this neighbour too.
  template <class F>
  void take_all(NeighborId id, F&& send) noexcept {
    POLLUX_ASSERT(id < lists_.size());
    for (std::uint32_t n = lists_[id].count; n > 0 && lists_[id].count > 0; --n) send(pop(id));
  }

  /// Drops what waits for the neighbour and returns how many there were.
  std::uint32_t drop_all(NeighborId id) noexcept {
    POLLUX_ASSERT(id < lists_.size());
    const std::uint32_t n = lists_[id].count;
    while (lists_[id].count > 0) pop(id);
    return n;
  }

  std::uint32_t size() const noexcept { return size_; }
  std::uint32_t size(NeighborId id) const noexcept { return lists_[id].count; }

 private:
  static constexpr std::uint32_t none = 0xFFFF'FFFF;
  struct Node {
    P packet;
    NeighborId id = 0;
    std::uint32_t next = none;  // of the same neighbour, or of the free ones
    std::uint32_t older = none;
    std::uint32_t newer = none;
  };
  struct List {
    std::uint32_t first = none;
    std::uint32_t last = none;
    std::uint32_t count = 0;
  };

  void append(NeighborId id, P&& packet) noexcept {
    const std::uint32_t at = free_;
    Node& node = nodes_[at];
    free_ = node.next;
    node.packet = std::move(packet);
    node.id = id;
    node.next = none;
    node.older = newest_;
    node.newer = none;
    (newest_ == none ? oldest_ : nodes_[newest_].newer) = at;
    newest_ = at;
    List& list = lists_[id];
    (list.count == 0 ? list.first : nodes_[list.last].next) = at;
    list.last = at;
    ++list.count;
    ++size_;
  }

  /// The neighbour's oldest; its place is free when this returns.
  P pop(NeighborId id) noexcept {
    List& list = lists_[id];
    const std::uint32_t at = list.first;
    Node& node = nodes_[at];
    list.first = node.next;
    if (--list.count == 0) list.last = none;
    (node.older == none ? oldest_ : nodes_[node.older].newer) = node.newer;
    (node.newer == none ? newest_ : nodes_[node.newer].older) = node.older;
    node.next = free_;
    free_ = at;
    --size_;
    return std::exchange(node.packet, P{});
  }

  std::vector<Node> nodes_;
  std::vector<List> lists_;
  std::uint32_t bound_each_;
  std::uint32_t size_ = 0;
  std::uint32_t free_ = none;
  std::uint32_t oldest_ = none;
  std::uint32_t newest_ = none;
};

}  // namespace pollux::link
