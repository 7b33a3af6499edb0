#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "application/application.h"
#include "base/prng.h"
#include "base/time.h"

namespace pollux::application {

/// A stack of one application and a few connections, without a network: the model of Stream that
/// tests drive by hand. What arrives comes in the pieces that the test chose; what is sent waits in
/// a window until the test takes it.
template <class Session>
class FakeStack {
 public:
  struct Connection {
    std::deque<std::string> input;  // pieces not yet read
    std::size_t input_at = 0;       // bytes of the first piece that are consumed
    bool peer_closed = false;
    std::string output;            // all that was ever sent
    std::size_t taken = 0;         // bytes of it that have left the send queue
    std::size_t window = 1 << 30;  // bytes that the send queue holds
    std::size_t most_reserved = 1 << 30;
    std::size_t reserved = 0;
    std::vector<std::byte> reservation;
    bool shut = false;
    bool closed = false;
    bool reset = false;  // abort(), or close() with unread input
    bool wants_room = false;
    std::uint32_t sends = 0;
    std::size_t fin_at = std::string::npos;  // bytes before our FIN
    Session session{};
  };

  class Stream {
   public:
    Stream(FakeStack& stack, std::uint32_t index) noexcept : stack_(stack), index_(index) {}
    StreamId id() const noexcept { return {index_, 1}; }
    Endpoint local() const noexcept { return {wire::Ipv4Address{10, 0, 0, 1}, 80}; }
    Endpoint remote() const noexcept { return {wire::Ipv4Address{10, 0, 0, 2}, 1024}; }
    Session& session() noexcept { return c().session; }
    std::span<const std::byte> readable() const noexcept {
      if (c().input.empty()) return {};
      const std::string_view piece = std::string_view{c().input.front()}.substr(c().input_at);
      return std::as_bytes(std::span{piece});
    }
    void consume(std::size_t n) noexcept {
      if (n == 0) return;
      POLLUX_ASSERT(n <= readable().size());
      c().input_at += n;
      if (c().input_at == c().input.front().size()) {
        c().input.pop_front();
        c().input_at = 0;
      }
    }
    std::size_t peek(std::span<std::byte> to) const noexcept {
      std::string all;
      for (const std::string& piece : c().input) all += piece;
      all.erase(0, c().input_at);
      const std::size_t n = std::min(to.size(), all.size());
      if (n != 0) std::memcpy(to.data(), all.data(), n);
      return n;
    }
    std::size_t unread() const noexcept {
      std::size_t bytes = 0;
      for (const std::string& piece : c().input) bytes += piece.size();
      return bytes - c().input_at;
    }
    std::size_t unacknowledged() const noexcept {
      return c().output.size() - c().taken + (c().shut ? 1 : 0);
    }
    bool at_end() const noexcept { return c().input.empty() && c().peer_closed; }
    std::size_t writable() const noexcept {
      if (c().shut) return 0;
      const std::size_t queued = c().output.size() - c().taken;
      const std::size_t room = c().window > queued ? c().window - queued : 0;
      c().wants_room = true;
      return room;
    }
    bool send(StaticSpan bytes) noexcept {
      if (bytes.size > writable()) return false;
      c().output.append(reinterpret_cast<const char*>(bytes.data), bytes.size);
      ++c().sends;
      return true;
    }
    std::span<std::byte> reserve(std::size_t n) noexcept {
      c().reserved = std::min({n, writable(), c().most_reserved});
      c().reservation.assign(c().reserved, std::byte{0xDD});
      return c().reservation;
    }
    void commit(std::size_t n) noexcept {
      POLLUX_ASSERT(n <= c().reserved);
      c().output.append(reinterpret_cast<const char*>(c().reservation.data()), n);
      c().reserved = 0;
      c().reservation.clear();
    }
    void shutdown_send() noexcept {
      if (!c().shut) c().fin_at = c().output.size();
      c().shut = true;
    }
    void close() noexcept {
      shutdown_send();
      c().closed = true;
      if (!c().input.empty()) c().reset = true;
    }
    bool close_within(Duration) noexcept {
      close();
      return true;
    }
    void abort() noexcept { c().shut = c().closed = c().reset = true; }
    bool options(const StreamOptions&) noexcept { return true; }
    StreamStatus status() const noexcept { return {}; }
    FakeStack& stack() noexcept { return stack_; }

   private:
    Connection& c() const noexcept { return stack_.connections[index_]; }
    FakeStack& stack_;
    std::uint32_t index_;
  };

  bool listen(std::uint16_t port, const ListenOptions&) noexcept {
    return port != 0 && ports.insert(port).second;
  }
  std::optional<Stream> stream(StreamId id) noexcept {
    if (id.index >= connections.size() || id.generation != 1) return std::nullopt;
    if (connections[id.index].closed) return std::nullopt;
    return Stream{*this, id.index};
  }
  Instant now() const noexcept { return clock; }
  bool after(Duration, std::uint64_t token) noexcept {
    if (timers.size() == most_timers) return false;
    timers.push_back(token);
    return true;
  }

  Stream open() {
    connections.emplace_back();
    return Stream{*this, static_cast<std::uint32_t>(connections.size() - 1)};
  }

  std::deque<Connection> connections;
  std::set<std::uint16_t> ports;
  std::vector<std::uint64_t> timers;
  std::size_t most_timers = 100;
  Instant clock{};
};

}  // namespace pollux::application
