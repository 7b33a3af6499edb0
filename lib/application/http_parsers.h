#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "application/application.h"
#include "application/http_request.h"
#include "base/result.h"
#include "base/slab.h"
#include "base/time.h"

namespace pollux::application {

/// A bounded pool of parsers for requests that are half read, and which of them have waited for the
/// end of a head for how long: the heads stand in one list, in the order in which they began.
class HttpParsers {
 public:
  /// What acquire() returns when all are in use, and what oldest() says when there is no head.
  static constexpr std::uint32_t none = 0xFFFF'FFFF;

  /// Fails when the address space cannot be had.
  static Result<HttpParsers> make(std::uint32_t capacity) {
    auto slots = Slab<Slot>::make(capacity);
    if (!slots) return slots.error();
    HttpParsers parsers;
    parsers.slots_ = std::move(*slots);
    return parsers;
  }

  /// A copy of `parser`, or none when all are in use.
  [[nodiscard]] std::uint32_t acquire(const HttpRequestParser& parser) noexcept {
    return slots_.acquire(parser);
  }
  void release(std::uint32_t index) noexcept {
    end_head(index);
    slots_.release(index);
  }
  HttpRequestParser& operator[](std::uint32_t index) noexcept { return slots_[index].parser; }
  std::uint32_t size() const noexcept { return slots_.size(); }
  std::uint32_t available() const noexcept { return slots_.available(); }

  /// That parser reads a head of which the first bytes have come; `now` never goes back.
  void begin_head(std::uint32_t index, StreamId stream, Instant now) noexcept {
    Slot& slot = slots_[index];
    POLLUX_ASSERT(!slot.in_head);
    slot.stream = stream;
    slot.since = now;
    slot.in_head = true;
    slot.earlier = newest_;
    slot.later = none;
    (newest_ == none ? oldest_ : slots_[newest_].later) = index;
    newest_ = index;
  }
  /// Its head is complete, or is not wanted any more; nothing happens when it reads none.
  void end_head(std::uint32_t index) noexcept {
    Slot& slot = slots_[index];
    if (!slot.in_head) return;
    slot.in_head = false;
    (slot.earlier == none ? oldest_ : slots_[slot.earlier].later) = slot.later;
    (slot.later == none ? newest_ : slots_[slot.later].earlier) = slot.earlier;
  }
  /// The parser whose head began first of all that are incomplete.
  std::uint32_t oldest() const noexcept { return oldest_; }
  /// Of a parser that reads a head: whose it is, and when it began.
  StreamId stream(std::uint32_t index) const noexcept { return slots_[index].stream; }
  Instant since(std::uint32_t index) const noexcept { return slots_[index].since; }

 private:
  struct Slot {
    explicit Slot(const HttpRequestParser& from) noexcept : parser(from) {}
    HttpRequestParser parser;
    StreamId stream{};
    Instant since{};
    std::uint32_t earlier = none;
    std::uint32_t later = none;
    bool in_head = false;
  };

  HttpParsers() noexcept = default;

  Slab<Slot> slots_;
  std::uint32_t oldest_ = none;
  std::uint32_t newest_ = none;
};

}  // namespace pollux::application
