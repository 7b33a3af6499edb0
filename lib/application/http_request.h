#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "application/http_grammar.h"
#include "application/http_host.h"

namespace pollux::application {

/// What a request asks for, or the status with which it is refused.
struct HttpRequest {
  enum class Method : std::uint8_t { other, get, head, post };
  enum class Target : std::uint8_t {
    body,   // any path
    bytes,  // GET or HEAD of /bytes/N
    echo    // POST /echo
  };

  std::uint64_t content_length = 0;
  std::uint64_t count = 0;     // N of /bytes/N
  std::uint16_t status = 200;  // 200, or 400, 431, 501
  Method method = Method::other;
  Target target = Target::body;
  bool chunked = false;
  bool version_1_0 = false;
  bool keep_alive = false;        // what the client asks for
  bool expects_continue = false;  // and a 100 (Continue) is due before its body is read

  bool has_body() const noexcept { return chunked || content_length != 0; }
  friend bool operator==(const HttpRequest&, const HttpRequest&) noexcept = default;
};

/// A request line, by the letter of RFC 9112 s.3: method SP request-target SP HTTP-version CRLF,
/// the target in one of its four forms (s.3.2) with the characters of RFC 3986. Empty lines before
/// it are skipped (s.2.2).
class HttpRequestLine {
 public:
  enum class State : std::uint8_t { reading, complete, malformed };

  /// Reads one byte more; nothing may follow once it is complete or malformed.
  State take(char c) noexcept;
  bool complete() const noexcept { return at_ == At::complete; }
  /// Nothing has come but whole empty lines.
  bool blank() const noexcept { return at_ == At::start; }

  // Valid once complete.
  HttpRequest::Method method() const noexcept;
  /// A path, alone or in an absolute http-like URI: what GET, HEAD and POST need.
  bool has_path() const noexcept { return has_path_; }
  bool path_is_echo() const noexcept { return echo_matches_ && path_size_ == 5; }
  /// /bytes/ and at least one digit, all of them digits.
  bool path_is_bytes() const noexcept { return bytes_match_ && path_size_ > 7; }
  std::uint64_t count() const noexcept { return count_; }
  /// The number is more than 2^63.
  bool count_overflows() const noexcept { return count_overflows_; }
  std::uint8_t version_major() const noexcept { return major_; }
  std::uint8_t version_minor() const noexcept { return minor_; }

 private:
  enum class At : std::uint8_t {
    start,
    empty_line,
    method,
    target,
    asterisk,
    path,
    query,
    scheme,
    colon,
    slash,
    rootless,
    uri_authority,
    authority,
    version,
    complete,
    malformed
  };

  At next(char c) noexcept;
  At next_in_method(char c) noexcept;
  At next_in_target(char c) noexcept;
  At next_in_scheme(char c) noexcept;
  At next_in_version(char c) noexcept;
  At in_uri(char c, At stay) noexcept;
  At begin_path(char c) noexcept;
  void path_char(char c) noexcept;

  At at_ = At::start;
  std::uint8_t percent_left_ = 0;  // hexadecimal digits that a % still wants
  std::uint8_t method_size_ = 0;   // stays at 5 when longer
  std::uint8_t version_size_ = 0;
  std::uint8_t path_size_ = 0;  // stays at 255 when longer
  std::uint8_t major_ = 0;
  std::uint8_t minor_ = 0;
  char method_[4] = {};
  HttpHost host_;  // of an absolute URI
  bool has_path_ = false;
  bool colon_seen_ = false;
  bool echo_matches_ = true;
  bool bytes_match_ = true;
  bool count_overflows_ = false;
  std::uint64_t count_ = 0;
};

/// Reads one request: its line by HttpRequestLine, its fields and chunks by HttpGrammar, and the
/// rules of RFC 9112 about Host (s.3.2), framing (s.6) and persistence (s.9.3). Copyable between
/// two pieces of input.
class HttpRequestParser {
 public:
  /// The most bytes a head may have, its empty line included, those before it not; more is
  /// answered with 431.
  static constexpr std::uint32_t max_head = 16'384;

  struct Head {
    std::size_t used = 0;
    bool complete = false;  // request() says what it is; with an error status all else is void
  };

  HttpRequestParser() noexcept : grammar_(HttpGrammar::of_request()) {}

  /// Reads on in the head.
  Head feed_head(std::span<const std::byte> bytes) noexcept;
  /// Reads on in a chunked body; stops behind each chunk's head.
  HttpGrammar::Step feed_chunks(std::span<const std::byte> bytes) noexcept {
    return grammar_.feed(bytes);
  }
  /// Bytes of the chunk that has begun and that have not been fed yet.
  std::uint64_t chunk_left() const noexcept { return grammar_.chunk_left(); }
  const HttpRequest& request() const noexcept { return request_; }
  /// Nothing but empty lines has come yet: the parser is as good as new.
  bool blank() const noexcept { return line_.blank(); }

 private:
  void judge_line() noexcept;
  void judge_head() noexcept;

  HttpGrammar grammar_;
  HttpRequestLine line_;
  HttpRequest request_;
  std::uint32_t head_size_ = 0;
};

}  // namespace pollux::application
