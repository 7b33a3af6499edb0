#include "application/http_request.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"

namespace pollux::application {
namespace {

using Method = HttpRequest::Method;
using Target = HttpRequest::Target;

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span{text.data(), text.size()});
}

/// The request that a head asks for; status 0 where the head is not complete.
HttpRequest parse(std::string_view head, std::size_t* used = nullptr) {
  HttpRequestParser parser;
  const auto step = parser.feed_head(bytes(head));
  if (used != nullptr) *used = step.used;
  HttpRequest request = parser.request();
  if (!step.complete) request.status = 0;
  return request;
}
std::uint16_t status(std::string_view head) { return parse(head).status; }
std::uint16_t status_of_line(std::string_view line) {
  return status(std::string{line} + "\r\nHost: a\r\n\r\n");
}
std::uint16_t status_of_fields(std::string_view fields) {
  return status("POST /echo HTTP/1.1\r\nHost: a\r\n" + std::string{fields} + "\r\n");
}

TEST(HttpRequestLine, TheThreeMethodsAndTheirTargets) {
  HttpRequest request = parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(request.status, 200);
  EXPECT_EQ(request.method, Method::get);
  EXPECT_EQ(request.target, Target::body);
  EXPECT_TRUE(request.keep_alive);
  request = parse("HEAD /bytes/1000?x HTTP/1.0\r\n\r\n");
  EXPECT_EQ(request.status, 200);
  EXPECT_EQ(request.method, Method::head);
  EXPECT_EQ(request.target, Target::bytes);
  EXPECT_EQ(request.count, 1000u);
  EXPECT_FALSE(request.keep_alive);
  request = parse("POST http://a:80/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n");
  EXPECT_EQ(request.status, 200);
  EXPECT_EQ(request.target, Target::echo);
  EXPECT_EQ(request.content_length, 7u);
}

TEST(HttpRequestLine, BytesNeedsDigitsAndNothingElse) {
  const auto target = [](std::string_view path) {
    return parse("GET " + std::string{path} + " HTTP/1.1\r\nHost: a\r\n\r\n");
  };
  EXPECT_EQ(target("/bytes/0").count, 0u);
  EXPECT_EQ(target("/bytes/0").target, Target::bytes);
  EXPECT_EQ(target("/bytes/007").count, 7u);
  EXPECT_EQ(target("/bytes/9223372036854775808").count, std::uint64_t{1} << 63);
  EXPECT_EQ(target("/bytes/9223372036854775809").status, 400);
  EXPECT_EQ(target("/bytes/99999999999999999999999999").status, 400);
  EXPECT_EQ(target("/bytes/" + std::string(300, '0') + "5").count, 5u);
  for (const char* path : {"/bytes/", "/bytes", "/bytes/1x", "/bytes/x1", "/bytes/-1", "/bytes/1/",
                           "/Bytes/1", "/bytes/%31", "//bytes/1", "/echo", "/x?/bytes/1"}) {
    EXPECT_EQ(target(path).target, Target::body) << path;
    EXPECT_EQ(target(path).status, 200) << path;
  }
  // POST of such a path is any other path, however long the number.
  EXPECT_EQ(status_of_line("POST /bytes/99999999999999999999999999"), 400);  // no version
  EXPECT_EQ(status_of_line("POST /bytes/99999999999999999999999999 HTTP/1.1"), 200);
}

TEST(HttpRequestLine, SoundLinesWithOtherMethodsAreNotImplemented) {
  for (const char* line :
       {"PUT / HTTP/1.1", "DELETE /x?y=z HTTP/1.0", "OPTIONS * HTTP/1.1", "get / HTTP/1.1",
        "GETT / HTTP/1.1", "GE / HTTP/1.1", "X / HTTP/1.1", "CONNECT a.example:443 HTTP/1.1",
        "CONNECT [::1]:443 HTTP/1.1", "CONNECT 10.0.0.1:443 HTTP/1.1", "PRI * HTTP/2.0",
        "FOO /a HTTP/3.7", "!#$%&'*+-.^_`|~09Az /%41 HTTP/1.1", "PATCH http://a/ HTTP/1.1",
        "M-SEARCH urn:x:y HTTP/1.1", "BREW a_b:1 HTTP/1.1", "TRACE mailto:a@b?c HTTP/1.1",
        "FOO http://a@b:1?x HTTP/1.1", "FOO file:/// HTTP/1.1"}) {
    EXPECT_EQ(status_of_line(line), 501) << line;
  }
}

