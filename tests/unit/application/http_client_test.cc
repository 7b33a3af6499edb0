#include "application/http_client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"

namespace pollux::application {
namespace {

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span{text.data(), text.size()});
}
std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
std::vector<std::byte> owned(std::string_view body) {
  const auto view = bytes(body);
  return {view.begin(), view.end()};
}

TEST(HttpClientRequest, IsWhatItsPartsSay) {
  const HttpClientRequest plain;
  EXPECT_EQ(text(plain.bytes(false)), "GET / HTTP/1.1\r\nHost: pollux\r\n\r\n");
  EXPECT_EQ(text(plain.bytes(true)), "GET / HTTP/1.1\r\nHost: pollux\r\nConnection: close\r\n\r\n");
  EXPECT_FALSE(plain.method_is_head());
  HttpClientRequest::Parts parts;
  parts.method = "POST";
  parts.target = "/echo";
  parts.fields = {"X: y", "hOST: there"};
  parts.body = owned("abc");
  EXPECT_EQ(text(HttpClientRequest{parts}.bytes(true)),
            "POST /echo HTTP/1.1\r\nConnection: close\r\nContent-Length: 3\r\nX: y\r\nhOST: there"
            "\r\n\r\nabc");
  parts.body.clear();
  parts.fields = {"Connection: keep-alive", "Content-length: 0"};
  EXPECT_EQ(text(HttpClientRequest{parts}.bytes(true)),
            "POST /echo HTTP/1.1\r\nHost: pollux\r\nConnection: keep-alive\r\nContent-length: 0"
            "\r\n\r\n");
  parts.method = "HEAD";
  EXPECT_TRUE(HttpClientRequest{parts}.method_is_head());
}

TEST(HttpClientRequest, PartsThatWouldSaySomethingElseAreNotUsable) {
  const auto usable = [](auto change) {
    HttpClientRequest::Parts parts;
    change(parts);
    return HttpClientRequest::usable(parts);
  };
  EXPECT_TRUE(usable([](auto&) {}));
  EXPECT_TRUE(usable([](auto& p) { p.fields = {"A: b", "C:", "D: e f\t"}; }));
  EXPECT_FALSE(usable([](auto& p) { p.method = ""; }));
  EXPECT_FALSE(usable([](auto& p) { p.method = "G T"; }));
  EXPECT_FALSE(usable([](auto& p) { p.target = ""; }));
  EXPECT_FALSE(usable([](auto& p) { p.target = "/a b"; }));
  EXPECT_FALSE(usable([](auto& p) { p.target = "/a\r\nX: y"; }));
  EXPECT_FALSE(usable([](auto& p) { p.host = "a\n"; }));
  EXPECT_FALSE(usable([](auto& p) { p.fields = {"nameless"}; }));
  EXPECT_FALSE(usable([](auto& p) { p.fields = {": x"}; }));
  EXPECT_FALSE(usable([](auto& p) { p.fields = {"A : b"}; }));
  EXPECT_FALSE(usable([](auto& p) { p.fields = {"A: b\r\nC: d"}; }));
}

/// One reply as a connection saw it.
struct Reply {
  std::uint16_t status = 0;
  bool keep_alive = false;
  friend bool operator==(const Reply&, const Reply&) = default;
};
/// All replies of one connection, and how it ended.
struct Seen {
  std::vector<Reply> replies;
  bool bad = false;
  bool half_way = false;  // bytes of a reply that never was complete
  friend bool operator==(const Seen&, const Seen&) = default;
};

Seen read(ReplyParser& parser, const std::vector<std::string>& pieces) {
  Seen seen;
  ReplyState state;
  for (const std::string& piece : pieces) {
    std::string_view rest = piece;
    while (!rest.empty() && !seen.bad) {
      const auto fed = parser.feed(state, bytes(rest));
      EXPECT_LE(fed.consumed, rest.size());
      rest.remove_prefix(fed.consumed);
      if (fed.outcome == ReplyOutcome::bad) seen.bad = true;
      EXPECT_TRUE(fed.outcome != ReplyOutcome::incomplete || rest.empty());
      if (fed.outcome == ReplyOutcome::complete) {
        EXPECT_TRUE(state.at_start());
        seen.replies.push_back({state.status(), state.keep_alive()});
      }
    }
  }
  seen.half_way = !state.at_start();
  if (parser.finish(state)) {
    seen.replies.push_back({state.status(), state.keep_alive()});
    seen.half_way = false;
  }
  parser.release(state);
  EXPECT_EQ(parser.parsers_in_use(), 0u);
  return seen;
}
Seen read(std::string_view input, bool to_head = false) {
  ReplyParser parser{to_head, 4};
  return read(parser, {std::string{input}});
}
Seen one(std::uint16_t status, bool keep_alive) { return {{{status, keep_alive}}, false, false}; }

const std::string plain = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const std::string closing =
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
const std::string chunked =
    "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b;c\r\nhello\r\n0\r\nX: "
    "y\r\n\r\n";

