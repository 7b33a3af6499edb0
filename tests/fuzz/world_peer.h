#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "input.h"
#include "stack.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/seq_num.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"
#include "world_app.h"

namespace pollux::fuzz {

using wire::SeqNum;
namespace control = wire::control;

/// What the peer knows of one four-tuple, over all connections that it has in its time.
struct Talk {
  std::uint16_t port = 0;             // the peer's
  std::uint16_t stack_port = 0;       // the stack's
  SeqNum iss;                         // the peer's: its low 16 bits are always 0xFFFF (stream_byte)
  SeqNum nxt;                         // behind the last text or SYN sent in order
  std::vector<SeqNum> stack_iss;      // of every SYN that was heard, the latest last
  SeqNum stack_nxt;                   // behind all that was heard since
  SeqNum expected;                    // the last ACK heard
  std::uint32_t expected_window = 0;  // as in the field
  std::uint32_t timestamp = 0;        // the last heard
  // What a SYN of ours brings to a Fast Open: the stack's, once that has given one.
  wire::FastOpenCookie cookie{.bytes = {std::byte{0xC0}}, .size = 8};
  // What the stack may send: the farthest right edge that it can have taken from our segments.
  SeqNum edge;
  std::uint8_t shift = 0;          // the largest that we have offered
  std::uint16_t first_window = 0;  // the largest in a SYN of ours
  // The right edge that the stack has told since its last SYN, without and with its scale: nobody
  // here knows which of the two was agreed upon.
  std::uint8_t stack_shift = 0;
  std::array<std::optional<SeqNum>, 2> told{};
  std::array<bool, 2> retreats{};
  bool fin_sent = false;            // since then: what is told behind it has no meaning
  std::vector<std::byte> datagram;  // the last heard, for ICMP errors to quote
};

/// The other end of the wire. It notes what it hears and requires that it is sound: checksums and
/// lengths are right, and text is that of its stream, however often it is sent.
class Peer {
 public:
  static constexpr std::size_t talks = 6;
  static constexpr std::size_t active = 4;  // the first that the stack opens; it listens for others

