#include "hostile_host.h"

#include <algorithm>
#include <array>
#include <utility>

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/field.h"
#include "wire/ipv4.h"

namespace pollux::world {
namespace {

namespace control = wire::control;

/// The IPv4 payload of a segment, its sum right whatever its fields are.
std::vector<std::byte> with_sum(std::vector<std::byte> segment, wire::Ipv4Address from,
                                wire::Ipv4Address to) {
  const auto pseudo = wire::pseudo_header(from, to, wire::protocol::tcp,
                                          static_cast<std::uint16_t>(segment.size()));
  wire::store_u16(segment.data() + wire::TcpView::checksum_offset,
                  wire::fold(wire::add(pseudo, wire::Sum{segment})));
  return segment;
}

}  // namespace

std::string_view name(Hostility hostility) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(Hostility::count_)> names{
      "falls-silent",     "shrinks-window", "acks-unsent",
      "sacks-unreceived", "floods",         "random-fields"};
  return names[static_cast<std::size_t>(hostility)];
}

void HostileHost::poll(Instant now) {
  if (!done() && next_ <= now) tick(now);
  do {
    raw_.poll(now);
  } while (take_all());
}

std::optional<Instant> HostileHost::next_event() const {
  if (done()) return std::nullopt;
  return next_;
}

void HostileHost::tick(Instant now) {
  const auto most = static_cast<std::uint64_t>(options_.every.count());
  next_ = now + Duration{1 + static_cast<Duration::rep>(prng_.below(2 * most))};
  if (opened_ < options_.connections) open();
  if (unasked_ < options_.unasked) {
    ++unasked_;
    say_unasked();
  }
}

HostileHost::Peer& HostileHost::add_peer(const Station& remote, std::uint16_t port,
                                         std::uint16_t remote_port) {
  Peer& peer = peers_.emplace_back();
  peer.port = port;
  peer.remote = remote;
  peer.remote_port = remote_port;
  peer.seq = wire::SeqNum{prng_.next32()};
  peer.patience = static_cast<std::uint32_t>(prng_.below(6));
  peer.lies = 5 + static_cast<std::uint32_t>(prng_.below(10));
  return peer;
}

void HostileHost::open() {
  Peer& peer =
      add_peer(place_.target, static_cast<std::uint16_t>(first_port + opened_++), place_.port);
  Wild syn = next(peer, control::syn);
  syn.options = syn_options();
  if (options_.kind == Hostility::random_fields) syn.window = random_window();
  peer.seq += 1;
  send(syn);
}

void HostileHost::accept(const Station& from, const wire::TcpView& syn) {
  Peer& peer = add_peer(from, place_.port, syn.source_port());
  peer.irs = syn.seq();
  peer.ack = peer.edge = peer.highest = syn.seq() + 1;
  // Not even an answer, at times.
  if (options_.kind == Hostility::falls_silent && peer.patience == 0) return;
  if (options_.kind == Hostility::random_fields) {
    for (std::uint64_t i = prng_.below(4); i != 0; --i) wild(&peer);
  }
  Wild answer = next(peer, control::syn | control::ack);
  answer.options = syn_options();
  // The window of what completes the handshake is the one that counts.
  if (options_.kind == Hostility::acks_unsent) answer.window = liars_window;
  peer.edge = peer.ack + answer.window;
  peer.seq += 1;
  send(answer);
}

std::vector<std::byte> HostileHost::syn_options() {
  if (options_.kind == Hostility::random_fields) return random_bytes(4 * prng_.below(11));
  std::vector<std::byte> mss{std::byte{2}, std::byte{4}, std::byte{0x05}, std::byte{0xB4}};
  if (options_.kind == Hostility::sacks_unreceived) {
    mss.insert(mss.end(), {std::byte{1}, std::byte{1}, std::byte{4}, std::byte{2}});
  }
  return mss;
}

