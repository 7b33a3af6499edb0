#pragma once

// How Generator sends requests and reads replies. Included by generator.h alone.

#include "load/generator.h"

namespace pollux::load {

/// A held connection may ask once, and gets its next turn an interval from now. Its request counts
/// from when it was due: of a turn that comes while another waits for an answer, from that one's.
void Generator::give_turn(application::Stream auto& stream, Instant due) noexcept {
  Session& session = stream.session();
  if (!session.turn) talk_of(session).due = due;
  session.turn = true;
  held_.push(stream.id(), stream.stack().now() + options_.hold_interval);
}

void Generator::ask_held(auto& stack) noexcept {
  for (std::uint32_t n = burst; n != 0 && !held_.empty(); --n) {
    const Instant due = held_.front_due();
    if (due > stack.now()) return;
    const application::StreamId id = held_.front();
    if (auto stream = stack.stream(id)) {
      give_turn(*stream, due);
      ask(*stream);
    } else {
      held_.remove(id.index);
    }
  }
}

inline bool Generator::may_begin(const Session& session, const Talk& talk) const noexcept {
  return talk.begun < options_.requests && !session.said_close &&
         talk.begun - talk.answered < options_.pipeline && (!options_.hold || session.turn);
}

/// Sends what is left of the last request, and as many more as are wanted now and fit.
void Generator::ask(application::Stream auto& stream) noexcept {
  Session& session = stream.session();
  if (session.kept) return;
  Talk& talk = talk_of(session);
  while (talk.half_sent != 0 || may_begin(session, talk)) {
    const bool begins = talk.half_sent == 0;
    const bool last = talk.begun + (begins ? 1 : 0) == options_.requests;
    const bool closes = last && options_.close == Close::server && !options_.hold;
    const auto& request = options_.prepared[options_.targets[session.target].request];
    // A request that does not fit the send queue whole goes out in pieces.
    const auto left = request.bytes(closes).size() - talk.half_sent;
    const auto piece = static_cast<std::uint32_t>(std::min(left, stream.writable()));
    if (piece == 0 || !stream.send(request.span(closes, talk.half_sent, piece))) return;
    if (begins) begin_request(stream, session, talk);
    talk.half_sent = piece == left ? 0 : talk.half_sent + piece;
    if (talk.half_sent != 0) continue;
    // Its reply may have come before it was out.
    if (session.done && options_.close != Close::server) return begin_close(stream, session, talk);
  }
}

/// The first bytes of a request are on their way.
void Generator::begin_request(application::Stream auto& stream, Session& session,
                              Talk& talk) noexcept {
  const Instant from = options_.hold ? talk.due : stream.stack().now();
  if (options_.pipeline == 1) {
    talk.asked = from;
  } else {
    sent_at_.at(stream.id().index, talk.begun) = from;
  }
  ++talk.begun;
  session.turn = false;
  if (measuring_) {
    ++tally_.requests_sent;
  } else {
    ++talk.uncounted;
  }
}

void Generator::read(application::Stream auto& stream) noexcept {
  Session& session = stream.session();
  for (auto bytes = stream.readable(); !bytes.empty(); bytes = stream.readable()) {
    Talk& talk = talk_of(session);
    if (talk.begun == talk.answered) {
      // Bytes that nobody has asked for.
      spoil(session);
      stream.consume(bytes.size());
      continue;
    }
    if (!session.first_byte) note_first_byte(stream, session, talk);
    const auto fed = parser_.feed(talk.reply, bytes);
    if (options_.profile) body_.feed(stream.id().index, bytes.first(fed.consumed));
    stream.consume(fed.consumed);
    if (fed.outcome == application::ReplyOutcome::bad) {
      spoil(session);
      stream.abort();
      return;
    }
    if (fed.outcome == application::ReplyOutcome::complete) answer(stream, session, talk);
  }
}

void Generator::note_first_byte(application::Stream auto& stream, Session& session,
                                const Talk& talk) noexcept {
  session.first_byte = true;
  if (talk.uncounted != 0) return;
  const Instant asked =
      options_.pipeline == 1 ? talk.asked : sent_at_.at(stream.id().index, talk.answered);
  tally_.first_byte.record(elapsed(asked, stream.stack().now()));
  if (options_.profile && session.counted && talk.answered == 0 && !options_.hold) {
    tally_.syn_to_first_byte.record(elapsed(talk.due, stream.stack().now()));
  }
}

/// One reply is there, whole. The talk may be given back with it.
void Generator::answer(application::Stream auto& stream, Session& session, Talk& talk) noexcept {
  const auto& reply = talk.reply;
  ++talk.answered;
  ++tally_.live_answered;
  const std::uint64_t body = options_.profile ? body_.take(stream.id().index) : 0;
  if (talk.uncounted != 0) {
    --talk.uncounted;
  } else {
    ++tally_.requests_answered;
    if (options_.profile) judge(reply.status(), body);
    if (const unsigned code = reply.status(); code >= 100 && code < 1'000) {
      ++tally_.status[code - 100];
    }
  }
  session.first_byte = false;
  session.done = talk.answered == options_.requests;
  if (!reply.keep_alive()) session.said_close = true;
  if (!session.done && !session.said_close) {
    ask(stream);
    // Most of those that are held wait for their turn.
    const bool at_rest = talk.begun == talk.answered && talk.half_sent == 0 && !session.turn;
    if (options_.hold && at_rest) give_back(session);
    return;
  }
  if (!session.done) break_off(session);
  talk.closing = stream.stack().now();
  if (options_.profile && session.counted && !session.bad) {
    tally_.syn_to_last_byte.record(elapsed(talk.due, talk.closing));
  }
  const bool half = talk.half_sent != 0;
  // The server wants no more of a request that it has answered before all of it was sent; the rest
  // of one that it will go on to read is sent first.
  if (half ? session.said_close : options_.close != Close::server)
    begin_close(stream, session, talk);
}

POLLUX_INLINE inline void Generator::begin_close(application::Stream auto& stream, Session& session,
                                                 Talk& talk) noexcept {
  talk.half_sent = 0;
  if (talk.closing == Instant{}) talk.closing = stream.stack().now();
  if (options_.close == Close::reset && session.done) {
    stream.abort();
  } else {
    stream.close();
  }
}

/// The server closes before everything was asked. Between two answers it may (RFC 9112 s.9.5).
inline void Generator::break_off(Session& session) noexcept {
  if (session.bad) return;
  const Talk& talk = talk_of(session);
  session.early = talk.answered != 0 && talk.begun == talk.answered;
  session.bad = true;
}

/// What has come is no reply to what was asked, or none has come at all.
inline void Generator::spoil(Session& session) noexcept {
  if (session.bad) return;
  session.bad = true;
  if (measuring_ && talk_of(session).uncounted == 0) ++tally_.requests_bad;
}

}  // namespace pollux::load
