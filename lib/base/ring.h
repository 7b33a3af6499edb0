#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "base/assert.h"

namespace pollux {

namespace detail {
/// Two cache lines: the processor fetches them in pairs, so less would still be shared.
inline constexpr std::size_t apart = 128;

/// Room for one T that lives only while a ring holds it.
template <class T>
class Cell {
 public:
  template <class... Args>
  void put(Args&&... args) noexcept {
    ::new (static_cast<void*>(bytes_)) T(std::forward<Args>(args)...);
  }
  T& get() noexcept { return *std::launder(reinterpret_cast<T*>(bytes_)); }
  /// Moves the T out and ends its life here.
  T take() noexcept {
    T out = std::move(get());
    std::destroy_at(&get());
    return out;
  }

 private:
  alignas(T) std::byte bytes_[sizeof(T)];
};

inline std::uint32_t ring_size(std::uint32_t least) noexcept {
  POLLUX_ASSERT(least > 0 && least <= (std::uint32_t{1} << 31));
  return std::bit_ceil(least);
}
}  // namespace detail

/// A bounded queue from one thread to one other, without locks: neither ever waits for the other.
/// Each side keeps a copy of the other's index and looks at the original only when the copy says
/// full (or empty), so that the index's cache line seldom travels.
template <class T>
class SpscRing {
  static_assert(std::is_nothrow_move_constructible_v<T>);

 public:
  /// Room for `capacity` elements, rounded up to a power of two; 0 < capacity <= 2^31. Allocates.
  explicit SpscRing(std::uint32_t capacity)
      : mask_(detail::ring_size(capacity) - 1),
        cells_(std::make_unique_for_overwrite<detail::Cell<T>[]>(std::size_t{mask_} + 1)) {}
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;
  /// Destroys what nobody took; both threads must be done with the ring.
  ~SpscRing() {
    while (pop()) continue;
  }

  // The producer's side.

  /// Appends the value, or returns false and leaves it untouched when the ring is full.
  [[nodiscard]] bool push(T&& value) noexcept {
    const std::uint32_t tail = producer_.tail.load(std::memory_order_relaxed);
    if (room(tail, 1) == 0) return false;
    cells_[tail & mask_].put(std::move(value));
    producer_.tail.store(tail + 1, std::memory_order_release);
    return true;
  }
  [[nodiscard]] bool push(const T& value) noexcept requires std::copy_constructible<T> {
    return push(T(value));
  }
  /// Moves as many values as there is room for, from the front; returns how many.
  [[nodiscard]] std::size_t push_burst(std::span<T> values) noexcept {
    const std::uint32_t tail = producer_.tail.load(std::memory_order_relaxed);
    const std::size_t count = std::min<std::size_t>(room(tail, values.size()), values.size());
    for (std::size_t i = 0; i < count; ++i) {
      cells_[(tail + i) & mask_].put(std::move(values[i]));
    }
    producer_.tail.store(tail + static_cast<std::uint32_t>(count), std::memory_order_release);
    return count;
  }

  // The consumer's side.

  /// The oldest element, or nothing when the ring is empty.
  [[nodiscard]] std::optional<T> pop() noexcept {
    const std::uint32_t head = consumer_.head.load(std::memory_order_relaxed);
    if (ready(head, 1) == 0) return std::nullopt;
    std::optional<T> out{cells_[head & mask_].take()};
    consumer_.head.store(head + 1, std::memory_order_release);
    return out;
  }
  /// Hands up to `most` elements, oldest first, to take(T&&); returns how many. Their places are
  /// free again only after the last.
  template <std::invocable<T&&> F>
  std::size_t pop_burst(std::size_t most, F&& take) noexcept {
    const std::uint32_t head = consumer_.head.load(std::memory_order_relaxed);
    const std::size_t count = std::min<std::size_t>(ready(head, most), most);
    for (std::size_t i = 0; i < count; ++i) take(cells_[(head + i) & mask_].take());
    consumer_.head.store(head + static_cast<std::uint32_t>(count), std::memory_order_release);
    return count;
  }
  /// Moves up to values.size() elements over the front of `values`; returns how many.
  std::size_t pop_burst(std::span<T> values) noexcept {
    std::size_t at = 0;
    return pop_burst(values.size(), [&](T&& value) { values[at++] = std::move(value); });
  }

  // Anybody's.

