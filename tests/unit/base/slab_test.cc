#include "base/slab.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/prng.h"

namespace pollux {
namespace {

struct Node {
  std::uint64_t owner = 0;
  std::uint32_t next = 0;
  std::uint16_t length = 0;
};

struct alignas(64) Lines {
  std::uint64_t words[16] = {};
};

template <class S>
S made(std::uint32_t capacity) {
  auto result = S::make(capacity);
  EXPECT_TRUE(result.ok());
  return std::move(*result);
}

TEST(Slab, GivesEveryIndexOnceThenNone) {
  auto slab = made<Slab<Node>>(3);
  EXPECT_EQ(slab.capacity(), 3u);
  EXPECT_EQ(slab.available(), 3u);
  EXPECT_EQ(slab.acquire(), 0u);
  EXPECT_EQ(slab.acquire(), 1u);
  EXPECT_EQ(slab.acquire(), 2u);
  EXPECT_EQ(slab.acquire(), Slab<Node>::none);
  EXPECT_EQ(slab.size(), 3u);
  EXPECT_EQ(slab.available(), 0u);
  slab.release(1);
  EXPECT_EQ(slab.acquire(), 1u);
  EXPECT_EQ(slab.acquire(), Slab<Node>::none);
}

TEST(Slab, TakesTheLastReleasedFirstAndNewOnesInOrder) {
  auto slab = made<Slab<Node>>(10);
  for (std::uint32_t i = 0; i < 5; ++i) ASSERT_EQ(slab.acquire(), i);
  slab.release(1);
  slab.release(4);
  slab.release(2);
  EXPECT_EQ(slab.high_water(), 5u);
  EXPECT_EQ(slab.acquire(), 2u);
  EXPECT_EQ(slab.acquire(), 4u);
  EXPECT_EQ(slab.acquire(), 1u);
  EXPECT_EQ(slab.acquire(), 5u);
}

TEST(Slab, ConstructsFromArgumentsAggregatesToo) {
  auto slab = made<Slab<Node>>(2);
  const std::uint32_t index = slab.acquire(Node{7, 8, 9});
  EXPECT_EQ(slab[index].owner, 7u);
  const std::uint32_t other = slab.acquire(std::uint64_t{1}, 2u, std::uint16_t{3});
  EXPECT_EQ(slab[other].next, 2u);
  EXPECT_EQ(slab[other].length, 3u);
  slab.release(other);
  EXPECT_EQ(slab[slab.acquire()].next, 0u) << "nothing of the last life is left";
}

TEST(Slab, KeepsTheAlignmentOfItsElements) {
  auto slab = made<Slab<Lines>>(100);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&slab[slab.acquire()]) % 64, 0u);
  }
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&slab[1]) - reinterpret_cast<std::uintptr_t>(&slab[0]),
            sizeof(Lines));
}

TEST(Slab, HoldsElementsSmallerThanItsOwnLink) {
  auto slab = made<Slab<char>>(4);
  for (char c = 'a'; c < 'e'; ++c) slab[slab.acquire()] = c;
  slab.release(2);
  slab.release(0);
  EXPECT_EQ(slab[1], 'b');
  EXPECT_EQ(slab[3], 'd');
  EXPECT_EQ(slab.acquire('x'), 0u);
  EXPECT_EQ(slab.acquire('y'), 2u);
  EXPECT_EQ(slab[1], 'b');
}

