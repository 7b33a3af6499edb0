#include "link/waiting.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "base/prng.h"

namespace pollux::link {
namespace {

/// A number with one owner; it tells how many are alive.
class Numbered {
 public:
  Numbered() noexcept = default;
  explicit Numbered(int number) noexcept : number_(number), held_(true) { ++live; }
  Numbered(Numbered&& other) noexcept
      : number_(other.number_), held_(std::exchange(other.held_, false)) {}
  Numbered& operator=(Numbered&& other) noexcept {
    if (this != &other) {
      drop();
      number_ = other.number_;
      held_ = std::exchange(other.held_, false);
    }
    return *this;
  }
  ~Numbered() { drop(); }

  explicit operator bool() const noexcept { return held_; }
  int number() const noexcept { return number_; }

  std::span<const std::byte> bytes() const noexcept { return {}; }
  std::span<std::byte> mutable_bytes() noexcept { return {}; }
  std::size_t headroom() const noexcept { return 0; }
  std::size_t tailroom() const noexcept { return 0; }
  std::span<std::byte> prepend(std::size_t) noexcept { return {}; }
  std::span<std::byte> append(std::size_t) noexcept { return {}; }
  std::span<std::byte> lay_out(std::size_t, std::size_t) noexcept { return {}; }
  void drop_front(std::size_t) noexcept {}
  void keep_front(std::size_t) noexcept {}
  packet::Verified ip_verified() const noexcept { return packet::Verified::unknown; }
  packet::Verified l4_verified() const noexcept { return packet::Verified::unknown; }
  std::optional<std::uint32_t> rss_hash() const noexcept { return std::nullopt; }
  void request(const packet::ChecksumRequest&) noexcept {}
  void attach(Numbered&&) noexcept {}
  std::size_t length() const noexcept { return 0; }

  static inline int live = 0;

 private:
  void drop() noexcept {
    if (held_) --live;
    held_ = false;
  }
  int number_ = 0;
  bool held_ = false;
};

std::vector<int> taken(WaitingQueue<Numbered>& queue, NeighborId id) {
  std::vector<int> out;
  queue.take_all(id, [&](Numbered&& p) { out.push_back(Numbered{std::move(p)}.number()); });
  return out;
}

TEST(WaitingQueue, KeepsOrderForEachNeighbor) {
  WaitingQueue<Numbered> queue{4, 64};
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(queue.push(static_cast<NeighborId>(i % 2), Numbered{i}).dropped, 0u);
  }
  EXPECT_EQ(queue.size(), 10u);
  EXPECT_EQ(taken(queue, 1), (std::vector<int>{1, 3, 5, 7, 9}));
  EXPECT_EQ(taken(queue, 1), std::vector<int>{});
  EXPECT_EQ(taken(queue, 0), (std::vector<int>{0, 2, 4, 6, 8}));
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(Numbered::live, 0);
}

TEST(WaitingQueue, AFullNeighborGivesUpItsOldest) {
  WaitingQueue<Numbered> queue{4, 64, 3};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.push(2, Numbered{i}).dropped, 0u);
  EXPECT_EQ(queue.push(2, Numbered{3}).dropped, 1u);
  EXPECT_EQ(queue.push(3, Numbered{9}).dropped, 0u);
  EXPECT_EQ(taken(queue, 2), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(queue.size(3), 1u);
}

TEST(WaitingQueue, AFullQueueGivesUpTheOldestOfAll) {
  WaitingQueue<Numbered> queue{8, 4, 3};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(queue.push(static_cast<NeighborId>(i / 2), Numbered{i}).dropped, 0u);
  }
  EXPECT_EQ(queue.push(5, Numbered{4}).dropped, 1u);
  EXPECT_EQ(queue.push(5, Numbered{5}).dropped, 1u);
  EXPECT_EQ(taken(queue, 0), std::vector<int>{});
  EXPECT_EQ(taken(queue, 1), (std::vector<int>{2, 3}));
  EXPECT_EQ(taken(queue, 5), (std::vector<int>{4, 5}));
}

TEST(WaitingQueue, FragmentsOfOneDatagramGoTogether) {
  WaitingQueue<Numbered> queue{4, 8, 4};
  EXPECT_EQ(queue.push(1, Numbered{0}, 70).dropped, 0u);
  EXPECT_EQ(queue.push(1, Numbered{1}, 70).dropped, 0u);
  EXPECT_EQ(queue.push(1, Numbered{2}, 70).dropped, 0u);
  EXPECT_EQ(queue.push(1, Numbered{3}).dropped, 0u);
  const auto pushed = queue.push(1, Numbered{4});
  EXPECT_EQ(pushed.dropped, 3u);
  EXPECT_TRUE(pushed.kept);
  EXPECT_EQ(taken(queue, 1), (std::vector<int>{3, 4}));

  // The same where the whole queue is full, and others' fragments bear the same number.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.push(0, Numbered{i}, 71).dropped, 0u);
  for (int i = 3; i < 6; ++i) EXPECT_EQ(queue.push(1, Numbered{i}, 71).dropped, 0u);
  EXPECT_EQ(queue.push(2, Numbered{6}).dropped, 0u);
  EXPECT_EQ(queue.push(2, Numbered{7}).dropped, 0u);
  EXPECT_EQ(queue.push(3, Numbered{8}).dropped, 3u);
  EXPECT_EQ(queue.size(0), 0u);
  EXPECT_EQ(queue.size(1), 3u);
  EXPECT_EQ(queue.size(), 6u);
}