  std::uint32_t capacity() const noexcept { return mask_ + 1; }
  /// How many it holds: exact for the thread that asks about its own side, else of a moment ago.
  std::uint32_t size() const noexcept {
    // The head first: it never passes the tail, so the difference cannot come out negative.
    const std::uint32_t head = consumer_.head.load(std::memory_order_acquire);
    const std::uint32_t held = producer_.tail.load(std::memory_order_acquire) - head;
    return std::min(held, capacity());
  }
  bool empty() const noexcept { return size() == 0; }

 private:
  // Indices run freely modulo 2^32; their difference is what the ring holds.
  struct alignas(detail::apart) Producer {
    std::atomic<std::uint32_t> tail{0};
    std::uint32_t head_seen = 0;
  };
  struct alignas(detail::apart) Consumer {
    std::atomic<std::uint32_t> head{0};
    std::uint32_t tail_seen = 0;
  };

  std::uint32_t room(std::uint32_t tail, std::size_t wanted) noexcept {
    std::uint32_t free = capacity() - (tail - producer_.head_seen);
    if (free < wanted) {
      producer_.head_seen = consumer_.head.load(std::memory_order_acquire);
      free = capacity() - (tail - producer_.head_seen);
    }
    return free;
  }
  std::uint32_t ready(std::uint32_t head, std::size_t wanted) noexcept {
    std::uint32_t held = consumer_.tail_seen - head;
    if (held < wanted) {
      consumer_.tail_seen = producer_.tail.load(std::memory_order_acquire);
      held = consumer_.tail_seen - head;
    }
    return held;
  }

  Producer producer_;
  Consumer consumer_;
  alignas(detail::apart) const std::uint32_t mask_;  // read by both, written by neither
  const std::unique_ptr<detail::Cell<T>[]> cells_;
};

/// A bounded queue from any threads to one: how the world outside speaks to a core. Each place has
/// a turn number that says whose it is (after Vyukov's bounded queue): producers race for the tail
/// alone, and a producer that is stopped between taking its place and filling it holds back what
/// was posted after it, never the consumer.
template <class T>
class MessageQueue {
  static_assert(std::is_nothrow_move_constructible_v<T>);

 public:
  /// Room for `capacity` messages, rounded up to a power of two, at least 2. Allocates.
  explicit MessageQueue(std::uint32_t capacity)
      : mask_(detail::ring_size(capacity < 2 ? 2 : capacity) - 1),
        places_(std::make_unique<Place[]>(std::size_t{mask_} + 1)) {
    for (std::size_t i = 0; i <= mask_; ++i) places_[i].turn.store(i, std::memory_order_relaxed);
  }
  MessageQueue(const MessageQueue&) = delete;
  MessageQueue& operator=(const MessageQueue&) = delete;
  /// Destroys what nobody took; all threads must be done with the queue.
  ~MessageQueue() {
    while (pop()) continue;
  }

  /// From any thread: appends the message, or returns false and leaves it untouched when the queue
  /// is full. Messages of one thread keep their order.
  [[nodiscard]] bool push(T&& message) noexcept {
    std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Place& place = places_[tail & mask_];
      const std::uint64_t turn = place.turn.load(std::memory_order_acquire);
      if (turn == tail) {
        if (tail_.compare_exchange_weak(tail, tail + 1, std::memory_order_relaxed)) {
          place.cell.put(std::move(message));
          place.turn.store(tail + 1, std::memory_order_release);
          return true;
        }
      } else if (turn < tail) {
        return false;  // still holds the message of one round before
      } else {
        tail = tail_.load(std::memory_order_relaxed);  // somebody else was faster
      }
    }
  }
  [[nodiscard]] bool push(const T& message) noexcept requires std::copy_constructible<T> {
    return push(T(message));
  }

  /// From the one consumer: the oldest message, or nothing when there is none that is whole.
  [[nodiscard]] std::optional<T> pop() noexcept {
    Place& place = places_[head_ & mask_];
    if (place.turn.load(std::memory_order_acquire) != head_ + 1) return std::nullopt;
    std::optional<T> out{place.cell.take()};
    place.turn.store(head_ + mask_ + 1, std::memory_order_release);
    ++head_;
    return out;
  }
  std::uint32_t capacity() const noexcept { return mask_ + 1; }

 private:
  struct Place {
    std::atomic<std::uint64_t> turn{0};  // = index: free; = index + 1: filled
    detail::Cell<T> cell;
  };

  alignas(detail::apart) std::atomic<std::uint64_t> tail_{0};  // the producers'
  alignas(detail::apart) std::uint64_t head_ = 0;              // the consumer's alone
  alignas(detail::apart) const std::uint32_t mask_;
  const std::unique_ptr<Place[]> places_;
};

}  // namespace pollux
