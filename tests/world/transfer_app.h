#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "application/application.h"
#include "base/prng.h"
#include "ledger.h"
#include "wire/field.h"

namespace pollux::world {

/// Who says what, and who closes first: told apart by the port, so that both sides know.
enum class Manner : std::uint8_t {
  both_at_once,        // each sends, then shuts its half down
  opener_last,         // the opener keeps its second half until the accepter has finished
  accepter_last,       // and the other way round
  reply_and_close,     // the accepter answers the whole request, and closes on its last byte
  reply_and_wait,      // the accepter answers, the opener closes when it has all
  opener_just_closes,  // no bytes at all
  accepter_just_closes,
  both_just_close,
  count_
};

struct TransferOptions {
  std::vector<application::Endpoint> targets;  // their ports are not read
  std::uint32_t connections = 500;             // that this side opens
  std::uint32_t concurrency = 50;              // of them at once
  std::uint32_t largest = 20'000;              // bytes in a stream; most are much smaller
  std::uint32_t chunk = 4'000;                 // most that is written or read in one go
  double pause = 0.02;  // chance that a reader stops for a while after a chunk
  Duration pause_up_to = 20ms;
  double never_closes = 0.3;  // chance to shut down but not call close() where both would do
  bool keepalive = false;
  /// Some opens have text ready before their SYN leaves.
  bool fast_open = false;
  double abort = 0;  // chance that a write ends in an abort instead
  /// Local ports to open from, one after the other; 0: the stack's choice.
  std::uint16_t local_ports = 0;
  /// A connection may fail for reasons of the world, not of the stack: not a finding.
  bool may_fail = false;
  /// A copy that comes late, with an ACK of a SYN cookie, may open a connection that has ended once
  /// more: who keeps no state cannot know (RFC 4987 s.3.6). So may a copy of a fast open's SYN
  /// (RFC 7413 s.6.1).
  bool may_repeat = false;
  /// An open may find no next hop: it then ends with no_neighbor, as it should.
  bool may_not_open = false;
  /// Somebody to open `stranger_opens` connections to, too.
  std::optional<wire::Ipv4Address> stranger{};
  std::uint32_t stranger_opens = 10;
};

/// Both ends of many connections: sends streams that a Ledger knows of, verifies each byte that it
/// receives, and ends each connection in one of several manners. Everything random is of its seed.
class TransferApp {
 public:
  static constexpr std::uint16_t first_port = 7000;
  static constexpr std::size_t header_size = 12;
  /// Whoever is at the other end of a connection to this port is no TransferApp: it gets these
  /// bytes of the Ledger's pattern, what it says is read and forgotten, and how it ends is not
  /// looked at.
  static constexpr std::uint16_t stranger_port = first_port - 1;
  static constexpr std::uint32_t stranger_stream = 0xFFFF'FFFF;
  static constexpr std::uint32_t stranger_bytes = 60'000;

  struct Session {
    std::uint32_t number = 0;  // of the stream that this side sends
    std::uint32_t total = 0;   // header included; 0: no stream at all
    std::uint32_t sent = 0;
    std::uint32_t in_number = 0;
    std::uint32_t in_total = 0;  // once the header has come
    std::uint32_t got = 0;
    std::array<std::byte, header_size> header{};
    Manner manner = Manner::both_at_once;
    bool begun = false;
    bool up = false;
    bool opener = false;
    bool peer_end = false;
    bool complete = false;
    bool shut = false;
    bool paused = false;
    bool stranger = false;
  };

  TransferApp(TransferOptions options, Ledger& ledger, std::uint64_t seed)
      : options_(std::move(options)), ledger_(ledger), prng_(seed) {}

