#include "application/http_request.h"

#include <algorithm>
#include <string_view>

#include "application/http_characters.h"

namespace pollux::application {
namespace {

using Method = HttpRequest::Method;
using Target = HttpRequest::Target;

using characters::digit;
using characters::hex;
using characters::in_host;
using characters::in_path;
using characters::in_scheme;
using characters::is;
using characters::letter;
using characters::token;

constexpr std::string_view echo_path = "/echo";
constexpr std::string_view bytes_path = "/bytes/";
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 63;

}  // namespace

HttpRequestLine::State HttpRequestLine::take(char c) noexcept {
  at_ = next(c);
  if (at_ == At::complete) return State::complete;
  return at_ == At::malformed ? State::malformed : State::reading;
}

Method HttpRequestLine::method() const noexcept {
  const std::string_view name{method_, std::min<std::size_t>(method_size_, sizeof method_)};
  if (method_size_ > sizeof method_) return Method::other;
  if (name == "GET") return Method::get;
  if (name == "HEAD") return Method::head;
  return name == "POST" ? Method::post : Method::other;
}

HttpRequestLine::At HttpRequestLine::next(char c) noexcept {
  if (percent_left_ != 0) {
    --percent_left_;
    return is(c, hex) ? at_ : At::malformed;
  }
  switch (at_) {
    case At::start:
      if (c == '\r') return At::empty_line;
      return next_in_method(c);
    case At::empty_line:
      return c == '\n' ? At::start : At::malformed;
    case At::method:
      return c == ' ' ? At::target : next_in_method(c);
    case At::version:
      return next_in_version(c);
    case At::complete:
    case At::malformed:
      return At::malformed;
    case At::target:
    case At::asterisk:
    case At::path:
    case At::query:
    case At::scheme:
    case At::colon:
    case At::slash:
    case At::rootless:
    case At::uri_authority:
    case At::authority:
      return next_in_target(c);
  }
  return At::malformed;
}

HttpRequestLine::At HttpRequestLine::next_in_method(char c) noexcept {
  if (!is(c, token)) return At::malformed;
  if (method_size_ < sizeof method_) method_[method_size_] = c;
  if (method_size_ <= sizeof method_) ++method_size_;
  return At::method;
}

/// RFC 9112 s.3.2.1 to 3.2.4: a path, an absolute URI, host and port, or an asterisk.
HttpRequestLine::At HttpRequestLine::next_in_target(char c) noexcept {
  switch (at_) {
    case At::target:
      if (c == '/') {
        has_path_ = true;
        return begin_path(c);
      }
      if (c == '*') return At::asterisk;
      if (is(c, letter)) return At::scheme;
      return is(c, in_host) && c != ':' ? At::authority : At::malformed;
    case At::asterisk:
      return c == ' ' ? At::version : At::malformed;
    case At::path:
      if (c == '?') return At::query;
      path_char(c);
      return in_uri(c, At::path);
    case At::query:
      return c == '?' ? At::query : in_uri(c, At::query);
    case At::scheme:
      return next_in_scheme(c);
    case At::colon:
      if (c == '/') return At::slash;
      return c == '?' ? At::query : in_uri(c, At::rootless);
    case At::slash:
      if (c == '/') return At::uri_authority;
      return c == '?' ? At::query : in_uri(c, At::rootless);
    case At::rootless:
      return c == '?' ? At::query : in_uri(c, At::rootless);
    case At::uri_authority:
      if (c == '@' && !host_.in_escape()) {  // that was user information
        host_ = {};
        return At::uri_authority;
      }
      if (c == '/' || c == ' ' || c == '?') {
        if (!host_.sound()) return At::malformed;
        has_path_ = host_.named();  // it may be empty, but a host there must be
        return c == '/' ? begin_path(c) : c == ' ' ? At::version : At::query;
      }
      return host_.take(c) ? At::uri_authority : At::malformed;
    case At::authority:
      if (c == ' ') return colon_seen_ ? At::version : At::malformed;
      if (c == '%') percent_left_ = 2;
      colon_seen_ = colon_seen_ || c == ':';
      return c == '%' || is(c, in_host) ? At::authority : At::malformed;
    case At::start:
    case At::empty_line:
    case At::method:
    case At::version:
    case At::complete:
    case At::malformed:
      break;
  }
  return At::malformed;
}

/// Letters at the beginning may turn out to be a scheme or a host.
HttpRequestLine::At HttpRequestLine::next_in_scheme(char c) noexcept {
  if (c == ':') return At::colon;
  if (is(c, in_scheme)) return At::scheme;
  if (c == '%') percent_left_ = 2;
  return c == '%' || is(c, in_host) ? At::authority : At::malformed;
}

HttpRequestLine::At HttpRequestLine::in_uri(char c, At stay) noexcept {
  if (c == ' ') return At::version;
  if (c == '%') {
    percent_left_ = 2;
    return stay;
  }
  return is(c, in_path) ? stay : At::malformed;
}

HttpRequestLine::At HttpRequestLine::begin_path(char c) noexcept {
  path_char(c);
  return At::path;
}

void HttpRequestLine::path_char(char c) noexcept {
  if (c == ' ') return;
  const std::size_t i = path_size_;
  if (i >= echo_path.size() || echo_path[i] != c) echo_matches_ = false;
  if (i < bytes_path.size()) {
    if (bytes_path[i] != c) bytes_match_ = false;
  } else if (!is(c, digit)) {
    bytes_match_ = false;
  } else {
    const auto value = static_cast<std::uint64_t>(c - '0');
    if (count_ > (most_bytes - value) / 10) count_overflows_ = true;
    count_ = count_ * 10 + value;
  }
  if (path_size_ != 255) ++path_size_;
}

HttpRequestLine::At HttpRequestLine::next_in_version(char c) noexcept {
  constexpr std::string_view form = "HTTP/0.0\r\n";
  const std::size_t i = version_size_++;
  if (form[i] == '0') {
    if (!is(c, digit)) return At::malformed;
    (i == 5 ? major_ : minor_) = static_cast<std::uint8_t>(c - '0');
    return At::version;
  }
  if (c != form[i]) return At::malformed;
  return i + 1 == form.size() ? At::complete : At::version;
}

HttpRequestParser::Head HttpRequestParser::feed_head(std::span<const std::byte> bytes) noexcept {
  Head out;
  const auto refuse = [&](std::uint16_t status) {
    request_.status = status;
    out.complete = true;
    return out;
  };
  while (!line_.complete() && head_size_ != max_head && out.used != bytes.size()) {
    const auto state = line_.take(static_cast<char>(bytes[out.used++]));
    head_size_ = line_.blank() ? 0 : head_size_ + 1;
    if (state == HttpRequestLine::State::malformed) return refuse(400);
    if (line_.complete()) {
      judge_line();
      if (request_.status != 200) return refuse(request_.status);
    }
  }
  if (line_.complete()) {
    bytes = bytes.subspan(out.used);
    bytes = bytes.first(std::min<std::size_t>(bytes.size(), max_head - head_size_));
    const HttpGrammar::Step step = grammar_.feed(bytes);
    out.used += step.used;
    head_size_ += static_cast<std::uint32_t>(step.used);
    if (step.event == HttpGrammar::Event::head) {
      judge_head();
      out.complete = true;
      return out;
    }
    if (step.event != HttpGrammar::Event::none) return refuse(400);
  }
  return head_size_ == max_head ? refuse(431) : out;
}

/// What the line alone decides.
void HttpRequestParser::judge_line() noexcept {
  request_.method = line_.method();
  if (request_.method == Method::other) {
    request_.status = 501;
    return;
  }
  // A higher minor version is read as 1.1 (RFC 9110 s.2.5); another major one is not HTTP/1.
  request_.version_1_0 = line_.version_minor() == 0;
  const bool reads = request_.method != Method::post;
  if (line_.version_major() != 1 || !line_.has_path() ||
      (reads && line_.path_is_bytes() && line_.count_overflows())) {
    request_.status = 400;
    return;
  }
  if (reads && line_.path_is_bytes()) {
    request_.target = Target::bytes;
    request_.count = line_.count();
  } else if (!reads && line_.path_is_echo()) {
    request_.target = Target::echo;
  }
}

void HttpRequestParser::judge_head() noexcept {
  const HttpHeaders& headers = grammar_.headers();
  request_.chunked = grammar_.chunked();
  request_.content_length = grammar_.content_length();
  request_.keep_alive =
      !grammar_.says_close() && (!request_.version_1_0 || grammar_.says_keep_alive());
  request_.expects_continue =
      headers.expects_continue && !request_.version_1_0 && request_.has_body();
  // RFC 9112 s.3.2: exactly one valid Host, which only HTTP/1.0 may leave out.
  if (headers.hosts > 1 || !headers.host_valid || (headers.hosts == 0 && !request_.version_1_0)) {
    request_.status = 400;
  }
  // s.6.1 and 6.3: whatever leaves the length in doubt is refused; a coding that is not known is
  // not implemented. HTTP/1.0 has no transfer codings.
  if (grammar_.has_transfer_coding()) {
    if (request_.version_1_0 || grammar_.has_length() || !request_.chunked) {
      request_.status = 400;
    } else if (request_.status == 200 && (!headers.only_chunked || headers.transfer_codings > 1)) {
      request_.status = 501;
    }
  }
}

}  // namespace pollux::application
