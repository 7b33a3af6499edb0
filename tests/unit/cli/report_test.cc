#include "cli/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pollux::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Grouped, ByThousands) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1204511), "1,204,511");
  EXPECT_EQ(grouped(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(LiveLine, HasOneShape) {
  Live live;
  live.elapsed_s = 3;
  live.cps = 1204511.4;
  live.rps = 2409022;
  live.open = 800;
  live.failed = 2;
  live.busy = 0.971;
  const std::string line = live_line(live);
  EXPECT_EQ(
      line,
      "    3.0 s  cps   1,204,511  rps   2,409,022  open        800  failed        2  drops   "
      "     0  busy  97.1 %\n");
  live.warming_up = true;
  EXPECT_THAT(live_line(live), testing::EndsWith("busy  97.1 %  (warm-up)\n"));
}

TEST(BannerLine, IsOne) { EXPECT_EQ(banner_line("steering", "software"), "steering:  software\n"); }

TEST(TakenText, SaysWhatIsNotInHugePages) {
  constexpr std::size_t mebibyte = 1 << 20;
  EXPECT_EQ(taken_text(512 * mebibyte, 500 * mebibyte, 1'000'000, 1),
            "512 MiB taken for 1,000,000 connections");
  EXPECT_EQ(taken_text(100 * mebibyte, 75 * mebibyte, 1'000, 2),
            "100 MiB taken for 1,000 connections on each of 2 pipelines");
  EXPECT_EQ(taken_text(100 * mebibyte, 74 * mebibyte, 1'000, 1),
            "100 MiB taken for 1,000 connections, only 74 MiB of it in huge pages; try: echo "
            "madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

TEST(Table, ShowsWhatHappenedAndWhy) {
  Summary summary;
  summary.program = "pollux-load";
  summary.connections.completed = 1000;
  summary.connections.failed = 5;
  summary.failures.timeout = 3;
  summary.failures.no_arp = 2;
  summary.connect = {1000, 10, 50, 90, 99, 100, 5000.25};
  summary.packets = {3000, 3000, 2990, 3, 3};
  summary.drops = {{"no_buffer", 10}};
  summary.device_drops = {{"rx_missed", 7}};
  summary.tcp.syn_cookies_sent = 12'000;
  summary.tcp.syn_cookies_accepted = 200;
  summary.tcp.fast_opens_tried = 1'500;
  summary.tcp.fast_opens_taken = 1'400;
  summary.cores = {{1, "client", 0.5, 300, 1800}};
  const std::string text = table(summary);
  EXPECT_THAT(text, HasSubstr("failed       5: no ARP answer 2, timeout 3\n"));
  EXPECT_THAT(text, HasSubstr("per connection: rx 3.00  tx 3.00\n"));
  EXPECT_THAT(text, HasSubstr("drops        no_buffer 10\n"));
  EXPECT_THAT(text, HasSubstr("by devices   rx_missed 7\n"));
  EXPECT_THAT(text, HasSubstr("SYN cookies  12,000 sent, 200 of them came back\n"));
  EXPECT_THAT(text, HasSubstr("fast opens   1,500 tried, 1,400 of them taken\n"));
  EXPECT_THAT(text, HasSubstr("  connect          10.0      50.0      90.0      99.0     100.0"
                              "      5000.2\n"));
  EXPECT_THAT(text, HasSubstr("core 1       client  busy  50.0 %  300 cycles a packet"));
  EXPECT_THAT(text, Not(HasSubstr("close")));  // no sample, no line
  for (const char c : text) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
}

TEST(Table, SaysWhetherTheGeneratorWasTheLimit) {
  Summary summary;
  EXPECT_THAT(table(summary), Not(HasSubstr("generator")));
  summary.generator = {.busy = 0.25, .late = {10, 1, 2, 3, 40, 50, 600}};
  EXPECT_THAT(
      table(summary),
      HasSubstr("generator    busy 25.0 % of its time; opened late by 2.0 us (p50), 40.0 us "
                "(p99), 600.0 us (most)\nmemory"));
  summary.generator = {.busy = 1, .behind = 12'000, .limited = true};
  EXPECT_THAT(table(summary),
              HasSubstr("generator    busy 100.0 % of its time\n"
                        "             and was the limit: 12,000 were due at the end and not "
                        "opened\n"));
}

TEST(Table, TellsThoseBesideTheLoadApart) {
  Summary summary;
  EXPECT_EQ(table(summary).find("beside"), std::string::npos);
  summary.held = {10'000'000, 9'999'999, 1, 18.44};
  summary.beside = {2'000, 1'980, 15, {1'990, 1, 20.5, 3, 4'000.25, 5, 6}};
  EXPECT_NE(table(summary).find("\nheld         9,999,999 of 10,000,000 open beside it, opened in "
                                "18.4 s; 1 lost since\n"),
            std::string::npos);
  EXPECT_NE(table(summary).find("\nbeside       1,980 completed of 2,000 attempted, 15 failed, 5 "
                                "open; connect p50 20.5 us, p99 4000.2 us\n"),
            std::string::npos);
}

TEST(HeldLine, SaysHowFarItIs) {
  EXPECT_EQ(held_line(2.04, 1'234'567, 10'000'000, 512'000.4),
            "    2.0 s  held   1,234,567 of  10,000,000      512,000 a second\n");
}

TEST(Table, OfBothEndsShowsBothEndsCores) {
  Summary server;
  server.cores = {{0, "server", 1, 1, 1}};
  Summary client;
  client.environment.link = "ring";
  client.cores = {{1, "client", 1, 1, 1}};
  const std::string text = table("cps", server, client);
  EXPECT_THAT(text, HasSubstr("pollux-bench, scenario cps, link ring\n"));
  EXPECT_THAT(text, HasSubstr("core 0       server"));
  EXPECT_THAT(text, HasSubstr("core 1       client"));
  EXPECT_THAT(text, HasSubstr("drops        none\n"));
}

}  // namespace
}  // namespace pollux::cli
