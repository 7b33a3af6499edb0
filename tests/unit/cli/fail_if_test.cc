#include "cli/fail_if.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/summary.h"

namespace pollux::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<FailIf> conditions(const std::vector<std::string>& texts) {
  std::vector<FailIf> out;
  for (const std::string& text : texts) out.push_back(parse_fail_if(text).value());
  return out;
}

Summary run() {
  Summary summary;
  summary.connect = {1000, 10, 50, 900, 1234.5, 2'500'000, 3'000'000};
  summary.first_byte = {1000, 10, 60, 900, 5000, 6000, 7000};
  summary.cps.mean = 1'204'511.25;
  summary.connections.failed = 3;
  summary.drops = {{"tcp_no_connection", 2}, {"no_buffer", 5}};
  return summary;
}

TEST(FailIf, ReadsMetricSignAndLimit) {
  const FailIf p90 = parse_fail_if("p90>1ms").value();
  EXPECT_EQ(p90.metric, "connect.p90");
  EXPECT_FALSE(p90.below);
  EXPECT_EQ(p90.limit, 1000);
  EXPECT_EQ(parse_fail_if("close.p50>250us").value().metric, "close.p50");
  EXPECT_EQ(parse_fail_if("first_byte.p999>0.5s").value().limit, 500'000);
  const FailIf cps = parse_fail_if("cps<1000000").value();
  EXPECT_TRUE(cps.below);
  EXPECT_EQ(cps.limit, 1'000'000);
  for (const char* metric :
       {"rps", "failed", "timed_out", "reset", "aborted", "bad", "drops", "retransmitted"}) {
    EXPECT_TRUE(parse_fail_if(std::string{metric} + ">0")) << metric;
  }
}

TEST(FailIf, TakesBlanksBetweenItsParts) {
  const FailIf p90 = parse_fail_if(" p90 > 1 ms ").value();
  EXPECT_EQ(p90.text, " p90 > 1 ms ");
  EXPECT_EQ(p90.metric, "connect.p90");
  EXPECT_EQ(p90.limit, 1000);
  EXPECT_EQ(parse_fail_if("cps < 5").value().limit, 5);
}

TEST(FailIf, RefusesWhatItDoesNotKnow) {
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"", "has neither < nor >"},
      {"p90=1ms", "has neither < nor >"},
      {"p95>1ms", "unknown metric 'p95'"},
      {"open.p90>1ms", "unknown metric 'open.p90'"},
      {"connect.>1ms", "unknown metric 'connect.'"},
      {">1ms", "unknown metric ''"},
      {"p 90>1ms", "unknown metric 'p 90'"},
      {" >1ms", "unknown metric ''"},
      {"p90> ", "has no number as its limit"},
      {"p90>", "has no number as its limit"},
      {"p90>=1ms", "has no number as its limit"},
      {"p90>-1ms", "has no number as its limit"},
      {"p90>1.2.3ms", "has no number as its limit"},
      {"p90>1", "a latency needs a unit, us, ms or s"},
      {"p90>1min", "a latency needs a unit, us, ms or s"},
      {"cps<1M", "a number has no unit"},
      {"failed>1%", "a number has no unit"},
  };
  for (const auto& [text, why] : wrong) {
    const Result<FailIf> parsed = parse_fail_if(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().why, why) << text;
    EXPECT_NE(parsed.error().remedy, "") << text;
  }
}

TEST(FailIf, NamesTheExpressionAndWhatWasMeasured) {
  EXPECT_THAT(
      failures_of(conditions({"p99>1ms", "p999>1s", "p50>51us", "cps<2000000", "failed>2",
                              "drops>6", "first_byte.p99>5ms"}),
                  run()),
      ElementsAre("error: --fail-if 'p99>1ms': connect.p99 is 1.234 ms; try: less load, a faster "
                  "peer or another limit",
                  "error: --fail-if 'p999>1s': connect.p999 is 2.500 s; try: less load, a faster "
                  "peer or another limit",
                  "error: --fail-if 'cps<2000000': cps is 1204511.25; try: less load, a faster "
                  "peer or another limit",
                  "error: --fail-if 'failed>2': failed is 3; try: less load, a faster peer or "
                  "another limit",
                  "error: --fail-if 'drops>6': drops is 7; try: less load, a faster peer or "
                  "another limit"));
}

