#include "base/counters.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cause.h"

namespace pollux {
namespace {

/// The enumerator's own name, as the compiler spells it: "... [with auto E = pollux::Drop::none]".
template <auto E>
std::string_view spelled() {
  std::string_view text = __PRETTY_FUNCTION__;
  const std::size_t start = text.find("E = ");
  if (start == std::string_view::npos) return "";
  text.remove_prefix(start);
  text = text.substr(0, text.find_first_of(";]"));
  return text.substr(text.rfind(':') + 1);
}

template <class E, std::size_t... Index>
std::vector<std::string_view> spelled_all(std::index_sequence<Index...>) {
  return {spelled<static_cast<E>(Index)>()...};
}

template <class E>
class CounterNames : public testing::Test {
 protected:
  static constexpr std::size_t count = static_cast<std::size_t>(E::count_);
};

using Enums = testing::Types<Drop, SendDrop, Event, Cause>;
TYPED_TEST_SUITE(CounterNames, Enums);

TYPED_TEST(CounterNames, AreTheEnumeratorsInStep) {
  const auto expected = spelled_all<TypeParam>(std::make_index_sequence<TestFixture::count>());
  ASSERT_EQ(expected.size(), TestFixture::count);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(name(static_cast<TypeParam>(i)), expected[i]) << "at " << i;
  }
}

TYPED_TEST(CounterNames, AreUniqueAndPlainWords) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < TestFixture::count; ++i) {
    const std::string_view word = name(static_cast<TypeParam>(i));
    EXPECT_FALSE(word.empty()) << "at " << i;
    EXPECT_TRUE(seen.insert(word).second) << word << " twice";
    for (const char c : word) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
      EXPECT_TRUE(plain) << word;
    }
  }
}

TEST(Counters, StartAtZeroAndCountApart) {
  Counters counters;
  EXPECT_EQ(counters.dropped(), 0u);
  counters.count(Drop::tcp_paws);
  counters.count(Drop::hand_over_full, 5);
  counters.count(SendDrop::no_route, 3);
  counters.count(Event::bytes_sent, 1500);
  EXPECT_EQ(counters[Drop::tcp_paws], 1u);
  EXPECT_EQ(counters[Drop::hand_over_full], 5u);
  EXPECT_EQ(counters[Drop::no_buffer], 0u);
  EXPECT_EQ(counters[SendDrop::no_route], 3u);
  EXPECT_EQ(counters[SendDrop::no_buffer], 0u);
  EXPECT_EQ(counters[Event::bytes_sent], 1500u);
  EXPECT_EQ(counters.dropped(), 6u) << "the sum is over Drop alone";
}

TEST(Counters, AddSumsEveryCell) {
  Counters sum;
  Counters one;
  for (std::size_t i = 0; i < drop_count; ++i) one.count(static_cast<Drop>(i), i + 1);
  for (std::size_t i = 0; i < send_drop_count; ++i) one.count(static_cast<SendDrop>(i), i + 1);
  for (std::size_t i = 0; i < event_count; ++i) one.count(static_cast<Event>(i), i + 1);
  sum.add(one);
  sum.add(one);
  for (std::size_t i = 0; i < drop_count; ++i) {
    EXPECT_EQ(sum[static_cast<Drop>(i)], 2 * (i + 1));
  }
  for (std::size_t i = 0; i < send_drop_count; ++i) {
    EXPECT_EQ(sum[static_cast<SendDrop>(i)], 2 * (i + 1));
  }
  for (std::size_t i = 0; i < event_count; ++i) {
    EXPECT_EQ(sum[static_cast<Event>(i)], 2 * (i + 1));
  }
  EXPECT_EQ(sum.dropped(), drop_count * (drop_count + 1));
}

}  // namespace
}  // namespace pollux
