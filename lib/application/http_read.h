#pragma once

// How HttpResponder reads requests. Included by http.h alone.

#include "application/http.h"

namespace pollux::application {

inline HttpResponder::Go HttpResponder::read_head(Stream auto& stream, Session& session) noexcept {
  const std::span<const std::byte> bytes = stream.readable();
  if (bytes.empty()) return input_ended(stream, session);
  if (session.parser == Parsers::none) {
    if (equals_last_head(bytes)) [[likely]] {
      counters_.add(Count::short_cuts);
      stream.consume(last_head_size_);
      if (last_reply_.size != 0 && stream.send(last_reply_)) [[likely]] {
        session.persistence = last_persistence_;
        return finish_reply(stream, session);
      }
      begin(session, last_request_);
      return Go::on;
    }
    return read_fresh_head(stream, session, bytes);
  }
  HttpRequestParser& parser = parsers_[session.parser];
  const HttpRequestParser::Head head = parser.feed_head(bytes);
  stream.consume(head.used);
  if (!head.complete) {
    if (parser.blank()) release_parser(session);
    return Go::on;
  }
  parsers_.end_head(session.parser);
  const HttpRequest request = parser.request();
  if (!keeps_parser(request)) release_parser(session);
  begin(session, request);
  return Go::on;
}

/// A head begins here; most end here too, and borrow nothing.
inline HttpResponder::Go HttpResponder::read_fresh_head(Stream auto& stream, Session& session,
                                                        std::span<const std::byte> bytes) noexcept {
  scratch_ = fresh_;
  const HttpRequestParser::Head head = scratch_.feed_head(bytes);
  const HttpRequest& request = scratch_.request();
  if (head.complete ? keeps_parser(request) : !scratch_.blank()) {
    session.parser = parsers_.acquire(scratch_);
    if (session.parser == Parsers::none) return wait_for_parser(stream, session);
    if (!head.complete) time_head(stream, session.parser);
  }
  if (head.complete) {
    remember_head(bytes.first(head.used), request);
    begin(session, request);
  }
  stream.consume(head.used);
  return Go::on;
}

/// Nothing has been consumed since the parser was missed, so the request can be read again.
inline HttpResponder::Go HttpResponder::wait_for_parser(Stream auto& stream,
                                                        Session& session) noexcept {
  if (session.waiting) return Go::wait;
  constexpr bool can_wake = requires { stream.stack().stream(stream.id()); };
  if (!can_wake || waiting_count_ == waiting_.size()) {
    refuse(session, 503);
    return Go::on;
  }
  waiting_[(waiting_first_ + waiting_count_++) % waiting_.size()] = stream.id();
  session.waiting = true;
  return Go::wait;
}

inline void HttpResponder::time_head(Stream auto& stream, std::uint32_t parser) noexcept {
  if constexpr (requires { stream.stack().now(); }) {
    if (options_.head_timeout == Duration{0}) return;
    parsers_.begin_head(parser, stream.id(), stream.stack().now());
  }
}

void HttpResponder::on_poll(auto& stack) noexcept {
  if (!looks_) [[unlikely]]
    look_again(stack);  // there was no timer
  refuse_late_heads(stack);
  serve_waiting(stack);
}

void HttpResponder::refuse_late_heads(auto& stack) noexcept {
  if constexpr (requires { stack.now(); }) {
    for (unsigned n = 0; parsers_.oldest() != Parsers::none; ++n) {
      const std::uint32_t parser = parsers_.oldest();
      const Duration left = parsers_.since(parser) + options_.head_timeout - stack.now();
      if (left > Duration{0} || n == most_late_heads) {
        // For a stack that polls only when there is something to do.
        if (!wakes_) wakes_ = stack.after(std::max(left, Duration{1ms}), wake_token);
        return;
      }
      parsers_.end_head(parser);
      if (auto stream = stack.stream(parsers_.stream(parser))) {
        refuse(stream->session(), 408);
        run(*stream);
      }
    }
  }
}

/// Silence is found by walking past all connections, some at a time, every quarter of the time
/// that it may last: connections pay nothing for it.
void HttpResponder::look_again(auto& stack) noexcept {
  if constexpr (requires { stack.stream_at(0); }) {
    looks_ = true;
    if (options_.idle_timeout == Duration{0}) return;
    const std::uint32_t looks = looks_for(stack.stream_places());
    const Duration pause = options_.idle_timeout / (idle_looks - 1) / looks;
    looks_ = stack.after(std::max<Duration>(pause, 1ms), look_token);
  }
}

void HttpResponder::look_for_silence(auto& stack) noexcept {
  if constexpr (requires { stack.stream_at(0); }) {
    const std::uint32_t places = stack.stream_places();
    const std::uint32_t looks = looks_for(places);
    const std::uint32_t share = places / looks + 1;
    const std::uint32_t first = std::min(look_ * share, places);
    look_ = look_ + 1 < looks ? look_ + 1 : 0;
    for (std::uint32_t place = first; place != std::min(first + share, places); ++place) {
      auto stream = stack.stream_at(place);
      if (!stream || !waits_for_request(stream->session())) continue;
      Session& session = stream->session();
      // A reply that is still on its way is TCP's to bring to an end.
      if (!stream->readable().empty() || stream->unacknowledged() != 0) continue;
      if (++session.aux < idle_looks) continue;
      session.phase = Phase::over;
      stream->close();
    }
    look_again(stack);
  }
}

void HttpResponder::serve_waiting(auto& stack) noexcept {
  if constexpr (requires { stack.stream(StreamId{}); }) {
    for (std::size_t n = waiting_count_; n != 0 && parsers_.available() != 0; --n) {
      const StreamId id = waiting_[waiting_first_];
      waiting_first_ = (waiting_first_ + 1) % waiting_.size();
      --waiting_count_;
      if (auto stream = stack.stream(id)) {
        stream->session().waiting = false;
        run(*stream);
      }
    }
  }
}

inline HttpResponder::Go HttpResponder::discard(Stream auto& stream, Session& session) noexcept {
  const std::size_t size = stream.readable().size();
  if (size == 0) return input_ended(stream, session);
  const std::uint64_t n = std::min<std::uint64_t>(session.left, size);
  stream.consume(static_cast<std::size_t>(n));
  session.left -= n;
  if (session.left == 0) {
    const HttpRequest request = parsers_[session.parser].request();
    release_parser(session);
    answer(session, request);
  }
  return Go::on;
}

inline HttpResponder::Go HttpResponder::discard_chunks(Stream auto& stream,
                                                       Session& session) noexcept {
  const std::span<const std::byte> bytes = stream.readable();
  if (bytes.empty()) return input_ended(stream, session);
  HttpRequestParser& parser = parsers_[session.parser];
  const HttpGrammar::Step step = parser.feed_chunks(bytes);
  stream.consume(step.used);
  if (step.event == HttpGrammar::Event::bad) {
    refuse(session, 400);
  } else if (step.event == HttpGrammar::Event::end) {
    const HttpRequest request = parser.request();
    release_parser(session);
    answer(session, request);
  }
  return Go::on;
}

inline HttpResponder::Go HttpResponder::drain(Stream auto& stream, Session& session) noexcept {
  const std::size_t size = stream.readable().size();
  if (size == 0 && !stream.at_end()) return Go::wait;
  if (size == 0) {
    session.phase = Phase::over;
    stream.close();
    return Go::wait;
  }
  session.left += size;
  stream.consume(size);
  return Go::on;
}

/// No bytes to read: they are still to come, or the peer has sent its last.
inline HttpResponder::Go HttpResponder::input_ended(Stream auto& stream,
                                                    Session& session) noexcept {
  if (!stream.at_end()) return Go::wait;
  switch (session.phase) {
    case Phase::head:
      if (session.parser != Parsers::none) {
        refuse(session, 400);
        return Go::on;
      }
      session.phase = Phase::over;
      stream.close();
      return Go::wait;
    case Phase::discard:
    case Phase::discard_chunks:
      refuse(session, 400);
      return Go::on;
    default:
      // The reply has begun and cannot be taken back; that it is short tells the client.
      counters_.add(Count::cut_off);
      release_parser(session);
      session.phase = Phase::over;
      stream.close();
      return Go::wait;
  }
}

void HttpResponder::on_timer(auto& stack, std::uint64_t token) noexcept {
  if (token == wake_token) {
    wakes_ = false;
    return;
  }
  if (token == look_token) return look_for_silence(stack);
  if constexpr (requires { stack.stream(StreamId{}); }) {
    auto stream = stack.stream(id_of(token));
    if (!stream || stream->session().phase != Phase::drain) return;
    Session& session = stream->session();
    if (session.left != 0 && ++session.aux != drain_looks && stack.after(drain_time, token)) {
      session.left = 0;
      return;
    }
    session.phase = Phase::over;
    stream->close();
  }
}

}  // namespace pollux::application
