#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "packet/packet.h"

#if defined(__SANITIZE_ADDRESS__)
#define POLLUX_SIM_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POLLUX_SIM_POISON 1
#endif
#endif
#ifdef POLLUX_SIM_POISON
#include <sanitizer/asan_interface.h>
#endif

namespace pollux::sim {

class FramePool;

/// How many frames one holder has, and how many it may have at once. Frames change hands in a
/// World as buffers do in a machine: what a network card has sent is its host's no longer.
struct FrameAccount {
  std::size_t live = 0;
  std::size_t limit = std::numeric_limits<std::size_t>::max();
};

namespace detail {

/// What is known of one buffer beside its bytes, which lie in the pool.
struct FrameBuffer {
  FramePool* pool = nullptr;
  FrameAccount* account = nullptr;
  std::byte* storage = nullptr;
  std::uint32_t begin = 0;
  std::uint32_t size = 0;
  packet::Verified ip_verified = packet::Verified::unknown;
  packet::Verified l4_verified = packet::Verified::unknown;
  packet::ChecksumRequest request;
  FrameBuffer* next = nullptr;  // what was attached
};

}  // namespace detail

/// One simulated Ethernet frame, a model of packet::Packet: sole owner of a buffer of a FramePool,
/// which must outlive it. Nothing offloads unless a Device was told to (see Offload).
class Frame {
 public:
  Frame() noexcept = default;
  Frame(Frame&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
  Frame& operator=(Frame&& other) noexcept {
    if (this != &other) {
      release();
      buffer_ = std::exchange(other.buffer_, nullptr);
    }
    return *this;
  }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  ~Frame() { release(); }

  explicit operator bool() const noexcept { return buffer_ != nullptr; }
  std::span<const std::byte> bytes() const noexcept {
    return {buffer_->storage + buffer_->begin, buffer_->size};
  }
  std::span<std::byte> mutable_bytes() noexcept {
    return {buffer_->storage + buffer_->begin, buffer_->size};
  }
  std::size_t headroom() const noexcept { return buffer_->begin; }
  inline std::size_t tailroom() const noexcept;

  std::span<std::byte> prepend(std::size_t n) noexcept {
    POLLUX_ASSERT(n <= headroom());
    buffer_->begin -= static_cast<std::uint32_t>(n);
    buffer_->size += static_cast<std::uint32_t>(n);
    return {buffer_->storage + buffer_->begin, n};
  }
  std::span<std::byte> append(std::size_t n) noexcept {
    POLLUX_ASSERT(n <= tailroom());
    std::byte* const at = buffer_->storage + buffer_->begin + buffer_->size;
    buffer_->size += static_cast<std::uint32_t>(n);
    return {at, n};
  }
  std::span<std::byte> lay_out(std::size_t front, std::size_t behind) noexcept {
    POLLUX_ASSERT(buffer_->size == 0);
    append(behind);
    prepend(front);
    return mutable_bytes();
  }
  void drop_front(std::size_t n) noexcept {
    POLLUX_ASSERT(n <= buffer_->size);
    buffer_->begin += static_cast<std::uint32_t>(n);
    buffer_->size -= static_cast<std::uint32_t>(n);
  }
  void keep_front(std::size_t n) noexcept {
    POLLUX_ASSERT(n <= buffer_->size);
    buffer_->size = static_cast<std::uint32_t>(n);
  }

  void attach(Frame next) noexcept {
    POLLUX_ASSERT(buffer_->next == nullptr);
    buffer_->next = std::exchange(next.buffer_, nullptr);
  }
  std::size_t length() const noexcept {
    std::size_t sum = 0;
    for (const detail::FrameBuffer* each = buffer_; each != nullptr; each = each->next) {
      sum += each->size;
    }
    return sum;
  }

  packet::Verified ip_verified() const noexcept { return buffer_->ip_verified; }
  packet::Verified l4_verified() const noexcept { return buffer_->l4_verified; }
  std::optional<std::uint32_t> rss_hash() const noexcept { return std::nullopt; }
  void request(const packet::ChecksumRequest& request) noexcept { buffer_->request = request; }

  // For devices and links, not for a stack.

  /// What was attached, and is now on its own; empty when nothing was.
  Frame detach() noexcept { return Frame{std::exchange(buffer_->next, nullptr)}; }

  /// What the stack asked the device to compute.
  const packet::ChecksumRequest& requested() const noexcept { return buffer_->request; }
  void set_verified(packet::Verified ip, packet::Verified l4) noexcept {
    buffer_->ip_verified = ip;
    buffer_->l4_verified = l4;
  }
  /// Moves the frame from its account to another (or to none), whose limit is not looked at.
  void charge(FrameAccount* account) noexcept {
    if (buffer_->account != nullptr) --buffer_->account->live;
    buffer_->account = account;
    if (account != nullptr) ++account->live;
  }
  /// A frame with the same bytes and nothing else, of the same pool; empty when that has run dry.
  inline Frame clone() const noexcept;

 private:
  friend class FramePool;
  explicit Frame(detail::FrameBuffer* buffer) noexcept : buffer_(buffer) {}
  inline void release() noexcept;

  detail::FrameBuffer* buffer_ = nullptr;
};

/// All buffers of one World: a fixed number, made at construction, handed out last in, first out.
/// It cannot be destroyed while a frame lives.
class FramePool {
 public:
  static constexpr std::size_t headroom = 128;

