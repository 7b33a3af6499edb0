#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/assert.h"

namespace pollux::packet {

/// What the device says of a checksum that it looked at on receive.
enum class Verified : std::uint8_t {
  unknown,
  good,
  bad,
  /// The bytes are whole, as the device knows, but the field holds no checksum of them: they are of
  /// several segments that were put together, or have seen no wire.
  unfinished
};

/// What the device is asked to do on send. Offsets are from the frame's first byte. The pipeline
/// sets one only where the device's Capabilities have it, and fills in what the device expects (for
/// TCP and UDP the pseudo-header's sum in the checksum field).
struct ChecksumRequest {
  std::uint16_t l2_length = 0;
  std::uint16_t l3_length = 0;
  bool ipv4 = false;
  bool tcp = false;
  bool udp = false;
  /// Not 0: a TCP packet, to be cut into segments of so much text, each with headers and checksums
  /// of its own. The pseudo-header's sum is then one with the length 0.
  std::uint16_t segment_size = 0;
  std::uint16_t l4_length = 0;  // with it, of the TCP header
};

/// Sole owner of one frame buffer; to move it is to give it away, and an owner that goes out of
/// scope returns the buffer to where it came from. A default-constructed or moved-from packet is
/// empty (false). A fresh one from a device has no bytes, and headroom() >= 128.
template <class P>
concept Packet = std::movable<P> && !std::copyable<P> && std::default_initializable<P> &&
                 requires(P p, P q, const P c, std::size_t n, const ChecksumRequest& request) {
  { static_cast<bool>(c) }
  noexcept;
  { c.bytes() }
  noexcept->std::same_as<std::span<const std::byte>>;
  { p.mutable_bytes() }
  noexcept->std::same_as<std::span<std::byte>>;
  { c.headroom() }
  noexcept->std::same_as<std::size_t>;
  { c.tailroom() }
  noexcept->std::same_as<std::size_t>;
  // Grow by n <= headroom() or tailroom(): the span is the n new bytes.
  { p.prepend(n) }
  noexcept->std::same_as<std::span<std::byte>>;
  { p.append(n) }
  noexcept->std::same_as<std::span<std::byte>>;
  // Both at once, of a packet without bytes that is in one buffer: n in front, n behind them, and
  // the span is of all.
  { p.lay_out(n, n) }
  noexcept->std::same_as<std::span<std::byte>>;
  // Shrink; n <= bytes().size().
  { p.drop_front(n) }
  noexcept;
  { p.keep_front(n) }
  noexcept;
  // Sending what is longer than a buffer: the bytes of q, which may have others behind it in
  // the same way, follow those of p, which has none yet. bytes() goes on to be the first
  // buffer's; length() is of all. After it p grows at its front alone.
  { p.attach(std::move(q)) }
  noexcept;
  { c.length() }
  noexcept->std::same_as<std::size_t>;
  // Receive metadata: the IPv4 header's checksum, the TCP or UDP checksum, the RSS hash.
  { c.ip_verified() }
  noexcept->std::same_as<Verified>;
  { c.l4_verified() }
  noexcept->std::same_as<Verified>;
  { c.rss_hash() }
  noexcept->std::same_as<std::optional<std::uint32_t>>;
  // Send metadata.
  { p.request(request) }
  noexcept;
};

/// Up to Capacity packets on their way from one stage to the next, in order.
template <class P, std::size_t Capacity = 64>
class Burst {
 public:
  static constexpr std::size_t capacity() noexcept { return Capacity; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  bool full() const noexcept { return size_ == Capacity; }
  std::size_t room() const noexcept { return Capacity - size_; }

  void push(P&& p) noexcept {
    POLLUX_ASSERT(!full());
    items_[size_++] = std::move(p);
  }
  P& operator[](std::size_t i) noexcept {
    POLLUX_ASSERT(i < size_);
    return items_[i];
  }
  /// Drops (returns to their pool) whatever was not moved out.
  void clear() noexcept {
    for (std::size_t i = 0; i < size_; ++i) items_[i] = P{};
    size_ = 0;
  }
  /// For devices that fill or drain the array in place: the slots themselves, and their count.
  P* data() noexcept { return items_.data(); }
  void resize_after_fill(std::size_t n) noexcept {
    POLLUX_ASSERT(n <= Capacity);
    size_ = n;
  }
  /// Forgets the first n, which must have been moved out, and moves the rest to the front.
  void remove_front(std::size_t n) noexcept {
    POLLUX_ASSERT(n <= size_);
    for (std::size_t i = n; i < size_; ++i) items_[i - n] = std::move(items_[i]);
    size_ -= n;
  }
  P* begin() noexcept { return items_.data(); }
  P* end() noexcept { return items_.data() + size_; }

 private:
  std::array<P, Capacity> items_{};
  std::size_t size_ = 0;
};

}  // namespace pollux::packet
