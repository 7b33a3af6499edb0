#pragma once

#include <cstdint>
#include <utility>

#include "application/application.h"
#include "base/assert.h"
#include "base/memory.h"
#include "base/result.h"
#include "base/time.h"

namespace pollux::load {

/// Connections that each wait for the same length of time: a queue, since whoever comes last is due
/// last. It has a place for each index that a stream can have, so that it is never full; whoever
/// closes leaves it at once. Memory follows use.
class HoldQueue {
 public:
  /// Of nobody, for those who hold nothing.
  HoldQueue() noexcept = default;
  static Result<HoldQueue> make(std::uint32_t streams) {
    auto links = Reservation::make(std::size_t{streams} * sizeof(Link));
    if (!links) return links.error();
    HoldQueue queue;
    queue.links_ = std::move(*links);
    queue.streams_ = streams;
    return queue;
  }

  bool empty() const noexcept { return first_ == 0; }
  application::StreamId front() const noexcept { return link(first_).id; }
  Instant front_due() const noexcept { return link(first_).due; }

  /// Puts a stream at the end; one that waits already waits anew.
  void push(application::StreamId id, Instant due) noexcept {
    POLLUX_ASSERT(id.index < streams_);
    remove(id.index);
    const std::uint32_t at = id.index + 1;
    link(at) = {id, due, last_, 0, true};
    (last_ != 0 ? link(last_).next : first_) = at;
    last_ = at;
  }
  /// Takes a stream out, if it waits.
  void remove(std::uint32_t index) noexcept {
    if (index >= streams_) return;
    Link& gone = link(index + 1);
    if (!gone.waits) return;
    (gone.previous != 0 ? link(gone.previous).next : first_) = gone.next;
    (gone.next != 0 ? link(gone.next).previous : last_) = gone.previous;
    gone.waits = false;
  }

 private:
  /// Places are numbered from 1, so that memory that was never touched reads as nobody.
  struct Link {
    application::StreamId id;
    Instant due{};
    std::uint32_t previous = 0;
    std::uint32_t next = 0;
    bool waits = false;
  };
  Link& link(std::uint32_t at) noexcept { return reinterpret_cast<Link*>(links_.data())[at - 1]; }
  const Link& link(std::uint32_t at) const noexcept {
    return reinterpret_cast<const Link*>(links_.data())[at - 1];
  }

  Reservation links_;
  std::uint32_t streams_ = 0;
  std::uint32_t first_ = 0;
  std::uint32_t last_ = 0;
};

}  // namespace pollux::load
