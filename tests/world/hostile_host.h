#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "base/time.h"
#include "ledger.h"
#include "raw_host.h"
#include "sim/device.h"
#include "wire/address.h"
#include "wire/seq_num.h"
#include "wire/tcp.h"

namespace pollux::world {

/// What is wrong with a peer.
enum class Hostility : std::uint8_t {
  falls_silent,      // answers a few segments, then never again
  shrinks_window,    // takes back what it offered, again and again
  acks_unsent,       // acknowledges what was never sent
  sacks_unreceived,  // reports what never came, or what it has thrown away (RFC 2018 s.8)
  floods,            // sends SYNs and answers no answer to them
  random_fields,     // sends any value in any field, with sums that are right
  count_
};
std::string_view name(Hostility hostility);

struct HostileOptions {
  Hostility kind = Hostility::falls_silent;
  std::uint32_t connections = 20;
  Duration every = 20ms;         // a connection is opened, or something is sent unasked
  std::uint32_t unasked = 2000;  // segments in all
};

/// A peer without a stack and without good will. It opens connections to one port of a stack
/// (TransferApp::stranger_port) and accepts those that come to its own, verifies what it takes of
/// the stream that each of them brings, and looks for answers that nobody may give. It believes
/// that its own cable loses nothing.
class HostileHost {
 public:
  struct Station {
    wire::Ipv4Address address;
    wire::MacAddress mac;
  };
  /// Where it sits, and whom it turns to.
  struct Place {
    wire::Ipv4Address own;
    Station target;
    std::uint16_t port;            // of either end, whoever opens
    std::uint32_t pattern_stream;  // of which the target's bytes are,
    std::uint32_t stream_bytes;    // and how many there are
  };

  HostileHost(sim::Device& device, const Place& place, const HostileOptions& options,
              Ledger& ledger, std::uint64_t seed)
      : raw_(device, place.own), place_(place), options_(options), ledger_(ledger), prng_(seed) {}

  void poll(Instant now);
  std::optional<Instant> next_event() const;

  /// It will begin nothing more: what is left are answers.
  bool done() const { return opened_ == options_.connections && unasked_ == options_.unasked; }
  /// By either side.
  std::uint32_t opened() const { return static_cast<std::uint32_t>(peers_.size()); }
  /// Connections whose whole stream came, and whose end was in good order.
  std::uint32_t complete() const { return complete_; }
  std::uint32_t reset() const { return reset_; }
  /// Acknowledgments of what was never sent, and the connections on which one was answered.
  std::uint64_t lies() const { return lies_; }
  std::uint32_t lies_answered() const { return lies_answered_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Peer {
    std::uint16_t port = 0;  // its own
    Station remote{};
    std::uint16_t remote_port = 0;
    bool up = false;
    bool over = false;
    bool fin_sent = false;
    bool answered = false;
    wire::SeqNum seq{};          // what it sends next
    wire::SeqNum irs{};          // of the target
    wire::SeqNum ack{};          // what it expects next
    wire::SeqNum edge{};         // of its window, as it last said
    wire::SeqNum highest{};      // behind all that it has seen
    std::uint32_t patience = 0;  // segments that it still answers
    std::uint32_t lies = 0;      // that it still tells
  };
  struct Wild {
    Station to{};
    std::uint16_t source = 0;
    std::uint16_t destination = 0;
    wire::SeqNum seq{};
    wire::SeqNum ack{};
    std::uint8_t control = 0;
    std::uint16_t window = 65'535;
    std::uint16_t urgent = 0;
    std::vector<std::byte> options{};
    std::vector<std::byte> text{};
  };

  static constexpr std::uint16_t first_port = 30'000;
  /// What a liar truly offers: the target may send no byte past it.
  static constexpr std::uint16_t liars_window = 4000;

  void tick(Instant now);
  Peer& add_peer(const Station& remote, std::uint16_t port, std::uint16_t remote_port);
  void open();
  void accept(const Station& from, const wire::TcpView& syn);
  std::vector<std::byte> syn_options();
  void say_unasked();
  void wild(Peer* about);
  bool take_all();
  void take_frame(std::span<const std::byte> frame);
  void arrives(Peer& peer, const wire::TcpView& tcp);
  void answer(Peer& peer, const wire::TcpView& tcp);
  void lie(Peer& peer);
  void report(Peer& peer);
  /// Takes what comes next in order and lies before `edge`, the FIN too, and says so.
  void take(Peer& peer, const wire::TcpView& tcp, std::uint16_t window);
  void send(Peer& peer, std::uint8_t control, std::uint16_t window);
  /// What a right segment of the peer's has, for somebody to change.
  Wild next(const Peer& peer, std::uint8_t control) const;
  void send(const Wild& wild, wire::Ipv4Fields ip = {});
  std::uint16_t random_window();
  std::vector<std::byte> random_bytes(std::size_t n);

  RawHost raw_;
  Place place_;
  HostileOptions options_;
  Ledger& ledger_;
  Prng prng_;
  std::deque<Peer> peers_;      // one at each port from first_port on
  Instant next_{Duration{1s}};  // the others come first
  std::uint32_t opened_ = 0;
  std::uint32_t unasked_ = 0;
  std::uint32_t complete_ = 0;
  std::uint32_t reset_ = 0;
  std::uint64_t lies_ = 0;
  std::uint32_t lies_answered_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace pollux::world
