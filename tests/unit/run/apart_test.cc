// Connections beside the load: those that are held and those beside SYNs are told apart from it.

#include <gtest/gtest.h>

#include "generator_world.h"

namespace pollux::load {
namespace {

class Apart : public GeneratorTest {
 protected:
  static cli::ClientOptions beside_held(std::uint32_t held) {
    auto options = to_server();
    options.held = held;
    return options;
  }
  /// What the programs do before a run.
  void open_held() {
    for (int ms = 0; !generator_->ready() && ms < 60'000; ms += 100) run_for(100ms);
    ASSERT_TRUE(generator_->ready());
    run_for(100ms);
    responder_->restart(world_.now());
    generator_->restart(world_.now());
  }
};

TEST_F(Apart, WhatIsHeldIsOpenBeforeTheLoadBegins) {
  start(beside_held(3'000));
  open_held();
  EXPECT_EQ(tally().held, 3'000u);
  EXPECT_EQ(client_->connections_in_use(), 3'000u);
  EXPECT_EQ(server_->connections_in_use(), 3'000u);
  EXPECT_EQ(client_->counters()[Event::tcp_retransmitted], 0u);
  // SYN, SYN,ACK, ACK, and no word more; some frames are ARP's.
  EXPECT_EQ(client_->counters()[Event::tcp_segments_sent], 6'000u);
  EXPECT_EQ(client_->counters()[Event::tcp_segments_received], 3'000u);
  EXPECT_EQ(tally().live, 0u);
}

TEST_F(Apart, WhatIsHeldStaysAndIsNotCounted) {
  start(beside_held(1'000));
  open_held();
  run_for(100ms);
  measure_for(1s);
  run_for(100ms);
  EXPECT_TRUE(generator_->idle());
  stop();
  EXPECT_GT(tally().completed, 1'000u);
  EXPECT_EQ(tally().completed, tally().attempted);
  EXPECT_EQ(tally().requests_answered, tally().completed);
  EXPECT_EQ(tally().peak_open, 16u);
  EXPECT_EQ(tally().open_from_warmup, 0u);
  EXPECT_EQ(tally().held, 1'000u) << "open until the end";
  EXPECT_EQ(tally().held_lost, 0u);
  expect_balanced(tally());
}

TEST_F(Apart, WhatIsHeldIsOpenedAFewAtATime) {
  start(beside_held(5'000), {.delay = 10ms});
  run_for(100ms);
  for (int ms = 0; !generator_->ready() && ms < 10'000; ++ms) {
    run_for(1ms);
    EXPECT_LE(client_->connections_in_use() - tally().held, Generator::opening);
  }
  EXPECT_TRUE(generator_->ready());
}

TEST_F(Apart, AConnectionThatIsHeldAndEndsIsLost) {
  start(beside_held(100));
  open_held();
  generator_->begin_measuring(world_.now());
  server_->stop(world_.now());  // which resets all
  run_for(100ms);
  EXPECT_EQ(tally().held, 0u);
  EXPECT_EQ(tally().held_lost, 100u);
}

TEST_F(Apart, WhatCannotBeOpenedSaysWhy) {
  start(beside_held(10), {.delay = 1ms}, 81);
  run_for(500ms);
  EXPECT_FALSE(generator_->ready());
  EXPECT_EQ(generator_->held_trouble(), "refused");
  EXPECT_EQ(tally().held, 0u);
  EXPECT_EQ(tally().held_lost, 0u);
}

TEST_F(Apart, ConnectionsBesideSynsAreWhole) {
  auto options = to_server();
  options.cps = 20'000;
  options.syn_only = true;
  options.beside = 200;
  start(options);
  run_for(100ms);
  measure_for(1s);
  run_for(200ms);
  EXPECT_TRUE(generator_->idle());
  stop();
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().beside_attempted}), 200, 2);
  EXPECT_EQ(tally().beside_completed, tally().beside_attempted);
  EXPECT_EQ(tally().beside_failed, 0u);
  EXPECT_EQ(tally().beside_connect.count(), tally().beside_attempted);
  EXPECT_GE(tally().beside_connect.min(), 2'000'000u);
  // SYNs ask for nothing; one may have been opened before the measured time, and have asked in it.
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().requests_answered}), 200, 3);
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().attempted}), 20'000, 20);
  EXPECT_EQ(tally().completed, tally().attempted) << "of SYNs alone";
  EXPECT_EQ(tally().failed, 0u);
  expect_balanced(tally());
}

TEST_F(Apart, ConnectionsBesideSynsThatFailAreToldApartToo) {
  auto options = to_server();
  options.cps = 1'000;
  options.syn_only = true;
  options.beside = 100;
  start(options, {.delay = 1ms}, 81);
  run_for(100ms);
  measure_for(1s);
  run_for(200ms);
  stop();
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().beside_attempted}), 100, 2);
  EXPECT_EQ(tally().beside_failed, tally().beside_attempted);
  EXPECT_EQ(tally().refused, tally().attempted) << "of SYNs alone";
  expect_balanced(tally());
}

TEST_F(Apart, AHoldOpensNoMoreAtOnceThanALinkTakes) {
  start(holding(5'000, 100s), {.delay = 10ms});
  run_for(100ms);
  for (int ms = 0; ms < 400; ++ms) {
    run_for(1ms);
    EXPECT_LE(client_->connections_in_use() - tally().live_established, Generator::opening);
  }
  EXPECT_EQ(tally().live_established, 5'000u);
}

}  // namespace
}  // namespace pollux::load
