#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "application/http.h"
#include "base/time.h"
#include "http_talk.h"

namespace pollux::application {
namespace {

const std::string timed_out =
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

TEST(HttpTimeout, AHeadThatDripsIsRefusedWhenItsTimeIsUp) {
  HttpOptions options = with_body("hello");
  options.head_timeout = 10s;
  HttpResponder http = responder(std::move(options));
  Stack stack;
  auto first = stack.open();
  auto second = stack.open();
  auto prompt = stack.open();
  auto& c = stack.connections;
  const auto arrives = [&](Stack::Stream& stream, std::string_view text) {
    c[stream.id().index].input.emplace_back(text);
    http.on_readable(stream);
    http.on_poll(stack);
  };
  arrives(first, "GET / HTTP/1.1\r\n");
  stack.clock += 4s;
  arrives(second, "G");
  arrives(prompt, "GET / HTTP");
  arrives(prompt, "/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(c[2].output, hello_keep);
  for (int second_more = 1; second_more < 6; ++second_more) {
    stack.clock += 1s;
    arrives(first, "x");
  }
  stack.clock += 1s - 1ns;
  http.on_poll(stack);
  EXPECT_EQ(c[0].output, "");
  ASSERT_EQ(stack.timers.size(), 1u);  // wakes a stack that would sleep
  stack.clock += 1ns;
  http.on_timer(stack, stack.timers[0]);
  http.on_poll(stack);
  EXPECT_EQ(c[0].output, timed_out);
  EXPECT_TRUE(c[0].shut && !c[0].reset);
  EXPECT_EQ(c[1].output, "");
  EXPECT_EQ(http.parsers_in_use(), 1u);
  // The rest of the drip is thrown away, and the later head has its own time.
  arrives(first, "y: z\r\n\r\n");
  EXPECT_EQ(c[0].output, timed_out);
  stack.clock += 4s - 1ns;
  http.on_poll(stack);
  EXPECT_EQ(c[1].output, "");
  stack.clock += 1ns;
  http.on_poll(stack);
  EXPECT_EQ(c[1].output, timed_out);
  EXPECT_EQ(http.parsers_in_use(), 0u);
  EXPECT_EQ(http.counters()[Count::request_timeout], 2u);
  EXPECT_EQ(http.counters().bad(), 2u);
  EXPECT_EQ(http.counters().answered(), 3u);
  // What has a whole head has no such limit, nor has a connection between two requests.
  arrives(prompt, post("/x", "Transfer-Encoding: chunked\r\n", "3\r\nab"));
  stack.clock += 1h;
  http.on_poll(stack);
  EXPECT_EQ(c[2].output, hello_keep);
  arrives(prompt, "c\r\n0\r\n\r\n");
  EXPECT_EQ(c[2].output, hello_keep + hello_keep);
}

TEST(HttpTimeout, LateHeadsAreRefusedInAnyNumberAndOrder) {
  HttpOptions options = with_body("hello");
  options.parsers = 300;
  options.head_timeout = 10s;
  HttpResponder http = responder(std::move(options));
  Stack stack;
  stack.most_timers = 1'000;
  std::vector<Stack::Stream> streams;
  const auto arrives = [&](Stack::Stream& stream, std::string_view text) {
    stack.connections[stream.id().index].input.emplace_back(text);
    http.on_readable(stream);
  };
  for (int i = 0; i < 300; ++i) arrives(streams.emplace_back(stack.open()), "GET / ");
  // The first, the last and some between are not late: they end, or go away.
  for (std::size_t i = 0; i < 300; i += i == 0 || i == 298 ? 1 : 3) {
    if (i % 2 == 0) {
      arrives(streams[i], "HTTP/1.1\r\nHost: a\r\n\r\n");
    } else {
      stack.connections[i].closed = true;
      http.on_closed(stack, streams[i].id(), stack.connections[i].session, Cause::reset);
    }
  }
  const std::uint32_t late = http.parsers_in_use();
  EXPECT_GT(late, 150u);
  stack.clock += 10s;
  for (int polls = 0; polls < 10; ++polls) http.on_poll(stack);
  EXPECT_EQ(http.counters()[Count::request_timeout], late);
  EXPECT_EQ(http.parsers_in_use(), 0u);
}

TEST(HttpTimeout, AHeadMayTakeForEverWhereTheOptionsSaySo) {
  HttpOptions options = with_body("hello");
  options.head_timeout = Duration{0};
  HttpResponder http = responder(std::move(options));
  Stack stack;
  auto stream = stack.open();
  stack.connections[0].input.emplace_back("GET / ");
  http.on_readable(stream);
  stack.clock += 24h;
  http.on_poll(stack);
  EXPECT_EQ(stack.connections[0].output, "");
  EXPECT_TRUE(stack.timers.empty());
}

}  // namespace
}  // namespace pollux::application
