#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "dpdk/clock.h"
#include "dpdk/port_pair.h"
#include "environment.h"
#include "frames.h"
#include "pipeline/pipeline.h"
#include "tests/world/probe_app.h"

namespace pollux::test {

inline constexpr std::uint16_t port = 7;

/// A stack on a port, and what it is asked to do.
struct Host {
  using Stack = pipeline::Pipeline<dpdk::Queue, world::ProbeApp>;

  Host(dpdk::Port& on, wire::Ipv4Address own) : queue(on.queue(0)), address(own) {
    config.interface.addresses = {{{own, 24}, 1}};
    config.connections = config.half_open = config.time_wait = config.flights = 16;
    config.send_pieces = config.receive_pieces = 4'096;
    config.owned_packets = 1'024;
    config.neighbors = 16;
    config.tcp.receive_buffer = config.tcp.send_buffer = 1 << 20;
    config.seed = own.value();
  }
  void make(Instant now) { stack = must(Stack::make(config, queue, app, now)); }
  std::uint64_t count(Event event) const { return stack->counters()[event]; }
  std::uint64_t count(Drop drop) const { return stack->counters()[drop]; }
  std::uint64_t count(SendDrop drop) const { return stack->counters()[drop]; }

  dpdk::Queue queue;
  wire::Ipv4Address address;
  pipeline::Config config;
  world::ProbeApp app;
  std::unique_ptr<Stack> stack;
};

/// Two stacks over a pair of ports, both polled by this thread in turn.
class TwoStacks : public testing::Test {
 protected:
  void open(dpdk::PairKind kind, const dpdk::PortOptions& options) { open(kind, options, options); }
  void open(dpdk::PairKind kind, const dpdk::PortOptions& of_near,
            const dpdk::PortOptions& of_far) {
    pair.emplace(must(dpdk::PortPair::open(eal, kind, of_near, of_far)));
    near = std::make_unique<Host>(pair->near, wire::Ipv4Address{10, 0, 0, 1});
    far = std::make_unique<Host>(pair->far, wire::Ipv4Address{10, 0, 0, 2});
  }
  /// `from` is to connect to `to` and send so much; with more said in `app` and `config` before.
  void start(Host& from, Host& to, std::uint32_t bytes) {
    from.app.connect_to = {{to.address, port}};
    from.app.send_bytes = bytes;
    to.app.listen_port = port;
    for (Host* host : {&to, &from}) {
      host->make(clock.now());
      host->stack->start(clock.now());
    }
  }
  void poll(Host& host) { host.stack->poll(clock.now()); }
  /// Polls both until `done`.
  template <class Done>
  bool until(Done done) {
    const Patience patience;
    while (!done()) {
      if (!patience) return false;
      poll(*near);
      poll(*far);
    }
    return true;
  }
  void TearDown() override {
    for (auto* host : {&near, &far}) {
      if (*host != nullptr && (*host)->stack != nullptr) (*host)->stack->stop(clock.now());
      host->reset();
    }
    if (!pair) return;
    EXPECT_EQ(pair->far.close(), 0u);
    EXPECT_EQ(pair->near.close(), 0u);
  }

  dpdk::Eal& eal = test::eal();
  dpdk::TscClock clock;  // whose rate EAL finds out
  std::optional<dpdk::PortPair> pair;
  std::unique_ptr<Host> near;
  std::unique_ptr<Host> far;
};

}  // namespace pollux::test
