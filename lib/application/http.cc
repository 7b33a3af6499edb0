#include "application/http.h"

#include <utility>

namespace pollux::application {

HttpCounters HttpCounters::since(const HttpCounters& earlier) const noexcept {
  HttpCounters out;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    out.values_[i] = (*this)[static_cast<Count>(i)] - earlier.values_[i];
  }
  return out;
}

std::uint64_t HttpCounters::answered() const noexcept {
  const HttpCounters& self = *this;
  return self[Count::ok] + self[Count::bad_request] + self[Count::request_timeout] +
         self[Count::head_too_large] + self[Count::not_implemented] + self[Count::unavailable];
}

std::uint64_t HttpCounters::bad() const noexcept {
  const HttpCounters& self = *this;
  return self[Count::bad_request] + self[Count::request_timeout] + self[Count::head_too_large] +
         self[Count::cut_off];
}

Result<HttpResponder> HttpResponder::make(HttpOptions options) {
  auto parsers = Parsers::make(options.parsers);
  if (!parsers) return parsers.error();
  return HttpResponder{std::move(options), std::move(*parsers)};
}

HttpResponder::HttpResponder(HttpOptions options, Parsers parsers)
    : options_(std::move(options)),
      replies_(std::move(options_.body)),
      parsers_(std::move(parsers)),
      waiting_(options_.waiting) {}

void HttpResponder::remember_head(std::span<const std::byte> head,
                                  const HttpRequest& request) noexcept {
  if (!options_.short_cut || head.size() > longest_short_cut) return;
  if (request.status != 200 || keeps_parser(request)) return;
  std::memcpy(last_head_.data(), head.data(), head.size());
  last_head_size_ = head.size();
  last_request_ = request;
  last_persistence_ = persistence_of(request);
  last_reply_ = {};
  if (request.target != HttpRequest::Target::body || request.has_body()) return;
  const Kind kind = HttpReplies::body(last_persistence_);
  const std::uint64_t size = replies_.size(kind, request.method == HttpRequest::Method::head);
  StaticSpan reply = replies_.piece(kind, 0);
  if (size > reply.size) return;
  reply.size = static_cast<std::uint32_t>(size);
  last_reply_ = reply.with_sum();
}

HttpPersistence HttpResponder::persistence_of(const HttpRequest& request) const noexcept {
  if (!request.keep_alive || !options_.keep_alive) return HttpPersistence::close;
  return request.version_1_0 ? HttpPersistence::keep_1_0 : HttpPersistence::keep_1_1;
}

/// What does not fit into a Session: the framing of chunks, and what is to be answered behind a
/// body that is thrown away.
bool HttpResponder::keeps_parser(const HttpRequest& request) noexcept {
  if (request.status != 200) return false;
  return request.chunked || (request.has_body() && request.target != HttpRequest::Target::echo);
}

/// The head is read: what comes next.
void HttpResponder::begin(Session& session, const HttpRequest& request) noexcept {
  if (request.status != 200) return refuse(session, request.status);
  session.persistence = persistence_of(request);
  session.head_only = request.method == HttpRequest::Method::head;
  session.head_sent = false;
  if (request.target == HttpRequest::Target::echo) {
    session.left = request.content_length;
    session.phase = request.chunked ? Phase::echo_chunks : Phase::echo_head;
  } else if (request.has_body()) {
    session.left = request.content_length;
    session.phase = request.chunked ? Phase::discard_chunks : Phase::discard;
  } else {
    answer(session, request);
  }
  if (request.expects_continue) {
    session.aux = static_cast<std::uint8_t>(session.phase);
    session.phase = Phase::interim;
  }
}

/// The whole request is read, and is no echo.
void HttpResponder::answer(Session& session, const HttpRequest& request) noexcept {
  if (request.target == HttpRequest::Target::bytes) {
    session.left = request.count;
    session.phase = Phase::bytes_head;
    return;
  }
  const Kind kind = HttpReplies::body(session.persistence);
  session.aux = static_cast<std::uint8_t>(kind);
  session.left = replies_.size(kind, session.head_only);
  session.phase = Phase::reply;
}

void HttpResponder::refuse(Session& session, std::uint16_t status) noexcept {
  release_parser(session);
  const Kind kind = HttpReplies::refusal(status);
  session.refused = true;
  session.head_only = false;
  session.persistence = HttpPersistence::close;
  session.aux = static_cast<std::uint8_t>(kind);
  session.left = replies_.size(kind, false);
  session.phase = Phase::reply;
}

void HttpResponder::release_parser(Session& session) noexcept {
  if (session.parser == Parsers::none) return;
  parsers_.release(session.parser);
  session.parser = Parsers::none;
}

HttpCounters::Count HttpResponder::count_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::body_keep_1_1:
    case Kind::body_keep_1_0:
    case Kind::body_close:
      return Count::ok;
    case Kind::bad_request:
      return Count::bad_request;
    case Kind::request_timeout:
      return Count::request_timeout;
    case Kind::head_too_large:
      return Count::head_too_large;
    case Kind::not_implemented:
      return Count::not_implemented;
    case Kind::unavailable:
      return Count::unavailable;
  }
  return Count::ok;
}

}  // namespace pollux::application
