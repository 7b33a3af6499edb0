#include <gtest/gtest.h>

#include "../script.h"
#include "transport/tcp/listener.h"

namespace pollux::test {
namespace {

using namespace std::chrono_literals;

const Setup agreed{.peer_timestamp = 500};

/// A peer's stamp; our echo is looked at.
constexpr wire::Timestamps stamp(std::uint32_t value, std::uint32_t echo = 0) {
  return {value, echo};
}
constexpr wire::Timestamps echoes(std::uint32_t value) { return {0, value}; }

TEST(Timestamps, HoldWhereBothSynsHaveThem) {  // RFC 7323 s.3.2
  Script::established(agreed).check([](const Tcb& tcb) {
    EXPECT_TRUE(tcb.timestamps);
    EXPECT_EQ(tcb.mss, 988u);  // RFC 6691 s.2: the option takes 12 bytes of a segment's text
  });
  Script::established().check([](const Tcb& tcb) { EXPECT_FALSE(tcb.timestamps); });
  auto off = agreed;
  off.config.timestamps = false;
  Script::established(off).check([](const Tcb& tcb) { EXPECT_FALSE(tcb.timestamps); });
}

TEST(Timestamps, AreInEverySegmentThen) {
  Script::passive(agreed)
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn, .timestamps = echoes(500)})
      .arrives({.seq = 1_seq, .ack = 1_seq, .timestamps = stamp(600)})
      .opened()
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10, .timestamps = echoes(600)});
}

TEST(Timestamps, AreInOurResetsToo) {  // RFC 7323 s.3.2
  Script::established(agreed)
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10, .timestamps = stamp(600)})
      .aborts()
      .sends({.seq = 1_seq, .ack = 11_seq, .control = rst, .timestamps = echoes(600)});
}

TEST(Timestamps, EchoTheFirstThatIsNotAcknowledged) {  // RFC 7323 s.4.3
  Script::established(agreed)
      .hold()
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10, .timestamps = stamp(510)})
      .arrives({.seq = 11_seq, .ack = 1_seq, .text = 10, .timestamps = stamp(520)})
      .flush()
      .sends({.seq = 1_seq, .ack = 21_seq, .timestamps = echoes(510)})
      .arrives({.seq = 21_seq, .ack = 1_seq, .timestamps = stamp(530)})
      .writes(1)
      .sends({.seq = 1_seq, .ack = 21_seq, .text = 1, .timestamps = echoes(530)});
}

TEST(Timestamps, EchoNothingFromPastAGap) {
  Script::established(agreed)
      .arrives({.seq = 11_seq, .ack = 1_seq, .text = 10, .timestamps = stamp(520)})
      .sends({.seq = 1_seq, .ack = 1_seq, .timestamps = echoes(500)});
}

TEST(Timestamps, ProtectFromOldSegments) {  // RFC 7323 s.5.3
  Script::established(agreed)
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10, .timestamps = stamp(499)})
      .drops(Drop::tcp_paws)
      .sends({.seq = 1_seq, .ack = 1_seq, .timestamps = echoes(500)})
      .readable(0)
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10, .timestamps = stamp(500)})
      .drops(Drop::none)
      .readable(10);
}

TEST(Timestamps, TimeNothingThatWasSentOnce) {  // one sample a round trip, in microseconds
  Script::established(agreed)
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.srtt_8 / 8, 1u); })
      .writes(2'000)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 988})
      .sends({.seq = 989_seq, .ack = 1_seq, .text = 988})
      .at(100ms)
      .arrives({.seq = 1_seq, .ack = 989_seq, .timestamps = stamp(600)})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.srtt_8 / 8, 12'500u); })
      .arrives({.seq = 1_seq, .ack = 1'977_seq, .timestamps = stamp(600)})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.srtt_8 / 8, 12'500u); })
      .sends({.seq = 1'977_seq, .ack = 1_seq, .text = 24});
}

TEST(Timestamps, AnswerThePeersInTimeWait) {
  Script::established(agreed)
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin, .timestamps = stamp(600)})
      .sends({.seq = 2_seq, .ack = 2_seq, .timestamps = echoes(600)})
      .state(State::time_wait)
      .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin, .timestamps = stamp(700)})
      .sends({.seq = 2_seq, .ack = 2_seq, .timestamps = echoes(700)});
}

