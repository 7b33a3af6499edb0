// RFC 3168: explicit congestion notification, with the classic reaction.

#include <gtest/gtest.h>

#include "tests/script.h"

namespace pollux::test {
namespace {

constexpr std::uint8_t ect_0 = 2;
constexpr std::uint8_t ce = 3;

tcp::Config with(tcp::Ecn ecn) {
  tcp::Config config = reno();
  config.ecn = ecn;
  return config;
}

auto agreed(bool is) {
  return [=](const Tcb& tcb) { EXPECT_EQ(tcb.ecn != 0, is); };
}

/// ESTABLISHED by a passive open, with ECN.
void open(Script& script) {
  script.arrives({.seq = 0_seq, .control = syn | ece | cwr})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn | ece, .ecn = 0})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .check(agreed(true));
}

TEST(Ecn, IsGrantedToAPeerThatAsks) {  // s.6.1.1, SHLD-8
  Script script = Script::passive();
  open(script);
}

TEST(Ecn, IsGrantedInNoOtherCase) {
  for (const std::uint8_t bits : {std::uint8_t{0}, ece, cwr}) {
    Script::passive()
        .arrives({.seq = 0_seq, .control = static_cast<std::uint8_t>(syn | bits)})
        .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
        .arrives({.seq = 1_seq, .ack = 1_seq})
        .check(agreed(false));
  }
  Script::passive({.config = with(tcp::Ecn::off)})
      .arrives({.seq = 0_seq, .control = syn | ece | cwr})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .check(agreed(false));
}

TEST(Ecn, IsAskedForWhereItIsOn) {
  Script::active({.config = with(tcp::Ecn::on)})
      .sends({.seq = 0_seq, .control = syn | ece | cwr, .ecn = 0})
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn | ece})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .check(agreed(true));
  Script::active().sends({.seq = 0_seq, .control = syn});
}

TEST(Ecn, APeerThatReflectsAllBitsHasNotAgreed) {  // s.6.1.1
  for (const std::uint8_t bits : {std::uint8_t{0}, std::uint8_t{ece | cwr}}) {
    Script::active({.config = with(tcp::Ecn::on)})
        .sends({.seq = 0_seq, .control = syn | ece | cwr})
        .arrives({.seq = 0_seq, .ack = 1_seq, .control = static_cast<std::uint8_t>(syn | bits)})
        .sends({.seq = 1_seq, .ack = 1_seq})
        .check(agreed(false));
  }
}

TEST(Ecn, ASecondSynDoesNotAsk) {  // s.6.1.1.1
  Script::active({.config = with(tcp::Ecn::on)})
      .sends({.seq = 0_seq, .control = syn | ece | cwr})
      .at(1s)
      .sends({.seq = 0_seq, .control = syn})
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn | ece})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .check(agreed(false));
}

TEST(Ecn, APeerWhoseSecondSynDoesNotAskHasFallenBack) {  // s.6.1.1, s.6.1.1.1
  Script::passive()
      .arrives({.seq = 0_seq, .control = syn | ece | cwr})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn | ece})
      .arrives({.seq = 0_seq, .control = syn})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 0_seq, .control = syn | ece | cwr})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn})
      .arrives({.seq = 1_seq, .ack = 1_seq})
      .check(agreed(false));
}

TEST(Ecn, OnlyNewTextMayBeMarked) {  // s.6.1.4, s.6.1.5
  Script script = Script::passive();
  open(script);
  script.writes(100)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 100, .ecn = ect_0})
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 100, .ecn = 0})
      .arrives({.seq = 1_seq, .ack = 101_seq, .text = 2000})
      .sends({.seq = 101_seq, .ack = 2001_seq, .ecn = 0})
      .reads(2000)
      .closes()
      .sends({.seq = 101_seq, .ack = 2001_seq, .control = fin, .ecn = 0});
}

TEST(Ecn, AMarkIsEchoedUntilThePeerHasReacted) {  // s.6.1.3, SHLD-8
  Script script = Script::passive();
  open(script);
  script.arrives({.seq = 1_seq, .ack = 1_seq, .text = 100, .ecn = ce})
      .at(1s)
      .sends({.seq = 1_seq, .ack = 101_seq, .control = ece})
      .writes(10)
      .sends({.seq = 1_seq, .ack = 101_seq, .control = ece, .text = 10, .ecn = ect_0})
      .arrives({.seq = 101_seq, .ack = 11_seq, .text = 100, .ecn = ect_0})
      .at(2s)
      .sends({.seq = 11_seq, .ack = 201_seq, .control = ece})
      .arrives({.seq = 201_seq, .ack = 11_seq, .control = cwr, .text = 100, .ecn = ect_0})
      .at(3s)
      .sends({.seq = 11_seq, .ack = 301_seq})
      // What says that it has reacted may itself be marked.
      .arrives({.seq = 301_seq, .ack = 11_seq, .control = cwr, .text = 100, .ecn = ce})
      .at(4s)
      .sends({.seq = 11_seq, .ack = 401_seq, .control = ece});
}

