#include "application/http_grammar.h"

#include <llhttp.h>

#include <algorithm>
#include <new>
#include <string_view>

#include "application/http_characters.h"
#include "base/assert.h"

namespace pollux::application {
namespace {

static_assert(sizeof(llhttp_t) == 96 && alignof(llhttp_t) <= 8);

llhttp_t* parser(std::array<std::byte, 96>& storage) noexcept {
  return std::launder(reinterpret_cast<llhttp_t*>(storage.data()));
}
const llhttp_t* parser(const std::array<std::byte, 96>& storage) noexcept {
  return std::launder(reinterpret_cast<const llhttp_t*>(storage.data()));
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && characters::is_blank(text.back())) text.remove_suffix(1);
  return text;
}

void count(std::uint8_t& counter) noexcept {
  if (counter != 255) ++counter;
}

}  // namespace

/// llhttp's callbacks; each finds its HttpGrammar in `data`, which feed() sets.
struct HttpCallbacks {
  static HttpGrammar& of(llhttp_t* p) noexcept { return *static_cast<HttpGrammar*>(p->data); }

  static int field(llhttp_t* p, const char* at, std::size_t size) noexcept {
    of(p).add_text(at, size);
    return 0;
  }
  static int field_complete(llhttp_t* p) noexcept {
    HttpGrammar& self = of(p);
    if (self.text_size_ == 0) return HPE_USER;
    self.name_complete();
    return 0;
  }
  static int value(llhttp_t* p, const char* at, std::size_t size) noexcept {
    of(p).value_part(at, size);
    return 0;
  }
  static int value_complete(llhttp_t* p) noexcept {
    of(p).value_complete();
    return 0;
  }
  static int headers_complete(llhttp_t* p) noexcept {
    of(p).head_complete_ = true;
    return HPE_PAUSED;
  }
};

namespace {

constexpr llhttp_settings_t settings = [] {
  llhttp_settings_t s{};
  s.on_header_field = HttpCallbacks::field;
  s.on_header_field_complete = HttpCallbacks::field_complete;
  s.on_header_value = HttpCallbacks::value;
  s.on_header_value_complete = HttpCallbacks::value_complete;
  s.on_headers_complete = HttpCallbacks::headers_complete;
  return s;
}();

}  // namespace

HttpGrammar HttpGrammar::of_request() noexcept {
  HttpGrammar grammar;
  grammar.start_request();
  return grammar;
}

HttpGrammar HttpGrammar::of_reply() noexcept {
  HttpGrammar grammar;
  llhttp_init(new (grammar.llhttp_.data()) llhttp_t, HTTP_RESPONSE, &settings);
  grammar.previous_ = '\0';
  grammar.unfolds_ = true;
  return grammar;
}

/// llhttp stands where fields are expected.
void HttpGrammar::start_request() noexcept {
  llhttp_t* const p = new (llhttp_.data()) llhttp_t;
  llhttp_init(p, HTTP_REQUEST, &settings);
  // Request lines are read elsewhere, by the letter; this one stands for all of them.
  constexpr std::string_view line = "POST / HTTP/1.1\r\n";
  [[maybe_unused]] const llhttp_errno_t error = llhttp_execute(p, line.data(), line.size());
  POLLUX_ASSERT(error == HPE_OK);
  previous_ = '\n';
}

HttpGrammar::Step HttpGrammar::feed(std::span<const std::byte> bytes) noexcept {
  switch (part_) {
    case Part::head: {
      const Step step = feed_fields(bytes);
      if (step.event == Event::head) part_ = Part::chunks;
      return step;
    }
    case Part::chunks:
      return feed_chunks(bytes);
    case Part::trailers:
      break;
  }
  const std::size_t room = max_trailers - trailers_size_;
  if (room == 0) return {0, Event::bad};
  Step step = feed_fields(bytes.first(std::min(bytes.size(), room)));
  trailers_size_ += static_cast<std::uint32_t>(step.used);
  if (step.event == Event::head) step.event = Event::end;
  return step;
}

HttpGrammar::Step HttpGrammar::feed_chunks(std::span<const std::byte> bytes) noexcept {
  const HttpChunks::Step step = chunks_.feed(bytes);
  switch (step.event) {
    case HttpChunks::Event::none:
      break;
    case HttpChunks::Event::chunk:
      return {step.used, Event::chunk};
    case HttpChunks::Event::bad:
      return {step.used, Event::bad};
    case HttpChunks::Event::trailers:
      // They are fields that an empty line ends, as in a head.
      part_ = Part::trailers;
      start_request();
      break;
  }
  return {step.used, Event::none};
}

