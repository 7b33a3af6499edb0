#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "sim/device.h"
#include "sim/world.h"
#include "wire/ethernet.h"

namespace pollux::sim {

constexpr std::uint16_t toy_type = 0x88B5;  // IEEE's for local experiments

inline wire::MacAddress toy_mac(std::uint8_t n) { return {{2, 0, 0, 0, 0, n}}; }
inline Instant at(Duration since_start) { return Instant{since_start}; }

/// A fresh frame of `size` bytes in all, whose payload starts with its number.
inline Frame toy_frame(Device& device, wire::MacAddress to, std::uint32_t number,
                       std::size_t size) {
  Frame frame = device.allocate();
  if (!frame) return frame;
  const std::span<std::byte> bytes = frame.append(size);
  std::memset(bytes.data(), 0x11, bytes.size());
  wire::EthernetFields{to, device.mac(), toy_type}.write(bytes);
  wire::store_u32(bytes.data() + wire::EthernetView::header_size, number);
  return frame;
}

/// Sends numbered frames, `count` at each of its ticks, and notes what comes back and when.
class ToySender {
 public:
  struct Heard {
    Instant when;
    std::uint32_t number;
    std::size_t size;
    friend bool operator==(const Heard&, const Heard&) = default;
  };

  ToySender(Device& device, wire::MacAddress to, std::uint32_t ticks, std::uint32_t count,
            Duration every, std::size_t size)
      : device_(device), to_(to), ticks_(ticks), count_(count), every_(every), size_(size) {}

  void poll(Instant now) {
    hear(now);
    if (ticks_ == 0 || now < next_) return;
    --ticks_;
    next_ = now + every_;
    Device::Burst burst;
    for (std::uint32_t i = 0; i < count_; ++i) {
      Frame frame = toy_frame(device_, to_, number_++, size_);
      if (frame) burst.push(std::move(frame));
      if (!burst.full() && i + 1 != count_) continue;
      device_.transmit(burst);
      burst.clear();
    }
  }
  std::optional<Instant> next_event() const {
    if (ticks_ == 0) return std::nullopt;
    return next_;
  }

  const std::vector<Heard>& heard() const { return heard_; }
  std::size_t largest_burst() const { return largest_burst_; }

 private:
  void hear(Instant now) {
    Device::Burst burst;
    device_.receive(burst);
    largest_burst_ = std::max(largest_burst_, burst.size());
    for (Frame& frame : std::span{burst.data(), burst.size()}) {
      heard_.push_back({now, wire::load_u32(frame.bytes().data() + wire::EthernetView::header_size),
                        frame.bytes().size()});
    }
  }

  Device& device_;
  wire::MacAddress to_;
  std::uint32_t ticks_;
  std::uint32_t count_;
  Duration every_;
  std::size_t size_;
  std::uint32_t number_ = 0;
  Instant next_{};
  std::vector<Heard> heard_;
  std::size_t largest_burst_ = 0;
};

/// Sends each frame back to where it came from, in the same buffer; keeps what the device refuses.
class ToyEcho {
 public:
  explicit ToyEcho(Device& device) : device_(device) {}

  void poll(Instant) {
    Device::Burst in;
    device_.receive(in);
    for (Frame& frame : std::span{in.data(), in.size()}) {
      ++heard_;
      const auto ethernet = wire::EthernetView::parse(frame.bytes());
      if (!ethernet || ethernet->destination() != device_.mac()) continue;
      wire::EthernetFields{ethernet->source(), device_.mac(), ethernet->type()}.write(
          frame.mutable_bytes());
      if (!out_.full()) out_.push(std::move(frame));
    }
    device_.transmit(out_);
  }
  std::optional<Instant> next_event() const { return std::nullopt; }
  std::size_t heard() const { return heard_; }

 private:
  Device& device_;
  Device::Burst out_;
  std::size_t heard_ = 0;
};

static_assert(Host<ToySender> && Host<ToyEcho>);

}  // namespace pollux::sim