  void on_start(auto& stack) {
    for (std::uint16_t i = 0; i < static_cast<std::uint16_t>(Manner::count_); ++i) {
      if (!stack.listen(static_cast<std::uint16_t>(first_port + i))) {
        ledger_.find(Wrong::connect_failed, 0, i);
      }
    }
    if (!stack.listen(stranger_port)) ledger_.find(Wrong::connect_failed, 0, stranger_port);
    for (std::uint32_t i = 0; options_.stranger && i < options_.stranger_opens; ++i) {
      const auto opened = stack.connect({*options_.stranger, stranger_port});
      opened ? strangers_.push_back(*opened) : ledger_.find(Wrong::connect_failed, 0, i);
    }
    for (std::uint32_t i = 0; i < options_.concurrency; ++i) open_next(stack);
  }
  void on_accepted(auto& stream) {
    if (stream.local().port == stranger_port) return receive_stranger(stream);
    begin(stream, false, stream.local().port);
  }
  void on_connected(auto& stream) {
    if (stream.remote().port == stranger_port) return receive_stranger(stream);
    begin(stream, true, stream.remote().port);
  }
  void on_readable(auto& stream) {
    if (!stream.session().stranger) return read(stream);
    while (!stream.readable().empty()) stream.consume(stream.readable().size());
  }
  void on_writable(auto& stream) {
    stream.session().stranger ? serve_stranger(stream) : write(stream);
  }
  void on_peer_closed(auto& stream) {
    Session& session = stream.session();
    if (session.stranger) return stream.close();
    if (!session.up || session.peer_end || !stream.readable().empty()) {
      ledger_.find(Wrong::callback_order, session.number, 1);
    }
    session.peer_end = true;
    if (!silent(session) && !session.complete) {
      ledger_.find(Wrong::cut_short, session.in_number, session.got);
    }
    write(stream);
  }
  void on_closed(auto& stack, application::StreamId id, Session& session, Cause cause) {
    if (session.stranger || std::erase(strangers_, id) != 0) return;
    ledger_.closed(cause);
    ++closed_;
    ++progress_;
    const bool orderly = cause == Cause::by_us || cause == Cause::by_peer;
    const bool unopened = options_.may_not_open && !session.up && cause == Cause::no_neighbor;
    if (unopened) ++unopened_;
    if (!orderly) ++failed_;
    if (!options_.may_fail && !unopened) {
      if (!orderly) {
        ledger_.find(Wrong::bad_cause, session.number, static_cast<std::uint64_t>(cause));
      }
      if (orderly && (session.sent != session.total || (!silent(session) && !session.complete))) {
        ledger_.find(Wrong::ended_early, session.number, session.sent);
      }
    }
    if (session.opener || !session.up) {
      ++ended_;
      open_next(stack);
    }
  }
  void on_timer(auto& stack, std::uint64_t token) {
    if (token == retry_open) return open_next(stack);
    auto stream =
        stack.stream({static_cast<std::uint32_t>(token >> 32), static_cast<std::uint32_t>(token)});
    if (!stream) return;
    stream->session().paused = false;
    read(*stream);
  }

  /// Every connection that this side was to open has ended.
  bool done() const { return ended_ == options_.connections; }
  std::uint32_t opened() const { return opened_; }
  /// on_closed() calls, for either kind.
  std::uint32_t closed() const { return closed_; }
  /// Those that may_not_open was said for.
  std::uint32_t unopened() const { return unopened_; }
  /// Those of them that were not in good order.
  std::uint32_t failed() const { return failed_; }
  /// Changes with each connection that comes up or ends, and with each byte that is read.
  std::uint64_t progress() const { return progress_; }

 private:
  static constexpr std::uint64_t retry_open = ~std::uint64_t{0};
  static constexpr std::uint32_t magic = 0x504C5831;

  static bool silent(const Session& session) {
    return session.manner >= Manner::opener_just_closes;
  }

  void open_next(auto& stack) {
    if (opened_ == options_.connections || options_.targets.empty()) return;
    application::Endpoint to = options_.targets[opened_ % options_.targets.size()];
    // Half of all are of the first manner, which has the most to get wrong.
    const auto manner = prng_.chance(0.5) ? std::uint64_t{0}
                                          : prng_.below(static_cast<std::uint64_t>(Manner::count_));
    to.port = static_cast<std::uint16_t>(first_port + manner);
    application::ConnectOptions options{.nagle = prng_.chance(0.7)};
    if (options_.local_ports != 0) {
      options.local_port = static_cast<std::uint16_t>(2000 + next_port_++ % options_.local_ports);
    }
    const auto opened = stack.connect(to, options);
    if (!opened) {
      const bool taken =
          options.local_port != 0 && opened.error() == application::StackError::in_use;
      if (!options_.may_fail && !taken) ledger_.find(Wrong::connect_failed, opened_, to.port);
      if (!stack.after(100ms, retry_open)) ledger_.find(Wrong::connect_failed, opened_, 1);
      return;
    }
    ++opened_;
    const bool speaks = manner < static_cast<std::uint64_t>(Manner::opener_just_closes);
    if (!options_.fast_open || options_.may_not_open || !speaks || prng_.chance(0.3)) return;
    auto stream = stack.stream(*opened);
    prepare(*stream, true, to.port);
    write(*stream);
  }

