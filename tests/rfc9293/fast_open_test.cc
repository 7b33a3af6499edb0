// TCP Fast Open (RFC 7413 s.4.2) beside what RFC 9293 says: who holds the cookie is another room's
// matter; here each SYN that arrives has a good one.

#include <gtest/gtest.h>

#include "tests/script.h"

namespace pollux::test {
namespace {

Setup serving(std::uint32_t receive_buffer = 65'535) {
  Setup setup;
  setup.config.fast_open = true;
  setup.config.receive_buffer = receive_buffer;
  return setup;
}

Setup asking(std::uint32_t text) {
  Setup setup;
  setup.syn_text = text;
  return setup;
}

void has_the_initial_window(const Tcb& tcb) { EXPECT_EQ(tcb.cwnd, 10'000u); }

TEST(FastOpen, TextIsReadAndAnsweredBeforeTheHandshakeIsOver) {
  Script::passive(serving())
      .arrives({.seq = 0_seq, .control = syn, .text = 500})
      .sends({.seq = 0_seq, .ack = 501_seq, .control = syn})
      .readable(500)
      .reads(500)
      .writes(1500)
      .sends({.seq = 1_seq, .ack = 501_seq, .text = 1000})
      .sends_nothing()
      .arrives({.seq = 501_seq, .ack = 1_seq})
      .opened()
      .state(State::established)
      .arrives({.seq = 501_seq, .ack = 1001_seq})
      .sends({.seq = 1001_seq, .ack = 501_seq, .text = 500});
}

TEST(FastOpen, TheInitialWindowIsAllThatGoesBeforeTheAck) {
  Script::passive(serving())
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .check(has_the_initial_window)
      .writes(20'000)
      .sends_full(10, 1_seq, 1_seq)
      .sends_nothing()
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .opened()
      .sends_nothing();
}

TEST(FastOpen, ARepeatedSynThatDoesNotAskForEcnTakesItBack) {  // RFC 3168 s.6.1.1.1
  auto setup = serving();
  setup.config.ecn = tcp::Ecn::accept;
  Script::passive(setup)
      .arrives({.seq = 0_seq, .control = syn | ece | cwr, .text = 10})
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn | ece})
      .arrives({.seq = 0_seq, .control = syn, .text = 10})
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .arrives({.seq = 11_seq, .ack = 1_seq})
      .opened()
      .writes(100)
      .sends({.seq = 1_seq, .ack = 11_seq, .text = 100, .ecn = 0});
}

TEST(FastOpen, APathIsNotProbedBeforeTheHandshakeIsOver) {  // RFC 4821 s.7.4
  auto setup = serving();
  setup.config.sack = true;
  setup.peer_sack = true;
  Script::passive(setup)
      .arrives({.seq = 0_seq, .control = syn, .text = 10})
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .hears_path_mtu(800)
      .hold()
      .writes(9000)
      .check([](const Tcb& tcb) {
        Tcb copy = tcb;
        auto flights = *tcp::FlightPool::make(1);
        EXPECT_FALSE(tcp::probe_path(copy, flights, 1040, Instant{1s}));
      })
      .flush()
      .sends_full(11, 1_seq, 11_seq, 760);
}

TEST(FastOpen, TextBehindTheSynAckIsCutAnewWhereThePathTakesLess) {  // RFC 1191 s.6.5
  Script::passive(serving())
      .arrives({.seq = 0_seq, .control = syn, .text = 10})
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .writes(3000)
      .sends_full(3, 1_seq, 11_seq)
      .hears_path_mtu(640)
      .sends_full(5, 1_seq, 11_seq, 600);
}

TEST(FastOpen, TheWindowOfTheSynCountsTheText) {
  Script::passive(serving(2000))
      .arrives({.seq = 0_seq, .control = syn, .text = 1500})
      .sends({.seq = 0_seq, .ack = 1501_seq, .control = syn})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.rcv_wnd(), 500u); })
      .arrives({.seq = 1501_seq, .ack = 1_seq, .text = 600})
      .opened()
      .readable(2000);
}

TEST(FastOpen, AFinOnTheSynLeadsToCloseWait) {
  Script::passive(serving())
      .arrives({.seq = 0_seq, .control = syn | fin, .text = 10})
      .sends({.seq = 0_seq, .ack = 12_seq, .control = syn})
      .peer_closed()
      .state(State::close_wait)
      .arrives({.seq = 12_seq, .ack = 1_seq})
      .opened()
      .state(State::close_wait)
      .reads(10)
      .shuts_down()
      .sends({.seq = 1_seq, .ack = 12_seq, .control = fin})
      .state(State::last_ack)
      .arrives({.seq = 12_seq, .ack = 2_seq})
      .ends(Cause::by_peer);
}

TEST(FastOpen, BothEndsMayBeClosedBeforeTheAck) {
  Script::passive(serving())
      .arrives({.seq = 0_seq, .control = syn | fin, .text = 10})
      .sends({.seq = 0_seq, .ack = 12_seq, .control = syn})
      .reads(10)
      .writes(20)
      .sends({.seq = 1_seq, .ack = 12_seq, .text = 20})
      .closes()
      .sends({.seq = 21_seq, .ack = 12_seq, .control = fin})
      .state(State::last_ack)
      .arrives({.seq = 12_seq, .ack = 22_seq})
      .ends(Cause::by_peer);
}