HttpGrammar::Step HttpGrammar::feed_fields(std::span<const std::byte> bytes) noexcept {
  const std::size_t sound = sound_part_of(bytes);
  Step step = execute(bytes.first(sound));
  if (step.used != 0) previous_ = static_cast<char>(bytes[step.used - 1]);
  // All that is sound has been read, and the fields are not over: what follows is at fault.
  if (step.event == Event::none && sound != bytes.size()) step.event = Event::bad;
  return step;
}

/// How many bytes there are before one that may not stand where it does: an LF without its CR, or
/// a blank at the beginning of a line (RFC 9112 s.2.2), but for a reply's folded line.
std::size_t HttpGrammar::sound_part_of(std::span<const std::byte> bytes) const noexcept {
  char previous = previous_;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = static_cast<char>(bytes[i]);
    if (c == '\n' && previous != '\r') return i;
    if (previous == '\n' && characters::is_blank(c) && !unfolds_) return i;
    previous = c;
  }
  return bytes.size();
}

HttpGrammar::Step HttpGrammar::execute(std::span<const std::byte> bytes) noexcept {
  llhttp_t* const p = parser(llhttp_);
  p->data = this;
  head_complete_ = false;
  const char* const begin = reinterpret_cast<const char*>(bytes.data());
  const llhttp_errno_t error = llhttp_execute(p, begin, bytes.size());
  if (error == HPE_OK) return {bytes.size(), Event::none};
  if (error != HPE_PAUSED || !head_complete_) return {0, Event::bad};
  return {static_cast<std::size_t>(llhttp_get_error_pos(p) - begin), Event::head};
}

void HttpGrammar::add_text(const char* at, std::size_t size) noexcept {
  for (std::size_t i = 0; i < size && text_size_ != text_limit; ++i) {
    text_[text_size_++] = characters::lower(at[i]);
  }
}

void HttpGrammar::name_complete() noexcept {
  const std::string_view name{text_.data(), text_size_};
  field_ = Field::other;
  if (part_ == Part::head) {
    if (name == "host") field_ = Field::host;
    if (name == "expect") field_ = Field::expect;
    if (name == "transfer-encoding") field_ = Field::transfer_encoding;
  }
  text_size_ = 0;
}

void HttpGrammar::value_part(const char* at, std::size_t size) noexcept {
  if (field_ == Field::host) {
    for (const char c : std::string_view{at, size}) {
      // Blanks may only trail.
      const bool blank = characters::is_blank(c);
      if (!blank && (host_over_ || !host_.take(c))) headers_.host_valid = false;
      host_over_ = host_over_ || blank;
    }
    return;
  }
  if (field_ != Field::other) add_text(at, size);
}

void HttpGrammar::value_complete() noexcept {
  const std::string_view value = trimmed({text_.data(), text_size_});
  switch (field_) {
    case Field::other:
      break;
    case Field::host:
      count(headers_.hosts);
      if (!host_.sound()) headers_.host_valid = false;
      host_ = {};
      host_over_ = false;
      break;
    case Field::expect:
      headers_.expects_continue = headers_.expects_continue || value == "100-continue";
      break;
    case Field::transfer_encoding:
      count(headers_.transfer_codings);
      if (text_size_ == text_limit || value != "chunked") headers_.only_chunked = false;
      break;
  }
  field_ = Field::other;
  text_size_ = 0;
}

bool HttpGrammar::has_length() const noexcept {
  return (parser(llhttp_)->flags & F_CONTENT_LENGTH) != 0;
}
std::uint64_t HttpGrammar::content_length() const noexcept {
  return has_length() ? parser(llhttp_)->content_length : 0;
}
bool HttpGrammar::chunked() const noexcept { return (parser(llhttp_)->flags & F_CHUNKED) != 0; }
bool HttpGrammar::has_transfer_coding() const noexcept { return headers_.transfer_codings != 0; }
bool HttpGrammar::says_close() const noexcept {
  return (parser(llhttp_)->flags & F_CONNECTION_CLOSE) != 0;
}
bool HttpGrammar::says_keep_alive() const noexcept {
  return (parser(llhttp_)->flags & F_CONNECTION_KEEP_ALIVE) != 0;
}
std::uint16_t HttpGrammar::status() const noexcept { return parser(llhttp_)->status_code; }
bool HttpGrammar::version_is_1_0() const noexcept {
  const llhttp_t* const p = parser(llhttp_);
  return p->http_major < 1 || (p->http_major == 1 && p->http_minor == 0);
}

}  // namespace pollux::application
