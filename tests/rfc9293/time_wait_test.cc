// RFC 9293 s.3.6.1 and 3.10.7.4 for TIME-WAIT, and the queue that holds its entries.

#include "transport/tcp/time_wait.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <ratio>
#include <vector>

#include "base/prng.h"
#include "tests/rfc9293/reach.h"
#include "tests/script.h"

namespace pollux::test {
namespace {

TEST(TimeWait, RepeatedFinIsAcknowledgedAndTheWaitBeginsAgain) {  // 3.10.7.4, eighth
  Script script = Script::established();
  reach(script, State::time_wait);
  script.at(30s)
      .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin})
      .sends({.seq = 2_seq, .ack = 2_seq})
      .at(90s - 1ms)
      .state(State::time_wait)
      .at(90s)
      .state(State::closed);
}

TEST(TimeWait, RepeatedFinWithItsTextToo) {
  Script::established()
      .shuts_down()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin, .text = 100})
      .sends({.seq = 2_seq, .ack = 102_seq})
      .state(State::time_wait)
      .at(59s)
      .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin, .text = 100})
      .sends({.seq = 2_seq, .ack = 102_seq})
      .at(118s)
      .state(State::time_wait);
}

TEST(TimeWait, ANewSynReopens) {  // MAY-2; RFC 1122 s.4.2.2.13
  Script script = Script::established();
  reach(script, State::time_wait);
  script.arrives({.seq = 3_seq, .control = syn})
      .state(State::syn_received)
      .sends({.seq = 0_seq, .ack = 4_seq, .control = syn});
}

TEST(TimeWait, AnOldSynDoesNot) {
  for (const SeqNum seq : {0_seq, 2_seq}) {
    Script script = Script::established();
    reach(script, State::time_wait);
    script.arrives({.seq = seq, .control = syn})
        .drops(Drop::tcp_unexpected_syn)
        .sends({.seq = 2_seq, .ack = 2_seq})
        .state(State::time_wait);
  }
}

TEST(TimeWait, ResetIsIgnored) {  // RFC 1337
  Script script = Script::established();
  reach(script, State::time_wait);
  script.arrives({.seq = 2_seq, .control = rst})
      .sends_nothing()
      .at(60s - 1ms)
      .state(State::time_wait);
}

TEST(TimeWait, ResetThatAnswersAChallengeEndsTheWait) {  // figure 9
  Script script = Script::established();
  reach(script, State::time_wait);
  script.arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 2_seq, .ack = 2_seq})
      .arrives({.seq = 3_seq, .control = rst})  // not the exact number
      .drops(Drop::tcp_bad_reset)
      .state(State::time_wait)
      .arrives({.seq = 2_seq, .control = rst})
      .drops(Drop::none)
      .state(State::closed);
}

TEST(TimeWait, ResetThatAnswersAnotherAcknowledgmentDoesNot) {  // RFC 1337
  Script script = Script::established();
  reach(script, State::time_wait);
  script.arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 2_seq, .ack = 2_seq})
      .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin})
      .sends({.seq = 2_seq, .ack = 2_seq})
      .arrives({.seq = 2_seq, .control = rst})
      .drops(Drop::tcp_bad_reset)
      .state(State::time_wait);
}

TEST(TimeWait, AnAckIsNotAnswered) {  // else two ends in TIME-WAIT would never stop
  Script script = Script::established();
  reach(script, State::time_wait);
  script.arrives({.seq = 2_seq, .ack = 2_seq}).sends_nothing();
}

TEST(TimeWait, TextIsAcknowledgedEachTime) {  // its sender may not have heard our ACK
  Script script = Script::established();
  reach(script, State::time_wait);
  for (int i = 0; i < 3; ++i) {
    script.arrives({.seq = 2_seq, .ack = 2_seq, .text = 10})
        .drops(Drop::tcp_bad_sequence)
        .sends({.seq = 2_seq, .ack = 2_seq});
  }
}

