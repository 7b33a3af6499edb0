#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "raw_host.h"
#include "raw_tcp.h"
#include "sim/world.h"
#include "stack_setup.h"

namespace pollux::world {

/// A stack, and one connection to it whose other end the test writes. The test sets `config` and
/// `app` up before start().
class RawTcpPeer : public testing::Test {
 protected:
  static constexpr std::uint16_t raw_port = 5000;
  static constexpr wire::SeqNum raw_iss{1000};

  sim::World world{1};
  sim::Device& raw_device = world.add_device({.name = "raw", .mac = left_mac});
  sim::Device& device = world.add_device({.name = "stack", .mac = right_mac});
  sim::Cable cable = world.connect(raw_device, device, {.delay = 1ms});
  RawHost raw{raw_device, left_address};
  RawTcp peer{raw, right_mac, {left_address, right_address, raw_port, port}};
  pipeline::Config config = config_of(right_address);
  ProbeApp app;
  std::unique_ptr<Stack> stack;
  wire::SeqNum& seq = peer.seq;
  wire::SeqNum& ack = peer.ack;

  void start() {
    stack = std::move(*Stack::make(config, device, app, world.now()));
    world.add_host(raw, {&raw_device}, {.name = "raw"});
    world.add_host(*stack, {&device}, {.name = "stack"});
    stack->start(world.now());
    run_for(10ms);
  }
  void TearDown() override {
    const Counters& counters = stack->counters();
    EXPECT_EQ(counters[Event::frames_received],
              counters[Event::frames_delivered] + counters.dropped() + stack->frames_held());
  }
  void run_for(Duration time) {
    const Status status = world.run_for(time);
    ASSERT_TRUE(status.ok()) << status.error().what << ": " << status.error().why;
  }
  /// `n` bytes of what ProbeApp expects, from the offset on.
  std::vector<std::byte> text(std::size_t offset, std::size_t n) const {
    std::vector<std::byte> out;
    while (n != 0) {
      const auto some = app.pattern().bytes(ProbeApp::pattern_stream, offset,
                                            std::min<std::size_t>(n, Pattern::longest / 2));
      out.insert(out.end(), some.begin(), some.end());
      offset += some.size();
      n -= some.size();
    }
    return out;
  }
  void send(std::uint8_t bits, std::vector<std::byte> bytes = {}) {
    peer.send_next(bits, std::move(bytes));
  }
  bool offers_sack = false;
  /// The SYN of the raw end, and the SYN that answers it.
  void knock(RawTcp& from) {
    from.seq = raw_iss;
    from.send({.seq = from.seq,
               .control = control::syn,
               .mss = std::uint16_t{1460},
               .sack_permitted = offers_sack});
    run_for(10ms);
    const auto heard = from.heard();
    ASSERT_EQ(heard.size(), 1u);
    ASSERT_EQ(heard[0].control, control::syn | control::ack);
    from.seq += 1;
    EXPECT_EQ(heard[0].ack, from.seq);
    from.ack = heard[0].seq + 1;
  }
  /// The raw end opens.
  void establish(RawTcp& from) {
    const std::uint32_t before = app.accepted;
    knock(from);
    from.send_next(control::ack);
    run_for(10ms);
    ASSERT_EQ(app.accepted, before + 1);
  }
  void establish() { establish(peer); }
  /// The stack opens, as app.connect_to says.
  void answer() {
    auto heard = peer.heard();
    ASSERT_EQ(heard.size(), 1u);
    ASSERT_EQ(heard[0].control, control::syn);
    peer.tuple().remote_port = peer.remote_port();
    ack = heard[0].seq + 1;
    seq = raw_iss;
    peer.send({.seq = seq,
               .control = control::syn | control::ack,
               .ack = ack,
               .mss = std::uint16_t{1460}});
    seq += 1;
    run_for(10ms);
    ASSERT_EQ(app.connected, 1u);
  }
};

}  // namespace pollux::world
