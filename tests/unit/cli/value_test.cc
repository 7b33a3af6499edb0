#include "cli/value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.h"
#include "cli/error.h"

namespace pollux::cli {
namespace {

using testing::ElementsAre;

TEST(Nearest, FindsSlipsOfTheHand) {
  const std::vector<std::string_view> known{"--device", "--duration", "--cores", "--cps"};
  EXPECT_EQ(nearest("--devise", known), "--device");
  EXPECT_EQ(nearest("--durration", known), "--duration");
  EXPECT_EQ(nearest("--core", known), "--cores");
  EXPECT_EQ(nearest("--something-else", known), "");
  EXPECT_EQ(nearest("", known), "");
}

TEST(Words, AreSplitAtSpacesAlone) {
  EXPECT_THAT(split_words(" a  b,c\td "), ElementsAre("a", "b,c\td"));
  EXPECT_TRUE(split_words("").empty());
  EXPECT_TRUE(split_words("   ").empty());
}

TEST(Numbers, HaveBothEndsOfTheirRange) {
  EXPECT_TRUE(parse_number("68", 68, 9216));
  EXPECT_TRUE(parse_number("9216", 68, 9216));
  EXPECT_FALSE(parse_number("67", 68, 9216));
  EXPECT_FALSE(parse_number("9217", 68, 9216));
  EXPECT_EQ(*parse_number("18446744073709551615", 0, UINT64_MAX), UINT64_MAX);
  for (const char* text : {"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "99999999999999999999"}) {
    EXPECT_FALSE(parse_number(text, 0, UINT64_MAX)) << text;
  }
}

TEST(Seconds, ArePlainDecimals) {
  EXPECT_EQ(*parse_seconds("0.25", 0, 10), 250ms);
  EXPECT_EQ(*parse_seconds("10", 0, 10), 10s);
  for (const char* text : {"", ".", "1e1", "inf", "nan", "-0", "1,5", "1.2.3", "10.1", "0x1"}) {
    EXPECT_FALSE(parse_seconds(text, 0, 10)) << text;
  }
}

TEST(AddressRange, CountsBothEnds) {
  const auto range = parse_address_range("10.0.0.250-10.0.1.5/16");
  ASSERT_TRUE(range);
  EXPECT_EQ(range.value().count, 12u);
  EXPECT_EQ(parse_address_range("10.0.0.2-10.0.0.2/24").value().count, 1u);
  EXPECT_EQ(parse_address_range("10.0.0.0-10.0.0.1/31").value().count, 2u);
  EXPECT_EQ(parse_address_range("10.0.0.0/32").value().count, 1u);
}

TEST(ErrorLine, StaysOneLine) {
  const std::string line =
      format_error({Error::Kind::usage, in_quotes("a\nb\x1b[31m"), "why\r", "that"});
  EXPECT_EQ(line, "error: 'a\\x0ab\\x1b[31m': why\\x0d; try: that");
  EXPECT_EQ(in_quotes(std::string(100, 'x')), "'" + std::string(60, 'x') + "...'");
}

/// Whatever is typed, each reader comes back, and what it accepts lies in its range.
TEST(Values, AreTotal) {
  Prng prng{20260730};
  const std::string alphabet = "0123456789.-/,:=@abcx \n";
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (std::uint64_t n = prng.below(20); n > 0; --n) {
      text += alphabet[prng.below(alphabet.size())];
    }
    if (const auto number = parse_number(text, 3, 5)) {
      EXPECT_TRUE(*number >= 3 && *number <= 5);
    }
    if (const auto seconds = parse_seconds(text, 0, 5)) {
      EXPECT_TRUE(*seconds >= 0s && *seconds <= 5s);
    }
    if (const auto cores = parse_cores(text)) {
      EXPECT_FALSE(cores.value().empty());
    }
    if (const auto range = parse_address_range(text)) {
      EXPECT_GT(range.value().count, 0u);
    }
    (void)parse_route(text).ok();
    (void)parse_endpoint(text).ok();
    (void)parse_mac(text).ok();
  }
}

}  // namespace
}  // namespace pollux::cli
