#include "application/http.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "fake_stack.h"

namespace pollux::application {
namespace {

using Count = HttpCounters::Count;
using Stack = FakeStack<HttpResponder::Session>;

static_assert(Application<HttpResponder>);
static_assert(Stream<Stack::Stream>);

std::vector<std::byte> body_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span{text.data(), text.size()});
  return {bytes.begin(), bytes.end()};
}

HttpResponder responder(HttpOptions options = {}) {
  auto made = HttpResponder::make(std::move(options));
  EXPECT_TRUE(made.ok());
  return std::move(made).value();
}
HttpOptions with_body(std::string_view body) {
  HttpOptions options;
  options.body = body_of(body);
  options.parsers = 8;
  return options;
}

/// A client of one connection: what it sends and in which pieces, how slowly it reads.
struct Client {
  std::vector<std::string> pieces;
  bool half_closes = true;
  std::size_t window = 1 << 30;
  std::size_t most_reserved = 1 << 30;

  struct Seen {
    std::string output;
    bool fin = false;
    bool reset = false;
    std::size_t unread = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
  };

  /// Everything that the responder says, until nothing moves any more.
  Seen run(HttpResponder& http) const {
    Stack stack;
    auto stream = stack.open();
    auto& c = stack.connections[0];
    c.window = window;
    c.most_reserved = most_reserved;
    const auto settle = [&] {
      http.on_poll(stack);
      while (c.taken != c.output.size()) {
        c.taken = c.output.size();
        if (c.wants_room && !c.closed) {
          c.wants_room = false;
          http.on_writable(stream);
        }
        http.on_poll(stack);
      }
    };
    for (const std::string& piece : pieces) {
      if (piece.empty()) continue;
      if (c.closed) break;
      c.input.push_back(piece);
      http.on_readable(stream);
      settle();
    }
    if (half_closes && !c.closed) {
      c.peer_closed = true;
      http.on_peer_closed(stream);
      settle();
    }
    Seen seen{c.output, c.shut, c.reset, 0};
    for (const std::string& left : c.input) seen.unread += left.size();
    EXPECT_TRUE(!c.shut || c.fin_at == c.output.size()) << "bytes after the FIN";
    http.on_closed(stack, stream.id(), c.session, Cause::by_peer);
    EXPECT_EQ(http.parsers_in_use(), 0u);
    return seen;
  }
};

std::string answer_to(std::string_view input, HttpOptions options = with_body("hello"),
                      bool half_closes = true) {
  HttpResponder http = responder(std::move(options));
  return Client{.pieces = {std::string{input}}, .half_closes = half_closes}.run(http).output;
}

const std::string hello_keep = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const std::string hello_close =
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
const std::string hello_keep_1_0 =
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello";
const std::string bad_request =
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const std::string not_implemented =
    "HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string get_close = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const std::string chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";

std::string post(std::string_view path, std::string_view fields, std::string_view body) {
  return "POST " + std::string{path} + " HTTP/1.1\r\nHost: a\r\n" + std::string{fields} + "\r\n" +
         std::string{body};
}
std::string reply_200(std::string_view body, std::string_view fields = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string{fields} + "\r\n" + std::string{body};
}

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

TEST(Http, LateBytesBehindARefusalAreBoundedInNumberAndTime) {
  HttpResponder http = responder();
  Stack stack;
  auto stream = stack.open();
  auto& c = stack.connections[0];
  c.input.push_back("nonsense\r\n");
  http.on_readable(stream);
  EXPECT_TRUE(c.shut);
  EXPECT_FALSE(c.closed);
  ASSERT_EQ(stack.timers.size(), 1u);
  std::size_t sent = 0;
  while (!c.closed && sent < 10'000'000) {
    c.input.push_back(std::string(100'000, 'x'));
    sent += 100'000;
    http.on_readable(stream);
  }
  EXPECT_TRUE(c.closed);
  EXPECT_LE(sent, 1'200'000u);
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

TEST(Http, EveryCutOfTheInputGivesTheSameAnswer) {
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

TEST(Http, AnyCutsAndWindowsGiveTheSameAnswer) {
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

TEST(Http, TheShortCutChangesNothing) {
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

TEST(Http, NoiseIsAnsweredAtMostWithRefusals) {
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