TEST(HttpRequestLine, MalformedLinesAreBadWhateverTheMethod) {
  for (const char* method : {"GET", "FOO"}) {
    for (const char* rest : {"",
                             " ",
                             " /",
                             " / ",
                             " / HTTP",
                             " / HTTP/1",
                             " / HTTP/1.",
                             " / HTTP/1.1 ",
                             "  / HTTP/1.1",
                             " /  HTTP/1.1",
                             " / http/1.1",
                             " / HTTP/11.1",
                             " / HTTP/1.11",
                             " / HTTP/a.1",
                             " / HTTP 1.1",
                             " HTTP/1.1",
                             " x HTTP/1.1",
                             " x/y HTTP/1.1",
                             " ** HTTP/1.1",
                             " /a b HTTP/1.1",
                             " /\x01 HTTP/1.1",
                             " /\x7f HTTP/1.1",
                             " /\xc3\xa4 HTTP/1.1",
                             " /| HTTP/1.1",
                             " /% HTTP/1.1",
                             " /%4 HTTP/1.1",
                             " /%4g HTTP/1.1",
                             " /#x HTTP/1.1",
                             " /?[ HTTP/1.1",
                             "\t/ HTTP/1.1",
                             " /\tHTTP/1.1",
                             " :80 HTTP/1.1",
                             " 1.2.3.4 HTTP/1.1"}) {
      EXPECT_EQ(status_of_line(std::string{method} + rest), 400) << method << rest;
    }
  }
  EXPECT_EQ(status_of_line(""), 400);  // "\r\nHost: a": an empty line, and then no method
  EXPECT_EQ(status_of_line(" GET / HTTP/1.1"), 400);
  EXPECT_EQ(status_of_line("G@T / HTTP/1.1"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\nHost: a\n\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\rHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status("GET /\r\n\r\n"), 400);  // HTTP/0.9
  EXPECT_EQ(status(std::string_view("GET /\0 HTTP/1.1\r\n", 17)), 400);
}

TEST(HttpRequestLine, WhatOnlyOtherMethodsMayAskForIsBad) {
  for (const char* target : {"*", "a:80", "urn:x:y", "http://", "http:///x", "10.0.0.1:80",
                             "http://:80/", "http://@/x", "http://u@:80", "http://a:xx/",
                             "http://[::1/x", "http://u%zz@a/", "http://u%@a/", "http://a%/"}) {
    EXPECT_EQ(status_of_line("GET " + std::string{target} + " HTTP/1.1"), 400) << target;
  }
  for (const char* target :
       {"http://a", "http://a?x", "http://u@a:1/", "https://[::1]/x", "http://u:p%41@[::1]:1"}) {
    EXPECT_EQ(status_of_line("GET " + std::string{target} + " HTTP/1.1"), 200) << target;
  }
}

TEST(HttpRequestLine, MinorVersionsAreReadAsOneAndMajorOnesRefused) {
  EXPECT_EQ(status_of_line("GET / HTTP/1.0"), 200);
  EXPECT_EQ(status_of_line("GET / HTTP/1.9"), 200);
  EXPECT_EQ(status_of_line("GET / HTTP/0.9"), 400);
  EXPECT_EQ(status_of_line("GET / HTTP/2.0"), 400);
}

TEST(HttpRequest, EmptyLinesBeforeARequestAreSkipped) {
  std::size_t used = 0;
  EXPECT_EQ(parse("\r\n\r\nGET / HTTP/1.0\r\n\r\nrest", &used).status, 200);
  EXPECT_EQ(used, 22u);
  HttpRequestParser parser;
  EXPECT_TRUE(parser.blank());
  EXPECT_FALSE(parser.feed_head(bytes("\r\n")).complete);
  EXPECT_TRUE(parser.blank());
  EXPECT_FALSE(parser.feed_head(bytes("\r")).complete);
  EXPECT_FALSE(parser.blank());
}

TEST(HttpRequest, HostIsNeededOnceAndMustBeOne) {
  EXPECT_EQ(status("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.0\r\n\r\n"), 200);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 200);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nhOST: [::1]:80 \t\r\n\r\n"), 200);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.0\r\nHost: <a>\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n"), 400);
  const auto status_of_host = [](std::string_view host) {
    return status("GET / HTTP/1.1\r\nHost: " + std::string{host} + "\r\n\r\n");
  };
  for (const char* host : {"a:80", "a:", "[::1]", "[::1]:80", "a%41", ":80", "10.0.0.1:8080 "}) {
    EXPECT_EQ(status_of_host(host), 200) << host;
  }
  for (const char* host : {"a:xx", "a:80:80", "::1", "[::1", "[::1]80", "a[::1]", "a]", "a%4",
                           "a%zz", "u@a", "a:8%30"}) {
    EXPECT_EQ(status_of_host(host), 400) << host;
  }
}

