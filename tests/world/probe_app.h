#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "application/application.h"
#include "pattern.h"

namespace pollux::world {

/// An application whose every move a test chooses beforehand, and that notes what it hears.
class ProbeApp {
 public:
  struct Session {
    std::uint32_t sent = 0;
    bool reading = false;  // a timer for the next read is set
  };

  struct DatagramError {
    application::Endpoint local;
    application::Endpoint remote;
    Cause cause = Cause::none;
    friend bool operator==(const DatagramError&, const DatagramError&) = default;
  };

  // What to do.
  std::optional<std::uint16_t> listen_port;
  std::vector<application::Endpoint> connect_to;
  std::uint32_t send_bytes = 0;  // as soon as a connection is up
  bool send_copies = false;      // in packet memory
  bool close_when_sent = false;
  bool close_at_peers_end = true;
  /// Read this much at a time and then not for `read_every`; 0: all, at once.
  std::size_t read_at_most = 0;
  Duration read_every{0};
  application::StreamOptions options;
  std::optional<std::uint16_t> echo_datagrams_at;
  std::optional<std::uint16_t> hear_datagrams_at;

  // What happened.
  std::uint32_t accepted = 0;
  std::uint32_t connected = 0;
  std::uint32_t peers_ends = 0;
  std::vector<Cause> closed;
  std::vector<Instant> closed_at;
  std::vector<application::StackError> connect_errors;
  std::uint32_t received = 0;  // of one connection: a second one's bytes are wrong
  std::uint32_t wrong = 0;
  std::vector<std::vector<std::byte>> datagrams;
  std::vector<DatagramError> datagram_errors;
  std::optional<application::StreamId> stream;  // the latest that came up

  const Pattern& pattern() const { return pattern_; }
  static constexpr std::uint32_t pattern_stream = 5;

  void on_start(auto& stack) {
    if (listen_port) static_cast<void>(stack.listen(*listen_port));
    if (echo_datagrams_at) static_cast<void>(stack.bind(*echo_datagrams_at));
    if (hear_datagrams_at) static_cast<void>(stack.bind(*hear_datagrams_at));
    for (const application::Endpoint& to : connect_to) {
      const auto opened = stack.connect(to);
      if (!opened) connect_errors.push_back(opened.error());
    }
  }
  void on_accepted(auto& s) {
    ++accepted;
    begin(s);
  }
  void on_connected(auto& s) {
    ++connected;
    begin(s);
  }
  void on_readable(auto& s) { read(s); }
  void on_writable(auto& s) { write(s); }
  void on_peer_closed(auto& s) {
    ++peers_ends;
    if (close_at_peers_end) s.close();
  }
  void on_closed(auto& stack, application::StreamId, Session&, Cause cause) {
    closed.push_back(cause);
    closed_at.push_back(stack.now());
  }
  void on_timer(auto& stack, std::uint64_t token) {
    auto s =
        stack.stream({static_cast<std::uint32_t>(token >> 32), static_cast<std::uint32_t>(token)});
    if (!s) return;
    s->session().reading = false;
    read(*s);
  }
  void on_datagram(auto& stack, const application::Datagram& datagram) {
    if (echo_datagrams_at && datagram.local.port == *echo_datagrams_at) {
      static_cast<void>(stack.send_datagram(datagram.local, datagram.remote, datagram.bytes));
    } else {
      datagrams.emplace_back(datagram.bytes.begin(), datagram.bytes.end());
    }
  }
  void on_datagram_error(auto&, const application::Endpoint& local,
                         const application::Endpoint& remote, Cause cause) {
    datagram_errors.push_back({local, remote, cause});
  }

 private:
  void begin(auto& s) {
    stream = s.id();
    s.options(options);
    write(s);
  }
  void write(auto& s) {
    Session& session = s.session();
    while (session.sent < send_bytes) {
      const auto n = static_cast<std::uint32_t>(
          std::min<std::size_t>({send_bytes - session.sent, Pattern::longest / 2, s.writable()}));
      if (n == 0) return;
      const auto bytes = pattern_.bytes(pattern_stream, session.sent, n);
      if (send_copies) {
        const auto to = s.reserve(n);
        if (to.empty()) return;
        std::memcpy(to.data(), bytes.data(), to.size());
        s.commit(to.size());
        session.sent += static_cast<std::uint32_t>(to.size());
        continue;
      }
      if (!s.send({bytes.data(), n})) return;
      session.sent += n;
    }
    if (close_when_sent) s.close();
  }
  void read(auto& s) {
    Session& session = s.session();
    if (session.reading) return;
    std::size_t left = read_at_most == 0 ? ~std::size_t{0} : read_at_most;
    while (left != 0) {
      auto bytes = s.readable();
      if (bytes.empty()) return;
      bytes = bytes.first(std::min(bytes.size(), left));
      if (!pattern_.matches(pattern_stream, received, bytes)) ++wrong;
      received += static_cast<std::uint32_t>(bytes.size());
      left -= bytes.size();
      s.consume(bytes.size());
    }
    const application::StreamId id = s.id();
    session.reading = s.stack().after(read_every, std::uint64_t{id.index} << 32 | id.generation);
  }

  Pattern pattern_;
};

static_assert(application::Application<ProbeApp>);

}  // namespace pollux::world
