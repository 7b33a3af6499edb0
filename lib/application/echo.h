#pragma once

#include <cstddef>
#include <cstdint>

#include "application/application.h"
#include "application/copy.h"
#include "base/cause.h"

namespace pollux::application {

/// Sends each received UDP datagram back to where it came from (RFC 862), but not to another such
/// service: two of them would send one forged datagram to and fro without an end.
class UdpEcho {
 public:
  struct Session {};

  static constexpr std::uint16_t well_known = 7;

  explicit UdpEcho(std::uint16_t port = well_known) noexcept : port_(port) {}

  void on_start(auto& stack) noexcept { bound_ = static_cast<bool>(stack.bind(port_)); }
  void on_datagram(auto& stack, const Datagram& datagram) noexcept {
    if (datagram.remote.port == port_ || datagram.remote.port == well_known) {
      ++refused_;
    } else if (stack.send_datagram(datagram.local, datagram.remote, datagram.bytes)) {
      ++echoed_;
    } else {
      ++failed_;
    }
  }
  void on_closed(auto&, StreamId, Session&, Cause) noexcept {}

  /// Whether the port could be had.
  bool bound() const noexcept { return bound_; }
  std::uint64_t echoed() const noexcept { return echoed_; }
  std::uint64_t failed() const noexcept { return failed_; }
  std::uint64_t refused() const noexcept { return refused_; }

 private:
  std::uint16_t port_;
  bool bound_ = false;
  std::uint64_t echoed_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t refused_ = 0;
};

/// Sends every byte of a TCP connection back (RFC 862), and closes when the peer has closed and all
/// is sent. What cannot be sent is not read.
class TcpEcho {
 public:
  struct Session {};

  explicit TcpEcho(std::uint16_t port = 7) noexcept : port_(port) {}

  void on_start(auto& stack) noexcept { listening_ = static_cast<bool>(stack.listen(port_, {})); }
  void on_readable(Stream auto& stream) noexcept { run(stream); }
  void on_writable(Stream auto& stream) noexcept { run(stream); }
  void on_peer_closed(Stream auto& stream) noexcept { run(stream); }
  void on_closed(auto&, StreamId, Session&, Cause) noexcept {}

  /// Whether the port could be had.
  bool listening() const noexcept { return listening_; }

 private:
  void run(Stream auto& stream) noexcept {
    for (auto bytes = stream.readable(); !bytes.empty(); bytes = stream.readable()) {
      const std::size_t n = write(stream, bytes);
      if (n == 0) return;
      stream.consume(n);
    }
    if (stream.at_end()) stream.close();
  }

  std::uint16_t port_;
  bool listening_ = false;
};

/// Reads and forgets every byte of a TCP connection (RFC 863), and closes when the peer has closed.
class TcpDiscard {
 public:
  struct Session {};

  explicit TcpDiscard(std::uint16_t port = 9) noexcept : port_(port) {}

  void on_start(auto& stack) noexcept { listening_ = static_cast<bool>(stack.listen(port_, {})); }
  void on_readable(Stream auto& stream) noexcept {
    for (auto bytes = stream.readable(); !bytes.empty(); bytes = stream.readable()) {
      discarded_ += bytes.size();
      stream.consume(bytes.size());
    }
    if (stream.at_end()) stream.close();
  }
  void on_peer_closed(Stream auto& stream) noexcept { on_readable(stream); }
  void on_closed(auto&, StreamId, Session&, Cause) noexcept {}

  /// Whether the port could be had.
  bool listening() const noexcept { return listening_; }
  std::uint64_t discarded() const noexcept { return discarded_; }

 private:
  std::uint16_t port_;
  bool listening_ = false;
  std::uint64_t discarded_ = 0;
};

}  // namespace pollux::application
