#include "cli/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "cli/report.h"
#include "cli/summary.h"

namespace pollux::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// The rates of a search where those above `limit` fail.
std::vector<std::uint64_t> steps(const SearchOptions& options, std::uint64_t limit,
                                 std::uint64_t* found = nullptr) {
  RateSearch search{options};
  std::vector<std::uint64_t> out;
  while (const auto rate = search.next()) {
    out.push_back(*rate);
    if (out.size() > 200) break;
    search.record(*rate, *rate <= limit);
  }
  if (found != nullptr) *found = search.passed();
  return out;
}

TEST(RateSearch, DoublesAndThenHalves) {
  EXPECT_THAT(steps({.from = 1'000, .resolution = 0.1}, 5'100),
              ElementsAre(1'000, 2'000, 4'000, 8'000, 6'000, 5'000, 5'500));
}

TEST(RateSearch, FindsAnyLimitAsCloselyAsWasAsked) {
  for (const double resolution : {0.001, 0.01, 0.1}) {
    for (std::uint64_t limit = 1; limit < 20'000'000; limit = limit * 17 / 10 + 1) {
      std::uint64_t found = 0;
      const auto rates = steps({.from = 1'000, .resolution = resolution}, limit, &found);
      ASSERT_LE(rates.size(), 32u) << limit;
      ASSERT_LE(found, limit);
      // What failed lies no further above than that.
      ASSERT_LE(static_cast<double>(limit - found),
                std::max(1.0, resolution * static_cast<double>(limit + 1) / (1 - resolution)))
          << limit << " at " << resolution;
    }
  }
}

TEST(RateSearch, NothingPasses) {
  std::uint64_t found = 7;
  EXPECT_THAT(steps({.from = 10, .resolution = 0.01}, 0, &found), ElementsAre(10, 5, 2, 1));
  EXPECT_EQ(found, 0u);
}

TEST(RateSearch, GoesNoFurtherThanItMay) {
  std::uint64_t found = 0;
  EXPECT_THAT(steps({.from = 1'000, .most = 5'000, .resolution = 0.1}, 1'000'000, &found),
              ElementsAre(1'000, 2'000, 4'000, 5'000));
  EXPECT_EQ(found, 5'000u);
  EXPECT_THAT(steps({.from = 1'000, .most = 1'000, .resolution = 0.1}, 1'000'000),
              ElementsAre(1'000));
  EXPECT_THAT(steps({.from = 1'000, .most = 5'000, .resolution = 0.1}, 4'600),
              ElementsAre(1'000, 2'000, 4'000, 5'000, 4'500));
}

/// A step at 1,000 a second that went well.
Summary good() {
  Summary summary;
  summary.duration_s = 10;
  summary.connections.attempted = 10'000;
  summary.connections.completed = 10'000;
  summary.connect = {10'000, 1, 2, 3, 400, 5, 6};
  summary.cores = {{1, "client", 0.5, 300, 1800}};
  summary.generator.emplace();
  derive(summary);
  return summary;
}

TEST(SearchStep, PassesWhereNothingFailed) {
  EXPECT_EQ(why_failed(good(), 1'000, {}), "");
  const auto step = step_of(good(), 1'000, {});
  EXPECT_TRUE(step.passed());
  EXPECT_EQ(step.rate, 1'000u);
  EXPECT_EQ(step.cps, 1'000);
  EXPECT_EQ(step.p99_us, 400);
  EXPECT_EQ(step.busy, 0.5);
}

TEST(SearchStep, FailsWhereOneFailed) {
  Summary summary = good();
  summary.connections.failed = 1;
  summary.failures.timeout = 1;
  EXPECT_EQ(why_failed(summary, 1'000, {}), "1 failed: timeout 1");
}

TEST(SearchStep, FailsWhereSomeAreNotOver) {
  Summary summary = good();
  summary.connections.open = 3;
  EXPECT_EQ(why_failed(summary, 1'000, {}), "3 were not over a second after it");
}

TEST(SearchStep, IsJudgedByTheConditionsWhereThereAreSome) {
  Summary summary = good();
  summary.connections.failed = 1;
  EXPECT_EQ(why_failed(summary, 1'000, {*parse_fail_if("failed>1")}), "");
  EXPECT_EQ(why_failed(summary, 1'000, {*parse_fail_if("failed>1"), *parse_fail_if("p99>300us")}),
            "connect.p99 is 400.0 us (p99>300us)");
}

TEST(SearchStep, FailsWhereTheRateIsNotCarriedWhateverTheConditions) {
  Summary summary = good();
  summary.connections.completed_meanwhile = 9'891;
  EXPECT_EQ(why_failed(summary, 1'000, {}), "") << "99 %, and one a second";
  summary.connections.completed_meanwhile = 9'870;
  EXPECT_EQ(why_failed(summary, 1'000, {}), "only 987 a second were completed");
  EXPECT_EQ(why_failed(summary, 1'000, {*parse_fail_if("failed>1")}),
            "only 987 a second were completed");
}

TEST(SearchStep, FailsWhereTheGeneratorIsTheLimit) {
  Summary summary = good();
  summary.generator->behind = 1'234;
  derive(summary);
  EXPECT_EQ(why_failed(summary, 1'000, {}), "the generator did not open 1,234 that were due");
}

TEST(SearchStep, OfNothingFails) {
  EXPECT_EQ(why_failed(Summary{}, 1'000, {}), "only 0 a second were completed");
}

Search found() {
  Search search;
  search.rate = 2'000;
  search.end = Search::End::failure;
  search.resolution = 0.5;
  search.steps = {{1'000, 1'000, 0, 50, 0.125, ""},
                  {2'000, 2'000, 0, 60, 0.25, ""},
                  {4'000, 2'900, 7, 9'000, 0.5, "7 failed: timeout 7"},
                  {3'000, 2'800, 5, 9'000, 0.5, "5 failed: timeout 5"}};
  return search;
}

TEST(SearchText, HasALineForEachStepAndTheResult) {
  Summary summary = good();
  summary.program = "pollux-load";
  summary.search = found();
  const std::string text = table(summary);
  EXPECT_THAT(text, HasSubstr(step_line(1, found().steps[0])));
  EXPECT_THAT(text, HasSubstr("3,000 a second  failed  cps       2,800"));
  EXPECT_THAT(text, HasSubstr(": 5 failed: timeout 5\n"));
  EXPECT_THAT(text,
              HasSubstr("search       2,000 connections a second without a failure; at 3,000: "
                        "5 failed: timeout 5\n"));
  summary.search->end = Search::End::bound;
  summary.search->steps.resize(2);
  EXPECT_THAT(table(summary), HasSubstr("without a failure, as many as --cps allows\n"));
  summary.search->end = Search::End::stopped;
  EXPECT_THAT(table(summary), HasSubstr("without a failure when it was stopped\n"));
}

TEST(SearchText, OfNoRateIsAnError) {
  Search search = found();
  EXPECT_FALSE(nothing_found(search));
  search.rate = 0;
  EXPECT_THAT(nothing_found(search).value_or(""),
              testing::StartsWith("error: --search: no rate passed; 3,000 a second: 5 failed"));
  EXPECT_FALSE(nothing_found(Search{})) << "it was stopped in its first step";
}

TEST(SearchJson, HasTheSteps) {
  Summary summary = good();
  EXPECT_FALSE(nlohmann::json::parse(to_json(summary)).contains("search"));
  summary.search = found();
  const auto json = nlohmann::json::parse(to_json(summary))["search"];
  EXPECT_EQ(json["rate"], 2'000);
  EXPECT_EQ(json["failed_at"], 3'000);
  EXPECT_EQ(json["end"], "failure");
  EXPECT_EQ(json["resolution"], 0.5);
  ASSERT_EQ(json["steps"].size(), 4u);
  EXPECT_EQ(json["steps"][0]["passed"], true);
  EXPECT_EQ(json["steps"][2]["passed"], false);
  EXPECT_EQ(json["steps"][2]["why"], "7 failed: timeout 7");
  EXPECT_EQ(json["steps"][2]["failed"], 7);
  EXPECT_EQ(json["steps"][1]["connect_p99_us"], 60.0);
  summary.search->steps.resize(2);
  EXPECT_TRUE(nlohmann::json::parse(to_json(summary))["search"]["failed_at"].is_null());
}

}  // namespace
}  // namespace pollux::cli