void HostileHost::say_unasked() {
  Peer* const peer = peers_.empty() ? nullptr : &peers_[prng_.below(peers_.size())];
  if (options_.kind == Hostility::random_fields) return wild(peer);
  if (options_.kind == Hostility::floods) {
    return send({.to = place_.target,
                 .source = static_cast<std::uint16_t>(1024 + prng_.below(60'000)),
                 .destination = place_.port,
                 .seq = wire::SeqNum{prng_.next32()},
                 .control = control::syn,
                 .options = syn_options()});
  }
  if (options_.kind == Hostility::shrinks_window && peer != nullptr && peer->up && !peer->over) {
    send(*peer, control::ack, random_window());
  }
}

/// Each field is right, near what is right, or anything.
void HostileHost::wild(Peer* about) {
  const auto near = [this](wire::SeqNum number) {
    if (prng_.chance(0.3)) return number;
    if (prng_.chance(0.2)) return wire::SeqNum{prng_.next32()};
    return number - 70'000 + static_cast<std::uint32_t>(prng_.below(140'000));
  };
  Wild wild{.to = place_.target, .source = first_port, .destination = place_.port};
  if (about != nullptr) {
    wild = next(*about, 0);
    wild.seq = near(about->seq);
    wild.ack = near(about->highest);
  }
  if (prng_.chance(0.1)) wild.source = static_cast<std::uint16_t>(prng_.next());
  if (prng_.chance(0.1)) wild.destination = static_cast<std::uint16_t>(prng_.next());
  // Most bear an ACK and nothing that ends it all, or little else would be seen.
  wild.control = static_cast<std::uint8_t>(prng_.next());
  if (prng_.chance(0.8)) {
    wild.control |= control::ack;
    wild.control &= static_cast<std::uint8_t>(~(control::rst | control::syn));
  }
  wild.window = random_window();
  wild.urgent = static_cast<std::uint16_t>(prng_.next());
  wild.options = random_bytes(4 * prng_.below(11));
  if (wild.options.size() >= 2 && prng_.chance(0.5)) {
    // A kind that means something, and its length more often than not.
    constexpr std::array<std::uint8_t, 6> kinds{2, 3, 4, 5, 8, 253};
    constexpr std::array<std::uint8_t, 6> lengths{4, 3, 2, 18, 10, 8};
    const std::size_t kind = prng_.below(kinds.size());
    wild.options[0] = std::byte{kinds[kind]};
    if (prng_.chance(0.7)) wild.options[1] = std::byte{lengths[kind]};
  }
  if (prng_.chance(0.5)) wild.text = random_bytes(prng_.below(1400));
  wire::Ipv4Fields ip;
  ip.tos = static_cast<std::uint8_t>(prng_.next());
  ip.identification = static_cast<std::uint16_t>(prng_.next());
  ip.dont_fragment = prng_.chance(0.5);
  ip.ttl = static_cast<std::uint8_t>(1 + prng_.below(255));
  send(wild, ip);
}

bool HostileHost::take_all() {
  const auto frames = std::exchange(raw_.frames, {});
  raw_.datagrams.clear();
  for (const auto& frame : frames) take_frame(frame);
  return !frames.empty();
}

void HostileHost::take_frame(std::span<const std::byte> frame) {
  const auto ethernet = wire::EthernetView::parse(frame);
  wire::Ipv4View ip;
  wire::TcpView tcp;
  if (!ethernet || ethernet->type() != wire::ether_type::ipv4 ||
      wire::Ipv4View::parse(ethernet->payload(), ip) != Drop::none ||
      ip.protocol() != wire::protocol::tcp || ip.destination() != place_.own ||
      wire::TcpView::parse(ip.payload(), tcp) != Drop::none ||
      !tcp.checksum_ok(ip.pseudo_header())) {
    return;
  }
  for (Peer& peer : peers_) {
    if (peer.port == tcp.destination_port() && peer.remote_port == tcp.source_port() &&
        peer.remote.address == ip.source()) {
      return arrives(peer, tcp);
    }
  }
  if (tcp.destination_port() == place_.port && tcp.control() == control::syn) {
    accept({ip.source(), ethernet->source()}, tcp);
  }
}

