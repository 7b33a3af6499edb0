#include "application/http_reply.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace pollux::application {
namespace {

/// A body up to this size lies behind each of its heads, so that the reply is one span.
constexpr std::size_t largest_copied_body = 65'536;
/// A StaticSpan's size has 32 bits.
constexpr std::uint64_t largest_piece = std::uint64_t{1} << 30;

constexpr std::size_t pattern_size = 65'536;
constexpr auto pattern = [] {
  std::array<std::byte, pattern_size + byte_pattern_period> bytes{};
  std::uint32_t value = 0;
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(value);
    value = value + 1 == byte_pattern_period ? 0 : value + 1;
  }
  return bytes;
}();

constexpr std::array<std::string_view, HttpReplies::kinds> refusals = {
    "",
    "",
    "",
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: "
    "close\r\n\r\n",
    "HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"};

std::vector<std::byte> bytes_of(std::string_view text) {
  std::vector<std::byte> out(text.size());
  std::memcpy(out.data(), text.data(), text.size());
  return out;
}

}  // namespace

HttpHead HttpHead::with_length(std::uint64_t length, HttpPersistence persistence) noexcept {
  HttpHead head;
  head.add("HTTP/1.1 200 OK\r\nContent-Length: ");
  head.add(length, 10);
  head.add("\r\n");
  head.add_persistence(persistence);
  return head;
}

HttpHead HttpHead::chunked(HttpPersistence persistence) noexcept {
  HttpHead head;
  head.add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n");
  head.add_persistence(persistence);
  return head;
}

HttpHead HttpHead::chunk_line(std::uint64_t size) noexcept {
  HttpHead head;
  head.add(size, 16);
  head.add("\r\n");
  return head;
}

void HttpHead::add(std::string_view text) noexcept {
  POLLUX_ASSERT(text.size() <= text_.size() - size_);
  std::memcpy(text_.data() + size_, text.data(), text.size());
  size_ += text.size();
}

void HttpHead::add(std::uint64_t number, int base) noexcept {
  const auto end = std::to_chars(text_.data() + size_, text_.data() + text_.size(), number, base);
  size_ = static_cast<std::size_t>(end.ptr - text_.data());
}

void HttpHead::add_persistence(HttpPersistence persistence) noexcept {
  switch (persistence) {
    case HttpPersistence::keep_1_1:
      return add("\r\n");
    case HttpPersistence::keep_1_0:
      return add("Connection: keep-alive\r\n\r\n");
    case HttpPersistence::close:
      return add("Connection: close\r\n\r\n");
  }
}

HttpReplies::HttpReplies(std::vector<std::byte> body) : body_(std::move(body)) {
  for (const auto persistence :
       {HttpPersistence::keep_1_1, HttpPersistence::keep_1_0, HttpPersistence::close}) {
    Reply& reply = replies_[static_cast<std::size_t>(HttpReplies::body(persistence))];
    reply.bytes = bytes_of(HttpHead::with_length(body_.size(), persistence).text());
    reply.head_size = static_cast<std::uint32_t>(reply.bytes.size());
    reply.body_apart = body_.size() > largest_copied_body;
    if (!reply.body_apart) reply.bytes.insert(reply.bytes.end(), body_.begin(), body_.end());
  }
  for (std::size_t i = static_cast<std::size_t>(Kind::bad_request); i < kinds; ++i) {
    replies_[i].bytes = bytes_of(refusals[i]);
    replies_[i].head_size = static_cast<std::uint32_t>(refusals[i].size());
  }
}

HttpReplies::Kind HttpReplies::body(HttpPersistence persistence) noexcept {
  switch (persistence) {
    case HttpPersistence::keep_1_1:
      return Kind::body_keep_1_1;
    case HttpPersistence::keep_1_0:
      return Kind::body_keep_1_0;
    case HttpPersistence::close:
      break;
  }
  return Kind::body_close;
}

HttpReplies::Kind HttpReplies::refusal(std::uint16_t status) noexcept {
  if (status == 408) return Kind::request_timeout;
  if (status == 431) return Kind::head_too_large;
  if (status == 501) return Kind::not_implemented;
  return status == 503 ? Kind::unavailable : Kind::bad_request;
}

std::uint16_t HttpReplies::status(Kind kind) noexcept {
  constexpr std::array<std::uint16_t, kinds> statuses = {200, 200, 200, 400, 408, 431, 501, 503};
  return statuses[static_cast<std::size_t>(kind)];
}

std::uint64_t HttpReplies::size(Kind kind, bool head_only) const noexcept {
  const Reply& reply = (*this)[kind];
  if (head_only) return reply.head_size;
  return reply.bytes.size() + (reply.body_apart ? body_.size() : 0);
}

StaticSpan HttpReplies::piece(Kind kind, std::uint64_t at) const noexcept {
  const Reply& reply = (*this)[kind];
  const std::vector<std::byte>* bytes = &reply.bytes;
  if (at >= bytes->size()) {
    at -= bytes->size();
    bytes = &body_;
  }
  return {bytes->data() + at,
          static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes->size() - at, largest_piece))};
}

StaticSpan byte_pattern(std::uint8_t first) noexcept {
  POLLUX_ASSERT(first < byte_pattern_period);
  return {pattern.data() + first, static_cast<std::uint32_t>(pattern_size)};
}

std::vector<std::byte> default_body(std::size_t size) {
  constexpr std::string_view line = "Castor and Pollux, the one a mortal, ride by turns.\n";
  std::vector<std::byte> out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(line[i % line.size()]);
  if (size != 0) out.back() = std::byte{'\n'};
  return out;
}

}  // namespace pollux::application