  std::uint32_t random_size() {
    const double kind = prng_.unit();
    if (kind < 0.5) return static_cast<std::uint32_t>(prng_.below(200));
    if (kind < 0.85) return static_cast<std::uint32_t>(prng_.below(2000));
    return static_cast<std::uint32_t>(prng_.below(options_.largest + 1));
  }

  void begin(auto& stream, bool opener, std::uint16_t port) {
    Session& session = stream.session();
    if (session.up) ledger_.find(Wrong::callback_order, session.number, 0);
    session.up = true;
    ++progress_;
    if (!session.begun) prepare(stream, opener, port);
    write(stream);
  }
  /// What is to be said is known, though the connection may not be up yet.
  void prepare(auto& stream, bool opener, std::uint16_t port) {
    Session& session = stream.session();
    session.begun = true;
    session.opener = opener;
    session.manner = static_cast<Manner>(port - first_port);
    if (options_.keepalive) stream.options({.keepalive = true});
    if (silent(session)) return;
    const std::uint32_t size = random_size();
    session.number = ledger_.begin(size);
    session.total = size + header_size;
  }

  /// The outgoing header is a function of the number, so that the session need not keep it: the
  /// array is for the incoming one.
  static std::array<std::byte, header_size> out_header(const Session& session) {
    std::array<std::byte, header_size> out;
    wire::store_u32(out.data(), magic);
    wire::store_u32(out.data() + 4, session.number);
    wire::store_u32(out.data() + 8, session.total - header_size);
    return out;
  }

  /// How many bytes this side may have sent by now.
  std::uint32_t allowed(const Session& session) const {
    switch (session.manner) {
      case Manner::opener_last:
        return session.opener && !session.peer_end ? session.total / 2 : session.total;
      case Manner::accepter_last:
        return !session.opener && !session.peer_end ? session.total / 2 : session.total;
      case Manner::reply_and_close:
      case Manner::reply_and_wait:
        return session.opener || session.complete ? session.total : 0;
      default:
        return session.total;
    }
  }

  void write(auto& stream) {
    Session& session = stream.session();
    if (session.shut) return end(stream);
    if (options_.abort > 0 && prng_.chance(options_.abort)) {
      session.shut = true;
      return stream.abort();
    }
    const std::uint32_t allowed_now = allowed(session);
    while (session.sent < allowed_now) {
      const std::size_t n = std::min<std::size_t>(allowed_now - session.sent, random_chunk());
      const std::size_t sent = session.sent < header_size || prng_.chance(0.5)
                                   ? write_copy(stream, n)
                                   : write_static(stream, n);
      if (sent == 0) return;
      session.sent += static_cast<std::uint32_t>(sent);
    }
    end(stream);
  }
  std::size_t random_chunk() {
    return prng_.chance(0.1) ? 1 + prng_.below(10) : 1 + prng_.below(options_.chunk);
  }
  std::size_t write_copy(auto& stream, std::size_t n) {
    Session& session = stream.session();
    std::span<std::byte> to = stream.reserve(n);
    if (to.size() > n) to = to.first(n);
    const auto header = out_header(session);
    for (std::size_t done = 0; done < to.size();) {
      const std::size_t at = session.sent + done;
      std::span<const std::byte> from =
          at < header_size ? std::span<const std::byte>{header}.subspan(at)
                           : ledger_.pattern().bytes(session.number, at - header_size,
                                                     std::min(to.size(), Pattern::longest));
      from = from.first(std::min(from.size(), to.size() - done));
      std::memcpy(to.data() + done, from.data(), from.size());
      done += from.size();
    }
    if (!to.empty()) stream.commit(to.size());
    return to.size();
  }
  std::size_t write_static(auto& stream, std::size_t n) {
    Session& session = stream.session();
    n = std::min(n, stream.writable());
    if (n == 0) return 0;
    const auto bytes = ledger_.pattern().bytes(session.number, session.sent - header_size, n);
    return stream.send({bytes.data(), static_cast<std::uint32_t>(n)}) ? n : 0;
  }