  Peer() {
    for (std::size_t i = 0; i < talks; ++i) {
      const auto number = static_cast<std::uint16_t>(i < active ? i : i - active);
      talk_[i].port =
          static_cast<std::uint16_t>((i < active ? 5000 : ProgramApp::first_remote_port) + number);
      talk_[i].stack_port = static_cast<std::uint16_t>(
          i < active ? ProgramApp::listen_port : ProgramApp::first_local_port + number);
      talk_[i].iss = SeqNum{static_cast<std::uint32_t>(i * 0x6000'0000 | 0xFFFF)};
      talk_[i].nxt = talk_[i].iss;
    }
  }

  Talk& talk(std::size_t which) noexcept { return talk_[which % talks]; }
  /// Whether it answers ARP.
  bool present = true;
  /// Whether frames may have been lost before they reached the wire.
  bool loses = false;
  /// Frames that it sends by itself; the caller delivers them.
  std::vector<std::vector<std::byte>> answers;

  void hear(std::span<const std::byte> frame) {
    const auto ethernet = wire::EthernetView::parse(frame);
    POLLUX_REQUIRE(ethernet && ethernet->source() == own_mac);
    if (ethernet->type() == wire::ether_type::arp) return hear_arp(ethernet->payload());
    POLLUX_REQUIRE(ethernet->type() == wire::ether_type::ipv4);
    wire::Ipv4View ip;
    POLLUX_REQUIRE(wire::Ipv4View::parse(ethernet->payload(), ip) == Drop::none);
    POLLUX_REQUIRE(ip.checksum_ok() && ip.source() == own_address && ip.total_length() <= 1500);
    if (ip.protocol() != wire::protocol::tcp) return;
    POLLUX_REQUIRE(!ip.is_fragment());
    wire::TcpView tcp;
    POLLUX_REQUIRE(wire::TcpView::parse(ip.payload(), tcp) == Drop::none);
    POLLUX_REQUIRE(tcp.checksum_ok(ip.pseudo_header()));
    if (tcp.control() == control::syn) {
      // The stack may have chosen a port by itself.
      for (std::size_t i = active; i < talks; ++i) {
        if (talk_[i].port == tcp.destination_port()) talk_[i].stack_port = tcp.source_port();
      }
    }
    for (Talk& talk : talk_) {
      if (talk.port == tcp.destination_port() && talk.stack_port == tcp.source_port()) {
        hear(talk, tcp);
        const auto whole = ethernet->payload().first(ip.total_length());
        talk.datagram.assign(whole.begin(), whole.end());
      }
    }
  }

  /// A segment; its text is what its place in the stream asks for.
  static std::vector<std::byte> segment(Talk& talk, SeqNum seq, SeqNum ack, std::uint8_t bits,
                                        std::uint16_t window, std::size_t text,
                                        std::span<const std::byte> options) {
    note_window(talk, ack, bits, window, options);
    const std::size_t headers = wire::TcpFields::size + options.size();
    std::vector<std::byte> out(headers + text);
    wire::TcpFields fields;
    fields.source_port = talk.port;
    fields.destination_port = talk.stack_port;
    fields.seq = seq;
    fields.ack = ack;
    fields.control = bits;
    fields.options_length = static_cast<std::uint8_t>(options.size());
    fields.window = window;
    fields.write(out);
    std::copy(options.begin(), options.end(), out.begin() + wire::TcpFields::size);
    const std::uint32_t first = seq.value() + ((bits & control::syn) != 0 ? 1u : 0u);
    for (std::size_t i = 0; i < text; ++i) {
      out[headers + i] = stream_byte((first + static_cast<std::uint32_t>(i)) & 0xFFFF);
    }
    const auto pseudo = wire::pseudo_header(peer_address, own_address, wire::protocol::tcp,
                                            static_cast<std::uint16_t>(out.size()));
    wire::store_u16(&out[wire::TcpView::checksum_offset],
                    wire::fold(wire::add(pseudo, wire::Sum{out})));
    return out;
  }
  /// A frame with this part of an IPv4 payload.
  static std::vector<std::byte> frame(std::uint8_t protocol, std::span<const std::byte> payload,
                                      std::uint8_t tos = 0, std::size_t offset = 0,
                                      bool more = false) {
    constexpr std::size_t headers = wire::EthernetFields::size + wire::Ipv4Fields::size;
    std::vector<std::byte> out(headers + payload.size());
    wire::EthernetFields{own_mac, peer_mac, wire::ether_type::ipv4}.write(out);
    wire::Ipv4Fields ip;
    ip.tos = tos;
    ip.total_length = static_cast<std::uint16_t>(wire::Ipv4Fields::size + payload.size());
    ip.identification = 1;
    ip.fragment_offset_bytes = static_cast<std::uint16_t>(offset);
    ip.more_fragments = more;
    ip.protocol = protocol;
    ip.source = peer_address;
    ip.destination = own_address;
    ip.write(std::span{out}.subspan(wire::EthernetFields::size));
    std::copy(payload.begin(), payload.end(), out.begin() + headers);
    return out;
  }
  static std::vector<std::byte> arp(std::uint16_t operation) {
    std::vector<std::byte> out(wire::EthernetFields::size + wire::ArpFields::size);
    wire::EthernetFields{own_mac, peer_mac, wire::ether_type::arp}.write(out);
    wire::ArpFields{operation, peer_mac, peer_address, own_mac, own_address}.write(
        std::span{out}.subspan(wire::EthernetFields::size));
    return out;
  }

 private:
  static void note_window(Talk& talk, SeqNum ack, std::uint8_t bits, std::uint16_t window,
                          std::span<const std::byte> options) {
    // A cookie may then open another connection, whose SYN was heard long ago.
    if ((bits & control::rst) != 0) forget_window(talk);
    talk.fin_sent = talk.fin_sent || (bits & control::fin) != 0;
    if ((bits & control::syn) != 0) {
      talk.first_window = std::max(talk.first_window, window);
      talk.shift = std::max(talk.shift, wire::parse_options(options).window_scale.value_or(0));
    }
    if ((bits & control::ack) == 0 || talk.stack_iss.empty() || ack < talk.stack_iss.back()) return;
    // Of more than can be on its way: the stack does not take it.
    if (ack > talk.stack_nxt + (1u << 24)) return;
    talk.edge = max(talk.edge, ack + (std::uint32_t{window} << talk.shift));
  }

  void hear_arp(std::span<const std::byte> payload) {
    const auto view = wire::ArpView::parse(payload);
    POLLUX_REQUIRE(view && view->sender_hardware() == own_mac);
    POLLUX_REQUIRE(view->sender_protocol() == own_address);
    if (present && view->operation() == wire::arp_operation::request &&
        view->target_protocol() == peer_address) {
      answers.push_back(arp(wire::arp_operation::reply));
    }
  }
  static bool of_stream(std::span<const std::byte> text, std::uint32_t offset) {
    return std::all_of(text.begin(), text.end(),
                       [&](std::byte byte) { return byte == stream_byte(offset++); });
  }
  static void forget_window(Talk& talk) {
    talk.told = {};
    talk.retreats = {};
  }
  /// The right edge never retreats but by what is lost in scaling (RFC 7323 s.2.4).
  static void window_told(Talk& talk, const wire::TcpView& tcp) {
    for (std::size_t i = 0; i < 2; ++i) {
      const unsigned shift = i == 0 ? 0 : talk.stack_shift;
      const SeqNum edge = tcp.ack() + (std::uint32_t{tcp.window()} << shift);
      if (talk.told[i] && edge + ((1u << shift) - 1) < *talk.told[i]) talk.retreats[i] = true;
      talk.told[i] = talk.told[i] ? max(*talk.told[i], edge) : edge;
    }
    POLLUX_REQUIRE(!talk.retreats[0] || !talk.retreats[1]);
  }
  /// Whether this is the text of a connection whose SYN was heard: the last, or one before it where
  /// several were answered. A SYN that was lost before it left is found out from the text.
  bool explained(Talk& talk, SeqNum seq, std::span<const std::byte> text) const {
    for (const SeqNum iss : talk.stack_iss) {
      if (of_stream(text, static_cast<std::uint32_t>(seq - iss - 1))) return true;
    }
    if (!loses) return false;
    for (std::uint32_t offset = 0; offset < stream_period; ++offset) {
      if (!of_stream(text, offset)) continue;
      if (!text.empty()) talk.stack_iss.push_back(seq - offset - 1);
      return true;
    }
    return false;
  }
  void hear(Talk& talk, const wire::TcpView& tcp) {
    const std::uint8_t bits = tcp.control();
    if ((bits & control::rst) != 0) return forget_window(talk);
    const wire::TcpOptions options = wire::parse_options(tcp.options());
    if (options.timestamps) talk.timestamp = options.timestamps->value;
    if ((bits & control::ack) != 0) talk.expected = tcp.ack();
    talk.expected_window = tcp.window();
    const auto text = tcp.text();
    if ((bits & control::syn) != 0) {
      POLLUX_REQUIRE(of_stream(text, 0));
      if (const auto cookie = options.fast_open(); cookie && (bits & control::ack) != 0) {
        for (Talk& each : talk_) each.cookie = *cookie;
      }
      // A SYN sent again is taken for a new one: within one moment the two may be equal.
      if (talk.stack_iss.empty() || talk.stack_iss.back() != tcp.seq()) {
        talk.stack_iss.push_back(tcp.seq());
      }
      talk.stack_nxt = tcp.seq() + 1 + static_cast<std::uint32_t>(text.size());
      talk.edge = talk.stack_nxt + talk.first_window;
      talk.stack_shift = options.window_scale.value_or(0);
      forget_window(talk);
      talk.fin_sent = false;
      return;
    }
    if (!loses && !talk.fin_sent && !talk.stack_iss.empty()) window_told(talk, tcp);
    if (text.empty() && (bits & control::fin) == 0) return;
    POLLUX_REQUIRE(explained(talk, tcp.seq(), text));
    const SeqNum end = tcp.seq() + static_cast<std::uint32_t>(text.size());
    // A probe of a closed window is one byte past it.
    if (!loses && talk.stack_iss.size() == 1) POLLUX_REQUIRE(end <= talk.edge + 1);
    talk.stack_nxt = max(talk.stack_nxt, tcp.seq() + static_cast<std::uint32_t>(text.size()) +
                                             ((bits & control::fin) != 0 ? 1u : 0u));
  }

  std::array<Talk, talks> talk_;
};

}  // namespace pollux::fuzz
