#include "base/token_bucket.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace pollux {
namespace {

TEST(TokenBucket, LetsABurstThroughThenTheRate) {
  TokenBucket bucket{10, 5};
  Instant now{1s};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(bucket.take(now)) << i;
  EXPECT_FALSE(bucket.take(now));
  EXPECT_FALSE(bucket.take(now + 99ms));
  EXPECT_TRUE(bucket.take(now + 100ms));
  EXPECT_FALSE(bucket.take(now + 100ms));
  // A long pause fills it to the burst, no further.
  now += 1h;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(bucket.take(now)) << i;
  EXPECT_FALSE(bucket.take(now));
}

TEST(TokenBucket, StartsFullWhateverTheEpoch) {
  for (const Instant start : {Instant{}, Instant{-1h}, Instant{24h * 365 * 50}}) {
    TokenBucket bucket{1, 1};
    EXPECT_TRUE(bucket.take(start));
    EXPECT_FALSE(bucket.take(start));
    EXPECT_TRUE(bucket.take(start + 1s));
  }
}

TEST(TokenBucket, ReservationsComeOneAfterTheOther) {
  TokenBucket bucket{10, 2};
  const Instant now{5s};
  EXPECT_EQ(bucket.reserve(now), now);
  EXPECT_EQ(bucket.reserve(now), now);
  EXPECT_EQ(bucket.reserve(now), now + 100ms);
  EXPECT_EQ(bucket.reserve(now), now + 200ms);
  EXPECT_FALSE(bucket.take(now + 200ms));
  EXPECT_TRUE(bucket.take(now + 300ms));
}

TEST(TokenBucket, NeverExceedsItsRate) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Prng random{seed};
    const auto rate = static_cast<std::uint32_t>(1 + random.below(1000));
    const auto burst = static_cast<std::uint32_t>(1 + random.below(100));
    TokenBucket bucket{rate, burst};
    Instant now{};
    std::int64_t taken = 0;
    for (int i = 0; i < 20000; ++i) {
      now += Duration{random.below(2'000'000)};
      if (bucket.take(now)) ++taken;
      const double seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
      ASSERT_LE(static_cast<double>(taken), burst + seconds * rate * 1.0001 + 1e-6);
    }
  }
}

}  // namespace
}  // namespace pollux
