#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "raw_host.h"
#include "wire/checksum.h"
#include "wire/field.h"
#include "wire/ipv4.h"
#include "wire/seq_num.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

namespace pollux::world {

namespace control = wire::control;

/// One segment that a test writes, or that came.
struct RawSegment {
  wire::SeqNum seq{};
  std::uint8_t control = 0;
  wire::SeqNum ack{};
  std::uint16_t window = 65'535;
  std::vector<std::byte> text{};
  std::optional<std::uint16_t> mss{};
  std::optional<wire::Timestamps> timestamps{};
  std::optional<std::uint8_t> window_scale{};
  bool sack_permitted = false;
  std::vector<wire::SackBlock> sack{};  // of one that came
};

/// One end of one connection, written segment by segment: it answers nothing by itself, and several
/// may share a host.
class RawTcp {
 public:
  RawTcp(RawHost& host, wire::MacAddress to, wire::FourTuple tuple)
      : host_(host), to_(to), tuple_(tuple) {}

  /// The IPv4 payload of the segment, its checksum right.
  std::vector<std::byte> bytes(const RawSegment& segment) const {
    wire::TcpOptions options;
    options.mss = segment.mss;
    options.timestamps = segment.timestamps;
    options.window_scale = segment.window_scale;
    options.sack_permitted = segment.sack_permitted;
    const std::size_t size = wire::options_size(options);
    std::vector<std::byte> out(wire::TcpFields::size + size + segment.text.size());
    wire::TcpFields fields;
    fields.source_port = tuple_.local_port;
    fields.destination_port = tuple_.remote_port;
    fields.seq = segment.seq;
    fields.ack = segment.ack;
    fields.control = segment.control;
    fields.options_length = static_cast<std::uint8_t>(size);
    fields.window = segment.window;
    fields.write(out);
    wire::write_options(options, std::span{out}.subspan(wire::TcpFields::size));
    std::copy(segment.text.begin(), segment.text.end(), out.end() - std::ssize(segment.text));
    const auto pseudo = wire::pseudo_header(tuple_.local, tuple_.remote, wire::protocol::tcp,
                                            static_cast<std::uint16_t>(out.size()));
    wire::store_u16(out.data() + wire::TcpView::checksum_offset,
                    wire::fold(wire::add(pseudo, wire::Sum{out})));
    return out;
  }
  /// Goes out with the host's next poll.
  void send(const RawSegment& segment) { send_part(bytes(segment), 0, false); }
  /// One fragment of a payload: the part of `whole` from `at` on, up to `n` bytes.
  void send_fragment(std::span<const std::byte> whole, std::size_t at, std::size_t n) {
    const auto part = whole.subspan(at, std::min(n, whole.size() - at));
    send_part(part, at, at + part.size() != whole.size());
  }

  /// What has come for this connection since the last call.
  std::vector<RawSegment> heard() {
    std::vector<RawSegment> out;
    std::erase_if(host_.datagrams, [&](const auto& datagram) {
      wire::Ipv4View ip;
      wire::TcpView tcp;
      if (wire::Ipv4View::parse(datagram, ip) != Drop::none ||
          ip.protocol() != wire::protocol::tcp || ip.source() != tuple_.remote ||
          wire::TcpView::parse(ip.payload(), tcp) != Drop::none ||
          tcp.destination_port() != tuple_.local_port || !tcp.checksum_ok(ip.pseudo_header())) {
        return false;
      }
      const wire::TcpOptions options = wire::parse_options(tcp.options());
      RawSegment segment{.seq = tcp.seq(),
                         .control = tcp.control(),
                         .ack = tcp.ack(),
                         .window = tcp.window(),
                         .text = {tcp.text().begin(), tcp.text().end()},
                         .mss = options.mss,
                         .timestamps = options.timestamps,
                         .window_scale = options.window_scale,
                         .sack_permitted = options.sack_permitted,
                         .sack = {options.sack_blocks().begin(), options.sack_blocks().end()}};
      remote_port_ = tcp.source_port();
      out.push_back(std::move(segment));
      return true;
    });
    return out;
  }
  /// Of the segment that came last.
  std::uint16_t remote_port() const { return remote_port_; }
  wire::FourTuple& tuple() { return tuple_; }

  wire::SeqNum seq{};  // what it sends next
  wire::SeqNum ack{};  // and what it expects

  /// With these numbers, which stay as they are.
  void send_next(std::uint8_t bits, std::vector<std::byte> text = {}) {
    send({.seq = seq, .control = bits, .ack = ack, .text = std::move(text)});
  }

 private:
  void send_part(std::span<const std::byte> part, std::size_t at, bool more) {
    wire::Ipv4Fields ip;
    ip.identification = 1;
    ip.more_fragments = more;
    ip.fragment_offset_bytes = static_cast<std::uint16_t>(at);
    ip.protocol = wire::protocol::tcp;
    ip.destination = tuple_.remote;
    host_.send(to_, ip, part);
  }

  RawHost& host_;
  wire::MacAddress to_;
  wire::FourTuple tuple_;  // as the raw host sees it
  std::uint16_t remote_port_ = 0;
};

}  // namespace pollux::world
