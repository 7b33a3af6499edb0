#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "application/application.h"
#include "application/copy.h"
#include "application/http_parsers.h"
#include "application/http_reply.h"
#include "application/http_request.h"
#include "base/cause.h"
#include "base/result.h"
#include "base/time.h"

namespace pollux::application {

/// One responder's counts: its own thread writes, any thread may read.
class HttpCounters {
 public:
  enum class Count : std::uint8_t {
    ok,               // 200, the whole reply queued
    bad_request,      // 400
    request_timeout,  // 408: a head that did not end in time
    head_too_large,   // 431
    not_implemented,  // 501
    unavailable,      // 503: no memory for another request that comes in pieces
    cut_off,          // a body broke off, or its chunks went wrong, after the reply had begun
    short_cuts,       // heads that equalled the one before (not a status)
    count_
  };

  void add(Count count) noexcept {
    std::uint64_t& value = values_[static_cast<std::size_t>(count)];
    std::atomic_ref<std::uint64_t>(value).store(value + 1, std::memory_order_relaxed);
  }
  std::uint64_t operator[](Count count) const noexcept {
    auto& value = const_cast<std::uint64_t&>(values_[static_cast<std::size_t>(count)]);
    return std::atomic_ref<std::uint64_t>(value).load(std::memory_order_relaxed);
  }
  /// What was counted since `earlier`, a copy of these.
  HttpCounters since(const HttpCounters& earlier) const noexcept;
  /// Replies queued whole, of any status.
  std::uint64_t answered() const noexcept;
  /// Requests that broke HTTP: 400, 408, 431 and those that were cut off.
  std::uint64_t bad() const noexcept;

 private:
  std::array<std::uint64_t, static_cast<std::size_t>(Count::count_)> values_{};
};

/// What an HttpResponder is made with.
struct HttpOptions {
  std::vector<std::uint16_t> ports = {80};
  std::vector<std::byte> body = default_body(128);
  /// Connections last as their clients ask; otherwise every reply is the last.
  bool keep_alive = true;
  /// How many requests may be half read at one time: heads that came in pieces, bodies that are
  /// chunked or thrown away. About 250 bytes each, taken when used.
  std::uint32_t parsers = 65'536;
  /// How long a head may take from its first byte to its last, so that nobody keeps a parser by
  /// sending a byte now and then; 0: for ever.
  Duration head_timeout = 60s;
  /// How long a connection may go without a request, its first or the next, before it is closed;
  /// up to half as long again where there are many. 0: for ever.
  Duration idle_timeout = 300s;
  /// How many connections may wait for one of them.
  std::uint32_t waiting = 4'096;
  /// Equal heads are not parsed again. Off only to test that this changes nothing.
  bool short_cut = true;
};

/// Answers HTTP/1.1 and 1.0 requests in their order, as fast as the send queue takes the replies.
///
/// GET of any path gets the fixed body; GET /bytes/N gets N bytes, the i-th being i % 251 (N over
/// 2^63 is a bad request); HEAD gets their heads; POST /echo gets its own body back, chunked if it
/// came so, each chunk as it came; POST of any other path is read and gets the fixed body. A body
/// that comes with GET or HEAD is read and ignored. Expect: 100-continue is obeyed.
/// A sound request line with another method is answered with 501, as is a transfer coding other
/// than chunked; a head over 16 KiB with 431; one that takes longer than the options say with 408;
/// all else that RFC 9112 forbids, versions other than
/// 1.x, a request that ends early included, with 400. Each of these ends the connection, without
/// a reset that might overtake the answer: what still comes is thrown away until nothing has come
/// for two seconds, or for half a minute in all.
///
/// What cannot be answered now is not read: the closed window is the back-pressure. A request whose
/// state does not fit into 16 bytes borrows a parser from a slab; when there is none it waits
/// unread for one (or gets 503, when too many wait).
///
/// The replies are sent as StaticSpans: the responder outlives the stack that it serves.
class HttpResponder {
 public:
  /// Where a connection stands in its request and reply.
  enum class Phase : std::uint8_t {
    head,             // reads a head, or waits for one
    interim,          // writes 100 (Continue); the phase after it is in `aux`
    discard,          // throws `left` bytes of body away
    discard_chunks,   // throws a chunked body away
    reply,            // sends the prepared reply `aux`, `left` bytes to go
    bytes_head,       // writes the head for `left` bytes of the pattern
    bytes_body,       // sends them, from i % 251 = `at` on
    echo_head,        // writes the head for `left` bytes of echo
    echo_body,        // sends them as they come
    echo_chunks,      // reads framing up to the next chunk
    echo_chunk_head,  // writes the reply's head, late, so that a bad first chunk still gets 400
    echo_chunk_line,  // writes the line of a chunk of `left` bytes
    echo_chunk,       // sends its data as it comes
    echo_chunk_end,   // writes the CRLF behind it
    echo_end,         // writes the last chunk
    drain,            // has said its last; throws away what comes, `left` bytes since a look
    over              // closed
  };

