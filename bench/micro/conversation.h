#pragma once

#include <cstdint>
#include <cstdlib>

#include "base/time.h"
#include "transport/tcp/listener.h"
#include "transport/tcp/tcp.h"

namespace pollux::bench {

/// A server's end of one connection, at every point of its short life, and what the peer says: an
/// exchange of a small request and a small reply, with timestamps, as a load generator has it.
class Conversation {
 public:
  static constexpr std::uint32_t request = 85;  // bytes of text
  static constexpr std::uint32_t reply = 227;

  const tcp::Config config{};
  const Instant now{1000s};
  tcp::FlightPool flights = *tcp::FlightPool::make(64);

  /// <SEQ=IRS><CTL=SYN>, with all options.
  tcp::Segment syn() const noexcept {
    tcp::Segment out;
    out.seq = irs;
    out.window = 64'240;
    out.control = tcp::control::syn;
    out.options.mss = std::uint16_t{1460};
    out.options.window_scale = std::uint8_t{7};
    out.options.sack_permitted = true;
    out.options.timestamps = wire::Timestamps{.value = peer_time};
    return out;
  }
  /// The peer's segment with this text, which begins `at` bytes into its stream, and acknowledges
  /// the first `acked` numbers behind our SYN.
  tcp::Segment says(std::uint32_t at, std::uint32_t text, std::uint32_t acked = 0,
                    std::uint8_t control = 0) const noexcept {
    tcp::Segment out;
    out.seq = irs + 1 + at;
    out.ack = iss + 1 + acked;
    out.text = text;
    out.window = 502;
    out.control = static_cast<std::uint8_t>(control | tcp::control::ack);
    out.options.timestamps = wire::Timestamps{.value = peer_time + 1, .echo = Millis32{now}.raw()};
    return out;
  }

  tcp::HalfOpen half_open() const noexcept {
    return tcp::make_half_open(config, {}, syn(), iss, 0, now);
  }
  tcp::Tcb established() noexcept {
    tcp::Tcb tcb = tcp::accept(half_open(), config, now);
    if (!hears(tcb, says(0, 0)).established) std::abort();
    return tcb;
  }
  /// The request is read.
  tcp::Tcb asked() noexcept {
    tcp::Tcb tcb = established();
    if (!hears(tcb, says(0, request)).keep_text) std::abort();
    static_cast<void>(tcp::receive(tcb, config, request));
    return tcb;
  }
  /// The reply is on its way, with our FIN behind it or without one.
  tcp::Tcb answered(bool closes) noexcept {
    tcp::Tcb tcb = asked();
    tcp::send(tcb, reply);
    if (closes) static_cast<void>(tcp::close(tcb, config, false, now));
    if (!emits(tcb).has(tcp::control::ack)) std::abort();
    return tcb;
  }

  tcp::Verdict hears(tcp::Tcb& tcb, const tcp::Segment& segment) noexcept {
    return tcp::segment_arrives(tcb, config, segment, flights, now);
  }
  tcp::Segment emits(tcp::Tcb& tcb) noexcept {
    tcp::Segment out;
    if (tcp::next_segment(tcb, config, flights, now, out) == tcp::Emit::none) std::abort();
    return out;
  }

 private:
  static constexpr tcp::SeqNum iss{1'000'000};
  static constexpr tcp::SeqNum irs{5'000'000};
  static constexpr std::uint32_t peer_time = 70'000;
};

}  // namespace pollux::bench
