// RFC 9293 s.3.8.4, TCP Keep-Alives.

#include <gtest/gtest.h>

#include "tests/script.h"

namespace pollux::test {
namespace {

constexpr Seg probe{.seq = 0_seq, .ack = 1_seq};
constexpr Seg answer{.seq = 1_seq, .ack = 1_seq};

TEST(KeepAlive, IsOffByDefault) {  // MUST-25
  Script::established().at(100'000s).sends_nothing().state(State::established);
}

TEST(KeepAlive, ProbesAfterTwoHoursWithoutText) {  // MUST-24, MUST-28, SHLD-12
  Script::established()
      .sets({.keepalive = true})
      .at(7200s - 1ms)
      .sends_nothing()
      .at(7200s)
      .verdict([](const tcp::Verdict& v) { return v.keepalive; })
      .sends(probe)
      .arrives(answer)
      .at(14'400s - 1ms)
      .sends_nothing()
      .at(14'400s)
      .sends(probe)
      .arrives(answer)
      .state(State::established);
}

TEST(KeepAlive, IntervalIsConfigurable) {  // MUST-27
  tcp::Config config;
  config.keepalive_idle = 10s;
  Script::established({.config = config}).sets({.keepalive = true}).at(10s).sends(probe);
}

TEST(KeepAlive, OneUnansweredProbeIsNotTheEnd) {  // MUST-29
  Script script = Script::established();
  script.sets({.keepalive = true}).at(7200s).sends(probe);
  for (int i = 1; i < 9; ++i) script.at(7200s + i * 75s).sends(probe);
  script.at(7200s + 9 * 75s - 1ms).state(State::established);
  script.at(7200s + 9 * 75s).ends(Cause::timed_out);
}

TEST(KeepAlive, AUsersLimitTakesThePlaceOfANumberOfProbes) {  // counted from the last that came
  Script::established()
      .sets({.keepalive = true, .user_timeout = 7300s})
      .at(7200s)
      .sends(probe)
      .at(7275s)
      .sends(probe)
      .at(7300s - 1ms)
      .state(State::established)
      .at(7300s)
      .ends(Cause::timed_out);
  Script::established()
      .sets({.keepalive = true, .user_timeout = 100s})
      .at(7200s)
      .sends(probe)
      .at(7275s - 1ms)
      .state(State::established)  // MUST-29
      .at(7275s)
      .ends(Cause::timed_out);
}

TEST(KeepAlive, AnAnswerCountsFromTheBeginning) {
  Script script = Script::established();
  script.sets({.keepalive = true}).at(7200s).sends(probe).at(7275s).sends(probe).arrives(answer);
  script.at(7275s + 7200s - 1ms).sends_nothing().at(7275s + 7200s).sends(probe);
}

TEST(KeepAlive, GivingUpDoesNotNameAnErrorThatAnAnswerHasOvercome) {
  tcp::Config config;
  config.keepalive_count = 1;
  Script::established({.config = config})
      .sets({.keepalive = true})
      .hears_unreachable(Cause::unreachable, false)
      .at(7200s)
      .sends(probe)
      .arrives(answer)
      .at(14'400s)
      .sends(probe)
      .at(14'475s)
      .ends(Cause::timed_out);
}

TEST(KeepAlive, AProbeThatIsDueWithAnAckIsSentBesideIt) {  // an ACK alone asks for nothing
  tcp::Config config;
  config.keepalive_idle = 40ms;
  Script::established({.config = config})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .sets({.keepalive = true})
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 11_seq})
      .sends({.seq = 0_seq, .ack = 11_seq});
}

TEST(KeepAlive, AnythingThatArrivesPutsItOff) {  // MUST-26
  Script::established()
      .sets({.keepalive = true})
      .at(7000s)
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(7000s + 40ms)
      .sends({.seq = 1_seq, .ack = 11_seq})
      .at(14'200s - 1ms)
      .sends_nothing()
      .at(14'200s)
      .sends({.seq = 0_seq, .ack = 11_seq});
}

TEST(KeepAlive, IsNotSentWhileTextIsInFlight) {  // MUST-26
  tcp::Config config;
  config.keepalive_idle = 100ms;
  Script::established({.config = config})
      .sets({.keepalive = true})
      .at(50ms)
      .writes(10)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10})
      .at(249ms)
      .sends_nothing()
      .at(250ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10});
}

TEST(KeepAlive, CanBeTurnedOffAgain) {  // MUST-24
  Script::established()
      .sets({.keepalive = true})
      .sets({.keepalive = false})
      .check([](const Tcb& tcb) { EXPECT_FALSE(tcb.has_deadline()); });
}

TEST(KeepAlive, EndsWithClose) {  // from then on FIN-WAIT-2 has its own limit
  tcp::Config config;
  config.keepalive_idle = 100ms;
  config.min_rto = 10s;
  Script::established({.config = config})
      .sets({.keepalive = true})
      .closes()
      .sends({.seq = 1_seq, .ack = 1_seq, .control = fin})
      .at(1s)
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 2_seq})
      .at(61s)
      .ends(Cause::timed_out);
}

TEST(KeepAlive, SetBeforeTheHandshakeBeginsWithIt) {
  Script::active()
      .sends({.seq = 0_seq, .control = syn})
      .sets({.keepalive = true})
      .at(500ms)
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .at(7200s + 500ms)
      .sends(probe);
}

TEST(KeepAlive, ItsTimesCountFromWhereTheyChange) {
  Script::established()
      .sets({.keepalive = true})
      .at(7000s)
      .sets({.nagle = false, .keepalive = true})  // says nothing about them
      .at(7100s)
      .sets({.keepalive = true, .keepalive_again = true})
      .at(7200s)
      .sends_nothing()
      .at(14'300s)
      .sends(probe);
}

TEST(KeepAlive, APeersProbeIsAnswered) {
  Script::established()
      .at(1000s)
      .arrives({.seq = 0_seq, .ack = 1_seq})
      .sends({.seq = 1_seq, .ack = 1_seq});
  Script::established()
      .at(1000s)
      .arrives({.seq = 0_seq, .ack = 1_seq, .text = 1})  // with one byte of garbage
      .sends({.seq = 1_seq, .ack = 1_seq})
      .readable(0);
}

}  // namespace
}  // namespace pollux::test
