#include "base/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/prng.h"

namespace pollux {
namespace {

constexpr Instant at(Duration since_epoch) { return Instant{since_epoch}; }

TimerWheel made(std::uint32_t capacity, Instant now = at(0ns)) {
  auto result = TimerWheel::make(capacity, now);
  EXPECT_TRUE(result.ok());
  return std::move(*result);
}

std::vector<std::uint32_t> due_at(TimerWheel& wheel, Instant now) {
  std::vector<std::uint32_t> ids;
  wheel.advance(now, [&](std::uint32_t id) { ids.push_back(id); });
  return ids;
}

using Ids = std::vector<std::uint32_t>;

TEST(TimerWheel, FiresOnceAtItsTickAndNotBefore) {
  auto wheel = made(4);
  EXPECT_FALSE(wheel.armed(2));
  EXPECT_EQ(wheel.next_deadline(), std::nullopt);
  wheel.arm(2, at(10ms));
  EXPECT_TRUE(wheel.armed(2));
  EXPECT_EQ(wheel.size(), 1u);
  EXPECT_EQ(wheel.next_deadline(), at(10ms));
  EXPECT_EQ(due_at(wheel, at(10ms - 1ns)), Ids{});
  EXPECT_EQ(due_at(wheel, at(10ms)), Ids{2});
  EXPECT_FALSE(wheel.armed(2));
  EXPECT_EQ(wheel.size(), 0u);
  EXPECT_EQ(due_at(wheel, at(1h)), Ids{});
}

TEST(TimerWheel, RoundsUpSoThatNothingIsEarly) {
  auto wheel = made(1);
  wheel.arm(0, at(10ms + 1ns));
  EXPECT_EQ(wheel.next_deadline(), at(11ms));
  EXPECT_EQ(due_at(wheel, at(10ms + 999us)), Ids{});
  EXPECT_EQ(due_at(wheel, at(11ms)), Ids{0});
}

TEST(TimerWheel, ThePastFiresAtTheNextAdvanceEvenWithoutMovingTime) {
  auto wheel = made(3, at(5s));
  wheel.arm(0, at(1s));
  wheel.arm(1, at(5s));
  EXPECT_EQ(wheel.next_deadline(), at(5s));
  Ids ids = due_at(wheel, at(5s));
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, (Ids{0, 1}));
  EXPECT_EQ(due_at(wheel, at(5s)), Ids{});
}

TEST(TimerWheel, TimeDoesNotRunBackwards) {
  auto wheel = made(2, at(5s));
  wheel.arm(0, at(6s));
  EXPECT_EQ(due_at(wheel, at(1s)), Ids{});
  EXPECT_EQ(wheel.next_deadline().has_value(), true);
  EXPECT_EQ(due_at(wheel, at(6s)), Ids{0});
}

TEST(TimerWheel, ArmingAgainMoves) {
  auto wheel = made(1);
  wheel.arm(0, at(10ms));
  wheel.arm(0, at(10ms));
  wheel.arm(0, at(20ms));
  EXPECT_EQ(wheel.size(), 1u);
  EXPECT_EQ(due_at(wheel, at(19ms)), Ids{});
  wheel.arm(0, at(1h));
  wheel.arm(0, at(25ms));
  EXPECT_EQ(due_at(wheel, at(25ms)), Ids{0});
  EXPECT_EQ(due_at(wheel, at(2h)), Ids{});
}

TEST(TimerWheel, CancelLeavesTheNeighboursAlone) {
  auto wheel = made(5);
  for (std::uint32_t id = 0; id < 5; ++id) wheel.arm(id, at(10ms));
  wheel.cancel(0);
  wheel.cancel(2);
  wheel.cancel(4);
  wheel.cancel(4);
  EXPECT_EQ(wheel.size(), 2u);
  Ids ids = due_at(wheel, at(10ms));
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, (Ids{1, 3}));
}

TEST(TimerWheel, TheNextDeadlineForgetsWhatWasCancelled) {
  auto wheel = made(3);
  wheel.arm(0, at(10ms));
  wheel.arm(1, at(20ms));
  wheel.arm(2, at(1h));
  wheel.cancel(0);
  EXPECT_EQ(wheel.next_deadline(), at(20ms));
  wheel.cancel(1);
  EXPECT_GT(wheel.next_deadline(), at(58min));
  EXPECT_LE(wheel.next_deadline(), at(1h));
}

