// listener.h by itself: what a half-open entry keeps, and the Tcb that it becomes. Its behaviour as
// SYN-RECEIVED is scripted in open_test.cc.

#include "transport/tcp/listener.h"

#include <gtest/gtest.h>

#include "transport/tcp/invariants.h"

namespace pollux::tcp {
namespace {

constexpr Instant start = Instant{} + 77s;

Segment a_syn() {
  Segment syn;
  syn.seq = SeqNum{0xFFFF'FFFF};
  syn.control = control::syn;
  syn.window = 4321;
  syn.options.mss = 1200;
  syn.options.window_scale = 5;
  return syn;
}

TEST(Listener, AnEntryKeepsWhatTheSynSaid) {
  const wire::FourTuple tuple{wire::Ipv4Address{10, 0, 0, 1}, wire::Ipv4Address{10, 0, 0, 2}, 80,
                              1234};
  const HalfOpen entry = make_half_open({}, tuple, a_syn(), SeqNum{7}, 42, start);
  EXPECT_EQ(entry.tuple, tuple);
  EXPECT_EQ(entry.listener, 42);
  EXPECT_EQ(entry.iss, SeqNum{7});
  EXPECT_EQ(entry.irs, SeqNum{0xFFFF'FFFF});
  EXPECT_EQ(entry.peer_mss, 1200);
  EXPECT_EQ(entry.peer_window, 4321);
  EXPECT_EQ(entry.snd_shift, 5);
  EXPECT_TRUE(entry.scaled);
  EXPECT_EQ(entry.deadline, Millis32{start + 1s});
}

TEST(Listener, TheTcbIsInSynReceivedWithBothSidesAgreements) {
  const Config config;
  const HalfOpen entry = make_half_open(config, {}, a_syn(), SeqNum{7}, 0, start);
  const Tcb tcb = accept(entry, config, start + 30ms);
  EXPECT_EQ(check(tcb), "");
  EXPECT_EQ(tcb.state, State::syn_received);
  EXPECT_FALSE(tcb.active_open);  // MUST-11
  EXPECT_EQ(tcb.mss, 1200);
  EXPECT_EQ(tcb.snd_shift, 5);
  EXPECT_EQ(tcb.rcv_shift, config.window_scale);
  EXPECT_EQ(tcb.snd_wnd, 4321u);
  EXPECT_EQ(tcb.max_snd_wnd, 4321u);
  EXPECT_EQ(tcb.rcv_nxt, SeqNum{0});
  EXPECT_EQ(tcb.rcv_adv, SeqNum{65'535});
  EXPECT_EQ(tcb.snd_end, SeqNum{8});
  EXPECT_TRUE(tcb.timing);
  EXPECT_FALSE(tcb.has_deadline());
}

TEST(Listener, ATimeoutThatIsEarlyChangesNothing) {
  HalfOpen entry = make_half_open({}, {}, a_syn(), SeqNum{7}, 0, start);
  EXPECT_EQ(timeout(entry, {}, start + 999ms), HalfOpenTimeout::early);
  EXPECT_EQ(entry.retries, 0);
  EXPECT_EQ(timeout(entry, {}, start + 1s), HalfOpenTimeout::resend);
  EXPECT_EQ(timeout(entry, {}, start + 1s), HalfOpenTimeout::early);
}

TEST(Listener, RetriesAreAtMostTheLongestRtoApart) {  // RFC 6298 (2.5), (5.5)
  Config config;
  config.syn_ack_retries = 200;
  HalfOpen entry = make_half_open(config, {}, a_syn(), SeqNum{7}, 0, start);
  Instant now = start + 1s;
  for (Duration rto : {2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    ASSERT_EQ(timeout(entry, config, now), HalfOpenTimeout::resend);
    EXPECT_EQ(entry.deadline, Millis32{now + rto});
    now += rto;
  }
}

TEST(Listener, ItsAckOffersTheScaledWindow) {
  Config config;
  config.window_scale = 4;
  const HalfOpen entry = make_half_open(config, {}, a_syn(), SeqNum{7}, 0, start);
  EXPECT_EQ(syn_ack(entry, config).window, 65'535);
  EXPECT_EQ(syn_ack(entry, config).options.window_scale, 4);
  EXPECT_EQ(acknowledgment(entry, config).window, 65'535 >> 4);
  EXPECT_EQ(acknowledgment(entry, config).seq, SeqNum{8});
  EXPECT_EQ(acknowledgment(entry, config).ack, SeqNum{0});
}

TEST(Listener, OffersNoScaleOver14) {  // RFC 7323 s.2.3
  Config config;
  config.window_scale = 200;
  const HalfOpen entry = make_half_open(config, {}, a_syn(), SeqNum{7}, 0, start);
  EXPECT_EQ(syn_ack(entry, config).options.window_scale, 14);
  EXPECT_EQ(acknowledgment(entry, config).window, 65'535 >> 14);
  EXPECT_EQ(accept(entry, config, start).rcv_shift, 14);
}

TEST(Listener, WithoutTheOptionNothingIsScaled) {  // RFC 7323 s.2.2
  Segment syn = a_syn();
  syn.options.window_scale.reset();
  syn.options.mss.reset();
  const HalfOpen entry = make_half_open({}, {}, syn, SeqNum{7}, 0, start);
  EXPECT_EQ(entry.peer_mss, 536);  // MUST-15
  EXPECT_FALSE(syn_ack(entry, {}).options.window_scale);
  EXPECT_EQ(acknowledgment(entry, {}).window, 65'535);
  EXPECT_EQ(accept(entry, {}, start).rcv_shift, 0);
}

TEST(Listener, ChallengesAreFewAndTextIsAlwaysAnswered) {  // RFC 5961 s.7
  using Action = HalfOpenVerdict::Action;
  const Config config;
  HalfOpen entry = make_half_open(config, {}, a_syn(), SeqNum{7}, 0, start);
  Segment stray;
  stray.control = control::ack;
  stray.seq = entry.irs - 100;
  const auto hear = [&](Duration at) {
    const auto verdict = segment_arrives(entry, config, stray, start + at);
    EXPECT_EQ(verdict.challenge_ack, verdict.action == Action::acknowledge && stray.len() == 0);
    EXPECT_EQ(verdict.drop, stray.has(control::rst) ? Drop::tcp_bad_reset : Drop::tcp_bad_sequence);
    return verdict.action;
  };
  EXPECT_EQ(hear(0ms), Action::acknowledge);
  EXPECT_EQ(hear(1ms), Action::ignore);
  stray.control = control::rst;
  stray.seq = entry.irs + 5;
  EXPECT_EQ(hear(2ms), Action::ignore);
  stray.control = control::ack;
  stray.seq = entry.irs - 100;
  stray.text = 10;
  EXPECT_EQ(hear(3ms), Action::acknowledge);
  EXPECT_EQ(hear(4ms), Action::acknowledge);
  stray.text = 0;
  EXPECT_EQ(hear(512ms), Action::acknowledge);
  // The SYN again is no challenge: its sender has not heard ours.
  EXPECT_EQ(segment_arrives(entry, config, a_syn(), start + 513ms).action, Action::send_syn_ack);
  EXPECT_EQ(segment_arrives(entry, config, a_syn(), start + 513ms).action, Action::send_syn_ack);
}

}  // namespace
}  // namespace pollux::tcp