  /// Closes, or shuts down, when it is this side's turn.
  void end(auto& stream) {
    Session& session = stream.session();
    if (session.sent != session.total) return;
    bool close = session.peer_end;
    bool shut = false;
    switch (session.manner) {
      case Manner::both_at_once:
        shut = true;
        close = close && !prng_.chance(options_.never_closes);
        break;
      case Manner::opener_last:
        shut = !session.opener;
        break;
      case Manner::accepter_last:
        shut = session.opener;
        break;
      case Manner::reply_and_close:
        close = close || !session.opener;
        break;
      case Manner::reply_and_wait:
        close = close || (session.opener && session.complete);
        break;
      case Manner::opener_just_closes:
        close = close || session.opener;
        break;
      case Manner::accepter_just_closes:
        close = close || !session.opener;
        break;
      case Manner::both_just_close:
      case Manner::count_:
        close = true;
        break;
    }
    if (close) {
      session.shut = true;
      stream.close();
    } else if (shut && !session.shut) {
      session.shut = true;
      stream.shutdown_send();
    }
  }

  void read(auto& stream) {
    Session& session = stream.session();
    if (session.paused) return;
    while (true) {
      const std::span<const std::byte> bytes = stream.readable();
      if (bytes.empty()) break;
      const std::size_t n = std::min(bytes.size(), random_chunk());
      take(session, bytes.first(n));
      stream.consume(n);
      if (!prng_.chance(options_.pause)) continue;
      const application::StreamId id = stream.id();
      const auto most = static_cast<std::uint64_t>(options_.pause_up_to.count());
      const Duration pause{static_cast<Duration::rep>(prng_.below(most))};
      session.paused = stream.stack().after(pause, std::uint64_t{id.index} << 32 | id.generation);
      if (session.paused) break;
    }
    write(stream);
  }

  void receive_stranger(auto& stream) {
    Session& session = stream.session();
    session.stranger = true;
    std::erase(strangers_, stream.id());
    session.total = stranger_bytes;
    // One that goes away without a word is to be noticed.
    stream.options({.keepalive = true});
    serve_stranger(stream);
  }
  void serve_stranger(auto& stream) {
    Session& session = stream.session();
    while (session.sent < session.total) {
      const std::size_t n = std::min(
          {stream.writable(), Pattern::longest, std::size_t{session.total} - session.sent});
      const auto bytes = ledger_.pattern().bytes(stranger_stream, session.sent, n);
      if (n == 0 || !stream.send({bytes.data(), static_cast<std::uint32_t>(n)})) return;
      session.sent += static_cast<std::uint32_t>(n);
    }
    if (session.shut) return;
    session.shut = true;
    prng_.chance(0.5) ? stream.close() : stream.shutdown_send();
  }

  void take(Session& session, std::span<const std::byte> bytes) {
    progress_ += bytes.size();
    while (!bytes.empty() && session.got < header_size) {
      session.header[session.got++] = bytes.front();
      bytes = bytes.subspan(1);
    }
    if (session.in_total == 0 && session.got == header_size) read_header(session);
    if (session.in_total != 0 && session.got + bytes.size() > session.in_total) {
      return ledger_.find(Wrong::too_long, session.in_number, session.got + bytes.size());
    }
    if (!bytes.empty() &&
        !ledger_.pattern().matches(session.in_number, session.got - header_size, bytes)) {
      ledger_.find(Wrong::wrong_byte, session.in_number, session.got);
    }
    session.got += static_cast<std::uint32_t>(bytes.size());
    if (session.in_total != 0 && session.got == session.in_total && !session.complete) {
      session.complete = true;
      if (!options_.may_repeat || !ledger_.look_up(session.in_number)->received) {
        ledger_.complete(session.in_number);
      }
    }
  }
  void read_header(Session& session) {
    session.in_number = wire::load_u32(session.header.data() + 4);
    session.in_total = wire::load_u32(session.header.data() + 8) + header_size;
    const Ledger::Stream* const stream = ledger_.look_up(session.in_number);
    if (wire::load_u32(session.header.data()) != magic || silent(session) ||
        (stream != nullptr && stream->size + header_size != session.in_total)) {
      ledger_.find(Wrong::wrong_byte, session.in_number, 0);
    }
  }

  TransferOptions options_;
  Ledger& ledger_;
  Prng prng_;
  std::uint32_t opened_ = 0;
  std::uint32_t ended_ = 0;
  std::uint32_t next_port_ = 0;
  std::uint32_t closed_ = 0;
  std::uint32_t failed_ = 0;
  std::uint32_t unopened_ = 0;
  std::uint64_t progress_ = 0;
  std::vector<application::StreamId> strangers_;  // that this side opened and that are not up yet
};

static_assert(application::Application<TransferApp>);

}  // namespace pollux::world