TEST(TimeWait, ChallengesAreFewAndFinsAreAlwaysAnswered) {  // RFC 5961 s.7
  Script script = Script::established();
  reach(script, State::time_wait);
  script.arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 2_seq, .ack = 2_seq})
      .arrives({.seq = 0_seq, .control = syn})
      .drops(Drop::tcp_unexpected_syn)
      .sends_nothing()
      .arrives({.seq = 9_seq, .ack = 2_seq})
      .drops(Drop::tcp_bad_sequence)
      .sends_nothing()
      .arrives({.seq = 2_seq, .ack = 3_seq})
      .drops(Drop::tcp_bad_ack)
      .sends_nothing();
  for (int i = 0; i < 3; ++i) {
    script.arrives({.seq = 1_seq, .ack = 2_seq, .control = fin})
        .sends({.seq = 2_seq, .ack = 2_seq});
  }
  script.at(512ms).arrives({.seq = 9_seq, .ack = 2_seq}).sends({.seq = 2_seq, .ack = 2_seq});
}

// --- with timestamps ---

/// TIME-WAIT whose last timestamp of the peer's is 600.
struct Stamped {
  Script script = Script::established({.peer_timestamp = 500});
  Stamped() {
    script.shuts_down()
        .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
        .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin, .timestamps = stamp(600)})
        .sends({.seq = 2_seq, .ack = 2_seq, .timestamps = echo(600)})
        .state(State::time_wait);
  }
  static wire::Timestamps stamp(std::uint32_t value) { return {value, 0}; }
  static wire::Timestamps echo(std::uint32_t value) { return {0, value}; }
};

TEST(TimeWait, SegmentsWithOlderTimestampsAreRefused) {  // RFC 7323 s.5.3
  Stamped stamped;
  stamped.script
      .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin, .timestamps = Stamped::stamp(599)})
      .drops(Drop::tcp_paws)
      .sends({.seq = 2_seq, .ack = 2_seq, .timestamps = Stamped::echo(600)})
      .arrives({.seq = 2_seq, .ack = 2_seq, .timestamps = Stamped::stamp(599)})
      .drops(Drop::tcp_paws)
      .sends_nothing()
      .at(60s)
      .state(State::closed);  // the old FIN did not begin the wait anew
}

TEST(TimeWait, RemembersTheLatestTimestamp) {  // RFC 7323 s.4.3
  Stamped stamped;
  stamped.script.arrives({.seq = 2_seq, .ack = 2_seq, .timestamps = Stamped::stamp(700)})
      .drops(Drop::none)
      .arrives({.seq = 2_seq, .ack = 3_seq, .timestamps = Stamped::stamp(900)})
      .drops(Drop::tcp_bad_ack)
      .sends({.seq = 2_seq, .ack = 2_seq, .timestamps = Stamped::echo(700)})
      .arrives({.seq = 1_seq, .ack = 2_seq, .control = fin, .timestamps = Stamped::stamp(800)})
      .sends({.seq = 2_seq, .ack = 2_seq, .timestamps = Stamped::echo(800)})
      .at(60s - 1ms)
      .state(State::time_wait);
}

TEST(TimeWait, ASegmentWithoutATimestampGoesByItsNumber) {  // decision 0023
  Stamped stamped;
  stamped.script.arrives({.seq = 1_seq, .ack = 2_seq, .control = fin})
      .drops(Drop::tcp_bad_sequence)
      .sends({.seq = 2_seq, .ack = 2_seq, .timestamps = Stamped::echo(600)});
}

