#pragma once

#include <cstdint>

#include "base/time.h"

namespace pollux::tcp {

/// What decides how much may be in flight: NewReno (RFC 5681, RFC 6582) or CUBIC (RFC 9438).
enum class Congestion : std::uint8_t { reno, cubic };

/// When a listener answers a SYN without keeping anything of it (RFC 4987 s.3.6).
enum class SynCookieUse : std::uint8_t {
  automatic,  // while its half-open entries are all in use
  always,
  never  // then such a SYN is dropped
};

/// Explicit congestion notification (RFC 3168): not at all, where the peer asks for it, or asked
/// for, too.
enum class Ecn : std::uint8_t { off, accept, on };

/// Whether large windows are spread over the round trip: where it is long enough, or never.
enum class Pacing : std::uint8_t { off, automatic };

/// What connections share: all of a stack, or those whose application wants the same.
struct Config {
  Duration initial_rto = 1s;  // RFC 6298 (2.1)
  Duration min_rto = 200ms;   // docs/decisions/0002; RFC 6298 (2.4) asks for 1 s
  Duration max_rto = 60s;     // RFC 6298 (2.5)
  /// How long after the reset that answers an older connection's segment the SYN goes again (docs/
  /// decisions/0005); 0: when its retransmission time-out has passed, as after any loss.
  Duration syn_again{0};
  Duration msl = 30s;           // TIME-WAIT lasts twice this; at most 10 minutes (RFC 9293
                                // s.3.4.2 suggests 2)
  Duration delayed_ack = 40ms;  // at most 500 ms, RFC 9293 MUST-59 and s.3.8.6.3; 0: never delayed
  Duration keepalive_idle = 7200s;  // RFC 9293 s.3.8.4
  Duration keepalive_interval = 75s;
  Duration fin_wait_2_timeout = 60s;  // of a connection that its application has closed
  /// R2 of such a connection: how long it may be without progress, though the peer answer probes of
  /// a closed window (docs/decisions/0031). The least that RFC 9293 s.3.8.3 allows.
  Duration orphan_timeout = 100s;
  std::uint8_t keepalive_count = 9;
  std::uint8_t syn_retries = 7;  // at least 3 minutes in all, RFC 9293 MUST-23
  std::uint8_t syn_ack_retries = 5;
  std::uint8_t data_retries = 15;  // R2, at least 100 s, RFC 9293 s.3.8.3
  std::uint16_t mss = 1460;        // what this host can receive: MTU - 40
  /// The most text of a packet that the device cuts into segments; up to the MSS: it cuts none.
  std::uint32_t packet_text = 0;
  std::uint8_t initial_window = 10;  // segments
  std::uint8_t window_scale = 7;     // offered; 0..14, RFC 7323 s.2.3
  bool offer_window_scale = true;
  bool timestamps = true;  // offered, RFC 7323 s.3
  bool sack = true;        // offered, RFC 2018 s.2
  Ecn ecn = Ecn::accept;
  bool nagle = true;
  bool path_probing = true;  // shorter segments where long ones vanish, and back again, RFC 4821
  SynCookieUse syn_cookies = SynCookieUse::automatic;
  /// Text on SYNs (RFC 7413): a listener hands out cookies and takes them, an open asks for them
  /// and uses them. For applications alone that take no harm when text comes twice.
  bool fast_open = false;
  std::uint16_t fast_opens_pending = 1'024;   // at most: of a core, RFC 7413 s.5.1
  std::uint32_t receive_buffer = 256 * 1024;  // bytes
  std::uint32_t send_buffer = 256 * 1024;     // bytes
  Congestion congestion = Congestion::cubic;
  std::uint8_t dscp = 0;  // Diffserv codepoint of every segment, 0..63 (RFC 9293 MUST-48)
  std::uint8_t ttl = 64;  // and its time to live, 1..255 (MUST-49)
  Pacing pacing = Pacing::automatic;

  friend constexpr bool operator==(const Config&, const Config&) noexcept = default;
};

}  // namespace pollux::tcp