TEST(Ecn, AMarkWithoutAgreementMeansNothing) {
  Script::established()
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 2000, .ecn = ce})
      .sends({.seq = 1_seq, .ack = 2001_seq})
      .writes(1000)
      .sends({.seq = 1_seq, .ack = 2001_seq, .text = 1000, .ecn = 0})
      .arrives({.seq = 2001_seq, .ack = 1001_seq, .control = ece})
      .check([](const Tcb& tcb) { EXPECT_GE(tcb.cwnd, 10'000u); });
}

void windows_are_half(const Tcb& tcb) {
  EXPECT_EQ(tcb.ssthresh, 5000u);
  EXPECT_EQ(tcb.cwnd, 5000u);
}

TEST(Ecn, AnEchoHalvesTheWindowOnceInARoundTrip) {  // s.6.1.2, SHLD-8
  Script script = Script::passive();
  open(script);
  script.writes(30'000).sends_full(10, 1_seq, 1_seq);
  script.arrives({.seq = 1_seq, .ack = 1001_seq, .control = ece}).check(windows_are_half);
  // Until what was in flight then is acknowledged, no other echo counts.
  for (std::uint32_t n = 2; n < 6; ++n) {
    script.arrives({.seq = 1_seq, .ack = 1_seq + 1000 * n, .control = ece}).sends_nothing();
  }
  script.arrives({.seq = 1_seq, .ack = 6001_seq, .control = ece})
      .sends({.seq = 10'001_seq, .ack = 1_seq, .control = cwr, .text = 1000, .ecn = ect_0})
      .check(windows_are_half)
      .arrives({.seq = 1_seq, .ack = 10'001_seq})
      .sends({.seq = 11'001_seq, .ack = 1_seq, .text = 1000, .ecn = ect_0})
      .sends_full(3, 12'001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 11'001_seq, .control = ece})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.ssthresh, 2500u); });
}

TEST(Ecn, AnEchoOfTheLastSegmentIsAnsweredToo) {
  Script script = Script::passive();
  open(script);
  script.writes(1000)
      .sends_full(1, 1_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .arrives({.seq = 1_seq, .ack = 1001_seq, .control = ece, .text = 10})
      .writes(1000)
      .sends({.seq = 1001_seq, .ack = 11_seq, .control = cwr, .text = 1000, .ecn = ect_0});
}

TEST(Ecn, ATimeoutEndsTheReactionToAnEcho) {
  Script script = Script::passive();
  open(script);
  script.writes(10'000).sends_full(10, 1_seq, 1_seq);
  script.arrives({.seq = 1_seq, .ack = 1001_seq, .control = ece})
      .at(200ms)  // the rest is lost
      .sends_full(1, 1001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 2001_seq})
      .sends_full(2, 2001_seq, 1_seq)
      .arrives({.seq = 1_seq, .ack = 4001_seq})
      .sends_full(3, 4001_seq, 1_seq);
}

TEST(Ecn, ALossIsToldLikeAnEcho) {  // s.6.1.2
  Script script = Script::passive();
  open(script);
  script.writes(1000)
      .sends_full(1, 1_seq, 1_seq)
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1000, .ecn = 0})
      .arrives({.seq = 1_seq, .ack = 1001_seq})
      .writes(1000)
      .sends({.seq = 1001_seq, .ack = 1_seq, .control = cwr, .text = 1000, .ecn = ect_0})
      .arrives({.seq = 1_seq, .ack = 2001_seq})
      .writes(1000)
      .sends({.seq = 2001_seq, .ack = 1_seq, .text = 1000, .ecn = ect_0});
}

TEST(Ecn, ASimultaneousOpenMayAgree) {
  Script::active({.config = with(tcp::Ecn::on)})
      .sends({.seq = 0_seq, .control = syn | ece | cwr})
      .arrives({.seq = 0_seq, .control = syn | ece | cwr})
      .sends({.seq = 0_seq, .ack = 1_seq, .control = syn | ece})
      .check(agreed(true));
}

}  // namespace
}  // namespace pollux::test