TEST(WaitingQueue, ADatagramThatIsTooLargeToWaitIsRefusedAsAWhole) {
  {
    WaitingQueue<Numbered> queue{2, 8, 4};
    EXPECT_EQ(queue.push(0, Numbered{9}).dropped, 0u);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.push(0, Numbered{i}, 70).kept);
    const auto fourth = queue.push(0, Numbered{3}, 70);
    EXPECT_TRUE(fourth.kept) << "in the place of an older datagram";
    EXPECT_EQ(fourth.dropped, 1u);
    const auto fifth = queue.push(0, Numbered{4}, 70);
    EXPECT_FALSE(fifth.kept);
    EXPECT_EQ(fifth.dropped, 5u) << "itself and its four";
    EXPECT_EQ(queue.size(), 0u);
    EXPECT_EQ(Numbered::live, 0);
  }
}

TEST(WaitingQueue, DropsAllOfOne) {
  {
    WaitingQueue<Numbered> queue{4, 8};
    for (int i = 0; i < 6; ++i) {
      EXPECT_EQ(queue.push(static_cast<NeighborId>(i % 3), Numbered{i}).dropped, 0u);
    }
    EXPECT_EQ(queue.drop_all(1), 2u);
    EXPECT_EQ(queue.drop_all(1), 0u);
    EXPECT_EQ(Numbered::live, 4);
    EXPECT_EQ(taken(queue, 2), (std::vector<int>{2, 5}));
    EXPECT_EQ(queue.push(1, Numbered{6}).dropped, 0u);
    EXPECT_EQ(queue.drop_all(), 3u);
    EXPECT_EQ(queue.drop_all(), 0u);
    EXPECT_EQ(Numbered::live, 0);
    EXPECT_EQ(queue.push(1, Numbered{7}).dropped, 0u);
  }
  EXPECT_EQ(Numbered::live, 0) << "what still waits goes with the queue";
}

TEST(WaitingQueue, WhatIsPushedWhileTakingWaitsForTheNextTime) {
  WaitingQueue<Numbered> queue{2, 4};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(queue.push(0, Numbered{i}).dropped, 0u);
  std::vector<int> seen;
  queue.take_all(0, [&](Numbered&& p) {
    seen.push_back(p.number());
    if (p.number() < 2) {
      EXPECT_EQ(queue.push(0, Numbered{p.number() + 10}).dropped, 0u);
    }
  });
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(taken(queue, 0), (std::vector<int>{10, 11}));
}

TEST(WaitingQueue, AgreesWithAModel) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    Prng random{seed};
    constexpr std::uint32_t neighbors = 7;
    const auto bound = static_cast<std::uint32_t>(1 + random.below(30));
    const auto each = static_cast<std::uint32_t>(1 + random.below(8));
    WaitingQueue<Numbered> queue{neighbors, bound, each};
    std::deque<std::pair<NeighborId, int>> model;
    const auto count_of = [&](NeighborId id) {
      std::uint32_t n = 0;
      for (const auto& one : model) n += one.first == id ? 1 : 0;
      return n;
    };
    for (int step = 0; step < 2000; ++step) {
      const auto id = static_cast<NeighborId>(random.below(neighbors));
      const std::uint64_t dice = random.below(12);
      if (dice == 0) {
        std::vector<int> expected;
        for (const auto& one : model) {
          if (one.first == id) expected.push_back(one.second);
        }
        ASSERT_EQ(taken(queue, id), expected);
        std::erase_if(model, [&](const auto& one) { return one.first == id; });
      } else if (dice == 1) {
        ASSERT_EQ(queue.drop_all(id), count_of(id));
        std::erase_if(model, [&](const auto& one) { return one.first == id; });
      } else {
        std::uint32_t dropped = 0;
        if (count_of(id) == each) {
          model.erase(std::find_if(model.begin(), model.end(),
                                   [&](const auto& one) { return one.first == id; }));
          dropped = 1;
        } else if (model.size() == bound) {
          model.pop_front();
          dropped = 1;
        }
        model.emplace_back(id, step);
        ASSERT_EQ(queue.push(id, Numbered{step}).dropped, dropped);
      }
      ASSERT_EQ(queue.size(), model.size());
      ASSERT_EQ(Numbered::live, static_cast<int>(model.size()));
    }
  }
  EXPECT_EQ(Numbered::live, 0);
}

}  // namespace
}  // namespace pollux::link
