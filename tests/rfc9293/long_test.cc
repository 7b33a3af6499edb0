// A connection outlives its sequence numbers: they go round, and what it began with is then nothing
// to compare with (RFC 9293 s.3.4).

#include <gtest/gtest.h>

#include <string>

#include "transport/tcp/invariants.h"
#include "transport/tcp/tcp.h"

namespace pollux::tcp {
namespace {

constexpr std::uint32_t step = 50'000;
constexpr std::uint64_t enough = (std::uint64_t{1} << 33) + 10 * step;

struct LongRun {
  Config config{.mss = step};
  FlightPool pool{*FlightPool::make(1)};
  Instant now = Instant{} + 1000s;
  Tcb tcb = open_active(config, SeqNum{0x1234'5678}, now);
  SeqNum peer{0xFFFF'0000};  // what the peer sends next
  Segment out;

  Segment from_peer(std::uint32_t text) {
    Segment segment;
    segment.seq = peer;
    segment.ack = tcb.snd_nxt;
    segment.control = control::ack;
    segment.window = 60'000;
    segment.text = text;
    peer += text;
    return segment;
  }

  bool emit(std::uint32_t text) {
    return next_segment(tcb, config, pool, now, out) != Emit::none && out.text == text;
  }

  void open() {
    ASSERT_TRUE(emit(0));
    Segment segment = from_peer(0);
    segment.control |= control::syn;
    segment.options.mss = step;
    peer += 1;
    EXPECT_TRUE(segment_arrives(tcb, config, segment, pool, now).established);
    ASSERT_TRUE(emit(0));
  }

  std::string broken() const { return std::string(check(tcb)); }
};

TEST(LongConversation, SendingGoesOnPastFourGigabytes) {
  LongRun run;
  run.open();
  for (std::uint64_t sent = 0; sent < enough; sent += step) {
    send(run.tcb, step);
    ASSERT_TRUE(run.emit(step)) << sent;
    ASSERT_EQ(run.broken(), "") << sent;
    ASSERT_TRUE(
        segment_arrives(run.tcb, run.config, run.from_peer(0), run.pool, run.now).acknowledged)
        << sent;
    ASSERT_EQ(run.broken(), "") << sent;
  }
  EXPECT_FALSE(run.tcb.has_deadline());
}

TEST(LongConversation, ReceivingGoesOnPastFourGigabytes) {
  LongRun run;
  run.open();
  for (std::uint64_t received = 0; received < enough; received += step) {
    ASSERT_TRUE(
        segment_arrives(run.tcb, run.config, run.from_peer(step), run.pool, run.now).readable)
        << received;
    ASSERT_EQ(run.broken(), "") << received;
    static_cast<void>(receive(run.tcb, run.config, step));
    if (run.tcb.ack_now) {
      ASSERT_TRUE(run.emit(0)) << received;
    }
    ASSERT_EQ(run.broken(), "") << received;
  }
}

TEST(LongConversation, OfOurTextAloneDoesNotMakeThePeersNumbersOld) {
  LongRun run;
  run.open();
  for (std::uint64_t sent = 0; sent < enough; sent += step) {
    send(run.tcb, step);
    ASSERT_TRUE(run.emit(step)) << sent;
    static_cast<void>(segment_arrives(run.tcb, run.config, run.from_peer(0), run.pool, run.now));
  }
  EXPECT_TRUE(segment_arrives(run.tcb, run.config, run.from_peer(100), run.pool, run.now).readable);
  EXPECT_EQ(run.broken(), "");
}

}  // namespace
}  // namespace pollux::tcp
