#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "application/application.h"

namespace pollux::application {

/// What a reply says about its connection. HTTP/1.1 goes on unless told otherwise, HTTP/1.0 ends
/// unless told otherwise (RFC 9112 s.9.3).
enum class HttpPersistence : std::uint8_t { keep_1_1, keep_1_0, close };

/// The head of a reply made at run time.
class HttpHead {
 public:
  /// 200 with a body of `length` bytes, or a chunked one.
  static HttpHead with_length(std::uint64_t length, HttpPersistence persistence) noexcept;
  static HttpHead chunked(HttpPersistence persistence) noexcept;
  /// "N in hexadecimal" CRLF, as it stands before a chunk.
  static HttpHead chunk_line(std::uint64_t size) noexcept;

  std::string_view text() const noexcept { return {text_.data(), size_}; }

 private:
  void add(std::string_view text) noexcept;
  void add(std::uint64_t number, int base) noexcept;
  void add_persistence(HttpPersistence persistence) noexcept;

  std::array<char, 112> text_{};
  std::size_t size_ = 0;
};

/// The replies that can be made once, at start: those with the fixed body, and the refusals. Their
/// bytes stay where they are as long as this object lives, wherever it is moved to.
class HttpReplies {
 public:
  enum class Kind : std::uint8_t {
    body_keep_1_1,
    body_keep_1_0,
    body_close,
    bad_request,      // 400
    request_timeout,  // 408
    head_too_large,   // 431
    not_implemented,  // 501
    unavailable       // 503
  };
  static constexpr std::size_t kinds = 8;

  explicit HttpReplies(std::vector<std::byte> body);
  HttpReplies(HttpReplies&&) noexcept = default;
  HttpReplies& operator=(HttpReplies&&) noexcept = default;

  static Kind body(HttpPersistence persistence) noexcept;
  /// The refusal with this status: 400, 408, 431, 501 or 503.
  static Kind refusal(std::uint16_t status) noexcept;
  static std::uint16_t status(Kind kind) noexcept;

  /// Bytes of the whole reply, or, for HEAD, of its head alone.
  std::uint64_t size(Kind kind, bool head_only) const noexcept;
  /// The longest piece that lies in one place from byte `at` < size() on; all of the reply when
  /// `at` is 0 and the body is not larger than 64 KiB.
  StaticSpan piece(Kind kind, std::uint64_t at) const noexcept;

 private:
  struct Reply {
    std::vector<std::byte> bytes;  // the head, and a small body behind it
    std::uint32_t head_size = 0;
    bool body_apart = false;  // the body follows from body_
  };
  const Reply& operator[](Kind kind) const noexcept {
    return replies_[static_cast<std::size_t>(kind)];
  }

  std::vector<std::byte> body_;
  std::array<Reply, kinds> replies_;
};

/// Bytes of which the i-th is i % 251, from i = `first` < 251 on: some 64 KiB of them.
StaticSpan byte_pattern(std::uint8_t first) noexcept;
inline constexpr std::uint32_t byte_pattern_period = 251;

/// `size` printable bytes that end with a newline: a body for those who bring none.
std::vector<std::byte> default_body(std::size_t size);

}  // namespace pollux::application