TEST(Slab, DestroysOnReleaseAndWhatIsLeftAtTheEnd) {
  auto shared = std::make_shared<int>(1);
  {
    auto slab = made<Slab<std::shared_ptr<int>>>(10);
    for (int i = 0; i < 6; ++i) ASSERT_NE(slab.acquire(shared), slab.none);
    EXPECT_EQ(shared.use_count(), 7);
    slab.release(2);
    slab.release(5);
    slab.release(0);
    EXPECT_EQ(shared.use_count(), 4);
    Slab<std::shared_ptr<int>> moved = std::move(slab);
    EXPECT_EQ(moved.size(), 3u);
    EXPECT_EQ(slab.capacity(), 0u);  // NOLINT(bugprone-use-after-move): empty is the promise
    EXPECT_EQ(slab.acquire(shared), slab.none);
    EXPECT_EQ(shared.use_count(), 4);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(Slab, MoveAssignmentDestroysTheOldContent) {
  auto shared = std::make_shared<int>(1);
  auto slab = made<Slab<std::shared_ptr<int>>>(4);
  ASSERT_EQ(slab.acquire(shared), 0u);
  slab = made<Slab<std::shared_ptr<int>>>(2);
  EXPECT_EQ(shared.use_count(), 1);
  EXPECT_EQ(slab.capacity(), 2u);
}

TEST(Slab, OfNothingIsAlwaysFull) {
  auto slab = made<Slab<Node, true>>(0);
  EXPECT_EQ(slab.acquire(), slab.none);
  EXPECT_EQ(slab.find(Handle{0, 1}), nullptr);
  Slab<Node> unmade;
  EXPECT_EQ(unmade.acquire(), unmade.none);
}

TEST(Slab, ReservesForMillionsAtOnce) {
  auto slab = made<Slab<Lines, true>>(50'000'000);
  const std::uint32_t index = slab.acquire();
  slab[index].words[15] = 1;
  EXPECT_EQ(index, 0u);
}

TEST(SlabHandle, FindsOneLifeOnly) {
  auto slab = made<Slab<Node, true>>(4);
  EXPECT_EQ(slab.find(Handle{}), nullptr);
  const std::uint32_t index = slab.acquire(Node{1, 0, 0});
  EXPECT_EQ(slab.find(Handle{}), nullptr) << "a default handle finds not even the first element";
  const Handle first = slab.handle(index);
  ASSERT_NE(slab.find(first), nullptr);
  EXPECT_EQ(slab.find(first)->owner, 1u);
  slab.release(index);
  EXPECT_EQ(slab.find(first), nullptr);
  EXPECT_EQ(slab.find(Handle{first.index, first.generation + 1}), nullptr) << "a free element";
  ASSERT_EQ(slab.acquire(Node{2, 0, 0}), index);
  EXPECT_EQ(slab.find(first), nullptr);
  EXPECT_EQ(slab.find(slab.handle(index))->owner, 2u);
  EXPECT_NE(slab.handle(index), first);
}

TEST(SlabHandle, ForeignIndicesFindNothing) {
  auto slab = made<Slab<Node, true>>(4);
  ASSERT_EQ(slab.acquire(), 0u);
  for (const std::uint32_t index : {1u, 3u, 4u, 5u, 1'000'000'000u, 0xffffffffu}) {
    EXPECT_EQ(slab.find(Handle{index, 1}), nullptr) << index;
    EXPECT_FALSE(slab.live(index)) << index;
  }
  EXPECT_TRUE(slab.live(0));
}

TEST(SlabHandle, RandomLivesAgreeWithAMap) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Prng prng{seed};
    auto slab = made<Slab<Node, true>>(50);
    std::map<std::uint32_t, std::uint64_t> model;
    std::vector<std::pair<Handle, std::uint64_t>> handles;
    for (std::uint64_t step = 0; step < 5'000; ++step) {
      // The odds swing, so that the pool runs full and runs empty in turn.
      if (prng.chance(step / 200 % 2 == 0 ? 0.7 : 0.3)) {
        const std::uint32_t index = slab.acquire(Node{step, 0, 0});
        ASSERT_EQ(index == slab.none, model.size() == 50);
        if (index == slab.none) continue;
        ASSERT_TRUE(model.emplace(index, step).second) << "given twice";
        handles.emplace_back(slab.handle(index), step);
      } else if (!model.empty()) {
        auto victim = std::next(model.begin(), static_cast<int>(prng.below(model.size())));
        ASSERT_EQ(slab[victim->first].owner, victim->second);
        slab.release(victim->first);
        model.erase(victim);
      }
      ASSERT_EQ(slab.size(), model.size());
    }
    for (const auto& [handle, life] : handles) {
      const auto now = model.find(handle.index);
      const bool alive = now != model.end() && now->second == life;
      ASSERT_EQ(slab.find(handle) != nullptr, alive) << "seed " << seed << " life " << life;
    }
  }
}

#if defined(POLLUX_ADDRESS_SANITIZER)
TEST(SlabDeathTest, TheSanitizerSeesUseAfterRelease) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto slab = made<Slab<Node>>(4);
  ASSERT_EQ(slab.acquire(), 0u);
  Node* const kept = &slab[0];
  slab.release(0);
  EXPECT_DEATH(kept->length = 1, "use-after-poison");
}
#endif

}  // namespace
}  // namespace pollux
