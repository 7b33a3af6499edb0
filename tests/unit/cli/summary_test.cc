#include "cli/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/counters.h"
#include "base/histogram.h"

namespace pollux::cli {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;

std::vector<std::string> keys(const Json& json) {
  std::vector<std::string> out;
  for (const auto& [key, value] : json.items()) out.push_back(key);
  return out;
}

/// The contract's own text: every key there must be in what is written, with the same kind of
/// value.
constexpr std::string_view contract = R"({
  "schema": "pollux.summary.1", "program": "pollux-load", "duration_s": 10.0,
  "connections": { "attempted": 0, "established": 0, "completed": 0, "failed": 0, "timed_out": 0,
                   "reset": 0, "aborted": 0, "open": 0, "peak_open": 0 },
  "failures": { "refused": 0, "unreachable": 0, "no_arp": 0, "timeout": 0, "reset": 0,
                "bad_reply": 0 },
  "cps": { "mean": 0.0, "min": 0.0, "max": 0.0, "per_second": [] },
  "requests": { "sent": 0, "answered": 0, "status": { "200": 0 }, "bad": 0, "per_second": 0.0 },
  "latency_us": { "connect": { "min": 0, "p50": 0, "p90": 0, "p99": 0, "p999": 0, "max": 0 },
                  "first_byte": {}, "close": {} },
  "packets": { "rx": 0, "tx": 0, "rx_per_connection": 0.0, "tx_per_connection": 0.0 },
  "bytes": { "rx": 0, "tx": 0 },
  "tcp": { "retransmitted": 0, "out_of_order": 0, "duplicate": 0, "syn_cookies_sent": 0,
           "challenge_acks": 0, "time_wait": 0, "orphans_reset": 0 },
  "drops": { "no_buffer": 0 },
  "memory": { "bytes_per_connection": 0, "connections_capacity": 0, "huge_pages": true },
  "cores": [ { "core": 0, "role": "server", "busy": 0.0, "cycles_per_packet": 0.0,
               "cycles_per_connection": 0.0 } ],
  "environment": { "cpu": "", "tsc_hz": 0, "dpdk": "", "pollux": "", "link": "", "steering": "",
                   "offloads": "", "stalls": { "share": 0.0, "longest_us": 0, "over_1ms": 0 } } })";

void expect_covers(const Json& written, const Json& asked, const std::string& where) {
  if (asked.is_number()) {
    EXPECT_TRUE(written.is_number()) << where;
  } else {
    EXPECT_EQ(written.type(), asked.type()) << where;
  }
  if (asked.is_object()) {
    for (const auto& [key, value] : asked.items()) {
      ASSERT_TRUE(written.contains(key)) << where << '.' << key;
      expect_covers(written[key], value, where + '.' + key);
    }
  }
  if (asked.is_array() && !asked.empty()) {
    ASSERT_FALSE(written.empty()) << where;
    expect_covers(written[0], asked[0], where + "[0]");
  }
}

Summary run() {
  Summary summary;
  summary.program = "pollux-load";
  summary.duration_s = 10;
  summary.connections = {1010, 1005, 1000, 5, 3, 2, 1, 4, 800};
  summary.cps.per_second = {90, 110, 100};
  summary.requests = {1000, 999, {{200, 998}, {404, 1}}, 1, 0};
  summary.connect = {1000, 10, 50.12345, 90, 99, 100, 1234567.891};
  summary.packets = {3000, 3100, 2990, 0, 0};
  summary.drops = {{"no_buffer", 10}};
  summary.cores = {{1, "client", 0.5, 300, 1800}};
  summary.environment.cpu = "a \xff processor";
  return summary;
}

TEST(Json, HasEveryNameOfTheContract) {
  const Json written = Json::parse(to_json(run()));
  expect_covers(written, Json::parse(contract), "summary");
  EXPECT_EQ(written["schema"], "pollux.summary.1");
}

TEST(Json, HasTheValues) {
  Summary summary = run();
  derive(summary);
  const Json written = Json::parse(to_json(summary));
  EXPECT_EQ(written["connections"]["attempted"], 1010);
  EXPECT_EQ(written["connections"]["peak_open"], 800);
  EXPECT_EQ(written["cps"]["mean"], 100.0);
  EXPECT_EQ(written["cps"]["min"], 90.0);
  EXPECT_EQ(written["cps"]["max"], 110.0);
  EXPECT_EQ(written["requests"]["status"]["404"], 1);
  EXPECT_EQ(written["requests"]["per_second"], 99.9);
  EXPECT_EQ(written["latency_us"]["connect"]["p50"], 50.123);
  EXPECT_EQ(written["latency_us"]["connect"]["max"], 1234567.891);
  EXPECT_EQ(written["packets"]["rx_per_connection"], 3.0);
  EXPECT_EQ(written["packets"]["tx_per_connection"], 3.1);
  EXPECT_EQ(written["drops"], Json({{"no_buffer", 10}}));
  EXPECT_EQ(written["environment"]["cpu"], "a \xEF\xBF\xBD processor");
}

