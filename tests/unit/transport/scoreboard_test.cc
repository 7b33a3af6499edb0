#include "transport/tcp/scoreboard.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.h"

namespace pollux::tcp {
namespace {

using std::chrono::microseconds;

Micros32 at(std::uint32_t us) { return Micros32::from_raw(us); }
SeqNum seq(std::uint32_t n) { return SeqNum{n}; }

/// "0-100 sent 1, 100-200 sacked": every range, with what is known of it.
std::string text(const Scoreboard& board) {
  std::string out;
  for (std::uint8_t i = 0; i < board.size(); ++i) {
    const Scoreboard::Range range = board[i];
    if (!out.empty()) out += ", ";
    out += std::to_string(range.left.value()) + "-" + std::to_string(range.right.value());
    if (range.sacked) {
      out += " sacked";
      continue;
    }
    out += " sent " + std::to_string(range.sent_at.raw());
    if (range.again) out += " again";
    if (range.lost) out += " lost";
  }
  return out;
}

const auto ignore = [](const Scoreboard::Range&) {};
const auto all = [](const Scoreboard::Range&) { return true; };

/// Ten segments of 100 bytes, each sent 10 us after the one before.
Scoreboard ten() {
  Scoreboard board;
  board.begin(seq(0), seq(0), at(0));
  for (std::uint32_t i = 0; i < 10; ++i) {
    board.sent(seq(100 * i), seq(100 * i + 100), at(10 * i), microseconds{0});
  }
  return board;
}

TEST(Scoreboard, OneBurstIsOneRange) {
  Scoreboard board;
  board.begin(seq(0), seq(100), at(1));
  board.sent(seq(100), seq(200), at(1), microseconds{0});
  board.sent(seq(200), seq(300), at(2), microseconds{0});
  EXPECT_EQ(text(board), "0-200 sent 1, 200-300 sent 2");
  EXPECT_EQ(board.pipe(), 300u);
}

TEST(Scoreboard, AGrainOfTimeIsOneRangeUnderItsLatestTime) {
  Scoreboard board;
  board.begin(seq(0), seq(0), at(0));
  for (std::uint32_t i = 0; i < 10; ++i) {
    board.sent(seq(10 * i), seq(10 * i + 10), at(2 * i), microseconds{5});
  }
  // A range goes on for so long after its beginning, not after what was sent last.
  EXPECT_EQ(text(board), "0-30 sent 4, 30-60 sent 10, 60-90 sent 16, 90-100 sent 18");
}

TEST(Scoreboard, TellsWhatHasArrivedOnce) {
  Scoreboard board = ten();
  std::vector<std::uint32_t> arrived;
  const auto note = [&](const Scoreboard::Range& range) { arrived.push_back(range.left.value()); };
  board.sack(seq(200), seq(400), note);
  board.sack(seq(200), seq(500), note);
  EXPECT_EQ(arrived, (std::vector<std::uint32_t>{200, 300, 400}));
  EXPECT_EQ(board.sacked(), 300u);
  EXPECT_EQ(board.islands(), 1);
  arrived.clear();
  board.acknowledge(seq(600), note);
  EXPECT_EQ(arrived, (std::vector<std::uint32_t>{0, 100, 500}));
  EXPECT_EQ(board.sacked(), 0u);
  EXPECT_EQ(board.pipe(), 400u);
}

TEST(Scoreboard, APartOfARangeMayArrive) {
  Scoreboard board;
  board.begin(seq(0), seq(1000), at(7));
  board.sack(seq(300), seq(500), ignore);
  board.acknowledge(seq(100), ignore);
  EXPECT_EQ(text(board), "100-300 sent 7, 300-500 sacked, 500-1000 sent 7");
  board.acknowledge(seq(400), ignore);
  EXPECT_TRUE(board.front_is_sacked());
  EXPECT_EQ(board.sacked(), 100u);
  EXPECT_EQ(board.front(), seq(400));
}

TEST(Scoreboard, WhatIsLostIsSentAgainFromTheFront) {
  Scoreboard board = ten();
  board.sack(seq(500), seq(1000), ignore);
  board.lose(all);
  EXPECT_EQ(board.lost(), 500u);
  EXPECT_EQ(board.pipe(), 0u);
  ASSERT_TRUE(board.first_lost());
  EXPECT_EQ(board.first_lost()->left, seq(0));
  board.sent(seq(0), seq(150), at(200), microseconds{0});
  EXPECT_EQ(board.first_lost()->left, seq(150));
  EXPECT_EQ(board.first_lost()->right, seq(200));
  EXPECT_EQ(board.pipe(), 150u);
  board.forget_lost();
  EXPECT_FALSE(board.first_lost());
  EXPECT_EQ(board.pipe(), 500u);
}

TEST(Scoreboard, WhatHasArrivedCannotBeLost) {
  Scoreboard board = ten();
  board.lose(all);
  board.sack(seq(300), seq(400), ignore);
  EXPECT_EQ(board.lost(), 900u);
  board.lose(all);
  EXPECT_EQ(board.lost(), 900u);
}

TEST(Scoreboard, WithoutRoomItKnowsLessAndStaysRight) {
  Scoreboard board;
  board.begin(seq(0), seq(0), at(0));
  for (std::uint32_t i = 0; i < 1000; ++i) {
    board.sent(seq(10 * i), seq(10 * i + 10), at(i), microseconds{0});
  }
  EXPECT_EQ(board.pipe(), 10'000u);
  for (std::uint8_t i = 0; i < board.size(); ++i) {
    // No range may say that a part of it was sent before it was.
    EXPECT_GE(board[i].sent_at.raw(), (board[i].right.value() - 1) / 10);
  }
  for (std::uint32_t i = 0; i < 400; ++i) board.sack(seq(20 * i), seq(20 * i + 10), ignore);
  EXPECT_LE(board.size(), Scoreboard::max_ranges);
  EXPECT_LE(board.sacked(), 4000u);
  EXPECT_GT(board.sacked(), 0u);
}

/// Against a table with an entry for each byte: what is known is always true, if not all that is.
TEST(Scoreboard, NeverClaimsWhatIsNotSo) {
  constexpr std::uint32_t size = 3000;
  Prng prng{7};
  for (int round = 0; round < 200; ++round) {
    struct Byte {
      bool arrived = false;
      std::uint32_t sent_at = 0;
    };
    const std::uint32_t base = round % 2 == 0 ? 5 : 0u - 1000;  // also over the end of the numbers
    std::vector<Byte> bytes(size);
    std::uint32_t una = 0;
    std::uint32_t nxt = 0;
    Scoreboard board;
    board.begin(seq(base), seq(base), at(0));
    for (std::uint32_t now = 1; now < 400; ++now) {
      const auto pick = [&](std::uint32_t below) {
        return static_cast<std::uint32_t>(prng.below(below));
      };
      const std::uint32_t left = una + (nxt > una ? pick(nxt - una) : 0);
      const std::uint32_t right = std::min(left + 1 + pick(60), nxt);
      const int what = nxt == una ? 0 : static_cast<int>(pick(6));
      if (what <= 1 && nxt < size) {
        const std::uint32_t end = std::min(nxt + 1 + pick(40), size);
        board.sent(seq(base + nxt), seq(base + end), at(now), microseconds{pick(3)});
        for (; nxt < end; ++nxt) bytes[nxt].sent_at = now;
      } else if (what == 2) {
        board.sent(seq(base + left), seq(base + right), at(now), microseconds{0});
        for (std::uint32_t i = left; i < right; ++i) bytes[i].sent_at = now;
      } else if (what == 3) {
        board.sack(seq(base + left), seq(base + right), ignore);
        for (std::uint32_t i = left; i < right; ++i) bytes[i].arrived = true;
      } else if (what == 4) {
        board.lose([&](const Scoreboard::Range& range) { return range.sent_at <= at(now / 2); });
      } else if (what == 5 && pick(4) == 0) {
        una = right;
        board.acknowledge(seq(base + una), ignore);
      }
      ASSERT_EQ(board.front(), seq(base + una));
      ASSERT_EQ(board.back(), seq(base + nxt));
      std::uint32_t sacked = 0;
      std::uint32_t lost = 0;
      for (std::uint8_t i = 0; i < board.size(); ++i) {
        const Scoreboard::Range range = board[i];
        ASSERT_LT(range.left, range.right);
        sacked += range.sacked ? range.size() : 0;
        lost += range.lost ? range.size() : 0;
        for (std::uint32_t k = 0; k < range.size(); ++k) {
          const Byte& byte = bytes[range.left.value() + k - base];
          ASSERT_TRUE(!range.sacked || byte.arrived);
          ASSERT_TRUE(range.sacked || byte.sent_at <= range.sent_at.raw());
        }
      }
      ASSERT_EQ(sacked, board.sacked());
      ASSERT_EQ(lost, board.lost());
    }
  }
}

}  // namespace
}  // namespace pollux::tcp
