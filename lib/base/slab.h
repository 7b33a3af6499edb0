#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/memory.h"
#include "base/result.h"

namespace pollux {

/// Names one life of one element: once that life is over it finds nothing, for 2^31 further lives
/// of the same element. A default one never finds anything.
struct Handle {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;

  friend constexpr bool operator==(Handle, Handle) noexcept = default;
};

/// A bounded pool of T, named by index. Elements never move, their address space is reserved at
/// start, and memory follows use: an index that was used before is taken again first (the last one
/// released before all others, as it is likeliest to be in the cache), and never-used ones are
/// taken in order.
///
/// The link of the free list lies in the dead element itself. That costs no cache line, because
/// acquire() is about to write the element and release() has just read it. Generations, where they
/// are asked for, lie in an array of their own, four bytes an element: T keeps its cache lines
/// whole, and small elements that nobody names across time pay nothing.
template <class T, bool Generations = false>
class Slab {
 public:
  /// What acquire() returns when all are in use; never a valid index.
  static constexpr std::uint32_t none = 0xffffffff;

  /// A pool of `capacity` < none elements, all free. `huge` as in Reservation::make.
  static Result<Slab> make(std::uint32_t capacity, bool huge = false) {
    POLLUX_ASSERT(capacity < none);
    Slab slab;
    auto storage = Reservation::make(std::size_t{capacity} * sizeof(Slot), huge);
    if (!storage) return storage.error();
    slab.storage_ = std::move(*storage);
    if constexpr (Generations) {
      auto generations = Reservation::make(std::size_t{capacity} * sizeof(std::uint32_t), huge);
      if (!generations) return generations.error();
      slab.generations_ = std::move(*generations);
    }
    slab.capacity_ = capacity;
    return slab;
  }

  /// A pool of nothing, always full, for members that are made later.
  Slab() noexcept = default;
  Slab(Slab&& other) noexcept { swap(other); }
  Slab& operator=(Slab&& other) noexcept {
    Slab taken{std::move(other)};
    swap(taken);
    return *this;
  }
  /// Destroys what is still in use.
  ~Slab() {
    if constexpr (!std::is_trivially_destructible_v<T>) destroy_live();
    if (fresh_ != 0) mark_live(slot(0), std::size_t{fresh_} * sizeof(Slot));
  }

  /// Constructs an element of `args`, or by its initialisers, and returns its index, or none.
  template <class... Args>
  [[nodiscard]] std::uint32_t acquire(Args&&... args) noexcept {
    const std::uint32_t index = take();
    if (index == none) return none;
    if constexpr (sizeof...(Args) == 0) {
      ::new (slot(index)) T;  // T() would clear all of it first
    } else if constexpr (std::is_constructible_v<T, Args...>) {
      ::new (slot(index)) T(std::forward<Args>(args)...);
    } else {
      ::new (slot(index)) T{std::forward<Args>(args)...};
    }
    return index;
  }
  /// The same of the element that make() returns, which is made in its place.
  template <class Make>
  [[nodiscard]] std::uint32_t acquire_made(Make&& make) noexcept {
    const std::uint32_t index = take();
    if (index != none) ::new (slot(index)) T(make());
    return index;
  }

  /// Destroys the element, which must be in use, and makes its index free.
  void release(std::uint32_t index) noexcept {
    if constexpr (Generations) POLLUX_ASSERT(live(index));
    std::destroy_at(&(*this)[index]);
    if constexpr (Generations) ++generation(index);
    std::memcpy(slot(index), &free_, sizeof free_);
    mark_dead(slot(index), sizeof(Slot));
    free_ = index;
    --size_;
  }

  /// The element of an index in use.
  T& operator[](std::uint32_t index) noexcept {
    POLLUX_ASSERT(index < fresh_);
    return *std::launder(reinterpret_cast<T*>(slot(index)));
  }
  const T& operator[](std::uint32_t index) const noexcept {
    POLLUX_ASSERT(index < fresh_);
    return *std::launder(reinterpret_cast<const T*>(slot(index)));
  }
  /// The index of an element.
  std::uint32_t index_of(const T& element) const noexcept {
    const auto* const at = reinterpret_cast<const std::byte*>(&element);
    return static_cast<std::uint32_t>(static_cast<std::size_t>(at - storage_.data()) /
                                      sizeof(Slot));
  }
  /// Asks the processor for the element's first cache line; any index will do.
  void prefetch(std::uint32_t index) const noexcept {
    __builtin_prefetch(storage_.data() + std::size_t{index} * sizeof(Slot));
  }

