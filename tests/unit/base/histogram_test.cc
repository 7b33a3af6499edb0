#include "base/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/prng.h"

namespace pollux {
namespace {

TEST(Histogram, OfNothingIsAllZero) {
  const Histogram none;
  EXPECT_EQ(none.count(), 0u);
  EXPECT_EQ(none.min(), 0u);
  EXPECT_EQ(none.max(), 0u);
  EXPECT_EQ(none.mean(), 0.0);
  EXPECT_EQ(none.percentile(50), 0u);
}

TEST(Histogram, OfOneValueIsThatValueThroughout) {
  for (const std::uint64_t value : {0ull, 1ull, 255ull, 256ull, 1'234'567ull, 999'999'999'999ull}) {
    Histogram one;
    one.record(value);
    EXPECT_EQ(one.min(), value);
    EXPECT_EQ(one.max(), value);
    EXPECT_EQ(one.mean(), static_cast<double>(value));
    for (const double p : {0.0, 0.001, 50.0, 99.9, 100.0}) EXPECT_EQ(one.percentile(p), value);
  }
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram h;
  for (std::uint64_t v = 1; v <= 200; ++v) h.record(v);
  EXPECT_EQ(h.percentile(50), 100u);
  EXPECT_EQ(h.percentile(50.5), 101u);
  EXPECT_EQ(h.percentile(90), 180u);
  EXPECT_EQ(h.percentile(99.5), 199u);
  EXPECT_EQ(h.percentile(99.6), 200u);
  EXPECT_EQ(h.percentile(0), 1u);
  EXPECT_EQ(h.percentile(100), 200u);
  EXPECT_DOUBLE_EQ(h.mean(), 100.5);
}

TEST(Histogram, RanksAreNotRoundedUpByTheMachinesFractions) {
  Histogram h;
  for (int i = 0; i < 999; ++i) h.record(10);
  h.record(200);
  EXPECT_EQ(h.percentile(99.9), 10u);
  EXPECT_EQ(h.percentile(99.91), 200u);
}

TEST(Histogram, EveryValueIsKnownToWithinOnePercentAndNeverUnderstated) {
  Prng prng{1};
  for (int i = 0; i < 20'000; ++i) {
    const auto value = static_cast<std::uint64_t>(std::pow(2.0, prng.unit() * 39.99));
    // A greater one beside it, so that the maximum does not mend the answer.
    static Histogram h;
    h.clear();
    h.record(value);
    h.record(Histogram::max_value);
    const std::uint64_t told = h.percentile(50);
    ASSERT_GE(told, value);
    ASSERT_LE(static_cast<double>(told - value), static_cast<double>(value) / 128);
  }
}

TEST(Histogram, EdgesOfThePowersOfTwoKeepTheirOrder) {
  for (unsigned bit = 1; bit < 40; ++bit) {
    const std::uint64_t edge = std::uint64_t{1} << bit;
    Histogram h;
    h.record(edge - 1);
    h.record(edge);
    h.record(Histogram::max_value);
    EXPECT_EQ(h.percentile(33), edge - 1) << "a bucket ends at the edge";
    EXPECT_GE(h.percentile(66), edge);
  }
}

TEST(Histogram, ValuesBeyondTheRangeAreCountedAtItsEnd) {
  Histogram h;
  h.record(5);
  h.record(~std::uint64_t{0} - 1);
  EXPECT_EQ(h.count(), 2u);
  EXPECT_EQ(h.percentile(50), 5u);
  EXPECT_EQ(h.percentile(100), ~std::uint64_t{0} - 1);
  EXPECT_EQ(h.max(), ~std::uint64_t{0} - 1);
}

TEST(Histogram, PercentilesAgreeWithASortedList) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Prng prng{seed};
    Histogram h;
    std::vector<std::uint64_t> all;
    double sum = 0;
    for (int i = 0; i < 3'000; ++i) {
      const auto value = static_cast<std::uint64_t>(std::pow(10.0, 1 + prng.unit() * 9));
      all.push_back(value);
      sum += static_cast<double>(value);
      h.record(value);
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(h.min(), all.front());
    EXPECT_EQ(h.max(), all.back());
    EXPECT_NEAR(h.mean(), sum / 3'000, sum / 3'000 * 1e-9);
    for (const double p : {1.0, 10.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
      const auto rank = static_cast<std::size_t>(std::ceil(p * 30 - 1e-9));
      const std::uint64_t truth = all[std::max<std::size_t>(rank, 1) - 1];
      EXPECT_GE(h.percentile(p), truth);
      EXPECT_LE(static_cast<double>(h.percentile(p)), static_cast<double>(truth) * 1.0079) << p;
    }
  }
}

TEST(Histogram, CorrectionEntersWhatWasNotSent) {
  Histogram h;
  h.record_corrected(100, 25);  // and 75, 50, 25
  EXPECT_EQ(h.count(), 4u);
  EXPECT_EQ(h.min(), 25u);
  EXPECT_EQ(h.max(), 100u);
  EXPECT_DOUBLE_EQ(h.mean(), 62.5);
  EXPECT_EQ(h.percentile(50), 50u);
}

TEST(Histogram, CorrectionOfWhatWasInTimeOrWithoutIntervalIsNone) {
  Histogram h;
  h.record_corrected(24, 25);
  h.record_corrected(25, 25);
  h.record_corrected(49, 25);
  h.record_corrected(1'000'000, 0);
  EXPECT_EQ(h.count(), 4u);
}

TEST(Histogram, CorrectionByTheBucketIsThatByTheValue) {
  Prng prng{4};
  for (int round = 0; round < 50; ++round) {
    Histogram fast;
    Histogram plain;
    for (int i = 0; i < 5; ++i) {
      const std::uint64_t value = prng.below(10'000'000);
      const std::uint64_t interval = 1 + prng.below(round % 2 == 0 ? 5'000 : 1'000'000);
      fast.record_corrected(value, interval);
      for (std::uint64_t v = value;; v -= interval) {
        plain.record(v);
        if (v < 2 * interval) break;
      }
    }
    ASSERT_EQ(fast.count(), plain.count());
    ASSERT_EQ(fast.min(), plain.min());
    ASSERT_EQ(fast.max(), plain.max());
    ASSERT_NEAR(fast.mean(), plain.mean(), plain.mean() * 1e-9);
    for (double p = 0; p <= 100; p += 0.5) ASSERT_EQ(fast.percentile(p), plain.percentile(p));
  }
}

TEST(Histogram, CorrectionOfAnAgeIsQuick) {
  Histogram h;
  h.record_corrected(1'000'000'000'000, 1);
  EXPECT_EQ(h.count(), 1'000'000'000'000u);
  EXPECT_NEAR(static_cast<double>(h.percentile(50)), 5e11, 5e9);
  h.record_corrected(~std::uint64_t{0} - 1, 1'000'000'000'000'000);
  EXPECT_EQ(h.max(), ~std::uint64_t{0} - 1);
}

TEST(Histogram, AddingIsAsIfAllHadBeenEnteredInOne) {
  Prng prng{6};
  Histogram a;
  Histogram b;
  Histogram both;
  for (int i = 0; i < 2'000; ++i) {
    const std::uint64_t value = prng.below(1'000'000'000);
    (i % 3 == 0 ? a : b).record(value);
    both.record(value);
  }
  a.add(b);
  a.add(Histogram{});
  EXPECT_EQ(a.count(), both.count());
  EXPECT_EQ(a.min(), both.min());
  EXPECT_EQ(a.max(), both.max());
  EXPECT_NEAR(a.mean(), both.mean(), 1e-3);
  for (double p = 0; p <= 100; p += 1) EXPECT_EQ(a.percentile(p), both.percentile(p));
  a.clear();
  EXPECT_EQ(a.count(), 0u);
  EXPECT_EQ(a.percentile(100), 0u);
  EXPECT_EQ(a.mean(), 0.0);
}

TEST(Histogram, MayBeReadWhileItsOwnerWrites) {
  Histogram h;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    std::uint64_t last = 0;
    while (!done.load()) {
      const std::uint64_t count = h.count();
      EXPECT_GE(count, last);
      last = count;
      const std::uint64_t median = h.percentile(50);
      EXPECT_TRUE(median == 0 || (median >= 100 && median < 1'100)) << median;
      Histogram copy;
      copy.add(h);
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < 100'000; ++i) h.record(100 + static_cast<std::uint64_t>(i % 1'000));
  done.store(true);
  reader.join();
  EXPECT_EQ(h.count(), 100'000u);
}

}  // namespace
}  // namespace pollux