TEST(FailIf, TheLimitItselfIsAllowed) {
  EXPECT_THAT(failures_of(conditions({"failed>3", "failed<3", "p50>50us", "p50<50us"}), run()),
              IsEmpty());
}

TEST(FailIf, ALatencyWithoutASampleShowsNothing) {
  EXPECT_THAT(failures_of(conditions({"close.p90>1s"}), run()),
              ElementsAre("error: --fail-if 'close.p90>1s': close.p90 has no sample; try: less "
                          "load, a faster peer or another limit"));
}

TEST(NothingCameThrough, IsSaidWithTheLikeliestRemedy) {
  Summary client;
  EXPECT_FALSE(nothing_came_through(client, false)) << "nothing was tried";
  client.connections.attempted = 10;
  EXPECT_THAT(nothing_came_through(client, false).value_or(""),
              HasSubstr("10 connections was set up"));
  client.connections.failed = 9;
  client.failures = {.refused = 8, .no_arp = 1};
  EXPECT_THAT(nothing_came_through(client, false).value_or(""), HasSubstr("something listens"));
  client.connections.established = 10;
  client.failures = {.bad_reply = 9};
  EXPECT_THAT(nothing_came_through(client, false).value_or(""),
              HasSubstr("10 connections was completed"));
}

TEST(NothingCameThrough, IsNotSaidOfARunThatDidSomething) {
  Summary client;
  client.connections = {.attempted = 10, .established = 10, .completed = 1, .failed = 9};
  EXPECT_FALSE(nothing_came_through(client, false));
  client.connections = {.attempted = 10, .established = 10, .open = 10};
  EXPECT_FALSE(nothing_came_through(client, true)) << "held open";
  client.requests.answered = 1;
  EXPECT_FALSE(nothing_came_through(client, false)) << "long connections";
  client.connections.failed = 1;
  EXPECT_FALSE(nothing_came_through(client, false)) << "one of them failed";
  client.connections = {.held_back = 7, .open_from_warmup = 3};
  EXPECT_FALSE(nothing_came_through(client, false)) << "all were opened in the warm-up";
  client.requests.answered = 0;
  EXPECT_FALSE(nothing_came_through(client, true)) << "held since the warm-up";
}

TEST(NothingCameThrough, OfWhatIsHeld) {
  Summary client;
  client.connections = {.attempted = 10, .established = 10, .failed = 10};
  EXPECT_THAT(nothing_came_through(client, true).value_or(""),
              HasSubstr("10 connections was kept"));
  client.connections = {.attempted = 10, .established = 10, .failed = 9, .open = 1};
  EXPECT_FALSE(nothing_came_through(client, true));
  client.connections = {.attempted = 10, .established = 10, .completed = 10};
  EXPECT_FALSE(nothing_came_through(client, true));
  client.connections = {.attempted = 10, .open = 10};
  EXPECT_TRUE(nothing_came_through(client, true)) << "nobody answered a SYN";
}

TEST(NothingCameThrough, WhereNobodyAnswersARequest) {
  Summary client;
  client.connections = {.attempted = 800, .established = 800, .open = 800};
  EXPECT_THAT(nothing_came_through(client, false).value_or(""),
              HasSubstr("800 connections was answered"));
  client.connections = {.open_from_warmup = 800};
  EXPECT_THAT(nothing_came_through(client, false).value_or(""), HasSubstr("on 800 connections"));
}

TEST(NothingCameThrough, WhereNobodyAnswersTheWarmUp) {
  Summary client;
  client.connections = {.not_set_up_in_warmup = 800};
  EXPECT_THAT(nothing_came_through(client, false).value_or(""),
              HasSubstr("warm-up's 800 connections was set up"));
  EXPECT_TRUE(nothing_came_through(client, true));
}

TEST(NothingCameThrough, WhereTheServerClosesBetweenAnswers) {
  Summary client;
  client.connections = {.attempted = 10, .established = 10, .failed = 10};
  client.failures.closed_early = 10;
  EXPECT_THAT(nothing_came_through(client, true).value_or(""), HasSubstr("keep-alive"));
}

TEST(NothingCameThrough, WhereNothingCouldBeOpened) {
  Summary client;
  client.connections = {.held_back = 1'000};
  const std::string line = nothing_came_through(client, false).value_or("");
  EXPECT_THAT(line, HasSubstr("could be opened"));
  EXPECT_THAT(line, HasSubstr("more --address"));
}

}  // namespace
}  // namespace pollux::cli