TEST(Json, HasThoseBesideTheLoadWhereThereWereSome) {
  Summary summary = run();
  EXPECT_FALSE(Json::parse(to_json(summary)).contains("held"));
  EXPECT_FALSE(Json::parse(to_json(summary)).contains("beside"));
  summary.held = {1'000, 990, 10, 1.23456};
  summary.beside = {200, 190, 4, {198, 10, 50, 90, 99, 100, 120}};
  const Json written = Json::parse(to_json(summary));
  EXPECT_EQ(written["held"],
            Json({{"asked", 1'000}, {"open", 990}, {"lost", 10}, {"opened_in_s", 1.235}}));
  EXPECT_EQ(keys(written["beside"]),
            (std::vector<std::string>{"attempted", "completed", "failed", "open", "connect_us"}));
  EXPECT_EQ(written["beside"]["open"], 6);
  EXPECT_EQ(written["beside"]["connect_us"]["p99"], 99.0);
}

TEST(Json, ARunOfNothingHasNoInfinities) {
  Summary summary;
  derive(summary);
  const Json written = Json::parse(to_json(summary));
  EXPECT_EQ(written["cps"]["mean"], 0.0);
  EXPECT_EQ(written["packets"]["rx_per_connection"], 0.0);
  EXPECT_EQ(written["drops"], Json::object());
  EXPECT_EQ(written["cores"], Json::array());
}

TEST(Json, SaysWhetherTheGeneratorWasTheLimit) {
  Summary summary = run();
  EXPECT_FALSE(Json::parse(to_json(summary)).contains("generator"));
  summary.connections.attempted = 100'000;
  summary.cores.push_back({2, "client", 0.75, 300, 1800});
  summary.generator.emplace();
  summary.generator->late = {1000, 1, 2, 3, 4, 5, 6};
  summary.generator->behind = 500;
  derive(summary);
  const Json written = Json::parse(to_json(summary))["generator"];
  EXPECT_EQ(written["busy"], 0.75) << "the busiest core's";
  EXPECT_EQ(written["late_us"]["p99"], 4.0);
  EXPECT_EQ(written["behind"], 500);
  EXPECT_EQ(written["limited"], false) << "half a per cent";
  summary.generator->behind = 501;
  derive(summary);
  EXPECT_TRUE(summary.generator->limited);
  // One poll's worth is nothing, however few there are.
  summary.connections.attempted = 10;
  summary.generator->behind = 64;
  derive(summary);
  EXPECT_FALSE(summary.generator->limited);
}

TEST(Json, OfBothEndsHoldsTwo) {
  Summary server = run();
  server.program = "pollux-bench";
  const Json written = Json::parse(to_json("cps", server, run()));
  EXPECT_THAT(keys(written), ElementsAre("schema", "program", "scenario", "server", "client"));
  EXPECT_EQ(written["scenario"], "cps");
  for (const char* end : {"server", "client"}) {
    expect_covers(written[end], Json::parse(contract), end);
  }
}

TEST(Latency, ComesInMicroseconds) {
  auto histogram = std::make_unique<Histogram>();
  EXPECT_EQ(latency_of(*histogram).samples, 0u);
  EXPECT_EQ(latency_of(*histogram).max, 0);
  for (std::uint64_t us = 1; us <= 1000; ++us) histogram->record(us * 1000);
  const Summary::Latency latency = latency_of(*histogram);
  EXPECT_EQ(latency.samples, 1000u);
  EXPECT_EQ(latency.min, 1);
  EXPECT_NEAR(latency.p50, 500, 5);
  EXPECT_NEAR(latency.p90, 900, 9);
  EXPECT_NEAR(latency.p99, 990, 10);
  EXPECT_NEAR(latency.p999, 999, 10);
  EXPECT_EQ(latency.max, 1000);
}

TEST(Counters, BecomeDropsByNameAndNothingElse) {
  pollux::Counters counters;
  counters.count(Event::frames_received, 10);
  counters.count(Event::frames_delivered, 7);
  counters.count(Event::frames_sent, 4);
  counters.count(Event::bytes_received, 640);
  counters.count(Event::tcp_challenge_acks, 2);
  counters.count(Drop::tcp_bad_checksum, 3);
  counters.count(SendDrop::no_route, 1);
  Summary summary = run();
  take_counters(summary, counters);
  EXPECT_EQ(summary.packets.rx, 10u);
  EXPECT_EQ(summary.packets.tx, 4u);
  EXPECT_EQ(summary.packets.delivered, 7u);
  EXPECT_EQ(summary.bytes.rx, 640u);
  EXPECT_EQ(summary.tcp.challenge_acks, 2u);
  EXPECT_EQ(summary.drops, (Summary::Named{{"tcp_bad_checksum", 3}}));
  EXPECT_EQ(summary.send_drops, (Summary::Named{{"no_route", 1}}));
  EXPECT_EQ(summary.events.at("frames_received"), 10u);
  EXPECT_EQ(summary.events.size(), 5u);
}

class Written : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "pollux-summary-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ / name; }
  static std::string content(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  std::filesystem::path folder_;
};

TEST_F(Written, IsWholeAndAlone) {
  ASSERT_TRUE(write_json(path("a.json"), "first, and longer\n").ok());
  ASSERT_TRUE(write_json(path("a.json"), "second\n").ok());
  EXPECT_EQ(content(path("a.json")), "second\n");
  EXPECT_EQ(files(), 1u);
}

TEST_F(Written, KeepsModeAndLink) {
  std::ofstream(path("real")) << "old";
  ::chmod(path("real").c_str(), 0640);
  std::filesystem::create_symlink("real", path("link"));
  ASSERT_TRUE(write_json(path("link"), "new").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(content(path("real")), "new");
  struct stat status {};
  ASSERT_EQ(::stat(path("real").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
}

TEST_F(Written, LeavesADeviceADevice) {
  ASSERT_TRUE(write_json("/dev/null", "x").ok());
  struct stat status {};
  ASSERT_EQ(::stat("/dev/null", &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
}

TEST_F(Written, FailsInOneLine) {
  const Status written = write_json(path("none/a.json"), "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, Error::Kind::machine);
  EXPECT_EQ(written.error().why, "cannot write it: No such file or directory");
  EXPECT_FALSE(write_json("/dev/full", "x").ok());
}

}  // namespace
}  // namespace pollux::cli