  /// A connection's own part: all that must outlive a callback.
  struct Session {
    std::uint64_t left = 0;
    std::uint32_t parser = 0xFFFF'FFFF;  // borrowed, or none
    Phase phase : 6 = Phase::head;
    std::uint8_t mark : 2 = 0;  // for whoever wraps the responder, which leaves it alone
    std::uint8_t at = 0;        // bytes already written of a small text
    std::uint8_t aux = 0;  // by phase; while a head is waited for, looks that have found silence
    HttpPersistence persistence : 2 = HttpPersistence::keep_1_1;
    bool head_only : 1 = false;
    bool head_sent : 1 = false;  // of a chunked echo
    bool refused : 1 = false;    // ends with drain
    bool waiting : 1 = false;    // for a parser
    bool answered : 1 = false;   // at least one request
  };
  static_assert(sizeof(Session) == 16);

  /// Fails when the parsers' address space cannot be had.
  static Result<HttpResponder> make(HttpOptions options);

  /// Listens on every port of the options; those that the stack refuses are in refused_ports().
  void on_start(auto& stack) {
    for (const std::uint16_t port : options_.ports) {
      if (!stack.listen(port, ListenOptions{.nagle = false})) refused_ports_.push_back(port);
    }
  }
  void on_readable(Stream auto& stream) noexcept { run(stream); }
  void on_writable(Stream auto& stream) noexcept { run(stream); }
  void on_peer_closed(Stream auto& stream) noexcept { run(stream); }
  void on_closed(auto&, StreamId, Session& session, Cause) noexcept { release_parser(session); }
  /// Looks whether bytes still come behind a refusal, or wakes a stack for on_poll().
  void on_timer(auto& stack, std::uint64_t token) noexcept;
  /// Refuses heads that are late, and serves connections that wait for a parser, as parsers come
  /// back.
  void on_poll(auto& stack) noexcept;

  /// Whether a connection has had a reply, and no request of it is without one.
  static bool done(const Session& session) noexcept {
    return session.answered && (waits_for_request(session) || session.phase == Phase::drain ||
                                session.phase == Phase::over);
  }

  const HttpCounters& counters() const noexcept { return counters_; }
  const std::vector<std::uint16_t>& refused_ports() const noexcept { return refused_ports_; }
  std::uint32_t parsers_in_use() const noexcept { return parsers_.size(); }

 private:
  using Count = HttpCounters::Count;
  using Kind = HttpReplies::Kind;
  using Parsers = HttpParsers;
  static constexpr std::size_t longest_short_cut = 1024;
  static constexpr Duration drain_time = 2s;
  static constexpr std::uint8_t drain_looks = 15;
  static constexpr std::uint64_t wake_token = 0xFFFF'FFFF;  // of a StreamId that is nobody's
  static constexpr std::uint64_t look_token = 0x1'FFFF'FFFF;
  static constexpr std::uint8_t idle_looks = 5;  // that find silence: four times a quarter, or more
  static constexpr std::uint32_t places_a_look = 64;  // so that none takes long
  static constexpr std::uint32_t least_looks = 16;    // for all places, so that each comes often
  static constexpr unsigned most_late_heads = 64;  // refused in one poll, so that none takes long

  /// Whether there is more to do at once, or the next callback has to come.
  enum class Go : bool { wait, on };

  HttpResponder(HttpOptions options, Parsers parsers);

  /// Of a request not a byte has come.
  static bool waits_for_request(const Session& session) noexcept {
    return session.phase == Phase::head && session.parser == Parsers::none && !session.waiting;
  }

  void run(Stream auto& stream) noexcept {
    while (step(stream, stream.session()) == Go::on) {
    }
  }
  Go step(Stream auto& stream, Session& session) noexcept;

  // Reading (http_read.h)
  Go read_head(Stream auto& stream, Session& session) noexcept;
  Go read_fresh_head(Stream auto& stream, Session& session,
                     std::span<const std::byte> bytes) noexcept;
  Go discard(Stream auto& stream, Session& session) noexcept;
  Go discard_chunks(Stream auto& stream, Session& session) noexcept;
  Go drain(Stream auto& stream, Session& session) noexcept;
  Go input_ended(Stream auto& stream, Session& session) noexcept;
  Go wait_for_parser(Stream auto& stream, Session& session) noexcept;
  void time_head(Stream auto& stream, std::uint32_t parser) noexcept;
  void refuse_late_heads(auto& stack) noexcept;
  std::uint32_t looks_for(std::uint32_t places) const noexcept {
    // Timers count milliseconds.
    const auto most = std::max<Duration::rep>(options_.idle_timeout / (idle_looks - 1) / 1ms, 1);
    return static_cast<std::uint32_t>(
        std::min<Duration::rep>(std::max(places / places_a_look + 1, least_looks), most));
  }
  void look_again(auto& stack) noexcept;
  void look_for_silence(auto& stack) noexcept;
  void serve_waiting(auto& stack) noexcept;

