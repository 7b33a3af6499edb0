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
/// neighbour gives up its own oldest one for a new one, a full queue the oldest of all; fragments
/// of one datagram wait and go together, since without one of them the others are of no use.
template <packet::Packet P>
class WaitingQueue {
 public:
  /// The largest datagram in fragments for an MTU of 1,500 bytes are 45 packets.
  static constexpr std::uint32_t default_bound_each = 64;

  /// `neighbors` is the table's capacity. All memory is taken here.
  WaitingQueue(std::uint32_t neighbors, std::uint32_t bound,
               std::uint32_t bound_each = default_bound_each)
      : nodes_(std::max(bound, std::uint32_t{1})),
        lists_(neighbors),
        bound_each_(std::max(bound_each, std::uint32_t{1})) {
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      nodes_[i].next = i + 1 < nodes_.size() ? i + 1 : none;
    }
    free_ = 0;
  }

  struct Pushed {
    std::uint32_t dropped = 0;  // packets: the caller counts them as SendDrop::neighbor_queue_full
    bool kept = true;           // false: the packet's own datagram has no room, and it is dropped
  };
  /// Appends a packet for the neighbour, in the place of older ones where there is no other. The
  /// fragments of one datagram bear the same `datagram` number and are pushed one behind the other;
  /// 0 is a datagram of its own.
  [[nodiscard]] Pushed push(NeighborId id, P&& packet, std::uint32_t datagram = 0) noexcept {
    POLLUX_ASSERT(id < lists_.size());
    Pushed result;
    if (lists_[id].count == bound_each_ || free_ == none) {
      const Node& oldest = nodes_[lists_[id].count == bound_each_ ? lists_[id].first : oldest_];
      const NeighborId from = oldest.id;
      const std::uint32_t gone = oldest.datagram;
      do {
        pop(from);
        ++result.dropped;
      } while (gone != 0 && lists_[from].count > 0 && nodes_[lists_[from].first].datagram == gone);
      if (gone != 0 && gone == datagram && from == id) {
        const P itself = std::move(packet);
        return {result.dropped + 1, false};
      }
    }
    append(id, std::move(packet), datagram);
    return result;
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

  /// The same for all neighbours.
  std::uint32_t drop_all() noexcept {
    const std::uint32_t n = size_;
    while (size_ > 0) pop(nodes_[oldest_].id);
    return n;
  }

  std::uint32_t size() const noexcept { return size_; }
  std::uint32_t size(NeighborId id) const noexcept { return lists_[id].count; }

 private:
  static constexpr std::uint32_t none = 0xFFFF'FFFF;
  struct Node {
    P packet;
    NeighborId id = 0;
    std::uint32_t datagram = 0;
    std::uint32_t next = none;  // of the same neighbour, or of the free ones
    std::uint32_t older = none;
    std::uint32_t newer = none;
  };
  struct List {
    std::uint32_t first = none;
    std::uint32_t last = none;
    std::uint32_t count = 0;
  };

  void append(NeighborId id, P&& packet, std::uint32_t datagram) noexcept {
    const std::uint32_t at = free_;
    Node& node = nodes_[at];
    free_ = node.next;
    node.packet = std::move(packet);
    node.id = id;
    node.datagram = datagram;
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
