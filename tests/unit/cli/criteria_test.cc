// When an iteration of RFC 9411 is valid: each criterion at its limit, and beyond it.

#include "cli/criteria.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "cli/summary.h"

namespace pollux::cli {
namespace {

/// Ten seconds of 100,000 connections a second, in which all is well.
class Criteria : public testing::Test {
 protected:
  Criteria() {
    client_.connections.attempted = client_.connections.established = 1'000'000;
    client_.connections.completed = 1'000'000;
    client_.requests.sent = client_.requests.answered = 1'000'000;
    client_.requests.status[200] = 1'000'000;
    client_.generator.emplace();
    auto& s = client_.sustain.emplace();
    s.transactions_ok = 1'000'000;
    s.smallest = s.largest = 1'024;
    s.samples.assign(5, {2, 200'000, 200'000, 2e8, 50});
    iteration_.kind = Iteration::Kind::last;
    iteration_.objective = 100'000;
  }
  Sustain& sustain() { return *client_.sustain; }
  Criterion find(std::string_view name) const {
    for (const Criterion& criterion : criteria_of(client_, iteration_)) {
      if (criterion.name == name) return criterion;
    }
    ADD_FAILURE() << "no " << name;
    return {};
  }
  /// That one, and no other, is missed.
  void expect_missed(std::string_view name) const {
    for (const Criterion& criterion : criteria_of(client_, iteration_)) {
      EXPECT_EQ(criterion.passed, criterion.name != name)
          << criterion.name << ": " << criterion.detail;
    }
  }
  void expect_valid() const { expect_missed("none"); }