TEST(TimerWheel, EarlierTicksFireFirstThoughTimeJumps) {
  auto wheel = made(6);
  wheel.arm(0, at(20 * 24h));
  wheel.arm(1, at(3h));
  wheel.arm(2, at(70s));
  wheel.arm(3, at(300ms));
  wheel.arm(4, at(255ms));
  wheel.arm(5, at(1ms));
  EXPECT_EQ(due_at(wheel, at(24 * 24h)), (Ids{5, 4, 3, 2, 1, 0}));
}

TEST(TimerWheel, TheCallbackMayRearmItself) {
  auto wheel = made(1);
  wheel.arm(0, at(10ms));
  int fired = 0;
  wheel.advance(at(100ms), [&](std::uint32_t id) {
    ++fired;
    wheel.arm(id, at(110ms));
  });
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(due_at(wheel, at(109ms)), Ids{});
  EXPECT_EQ(due_at(wheel, at(110ms)), Ids{0});
}

TEST(TimerWheel, RearmingForThePastInTheCallbackEndsTheAdvance) {
  auto wheel = made(1);
  wheel.arm(0, at(10ms));
  int fired = 0;
  const auto rearm = [&](std::uint32_t id) {
    ++fired;
    wheel.arm(id, at(50ms));
  };
  wheel.advance(at(100ms), rearm);
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(wheel.next_deadline(), at(100ms));
  wheel.advance(at(100ms), rearm);
  EXPECT_EQ(fired, 2);
}

TEST(TimerWheel, TheCallbackMayCancelOthersThatAreDueNow) {
  auto wheel = made(3);
  for (std::uint32_t id = 0; id < 3; ++id) wheel.arm(id, at(10ms));
  int fired = 0;
  wheel.advance(at(10ms), [&](std::uint32_t) {
    ++fired;
    for (std::uint32_t id = 0; id < 3; ++id) wheel.cancel(id);
  });
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(wheel.size(), 0u);
  EXPECT_EQ(due_at(wheel, at(1s)), Ids{});
}

TEST(TimerWheel, BeyondTheRangeIsCutToIt) {
  auto wheel = made(1);
  wheel.arm(0, Instant::max());
  const auto limit = at(std::chrono::milliseconds{TimerWheel::max_ticks_ahead});
  EXPECT_EQ(due_at(wheel, limit - 1ms), Ids{});
  EXPECT_EQ(due_at(wheel, limit), Ids{0});
}

TEST(TimerWheel, IdsFarApartTouchLittleMemory) {
  auto wheel = made(100'000'000);
  wheel.arm(99'999'999, at(7ms));
  wheel.arm(0, at(7ms));
  EXPECT_EQ(due_at(wheel, at(7ms)).size(), 2u);
}

/// What a wheel promises, kept in the plainest way: a sorted map from tick to ids.
class Model {
 public:
  explicit Model(std::int64_t now) : horizon_(now) {}

  void arm(std::uint32_t id, Instant when) {
    cancel(id);
    const auto tick = std::chrono::ceil<std::chrono::milliseconds>(when.time_since_epoch()).count();
    auto& to = tick > horizon_ ? timers_ : overdue_;
    to.emplace(std::max(tick, horizon_), id);
  }
  void cancel(std::uint32_t id) {
    for (auto* from : {&timers_, &overdue_}) {
      std::erase_if(*from, [&](const auto& entry) { return entry.second == id; });
    }
  }
  void begin(std::int64_t target) {
    timers_.merge(overdue_);
    horizon_ = std::max(horizon_, target);
  }
  /// Whether the id may fire now, within an advance; forgets it.
  bool fire(std::uint32_t id) {
    if (timers_.empty() || timers_.begin()->first > horizon_) return false;
    const auto [first, last] = timers_.equal_range(timers_.begin()->first);
    const auto found = std::find_if(first, last, [&](const auto& e) { return e.second == id; });
    if (found == last) return false;
    timers_.erase(found);
    return true;
  }
  bool anything_due() const { return !timers_.empty() && timers_.begin()->first <= horizon_; }
  std::optional<std::int64_t> earliest() const {
    if (!overdue_.empty()) return horizon_;
    if (timers_.empty()) return std::nullopt;
    return timers_.begin()->first;
  }
  bool armed(std::uint32_t id) const {
    const auto is = [&](const auto& entry) { return entry.second == id; };
    return std::any_of(timers_.begin(), timers_.end(), is) ||
           std::any_of(overdue_.begin(), overdue_.end(), is);
  }
  std::size_t size() const { return timers_.size() + overdue_.size(); }

