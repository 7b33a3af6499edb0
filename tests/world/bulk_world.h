#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "application/application.h"
#include "base/counters.h"
#include "base/prng.h"
#include "base/time.h"
#include "middlebox.h"
#include "pipeline/pipeline.h"
#include "sim/world.h"
#include "text.h"
#include "wire/address.h"

namespace pollux::world {

/// Sends without end on every connection that it opens, and counts what comes on those that it
/// accepts. Which bytes they are is for others to look at.
class BulkApp {
 public:
  static constexpr std::uint16_t port = 7;
  struct Session {};

  explicit BulkApp(std::optional<wire::Ipv4Address> to = std::nullopt,
                   std::uint32_t connections = 1)
      : to_(to), connections_(connections) {}

  void on_start(auto& stack) {
    if (to_) {
      for (std::uint32_t i = 0; i < connections_; ++i) {
        static_cast<void>(stack.connect({*to_, port}));
      }
    } else {
      static_cast<void>(stack.listen(port));
    }
  }
  void on_connected(auto& stream) { write(stream); }
  void on_writable(auto& stream) { write(stream); }
  void on_readable(auto& stream) {
    while (!stream.readable().empty()) {
      received_ += stream.readable().size();
      stream.consume(stream.readable().size());
    }
  }
  void on_closed(auto&, application::StreamId, Session&, Cause) { ++closed_; }

  std::uint64_t received() const { return received_; }
  std::uint32_t closed() const { return closed_; }

 private:
  void write(auto& stream) {
    while (const std::size_t n = std::min(stream.writable(), bytes_.size())) {
      if (!stream.send({bytes_.data(), static_cast<std::uint32_t>(n)})) return;
    }
  }

  std::optional<wire::Ipv4Address> to_;
  std::uint32_t connections_;
  std::vector<std::byte> bytes_ = std::vector<std::byte>(1 << 20);
  std::uint64_t received_ = 0;
  std::uint32_t closed_ = 0;
};

/// `flows` pairs of hosts with some connections each, which all cross the same link.
struct BulkPlan {
  std::uint64_t seed = 1;
  std::uint32_t flows = 1;
  std::uint32_t connections = 1;
  sim::LinkOptions there;
  sim::LinkOptions back;
  /// Stands between the two.
  MiddleboxOptions box;
  std::uint16_t mtu = 1500;
  tcp::Config tcp;
  std::size_t frames = 65'536;
};

/// Runs it, and says how many bytes each flow's receiver has read so far.
class BulkWorld {
 public:
  explicit BulkWorld(const BulkPlan& plan)
      : world_(plan.seed, {.frames = plan.frames, .frame_room = plan.mtu + std::size_t{512}}) {
    sim::Device& left = world_.add_device({.name = "left", .mac = mac_of(200), .mtu = plan.mtu});
    sim::Device& right = world_.add_device({.name = "right", .mac = mac_of(201), .mtu = plan.mtu});
    sim::Switch& senders = world_.add_switch();
    sim::Switch& receivers = world_.add_switch();
    world_.connect(left, senders, plan.back, {});
    there_ = &world_.connect(right, receivers, plan.there, {}).there;
    for (std::uint32_t i = 0; i < plan.flows; ++i) {
      add(plan, i, address_of(plan.flows + i), senders);
    }
    for (std::uint32_t i = 0; i < plan.flows; ++i) {
      add(plan, plan.flows + i, std::nullopt, receivers);
    }
    world_.add_host(box_.emplace(left, right, plan.box), {&left, &right}, {.name = "box"});
    for (Host& host : hosts_) host.stack->start(world_.now());
  }

  Status run_for(Duration time) { return world_.run_for(time); }
  /// How long it takes, in steps of a millisecond, until one flow's receiver has read so much;
  /// nothing when it takes longer than `limit`.
  std::optional<Duration> run_until(std::uint64_t bytes, Duration limit) {
    for (Duration time{0}; time < limit; time += 1ms) {
      if (received().front() >= bytes) return time;
      if (!world_.run_for(1ms)) return std::nullopt;
    }
    return std::nullopt;
  }
  /// What the link did that all cross.
  const sim::LinkCounts& link() const { return there_->counts(); }
  const Middlebox& box() const { return *box_; }
  /// As World::pause().
  void pause_senders(Duration time) {
    for (std::size_t i = 0; i < hosts_.size() / 2; ++i) world_.pause(*hosts_[i].stack, time);
  }
  std::vector<std::uint64_t> received() const {
    std::vector<std::uint64_t> out;
    for (std::size_t i = hosts_.size() / 2; i < hosts_.size(); ++i) {
      out.push_back(hosts_[i].app.received());
    }
    return out;
  }
  /// Of all senders.
  std::uint64_t count(Event event) const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < hosts_.size() / 2; ++i) sum += hosts_[i].stack->counters()[event];
    return sum;
  }

 private:
  using Stack = pipeline::Pipeline<sim::Device, BulkApp>;
  struct Host {
    BulkApp app;
    std::unique_ptr<Stack> stack;
    Host(std::optional<wire::Ipv4Address> to, std::uint32_t connections) : app(to, connections) {}
  };
  static wire::MacAddress mac_of(std::uint32_t host) {
    return {{2, 0, 0, 0, 0, static_cast<std::uint8_t>(host + 1)}};
  }
  static wire::Ipv4Address address_of(std::uint32_t host) {
    return wire::Ipv4Address{wire::Ipv4Address{10, 0, 0, 1}.value() + host};
  }
  void add(const BulkPlan& plan, std::uint32_t number, std::optional<wire::Ipv4Address> to,
           sim::Switch& at) {
    sim::Device& device = world_.add_device({.name = text(to ? "sender" : "receiver", number),
                                             .mac = mac_of(number),
                                             .mtu = plan.mtu,
                                             .transmit_room = 1 << 16});
    world_.connect(device, at, {}, {});
    Host& host = hosts_.emplace_back(to, plan.connections);
    pipeline::Config config;
    config.interface.addresses = {{.prefix = {address_of(number), 24}, .count = 1}};
    config.tcp = plan.tcp;
    config.connections = config.half_open = config.time_wait = config.flights =
        std::max(64u, plan.connections);
    config.neighbors = 64;
    config.receive_pieces = config.send_pieces = static_cast<std::uint32_t>(plan.frames);
    config.owned_packets = 64;
    config.seed = plan.seed * 100 + number;
    host.stack = std::move(*Stack::make(config, device, host.app, world_.now()));
    world_.add_host(*host.stack, {&device}, {.name = device.options().name});
  }

  sim::World world_;
  std::deque<Host> hosts_;
  std::optional<Middlebox> box_;
  sim::Link* there_ = nullptr;
};

}  // namespace pollux::world