TEST(FastOpen, CloseGoesOnWhereTheSynReceivedOfAnOrdinaryHandshakeDoes) {
  Script::passive(serving())
      .arrives({.seq = 0_seq, .control = syn, .text = 10})
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .reads(10)
      .closes()
      .sends({.seq = 1_seq, .ack = 11_seq, .control = fin})
      .state(State::fin_wait_1)
      .arrives({.seq = 11_seq, .ack = 1_seq})
      .opened()
      .state(State::fin_wait_1)
      .arrives({.seq = 11_seq, .ack = 2_seq})
      .state(State::fin_wait_2);
}

TEST(FastOpen, CloseWithTheTextUnreadIsAReset) {  // SHLD-3
  Script::passive(serving())
      .arrives({.seq = 0_seq, .control = syn, .text = 10})
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .closes()
      .sends({.seq = 1_seq, .ack = 11_seq, .control = rst})
      .ends(Cause::aborted);
}

TEST(FastOpen, TheSynAckIsRepeatedAloneAndTheTextBehindItsAck) {
  Script::passive(serving())
      .arrives({.seq = 0_seq, .control = syn, .text = 10})
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .writes(3000)
      .sends_full(3, 1_seq, 11_seq)
      .at(1s)
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .at(3s)
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .arrives({.seq = 11_seq, .ack = 1_seq})
      .opened()
      .sends({.seq = 1_seq, .ack = 11_seq, .text = 1000})
      .arrives({.seq = 11_seq, .ack = 3001_seq})
      .sends_nothing();
}

TEST(FastOpen, IsGivenUpAsASynAckIs) {  // decision 0013
  Script::passive(serving())
      .arrives({.seq = 0_seq, .control = syn, .text = 10})
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .at(1s)
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .at(3s)
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .at(7s)
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .at(15s)
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .at(31s)
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .at(63s)
      .ends(Cause::timed_out);
}

TEST(FastOpen, APeerThatNeverAskedResetsIt) {
  Script::passive(serving())
      .arrives({.seq = 0_seq, .control = syn, .text = 10})
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .arrives({.seq = 11_seq, .control = rst})
      .ends(Cause::reset);
}

TEST(FastOpen, TextBehindTheSynAckIsTakenWithIt) {
  Script::passive(serving())
      .arrives({.seq = 0_seq, .control = syn, .text = 10})
      .sends({.seq = 0_seq, .ack = 11_seq, .control = syn})
      .arrives({.seq = 11_seq, .ack = 1_seq, .control = fin, .text = 20})
      .opened()
      .peer_closed()
      .readable(30)
      .sends({.seq = 1_seq, .ack = 32_seq});
}

TEST(FastOpen, TheSynCarriesWhatIsQueued) {
  Script::active(asking(700))
      .sends({.seq = 0_seq, .control = syn, .text = 700})
      .arrives({.seq = 0_seq, .ack = 701_seq, .control = syn})
      .opened()
      .sends({.seq = 701_seq, .ack = 1_seq})
      .flights(0);
}

TEST(FastOpen, AFinFollowsTheHandshake) {
  Script::active(asking(700))
      .sends({.seq = 0_seq, .control = syn, .text = 700})
      .shuts_down()
      .arrives({.seq = 0_seq, .ack = 701_seq, .control = syn})
      .opened()
      .sends({.seq = 701_seq, .ack = 1_seq, .control = fin})
      .state(State::fin_wait_1);
}

TEST(FastOpen, TextThatWasNotTakenGoesAgainWithWhatFollows) {
  Script::active(asking(2000))
      .sends({.seq = 0_seq, .control = syn, .text = 960})
      .at(20ms)
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .opened()
      .check(
          [](const Tcb& tcb) { EXPECT_EQ(tcb.srtt_8, 8u * 20'000) << "it is timed all the same"; })
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1000})
      .sends({.seq = 1001_seq, .ack = 1_seq, .text = 1000})
      .arrives({.seq = 1_seq, .ack = 2001_seq})
      .flights(0);
}

TEST(FastOpen, ALostSynGoesAgainWithoutText) {
  Script::active(asking(700))
      .sends({.seq = 0_seq, .control = syn, .text = 700})
      .at(1s)
      .sends({.seq = 0_seq, .control = syn})
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 700});
}

TEST(FastOpen, AnAnswerToTheFirstSynCountsAfterTheSecond) {
  Script::active(asking(700))
      .sends({.seq = 0_seq, .control = syn, .text = 700})
      .at(1s)
      .sends({.seq = 0_seq, .control = syn})
      .arrives({.seq = 0_seq, .ack = 701_seq, .control = syn})
      .sends({.seq = 701_seq, .ack = 1_seq});
}

TEST(FastOpen, WhenBothOpenAtOnceTheTextFollows) {  // MUST-10
  Script::active(asking(700))
      .sends({.seq = 0_seq, .control = syn, .text = 700})
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .state(State::syn_received)
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .opened()
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 700});
}

TEST(FastOpen, AnIcmpErrorMayQuoteTheTextOfTheSyn) {
  Script::active(asking(700))
      .sends({.seq = 0_seq, .control = syn, .text = 700})
      .check([](const Tcb& tcb) { EXPECT_TRUE(tcb.in_flight(tcb.iss + 700)); })
      .hears_unreachable(Cause::refused, true)
      .ends(Cause::refused)
      .flights(0);
}

}  // namespace
}  // namespace pollux::test
