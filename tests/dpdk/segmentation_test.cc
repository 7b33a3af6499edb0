// Two stacks over virtio, in one thread: a virtio_user that offers segmentation, and a vhost that
// takes what was not cut.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "dpdk/clock.h"
#include "dpdk/port_pair.h"
#include "environment.h"
#include "frames.h"
#include "pipeline/pipeline.h"
#include "tests/world/probe_app.h"

namespace pollux {
namespace {

using Stack = pipeline::Pipeline<dpdk::Queue, world::ProbeApp>;

constexpr std::uint16_t port = 7;

struct Host {
  Host(dpdk::Port& on, wire::Ipv4Address own, Instant now) : queue(on.queue(0)), address(own) {
    config.interface.addresses = {{{own, 24}, 1}};
    config.connections = config.half_open = config.time_wait = config.flights = 16;
    config.send_pieces = config.receive_pieces = 4'096;
    config.owned_packets = 1'024;
    config.neighbors = 16;
    config.tcp.receive_buffer = config.tcp.send_buffer = 1 << 20;
    config.seed = own.value();
    stack = test::must(Stack::make(config, queue, app, now));
  }
  std::uint64_t count(Event event) const { return stack->counters()[event]; }

  dpdk::Queue queue;
  wire::Ipv4Address address;
  pipeline::Config config;
  world::ProbeApp app;
  std::unique_ptr<Stack> stack;
};

class VirtioSegmentation : public testing::Test {
 protected:
  void open(const dpdk::PortOptions& options) {
    pair.emplace(test::must(dpdk::PortPair::open(eal, dpdk::PairKind::virtio, options)));
    vhost = std::make_unique<Host>(pair->near, wire::Ipv4Address{10, 0, 0, 1}, clock.now());
    virtio = std::make_unique<Host>(pair->far, wire::Ipv4Address{10, 0, 0, 2}, clock.now());
  }
  void send(Host& from, Host& to, std::uint32_t bytes) {
    from.app.connect_to = {{to.address, port}};
    from.app.send_bytes = bytes;
    from.app.close_when_sent = true;
    to.app.listen_port = port;
    to.stack->start(clock.now());
    from.stack->start(clock.now());
    const test::Patience patience;
    while ((to.app.received < bytes || from.app.closed.empty()) && patience) {
      from.stack->poll(clock.now());
      to.stack->poll(clock.now());
    }
    EXPECT_EQ(to.app.received, bytes);
    EXPECT_EQ(to.app.wrong, 0u);
    EXPECT_EQ(to.count(Event::checksum_offload_lies), 0u);
    EXPECT_EQ(to.stack->counters()[Drop::tcp_bad_checksum], 0u);
    EXPECT_EQ(to.stack->counters()[Drop::ipv4_bad_checksum], 0u);
  }
  void TearDown() override {
    for (auto* host : {&vhost, &virtio}) (*host)->stack->stop(clock.now());
    vhost.reset();
    virtio.reset();
    EXPECT_EQ(pair->far.stats().tx_errors, 0u);
    EXPECT_EQ(pair->near.stats().rx_errors, 0u);
    EXPECT_EQ(pair->far.close(), 0u);
    EXPECT_EQ(pair->near.close(), 0u);
  }

  static constexpr std::uint32_t size = 20'000'000;
  dpdk::Eal& eal = test::eal();
  dpdk::TscClock clock;  // whose rate EAL finds out
  std::optional<dpdk::PortPair> pair;
  std::unique_ptr<Host> vhost;
  std::unique_ptr<Host> virtio;
};

TEST_F(VirtioSegmentation, WhatIsNotCutArrivesWhole) {
  open({.stack_buffers = 4'096, .segmentation = true, .merging = true});
  EXPECT_EQ(pair->far.offloads(), "TCP segmentation, packets of several TCP segments");
  EXPECT_EQ(virtio->queue.capabilities().transmit_tcp_text, 65'535u);
  send(*virtio, *vhost, size);
  EXPECT_GT(virtio->count(Event::tcp_uncut_sent), 100u);
  EXPECT_GT(vhost->count(Event::tcp_merged_received), 100u);
  EXPECT_LT(vhost->count(Event::frames_received), size / 1'460 / 2) << "most were long";
}

TEST_F(VirtioSegmentation, TheOtherWayGoesWhateverTheDriverOffers) {
  open({.stack_buffers = 4'096, .segmentation = true, .merging = true});
  send(*vhost, *virtio, size);
}

TEST_F(VirtioSegmentation, IsNotUsedUnlessAskedFor) {
  open({.stack_buffers = 4'096});
  EXPECT_EQ(pair->far.offloads(), "none");
  send(*virtio, *vhost, size);
  EXPECT_EQ(virtio->count(Event::tcp_uncut_sent), 0u);
}

TEST_F(VirtioSegmentation, IsNotUsedWhereThePeerCannotTakeIt) {
  open({.stack_buffers = 4'096, .segmentation = true});
  EXPECT_EQ(virtio->queue.capabilities().transmit_tcp_text, 0u) << "the vhost does not offer it";
  send(*virtio, *vhost, size);
  EXPECT_EQ(virtio->count(Event::tcp_uncut_sent), 0u);
}

}  // namespace
}  // namespace pollux
