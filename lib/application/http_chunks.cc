#include "application/http_chunks.h"

#include <algorithm>

#include "application/http_characters.h"

namespace pollux::application {

namespace chars = characters;

HttpChunks::Step HttpChunks::feed(std::span<const std::byte> bytes) noexcept {
  Step step;
  if (at_ == At::data) {
    const auto n = std::min<std::uint64_t>(size_, bytes.size());
    size_ -= n;
    step.used = static_cast<std::size_t>(n);
    if (size_ == 0) at_ = At::data_return;
    return step;
  }
  while (step.used != bytes.size()) {
    const bool ends_line = at_ == At::line_feed;
    at_ = ++line_size_ > max_line ? At::bad : next(static_cast<char>(bytes[step.used]));
    if (at_ == At::bad) {
      step.event = Event::bad;
      return step;
    }
    ++step.used;
    if (ends_line) {
      line_size_ = 0;
      step.event = at_ == At::data ? Event::chunk : Event::trailers;
      return step;
    }
  }
  return step;
}

HttpChunks::At HttpChunks::next(char c) noexcept {
  switch (at_) {
    case At::first_digit:
      size_ = 0;
      return digit(c);
    case At::size:
      if (c == ';') return At::extension;
      if (c == '\r') return At::line_feed;
      return chars::is_blank(c) ? At::before_extension : digit(c);
    case At::line_feed:
      if (c != '\n') return At::bad;
      return size_ == 0 ? At::first_digit : At::data;
    case At::data_return:
      return c == '\r' ? At::data_feed : At::bad;
    case At::data_feed:
      return c == '\n' ? At::first_digit : At::bad;
    case At::before_extension:
    case At::extension:
    case At::extension_name:
    case At::after_name:
    case At::value:
    case At::token:
    case At::quoted:
    case At::escaped:
    case At::after_quoted:
      return next_in_extension(c);
    case At::data:
    case At::bad:
      break;
  }
  return At::bad;
}

/// chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
HttpChunks::At HttpChunks::next_in_extension(char c) noexcept {
  const bool blank = chars::is_blank(c);
  switch (at_) {
    case At::before_extension:
      if (c == ';') return At::extension;
      return blank ? At::before_extension : At::bad;
    case At::extension:
      if (blank) return At::extension;
      return chars::is(c, chars::token) ? At::extension_name : At::bad;
    case At::extension_name:
      if (chars::is(c, chars::token)) return At::extension_name;
      if (c == '=') return At::value;
      if (c == ';') return At::extension;
      if (c == '\r') return At::line_feed;
      return blank ? At::after_name : At::bad;
    case At::after_name:
      if (c == '=') return At::value;
      if (c == ';') return At::extension;
      return blank ? At::after_name : At::bad;
    case At::value:
      if (c == '"') return At::quoted;
      if (chars::is(c, chars::token)) return At::token;
      return blank ? At::value : At::bad;
    case At::token:
      if (chars::is(c, chars::token)) return At::token;
      [[fallthrough]];
    case At::after_quoted:
      if (c == ';') return At::extension;
      if (c == '\r') return At::line_feed;
      return blank ? At::before_extension : At::bad;
    case At::quoted:
      if (c == '"') return At::after_quoted;
      if (c == '\\') return At::escaped;
      return chars::is(c, chars::text) ? At::quoted : At::bad;
    case At::escaped:
      return chars::is(c, chars::text) ? At::quoted : At::bad;
    case At::first_digit:
    case At::size:
    case At::line_feed:
    case At::data:
    case At::data_return:
    case At::data_feed:
    case At::bad:
      break;
  }
  return At::bad;
}

HttpChunks::At HttpChunks::digit(char c) noexcept {
  if (!chars::is(c, chars::hex) || size_ >> 60 != 0) return At::bad;
  const char l = chars::lower(c);
  size_ = size_ << 4 | static_cast<std::uint64_t>(l <= '9' ? l - '0' : l - 'a' + 10);
  return At::size;
}

}  // namespace pollux::application
