#include "application/http_client.h"

#include <algorithm>
#include <utility>

#include "application/http_characters.h"
#include "base/assert.h"

namespace pollux::application {
namespace {

using characters::is;

std::string_view name_of(std::string_view field) noexcept {
  return field.substr(0, field.find(':'));
}

bool names(std::string_view field, std::string_view lower_name) noexcept {
  const std::string_view name = name_of(field);
  return std::equal(name.begin(), name.end(), lower_name.begin(), lower_name.end(),
                    [](char a, char b) { return characters::lower(a) == b; });
}

bool has(const std::vector<std::string>& fields, std::string_view lower_name) noexcept {
  return std::any_of(fields.begin(), fields.end(),
                     [&](const std::string& field) { return names(field, lower_name); });
}

template <class Allowed>
bool all(std::string_view text, Allowed allowed) noexcept {
  return std::all_of(text.begin(), text.end(), allowed);
}

std::vector<std::byte> request_bytes(const HttpClientRequest::Parts& parts, bool closes) {
  const auto& fields = parts.fields;
  std::string head;
  head.append(parts.method).append(" ").append(parts.target).append(" HTTP/1.1\r\n");
  if (!has(fields, "host")) head.append("Host: ").append(parts.host).append("\r\n");
  if (closes && !has(fields, "connection")) head.append("Connection: close\r\n");
  const bool wants_length = !parts.body.empty() || parts.method == "POST" || parts.method == "PUT";
  if (wants_length && !has(fields, "content-length") && !has(fields, "transfer-encoding")) {
    head.append("Content-Length: ").append(std::to_string(parts.body.size())).append("\r\n");
  }
  for (const std::string& field : fields) head.append(field).append("\r\n");
  head.append("\r\n");
  std::vector<std::byte> out(head.size() + parts.body.size());
  std::memcpy(out.data(), head.data(), head.size());
  std::copy(parts.body.begin(), parts.body.end(),
            out.begin() + static_cast<std::ptrdiff_t>(head.size()));
  return out;
}

}  // namespace

HttpClientRequest::HttpClientRequest(const Parts& parts)
    : keeping_(request_bytes(parts, false)),
      closing_(request_bytes(parts, true)),
      keeping_sum_(wire::Sum{keeping_}.partial()),
      closing_sum_(wire::Sum{closing_}.partial()),
      method_is_head_(parts.method == "HEAD") {
  POLLUX_ASSERT(usable(parts));
}

bool HttpClientRequest::has_host(const Parts& parts) noexcept { return has(parts.fields, "host"); }

bool HttpClientRequest::usable(const Parts& parts) noexcept {
  const auto visible = [](char c) { return is(c, characters::text) && !characters::is_blank(c); };
  const auto token = [](char c) { return is(c, characters::token); };
  const auto text = [](char c) { return is(c, characters::text); };
  if (parts.method.empty() || !all(parts.method, token)) return false;
  if (parts.target.empty() || !all(parts.target, visible) || !all(parts.host, visible))
    return false;
  return std::all_of(parts.fields.begin(), parts.fields.end(), [&](const std::string& field) {
    const std::string_view name = name_of(field);
    return !name.empty() && name.size() != field.size() && all(name, token) && all(field, text);
  });
}

ReplyParser::ReplyParser(bool to_head, std::uint32_t parsers)
    : fresh_(HttpGrammar::of_reply()), to_head_(to_head) {
  auto made = Parsers::make(parsers);
  if (made) parsers_ = std::move(*made);
}

ReplyParser::Fed ReplyParser::feed_slowly(ReplyState& state,
                                          std::span<const std::byte> bytes) noexcept {
  if (state.part_ != Part::head) return body(state, bytes, 0);
  std::size_t used = 0;
  while (used != bytes.size()) {
    const bool begins = state.parser_ == Parsers::none;
    if (begins) state.parser_ = parsers_.acquire(fresh_);
    if (state.parser_ == Parsers::none) return bad(state, used);
    const std::size_t from = used;
    HttpGrammar& grammar = parsers_[state.parser_];
    const HttpGrammar::Step step = grammar.feed(bytes.subspan(used));
    used += step.used;
    if (step.event == HttpGrammar::Event::none) continue;
    if (step.event != HttpGrammar::Event::head || grammar.status() == 101) return bad(state, used);
    if (grammar.status() / 100 == 1) {
      release(state);
      continue;
    }
    const Head head = judge(grammar);
    if (head.part != Part::chunks) {
      release(state);
      if (begins) remember(bytes.subspan(from, used - from), head);
    }
    begin_body(state, head);
    return body(state, bytes, used);
  }
  return {used, ReplyOutcome::incomplete};
}

/// RFC 9112 s.6.3.
ReplyParser::Head ReplyParser::judge(const HttpGrammar& grammar) const noexcept {
  Head head;
  head.status = grammar.status();
  head.keep_alive =
      !grammar.says_close() && (!grammar.version_is_1_0() || grammar.says_keep_alive());
  if (to_head_ || head.status == 204 || head.status == 304) return head;
  if (grammar.chunked()) {
    head.part = Part::chunks;
  } else if (grammar.has_length()) {
    head.length = grammar.content_length();
  } else {
    head.part = Part::until_close;
    head.keep_alive = false;
  }
  return head;
}

void ReplyParser::remember(std::span<const std::byte> bytes, const Head& head) noexcept {
  if (!short_cut_ || bytes.size() > longest_short_cut) return;
  std::memcpy(last_head_.data(), bytes.data(), bytes.size());
  last_head_size_ = bytes.size();
  last_ = head;
}

ReplyParser::Fed ReplyParser::body_slowly(ReplyState& state, std::span<const std::byte> bytes,
                                          std::size_t used) noexcept {
  if (state.part_ == Part::until_close) return {bytes.size(), ReplyOutcome::incomplete};
  HttpGrammar& grammar = parsers_[state.parser_];
  while (used != bytes.size()) {
    const HttpGrammar::Step step = grammar.feed(bytes.subspan(used));
    used += step.used;
    if (step.event == HttpGrammar::Event::bad) return bad(state, used);
    if (step.event != HttpGrammar::Event::end) continue;
    release(state);
    state.part_ = Part::head;
    return {used, ReplyOutcome::complete};
  }
  return {used, ReplyOutcome::incomplete};
}

bool ReplyParser::finish(ReplyState& state) noexcept {
  const bool complete = state.part_ == Part::until_close;
  release(state);
  state.part_ = Part::head;
  return complete;
}

void ReplyParser::release(ReplyState& state) noexcept {
  if (state.parser_ == Parsers::none) return;
  parsers_.release(state.parser_);
  state.parser_ = Parsers::none;
}

ReplyParser::Fed ReplyParser::bad(ReplyState& state, std::size_t used) noexcept {
  release(state);
  return {used, ReplyOutcome::bad};
}

}  // namespace pollux::application
