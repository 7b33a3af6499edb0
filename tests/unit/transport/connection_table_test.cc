#include "transport/tcp/connection_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/prng.h"

namespace pollux::tcp {
namespace {

using Kind = EntryId::Kind;

ConnectionTable table_for(std::uint32_t capacity) {
  auto made = ConnectionTable::make(capacity);
  EXPECT_TRUE(made.ok());
  return std::move(made).value();
}

EntryId find_exactly(const ConnectionTable& table, std::uint64_t hash, EntryId id) {
  return table.find(hash, [&](EntryId other) { return other == id; });
}

TEST(EntryId, KeepsKindAndIndexAndNoneIsNeither) {
  constexpr EntryId last{Kind::time_wait, EntryId::index_limit - 1};
  static_assert(last.kind() == Kind::time_wait && last.index() == EntryId::index_limit - 1);
  EXPECT_FALSE(last.is_none());
  EXPECT_FALSE((EntryId{Kind::half_open, 0}.is_none()));
  EXPECT_TRUE(EntryId{}.is_none());
  EXPECT_EQ(EntryId{}.kind(), Kind::none);
  EXPECT_EQ(EntryId::from_raw(last.raw()), last);
  EXPECT_NE((EntryId{Kind::half_open, 7}), (EntryId{Kind::connection, 7}));
}

TEST(TupleHash, EveryFieldAndEachWordOfTheKeyMatters) {
  const wire::FourTuple base{wire::Ipv4Address{10, 0, 0, 1}, wire::Ipv4Address{10, 0, 0, 2}, 80,
                             1024};
  const TupleKey key = TupleKey::derived({1, 2});
  EXPECT_EQ(hash(base, key), hash(base, key));
  std::set<std::uint64_t> hashes{hash(base, key)};
  for (std::size_t word = 0; word < key.words.size(); ++word) {
    TupleKey other = key;
    other.words[word] ^= std::uint64_t{1} << 63;
    other.words[word] += std::uint64_t{1} << 31;
    hashes.insert(hash(base, other));
  }
  wire::FourTuple other = base;
  other.local = wire::Ipv4Address{10, 0, 0, 3};
  hashes.insert(hash(other, key));
  std::swap(other.local, other.remote);
  hashes.insert(hash(other, key));
  other = base;
  other.remote_port = 1025;
  hashes.insert(hash(other, key));
  other = base;
  std::swap(other.local_port, other.remote_port);
  hashes.insert(hash(other, key));
  other = base;
  std::swap(other.local, other.remote);
  hashes.insert(hash(other, key));
  EXPECT_EQ(hashes.size(), 14u);
}

// What a table sees of it, of tuples that count up: tags and buckets by the lower half, buckets of
// the small table by some bits of both.
TEST(TupleHash, SpreadsTuplesThatCountUp) {
  for (std::uint64_t secret = 0; secret < 20; ++secret) {
    const TupleKey key = TupleKey::derived({secret, 2});
    for (const unsigned shift : {0u, 10u, 20u, 26u}) {
      std::array<std::uint32_t, 2048> buckets{};
      for (std::uint32_t i = 0; i < 2048 * 16; ++i) {
        const wire::FourTuple tuple{wire::Ipv4Address{10, 0, 0, 1},
                                    wire::Ipv4Address{0x0A00'0100 + i / 4096}, 80,
                                    static_cast<std::uint16_t>(1024 + i % 4096)};
        ++buckets[hash(tuple, key) >> shift & 0x7FF];
      }
      // 16 each; by chance a bucket has more than 50 once in 10^11.
      EXPECT_LE(*std::max_element(buckets.begin(), buckets.end()), 50u) << shift;
    }
  }
}

TEST(TupleHash, SpreadsGroupsThatCountUp) {
  for (std::uint64_t secret = 0; secret < 20; ++secret) {
    const TupleKey key = TupleKey::derived({secret, 2});
    std::array<std::uint32_t, 1024> pages{};
    for (std::uint32_t i = 0; i < 1024 * 16; ++i) {
      const wire::FourTuple tuple{wire::Ipv4Address{10, 0, 0, 1},
                                  wire::Ipv4Address{0x0A00'0100 + i / 4096}, 80,
                                  static_cast<std::uint16_t>(1024 + 8 * (i % 4096))};
      ++pages[hash(tuple, key) >> 54];
    }
    EXPECT_LE(*std::max_element(pages.begin(), pages.end()), 50u);
  }
}

TEST(TupleHash, TheUpperHalfIsThatOfAGroup) {
  const TupleKey key = TupleKey::derived({5, 2});
  Prng prng{8};
  std::set<std::uint32_t> groups;
  std::set<std::uint64_t> all;
  std::array<std::uint32_t, 64> places{};
  for (int i = 0; i < 16'000; ++i) {
    const wire::FourTuple first{wire::Ipv4Address{prng.next32()}, wire::Ipv4Address{prng.next32()},
                                static_cast<std::uint16_t>(prng.next32()),
                                static_cast<std::uint16_t>(prng.next32())};
    for (std::uint16_t j = 0; j < 4; ++j) {
      wire::FourTuple tuple = first;
      tuple.remote_port = static_cast<std::uint16_t>(first.remote_port ^ j);
      const std::uint64_t h = hash(tuple, key);
      ASSERT_EQ(h >> 32, hash(first, key) >> 32);
      groups.insert(static_cast<std::uint32_t>(h >> 32));
      all.insert(h);
      ++places[h >> 26 & 63];
    }
  }
  EXPECT_EQ(groups.size(), 16'000u);
  EXPECT_EQ(all.size(), 64'000u);
  // 1,000 each: by chance none is 200 from that.
  EXPECT_GT(*std::min_element(places.begin(), places.end()), 800u);
  EXPECT_LT(*std::max_element(places.begin(), places.end()), 1'200u);
}

TEST(ConnectionTable, AGroupLiesInOnePage) {
  ConnectionTable table = table_for(3'000'000);  // some 7,900 pages
  const TupleKey key = TupleKey::derived({6, 2});
  constexpr std::uint32_t groups = 500;
  for (std::uint32_t i = 0; i < groups * 4; ++i) {
    const wire::FourTuple tuple{wire::Ipv4Address{10, 0, 0, 1}, wire::Ipv4Address{10, 0, 0, 2}, 80,
                                static_cast<std::uint16_t>(1'024 + i)};
    ASSERT_TRUE(table.insert(hash(tuple, key), {Kind::connection, i}, true));
  }
  // One bucket after the other: few pages have two groups.
  std::uint32_t last = groups;
  std::uint32_t changes = 0;
  table.for_each_snapshot([](EntryId id) { return id.index() / 4; },
                          [&](std::uint32_t group) {
                            changes += group != last;
                            last = group;
                          });
  EXPECT_LT(changes, groups + 150);
}

TEST(ConnectionTable, GroupsFindRoomAtFullLoad) {
  constexpr std::uint32_t count = 100'000;
  ConnectionTable table = table_for(count);
  const TupleKey key = TupleKey::derived({7, 2});
  std::vector<std::uint64_t> hashes;
  for (std::uint32_t i = 0; i < count; ++i) {
    const wire::FourTuple tuple{wire::Ipv4Address{10, 0, 0, 1},
                                wire::Ipv4Address{0x0A00'0100 + i / 50'000}, 80,
                                static_cast<std::uint16_t>(1'024 + i % 50'000)};
    hashes.push_back(hash(tuple, key));
    ASSERT_TRUE(table.insert(hashes.back(), {Kind::connection, i}));
  }
  EXPECT_TRUE(table.consistent([&](EntryId id) { return hashes[id.index()]; }));
  std::uint64_t asked = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    ASSERT_EQ(table.find(hashes[i], [&](EntryId id) { return ++asked, id.index() == i; }).index(),
              i);
  }
  EXPECT_LT(asked, count + 100);
  // Simulated: 0.51 an entry in the large table; what all of a group would, from one bucket: 1.3.
  EXPECT_LT(table.passes(), table.far_size() * 3 / 4);
}

// By chance 170 of 8,192 find seven others in their bucket of 2,048. The last secret makes the low
// bits of the upper halves the most regular of 3,000: by those, it would be 1,073.
TEST(ConnectionTable, PortsThatCountUpFillTheSmallTableEvenly) {
  for (const std::uint64_t secret : {0, 1, 2, 3, 4, 5, 6, 7, 2'282}) {
    const TupleKey key = TupleKey::derived({secret, 3});
    for (const std::uint32_t step : {1u, 2u}) {
      ConnectionTable table = table_for(100'000);
      for (std::uint32_t i = 0; i < 8'192; ++i) {
        const wire::FourTuple tuple{wire::Ipv4Address{10, 0, 0, 1}, wire::Ipv4Address{10, 0, 0, 2},
                                    static_cast<std::uint16_t>(1'024 + i * step), 80};
        ASSERT_TRUE(table.insert(hash(tuple, key), {Kind::connection, i}));
      }
      ASSERT_LT(table.far_size(), 300u) << secret << ", ports by " << step;
    }
  }
}

TEST(ConnectionTable, ALifeIsOneInsertTwoReplacementsAndOneErase) {
  ConnectionTable table = table_for(10);
  const std::uint64_t h = 0x1234'5678'9abc'def0;
  const EntryId half{Kind::half_open, 3};
  const EntryId connection{Kind::connection, 9};
  const EntryId time_wait{Kind::time_wait, 0};
  ASSERT_TRUE(table.insert(h, half));
  EXPECT_EQ(find_exactly(table, h, half), half);
  table.replace(h, half, connection);
  EXPECT_TRUE(find_exactly(table, h, half).is_none());
  table.replace(h, connection, time_wait);
  EXPECT_EQ(find_exactly(table, h, time_wait), time_wait);
  EXPECT_EQ(table.size(), 1u);
  table.erase(h, time_wait);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_TRUE(table.find(h, [](EntryId) { return true; }).is_none());
}

/// 60 entries of one hash.
void one_hash_for_all(std::uint64_t h) {
  ConnectionTable table = table_for(60);
  const auto id = [](std::uint32_t i) { return EntryId{Kind::connection, i}; };
  for (std::uint32_t i = 0; i < 60; ++i) ASSERT_TRUE(table.insert(h, id(i)));
  EXPECT_FALSE(table.insert(h, id(60)));
  const auto all_there = [&](auto&& there) {
    for (std::uint32_t i = 0; i < 60; ++i) {
      ASSERT_EQ(!find_exactly(table, h, id(i)).is_none(), there(i)) << i;
    }
    ASSERT_TRUE(table.consistent([&](EntryId) { return h; }));
  };
  all_there([](std::uint32_t) { return true; });
  for (std::uint32_t i = 0; i < 60; i += 2) table.erase(h, id(i));
  all_there([](std::uint32_t i) { return i % 2 == 1; });
  for (std::uint32_t i = 0; i < 60; i += 2) ASSERT_TRUE(table.insert(h, id(i)));
  all_there([](std::uint32_t) { return true; });
  for (std::uint32_t i = 60; i-- > 0;) table.erase(h, id(i));
  all_there([](std::uint32_t) { return false; });
  EXPECT_EQ(table.size(), 0u);
}

TEST(ConnectionTable, OneHashForAllIsSlowButRight) {
  // Every entry starts from the last bucket, so that probes wrap around the end of the table; or
  // has a hash whose tag would be 0, which free slots have.
  for (const std::uint64_t h : {0xffff'ffff'ffff'ffff, 0xffff'ffff'0000'0000}) one_hash_for_all(h);
}

TEST(ConnectionTable, ASearchEndsWhereEveryBucketWasPassed) {
  // One page of 64 buckets, of which each was full once and is left behind by one entry of its own.
  ConnectionTable table = table_for(300);
  const auto hash_at = [](std::uint32_t bucket) { return std::uint64_t{bucket} << 26 | 5; };
  std::unordered_map<std::uint32_t, std::uint64_t> left;
  std::uint32_t next = 0;
  for (std::uint32_t bucket = 0; bucket < 64; ++bucket) {
    const std::uint32_t first = next;
    for (const std::uint32_t end = first + (bucket == 0 ? 8 : 7); next != end; ++next) {
      ASSERT_TRUE(table.insert(hash_at(bucket), {Kind::connection, next}));
    }
    left[next - 1] = hash_at(bucket);
    for (std::uint32_t i = first; i < next - 1; ++i) {
      table.erase(hash_at(bucket), {Kind::connection, i});
    }
  }
  EXPECT_EQ(table.size(), 64u);
  EXPECT_TRUE(table.consistent([&](EntryId id) { return left.at(id.index()); }));
  for (std::uint32_t bucket = 0; bucket < 64; ++bucket) {
    EXPECT_TRUE(find_exactly(table, hash_at(bucket), {Kind::connection, 9'999}).is_none());
  }
}

TEST(ConnectionTable, AnySmallOneIsFilledAndEmptiedAtRandom) {
  for (std::uint32_t capacity = 1; capacity < 40; ++capacity) {
    ConnectionTable small = table_for(capacity);
    Prng prng{capacity};
    std::vector<std::uint64_t> hashes;
    for (std::uint32_t i = 0; i < 2000; ++i) {
      if (hashes.size() < capacity && prng.chance(0.6)) {
        hashes.push_back(prng.next());
        ASSERT_TRUE(small.insert(hashes.back(), {Kind::connection, i}));
      } else if (!hashes.empty()) {
        std::swap(hashes[prng.below(hashes.size())], hashes.back());
        small.erase(hashes.back(), small.find(hashes.back(), [](EntryId) { return true; }));
        hashes.pop_back();
      }
      ASSERT_TRUE(small.find(prng.next(), [](EntryId) { return false; }).is_none());
    }
  }
}

// Of a large table. With one hash for all, seven lie in front, and the others behind them.
TEST(ConnectionTable, WhatComesAndGoesLiesInFrontWhereThereIsRoom) {
  ConnectionTable table = table_for(100'000);
  const std::uint64_t h = 0x1234'5678'9abc'def0;
  const auto id = [](std::uint32_t i) { return EntryId{Kind::connection, i}; };
  const auto consistent = [&] { return table.consistent([&](EntryId) { return h; }); };
  ASSERT_TRUE(table.insert(h, id(0), true));
  for (std::uint32_t i = 1; i < 20; ++i) ASSERT_TRUE(table.insert(h, id(i)));
  for (std::uint32_t i = 0; i < 20; ++i) EXPECT_EQ(find_exactly(table, h, id(i)), id(i));
  EXPECT_TRUE(consistent());
  table.replace(h, id(1), id(21));
  EXPECT_TRUE(find_exactly(table, h, id(1)).is_none());
  for (const std::uint32_t i : {21, 2, 3, 4, 5, 6, 7}) table.erase(h, id(i));
  EXPECT_TRUE(consistent());
  for (std::uint32_t i = 8; i < 20; ++i) EXPECT_EQ(find_exactly(table, h, id(i)), id(i));
  for (std::uint32_t i = 8; i < 20; ++i) table.erase(h, id(i));
  EXPECT_EQ(find_exactly(table, h, id(0)), id(0));
  EXPECT_TRUE(find_exactly(table, h, id(9)).is_none());
  EXPECT_TRUE(consistent());
}

TEST(ConnectionTable, ThePredicateDecidesAmongEqualTags) {
  ConnectionTable table = table_for(20);
  ASSERT_TRUE(table.insert(42, {Kind::connection, 1}));
  ASSERT_TRUE(table.insert(42, {Kind::connection, 2}));
  int asked = 0;
  const EntryId found = table.find(42, [&](EntryId id) {
    ++asked;
    return id.index() == 2;
  });
  EXPECT_EQ(found.index(), 2u);
  EXPECT_EQ(asked, 2);
  asked = 0;
  EXPECT_TRUE(table.find(43, [&](EntryId) { return ++asked != 0; }).is_none());
  EXPECT_EQ(asked, 0);
}

TEST(ConnectionTable, CapacitiesAreKeptFromNothingToMillions) {
  for (const std::uint32_t capacity : {0u, 1u, 5u, 6u, 7u, 100u, 4096u}) {
    ConnectionTable table = table_for(capacity);
    Prng prng{capacity};
    for (std::uint32_t i = 0; i < capacity; ++i) {
      ASSERT_TRUE(table.insert(prng.next(), {Kind::connection, i}));
    }
    EXPECT_FALSE(table.insert(prng.next(), {Kind::connection, capacity}));
    EXPECT_EQ(table.size(), capacity);
  }
  // Untouched pages cost nothing, so a table for 100 million entries can be had anywhere.
  const ConnectionTable huge = table_for(100'000'000);
  EXPECT_LE(huge.bytes(), 100'000'000u * ConnectionTable::bytes_per_entry);
  EXPECT_TRUE(huge.find(12345, [](EntryId) { return true; }).is_none());
}

/// The table beside a std::unordered_map, under the life cycle that connections have.
class Churn {
 public:
  Churn(std::uint32_t capacity, std::uint64_t seed)
      : table_(table_for(capacity)), capacity_(capacity), prng_(seed) {}

  void insert() {
    const EntryId id{Kind::half_open, next_index_++};
    const std::uint64_t h = prng_.next();
    const bool inserted = table_.insert(h, id, prng_.chance(0.5));
    ASSERT_EQ(inserted, live_.size() < capacity_);
    if (!inserted) return;
    model_[h] = id;
    live_.push_back(h);
  }
  void replace() {
    const std::uint64_t h = live_[prng_.below(live_.size())];
    EntryId& id = model_[h];
    if (id.kind() == Kind::time_wait) return;
    const auto next = static_cast<Kind>(static_cast<int>(id.kind()) + 1);
    const EntryId now{next, id.index()};
    table_.replace(h, id, now);
    id = now;
  }
  void erase() {
    const std::size_t at = prng_.below(live_.size());
    const std::uint64_t h = live_[at];
    table_.erase(h, model_[h]);
    ASSERT_TRUE(find_exactly(table_, h, model_[h]).is_none());
    model_.erase(h);
    live_[at] = live_.back();
    live_.pop_back();
  }
  void look_up() {
    const std::uint64_t h = live_[prng_.below(live_.size())];
    ASSERT_EQ(find_exactly(table_, h, model_[h]), model_[h]);
    ASSERT_TRUE(table_.find(prng_.next(), [](EntryId) { return true; }).is_none());
  }
  void check() {
    std::unordered_map<std::uint32_t, std::uint64_t> hashes;
    for (const auto& [h, id] : model_) hashes[id.raw()] = h;
    ASSERT_EQ(table_.size(), model_.size());
    ASSERT_TRUE(table_.consistent([&](EntryId id) { return hashes.at(id.raw()); }));
    std::size_t seen = 0;
    table_.for_each_snapshot([](EntryId id) { return id.raw(); },
                             [&](std::uint32_t raw) { seen += hashes.count(raw); });
    ASSERT_EQ(seen, model_.size());
  }
  Prng& prng() { return prng_; }
  std::size_t size() const { return live_.size(); }

 private:
  ConnectionTable table_;
  std::uint32_t capacity_;
  Prng prng_;
  std::uint32_t next_index_ = 0;
  std::unordered_map<std::uint64_t, EntryId> model_;
  std::vector<std::uint64_t> live_;
};

TEST(ConnectionTable, AgreesWithAMapThroughMillionsOfOperationsAtFullLoad) {
  // The larger ones have a small one in front, which is full, too.
  for (const auto& [seed, capacity] : {std::pair{1u, 20'000u}, {2u, 20'000u}, {3u, 40'000u}}) {
    Churn churn{capacity, seed};
    while (churn.size() < capacity) churn.insert();
    churn.insert();  // refused
    for (int i = 0; i < 500'000; ++i) {
      switch (churn.prng().below(8)) {
        case 0:
        case 1:
        case 2:
          churn.insert();
          break;
        case 3:
        case 4:
          churn.erase();
          break;
        case 5:
          churn.replace();
          break;
        default:
          churn.look_up();
      }
      if (HasFatalFailure()) FAIL() << "seed " << seed << " operation " << i;
      if (i % 100'000 == 0) churn.check();
    }
    churn.check();
    while (churn.size() != 0) churn.erase();
    churn.check();  // no count of passers is left over
  }
}

TEST(ConnectionTable, ProbesStayShortAtFullLoad) {
  ConnectionTable table = table_for(100'000);
  Prng prng{5};
  std::vector<std::uint64_t> hashes;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    hashes.push_back(prng.next());
    ASSERT_TRUE(table.insert(hashes.back(), {Kind::connection, i}));
  }
  // False tag agreements say nothing about probes, but they must be rare.
  std::uint64_t asked = 0;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    ASSERT_EQ(table.find(hashes[i], [&](EntryId id) { return ++asked, id.index() == i; }).index(),
              i);
  }
  EXPECT_LT(asked, 100'010u);
  EXPECT_LT(table.passes(), table.far_size() * 2 / 5);  // by chance 0.3 each
}

TEST(ConnectionTable, AReaderOfAnotherThreadSeesTheLastingEntriesExactlyOnce) {
  // Even indices stay for good; odd ones come and go, and are renamed, under the reader's eyes.
  constexpr std::uint32_t lasting = 500;
  ConnectionTable table = table_for(2000);
  Prng prng{77};
  for (std::uint32_t i = 0; i < lasting; ++i) {
    ASSERT_TRUE(table.insert(prng.next(), {Kind::connection, 2 * i}));
  }
  std::atomic<bool> stop = false;
  std::atomic<int> walks = 0;
  std::atomic<bool> wrong = false;
  std::thread reader{[&] {
    while (!stop.load()) {
      std::vector<int> seen(lasting);
      table.for_each_snapshot([](EntryId id) { return id; },
                              [&](EntryId id) {
                                if (id.is_none() || id.kind() == Kind::none) wrong = true;
                                if (id.index() % 2 == 0) ++seen[id.index() / 2];
                              });
      for (const int n : seen) {
        if (n != 1) wrong = true;
      }
      ++walks;
    }
  }};
  std::vector<std::pair<std::uint64_t, EntryId>> passing;
  for (std::uint32_t i = 0; i < 200'000 || walks.load() < 20; ++i) {
    if (passing.size() < 1400 && prng.chance(0.55)) {
      const EntryId id{Kind::half_open, (2 * i + 1) % EntryId::index_limit};
      passing.emplace_back(prng.next(), id);
      ASSERT_TRUE(table.insert(passing.back().first, id));
    } else if (!passing.empty()) {
      const std::size_t at = prng.below(passing.size());
      auto& [h, id] = passing[at];
      if (id.kind() == Kind::half_open) {
        const EntryId now{Kind::connection, id.index()};
        table.replace(h, id, now);
        id = now;
      } else {
        table.erase(h, id);
        std::swap(passing[at], passing.back());
        passing.pop_back();
      }
    }
  }
  stop = true;
  reader.join();
  EXPECT_FALSE(wrong.load());
}

}  // namespace
}  // namespace pollux::tcp