TEST(Timestamps, AreNotOfferedWhereThereIsNoRoom) {
  auto setup = agreed;
  setup.config.mss = 48;
  Script::established(setup).check([](const Tcb& tcb) { EXPECT_FALSE(tcb.timestamps); });
  setup.config.mss = 60;
  Script::established(setup).check([](const Tcb& tcb) {
    EXPECT_TRUE(tcb.timestamps);
    EXPECT_EQ(tcb.mss, 48);
  });
}

TEST(Timestamps, CompareAsNumbersThatGoRound) {
  auto setup = agreed;
  setup.peer_timestamp = 0xFFFF'FFF0;
  Script::established(setup)
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10, .timestamps = stamp(5)})
      .drops(Drop::none)
      .readable(10);
}

TEST(Timestamps, DoNotSaveAnOldReset) {
  Script::established(agreed)
      .arrives({.seq = 1_seq, .control = rst, .timestamps = stamp(1)})
      .ends(Cause::reset);
}

TEST(Timestamps, MayBeMissing) {
  Script::established(agreed)
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .drops(Drop::none)
      .readable(10);
}

TEST(Timestamps, OfLongAgoSayNothing) {  // RFC 7323 s.5.5
  Script::established(agreed)
      .at(24h * 25)
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10, .timestamps = stamp(499)})
      .drops(Drop::none)
      .readable(10);
}

TEST(Timestamps, AreNotTakenFromAnAckOfWhatWasNeverSent) {
  Script::established(agreed)
      .arrives({.seq = 1_seq, .ack = 1'000_seq, .timestamps = stamp(900)})
      .drops(Drop::tcp_bad_ack)
      .sends({.seq = 1_seq, .ack = 1_seq, .timestamps = echoes(500)});
}

TEST(Timestamps, TimeWhatWasSentAgain) {  // RFC 7323 s.4.1; without them Karn's rule forbids it
  const Instant start = Instant{} + 3s;
  const auto stamp_of = [](Instant when) { return Millis32{when}.raw(); };
  const tcp::Config config;
  auto pool = *tcp::FlightPool::make(1);
  Segment request;
  request.control = syn;
  request.options.timestamps = stamp(500);
  tcp::HalfOpen half = tcp::make_half_open(config, {}, request, SeqNum{100}, 0, start);
  EXPECT_TRUE(tcp::syn_ack_again(half, config).options.timestamps);
  Tcb tcb = tcp::accept(half, config, start);
  const auto hear = [&](SeqNum ack, Instant now, Instant echo) {
    Segment segment;
    segment.seq = SeqNum{1};
    segment.ack = ack;
    segment.control = wire::control::ack;
    segment.window = 1'000;
    segment.options.timestamps = stamp(600, stamp_of(echo));
    return tcp::segment_arrives(tcb, config, segment, pool, now);
  };
  EXPECT_TRUE(hear(SeqNum{101}, start + 40ms, start).established);
  EXPECT_EQ(tcb.srtt_8 / 8, 40'000u);

  tcp::send(tcb, 10);
  Segment out;
  EXPECT_NE(tcp::next_segment(tcb, config, pool, start + 1s, out), tcp::Emit::none);
  static_cast<void>(tcp::timeout(tcb, config, pool, start + 2s));
  EXPECT_NE(tcp::next_segment(tcb, config, pool, start + 2s, out), tcp::Emit::none);
  EXPECT_EQ(out.seq, SeqNum{101});
  EXPECT_EQ(tcb.backoff, 1);
  EXPECT_TRUE(hear(SeqNum{111}, start + 2s + 120ms, start + 2s).acknowledged);
  EXPECT_EQ(tcb.srtt_8 / 8, 50'000u);  // 7/8 of 40 ms and 1/8 of 120 ms
  EXPECT_EQ(tcb.backoff, 0);

  // An echo from the future says nothing.
  tcp::send(tcb, 10);
  EXPECT_NE(tcp::next_segment(tcb, config, pool, start + 3s, out), tcp::Emit::none);
  static_cast<void>(tcp::timeout(tcb, config, pool, start + 5s));
  EXPECT_NE(tcp::next_segment(tcb, config, pool, start + 5s, out), tcp::Emit::none);
  EXPECT_TRUE(hear(SeqNum{121}, start + 6s, start + 7s).acknowledged);
  EXPECT_EQ(tcb.srtt_8 / 8, 50'000u);
}

}  // namespace
}  // namespace pollux::test
