#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "input.h"
#include "pipeline/pipeline.h"
#include "sim/device.h"
#include "sim/frame.h"

namespace pollux::fuzz {

inline constexpr wire::Ipv4Address own_address{10, 0, 0, 2};
inline constexpr wire::Ipv4Address peer_address{10, 0, 0, 1};
inline constexpr wire::MacAddress own_mac{{2, 0, 0, 0, 0, 2}};
inline constexpr wire::MacAddress peer_mac{{2, 0, 0, 0, 0, 1}};

/// Bounds so small that a program of some dozen steps reaches them.
inline pipeline::Config small_config() {
  pipeline::Config config;
  config.interface.addresses = {{{own_address, 24}, 1}};
  config.connections = 4;
  config.half_open = 3;
  config.time_wait = 3;
  config.flights = 2;
  config.send_pieces = 24;
  config.receive_pieces = 12;
  config.owned_packets = 12;
  config.app_timers = 4;
  config.neighbors = 4;
  config.seed = 1;
  return config;
}

/// A device with small rings.
inline sim::DeviceOptions small_device() {
  return {.mac = own_mac, .transmit_room = 96, .receive_room = 96};
}

/// One pipeline on one simulated device, driven by hand: the fuzzer is the wire and the clock.
/// `Wire` hears each frame that the stack sends: hear(span). After every poll each frame received
/// is delivered, dropped or held.
template <class App, class Wire>
class Stack {
 public:
  using Pipeline = pipeline::Pipeline<sim::Device, App>;

  Stack(const pipeline::Config& config, App& app, Wire& wire, Instant start,
        sim::DeviceOptions options = small_device())
      : wire_(wire), device_(pool_, options, 1), usual_(std::move(options)), now_(start) {
    auto made = Pipeline::make(config, device_, app, now_);
    POLLUX_REQUIRE(made.ok());
    pipeline_ = std::move(*made);
    pipeline_->start(now_);
    take_sent();
  }

  Pipeline& pipeline() noexcept { return *pipeline_; }
  sim::Device& device() noexcept { return device_; }
  Instant now() const noexcept { return now_; }

  /// Comes with the next poll; lost, as on a wire, when there is no room for it.
  void deliver(std::span<const std::byte> bytes) {
    sim::Frame frame = pool_.allocate();
    if (!frame || frame.tailroom() < bytes.size()) return;
    if (!bytes.empty()) std::memcpy(frame.append(bytes.size()).data(), bytes.data(), bytes.size());
    device_.deliver(std::move(frame));
  }

  void poll() {
    do {
      pipeline_->poll(now_);
      take_sent();
      check();
    } while (device_.has_received());
  }

  /// Lets time pass, polling when the stack asks for it. One that asks too often is polled late in
  /// the end, as on a busy machine.
  void run_for(Duration time, int polls = 100) {
    const Instant end = now_ + time;
    int at_once = 0;
    for (; polls > 0; --polls) {
      const auto next = pipeline_->next_event();
      if (!next || *next > end) break;
      // A stack that never gets on would be polled without an end.
      at_once = *next > now_ ? 0 : at_once + 1;
      POLLUX_REQUIRE(at_once < 16);
      now_ = std::max(now_, *next);
      poll();
    }
    now_ = end;
    poll();
  }
  /// To the next thing that the stack has to do.
  void run_to_next_event() {
    if (const auto next = pipeline_->next_event(); next && *next > now_) now_ = *next;
    poll();
  }

  /// The device works again as it did at the start.
  void mend_device() {
    device_.options().transmit_room = usual_.transmit_room;
    device_.options().frames = usual_.frames;
    device_.options().allocate_failure = 0;
  }

  /// An end at once.
  void stop() {
    poll();
    pipeline_->stop(now_);
    POLLUX_REQUIRE(pipeline_->connections_in_use() == 0 && pipeline_->frames_held() == 0);
    take_sent();
    check();
    check_empty();
  }
  /// An end that comes by itself, once the application has closed: in time every entry of every
  /// table is given back.
  void die_down() {
    mend_device();
    for (int step = 0; step < 4000 && !idle(); ++step) run_to_next_event();
    POLLUX_REQUIRE(idle());
    check_empty();
  }

 private:
  bool idle() const {
    return pipeline_->connections_in_use() == 0 && pipeline_->half_open_in_use() == 0 &&
           pipeline_->time_wait_in_use() == 0 && pipeline_->frames_held() == 0 && pool_.live() == 0;
  }
  void check_empty() const { POLLUX_REQUIRE(pool_.live() == 0); }

  void take_sent() {
    std::vector<sim::Frame> frames;
    frames.swap(device_.sent());
    for (sim::Frame& frame : frames) {
      frame.charge(nullptr);
      const std::vector<std::byte> bytes{frame.bytes().begin(), frame.bytes().end()};
      frame = sim::Frame{};
      wire_.hear(bytes);
    }
  }
  void check() const {
    const Counters& counters = pipeline_->counters();
    POLLUX_REQUIRE(counters[Event::frames_received] == counters[Event::frames_delivered] +
                                                           counters.dropped() +
                                                           pipeline_->frames_held());
  }

  Wire& wire_;
  sim::FramePool pool_{128};
  sim::Device device_;
  sim::DeviceOptions usual_;
  Instant now_;
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace pollux::fuzz
