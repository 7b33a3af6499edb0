#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "base/assert.h"
#include "base/ring.h"
#include "link/device.h"
#include "packet/packet.h"

namespace pollux::pipeline::testing {

/// A packet on the heap, which threads may hand to each other; models packet::Packet.
class HeapPacket {
 public:
  HeapPacket() noexcept = default;
  static HeapPacket fresh() {
    HeapPacket packet;
    packet.buffer_ = std::make_unique<Buffer>();
    return packet;
  }
  explicit operator bool() const noexcept { return buffer_ != nullptr; }
  std::span<const std::byte> bytes() const noexcept {
    return {buffer_->bytes.data() + buffer_->begin, buffer_->size};
  }
  std::span<std::byte> mutable_bytes() noexcept {
    return {buffer_->bytes.data() + buffer_->begin, buffer_->size};
  }
  std::size_t headroom() const noexcept { return buffer_->begin; }
  std::size_t tailroom() const noexcept {
    return buffer_->bytes.size() - buffer_->begin - buffer_->size;
  }
  std::span<std::byte> prepend(std::size_t n) noexcept {
    buffer_->begin -= n;
    buffer_->size += n;
    return mutable_bytes().first(n);
  }
  std::span<std::byte> append(std::size_t n) noexcept {
    buffer_->size += n;
    return mutable_bytes().last(n);
  }
  std::span<std::byte> lay_out(std::size_t front, std::size_t behind) noexcept {
    append(behind);
    prepend(front);
    return mutable_bytes();
  }
  void drop_front(std::size_t n) noexcept {
    buffer_->begin += n;
    buffer_->size -= n;
  }
  void keep_front(std::size_t n) noexcept { buffer_->size = n; }
  /// Its device cuts nothing, so that nobody chains.
  void attach(HeapPacket) noexcept { POLLUX_ASSERT(false); }
  std::size_t length() const noexcept { return buffer_->size; }
  packet::Verified ip_verified() const noexcept { return packet::Verified::unknown; }
  packet::Verified l4_verified() const noexcept { return packet::Verified::unknown; }
  std::optional<std::uint32_t> rss_hash() const noexcept { return std::nullopt; }
  void request(const packet::ChecksumRequest&) noexcept {}

 private:
  struct Buffer {
    std::array<std::byte, 2048> bytes;
    std::size_t begin = 128;
    std::size_t size = 0;
  };
  std::unique_ptr<Buffer> buffer_;
};

/// One queue of a port whose frames other threads' queues receive. `route` says which of the
/// peer's rings a frame goes into, as a card's RSS would.
class ThreadDevice {
 public:
  using Packet = HeapPacket;
  using Ring = SpscRing<HeapPacket>;

  ThreadDevice(Ring& in, std::vector<Ring*> out, wire::MacAddress mac)
      : in_(in), out_(std::move(out)), mac_(mac) {}

  void receive(packet::Burst<HeapPacket, link::burst_size>& burst) noexcept {
    while (!burst.full()) {
      auto packet = in_.pop();
      if (!packet) return;
      burst.push(std::move(*packet));
    }
  }
  std::size_t transmit(packet::Burst<HeapPacket, link::burst_size>& burst) noexcept {
    std::size_t sent = 0;
    while (sent < burst.size() && out_[ring_of(burst[sent])]->push(std::move(burst[sent]))) ++sent;
    burst.remove_front(sent);
    return sent;
  }
  HeapPacket allocate() noexcept { return HeapPacket::fresh(); }
  wire::MacAddress mac() const noexcept { return mac_; }
  std::uint16_t mtu() const noexcept { return 1500; }
  link::Capabilities capabilities() const noexcept { return {}; }

 private:
  /// TCP goes by the sum of its ports, which is the same both ways; all else to the first.
  std::size_t ring_of(const HeapPacket& packet) const noexcept {
    const auto bytes = packet.bytes();
    if (bytes.size() < 38 || bytes[23] != std::byte{6}) return 0;
    const unsigned low =
        std::to_integer<unsigned>(bytes[35]) + std::to_integer<unsigned>(bytes[37]);
    return low % out_.size();
  }

  Ring& in_;
  std::vector<Ring*> out_;
  wire::MacAddress mac_;
};
static_assert(link::Device<ThreadDevice>);

}  // namespace pollux::pipeline::testing
