#pragma once

#include <cstddef>
#include <utility>

#include "base/result.h"

namespace pollux {

/// Address space taken at start, zero-filled, whose pages cost memory only once they are touched,
/// or, with huge pages, from the start.
/// It never grows and never moves: what lies in it may be pointed at until the owner goes.
class Reservation {
 public:
  /// An empty one: data() is null, size() is 0.
  Reservation() noexcept = default;
  /// Reserves at least `bytes` (rounded up to whole pages), aligned to a page; 0 gives an empty
  /// one. With `huge`, aligned to 2 MiB, and the kernel is asked for transparent huge pages, which
  /// it may decline, and for all of the memory now, unless that is more than half of what is free:
  /// resident() says what came of it. The memory keeps the calling thread's policy of which NUMA
  /// node it comes from (set_mempolicy(2)); without one it comes from that of whoever touches it
  /// first, with `huge` this thread. Fails with Error::Kind::machine where the address space cannot
  /// be had.
  static Result<Reservation> make(std::size_t bytes, bool huge = false);

  Reservation(Reservation&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    if (this != &other) {
      unmap();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  ~Reservation() { unmap(); }

  std::byte* data() noexcept { return data_; }
  const std::byte* data() const noexcept { return data_; }
  /// Bytes usable from data() on.
  std::size_t size() const noexcept { return size_; }
  /// The part of it that is in memory now, in bytes: for reports, not for the data path.
  std::size_t resident() const noexcept;

 private:
  Reservation(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}
  void unmap() noexcept;

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POLLUX_ADDRESS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define POLLUX_ADDRESS_SANITIZER 1
#endif

/// Tell AddressSanitizer, in builds that have it, that nobody may touch these bytes until they
/// are marked live: a pool's elements are not heap blocks, so it cannot know by itself.
#if defined(POLLUX_ADDRESS_SANITIZER)
void mark_dead(const void* bytes, std::size_t size) noexcept;
void mark_live(const void* bytes, std::size_t size) noexcept;
#else
inline void mark_dead(const void*, std::size_t) noexcept {}
inline void mark_live(const void*, std::size_t) noexcept {}
#endif

}  // namespace pollux
