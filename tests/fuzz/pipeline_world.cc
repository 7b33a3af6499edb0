// The whole pipeline under a program of segments, calls of its application, and time. Segments are
// made from what the stack has said, so that most of them are near what it expects.
//
// After every event the pipeline itself asserts the promises of invariants.h. Beside them: no byte
// that either side reads is another than was sent, callbacks come in their order, each frame is
// delivered, dropped or held, time gets on, and in the end everything that was lent is given back.

#include <array>
#include <vector>

#include "input.h"
#include "internet/icmp.h"
#include "stack.h"
#include "wire/icmp.h"
#include "wire/tcp_options.h"
#include "wire/udp.h"
#include "world_app.h"
#include "world_peer.h"

namespace pollux::fuzz {
namespace {

using World = Stack<ProgramApp, Peer>;
using Call = ProgramApp::Call;

pipeline::Config config_of(std::uint8_t first, std::uint8_t second, std::uint8_t third) {
  pipeline::Config config = small_config();
  tcp::Config& tcp = config.tcp;
  tcp.timestamps = (first & 1) != 0;
  tcp.sack = (first & 2) != 0;
  tcp.offer_window_scale = (first & 4) != 0;
  if ((first & 8) != 0) tcp.delayed_ack = 0ms;
  constexpr std::array<std::uint32_t, 4> buffers = {256 * 1024, 65'535, 4'096, 1'000'000};
  tcp.receive_buffer = buffers[first >> 4 & 3];
  tcp.send_buffer = buffers[first >> 6 & 3];
  tcp.window_scale = static_cast<std::uint8_t>(second % 15);
  tcp.data_retries = 6;
  if ((third & 8) != 0) tcp.congestion = tcp::Congestion::reno;
  constexpr std::array ecn = {tcp::Ecn::accept, tcp::Ecn::on, tcp::Ecn::off, tcp::Ecn::on};
  tcp.ecn = ecn[third >> 4 & 3];
  using tcp::SynCookieUse;
  constexpr std::array cookies = {SynCookieUse::automatic, SynCookieUse::always,
                                  SynCookieUse::never, SynCookieUse::automatic};
  tcp.syn_cookies = cookies[third >> 6];
  tcp.fast_open = second >= 225;
  tcp.fast_opens_pending = 2;
  return config;
}

/// What TCP options a segment has, by one byte: mostly those of a sound peer.
std::vector<std::byte> options_of(std::uint8_t which, const Talk& talk, Instant now, bool syn,
                                  Input& in) {
  if (which == 0xFF) {
    const auto raw = in.take(4 * std::size_t{in.below(11)});
    std::vector<std::byte> out{raw.begin(), raw.end()};
    out.resize((out.size() + 3) / 4 * 4);
    return out;
  }
  wire::TcpOptions options;
  if ((which & 1) != 0) {
    const auto clock = Millis32{now}.raw();
    constexpr std::array<std::uint32_t, 4> shifts = {0, 0, 0xFFFF'0000, 0x4000'0000};
    options.timestamps = wire::Timestamps{clock + shifts[which >> 1 & 3], talk.timestamp};
  }
  if (syn) {
    constexpr std::array<std::uint16_t, 4> sizes = {1460, 536, 9, 65'535};
    if ((which & 8) != 0) options.mss = sizes[which >> 6];
    if ((which & 16) != 0) options.window_scale = static_cast<std::uint8_t>(in.below(15));
    options.sack_permitted = (which & 32) != 0;
    if ((which & 3) == 2) {
      options.set_fast_open((which & 4) != 0 ? talk.cookie : wire::FastOpenCookie{});
    }
  } else {
    options.sack_count = static_cast<std::uint8_t>(which >> 3 & 3);
    for (std::size_t i = 0; i < options.sack_count; ++i) {
      const SeqNum left = talk.stack_nxt - 100 * std::uint32_t{in.u8()};
      options.sack[i] = {left, left + 100 * std::uint32_t{in.u8()}};
    }
  }
  std::vector<std::byte> out(wire::options_size(options));
  wire::write_options(options, out);
  return out;
}

/// A distance from where a number is expected.
std::uint32_t distance(Input& in) {
  const std::uint8_t which = in.u8();
  switch (which % 8) {
    case 0:
    case 1:
    case 2:
      return 0;
    case 3:
      return which / 8;
    case 4:
      return 0u - which / 8;
    case 5:
      return 100u * (which / 8);
    case 6:
      return 0u - 100u * (which / 8);
    default:
      return which < 128 ? 1460u * in.u8() : in.u32();
  }
}

/// Delivers a segment, whole or in fragments; its checksum broken, or marked by the network, when
/// told to.
void deliver(World& world, std::vector<std::byte> segment, std::uint8_t how) {
  constexpr std::array<std::uint8_t, 4> ecn = {0, 2, 3, 0};
  const std::uint8_t tos = ecn[how & 3];
  if ((how & 3) == 3) segment[wire::TcpView::checksum_offset] ^= std::byte{0x55};
  if ((how & 12) != 12 || segment.size() <= 32) {
    return world.deliver(Peer::frame(wire::protocol::tcp, segment, tos));
  }
  const std::size_t cut = 24;
  const std::span<const std::byte> bytes{segment};
  world.deliver(Peer::frame(wire::protocol::tcp, bytes.first(cut), tos, 0, true));
  world.deliver(Peer::frame(wire::protocol::tcp, bytes.subspan(cut), tos, cut));
}

std::uint16_t window_of(std::uint8_t which) {
  return which < 128 ? 65'535 : static_cast<std::uint16_t>((which - 128) * (which - 128));
}

/// Any segment: bits, numbers, options, window and text by a byte or two each.
void any_segment(World& world, Peer& peer, Input& in) {
  const std::uint8_t how = in.u8();
  Talk& talk = peer.talk(how >> 4);
  const std::uint8_t bits = in.u8();
  const bool syn = (bits & control::syn) != 0;
  SeqNum seq;
  if (syn) {
    // The stream's bytes follow from its numbers: a SYN's low half is fixed.
    const std::uint8_t jump = in.u8();
    if (jump % 4 != 0) talk.iss += std::uint32_t{jump} << 24 | std::uint32_t{jump / 4u} << 16;
    seq = talk.iss;
  } else {
    const SeqNum base = (how & 64) != 0 ? talk.expected : talk.nxt;
    const SeqNum edge = talk.expected + talk.expected_window;
    seq = ((how & 128) != 0 ? edge : base) + distance(in);
  }
  const SeqNum ack = talk.stack_nxt + distance(in);
  const std::uint16_t window = window_of(in.u8());
  const std::uint8_t size = in.u8();
  const std::size_t text = size < 64 ? 0 : size < 192 ? size - 63u : (size - 191u) * 22;
  const auto options = options_of(in.u8(), talk, world.now(), syn, in);
  const auto room = std::size_t{1460} - options.size();
  const std::size_t sent = std::min(text, room);
  deliver(world, Peer::segment(talk, seq, ack, bits, window, sent, options), how);
  if (syn) {
    talk.nxt = seq + 1 + static_cast<std::uint32_t>(sent);
  } else if (seq == talk.nxt) {
    talk.nxt = seq + static_cast<std::uint32_t>(sent);
  }
}

/// The segment that a sound peer sends: all that has come is acknowledged.
void sound_segment(World& world, Peer& peer, Input& in) {
  const std::uint8_t what = in.u8();
  Talk& talk = peer.talk(what & 7);
  const std::uint8_t more = in.u8();
  const std::size_t text = (what & 8) != 0 ? std::size_t{more} * 5 : 0;
  std::uint8_t bits = control::ack;
  if ((what & 16) != 0) bits |= control::fin;
  if ((what & 32) != 0) bits |= control::psh;
  const bool stamped = (what & 64) != 0;
  const auto options = options_of(stamped ? 1 : 0, talk, world.now(), false, in);
  const std::uint16_t window = (what & 128) != 0 ? window_of(more) : 65'535;
  deliver(world, Peer::segment(talk, talk.nxt, talk.stack_nxt, bits, window, text, options), 0);
  talk.nxt += static_cast<std::uint32_t>(text);
}

/// A whole handshake, the peer's side of it: of an open by either.
void handshake(World& world, Peer& peer, Input& in) {
  const std::uint8_t what = in.u8();
  Talk& talk = peer.talk(what & 7);
  const std::uint8_t which = in.u8();
  const bool active = (what & 7) % Peer::talks >= Peer::active;
  if ((what & 8) != 0) talk.iss += 0x0123'0000;
  const auto options = options_of(which == 0xFF ? 0 : which, talk, world.now(), true, in);
  const std::uint8_t bits = active ? control::syn | control::ack : control::syn;
  deliver(world, Peer::segment(talk, talk.iss, talk.stack_nxt, bits, 65'535, 0, options), 0);
  talk.nxt = talk.iss + 1;
  world.poll();
  if (active) return;
  const auto more = options_of(which & 1, talk, world.now(), false, in);
  deliver(world, Peer::segment(talk, talk.nxt, talk.stack_nxt, control::ack, 65'535, 0, more), 0);
}

/// An ICMP error about the last datagram heard.
void icmp_error(World& world, Peer& peer, Input& in) {
  const std::uint8_t what = in.u8();
  const Talk& talk = peer.talk(what & 7);
  wire::Ipv4View about;
  if (wire::Ipv4View::parse(talk.datagram, about) != Drop::none) return;
  wire::IcmpFields error = wire::IcmpFields::unreachable(what >> 3 & 15);
  if (what >= 128) error = wire::IcmpFields::unreachable(4, in.u16());
  std::vector<std::byte> message(internet::icmp_error_size(about));
  internet::write_icmp_error(error, about, message);
  world.deliver(Peer::frame(wire::protocol::icmp, message));
}

void call(ProgramApp& app, Input& in) {
  const std::uint8_t what = in.u8();
  Call made;
  made.kind = static_cast<Call::Kind>(what & 7);
  made.which = what >> 3 & 7;
  const std::uint16_t amount = in.u8();
  made.amount = (what & 64) != 0 ? static_cast<std::uint16_t>(amount * 200) : amount;
  app.call(made);
}

/// The machine gets worse, or better again.
void trouble(World& world, Peer& peer, ProgramApp& app, Input& in) {
  const std::uint8_t what = in.u8();
  sim::DeviceOptions& device = world.device().options();
  peer.loses = peer.loses || (what % 8 >= 1 && what % 8 <= 5);
  switch (what % 8) {
    case 0:
      world.mend_device();
      break;
    case 1:
      device.transmit_room = what / 8 % 4;
      break;
    case 2:
      device.frames = world.device().frames_held() + what / 8 % 4;
      break;
    case 3:
      device.allocate_failure = (what & 8) != 0 ? 0.5 : 1;
      break;
    case 4:
      peer.present = (what & 8) != 0;
      break;
    case 5:
      world.device().relink();
      break;
    case 6:
      app.reads = (what & 8) != 0;
      app.closes = (what & 16) != 0;
      app.writes = (what & 32) != 0;
      break;
    case 7:
      world.deliver(Peer::arp(static_cast<std::uint16_t>(1 + what / 8 % 2)));
      break;
  }
}

void wait(World& world, std::uint8_t how) {
  constexpr std::array<Duration, 12> times = {0ms, 1ms, 1ms, 10ms, 40ms, 200ms,
                                              1s,  3s,  10s, 60s,  600s, 3h};
  if (how % 16 < times.size()) {
    world.run_for(times[how % 16]);
  } else {
    world.run_to_next_event();
  }
}

void step(World& world, Peer& peer, ProgramApp& app, Input& in) {
  const std::uint8_t what = in.u8();
  switch (what % 8) {
    case 0:
      any_segment(world, peer, in);
      break;
    case 1:
    case 2:
      sound_segment(world, peer, in);
      break;
    case 3:
      handshake(world, peer, in);
      break;
    case 4:
      call(app, in);
      break;
    case 5:
      return wait(world, what / 8);
    case 6:
      trouble(world, peer, app, in);
      break;
    case 7:
      icmp_error(world, peer, in);
      break;
  }
  // Several frames may come in one burst.
  if (what < 192) world.poll();
}

void run(Input in) {
  const std::uint8_t first = in.u8();
  const std::uint8_t second = in.u8();
  const std::uint8_t end = in.u8();
  const pipeline::Config config = config_of(first, second, end);
  // At one of the two the milliseconds of 32 bits go round soon.
  const Instant start{(end & 4) != 0 ? 4'294'900s : 1h};
  ProgramApp app{peer_address};
  Peer peer;
  World world{config, app, peer, start};
  const auto answer = [&] {
    while (!peer.answers.empty()) {
      std::vector<std::vector<std::byte>> answers;
      answers.swap(peer.answers);
      for (const auto& frame : answers) world.deliver(frame);
      world.poll();
    }
  };
  world.deliver(Peer::arp(wire::arp_operation::request));
  world.poll();
  while (!in.empty()) {
    step(world, peer, app, in);
    answer();
  }
  if ((end & 1) != 0) return world.stop();
  app.wind_up((end & 2) != 0);
  world.mend_device();
  world.poll();
  world.die_down();
  POLLUX_REQUIRE(app.live() == 0);
}

}  // namespace
}  // namespace pollux::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pollux::fuzz::run({data, size});
  return 0;
}
