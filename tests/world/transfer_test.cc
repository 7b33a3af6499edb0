#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string>

#include "report.h"
#include "transfer_world.h"

namespace {

std::uint64_t allocated_in_poll = 0;

void* allocate(std::size_t size) {
  if (pollux::world::polling != 0) ++allocated_in_poll;
  return std::malloc(size == 0 ? 1 : size);
}

}  // namespace

// Every allocation of this program comes by here, so that those of poll() can be counted.
void* operator new(std::size_t size) {
  if (void* const at = allocate(size)) return at;
  throw std::bad_alloc{};
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* at) noexcept { std::free(at); }
void operator delete[](void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t) noexcept { std::free(at); }
void operator delete[](void* at, std::size_t) noexcept { std::free(at); }

namespace pollux::world {
namespace {

/// A plan like the seed's, on a link that does no harm.
TransferPlan clean_plan(std::uint64_t seed, std::uint32_t connections) {
  TransferPlan plan = rough_plan(seed, connections);
  plan.there =
      plan.back = {.bits_per_second = 10'000'000'000, .queue_bytes = 1 << 26, .delay = 1ms};
  plan.stack.tcp.delayed_ack = 40ms;
  plan.stack.tcp.min_rto = 200ms;
  return plan;
}

TEST(Transfers, ACleanLinkNeedsNoRetransmission) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    TransferPlan plan = clean_plan(seed, 200);
    plan.transfers.concurrency = 10;  // as many datagrams as may wait for an ARP reply
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
    EXPECT_EQ(count_of(report, "tcp_retransmitted"), 0u) << told(plan, report);
    EXPECT_EQ(count_of(report, "tcp_resets_sent"), 0u) << told(plan, report);
    EXPECT_EQ(report.connections, 400u);
  }
}

TEST(Transfers, TheSameSeedIsTheSameRun) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const TransferReport first = run(rough_plan(seed, 100));
    const TransferReport second = run(rough_plan(seed, 100));
    EXPECT_EQ(first.trace, second.trace);
    EXPECT_EQ(first.counters, second.counters);
    EXPECT_NE(first.trace, run(rough_plan(seed + 1000, 100)).trace);
  }
}

TEST(Transfers, PollAllocatesNothing) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    allocated_in_poll = 0;
    const TransferPlan plan = rough_plan(seed, 200);
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
    EXPECT_EQ(allocated_in_poll, 0u);
  }
}

TEST(Transfers, OneClientAndManyServers) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TransferPlan plan = rough_plan(seed, 500);
    plan.servers = 7;
    plan.two_way = false;
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
    EXPECT_EQ(report.connections, 500u);
  }
}

TEST(Transfers, EverybodyWithEverybody) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    TransferPlan plan = rough_plan(seed, 100);
    plan.clients = 3;
    plan.servers = 3;
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
    EXPECT_EQ(report.connections, 600u);
  }
}

TEST(Transfers, LargeStreamsOverARoughLink) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TransferPlan plan = rough_plan(seed, 5);
    plan.transfers.largest = 5'000'000;
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
  }
}

TEST(Transfers, LossesInBursts) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TransferPlan plan = rough_plan(seed, 200);
    plan.there.burst_loss = plan.back.burst_loss =
        sim::BurstLoss{.enter = 0.005, .leave = 0.1, .loss = 1};
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
  }
}

TEST(Transfers, ALinkThatIsDownForAWhile) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TransferPlan plan = clean_plan(seed, 300);
    plan.happenings = {{20ms, Happening::Kind::down}, {25s, Happening::Kind::up}};
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
    EXPECT_GT(count_of(report, "down"), 0u);
  }
}

TEST(Transfers, ASlowLinkWithAShortQueue) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TransferPlan plan = clean_plan(seed, 100);
    plan.transfers.concurrency = 50;
    plan.there = plan.back = {.bits_per_second = 2'000'000, .queue_bytes = 20'000, .delay = 20ms};
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
    EXPECT_GT(count_of(report, "queue_full"), 0u);
  }
}

