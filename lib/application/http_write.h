#pragma once

// How HttpResponder writes replies. Included by http.h alone.

#include "application/http.h"

namespace pollux::application {

/// Writes a text of less than 256 bytes, which is made again for each call until it is all out.
inline HttpResponder::Go HttpResponder::write(Stream auto& stream, Session& session,
                                              std::string_view text, Phase next) noexcept {
  const auto bytes = std::as_bytes(std::span{text});
  session.at =
      static_cast<std::uint8_t>(session.at + application::write(stream, bytes.subspan(session.at)));
  if (session.at != text.size()) return Go::wait;
  session.at = 0;
  session.phase = next;
  if (next == Phase::bytes_body && (session.head_only || session.left == 0)) {
    return finish_reply(stream, session);
  }
  if (next == Phase::echo_body && session.left == 0) return finish_reply(stream, session);
  return Go::on;
}

inline HttpResponder::Go HttpResponder::send_reply(Stream auto& stream, Session& session) noexcept {
  const auto kind = static_cast<Kind>(session.aux);
  const std::uint64_t size = replies_.size(kind, session.head_only);
  while (session.left != 0) {
    StaticSpan piece = replies_.piece(kind, size - session.left);
    piece.size = static_cast<std::uint32_t>(std::min<std::uint64_t>(piece.size, session.left));
    if (!stream.send(piece)) {
      piece.size = static_cast<std::uint32_t>(std::min<std::size_t>(piece.size, stream.writable()));
      if (piece.size == 0 || !stream.send(piece)) return Go::wait;
    }
    session.left -= piece.size;
  }
  return finish_reply(stream, session);
}

inline HttpResponder::Go HttpResponder::send_bytes(Stream auto& stream, Session& session) noexcept {
  while (session.left != 0) {
    StaticSpan piece = byte_pattern(session.at);
    const std::uint64_t most = std::min<std::uint64_t>(session.left, stream.writable());
    piece.size = static_cast<std::uint32_t>(std::min<std::uint64_t>(piece.size, most));
    if (piece.size == 0 || !stream.send(piece)) return Go::wait;
    session.left -= piece.size;
    session.at = static_cast<std::uint8_t>((session.at + piece.size) % byte_pattern_period);
  }
  session.at = 0;
  return finish_reply(stream, session);
}

inline HttpResponder::Go HttpResponder::echo_body(Stream auto& stream, Session& session) noexcept {
  std::span<const std::byte> bytes = stream.readable();
  if (bytes.empty()) return input_ended(stream, session);
  if (bytes.size() > session.left) bytes = bytes.first(static_cast<std::size_t>(session.left));
  const std::size_t n = application::write(stream, bytes);
  if (n == 0) return Go::wait;
  stream.consume(n);
  session.left -= n;
  return session.left == 0 ? finish_reply(stream, session) : Go::on;
}

/// Reads the framing of a chunked body, and sets out to write the like of it.
inline HttpResponder::Go HttpResponder::echo_chunks(Stream auto& stream,
                                                    Session& session) noexcept {
  using Event = HttpGrammar::Event;
  const std::span<const std::byte> bytes = stream.readable();
  if (bytes.empty()) {
    if (session.head_sent || !stream.at_end()) return input_ended(stream, session);
    refuse(session, 400);
    return Go::on;
  }
  HttpRequestParser& parser = parsers_[session.parser];
  const HttpGrammar::Step step = parser.feed_chunks(bytes);
  stream.consume(step.used);
  if (step.event == Event::none) return Go::on;
  if (step.event == Event::bad && !session.head_sent) {
    refuse(session, 400);
    return Go::on;
  }
  if (step.event == Event::bad) {
    counters_.add(Count::cut_off);
    release_parser(session);
    linger(stream, session);
    return Go::on;
  }
  session.left = step.event == Event::chunk ? parser.chunk_left() : 0;
  session.phase = session.left != 0 ? Phase::echo_chunk_line : Phase::echo_end;
  if (!session.head_sent) session.phase = Phase::echo_chunk_head;
  session.head_sent = true;
  if (session.left == 0) release_parser(session);
  return Go::on;
}

inline HttpResponder::Go HttpResponder::echo_chunk(Stream auto& stream, Session& session) noexcept {
  std::span<const std::byte> bytes = stream.readable();
  if (bytes.empty()) return input_ended(stream, session);
  if (bytes.size() > session.left) bytes = bytes.first(static_cast<std::size_t>(session.left));
  const std::size_t n = application::write(stream, bytes);
  if (n == 0) return Go::wait;
  // The parser counts the data too, to know the framing behind it.
  parsers_[session.parser].feed_chunks(bytes.first(n));
  stream.consume(n);
  session.left -= n;
  if (session.left == 0) session.phase = Phase::echo_chunk_end;
  return Go::on;
}

/// The last byte of a reply is queued: the connection ends in the same callback, so that the FIN
/// rides on it, or the next request is read.
inline HttpResponder::Go HttpResponder::finish_reply(Stream auto& stream,
                                                     Session& session) noexcept {
  counters_.add(session.refused ? count_of(static_cast<Kind>(session.aux)) : Count::ok);
  session.answered = true;
  if (session.persistence != HttpPersistence::close) {
    session.phase = Phase::head;
    session.aux = 0;
    return Go::on;
  }
  if (session.refused) {
    linger(stream, session);
    return Go::on;
  }
  // Unread bytes would make close() a reset, which can overtake the reply (RFC 9112 s.9.6).
  if (!stream.readable().empty()) {
    linger(stream, session);
    return Go::on;
  }
  session.phase = Phase::over;
  stream.close();
  return Go::wait;
}

/// Sends the FIN, and gives the peer some time to stop sending.
inline void HttpResponder::linger(Stream auto& stream, Session& session) noexcept {
  session.phase = Phase::drain;
  session.left = 0;
  session.aux = 0;
  // What is there already is not late.
  for (auto bytes = stream.readable(); !bytes.empty(); bytes = stream.readable()) {
    stream.consume(bytes.size());
  }
  stream.shutdown_send();
  if constexpr (requires { stream.stack().after(drain_time, std::uint64_t{}); }) {
    if (stream.stack().after(drain_time, token_of(stream.id()))) return;
    session.phase = Phase::over;
    stream.close();
  }
}

}  // namespace pollux::application
