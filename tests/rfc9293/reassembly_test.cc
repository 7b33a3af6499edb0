#include "transport/tcp/reassembly.h"

#include <gtest/gtest.h>

#include <set>

#include "base/prng.h"

namespace pollux::tcp {
namespace {

constexpr SeqNum at(std::uint32_t n) { return SeqNum{n}; }
using Added = OutOfOrder::Added;

TEST(OutOfOrderRanges, AreJoinedWhereTheyTouchOrOverlap) {
  OutOfOrder held;
  EXPECT_TRUE(held.empty());
  EXPECT_EQ(held.add(at(100), at(200)), Added::new_text);
  EXPECT_EQ(held.add(at(300), at(400)), Added::new_text);
  EXPECT_EQ(held.add(at(250), at(260)), Added::new_text);
  ASSERT_EQ(held.size(), 3);
  EXPECT_EQ(held[1], (OutOfOrder::Range{at(250), at(260)}));
  EXPECT_EQ(held.add(at(120), at(200)), Added::nothing_new);
  EXPECT_EQ(held.add(at(200), at(250)), Added::new_text);
  ASSERT_EQ(held.size(), 2);
  EXPECT_EQ(held[0], (OutOfOrder::Range{at(100), at(260)}));
  EXPECT_EQ(held.add(at(50), at(500)), Added::new_text);
  ASSERT_EQ(held.size(), 1);
  EXPECT_EQ(held[0], (OutOfOrder::Range{at(50), at(500)}));
}

TEST(OutOfOrderRanges, AdvanceTakesWhatIsReached) {
  OutOfOrder held;
  held.add(at(10), at(20));
  held.add(at(30), at(40));
  EXPECT_EQ(held.advance(at(9)), at(9));
  EXPECT_EQ(held.advance(at(10)), at(20));
  EXPECT_TRUE(!held.empty() && held.size() == 1);
  EXPECT_EQ(held.advance(at(35)), at(40));
  EXPECT_FALSE(held.empty()) << "what came twice is still to be told";
  held.reported();
  EXPECT_TRUE(held.empty());
}

TEST(OutOfOrderRanges, AFullListStillJoins) {
  OutOfOrder held;
  for (std::uint32_t i = 0; i < OutOfOrder::max_ranges; ++i) {
    EXPECT_EQ(held.add(at(20 * i), at(20 * i + 10)), Added::new_text);
  }
  EXPECT_EQ(held.add(at(1000), at(1001)), Added::full);
  EXPECT_EQ(held.size(), OutOfOrder::max_ranges);
  EXPECT_EQ(held.add(at(5), at(25)), Added::new_text);
  EXPECT_EQ(held.size(), OutOfOrder::max_ranges - 1);
  EXPECT_EQ(held.add(at(1000), at(1001)), Added::new_text);
}

TEST(OutOfOrderRanges, RememberTheFirstFin) {
  OutOfOrder held;
  held.add_fin(at(50));
  held.add_fin(at(60));
  EXPECT_FALSE(held.empty());
  EXPECT_TRUE(held.fin_at(at(50)));
  EXPECT_FALSE(held.fin_at(at(60)));
  held.advance(at(50));
  EXPECT_TRUE(held.fin_at(at(50)));
  held.advance(at(51));
  EXPECT_TRUE(held.empty());
}

TEST(OutOfOrderRanges, AgreeWithASetOfBytes) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Prng random{seed};
    const std::uint32_t base = random.chance(0.5) ? 0xFFFF'FFFF - 200 : random.next32();
    OutOfOrder held;
    std::set<std::uint32_t> model;  // distances from base
    std::uint32_t next = 0;
    for (int step = 0; step < 200; ++step) {
      const auto left = static_cast<std::uint32_t>(next + 1 + random.below(400));
      const auto right = left + 1 + static_cast<std::uint32_t>(random.below(30));
      std::set<std::uint32_t> more = model;
      for (std::uint32_t i = left; i < right; ++i) more.insert(i);
      switch (held.add(at(base + left), at(base + right))) {
        case Added::new_text:
          EXPECT_NE(more.size(), model.size());
          model = more;
          break;
        case Added::nothing_new:
          EXPECT_EQ(more.size(), model.size());
          break;
        case Added::full:
          EXPECT_EQ(held.size(), OutOfOrder::max_ranges);
          break;
      }
      if (random.chance(0.2)) {
        next += static_cast<std::uint32_t>(random.below(60));
        while (model.contains(next)) ++next;
        EXPECT_EQ(held.advance(at(base + next)), at(base + next));
        model.erase(model.begin(), model.lower_bound(next));
      }
      std::set<std::uint32_t> seen;
      for (std::uint8_t i = 0; i < held.size(); ++i) {
        const auto from = static_cast<std::uint32_t>(held[i].left - at(base));
        const auto to = static_cast<std::uint32_t>(held[i].right - at(base));
        ASSERT_LT(from, to);
        if (i > 0) {
          ASSERT_LT(held[i - 1].right, held[i].left);
        }
        for (std::uint32_t n = from; n < to; ++n) seen.insert(n);
      }
      ASSERT_EQ(seen, model) << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace pollux::tcp