TEST(Transfers, PacketMemoryThatFailsAtRandom) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TransferPlan plan = clean_plan(seed, 200);
    plan.device.allocate_failure = 0.1;
    plan.device.transmit_refusal = 0.1;
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
    EXPECT_GT(count_of(report, "no_buffer"), 0u);
  }
}

TEST(Transfers, VeryLittlePacketMemory) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TransferPlan plan = clean_plan(seed, 200);
    plan.device.frames = 64;
    plan.device.receive_room = 32;
    plan.device.transmit_room = 16;
    plan.transfers.concurrency = 10;
    // What is kept, sent or received, must leave some to send with.
    plan.stack.send_pieces = 16;
    plan.stack.receive_pieces = 16;
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
  }
}

// Were the packets that send queues own all there are, nothing could be sent that would free them.
TEST(Transfers, WhatIsKeptLeavesPacketsToSendWith) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TransferPlan plan = clean_plan(seed, 200);
    plan.device.frames = 48;
    plan.transfers.concurrency = 20;
    plan.stack.owned_packets = 16;
    plan.stack.receive_pieces = 16;
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
  }
}

TEST(Transfers, FewPortsAreUsedAgainAndAgain) {
  // The same four-tuples over and over, within TIME-WAIT, while duplicates of their last lives are
  // still on the way.
  std::uint64_t reused = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    TransferPlan plan = rough_plan(seed, 200);
    plan.transfers.concurrency = 20;
    plan.transfers.local_ports = 20;
    plan.two_way = false;
    // A peer that still waits for the ACK of its FIN is reset by its four-tuple's next life, when
    // it has all its bytes: that is the price of reuse within TIME-WAIT.
    plan.transfers.may_fail = true;
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
    EXPECT_EQ(report.complete, report.streams) << told(plan, report);
    EXPECT_EQ(report.connections, 200u);
    reused += count_of(report, "tcp_time_wait_reused");
  }
  EXPECT_GT(reused, 100u);
}

TEST(Transfers, AbortsAtAnyMoment) {
  std::uint64_t aborted = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    TransferPlan plan = rough_plan(seed, 200);
    plan.transfers.abort = 0.1;
    plan.transfers.may_fail = true;
    plan.transfers.keepalive = true;  // a RST may be lost, and is not sent again
    plan.stack.tcp.keepalive_idle = 60s;
    plan.stack.tcp.keepalive_interval = 10s;
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
    aborted += count_of(report, "tcp_aborted");
  }
  EXPECT_GT(aborted, 500u);
}

TEST(Transfers, VerySmallTables) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TransferPlan plan = clean_plan(seed, 200);
    plan.transfers.concurrency = 50;
    plan.transfers.may_fail = true;  // evicted from TIME-WAIT, refused for want of an entry
    plan.transfers.keepalive = true;
    plan.stack.tcp.keepalive_idle = 60s;
    plan.stack.tcp.keepalive_interval = 10s;
    plan.stack.connections = 40;
    plan.stack.half_open = 8;
    plan.stack.time_wait = 16;
    plan.stack.flights = 4;
    plan.stack.send_pieces = 64;
    plan.stack.receive_pieces = 64;
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
  }
}

TEST(Transfers, EveryConnectionByASynCookie) {  // RFC 4987, on a link that loses and doubles
  std::uint64_t accepted = 0;
  std::uint64_t resets = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    TransferPlan plan = rough_plan(seed, 100);
    plan.transfers.keepalive = true;  // a lost ACK leaves the peer with half a connection
    plan.stack.tcp.keepalive_idle = 60s;
    plan.stack.tcp.keepalive_interval = 10s;
    plan.transfers.may_fail = true;
    plan.transfers.may_repeat = true;
    plan.stack.tcp.syn_cookies = tcp::SynCookieUse::always;
    const TransferReport report = run(plan);
    EXPECT_TRUE(report.ok()) << told(plan, report);
    accepted += count_of(report, "tcp_syn_cookies_accepted");
    resets += count_of(report, "tcp_resets_sent");
  }
  // Lost for good is only who hears nothing of a lost ACK, for it waits for the other to speak.
  EXPECT_GT(accepted, 3'950u);
  EXPECT_LT(resets, 100u) << "text that overtakes the ACK is none of a stranger";
}

}  // namespace
}  // namespace pollux::world