TEST(HttpRequest, PersistenceFollowsVersionAndConnection) {
  const auto keeps = [](std::string_view version, std::string_view fields) {
    return parse("GET / " + std::string{version} + "\r\nHost: a\r\n" + std::string{fields} + "\r\n")
        .keep_alive;
  };
  EXPECT_TRUE(keeps("HTTP/1.1", ""));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: x, CLOSE\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", ""));
  EXPECT_TRUE(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", "Connection: keep-alive, close\r\n"));
}

TEST(HttpRequest, FramingThatLeavesDoubtIsRefused) {
  EXPECT_EQ(status_of_fields("Content-Length: 5\r\n"), 200);
  EXPECT_EQ(status_of_fields("Content-Length: 18446744073709551615\r\n"), 200);
  EXPECT_EQ(status_of_fields("Transfer-Encoding: chunked\r\n"), 200);
  EXPECT_EQ(status_of_fields("Transfer-Encoding: \tCHUNKED \r\n"), 200);
  for (const char* fields :
       {"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n", "Content-Length: -5\r\n", "Content-Length: 5 5\r\n",
        "Content-Length: 0x5\r\n", "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", "Transfer-Encoding:\r\n",
        "Transfer-Encoding: identity\r\n", "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Content-Length : 5\r\n",
        "Content-Length\t: 5\r\n"}) {
    EXPECT_EQ(status_of_fields(fields), 400) << fields;
  }
  EXPECT_EQ(status_of_fields("Transfer-Encoding: gzip, chunked\r\n"), 501);
  EXPECT_EQ(status_of_fields("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), 501);
  EXPECT_EQ(status("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST(HttpRequest, MalformedFieldsAreRefused) {
  for (const char* fields : {"X\r\n", ": y\r\n", "X : y\r\n", "X@: y\r\n", "X: y\n", "X: a\rb\r\n",
                             "X: y\r\n z\r\n", " X: y\r\n", "\tX: y\r\n", "X: \x01\r\n", "\n"}) {
    EXPECT_EQ(status_of_fields(fields), 400) << fields;
  }
  EXPECT_EQ(status_of_fields(std::string_view("X: a\0b\r\n", 9)), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400);
  EXPECT_EQ(status_of_fields("X:\r\nY: \r\nZ: \xc3\xa4\t!\r\n"), 200);
}

TEST(HttpRequest, ContinueIsDueOnlyForABodyOfAVersionThatKnowsIt) {
  const auto due = [](std::string_view head) { return parse(head).expects_continue; };
  const std::string fields = "Host: a\r\nExpect: 100-Continue\r\n";
  EXPECT_TRUE(due("POST / HTTP/1.1\r\n" + fields + "Content-Length: 1\r\n\r\n"));
  EXPECT_TRUE(due("POST / HTTP/1.1\r\n" + fields + "Transfer-Encoding: chunked\r\n\r\n"));
  EXPECT_FALSE(due("POST / HTTP/1.1\r\n" + fields + "Content-Length: 0\r\n\r\n"));
  EXPECT_FALSE(due("POST / HTTP/1.0\r\n" + fields + "Content-Length: 1\r\n\r\n"));
  EXPECT_FALSE(due("POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 1\r\n\r\n"));
}

TEST(HttpRequest, AHeadMayHave16384BytesAndNotOneMore) {
  const auto head_of = [](std::size_t size) {
    std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    head += std::string(size - head.size() - 4, 'y') + "\r\n\r\n";
    return head;
  };
  EXPECT_EQ(status(head_of(16'384)), 200);
  EXPECT_EQ(status(head_of(16'385)), 431);
  EXPECT_EQ(status(head_of(16'384).substr(0, 16'383)), 0);
  EXPECT_EQ(status("GET /" + std::string(20'000, 'a')), 431);
  EXPECT_EQ(status(std::string(20'000, 'A')), 431);
  EXPECT_EQ(status("PUT /" + std::string(20'000, 'a')), 431);
  // Empty lines before it do not count.
  std::string empty_lines;
  for (int i = 0; i < 20'000; ++i) empty_lines += "\r\n";
  EXPECT_EQ(status(empty_lines + head_of(16'384)), 200);
}

TEST(HttpRequest, EveryWayToCutAHeadGivesTheSame) {
  const std::vector<std::string> heads = {
      "\r\nPOST /echo?a=%41 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: "
      "chunked\r\nConnection: keep-alive, close\r\n\r\n",
      "HEAD http://a/bytes/12345678901 HTTP/1.0\r\nHost: b \r\nConnection: keep-alive\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
      "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n: nameless\r\n\r\n"};
  for (const std::string& head : heads) {
    const HttpRequest whole = parse(head);
    ASSERT_NE(whole.status, 0);
    for (std::size_t cut = 0; cut <= head.size(); ++cut) {
      HttpRequestParser parser;
      auto step = parser.feed_head(bytes(std::string_view{head}.substr(0, cut)));
      if (!step.complete) {
        HttpRequestParser moved = parser;  // as when it is borrowed from the slab
        parser = moved;
        step = parser.feed_head(bytes(std::string_view{head}.substr(cut)));
      }
      ASSERT_TRUE(step.complete);
      ASSERT_EQ(parser.request(), whole) << head << " at " << cut;
    }
  }
}

TEST(HttpRequest, NoiseNeverRunsAway) {
  // Mutations of good heads: whatever comes out, each byte is used at most once, and cuts change
  // nothing.
  const std::string good =
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: "
      "100-continue\r\n\r\n";
  Prng prng{2024};
  for (int i = 0; i < 50'000; ++i) {
    std::string head = good;
    for (std::uint64_t n = prng.below(4); n-- > 0;) {
      const std::size_t at = prng.below(head.size());
      constexpr std::string_view odd{
          "\r\n\0 \t:;,/%\x80\x7f"
          "aZ0",
          16};
      switch (prng.below(3)) {
        case 0:
          head[at] = odd[prng.below(odd.size())];
          break;
        case 1:
          head.erase(at, 1 + prng.below(5));
          break;
        default:
          head.insert(at, 1, odd[prng.below(odd.size())]);
      }
    }
    std::size_t used = 0;
    const HttpRequest whole = parse(head, &used);
    ASSERT_LE(used, head.size());
    HttpRequestParser parser;
    const std::size_t cut = prng.below(head.size() + 1);
    auto step = parser.feed_head(bytes(std::string_view{head}.substr(0, cut)));
    if (!step.complete) step = parser.feed_head(bytes(std::string_view{head}.substr(cut)));
    ASSERT_EQ(step.complete ? parser.request().status : 0, whole.status) << head;
  }
}

}  // namespace
}  // namespace pollux::application
