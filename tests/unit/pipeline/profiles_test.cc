#include "pipeline/profiles.h"

#include <gtest/gtest.h>

namespace pollux::pipeline {
namespace {

tcp::Config with_buffer(std::uint32_t bytes) {
  tcp::Config config;
  config.send_buffer = bytes;
  return config;
}

TEST(Profiles, ThoseWhoWantTheSameShareOne) {
  Profiles profiles{tcp::Config{}};
  EXPECT_EQ(profiles.join(tcp::Config{}), Profiles::common);
  const auto first = profiles.join(with_buffer(1'000));
  ASSERT_TRUE(first);
  EXPECT_NE(*first, Profiles::common);
  EXPECT_EQ(profiles[*first].send_buffer, 1'000u);
  EXPECT_EQ(profiles.join(with_buffer(1'000)), first);
  EXPECT_NE(profiles.join(with_buffer(2'000)), first);
}

TEST(Profiles, AreFreeAgainWithTheirLastUser) {
  Profiles profiles{tcp::Config{}};
  const std::uint8_t shared = *profiles.join(with_buffer(1));
  profiles.join(shared);
  for (std::uint32_t i = 2; i != Profiles::most; ++i) ASSERT_TRUE(profiles.join(with_buffer(i)));
  EXPECT_FALSE(profiles.join(with_buffer(1'000)));
  EXPECT_TRUE(profiles.join(tcp::Config{})) << "the common one is for all";
  profiles.leave(shared);
  EXPECT_FALSE(profiles.join(with_buffer(1'000)));
  profiles.leave(shared);
  EXPECT_EQ(profiles.join(with_buffer(1'000)), shared);
}

TEST(Profiles, TheCommonOneStaysWhoeverLeavesIt) {
  Profiles profiles{with_buffer(7)};
  profiles.leave(Profiles::common);
  profiles.leave(Profiles::common);
  EXPECT_NE(*profiles.join(with_buffer(8)), Profiles::common);
  EXPECT_EQ(profiles[Profiles::common].send_buffer, 7u);
}

}  // namespace
}  // namespace pollux::pipeline
