#include "application/http.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "http_talk.h"

namespace pollux::application {
namespace {

TEST(Http, ListensOnItsPortsAndTellsWhichItCouldNotHave) {
  HttpOptions options;
  options.ports = {80, 8080, 80};
  HttpResponder http = responder(std::move(options));
  Stack stack;
  http.on_start(stack);
  EXPECT_EQ(stack.ports, (std::set<std::uint16_t>{80, 8080}));
  EXPECT_EQ(http.refused_ports(), std::vector<std::uint16_t>{80});
}

TEST(Http, AnyPathGetsTheBodyAndTheConnectionLasts) {
  EXPECT_EQ(answer_to(get + "GET /any/path?q HTTP/1.1\r\nHost: b\r\n\r\n"),
            hello_keep + hello_keep);
  EXPECT_EQ(answer_to("GET / HTTP/1.0\r\n\r\n"), hello_close);
  EXPECT_EQ(answer_to("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), hello_keep_1_0);
  EXPECT_EQ(answer_to("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get),
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + hello_keep);
  EXPECT_EQ(answer_to(get, with_body("")), reply_200(""));
}

TEST(Http, TheHotReplyIsOneSpanAndTheFinRidesOnIt) {
  HttpResponder http = responder(with_body("hello"));
  Stack stack;
  for (int i = 0; i < 2; ++i) {
    auto stream = stack.open();
    auto& c = stack.connections.back();
    c.input.push_back(get_close);
    http.on_readable(stream);
    EXPECT_EQ(c.output, hello_close);
    EXPECT_EQ(c.sends, 1u);
    EXPECT_TRUE(c.closed);  // in the same callback
    EXPECT_FALSE(c.reset);
    EXPECT_EQ(c.fin_at, c.output.size());
  }
  EXPECT_EQ(http.counters()[Count::ok], 2u);
  EXPECT_EQ(http.counters()[Count::short_cuts], 1u);
  EXPECT_EQ(http.counters().answered(), 2u);
  EXPECT_EQ(http.counters().bad(), 0u);
}

TEST(Http, WithoutKeepAliveEveryReplyIsTheLast) {
  HttpOptions options = with_body("hello");
  options.keep_alive = false;
  EXPECT_EQ(answer_to(get + get, std::move(options)), hello_close);
}

TEST(Http, BytesAreThePatternHoweverLong) {
  for (const std::size_t n : {0, 1, 250, 251, 252, 65'535, 65'536, 65'537, 300'000}) {
    std::string expected(n, '\0');
    for (std::size_t i = 0; i < n; ++i) expected[i] = static_cast<char>(i % 251);
    const std::string path = "/bytes/" + std::to_string(n);
    EXPECT_EQ(answer_to("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n" + get),
              reply_200(expected) + hello_keep);
    for (const std::size_t window : {1, 97, 1000, 65'536}) {
      if (n > 1000 && window == 1) continue;
      HttpResponder http = responder(with_body("hello"));
      const Client client{.pieces = {"GET " + path + " HTTP/1.0\r\n\r\n"}, .window = window};
      EXPECT_EQ(client.run(http).output, reply_200(expected, "Connection: close\r\n"))
          << n << " through " << window;
    }
    EXPECT_EQ(answer_to("HEAD " + path + " HTTP/1.1\r\nHost: a\r\n\r\n"),
              reply_200(expected).substr(0, reply_200(expected).size() - n));
  }
  EXPECT_EQ(answer_to("GET /bytes/9223372036854775809 HTTP/1.1\r\nHost: a\r\n\r\n"), bad_request);
}

TEST(Http, TheLongestBytesAreStreamedWithoutEnd) {
  HttpResponder http = responder();
  Stack stack;
  auto stream = stack.open();
  auto& c = stack.connections[0];
  c.window = 100'000;
  c.input.push_back("GET /bytes/9223372036854775808 HTTP/1.1\r\nHost: a\r\n\r\n");
  http.on_readable(stream);
  const std::size_t head = c.output.find("\r\n\r\n") + 4;
  EXPECT_NE(c.output.find("Content-Length: 9223372036854775808\r\n"), std::string::npos);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(c.output.size() - c.taken, 100'000u);
    c.taken = c.output.size();
    http.on_writable(stream);
  }
  for (std::size_t i = head; i < c.output.size(); ++i) {
    ASSERT_EQ(static_cast<unsigned char>(c.output[i]), (i - head) % 251);
  }
}

TEST(Http, ALargeBodyIsSentInPieces) {
  Prng prng{3};
  std::string large(1'000'000, '\0');
  for (char& c : large) c = static_cast<char>(prng.next());
  EXPECT_EQ(answer_to(get, with_body(large)), reply_200(large));
  HttpResponder http = responder(with_body(large));
  const Client client{.pieces = {get + get}, .window = 5'000};
  EXPECT_EQ(client.run(http).output, reply_200(large) + reply_200(large));
}

TEST(Http, EchoGivesBackWhatCame) {
  EXPECT_EQ(answer_to(post("/echo", "Content-Length: 5\r\n", "abcde") + get),
            reply_200("abcde") + hello_keep);
  EXPECT_EQ(answer_to(post("/echo", "Content-Length: 0\r\n", "") + get),
            reply_200("") + hello_keep);
  EXPECT_EQ(answer_to(post("/echo", "", "") + get), reply_200("") + hello_keep);
  EXPECT_EQ(answer_to("POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nxyz"),
            reply_200("xyz", "Connection: close\r\n"));
  EXPECT_EQ(answer_to(post("/echo", "Expect: 100-continue\r\nContent-Length: 2\r\n", "ok")),
            go_on + reply_200("ok"));
}

TEST(Http, AChunkedEchoKeepsItsChunks) {
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  EXPECT_EQ(answer_to(post("/echo", chunked, "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n") + get),
            chunked_head + "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n" + hello_keep);
  EXPECT_EQ(answer_to(post("/echo", chunked, "0\r\n\r\n") + get),
            chunked_head + "0\r\n\r\n" + hello_keep);
  EXPECT_EQ(answer_to(post("/echo", chunked + "Expect: 100-continue\r\n", "1\r\na\r\n0\r\n\r\n")),
            go_on + chunked_head + "1\r\na\r\n0\r\n\r\n");
  // Extensions and trailers are the client's own affair; sizes are written the short way.
  EXPECT_EQ(answer_to(post("/echo", chunked,
                           "0009;x=y;z=\"q\"\r\n\r\n\r\n5\r\n\r\n\r\n0;e\r\nHost: t\r\n"
                           "Content-Length: 3\r\n\r\n") +
                      get),
            chunked_head + "9\r\n\r\n\r\n5\r\n\r\n\r\n0\r\n\r\n" + hello_keep);
}

TEST(Http, ChunksThatGoWrongGet400OnlyBeforeTheReplyBegins) {
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  for (const char* body : {"zz\r\n", "\r\n", "-1\r\n", " 1\r\na\r\n", "1\na\n", "0x1\r\na\r\n",
                           "10000000000000000\r\n", "1 \r\na\r\n", "0\r\nbad\r\n\r\n",
                           "0\r\nA: b\r\n folded\r\n\r\n", "0\r\nA: b\n\r\n", "5"}) {
    EXPECT_EQ(answer_to(post("/echo", chunked, body)), bad_request) << body;
    EXPECT_EQ(answer_to(post("/other", chunked, body)), bad_request) << body;
  }
  EXPECT_EQ(answer_to(post("/echo", chunked, "1;" + std::string(20'000, 'x') + "\r\na\r\n")),
            bad_request);
  for (const char* body : {"1\r\naXX", "1\r\na\r\nzz\r\n", "1\r\na\n0\r\n\r\n"}) {
    HttpResponder http = responder(with_body("hello"));
    const auto seen = Client{.pieces = {post("/echo", chunked, body)}}.run(http);
    EXPECT_EQ(seen.output.substr(0, chunked_head.size() + 4), chunked_head + "1\r\na") << body;
    EXPECT_EQ(seen.output.find("0\r\n\r\n", chunked_head.size()), std::string::npos) << body;
    EXPECT_TRUE(seen.fin && !seen.reset);
    EXPECT_EQ(http.counters()[Count::cut_off], 1u);
    EXPECT_EQ(http.counters().bad(), 1u);
    EXPECT_EQ(http.counters()[Count::ok], 0u);
  }
}

TEST(Http, BodiesThatNobodyWantsAreReadAndForgotten) {
  EXPECT_EQ(answer_to(post("/x", "Content-Length: 10\r\n", "GET / HTTP") + get),
            hello_keep + hello_keep);
  EXPECT_EQ(
      answer_to(post("/x", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\nA: b\r\n\r\n") +
                get),
      hello_keep + hello_keep);
  EXPECT_EQ(answer_to("GET /bytes/3 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx" + get),
            reply_200(std::string("\0\1\2", 3)) + hello_keep);
  EXPECT_EQ(answer_to(post("/x", "Expect: 100-continue\r\nContent-Length: 1\r\n", "a") + get),
            go_on + hello_keep + hello_keep);
}

TEST(Http, RefusalsEndTheConnectionWithoutAReset) {
  const std::string too_large =
      "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: "
      "close\r\n\r\n";
  struct Case {
    std::string input;
    std::string output;
    Count count;
  };
  const Case cases[] = {
      {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + std::string(500'000, 'x'),
       not_implemented, Count::not_implemented},
      {"nonsense\r\n\r\n" + get, bad_request, Count::bad_request},
      {"GET / HTTP/1.1\r\n\r\n" + get, bad_request, Count::bad_request},
      {"GET / HTTP/1.1\r\nX: " + std::string(300'000, 'y'), too_large, Count::head_too_large},
      {post("/echo", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + get),
       bad_request, Count::bad_request}};
  for (const Case& c : cases) {
    HttpResponder http = responder(with_body("hello"));
    const auto seen = Client{.pieces = {get + c.input, get, get}}.run(http);
    EXPECT_EQ(seen.output, hello_keep + c.output);
    EXPECT_TRUE(seen.fin);
    EXPECT_FALSE(seen.reset);
    EXPECT_EQ(seen.unread, 0u);
    EXPECT_EQ(http.counters()[c.count], 1u);
    EXPECT_EQ(http.counters()[Count::ok], 1u);
    EXPECT_EQ(http.counters().bad(), c.count == Count::not_implemented ? 0u : 1u);
  }
}

TEST(Http, LateBytesBehindARefusalAreBoundedInTime) {
  HttpResponder http = responder();
  Stack stack;
  auto stream = stack.open();
  auto& c = stack.connections[0];
  c.input.push_back("nonsense\r\n");
  http.on_readable(stream);
  EXPECT_TRUE(c.shut);
  EXPECT_FALSE(c.closed);
  ASSERT_EQ(stack.timers.size(), 1u);
  // Ten megabytes sent blindly do not make a reset of the answer.
  for (int i = 0; i < 100; ++i) {
    c.input.push_back(std::string(100'000, 'x'));
    http.on_readable(stream);
  }
  EXPECT_FALSE(c.closed);
  // It is looked at again as long as something comes, but not for ever.
  for (int look = 1; look < 15; ++look) {
    http.on_timer(stack, stack.timers.back());
    EXPECT_FALSE(c.closed) << look;
    EXPECT_EQ(stack.timers.size(), 1u + static_cast<std::size_t>(look));
    c.input.push_back("x");
    http.on_readable(stream);
  }
  http.on_timer(stack, stack.timers.back());
  EXPECT_TRUE(c.closed);
  EXPECT_FALSE(c.reset);
  http.on_timer(stack, stack.timers[0]);  // finds nobody

  auto idle = stack.open();
  auto& silent = stack.connections[1];
  silent.input.push_back("nonsense\r\n");
  http.on_readable(idle);
  EXPECT_FALSE(silent.closed);
  http.on_timer(stack, stack.timers.back());
  EXPECT_TRUE(silent.closed);
  EXPECT_FALSE(silent.reset);

  stack.most_timers = stack.timers.size();  // no timer left: it cannot be waited
  auto last = stack.open();
  stack.connections[2].input.push_back("nonsense\r\n");
  http.on_readable(last);
  EXPECT_TRUE(stack.connections[2].closed);
}

TEST(Http, ATimerThatFindsAnotherLifeDoesNothing) {
  HttpResponder http = responder(with_body("hello"));
  Stack stack;
  stack.open();
  http.on_timer(stack, std::uint64_t{1} << 32 | 0);
  EXPECT_FALSE(stack.connections[0].closed);
  http.on_timer(stack, std::uint64_t{2} << 32 | 0);
  http.on_timer(stack, std::uint64_t{1} << 32 | 77);
}

TEST(Http, BytesBehindTheLastRequestDoNotBecomeAReset) {
  HttpResponder http = responder(with_body("hello"));
  const auto seen = Client{.pieces = {get_close + "\r\n", get}}.run(http);
  EXPECT_EQ(seen.output, hello_close);
  EXPECT_TRUE(seen.fin);
  EXPECT_FALSE(seen.reset);
}

TEST(Http, AHalfClosedClientGetsItsAnswersFirst) {
  HttpResponder http = responder(with_body("hello"));
  Stack stack;
  auto stream = stack.open();
  auto& c = stack.connections[0];
  c.window = 10;
  c.input.push_back(get + get);
  c.peer_closed = true;
  http.on_readable(stream);
  http.on_peer_closed(stream);
  EXPECT_FALSE(c.closed);
  for (int i = 0; i < 100 && !c.closed; ++i) {
    c.taken = c.output.size();
    http.on_writable(stream);
  }
  EXPECT_EQ(c.output, hello_keep + hello_keep);
  EXPECT_TRUE(c.closed);
  EXPECT_FALSE(c.reset);
}

TEST(Http, AnIdleClientThatClosesIsLetGoInSilence) {
  EXPECT_EQ(answer_to(""), "");
  EXPECT_EQ(answer_to("\r\n\r\n"), "");
  EXPECT_EQ(answer_to(get + "\r\n"), hello_keep);
  EXPECT_EQ(answer_to(get + "GET / HT"), hello_keep + bad_request);
  EXPECT_EQ(answer_to(post("/x", "Content-Length: 5\r\n", "abc")), bad_request);
  HttpResponder http = responder(with_body("hello"));
  const auto seen = Client{.pieces = {post("/echo", "Content-Length: 5\r\n", "abc")}}.run(http);
  EXPECT_EQ(seen.output, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
  EXPECT_TRUE(seen.fin);
  EXPECT_EQ(http.counters()[Count::cut_off], 1u);
}

TEST(Http, AClientThatDoesNotReadIsNotReadEither) {
  HttpResponder http = responder(with_body("hello"));
  Stack stack;
  auto stream = stack.open();
  auto& c = stack.connections[0];
  c.window = 1000;
  c.input.push_back(post("/echo", "Content-Length: 1000000\r\n", ""));
  http.on_readable(stream);
  for (int i = 0; i < 100; ++i) {
    c.input.push_back(std::string(10'000, 'x'));
    http.on_readable(stream);
  }
  EXPECT_EQ(c.output.size(), 1000u);  // and the rest is still in the receive queue
  std::size_t unread = 0;
  for (const auto& piece : c.input) unread += piece.size();
  EXPECT_GT(unread - c.input_at, 999'000u);
  while (c.taken != c.output.size()) {
    c.taken = c.output.size();
    http.on_writable(stream);
  }
  EXPECT_EQ(c.output, reply_200(std::string(1'000'000, 'x')));
}

TEST(Http, RequestsWaitForAParserAndAreServedInTurn) {
  HttpOptions options = with_body("hello");
  options.parsers = 1;
  options.waiting = 1;
  HttpResponder http = responder(std::move(options));
  Stack stack;
  auto holder = stack.open();
  auto second = stack.open();
  auto third = stack.open();
  auto whole = stack.open();
  auto& c = stack.connections;
  const auto arrives = [&](Stack::Stream& stream, std::string_view text) {
    c[stream.id().index].input.emplace_back(text);
    http.on_readable(stream);
    http.on_poll(stack);
  };
  arrives(holder, "GET / HTT");
  EXPECT_EQ(http.parsers_in_use(), 1u);
  arrives(second, "GET / HTTP/1.1\r\nHo");
  EXPECT_EQ(c[1].output, "");
  EXPECT_EQ(c[1].input_at, 0u);  // unread
  arrives(third, "GET / ");      // one may wait, not two
  EXPECT_NE(c[2].output.find("503 Service Unavailable"), std::string::npos);
  EXPECT_EQ(http.counters()[Count::unavailable], 1u);
  arrives(whole, get);  // needs none
  EXPECT_EQ(c[3].output, hello_keep);
  arrives(second, "st: a\r\n\r\n");
  EXPECT_EQ(c[1].output, "");
  arrives(holder, "P/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(c[0].output, hello_keep);
  EXPECT_EQ(c[1].output, hello_keep);
  EXPECT_EQ(http.parsers_in_use(), 0u);
  // One that goes away while it waits is passed over.
  arrives(holder, "GET");
  arrives(second, "GET");
  c[1].closed = true;
  http.on_closed(stack, second.id(), c[1].session, Cause::reset);
  http.on_closed(stack, holder.id(), c[0].session, Cause::reset);
  http.on_poll(stack);
  EXPECT_EQ(http.parsers_in_use(), 0u);
  arrives(whole, "GET / ");
  EXPECT_EQ(http.parsers_in_use(), 1u);
}

}  // namespace
}  // namespace pollux::application
