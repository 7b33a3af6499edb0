#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "application/application.h"
#include "base/time.h"
#include "pipeline/pipeline.h"
#include "sim/device.h"
#include "sim/frame.h"

namespace pollux::packetdrill {

class Host;

/// What the stack tells the sockets; each of its connections knows the socket that it is.
class SocketEvents {
 public:
  struct Session {
    std::uint64_t socket = 0;  // 0: none yet
  };
  virtual void accepted(application::StreamId id, std::uint16_t port, Session& session) = 0;
  virtual void connected(std::uint64_t socket) = 0;
  virtual void ended(std::uint64_t socket, Cause cause) = 0;
  virtual void peer_closed(std::uint64_t socket) = 0;
  virtual void datagram(const application::Datagram& datagram) = 0;
  virtual void datagram_failed(application::Endpoint local, application::Endpoint remote,
                               Cause cause) = 0;

 protected:
  ~SocketEvents() = default;
};

/// The application that the sockets are.
class SocketApp {
 public:
  using Session = SocketEvents::Session;
  explicit SocketApp(SocketEvents& events) : events_(events) {}

  void on_start(auto&) {}
  void on_accepted(auto& s) { events_.accepted(s.id(), s.local().port, s.session()); }
  void on_connected(auto& s) { events_.connected(s.session().socket); }
  void on_readable(auto&) {}
  void on_peer_closed(auto& s) { events_.peer_closed(s.session().socket); }
  void on_closed(auto&, application::StreamId, Session& session, Cause cause) {
    if (session.socket != 0) events_.ended(session.socket, cause);
  }
  void on_datagram(auto&, const application::Datagram& datagram) { events_.datagram(datagram); }
  void on_datagram_error(auto&, application::Endpoint local, application::Endpoint remote,
                         Cause cause) {
    events_.datagram_failed(local, remote, cause);
  }

 private:
  SocketEvents& events_;
};

/// One machine on virtual time: the programs' own pipeline over a simulated card, and a gateway
/// behind which all of packetdrill's peers are.
class Host {
 public:
  using Stack = pipeline::Pipeline<sim::Device, SocketApp>;

  static constexpr wire::Ipv4Address own_address{192, 168, 0, 1};
  static constexpr std::uint16_t mtu = 1'500;
  static constexpr std::size_t longest = 9'000;  // datagram that can come in

  Host(const tcp::Config& config, SocketEvents& events);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  Stack& stack() { return *stack_; }
  Instant now() const { return now_; }
  /// Lets the stack do all that it can do now.
  void settle();
  /// The same at each moment until `when`; the clock stands there afterwards.
  void advance_to(Instant when);
  /// Goes to the next moment at which the stack has something to do, if it is by `limit`.
  bool step(Instant limit);

  /// A datagram from the gateway.
  void arrive(std::span<const std::byte> datagram);
  struct Sent {
    std::vector<std::byte> datagram;
    Instant when;
  };
  /// The next datagram that has been sent.
  std::optional<Sent> take_sent();
  bool has_sent() const { return !sent_.empty(); }

 private:
  void deliver(std::uint16_t type, std::span<const std::byte> payload);
  void sort_out(std::span<const std::byte> frame);

  Instant now_{std::chrono::seconds(1)};
  sim::FramePool pool_{8'192, longest + 256};
  sim::Device device_;
  SocketApp app_;
  std::unique_ptr<Stack> stack_;
  std::deque<Sent> sent_;
};

}  // namespace pollux::packetdrill
