#include <gtest/gtest.h>

#include <array>
#include <utility>
#include <vector>

#include "../script.h"
#include "base/prng.h"
#include "transport/tcp/reassembly.h"

namespace pollux::test {
namespace {

const Setup permitted{.peer_sack = true};
using Blocks = std::vector<std::pair<SeqNum, SeqNum>>;

TEST(Sack, IsPermittedInOurSyn) {  // RFC 2018 s.2
  Script::active().sends({.control = syn}).check([](const Tcb& tcb) { EXPECT_FALSE(tcb.sack); });
  Script::established(permitted).check([](const Tcb& tcb) { EXPECT_TRUE(tcb.sack); });
  Script::established().check([](const Tcb& tcb) { EXPECT_FALSE(tcb.sack); });
  auto off = permitted;
  off.config.sack = false;
  Script::established(off).check([](const Tcb& tcb) { EXPECT_FALSE(tcb.sack); });
}

TEST(Sack, TellsOfTextPastTheGapTheLatestFirst) {  // RFC 2018 s.4
  Script::established(permitted)
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq, .sack = Blocks{{101_seq, 201_seq}}})
      .arrives({.seq = 301_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq, .sack = Blocks{{301_seq, 401_seq}, {101_seq, 201_seq}}})
      .arrives({.seq = 501_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq,
              .ack = 1_seq,
              .sack = Blocks{{501_seq, 601_seq}, {301_seq, 401_seq}, {101_seq, 201_seq}}})
      // What joins two is in one block with both.
      .arrives({.seq = 201_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq, .sack = Blocks{{101_seq, 401_seq}, {501_seq, 601_seq}}})
      // And the gap is filled.
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 401_seq, .sack = Blocks{{501_seq, 601_seq}}})
      .arrives({.seq = 401_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 601_seq, .sack = Blocks{}})
      .readable(600);
}

TEST(Sack, IsNotSentUnlessPermitted) {
  Script::established()
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq, .sack = Blocks{}});
}

TEST(Sack, LeavesRoomForTimestamps) {
  auto both = permitted;
  both.peer_timestamp = 7;
  Script script = Script::established(both);
  for (std::uint32_t i = 0; i < 5; ++i) {
    script.arrives({.seq = 101_seq + 200 * i, .ack = 1_seq, .text = 100});
    if (i < 4) {
      script.sends({.seq = 1_seq, .ack = 1_seq});
    }
  }
  script.sends({.seq = 1_seq,
                .ack = 1_seq,
                .sack = Blocks{{901_seq, 1001_seq}, {701_seq, 801_seq}, {501_seq, 601_seq}}});
}

TEST(Sack, DoesNotWaitForTextThatLeavesNoRoomForIt) {
  for (const std::uint32_t text : {900u, 1'000u}) {
    Script::established(permitted)
        .hold()
        .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
        .writes(text)
        .flush()
        .sends({.seq = 1_seq, .ack = 1_seq, .sack = Blocks{{101_seq, 201_seq}}})
        .sends({.seq = 1_seq, .ack = 1_seq, .text = text});
  }
}

TEST(DuplicateSack, TellsOfTextBeforeTheGapThatCameAgain) {  // RFC 2883 s.4.1.1
  Script::established(permitted)
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 300})
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 301_seq, .sack = Blocks{}})
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 301_seq, .sack = Blocks{{101_seq, 201_seq}}})
      .flights(0)
      // Once is enough.
      .arrives({.seq = 401_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 301_seq, .sack = Blocks{{401_seq, 501_seq}}});
}

TEST(DuplicateSack, TellsOfTheOldPartAndKeepsTheNew) {  // RFC 2883 s.4.2.1
  Script::established(permitted)
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 300})
      .at(40ms)
      .sends({.seq = 1_seq, .ack = 301_seq})
      .arrives({.seq = 201_seq, .ack = 1_seq, .text = 200})
      .sends({.seq = 1_seq, .ack = 401_seq, .sack = Blocks{{201_seq, 301_seq}}})
      .flights(0)
      .readable(400);
}

TEST(DuplicateSack, IsFollowedByTheBlockThatItIsIn) {  // RFC 2883 s.4.1.3
  Script::established(permitted)
      .arrives({.seq = 501_seq, .ack = 1_seq, .text = 300})
      .sends({.seq = 1_seq, .ack = 1_seq, .sack = Blocks{{501_seq, 801_seq}}})
      .arrives({.seq = 1001_seq, .ack = 1_seq, .text = 300})
      .sends({.seq = 1_seq, .ack = 1_seq, .sack = Blocks{{1001_seq, 1301_seq}, {501_seq, 801_seq}}})
      .arrives({.seq = 401_seq, .ack = 1_seq, .text = 200})
      .sends({.seq = 1_seq,
              .ack = 1_seq,
              .sack = Blocks{{501_seq, 601_seq}, {401_seq, 801_seq}, {1001_seq, 1301_seq}}})
      // Of two overlaps the first, and what only touches is none.
      .arrives({.seq = 301_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq, .sack = Blocks{{301_seq, 801_seq}, {1001_seq, 1301_seq}}})
      .arrives({.seq = 701_seq, .ack = 1_seq, .text = 400})
      .sends({.seq = 1_seq, .ack = 1_seq, .sack = Blocks{{701_seq, 801_seq}, {301_seq, 1301_seq}}});
}

TEST(DuplicateSack, TellsOfWhatWasHeldAlready) {
  Script::established(permitted)
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 301_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 150})
      .sends(
          {.seq = 1_seq, .ack = 201_seq, .sack = Blocks{{101_seq, 151_seq}, {301_seq, 401_seq}}});
}

TEST(DuplicateSack, IsNotSentUnlessPermittedAndKeepsNoFlight) {
  Script::established()
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq})
      .arrives({.seq = 101_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 1_seq, .sack = Blocks{}})
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 201_seq, .sack = Blocks{}})
      .flights(0)
      .arrives({.seq = 1_seq, .ack = 1_seq, .text = 100})
      .sends({.seq = 1_seq, .ack = 201_seq, .sack = Blocks{}})
      .flights(0);
}

TEST(SackReport, NamesRangesThatAreHeldEachOnce) {
  Prng random(7);
  for (int round = 0; round < 200; ++round) {
    tcp::OutOfOrder held;
    SeqNum next{static_cast<std::uint32_t>(random.next())};
    for (int i = 0; i < 60; ++i) {
      const SeqNum left = next + static_cast<std::uint32_t>(1 + random.below(500));
      const SeqNum right = left + static_cast<std::uint32_t>(1 + random.below(20));
      const bool taken = held.add(left, right) != tcp::OutOfOrder::Added::full;
      if (random.below(8) == 0) next = held.advance(next + 30);
      held.reported();  // of duplicates: their tests are above
      std::array<tcp::OutOfOrder::Range, 4> told{};
      const std::uint8_t count = held.report(4, told.data());
      ASSERT_EQ(count, std::min<int>(held.size(), 4));
      for (std::uint8_t k = 0; k < count; ++k) {
        bool found = false;
        for (std::uint8_t r = 0; r < held.size(); ++r) found = found || held[r] == told[k];
        EXPECT_TRUE(found);
        for (std::uint8_t m = 0; m < k; ++m) EXPECT_NE(told[m], told[k]);
      }
      if (taken && next < left && count != 0) {
        EXPECT_TRUE(told[0].left <= left && right <= told[0].right) << "the latest comes first";
      }
    }
  }
}

}  // namespace
}  // namespace pollux::test
