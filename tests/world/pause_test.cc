#include <gtest/gtest.h>

#include <cstdint>

#include "bulk_world.h"

/// A host whose core is taken away for a while.
namespace pollux::world {
namespace {

// After a second in which nobody looked, the RTO of every connection is long over, and the ACKs of
// what was in flight are there: more of them than a burst takes.
TEST(Pause, WhatHasComeInIsReadBeforeTimersExpire) {
  BulkPlan plan;
  plan.connections = 200;
  plan.tcp.receive_buffer = 16'000;
  plan.there =
      plan.back = {.bits_per_second = 1'000'000'000, .queue_bytes = 16 << 20, .delay = 20ms};
  BulkWorld world{plan};
  // SYNs that found no room to wait for the neighbour have gone again by then.
  ASSERT_TRUE(world.run_for(4s).ok());
  const std::uint64_t before = world.count(Event::tcp_retransmitted);
  world.pause_senders(1s);
  ASSERT_TRUE(world.run_for(2s).ok());
  EXPECT_EQ(world.count(Event::tcp_retransmitted), before);
}

}  // namespace
}  // namespace pollux::world
