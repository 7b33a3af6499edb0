#include "base/ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/prng.h"

namespace pollux {
namespace {

using Box = std::unique_ptr<std::uint64_t>;

Box box(std::uint64_t value) { return std::make_unique<std::uint64_t>(value); }

TEST(SpscRing, KeepsOrderAndSaysFullAndEmpty) {
  SpscRing<int> ring(4);
  EXPECT_EQ(ring.capacity(), 4u);
  EXPECT_TRUE(ring.empty());
  EXPECT_EQ(ring.pop(), std::nullopt);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.push(i));
  EXPECT_FALSE(ring.push(4));
  EXPECT_EQ(ring.size(), 4u);
  EXPECT_EQ(ring.pop(), 0);
  EXPECT_TRUE(ring.push(5));
  for (const int expected : {1, 2, 3, 5}) EXPECT_EQ(ring.pop(), expected);
  EXPECT_EQ(ring.pop(), std::nullopt);
}

TEST(SpscRing, RoundsItsCapacityUp) {
  EXPECT_EQ(SpscRing<int>(1).capacity(), 1u);
  EXPECT_EQ(SpscRing<int>(5).capacity(), 8u);
}

TEST(SpscRing, OfOneWorks) {
  SpscRing<int> ring(1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(ring.push(i));
    EXPECT_FALSE(ring.push(i));
    EXPECT_EQ(ring.pop(), i);
  }
}

TEST(SpscRing, AFullRingLeavesTheValueWithItsOwner) {
  SpscRing<Box> ring(1);
  ASSERT_TRUE(ring.push(box(1)));
  Box second = box(2);
  ASSERT_FALSE(ring.push(std::move(second)));
  ASSERT_NE(second, nullptr);  // NOLINT(bugprone-use-after-move): untouched is the promise
  EXPECT_EQ(**ring.pop(), 1u);
}

TEST(SpscRing, BurstsTakeWhatFits) {
  SpscRing<Box> ring(8);
  std::vector<Box> in;
  for (std::uint64_t i = 0; i < 11; ++i) in.push_back(box(i));
  EXPECT_EQ(ring.push_burst(in), 8u);
  EXPECT_EQ(in[7], nullptr);
  ASSERT_NE(in[8], nullptr);
  EXPECT_EQ(ring.push_burst(std::span(in).subspan(8)), 0u);
  std::array<Box, 3> out;
  EXPECT_EQ(ring.pop_burst(out), 3u);
  EXPECT_EQ(*out[2], 2u);
  EXPECT_EQ(ring.push_burst(std::span(in).subspan(8)), 3u);
  std::vector<std::uint64_t> seen;
  EXPECT_EQ(ring.pop_burst(100, [&](Box&& b) { seen.push_back(*b); }), 8u);
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{3, 4, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(ring.pop_burst(out), 0u);
  EXPECT_EQ(ring.push_burst({}), 0u);
}

TEST(SpscRing, DestroysWhatIsLeft) {
  auto shared = std::make_shared<int>(1);
  {
    SpscRing<std::shared_ptr<int>> ring(4);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(ring.push(shared));
    ASSERT_TRUE(ring.pop().has_value());
    EXPECT_EQ(shared.use_count(), 3);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(SpscRing, TwoThreadsLoseNothingAndKeepOrder) {
  constexpr std::uint64_t total = 200'000;
  SpscRing<Box> ring(64);
  std::thread producer([&] {
    Prng prng{1};
    std::array<Box, 16> burst;
    for (std::uint64_t sent = 0; sent < total;) {
      const std::size_t n = std::min<std::uint64_t>(1 + prng.below(burst.size()), total - sent);
      for (std::size_t i = 0; i < n; ++i) burst[i] = box(sent + i);
      std::size_t done = n == 1 && ring.push(std::move(burst[0])) ? 1 : 0;
      while (done < n) {
        done += ring.push_burst(std::span(burst).subspan(done, n - done));
        if (done < n) std::this_thread::yield();
      }
      sent += n;
    }
  });
  Prng prng{2};
  std::uint64_t expected = 0;
  bool in_order = true;
  while (expected < total) {
    const auto check = [&](Box&& b) { in_order = in_order && *b == expected++; };
    std::size_t n = 0;
    if (prng.chance(0.5)) {
      n = ring.pop_burst(1 + prng.below(40), check);
    } else if (auto one = ring.pop()) {
      check(std::move(*one));
      n = 1;
    }
    if (n == 0) std::this_thread::yield();
    if (ring.size() > ring.capacity()) in_order = false;
  }
  producer.join();
  EXPECT_TRUE(in_order);
  EXPECT_TRUE(ring.empty());
}

TEST(MessageQueue, KeepsOrderAndSaysFullAndEmpty) {
  MessageQueue<Box> queue(4);
  EXPECT_EQ(queue.capacity(), 4u);
  for (std::uint64_t round = 0; round < 5; ++round) {
    EXPECT_FALSE(queue.pop().has_value());
    for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(queue.push(box(i)));
    Box fifth = box(4);
    EXPECT_FALSE(queue.push(std::move(fifth)));
    ASSERT_NE(fifth, nullptr);  // NOLINT(bugprone-use-after-move): untouched is the promise
    for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(**queue.pop(), i);
  }
}

TEST(MessageQueue, OfOneIsOfTwo) {
  MessageQueue<int> queue(1);
  EXPECT_EQ(queue.capacity(), 2u);
  EXPECT_TRUE(queue.push(1));
  EXPECT_TRUE(queue.push(2));
  EXPECT_FALSE(queue.push(3));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 2);
}

TEST(MessageQueue, DestroysWhatIsLeft) {
  auto shared = std::make_shared<int>(1);
  {
    MessageQueue<std::shared_ptr<int>> queue(4);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(queue.push(shared));
    EXPECT_EQ(shared.use_count(), 4);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(MessageQueue, ManyThreadsLoseNothingAndEachKeepsItsOrder) {
  constexpr std::uint64_t producers = 4;
  constexpr std::uint64_t each = 20'000;
  MessageQueue<Box> queue(32);
  std::vector<std::thread> threads;
  for (std::uint64_t who = 0; who < producers; ++who) {
    threads.emplace_back([&queue, who] {
      for (std::uint64_t i = 0; i < each; ++i) {
        Box message = box(who * each + i);
        while (!queue.push(std::move(message))) std::this_thread::yield();
      }
    });
  }
  std::array<std::uint64_t, producers> next{};
  bool in_order = true;
  for (std::uint64_t got = 0; got < producers * each;) {
    if (auto message = queue.pop()) {
      const std::uint64_t who = **message / each;
      in_order = in_order && **message % each == next[who]++;
      ++got;
    } else {
      std::this_thread::yield();
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(in_order);
  EXPECT_FALSE(queue.pop().has_value());
}

}  // namespace
}  // namespace pollux