  // Writing (http_write.h)
  Go send_reply(Stream auto& stream, Session& session) noexcept;
  Go send_bytes(Stream auto& stream, Session& session) noexcept;
  Go echo_body(Stream auto& stream, Session& session) noexcept;
  Go echo_chunks(Stream auto& stream, Session& session) noexcept;
  Go echo_chunk(Stream auto& stream, Session& session) noexcept;
  Go write(Stream auto& stream, Session& session, std::string_view text, Phase next) noexcept;
  Go finish_reply(Stream auto& stream, Session& session) noexcept;
  void end(Stream auto& stream, Session& session) noexcept;
  void linger(Stream auto& stream, Session& session) noexcept;

  // Values (http.cc)
  bool equals_last_head(std::span<const std::byte> bytes) const noexcept;
  void remember_head(std::span<const std::byte> head, const HttpRequest& request) noexcept;
  static bool keeps_parser(const HttpRequest& request) noexcept;
  HttpPersistence persistence_of(const HttpRequest& request) const noexcept;
  void begin(Session& session, const HttpRequest& request) noexcept;
  void answer(Session& session, const HttpRequest& request) noexcept;
  void refuse(Session& session, std::uint16_t status) noexcept;
  void release_parser(Session& session) noexcept;
  static Count count_of(Kind kind) noexcept;

  static std::uint64_t token_of(StreamId id) noexcept {
    return std::uint64_t{id.generation} << 32 | id.index;
  }
  static StreamId id_of(std::uint64_t token) noexcept {
    return {static_cast<std::uint32_t>(token), static_cast<std::uint32_t>(token >> 32)};
  }

  HttpOptions options_;
  HttpReplies replies_;
  HttpRequestParser fresh_;    // never fed: copied where a request begins
  HttpRequestParser scratch_;  // reads heads that come in one piece
  Parsers parsers_;
  bool wakes_ = false;      // a timer runs for the head that began first
  bool looks_ = false;      // one runs for the next look for silence, or none is wanted
  std::uint32_t look_ = 0;  // which of a round is next

  /// The last head that was parsed, to be recognised by its bytes.
  std::array<std::byte, longest_short_cut> last_head_;
  std::size_t last_head_size_ = 0;  // 0: none yet
  HttpRequest last_request_;
  /// The answer to it, when that is one span and nothing else need be known.
  StaticSpan last_reply_;
  HttpPersistence last_persistence_ = HttpPersistence::close;

  /// A ring of connections that wait for a parser, each at most once.
  std::vector<StreamId> waiting_;
  std::size_t waiting_first_ = 0;
  std::size_t waiting_count_ = 0;

  HttpCounters counters_;
  std::vector<std::uint16_t> refused_ports_;
};

inline bool HttpResponder::equals_last_head(std::span<const std::byte> bytes) const noexcept {
  // A head ends where its own bytes say so: whatever begins with one is that head and more.
  return last_head_size_ != 0 && bytes.size() >= last_head_size_ &&
         std::memcmp(bytes.data(), last_head_.data(), last_head_size_) == 0;
}

HttpResponder::Go HttpResponder::step(Stream auto& stream, Session& session) noexcept {
  switch (session.phase) {
    case Phase::head:
      return read_head(stream, session);
    case Phase::interim:
      return write(stream, session, "HTTP/1.1 100 Continue\r\n\r\n",
                   static_cast<Phase>(session.aux));
    case Phase::discard:
      return discard(stream, session);
    case Phase::discard_chunks:
      return discard_chunks(stream, session);
    case Phase::reply:
      return send_reply(stream, session);
    case Phase::bytes_head:
      return write(stream, session, HttpHead::with_length(session.left, session.persistence).text(),
                   Phase::bytes_body);
    case Phase::bytes_body:
      return send_bytes(stream, session);
    case Phase::echo_head:
      return write(stream, session, HttpHead::with_length(session.left, session.persistence).text(),
                   Phase::echo_body);
    case Phase::echo_body:
      return echo_body(stream, session);
    case Phase::echo_chunks:
      return echo_chunks(stream, session);
    case Phase::echo_chunk_head:
      return write(stream, session, HttpHead::chunked(session.persistence).text(),
                   session.left != 0 ? Phase::echo_chunk_line : Phase::echo_end);
    case Phase::echo_chunk_line:
      return write(stream, session, HttpHead::chunk_line(session.left).text(), Phase::echo_chunk);
    case Phase::echo_chunk:
      return echo_chunk(stream, session);
    case Phase::echo_chunk_end:
      return write(stream, session, "\r\n", Phase::echo_chunks);
    case Phase::echo_end: {
      constexpr std::string_view last_chunk = "0\r\n\r\n";
      if (write(stream, session, last_chunk, Phase::echo_end) == Go::wait) return Go::wait;
      return finish_reply(stream, session);
    }
    case Phase::drain:
      return drain(stream, session);
    case Phase::over:
      return Go::wait;
  }
  return Go::wait;
}

}  // namespace pollux::application

#include "application/http_read.h"
#include "application/http_write.h"
