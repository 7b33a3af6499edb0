#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "application/http.h"
#include "base/prng.h"
#include "http_talk.h"

namespace pollux::application {
namespace {

/// A conversation that has everything.
std::string long_conversation() {
  return "\r\n" + get + "HEAD /bytes/7 HTTP/1.1\r\nHost: a\r\n\r\n" +
         post("/echo", "Content-Length: 11\r\n", "GET / HTTP/") +
         "GET /bytes/300 HTTP/1.1\r\nHost: a\r\n\r\n" +
         post("/echo", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n",
              "b;ext=1\r\nhello\r\nwor\n\r\n2\r\nld\r\n0\r\nTrailer: x\r\n\r\n") +
         get + get + post("/discard", "Content-Length: 4\r\n", "\r\n\r\n") +
         post("/discard", "Transfer-Encoding: chunked\r\n", "1\r\n0\r\n0\r\n\r\n") +
         "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" +
         "GET /bytes/5 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
}
std::string long_answer() {
  const auto pattern = [](std::size_t n) {
    std::string out(n, '\0');
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<char>(i % 251);
    return out;
  };
  return hello_keep + "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" + reply_200("GET / HTTP/") +
         reply_200(pattern(300)) + go_on + chunked_head +
         "b\r\nhello\r\nwor\n\r\n2\r\nld\r\n0\r\n\r\n" + hello_keep + hello_keep + hello_keep +
         hello_keep + hello_keep_1_0 + reply_200(pattern(5));
}

const std::string endings[] = {"",
                               get_close,
                               "NOPE / HTTP/1.1\r\n\r\n",
                               "GET nope\r\n\r\n",
                               "GET / HTTP/1.1\r\nHost: a\r\n fold\r\n\r\n",
                               post("/echo", "Transfer-Encoding: chunked\r\n", "xx\r\n")};

TEST(HttpCuts, EveryCutOfTheInputGivesTheSameAnswer) {
  for (const std::string& ending : endings) {
    const std::string input = long_conversation() + ending;
    HttpResponder http = responder(with_body("hello"));
    const Client::Seen whole = Client{.pieces = {input}}.run(http);
    ASSERT_EQ(whole.output.substr(0, long_answer().size()), long_answer());
    ASSERT_TRUE(whole.fin && !whole.reset);
    std::vector<std::string> singles;
    for (const char c : input) singles.emplace_back(1, c);
    EXPECT_EQ(Client{.pieces = singles}.run(http).output, whole.output);
    for (std::size_t cut = 1; cut < input.size(); ++cut) {
      const Client client{.pieces = {input.substr(0, cut), input.substr(cut)}};
      ASSERT_EQ(client.run(http), whole) << "cut at " << cut;
    }
  }
}

TEST(HttpCuts, AnyCutsAndWindowsGiveTheSameAnswer) {
  Prng prng{99};
  for (int round = 0; round < 3'000; ++round) {
    const std::string input = long_conversation() + endings[prng.below(std::size(endings))];
    HttpResponder http = responder(with_body("hello"));
    const Client::Seen whole = Client{.pieces = {input}}.run(http);
    Client client;
    client.window = 1 + prng.below(prng.chance(0.5) ? 10 : 500);
    client.most_reserved = 1 + prng.below(prng.chance(0.5) ? 5 : 200);
    for (std::size_t at = 0; at < input.size();) {
      const std::size_t n = 1 + prng.below(prng.chance(0.5) ? 4 : 200);
      client.pieces.push_back(input.substr(at, n));
      at += n;
    }
    ASSERT_EQ(client.run(http), whole) << "round " << round;
  }
}

TEST(HttpCuts, TheShortCutChangesNothing) {
  Prng prng{5};
  const std::string requests[] = {
      get,
      get_close,
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
      "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /bytes/9 HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n\r",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
      post("/echo", "Content-Length: 2\r\n", "ab"),
      post("/echo", "Transfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\n\r\n")};
  for (int round = 0; round < 300; ++round) {
    HttpOptions slow_options = with_body("hello");
    slow_options.short_cut = false;
    HttpResponder slow = responder(std::move(slow_options));
    HttpResponder fast = responder(with_body("hello"));
    for (int i = 0; i < 30; ++i) {
      Client client;
      client.half_closes = prng.chance(0.5);
      std::string input;
      for (std::uint64_t n = 1 + prng.below(4); n-- > 0;) {
        input += requests[prng.chance(0.6) ? 0 : prng.below(std::size(requests))];
      }
      const std::size_t cut = prng.chance(0.5) ? input.size() : prng.below(input.size());
      client.pieces = {input.substr(0, cut), input.substr(cut)};
      ASSERT_EQ(client.run(fast), client.run(slow));
    }
    EXPECT_EQ(slow.counters()[Count::short_cuts], 0u);
    EXPECT_GT(fast.counters()[Count::short_cuts], 0u);
    EXPECT_EQ(fast.counters().answered(), slow.counters().answered());
  }
}

TEST(HttpCuts, NoiseIsAnsweredAtMostWithRefusals) {
  Prng prng{4242};
  for (int round = 0; round < 5'000; ++round) {
    std::string input = long_conversation();
    for (std::uint64_t n = 1 + prng.below(5); n-- > 0;) {
      const std::size_t at = prng.below(input.size());
      if (prng.chance(0.5)) {
        input[at] = static_cast<char>(prng.next());
      } else {
        input.erase(at, 1 + prng.below(20));
      }
    }
    HttpResponder http = responder(with_body("hello"));
    const Client::Seen whole = Client{.pieces = {input}}.run(http);
    EXPECT_TRUE(whole.fin);
    Client client;
    client.window = 1 + prng.below(300);
    for (std::size_t at = 0; at < input.size();) {
      const std::size_t n = 1 + prng.below(100);
      client.pieces.push_back(input.substr(at, n));
      at += n;
    }
    const Client::Seen cut = client.run(http);
    ASSERT_EQ(cut.output, whole.output) << "round " << round;
  }
}

}  // namespace
}  // namespace pollux::application