TEST(ReplyParser, LengthsAreWhatRfc9112Says) {
  EXPECT_EQ(read(plain), one(200, true));
  EXPECT_EQ(read(closing), one(200, false));
  EXPECT_EQ(read(chunked), one(404, true));
  EXPECT_EQ(read("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab"), one(200, false));
  EXPECT_EQ(read("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab"),
            one(200, true));
  EXPECT_EQ(read("HTTP/1.1 204 No Content\r\n\r\n"), one(204, true));
  EXPECT_EQ(read("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), one(304, true));
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n\r\nuntil the end"), one(200, false));
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc"), one(200, false));
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), one(200, true));
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true), one(200, true));
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true), one(200, true));
}

TEST(ReplyParser, FoldedLinesAreRead) {
  // RFC 9112 s.5.2: by a user agent, as if there were blanks.
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\tw\r\nContent-Length: 2\r\n\r\nab"),
            one(200, true));
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nConnection: x,\r\n close\r\nContent-Length: 0\r\n\r\n"),
            one(200, false));
  const Seen split = read("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\nabcdefghijkl");
  EXPECT_TRUE(split.bad) << "one and two are not twelve";
}

TEST(ReplyParser, InterimRepliesArePassedOver) {
  const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(read(go_on + plain), one(200, true));
  EXPECT_EQ(read(go_on + "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + closing), one(200, false));
  EXPECT_TRUE(read("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n").bad);
  EXPECT_TRUE(read(go_on).replies.empty());
}

TEST(ReplyParser, WhatIsNotHttpIsBadAndWhatEndsEarlyIsNotComplete) {
  for (const char* input :
       {"x", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\n\n", "GET / HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\n z\r\n\r\n", "HTTP/1.1 200 OK\r\nX: y\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"}) {
    EXPECT_TRUE(read(input).bad) << input;
    EXPECT_TRUE(read(input).replies.empty()) << input;
  }
  for (const std::string& whole : {plain, closing, chunked}) {
    for (std::size_t n = 1; n < whole.size(); ++n) {
      const Seen seen = read(whole.substr(0, n));
      ASSERT_FALSE(seen.bad);
      ASSERT_TRUE(seen.half_way);
      ASSERT_TRUE(seen.replies.empty()) << n;
    }
  }
}

TEST(ReplyParser, AnyCutsGiveTheSameWithAndWithoutTheShortCut) {
  Prng prng{17};
  const std::string replies[] = {
      plain,
      closing,
      chunked,
      "HTTP/1.1 100 Continue\r\n\r\n",
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 55\r\n\r\n" + plain + "0123456789x",
      "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"};
  ReplyParser fast{false, 2};
  ReplyParser slow{false, 2};
  slow.use_short_cut(false);
  for (int round = 0; round < 3'000; ++round) {
    std::string input;
    for (std::uint64_t n = 1 + prng.below(6); n-- > 0;) {
      input += replies[prng.chance(0.5) ? 0 : prng.below(std::size(replies))];
    }
    if (prng.chance(0.2)) input += "HTTP/1.1 200 OK\r\n\r\ntail";
    if (prng.chance(0.1)) input.resize(input.size() - prng.below(input.size()));
    if (prng.chance(0.1)) input[prng.below(input.size())] = '\x01';
    const Seen whole = read(slow, {input});
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < input.size();) {
      const std::size_t n = 1 + prng.below(prng.chance(0.5) ? 3 : 100);
      pieces.push_back(input.substr(at, n));
      at += n;
    }
    ASSERT_EQ(read(fast, {input}), whole) << input;
    ASSERT_EQ(read(fast, pieces), whole) << input;
    ASSERT_EQ(read(slow, pieces), whole) << input;
  }
}

TEST(ReplyParser, LongBodiesAreCountedNotKept) {
  ReplyParser parser{false, 1};
  ReplyState state;
  auto fed =
      parser.feed(state, bytes("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n"));
  EXPECT_EQ(fed.outcome, ReplyOutcome::incomplete);
  EXPECT_EQ(parser.parsers_in_use(), 0u);
  const std::string block(1 << 16, 'x');
  for (int i = 0; i < 100; ++i) {
    fed = parser.feed(state, bytes(block));
    ASSERT_EQ(fed.consumed, block.size());
    ASSERT_EQ(fed.outcome, ReplyOutcome::incomplete);
  }
}

TEST(ReplyParser, WithoutAFreeParserAHeadInPiecesIsBad) {
  ReplyParser parser{false, 1};
  ReplyState first;
  ReplyState second;
  EXPECT_EQ(parser.feed(first, bytes("HTTP/1.1")).outcome, ReplyOutcome::incomplete);
  EXPECT_EQ(parser.feed(second, bytes("HTTP/1.1")).outcome, ReplyOutcome::bad);
  EXPECT_EQ(parser.feed(first, bytes(" 200 OK\r\nContent-Length: 0\r\n\r\n")).outcome,
            ReplyOutcome::complete);
  ReplyState third;
  EXPECT_EQ(parser.feed(third, bytes(plain)).outcome, ReplyOutcome::complete);
}

}  // namespace
}  // namespace pollux::application