 private:
  std::multimap<std::int64_t, std::uint32_t> timers_;
  std::multimap<std::int64_t, std::uint32_t> overdue_;  // armed for the past: the next advance
  std::int64_t horizon_;
};

class AgainstTheModel : public testing::TestWithParam<std::uint64_t> {
 protected:
  static constexpr std::uint32_t capacity = 60;

  /// Log-uniform from a microsecond to 24 days, now and then in the past or exactly on a tick.
  Duration some_while() {
    if (prng.chance(0.05)) return -Duration{prng.below(1'000'000'000)};
    const double nanos = std::pow(10.0, 3.0 + prng.unit() * 12.3);
    const Duration span{static_cast<std::int64_t>(nanos)};
    if (prng.chance(0.3)) return std::chrono::floor<std::chrono::milliseconds>(span);
    return span;
  }
  std::uint32_t some_id() { return static_cast<std::uint32_t>(prng.below(capacity)); }

  void disturb(Instant around) {
    const std::uint32_t id = some_id();
    if (prng.chance(0.7)) {
      const Instant when = around + some_while();
      wheel.arm(id, when);
      model.arm(id, when);
    } else {
      wheel.cancel(id);
      model.cancel(id);
    }
  }

  void advance(Instant to) {
    now = std::max(now, to);
    model.begin(std::chrono::floor<std::chrono::milliseconds>(to.time_since_epoch()).count());
    wheel.advance(to, [&](std::uint32_t id) {
      ASSERT_TRUE(model.fire(id)) << "id " << id << " fired out of turn";
      ASSERT_FALSE(wheel.armed(id));
      while (prng.chance(0.4)) disturb(now);
      if (prng.chance(0.1)) {
        const Instant when = now + some_while();
        wheel.arm(id, when);
        model.arm(id, when);
      }
    });
    ASSERT_FALSE(model.anything_due()) << "not fired";
  }

  void compare() {
    ASSERT_EQ(wheel.size(), model.size());
    const auto mine = wheel.next_deadline();
    const auto exact = model.earliest();
    ASSERT_EQ(mine.has_value(), exact.has_value());
    if (mine) {
      ASSERT_LE(*mine, Instant{std::chrono::milliseconds{*exact}}) << "late";
    }
    for (std::uint32_t id = 0; id < capacity; ++id) ASSERT_EQ(wheel.armed(id), model.armed(id));
  }

  // Starts below, at and far from zero: ticks are signed and wrap at 2^32 inside the wheel.
  Instant now = at(std::vector<Duration>{-30 * 24h, -5ms, 0ns, 49 * 24h, 100'000 * 24h,
                                         (1ll << 32) * 1ms - 100ms}[GetParam() % 6]);
  Prng prng{GetParam()};
  TimerWheel wheel = made(capacity, now);
  Model model{std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count()};
};

TEST_P(AgainstTheModel, RandomStepsAgree) {
  for (int step = 0; step < 2'000 && !HasFatalFailure(); ++step) {
    for (std::uint64_t n = prng.below(6); n > 0; --n) disturb(now);
    compare();
    advance(now + (prng.chance(0.5) ? Duration{prng.below(5'000'000)} : some_while()));
    compare();
  }
}

TEST_P(AgainstTheModel, FollowingTheDeadlinesGetsToTheEndInFewSteps) {
  for (int round = 0; round < 50; ++round) {
    for (std::uint32_t id = 0; id < capacity; ++id) {
      const Instant when = now + some_while();
      wheel.arm(id, when);
      model.arm(id, when);
    }
    int steps = 0;
    while (const auto next = wheel.next_deadline()) {
      now = std::max(now, *next);
      model.begin(std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count());
      wheel.advance(*next, [&](std::uint32_t id) { ASSERT_TRUE(model.fire(id)); });
      ASSERT_FALSE(model.anything_due());
      ASSERT_LE(++steps, 4 * static_cast<int>(capacity)) << "no progress";
    }
    ASSERT_EQ(model.size(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, AgainstTheModel, testing::Range<std::uint64_t>(0, 24));

}  // namespace
}  // namespace pollux