  /// Asks the processor for all of the element that acquire() will give next.
  void prefetch_next() const noexcept {
    const std::uint32_t next = free_ != none ? free_ : std::min(fresh_, capacity_ - 1);
    const std::byte* const at = storage_.data() + std::size_t{next} * sizeof(Slot);
    for (std::size_t line = 0; line < sizeof(Slot); line += 64) __builtin_prefetch(at + line, 1);
  }

  /// How many are in use, how many there are, how many acquire() would still give.
  std::uint32_t size() const noexcept { return size_; }
  std::uint32_t capacity() const noexcept { return capacity_; }
  std::uint32_t available() const noexcept { return capacity_ - size_; }
  /// No index at or above this one was ever used: the bound of a walk over the pool.
  std::uint32_t high_water() const noexcept { return fresh_; }

  /// The handle of an index in use.
  Handle handle(std::uint32_t index) const noexcept requires Generations {
    POLLUX_ASSERT(live(index));
    return {index, generation(index)};
  }
  /// The element that the handle was taken for, or null when that life is over.
  T* find(Handle handle) noexcept requires Generations {
    if (handle.index >= fresh_ || handle.generation % 2 == 0) return nullptr;
    return generation(handle.index) == handle.generation ? &(*this)[handle.index] : nullptr;
  }
  /// Whether the index is in use.
  bool live(std::uint32_t index) const noexcept requires Generations {
    // Odd in use, even free: a page that was never touched reads as free.
    return index < fresh_ && generation(index) % 2 != 0;
  }

 private:
  static constexpr std::size_t slot_align = std::max(alignof(T), alignof(std::uint32_t));
  /// One T, or the link to the next free slot while there is none.
  struct alignas(slot_align) Slot {
    std::byte bytes[std::max(sizeof(T), sizeof(std::uint32_t))];
  };
  static_assert(slot_align <= 4096, "a reservation is aligned to a page");

  /// An index that is free no more, or none; its slot has no element yet.
  std::uint32_t take() noexcept {
    std::uint32_t index = free_;
    if (index != none) {
      mark_live(slot(index), sizeof(Slot));
      std::memcpy(&free_, slot(index), sizeof free_);
    } else if (fresh_ < capacity_) {
      index = fresh_++;
    } else {
      return none;
    }
    if constexpr (Generations) ++generation(index);
    ++size_;
    return index;
  }

  std::byte* slot(std::uint32_t index) noexcept {
    return storage_.data() + std::size_t{index} * sizeof(Slot);
  }
  const std::byte* slot(std::uint32_t index) const noexcept {
    return storage_.data() + std::size_t{index} * sizeof(Slot);
  }
  std::uint32_t& generation(std::uint32_t index) noexcept {
    return reinterpret_cast<std::uint32_t*>(generations_.data())[index];
  }
  std::uint32_t generation(std::uint32_t index) const noexcept {
    return reinterpret_cast<const std::uint32_t*>(generations_.data())[index];
  }

  /// Which indices are free is known from the free list alone, so it is walked once, at the end.
  void destroy_live() noexcept {
    std::vector<bool> is_free(fresh_);
    for (std::uint32_t index = free_; index != none;) {
      is_free[index] = true;
      mark_live(slot(index), sizeof(Slot));
      std::memcpy(&index, slot(index), sizeof index);
    }
    for (std::uint32_t index = 0; index < fresh_; ++index) {
      if (!is_free[index]) std::destroy_at(&(*this)[index]);
    }
  }

  void swap(Slab& other) noexcept {
    std::swap(storage_, other.storage_);
    std::swap(generations_, other.generations_);
    std::swap(free_, other.free_);
    std::swap(fresh_, other.fresh_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  Reservation storage_;
  Reservation generations_;  // empty unless Generations
  std::uint32_t free_ = none;
  std::uint32_t fresh_ = 0;  // indices from here on were never used
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
};

}  // namespace pollux
