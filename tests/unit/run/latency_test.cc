// Latency without a machine that stalls: generator and responder in virtual time, where whatever is
// beyond the cable's own time is the stack's doing. Nothing may wait for a timer, a full burst or a
// second segment; a connection that did would be milliseconds late, here and on a card.

#include <gtest/gtest.h>

#include "generator_world.h"

namespace pollux::load {
namespace {

class Latency : public GeneratorTest {
 protected:
  static constexpr Duration delay = 5us;
  static constexpr Duration step = 2us;  // how often an idle generator looks at the time

  void measure(std::uint64_t rate, Duration time) {
    auto options = to_server();
    options.cps = rate;
    start(options, {.bits_per_second = 10'000'000'000, .delay = delay});
    run_for(50ms);
    responder_->begin_measuring(world_.now());
    generator_->begin_measuring(world_.now());
    for (const Instant end = world_.now() + time; world_.now() < end;) {
      ASSERT_TRUE(world_.run_for(step));
    }
    generator_->wind_down(world_.now());
    responder_->wind_down(world_.now());
    run_for(5ms);
    stop();
  }
  static std::uint64_t ns(Duration time) { return static_cast<std::uint64_t>(time.count()); }
};

TEST_F(Latency, AConnectionTakesARoundTripOfTheCable) {
  constexpr std::uint64_t rate = 200'000;
  measure(rate, 100ms);
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().attempted}), rate / 10.0, 20);
  EXPECT_EQ(tally().completed, tally().attempted);
  EXPECT_EQ(tally().failed, 0u);
  EXPECT_EQ(client_->counters()[Event::tcp_retransmitted], 0u);
  EXPECT_EQ(server_->counters()[Event::tcp_retransmitted], 0u);
  // There and back, a look at the time late, and 2 us for the bits of some frames in one direction.
  constexpr Duration most = 2 * delay + step + 2us;
  for (const Histogram* const clock : {&tally().connect, &tally().first_byte, &tally().close}) {
    EXPECT_GE(clock->count(), tally().completed);  // requests on connections of before
    EXPECT_LT(clock->percentile(99), ns(100us));
    EXPECT_LE(clock->max(), ns(most));
  }
  EXPECT_GE(tally().connect.min(), ns(2 * delay));
  EXPECT_GE(tally().first_byte.min(), ns(2 * delay));
}

TEST_F(Latency, ManyInOneBurstWaitForNothingEither) {
  // 64 SYNs come in one frame's time; what they take is the time of their bits.
  auto options = to_server();
  options.concurrency = 64;
  start(options, {.bits_per_second = 10'000'000'000, .delay = delay});
  run_for(2ms);
  generator_->begin_measuring(world_.now());
  for (const Instant end = world_.now() + 5ms; world_.now() < end;) {
    ASSERT_TRUE(world_.run_for(step));
  }
  generator_->wind_down(world_.now());
  run_for(5ms);
  stop();
  EXPECT_GT(tally().completed, 5'000u);
  EXPECT_LT(tally().connect.max(), ns(100us));
  EXPECT_LT(tally().first_byte.max(), ns(100us));
}

}  // namespace
}  // namespace pollux::load
