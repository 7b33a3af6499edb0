#pragma once

// Conversations with an HttpResponder over a FakeStack: what the tests of http.h share.

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "application/http.h"
#include "fake_stack.h"

namespace pollux::application {

using Count = HttpCounters::Count;
using Stack = FakeStack<HttpResponder::Session>;

static_assert(Application<HttpResponder>);
static_assert(Stream<Stack::Stream>);

inline std::vector<std::byte> body_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span{text.data(), text.size()});
  return {bytes.begin(), bytes.end()};
}

inline HttpResponder responder(HttpOptions options = {}) {
  auto made = HttpResponder::make(std::move(options));
  EXPECT_TRUE(made.ok());
  return std::move(made).value();
}
inline HttpOptions with_body(std::string_view body) {
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

inline std::string answer_to(std::string_view input, HttpOptions options = with_body("hello"),
                             bool half_closes = true) {
  HttpResponder http = responder(std::move(options));
  return Client{.pieces = {std::string{input}}, .half_closes = half_closes}.run(http).output;
}

inline const std::string hello_keep = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
inline const std::string hello_close =
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
inline const std::string hello_keep_1_0 =
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello";
inline const std::string bad_request =
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
inline const std::string not_implemented =
    "HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
inline const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
inline const std::string get_close = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
inline const std::string chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
inline const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";

inline std::string post(std::string_view path, std::string_view fields, std::string_view body) {
  return "POST " + std::string{path} + " HTTP/1.1\r\nHost: a\r\n" + std::string{fields} + "\r\n" +
         std::string{body};
}
inline std::string reply_200(std::string_view body, std::string_view fields = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string{fields} + "\r\n" + std::string{body};
}

}  // namespace pollux::application
