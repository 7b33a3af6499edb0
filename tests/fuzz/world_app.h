#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "application/application.h"
#include "input.h"

namespace pollux::fuzz {

/// The byte at this offset of every stream, in both directions. Whoever sends begins at a sequence
/// number whose low 16 bits are those of the offset, so that these alone tell the byte.
constexpr std::byte stream_byte(std::uint32_t offset) noexcept {
  return static_cast<std::byte>(offset ^ (offset >> 8 & 0xFF) * 0x9Du);
}
inline constexpr std::size_t stream_period = 0x1'0000;

/// The application of pipeline_world: makes the calls that the program asks for, and checks what it
/// hears, each byte and the order of callbacks.
class ProgramApp {
 public:
  struct Session {
    std::uint32_t read = 0;
    std::uint32_t written = 0;
  };
  struct Call {
    enum class Kind : std::uint8_t { open, read, write, write_static, shutdown, close, abort, set };
    Kind kind = Kind::open;
    std::uint8_t which = 0;  // connection, in the order of their age; of open: the peer's port
    std::uint16_t amount = 0;
  };
  static constexpr std::uint16_t listen_port = 7;
  static constexpr std::uint16_t first_local_port = 2000;
  static constexpr std::uint16_t first_remote_port = 6000;

  explicit ProgramApp(wire::Ipv4Address peer) : peer_(peer) {}

  // How it behaves by itself.
  bool reads = false;   // all that comes, at once
  bool closes = false;  // when the peer has closed
  bool writes = false;  // as much as is taken, up to some bound

  /// Made in the next poll.
  void call(const Call& call) { calls_.push_back(call); }
  /// From now on every connection is read, and closed.
  void wind_up(bool abort) {
    reads = closes = true;
    const auto kind = abort ? Call::Kind::abort : Call::Kind::close;
    for (std::size_t i = 0; i < live_.size(); ++i) {
      calls_.push_back({Call::Kind::read, static_cast<std::uint8_t>(i), 0xFFFF});
      calls_.push_back({kind, static_cast<std::uint8_t>(i), 0});
    }
    winding_up_ = true;
  }
  std::size_t live() const noexcept { return live_.size(); }

  void on_start(auto& stack) { POLLUX_REQUIRE(stack.listen(listen_port).ok()); }
  void on_accepted(auto& stream) {
    live_.push_back({stream.id(), true, false});
    POLLUX_REQUIRE(stream.local().port == listen_port);
    if (winding_up_) return stream.close();
    write_on(stream);
  }
  void on_connected(auto& stream) {
    Entry& entry = find(stream.id());
    POLLUX_REQUIRE(!entry.up);
    entry.up = true;
    write_on(stream);
  }
  void on_readable(auto& stream) {
    const Entry& entry = find(stream.id());
    POLLUX_REQUIRE(entry.up && !entry.peer_closed);
    if (reads) read(stream, ~std::size_t{0});
  }
  void on_writable(auto& stream) {
    // Before the handshake's end too, where bytes were refused that are to go with it.
    static_cast<void>(find(stream.id()));
    write_on(stream);
  }
  void on_peer_closed(auto& stream) {
    Entry& entry = find(stream.id());
    POLLUX_REQUIRE(entry.up && !entry.peer_closed && stream.at_end());
    entry.peer_closed = true;
    if (closes) stream.close();
  }
  void on_closed(auto& stack, application::StreamId id, Session&, Cause cause) {
    POLLUX_REQUIRE(cause != Cause::none);
    POLLUX_REQUIRE(!stack.stream(id));
    const auto gone = std::find_if(live_.begin(), live_.end(),
                                   [&](const Entry& entry) { return entry.id == id; });
    POLLUX_REQUIRE(gone != live_.end());
    live_.erase(gone);
  }
  void on_poll(auto& stack) {
    // What a call leads to may ask for another: that is for the next poll.
    std::vector<Call> calls;
    calls.swap(calls_);
    for (const Call& call : calls) make(stack, call);
  }

 private:
  struct Entry {
    application::StreamId id;
    bool up = false;
    bool peer_closed = false;
  };

