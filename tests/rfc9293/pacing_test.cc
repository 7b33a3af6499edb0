// What a large window has room for leaves spread over the round trip (RFC 9002 s.7.7). More of it
// is in tests/packetdrill/scripts/pacing and tests/world/pacing_test.cc.

#include <gtest/gtest.h>

#include "tests/script.h"

namespace pollux::test {
namespace {

/// A handshake that has taken 100 ms, and an initial window of two segments.
Setup paced(bool sack = true) {
  Setup setup{.peer_sack = sack, .round_trip = 100ms};
  setup.config.pacing = tcp::Pacing::automatic;
  setup.config.initial_window = 2;
  return setup;
}

Seg ack(SeqNum ack) { return {.seq = 1_seq, .ack = ack}; }

auto cwnd_is(std::uint32_t bytes) {
  return [=](const Tcb& tcb) { EXPECT_EQ(tcb.cwnd, bytes); };
}
auto limited(bool is) {
  return [=](const Tcb& tcb) { EXPECT_EQ(tcb.cwnd_limited != 0, is); };
}

TEST(Pacing, AnInitialWindowNeedsNeitherTimerNorMemory) {
  Script::established(paced())
      .writes(2000)
      .sends_full(2, 1_seq, 1_seq)
      .flights(0)
      .check([](const Tcb& tcb) { EXPECT_FALSE(tcb.paced); });
}

TEST(Pacing, SlowStartSendsTwoWindowsInARoundTrip) {
  for (const bool sack : {true, false}) {
    Script::established(paced(sack))
        .writes(8000)
        .sends_full(2, 1_seq, 1_seq)
        .at(100ms)
        .arrives(ack(1001_seq))
        .sends_full(2, 2001_seq, 1_seq)  // of 3, one each 16.7 ms
        .arrives(ack(2001_seq))          // and of 4, one each 12.5 ms
        .sends_nothing()
        .at(131ms)
        .sends_nothing()
        .at(133ms)
        .sends_full(2, 4001_seq, 1_seq)
        .flights(1);
  }
}

TEST(Pacing, OneAckOfAllDoublesAnyWindow) {  // RFC 9406 s.4.3: L is infinite for who paces
  auto setup = paced();
  setup.config.initial_window = 15;
  setup.peer_scale = 2;
  Script::established(setup)
      .writes(70'000)
      .sends_full(15, 1_seq, 1_seq)
      .at(100ms)
      .arrives(ack(15'001_seq))
      .check(cwnd_is(25'000))  // who does not pace yet: by ten segments
      .sends_full(15, 15'001_seq, 1_seq)
      .at(104ms)
      .sends_full(2, 30'001_seq, 1_seq)
      .at(108ms)
      .sends_full(2, 32'001_seq, 1_seq)
      .at(112ms)
      .sends_full(2, 34'001_seq, 1_seq)
      .at(116ms)
      .sends_full(2, 36'001_seq, 1_seq)
      .at(120ms)
      .sends_full(2, 38'001_seq, 1_seq)
      .at(200ms)
      .arrives(ack(40'001_seq))
      .check(cwnd_is(50'000))
      .sends_full(15, 40'001_seq, 1_seq);
}

TEST(Pacing, AWindowThatWaitsIsAWindowThatIsUsed) {
  Script::established(paced())
      .writes(8000)
      .sends_full(2, 1_seq, 1_seq)
      .at(100ms)
      .arrives(ack(1001_seq))
      .sends_full(2, 2001_seq, 1_seq)
      .arrives(ack(2001_seq))
      .check(limited(true));  // four more are queued, for which there is room for two
  Script::established(paced())
      .writes(5000)
      .sends_full(2, 1_seq, 1_seq)
      .at(100ms)
      .arrives(ack(1001_seq))
      .sends_full(2, 2001_seq, 1_seq)
      .arrives(ack(2001_seq))
      .sends_nothing()
      .check(limited(false))  // the last of all waits
      .at(133ms)
      .sends_full(1, 4001_seq, 1_seq);
}

TEST(Pacing, NothingInFlightMeansNothingToWaitFor) {
  Script::established(paced())
      .writes(6000)
      .sends_full(2, 1_seq, 1_seq)
      .at(100ms)
      .arrives(ack(1001_seq))
      .sends_full(2, 2001_seq, 1_seq)
      .at(101ms)
      .arrives(ack(4001_seq))
      .sends_full(2, 4001_seq, 1_seq);
}

TEST(Pacing, AnAckDoesNotWaitForText) {
  Script::established(paced())
      .writes(6000)
      .sends_full(2, 1_seq, 1_seq)
      .at(100ms)
      .arrives(ack(1001_seq))
      .sends_full(2, 2001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 2001_seq, .text = 1000})
      .arrives({.seq = 1001_seq, .ack = 2001_seq, .text = 1000})
      .sends({.seq = 4001_seq, .ack = 2001_seq})
      .at(133ms)
      .sends_full(2, 4001_seq, 2001_seq);
}

TEST(Pacing, IsOffWithoutMemoryForIt) {
  auto setup = paced();
  setup.flights = 0;
  Script::established(setup)
      .writes(8000)
      .sends_full(2, 1_seq, 1_seq)
      .at(100ms)
      .arrives(ack(2001_seq))
      .sends_full(4, 2001_seq, 1_seq);
}

TEST(Pacing, IsOffWhereARoundTripIsAFewTicks) {
  for (const bool longer : {false, true}) {
    auto setup = paced();
    setup.round_trip = longer ? 4ms : 3ms;
    Script::established(setup)
        .writes(8000)
        .sends_full(2, 1_seq, 1_seq)
        .at(setup.round_trip)
        .arrives(ack(2001_seq))
        .sends_full(longer ? 2 : 4, 2001_seq, 1_seq);
  }
}

TEST(Pacing, AClosedWindowEndsTheWaiting) {
  Script::established(paced())
      .writes(8000)
      .sends_full(2, 1_seq, 1_seq)
      .at(100ms)
      .arrives(ack(1001_seq))
      .sends_full(2, 2001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 2001_seq, .window = 2000})
      .at(150ms)
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 4001_seq, .window = 4000})
      .sends_full(2, 4001_seq, 1_seq);
}

}  // namespace
}  // namespace pollux::test
