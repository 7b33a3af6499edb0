// Packets of several segments, for a device to cut (TSO): RFC 9293 s.3.7 and RFC 5681 hold for the
// segments that come of them.

#include <gtest/gtest.h>

#include "tests/script.h"

namespace pollux::test {
namespace {

using Blocks = std::vector<std::pair<SeqNum, SeqNum>>;

Setup cutting(bool sack = false, std::uint32_t most = 65'455) {
  Setup setup;
  setup.config.packet_text = most;
  setup.peer_sack = sack;
  return setup;
}

TEST(LongPacket, IsAWholeNumberOfFullSegments) {
  Script::established(cutting())
      .writes(5'500)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 5'000, .push = false})
      .sends_nothing()  // Nagle
      .arrives({.seq = 1_seq, .ack = 5'001_seq})
      .sends({.seq = 5'001_seq, .ack = 1_seq, .text = 500, .push = true});
}

TEST(LongPacket, IsNoLongerThanTheDeviceTakes) {
  Script::established(cutting(false, 3'999))
      .writes(7'000)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 3'000})
      .sends({.seq = 3'001_seq, .ack = 1_seq, .text = 3'000})
      .sends({.seq = 6'001_seq, .ack = 1_seq, .text = 1'000});
  auto small = cutting();
  small.peer_mss = 100;
  small.config.initial_window = 100;
  Script::established(small)
      .writes(10'000)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 6'400})
      .sends({.seq = 6'401_seq, .ack = 1_seq, .text = 3'600});
  Script::established(cutting(false, 999)).writes(2'000).sends_full(2, 1_seq, 1_seq);
}

TEST(LongPacket, StaysWithinTheCongestionWindow) {  // RFC 5681 s.3.1
  Script::established(cutting())
      .writes(25'000)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10'000})
      .arrives({.seq = 1_seq, .ack = 2'001_seq})  // slow start: two left, two more may be there
      .sends({.seq = 10'001_seq, .ack = 1_seq, .text = 4'000});
}

TEST(LongPacket, StaysWithinThePeersWindow) {
  auto setup = cutting();
  setup.peer_window = 3'500;
  Script::established(setup)
      .writes(6'000)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 3'000})
      .arrives({.seq = 1_seq, .ack = 1'001_seq, .window = 3'500})
      .sends({.seq = 3'001_seq, .ack = 1_seq, .text = 1'000});
}

TEST(LongPacket, BearsTheFinOfItsLastSegment) {
  Script::established(cutting()).hold().writes(2'000).closes().flush().sends(
      {.seq = 1_seq, .ack = 1_seq, .control = fin, .text = 2'000, .push = true});
  Script::established(cutting())
      .hold()
      .writes(2'100)
      .closes()
      .flush()
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 2'000})
      .sends({.seq = 2'001_seq, .ack = 1_seq, .control = fin, .text = 100});
}

TEST(LongPacket, IsSentAgainInSegmentsOfWhichAPartIsLost) {  // RFC 6675, RFC 8985
  auto setup = cutting(true);
  setup.round_trip = 10ms;  // or its tail is probed before
  Script::established(setup)
      .writes(10'000)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 10'000})
      .at(10ms)
      .arrives({.seq = 1_seq, .ack = 1'001_seq, .sack = Blocks{{3'001_seq, 8'001_seq}}})
      .sends({.seq = 1'001_seq, .ack = 1_seq, .text = 1'000})
      .sends({.seq = 2'001_seq, .ack = 1_seq, .text = 1'000})
      .arrives({.seq = 1_seq, .ack = 8'001_seq})
      .arrives({.seq = 1_seq, .ack = 10'001_seq})
      .flights(1)
      .check([](const Tcb& tcb) { EXPECT_FALSE(tcb.in_episode()); });
}

TEST(LongPacket, IsSentAgainFromItsFirstSegmentWhenTimeIsOut) {  // RFC 6298 (5.4)
  Script::established(cutting())
      .writes(4'000)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 4'000})
      .at(200ms)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 1'000})
      .arrives({.seq = 1_seq, .ack = 4'001_seq});
}

TEST(LongPacket, ItsRoundTripIsThatOfItsLastSegment) {
  Script::established(cutting())
      .writes(4'000)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 4'000})
      .at(10ms)
      .arrives({.seq = 1_seq, .ack = 2'001_seq})
      .at(20ms)
      .arrives({.seq = 1_seq, .ack = 4'001_seq})
      .check([](const Tcb& tcb) { EXPECT_NEAR(tcb.srtt_8, 20'000, 10) << "an eighth of 20 ms"; });
}

TEST(LongPacket, IsCutByWhatThePathTakes) {  // RFC 1191
  Script::established(cutting())
      .writes(4'000)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 4'000})
      .hears_path_mtu(640)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 3'600})
      .sends({.seq = 3'601_seq, .ack = 1_seq, .text = 400})
      .check([](const Tcb& tcb) { EXPECT_EQ(tcb.mss, 600); });
}

TEST(LongPacket, IsNoneWhereCwrIsDue) {  // RFC 3168 s.6.1.2
  auto setup = cutting();
  setup.config.ecn = tcp::Ecn::on;
  Script::active(setup)
      .sends({.seq = 0_seq, .control = syn | ece | cwr})
      .arrives({.seq = 0_seq, .ack = 1_seq, .control = syn | ece})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .writes(4'000)
      .sends({.seq = 1_seq, .ack = 1_seq, .text = 4'000, .ecn = 2})
      .arrives({.seq = 1_seq, .ack = 4'001_seq, .control = ece})
      .writes(3'000)
      .sends({.seq = 4'001_seq, .ack = 1_seq, .control = cwr, .text = 1'000})
      .sends({.seq = 5'001_seq, .ack = 1_seq, .text = 1'000});
}

}  // namespace
}  // namespace pollux::test