  Entry& find(application::StreamId id) {
    const auto found = std::find_if(live_.begin(), live_.end(),
                                    [&](const Entry& entry) { return entry.id == id; });
    POLLUX_REQUIRE(found != live_.end());
    return *found;
  }

  void make(auto& stack, const Call& call) {
    if (call.kind == Call::Kind::open) {
      const auto number = static_cast<std::uint16_t>(call.which % 2);
      // Nobody answers for every fourth address.
      const wire::Ipv4Address to =
          call.which % 8 == 7 ? wire::Ipv4Address{peer_.value() + 8} : peer_;
      const auto made =
          stack.connect({to, static_cast<std::uint16_t>(first_remote_port + number)},
                        {.local_port = call.which % 4 == 2
                                           ? std::uint16_t{0}
                                           : static_cast<std::uint16_t>(first_local_port + number),
                         .nagle = call.amount % 2 == 0});
      if (made) live_.push_back({*made, false, false});
      return;
    }
    if (live_.empty()) return;
    const application::StreamId id = live_[call.which % live_.size()].id;
    auto stream = stack.stream(id);
    if (!stream) return;
    switch (call.kind) {
      case Call::Kind::open:
        break;
      case Call::Kind::read:
        read(*stream, call.amount == 0xFFFF ? ~std::size_t{0} : call.amount);
        break;
      case Call::Kind::write:
        write(*stream, call.amount);
        break;
      case Call::Kind::write_static: {
        Session& session = stream->session();
        const std::byte* const from = &pattern()[session.written % stream_period];
        if (stream->send({from, call.amount})) session.written += call.amount;
        break;
      }
      case Call::Kind::shutdown:
        stream->shutdown_send();
        break;
      case Call::Kind::close:
        stream->close();
        break;
      case Call::Kind::abort:
        stream->abort();
        break;
      case Call::Kind::set:
        set(*stream, call.amount);
        break;
    }
  }

  void read(auto& stream, std::size_t left) {
    Session& session = stream.session();
    for (auto bytes = stream.readable(); left != 0 && !bytes.empty(); bytes = stream.readable()) {
      bytes = bytes.first(std::min(bytes.size(), left));
      POLLUX_REQUIRE(stream.unread() >= bytes.size());
      for (const std::byte byte : bytes) POLLUX_REQUIRE(byte == stream_byte(session.read++));
      left -= bytes.size();
      stream.consume(bytes.size());
    }
  }
  void write(auto& stream, std::size_t n) {
    const std::span<std::byte> room = stream.reserve(n);
    POLLUX_REQUIRE(room.size() <= n);
    if (room.empty()) return;
    for (std::byte& byte : room) byte = stream_byte(stream.session().written++);
    stream.commit(room.size());
  }
  void write_on(auto& stream) {
    if (!writes) return;
    for (int pieces = 0; pieces < 40 && stream.session().written < 300'000; ++pieces) {
      const std::uint32_t before = stream.session().written;
      write(stream, 1000);
      if (stream.session().written == before) return;
    }
  }
  static void set(auto& stream, std::uint16_t bits) {
    application::StreamOptions options;
    if ((bits & 1) != 0) options.nagle = (bits & 2) != 0;
    if ((bits & 4) != 0) options.keepalive = (bits & 8) != 0;
    if ((bits & 16) != 0) options.user_timeout = std::chrono::seconds{bits >> 8};
    if ((bits & 32) != 0) options.send_buffer = bits;
    if ((bits & 64) != 0) options.receive_buffer = bits;
    if ((bits & 128) != 0) options.keepalive_idle = std::chrono::seconds{1 + (bits >> 8)};
    stream.options(options);
  }

  /// Two periods of the stream, which outlive every stack.
  static const std::vector<std::byte>& pattern() {
    static const std::vector<std::byte> bytes = [] {
      std::vector<std::byte> made(2 * stream_period);
      std::uint32_t offset = 0;
      for (std::byte& byte : made) byte = stream_byte(offset++);
      return made;
    }();
    return bytes;
  }

  wire::Ipv4Address peer_;
  std::vector<Call> calls_;
  std::vector<Entry> live_;
  bool winding_up_ = false;
};

}  // namespace pollux::fuzz