void HostileHost::arrives(Peer& peer, const wire::TcpView& tcp) {
  if (peer.over) return;
  if ((tcp.control() & control::rst) != 0) {
    peer.over = true;
    ++reset_;
    return;
  }
  if (!peer.up && peer.port == place_.port) {
    if ((tcp.control() & control::ack) == 0 || tcp.ack() != peer.seq) return;
    peer.up = true;
  } else if (!peer.up) {
    if (tcp.control() != (control::syn | control::ack) || tcp.ack() != peer.seq) return;
    peer.up = true;
    peer.irs = tcp.seq();
    peer.ack = peer.edge = peer.highest = tcp.seq() + 1;
    return send(peer, control::ack,
                options_.kind == Hostility::acks_unsent ? liars_window : std::uint16_t{65'535});
  }
  const auto length = static_cast<std::uint32_t>(tcp.text().size());
  const bool fin = (tcp.control() & control::fin) != 0;
  peer.highest = max(peer.highest, tcp.seq() + length + (fin ? 1 : 0));
  if (peer.fin_sent && tcp.ack() == peer.seq) {
    peer.over = true;
    const auto taken = static_cast<std::uint32_t>(peer.ack - peer.irs) - 2;
    if (taken == place_.stream_bytes) ++complete_;
    return;
  }
  answer(peer, tcp);
}

void HostileHost::answer(Peer& peer, const wire::TcpView& tcp) {
  switch (options_.kind) {
    case Hostility::falls_silent:
      if (peer.patience == 0) return;
      --peer.patience;
      return take(peer, tcp, 65'535);
    case Hostility::shrinks_window:
      return take(peer, tcp, random_window());
    case Hostility::acks_unsent:
      if (peer.highest > peer.edge) {
        ledger_.find(Wrong::too_long, place_.pattern_stream, peer.port);
      }
      if (tcp.text().empty() && tcp.control() == control::ack && !peer.answered) {
        peer.answered = true;
        ++lies_answered_;
      }
      if (tcp.text().empty() && (tcp.control() & control::fin) == 0) return;
      if (peer.lies != 0) return lie(peer);
      return take(peer, tcp, liars_window);
    case Hostility::sacks_unreceived:
      if (peer.lies != 0 && prng_.chance(0.4)) return report(peer);
      return take(peer, tcp, 65'535);
    case Hostility::floods:
      return take(peer, tcp, 65'535);
    case Hostility::random_fields:
      // In the end it falls silent, or it could go on like this for hours.
      if (!done() && prng_.chance(0.5)) take(peer, tcp, random_window());
      return;
    case Hostility::count_:
      return;
  }
}

void HostileHost::lie(Peer& peer) {
  --peer.lies;
  ++lies_;
  // Past the edge of the window, so that it cannot be on its way.
  const std::uint32_t ahead = prng_.chance(0.5) ? 2000 : 0x4000'0000;
  Wild lie = next(peer, control::ack);
  lie.ack = peer.edge + 1 + static_cast<std::uint32_t>(prng_.below(ahead));
  send(lie);
}

/// The segment that came is as good as lost, and blocks say that others were not: some that have
/// come and were thrown away, some that have not, and some that are none.
void HostileHost::report(Peer& peer) {
  --peer.lies;
  ++lies_;
  Wild ack = next(peer, control::ack);
  const std::size_t blocks = 1 + prng_.below(4);
  ack.options = {std::byte{1}, std::byte{1}, std::byte{5}, static_cast<std::byte>(2 + 8 * blocks)};
  ack.options.resize(4 + 8 * blocks);
  const auto seen = static_cast<std::uint64_t>(peer.highest - peer.ack) + 1;
  for (std::size_t i = 0; i < blocks; ++i) {
    wire::SeqNum left = peer.ack + static_cast<std::uint32_t>(prng_.below(seen));
    wire::SeqNum right = left + static_cast<std::uint32_t>(prng_.below(5000));
    if (prng_.chance(0.1)) left = wire::SeqNum{prng_.next32()};
    if (prng_.chance(0.1)) right = wire::SeqNum{prng_.next32()};
    wire::store_u32(ack.options.data() + 4 + 8 * i, left.value());
    wire::store_u32(ack.options.data() + 8 + 8 * i, right.value());
  }
  send(ack);
}

void HostileHost::take(Peer& peer, const wire::TcpView& tcp, std::uint16_t window) {
  const wire::SeqNum end = tcp.seq() + static_cast<std::uint32_t>(tcp.text().size());
  const wire::SeqNum to = min(end, peer.edge);
  if (tcp.seq() <= peer.ack && peer.ack < to) {
    const auto from = static_cast<std::uint32_t>(peer.ack - tcp.seq());
    const auto n = static_cast<std::uint32_t>(to - peer.ack);
    const auto offset = static_cast<std::uint32_t>(peer.ack - peer.irs) - 1;
    if (!ledger_.pattern().matches(place_.pattern_stream, offset, tcp.text().subspan(from, n))) {
      ledger_.find(Wrong::wrong_byte, place_.pattern_stream, offset);
    }
    peer.ack += n;
    bytes_ += n;
  }
  if (peer.fin_sent) return send(peer, control::ack, window);
  if ((tcp.control() & control::fin) != 0 && peer.ack == end) {
    peer.ack += 1;
    peer.fin_sent = true;
    send(peer, control::ack | control::fin, window);
    peer.seq += 1;
    return;
  }
  send(peer, control::ack, window);
}

void HostileHost::send(Peer& peer, std::uint8_t bits, std::uint16_t window) {
  peer.edge = peer.ack + window;
  Wild segment = next(peer, bits);
  segment.window = window;
  send(segment);
}

HostileHost::Wild HostileHost::next(const Peer& peer, std::uint8_t bits) const {
  return {.to = peer.remote,
          .source = peer.port,
          .destination = peer.remote_port,
          .seq = peer.seq,
          .ack = peer.ack,
          .control = bits};
}

void HostileHost::send(const Wild& wild, wire::Ipv4Fields ip) {
  std::vector<std::byte> out(wire::TcpFields::size);
  wire::TcpFields fields;
  fields.source_port = wild.source;
  fields.destination_port = wild.destination;
  fields.seq = wild.seq;
  fields.ack = wild.ack;
  fields.control = wild.control;
  fields.options_length = static_cast<std::uint8_t>(wild.options.size());
  fields.window = wild.window;
  fields.urgent_pointer = wild.urgent;
  out.resize(wire::TcpFields::size + wild.options.size());
  fields.write(out);
  std::copy(wild.options.begin(), wild.options.end(), out.begin() + wire::TcpFields::size);
  out.insert(out.end(), wild.text.begin(), wild.text.end());
  ip.protocol = wire::protocol::tcp;
  ip.destination = wild.to.address;
  raw_.send(wild.to.mac, ip, with_sum(std::move(out), place_.own, wild.to.address));
}

std::uint16_t HostileHost::random_window() {
  constexpr std::array<std::uint16_t, 8> windows{0, 1, 100, 536, 1460, 5000, 20'000, 65'535};
  return windows[prng_.below(windows.size())];
}

std::vector<std::byte> HostileHost::random_bytes(std::size_t n) {
  std::vector<std::byte> out(n);
  for (std::byte& byte : out) byte = static_cast<std::byte>(prng_.next());
  return out;
}

}  // namespace pollux::world
