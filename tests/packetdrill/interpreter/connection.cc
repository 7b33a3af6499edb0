#include "connection.h"

#include <array>
#include <cstring>

#include "wire/checksum.h"
#include "wire/field.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

namespace pollux::interpreter {
namespace {

namespace control = wire::control;

constexpr std::uint16_t peer_port = 40'000;

/// The bytes of each of an option's numbers.
std::size_t width_of(std::uint8_t kind) {
  if (kind == option_kind::wscale || kind == option_kind::fast_open) return 1;
  return kind == option_kind::mss ? 2 : 4;
}

std::vector<std::byte> bytes_of(const std::vector<Option>& options) {
  std::vector<std::byte> out;
  const auto put = [&](std::size_t value, std::size_t bytes) {
    for (std::size_t i = bytes; i-- > 0;) out.push_back(static_cast<std::byte>(value >> (8 * i)));
  };
  for (const Option& each : options) {
    put(each.kind, 1);
    if (each.kind == option_kind::eol || each.kind == option_kind::nop) continue;
    const std::size_t width = width_of(each.kind);
    put(2 + width * each.values.size(), 1);
    for (const std::uint32_t value : each.values) put(value, width);
  }
  return out;
}

/// What cannot be read comes out as an option without values, or ends the list.
std::vector<Option> options_of(std::span<const std::byte> bytes) {
  std::vector<Option> out;
  while (!bytes.empty()) {
    Option option{.kind = wire::load_u8(bytes.data())};
    std::size_t length = 1;
    if (option.kind != option_kind::eol && option.kind != option_kind::nop) {
      if (bytes.size() < 2) break;
      length = wire::load_u8(bytes.data() + 1);
      if (length < 2 || length > bytes.size()) break;
      const std::size_t width = width_of(option.kind);
      for (std::size_t at = 2; at + width <= length; at += width) {
        std::uint32_t value = 0;
        for (const std::byte each : bytes.subspan(at, width)) {
          value = value << 8 | static_cast<std::uint32_t>(each);
        }
        option.values.push_back(value);
      }
    }
    out.push_back(std::move(option));
    bytes = bytes.subspan(length);
  }
  return out;
}

std::vector<std::byte> datagram_of(std::uint8_t protocol, std::uint8_t ecn,
                                   std::span<const std::byte> payload, wire::Ipv4Address source,
                                   wire::Ipv4Address destination) {
  std::vector<std::byte> out(wire::Ipv4Fields::size + payload.size());
  wire::Ipv4Fields fields;
  fields.tos = ecn;
  fields.total_length = static_cast<std::uint16_t>(out.size());
  fields.protocol = protocol;
  fields.source = source;
  fields.destination = destination;
  fields.write(out);
  std::memcpy(out.data() + wire::Ipv4Fields::size, payload.data(), payload.size());
  return out;
}

}  // namespace

std::variant<Arrival, std::string> read_datagram(std::span<const std::byte> datagram) {
  wire::Ipv4View ip;
  if (wire::Ipv4View::parse(datagram, ip) != Drop::none) return "no IPv4 datagram";
  if (!ip.checksum_ok()) return "an IPv4 header with a wrong checksum";
  if (ip.protocol() != wire::protocol::tcp) {
    return joined("a datagram of protocol ", unsigned{ip.protocol()});
  }
  wire::TcpView tcp;
  if (wire::TcpView::parse(ip.payload(), tcp) != Drop::none) return "no whole TCP segment";
  if (!tcp.checksum_ok(ip.pseudo_header())) return "a TCP segment with a wrong checksum";
  Arrival out;
  out.destination = ip.destination();
  out.ports = {tcp.source_port(), tcp.destination_port()};
  out.ecn = ip.ecn();
  out.tcp.control = tcp.control();
  out.tcp.seq = tcp.seq().value();
  out.tcp.ack = (tcp.control() & control::ack) != 0 ? tcp.ack().value() : 0;
  out.tcp.window = tcp.window();
  out.tcp.options = options_of(tcp.options());
  out.tcp.length = static_cast<std::uint32_t>(tcp.text().size());
  out.text.assign(tcp.text().begin(), tcp.text().end());
  return out;
}

void Connection::connecting() {
  if (phase_ == Phase::none) phase_ = Phase::connecting;
}

/// What a segment from the peer says of the connection.
void Connection::note(const Packet& packet) {
  const auto* const tcp = std::get_if<Tcp>(&packet.what);
  if (tcp == nullptr || packet.ports) return;
  if (phase_ == Phase::none || phase_ == Phase::listening) {
    *this = {};
    phase_ = Phase::syn_received;
    ports_ = {peer_port, served_port};
    remote_isn_ = tcp->seq;
  } else if (phase_ == Phase::syn_sent && (tcp->control & control::syn) != 0) {
    phase_ = (tcp->control & control::ack) != 0 ? Phase::synchronized : Phase::syn_sent;
    remote_isn_ = tcp->seq;
  }
}

std::vector<std::byte> Connection::build(const Packet& packet) {
  note(packet);
  if (const auto* const icmp = std::get_if<Icmp>(&packet.what)) {
    return build_icmp(*icmp, packet.ecn.value_or(0));
  }
  return build_tcp(std::get<Tcp>(packet.what), packet);
}

std::vector<Option> Connection::live_options(const Tcp& tcp) const {
  std::vector<Option> out = tcp.options.value();
  for (Option& each : out) {
    if (each.kind == option_kind::sack) {
      for (std::uint32_t& edge : each.values) edge += isn_;
    } else if (each.kind == option_kind::timestamps && (tcp.control & control::ack) != 0) {
      // Zero is what a peer echoes that has had no timestamp (RFC 7323 s.3.2).
      const auto named = timestamps_.find(each.values[1]);
      if (named != timestamps_.end()) {
        each.values[1] = named->second;
      } else if (each.values[1] != 0) {
        throw joined("no segment with the timestamp ", each.values[1], " was sent");
      }
    }
  }
  return out;
}

std::vector<std::byte> Connection::build_tcp(const Tcp& tcp, const Packet& packet) const {
  const bool syn = (tcp.control & control::syn) != 0;
  const std::vector<std::byte> options = bytes_of(live_options(tcp));
  std::vector<std::byte> segment(wire::TcpFields::size + options.size() + tcp.length);
  const Ports ports = packet.ports.value_or(ports_);
  wire::TcpFields fields;
  fields.source_port = ports.source;
  fields.destination_port = ports.destination;
  fields.seq = wire::SeqNum{tcp.seq + remote_offset(syn)};
  if ((tcp.control & control::ack) != 0) fields.ack = wire::SeqNum{tcp.ack + local_offset(syn)};
  fields.control = tcp.control;
  fields.options_length = static_cast<std::uint8_t>(options.size());
  fields.window = tcp.window.value();
  fields.write(segment);
  if (!options.empty()) {
    std::memcpy(segment.data() + wire::TcpFields::size, options.data(), options.size());
  }
  const std::uint32_t first = fields.seq.value() - remote_isn_ - (syn ? 0 : 1);
  for (std::uint32_t i = 0; i < tcp.length; ++i) {
    segment[segment.size() - tcp.length + i] = pattern(first + i);
  }
  const auto pseudo = wire::pseudo_header(remote, local, wire::protocol::tcp,
                                          static_cast<std::uint16_t>(segment.size()));
  wire::store_u16(segment.data() + wire::TcpView::checksum_offset,
                  wire::fold(wire::add(pseudo, wire::Sum{segment})));
  return datagram_of(wire::protocol::tcp, packet.ecn.value_or(0), segment, remote, local);
}

/// It quotes the header and eight bytes, all that every router gives (RFC 792).
std::vector<std::byte> Connection::build_icmp(const Icmp& icmp, std::uint8_t ecn) const {
  constexpr std::size_t quoted = 8;
  std::array<std::byte, wire::TcpFields::size> header{};
  wire::TcpFields fields;
  fields.source_port = ports_.destination;
  fields.destination_port = ports_.source;
  fields.seq = wire::SeqNum{icmp.seq + isn_};
  fields.write(header);
  std::vector<std::byte> inner = datagram_of(wire::protocol::tcp, 0, header, local, remote);
  wire::store_u16(inner.data() + 2,
                  static_cast<std::uint16_t>(wire::Ipv4Fields::size + header.size() + icmp.length));
  std::vector<std::byte> message(wire::IcmpFields::size + wire::Ipv4Fields::size + quoted);
  std::memcpy(message.data() + wire::IcmpFields::size, inner.data(),
              wire::Ipv4Fields::size + quoted);
  wire::IcmpFields{icmp.type, icmp.code, icmp.mtu}.write(message);
  return datagram_of(wire::protocol::icmp, ecn, message, remote, local);
}

void Connection::expect(const Tcp& expected) {
  const bool syn = (expected.control & control::syn) != 0;
  const bool ack = (expected.control & control::ack) != 0;
  if (phase_ == Phase::connecting && syn && !ack) {
    phase_ = Phase::syn_sent;
    script_isn_ = expected.seq;
  } else if (phase_ == Phase::syn_received && syn && ack && !isn_known_) {
    script_isn_ = expected.seq;
  }
}

bool Connection::owns(const Arrival& arrival) {
  if (arrival.destination != remote) return false;
  if (phase_ == Phase::syn_sent && !isn_known_ && arrival.ports.destination == served_port) {
    ports_ = {served_port, arrival.ports.source};
  }
  if (arrival.ports.source != ports_.destination || arrival.ports.destination != ports_.source) {
    return false;
  }
  if ((arrival.tcp.control & control::syn) != 0 && !isn_known_) {
    isn_ = arrival.tcp.seq;
    isn_known_ = true;
    if (phase_ == Phase::syn_received) phase_ = Phase::synchronized;
  }
  return true;
}

Tcp Connection::translated(const Arrival& arrival, const Tcp& expected) {
  Tcp out = arrival.tcp;
  const bool syn = (out.control & control::syn) != 0;
  out.seq -= local_offset(syn);
  if ((out.control & control::ack) != 0) out.ack -= remote_offset(syn);
  const auto named = [&]() -> const Option* {
    if (!expected.options) return nullptr;
    for (const Option& each : *expected.options) {
      if (each.kind == option_kind::timestamps) return &each;
    }
    return nullptr;
  }();
  for (Option& each : *out.options) {
    if (each.kind == option_kind::sack) {
      for (std::uint32_t& edge : each.values) edge -= remote_offset(syn);
    } else if (each.kind == option_kind::timestamps && each.values.size() == 2 &&
               named != nullptr) {
      if (!clock_) clock_ = Clock{named->values[0], each.values[0]};
      timestamps_[named->values[0]] = each.values[0];
      each.values[0] += clock_->script - clock_->live;
    }
  }
  return out;
}

std::string Connection::check_text(const Arrival& arrival) const {
  const bool syn = (arrival.tcp.control & control::syn) != 0;
  const std::uint32_t first = arrival.tcp.seq - isn_ - (syn ? 0 : 1);
  for (std::uint32_t i = 0; i < arrival.text.size(); ++i) {
    if (arrival.text[i] != pattern(first + i)) {
      return joined("its byte ", i, " is not the stream's");
    }
  }
  return {};
}

std::string difference(const Tcp& expected, const Tcp& came) {
  const auto differs = [](std::string_view name, std::uint32_t is, std::uint32_t should) {
    return joined(name, " is ", is, ", not ", should);
  };
  if (came.control != expected.control) return "the flags differ";
  if (came.seq != expected.seq) return differs("seq", came.seq, expected.seq);
  if (came.length != expected.length) return differs("the length", came.length, expected.length);
  if (came.ack != expected.ack) return differs("ack", came.ack, expected.ack);
  if (expected.window && came.window != expected.window) {
    return differs("win", *came.window, *expected.window);
  }
  if (!expected.options || came.options == expected.options) return {};
  const auto& should = *expected.options;
  const auto& are = *came.options;
  if (are.size() != should.size()) return "the options differ";
  for (std::size_t i = 0; i < are.size(); ++i) {
    if (are[i] == should[i]) continue;
    if (are[i].kind != should[i].kind) return "the options differ";
    // A timestamp counts milliseconds, and may be as far from its moment as the segment, and a
    // tick.
    constexpr std::uint32_t far = tolerance / 1'000 + 1;
    const bool near = are[i].kind == option_kind::timestamps && are[i].values.size() == 2 &&
                      are[i].values[1] == should[i].values[1] &&
                      are[i].values[0] - should[i].values[0] + far <= 2 * far;
    if (!near) return "the options differ";
  }
  return {};
}

namespace {

std::string to_text(const Option& option) {
  const auto& v = option.values;
  switch (option.kind) {
    case option_kind::eol:
      return "eol";
    case option_kind::nop:
      return "nop";
    case option_kind::sack_ok:
      return "sackOK";
    case option_kind::mss:
      if (v.size() == 1) return joined("mss ", v[0]);
      break;
    case option_kind::wscale:
      if (v.size() == 1) return joined("wscale ", v[0]);
      break;
    case option_kind::timestamps:
      if (v.size() == 2) return joined("TS val ", v[0], " ecr ", v[1]);
      break;
    case option_kind::sack: {
      std::string out = "sack";
      for (std::size_t i = 0; i + 1 < v.size(); i += 2) out += joined(" ", v[i], ":", v[i + 1]);
      return out;
    }
    case option_kind::fast_open: {
      constexpr std::string_view digits = "0123456789abcdef";
      std::string out = v.empty() ? "FO" : "FO ";
      for (const std::uint32_t byte : v) (out += digits[byte >> 4]) += digits[byte & 0xF];
      return out;
    }
    default:
      break;
  }
  return joined("kind ", unsigned{option.kind});
}

}  // namespace

std::string to_text(const Tcp& tcp) {
  std::string out;
  for (const std::size_t bit : {1u, 0u, 2u, 3u, 5u, 6u, 7u, 4u}) {
    if ((tcp.control >> bit & 1u) != 0) out += flag_letters[bit];
  }
  if (out.empty()) out += "-";
  out += joined(" ", tcp.seq, ":", tcp.seq + tcp.length, "(", tcp.length, ")");
  if ((tcp.control & control::ack) != 0) out += joined(" ack ", tcp.ack);
  if (tcp.window) out += joined(" win ", *tcp.window);
  if (!tcp.options || tcp.options->empty()) return out;
  std::string list;
  for (const Option& each : *tcp.options) {
    if (!list.empty()) list += ",";
    list += to_text(each);
  }
  return joined(out, " <", list, ">");
}

}  // namespace pollux::interpreter