  Summary client_;
  Iteration iteration_;
};

TEST_F(Criteria, AllArePassedWhereAllIsWell) {
  expect_valid();
  EXPECT_EQ(criteria_of(client_, iteration_).size(), 7u);
}

TEST_F(Criteria, FailedTransactionsAreFewerThanOneInAHundredThousand) {
  sustain().transactions_ok = 1'000'000 - 9;
  expect_valid();
  sustain().transactions_ok = 1'000'000 - 10;
  expect_missed("failed_transactions");
  const Criterion found = find("failed_transactions");
  EXPECT_EQ(found.limit, 0.00001);
  EXPECT_EQ(found.measured, 0.00001);
  EXPECT_EQ(found.detail, "10 of 1,000,000");
}

TEST_F(Criteria, AConnectionThatWasNotSetUpIsATransactionThatFailed) {
  client_.connections.attempted += 100;
  EXPECT_EQ(find("failed_transactions").detail, "100 of 1,000,100");
  expect_missed("failed_transactions");
}

TEST_F(Criteria, TerminatedConnectionsAreFewerThanOneInAHundredThousand) {
  sustain().terminated = 9;
  expect_valid();
  sustain().terminated = 10;
  expect_missed("terminated_connections");
  sustain().live_before = 1'000'000;  // those that were open already may be terminated, too
  expect_valid();
}

TEST_F(Criteria, OfNothingNothingIsValid) {
  client_.connections = {};
  client_.requests = {};
  client_.sustain = Sustain{};
  for (const Criterion& criterion : criteria_of(client_, iteration_)) {
    const bool nothing_wrong =
        criterion.name == "object_size" || criterion.name == "test_equipment";
    EXPECT_EQ(criterion.passed, nothing_wrong) << criterion.name;
  }
}

TEST_F(Criteria, TheForwardingRateStaysWithinFivePerCent) {
  // One of five that is x below lowers the average by a fifth of it.
  sustain().samples[2].bytes = 2e8 * 0.94;
  EXPECT_NEAR(find("forwarding_rate").measured, 0.06 * 0.8 / (1 - 0.06 / 5), 1e-9);
  expect_valid();
  sustain().samples[2].bytes = 2e8 * 0.93;
  expect_missed("forwarding_rate");
  sustain().samples[2].bytes = 2e8 * 1.07;
  expect_missed("forwarding_rate");
  EXPECT_EQ(find("forwarding_rate").limit, 0.05);
}

TEST_F(Criteria, OneConnectionMoreOrLessIsNoDeviation) {
  sustain().samples.assign(5, {2, 10, 100, 10'000, 0.1});
  sustain().samples[0].bytes = 9'100;
  EXPECT_TRUE(find("forwarding_rate").passed);
  EXPECT_GT(find("forwarding_rate").measured, 0.05);
  sustain().samples[0].bytes = 8'000;
  EXPECT_FALSE(find("forwarding_rate").passed);
  sustain().samples[0].bytes = 9'100;
  iteration_.connections = 50;
  EXPECT_FALSE(find("forwarding_rate").passed) << "of those that are held it is one transaction";
}

TEST_F(Criteria, ASamplesLengthIsItsOwn) {
  sustain().samples[1] = {2.02, 202'000, 202'000, 2.02e8, 50};
  EXPECT_NEAR(find("forwarding_rate").measured, 0, 1e-9);
}

TEST_F(Criteria, ConcurrentConnectionsStayWithinTenPerCent) {
  sustain().samples[3].concurrent = 56;
  expect_valid();
  sustain().samples[3].concurrent = 58;
  expect_missed("concurrent_connections");
  sustain().samples[3].concurrent = 42;
  expect_missed("concurrent_connections");
  EXPECT_EQ(find("concurrent_connections").limit, 0.1);
}

TEST_F(Criteria, LessThanOneConnectionIsNoDeviation) {
  for (auto& sample : sustain().samples) sample.concurrent = 0.2;
  sustain().samples[0].concurrent = 0.9;
  expect_valid();
  sustain().samples[0].concurrent = 2.2;
  expect_missed("concurrent_connections");
}

TEST_F(Criteria, TheObjectiveIsReached) {
  iteration_.objective = 101'010;
  expect_valid();
  iteration_.objective = 101'020;
  expect_missed("objective");
}

TEST_F(Criteria, OfALowRateOneMayStillBeUnderWay) {
  iteration_.objective = 10;
  for (auto& sample : sustain().samples) sample.connections = 20;
  sustain().samples.back().connections = 19;
  EXPECT_TRUE(find("objective").passed);
  sustain().samples.back().connections = 17;
  EXPECT_FALSE(find("objective").passed);
}

TEST_F(Criteria, TheObjectiveOfHeldConnectionsIsTheirNumber) {
  iteration_.connections = iteration_.objective = 50;
  expect_valid();
  iteration_.connections = iteration_.objective = 51;
  expect_missed("objective");
}

TEST_F(Criteria, EveryObjectHasItsSize) {
  sustain().wrong_size = 1;
  expect_missed("object_size");
}

TEST_F(Criteria, TheGeneratorIsNotTheLimit) {
  client_.generator->behind = 5'001;
  client_.generator->limited = true;
  expect_missed("test_equipment");
}

TEST_F(Criteria, IndicatorsAreOfTheSamples) {
  sustain().samples[0] = {1, 50'000, 100'000, 5e7, 40};
  const Indicators kpi = indicators_of(client_);
  EXPECT_EQ(kpi.connections_per_second.min, 50'000);
  EXPECT_NEAR(kpi.connections_per_second.avg, 850'000.0 / 9, 1e-6) << "weighed by their length";
  EXPECT_EQ(kpi.connections_per_second.max, 100'000);
  EXPECT_EQ(kpi.throughput.max, 8e8);
  EXPECT_EQ(kpi.concurrent_connections.min, 40);
}

TEST_F(Criteria, AProbeSaysWhatIsWrongWithTheObject) {
  EXPECT_EQ(probe_failure(client_, std::nullopt), "");
  EXPECT_EQ(probe_failure(client_, 1'024), "");
  EXPECT_EQ(probe_failure(client_, 1'025), "the object has 1,024 bytes, not 1,025");
  sustain().smallest = 10;
  EXPECT_EQ(probe_failure(client_, std::nullopt), "the object has now 10, now 1,024 bytes");
  client_.requests.status[404] = 3;
  EXPECT_EQ(probe_failure(client_, std::nullopt), "the object comes with status 404");
  client_.requests.answered = 0;
  client_.failures.refused = 7;
  EXPECT_EQ(probe_failure(client_, std::nullopt), "no request was answered: refused 7");
}

TEST_F(Criteria, ARunIsAsValidAsWhatCounts) {
  ProfileReport report;
  EXPECT_FALSE(report.valid());
  report.passages.push_back({iteration_, criteria_of(client_, iteration_), indicators_of(client_)});
  EXPECT_FALSE(report.valid()) << "nothing counts yet";
  report.result = 0;
  EXPECT_TRUE(report.valid());
  EXPECT_EQ(not_valid(report), std::nullopt);
  sustain().terminated = 1'000;
  report.passages[0].criteria = criteria_of(client_, iteration_);
  EXPECT_FALSE(report.valid());
  EXPECT_EQ(not_valid(report),
            "error: --profile rfc9411-cps: no valid run; at 100,000 connections a second: "
            "terminated_connections (1,000 of 1,000,000); try: a lower target");
  report.stopped = true;
  EXPECT_EQ(not_valid(report), std::nullopt) << "whoever ends it has seen enough";
}

}  // namespace
}  // namespace pollux::cli