TEST(TimeWait, ALaterTimestampReopensWhateverTheNumber) {  // RFC 6191 s.2, SHLD-4
  for (const SeqNum seq : {0_seq, 2_seq, 3_seq, SeqNum{0x8000'0000}}) {
    Stamped stamped;
    stamped.script.arrives({.seq = seq, .control = syn, .timestamps = Stamped::stamp(601)})
        .state(State::syn_received)
        .sends({.seq = 0_seq, .ack = seq + 1, .control = syn, .timestamps = Stamped::echo(601)});
  }
}

TEST(TimeWait, AnEqualTimestampReopensByTheNumber) {  // RFC 6191 s.2
  Stamped low;
  low.script.arrives({.seq = 2_seq, .control = syn, .timestamps = Stamped::stamp(600)})
      .drops(Drop::tcp_unexpected_syn)
      .sends({.seq = 2_seq, .ack = 2_seq})
      .state(State::time_wait);
  Stamped high;
  high.script.arrives({.seq = 3_seq, .control = syn, .timestamps = Stamped::stamp(600)})
      .sends({.seq = 0_seq, .ack = 4_seq, .control = syn});
}

TEST(TimeWait, AnEarlierTimestampDoesNotReopen) {  // RFC 6191 s.2
  Stamped stamped;
  stamped.script.arrives({.seq = 3_seq, .control = syn, .timestamps = Stamped::stamp(599)})
      .drops(Drop::tcp_paws)
      .sends({.seq = 2_seq, .ack = 2_seq, .timestamps = Stamped::echo(600)})
      .state(State::time_wait)
      .arrives({.seq = 2_seq, .control = rst})  // decision 0005
      .state(State::closed);
}

TEST(TimeWait, WithTimestampsOnOneSideOnlyTheNumberDecides) {  // decision 0024
  Script without = Script::established();
  reach(without, State::time_wait);
  without.arrives({.seq = 2_seq, .control = syn, .timestamps = Stamped::stamp(601)})
      .drops(Drop::tcp_unexpected_syn)
      .sends({.seq = 2_seq, .ack = 2_seq})
      .state(State::time_wait);
  tcp::Config config;
  auto queue = *tcp::TimeWaitQueue::make(1);
  Tcb tcb;
  tcb.timestamps = true;
  tcb.ts_recent = 600;
  tcb.rcv_nxt = SeqNum{2};
  const Instant now = Instant{} + 5s;
  const auto index = queue.insert(tcp::make_time_wait(tcb, {}, config, now), [](auto, auto&) {});
  Segment request;
  request.control = syn;
  request.seq = SeqNum{2};
  using Action = tcp::TimeWaitVerdict::Action;
  EXPECT_EQ(queue.segment_arrives(index, request, config, now).action, Action::acknowledge);
  request.seq = SeqNum{3};
  EXPECT_EQ(queue.segment_arrives(index, request, config, now).action, Action::reopen);
}

// --- the queue ---

using tcp::TimeWaitQueue;

tcp::TimeWait entry(std::uint16_t port, Instant now, const tcp::Config& config) {
  wire::FourTuple tuple;
  tuple.remote_port = port;
  return tcp::make_time_wait(Tcb{}, tuple, config, now);
}

TEST(TimeWaitQueue, ExpiresInOrder) {
  const tcp::Config config;
  auto queue = *TimeWaitQueue::make(10);
  EXPECT_FALSE(queue.next_deadline(Instant{}));
  const auto nobody = [](std::uint32_t, const tcp::TimeWait&) { ADD_FAILURE(); };
  for (std::uint16_t port = 1; port <= 3; ++port) {
    const Instant now = Instant{} + port * 1s;
    EXPECT_NE(queue.insert(entry(port, now, config), nobody), TimeWaitQueue::none);
  }
  EXPECT_EQ(queue.next_deadline(Instant{} + 3s), Instant{} + 61s);
  EXPECT_EQ(queue.next_deadline(Instant{} + 5min), Instant{} + 61s) << "long overdue";
  std::vector<std::uint16_t> gone;
  const auto note = [&](std::uint32_t, const tcp::TimeWait& e) {
    gone.push_back(e.tuple.remote_port);
  };
  queue.expire(Instant{} + 61s - 1ms, note);
  EXPECT_TRUE(gone.empty());
  queue.expire(Instant{} + 62s, note);
  EXPECT_EQ(gone, (std::vector<std::uint16_t>{1, 2}));
  EXPECT_EQ(queue.size(), 1u);
  queue.expire(Instant{} + 400s, note);
  EXPECT_EQ(gone.back(), 3);
  EXPECT_FALSE(queue.next_deadline(Instant{}));
}

TEST(TimeWaitQueue, ADeadlineIsRoundedUpToATenthOfASecond) {
  tcp::Config config;
  for (const Duration msl : {0ms, 1ms, 50ms, 30'000ms, 600'000ms, 3'600'000ms}) {
    config.msl = msl;
    const Duration wait = std::min<Duration>(2 * msl, 20min);
    for (const Duration at : {Duration{0}, Duration{1}, Duration{99'999'999}, 1'638'399ms + 0ns,
                              Duration{1'234'567'890'123'456}, -Duration{1}}) {
      const Instant now = Instant{} + at;
      const Duration left = tcp::time_left(entry(1, now, config), now);
      EXPECT_GE(left, wait) << at.count();
      EXPECT_LT(left, wait + 100ms) << at.count();
      EXPECT_EQ(tcp::time_left(entry(1, now, config), now + wait + 100ms), left - wait - 100ms);
    }
  }
}

TEST(TimeWaitQueue, TheOldestGoesWhenItIsFull) {
  const tcp::Config config;
  auto queue = *TimeWaitQueue::make(2);
  std::vector<std::uint16_t> evicted;
  const auto note = [&](std::uint32_t index, const tcp::TimeWait& e) {
    EXPECT_EQ(queue[index].tuple.remote_port, e.tuple.remote_port);  // still there
    evicted.push_back(e.tuple.remote_port);
  };
  for (std::uint16_t port = 1; port <= 5; ++port) {
    EXPECT_NE(queue.insert(entry(port, Instant{}, config), note), TimeWaitQueue::none);
    EXPECT_LE(queue.size(), 2u);
  }
  EXPECT_EQ(evicted, (std::vector<std::uint16_t>{1, 2, 3}));
}

TEST(TimeWaitQueue, OfNoEntriesTakesNone) {
  TimeWaitQueue queue;
  EXPECT_EQ(queue.insert(entry(1, Instant{}, {}), [](std::uint32_t, const tcp::TimeWait&) {}),
            TimeWaitQueue::none);
}

TEST(TimeWaitQueue, AgreesWithAModel) {
  struct Model {
    std::uint16_t port;
    std::uint32_t index;
    Instant until;
  };
  const tcp::Config config;
  constexpr std::uint32_t capacity = 50;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Prng random{seed};
    auto queue = *TimeWaitQueue::make(capacity);
    std::vector<Model> model;
    // The deadlines come round several times.
    Instant now = Instant{} + std::chrono::milliseconds{0xFFFF'FFFF - 100'000};
    const auto until = [&] {  // the tenth of a second that follows
      return Instant{} + std::chrono::ceil<std::chrono::duration<std::int64_t, std::deci>>(
                             (now + 60s).time_since_epoch());
    };
    const auto expect_gone = [&](std::uint32_t index, const tcp::TimeWait& e) {
      ASSERT_FALSE(model.empty());
      EXPECT_EQ(model.front().index, index);
      EXPECT_EQ(model.front().port, e.tuple.remote_port);
      model.erase(model.begin());
    };
    for (int step = 0; step < 3000; ++step) {
      now += std::chrono::milliseconds{random.below(3000)};
      const auto due = [&] { return !model.empty() && model.front().until <= now; };
      switch (random.below(4)) {
        case 0:
        case 1: {
          const auto port = static_cast<std::uint16_t>(random.below(65536));
          const std::uint32_t index = queue.insert(entry(port, now, config), expect_gone);
          model.push_back({port, index, until()});
          break;
        }
        case 2: {
          if (model.empty()) break;
          const std::size_t i = random.below(model.size());
          Model moved = model[i];
          model.erase(model.begin() + static_cast<std::ptrdiff_t>(i));
          if (random.chance(0.5)) {
            queue.erase(moved.index);
          } else {
            Segment again;
            again.control = fin | wire::control::ack;
            again.seq = queue[moved.index].rcv_nxt - 1;
            EXPECT_EQ(queue.segment_arrives(moved.index, again, config, now).action,
                      tcp::TimeWaitVerdict::Action::acknowledge);
            moved.until = until();
            model.push_back(moved);
          }
          break;
        }
        case 3:
          queue.expire(now, expect_gone);
          EXPECT_FALSE(due());
          break;
      }
      ASSERT_EQ(queue.size(), model.size()) << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace pollux::test