  /// `capacity` buffers of `room` bytes each, headroom included.
  explicit FramePool(std::size_t capacity, std::size_t room = 2048)
      : room_(room),
        storage_(std::make_unique_for_overwrite<std::byte[]>(capacity * room)),
        buffers_(capacity) {
    POLLUX_ASSERT(room > headroom);
    free_.reserve(capacity);
    for (std::size_t i = capacity; i-- > 0;) {
      buffers_[i].pool = this;
      buffers_[i].storage = storage_.get() + i * room;
      free_.push_back(&buffers_[i]);
    }
    poison(storage_.get(), capacity * room);
  }
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;
  ~FramePool() {
    POLLUX_ASSERT(live() == 0);
    unpoison(storage_.get(), buffers_.size() * room_);
  }

  /// A frame without bytes, headroom() == 128, on that account (none: nullptr); empty when every
  /// buffer is in use or the account is at its limit.
  Frame allocate(FrameAccount* account = nullptr) noexcept {
    if (free_.empty() || (account != nullptr && account->live >= account->limit)) {
      ++refused_;
      return Frame{};
    }
    detail::FrameBuffer* const buffer = free_.back();
    free_.pop_back();
    unpoison(buffer->storage, room_);
    buffer->account = account;
    if (account != nullptr) ++account->live;
    buffer->begin = headroom;
    buffer->size = 0;
    buffer->ip_verified = packet::Verified::unknown;
    buffer->l4_verified = packet::Verified::unknown;
    buffer->request = {};
    peak_ = live() > peak_ ? live() : peak_;
    return Frame{buffer};
  }

  std::size_t capacity() const noexcept { return buffers_.size(); }
  std::size_t room() const noexcept { return room_; }
  std::size_t live() const noexcept { return buffers_.size() - free_.size(); }
  /// The most frames that were ever live.
  std::size_t peak() const noexcept { return peak_; }
  /// How often allocate() had nothing to give.
  std::uint64_t refused() const noexcept { return refused_; }

 private:
  friend class Frame;
  void take_back(detail::FrameBuffer* buffer) noexcept {
    if (buffer->account != nullptr) --buffer->account->live;
#ifndef NDEBUG
    // A reader that kept a span finds this instead of bytes that still look right.
    std::memset(buffer->storage, 0xDB, room_);
#endif
    poison(buffer->storage, room_);
    free_.push_back(buffer);
  }
  static void poison([[maybe_unused]] std::byte* at, [[maybe_unused]] std::size_t n) noexcept {
#ifdef POLLUX_SIM_POISON
    ASAN_POISON_MEMORY_REGION(at, n);
#endif
  }
  static void unpoison([[maybe_unused]] std::byte* at, [[maybe_unused]] std::size_t n) noexcept {
#ifdef POLLUX_SIM_POISON
    ASAN_UNPOISON_MEMORY_REGION(at, n);
#endif
  }

  std::size_t room_;
  std::unique_ptr<std::byte[]> storage_;
  std::vector<detail::FrameBuffer> buffers_;
  std::vector<detail::FrameBuffer*> free_;
  std::size_t peak_ = 0;
  std::uint64_t refused_ = 0;
};

inline std::size_t Frame::tailroom() const noexcept {
  return buffer_->pool->room() - buffer_->begin - buffer_->size;
}

inline void Frame::release() noexcept {
  while (buffer_ != nullptr) {
    detail::FrameBuffer* const next = std::exchange(buffer_->next, nullptr);
    buffer_->pool->take_back(std::exchange(buffer_, next));
  }
}

inline Frame Frame::clone() const noexcept {
  Frame copy = buffer_->pool->allocate();
  if (!copy || copy.tailroom() < bytes().size()) return Frame{};
  const std::span<std::byte> to = copy.append(bytes().size());
  std::memcpy(to.data(), bytes().data(), to.size());
  return copy;
}

static_assert(packet::Packet<Frame>);

}  // namespace pollux::sim

#undef POLLUX_SIM_POISON
