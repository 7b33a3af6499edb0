// Sends hostile frames out of an interface, so many a second and for so long:
//   flood INTERFACE KIND --to A:PORT --mac M --from PREFIX [--rate N] [--seconds S] [--seed N]
// KIND: syn, ack, rst, fin (segments of random ports and numbers), land (a SYN from the target's
// own address and port), tiny (SYNs in fragments of 8 bytes, every other one without its end),
// overlap (fragments of few datagrams that overlap each other with different bytes, in any order).
// Sources are random addresses of PREFIX. Prints how many frames were sent, as JSON.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "base/prng.h"
#include "packet_socket.h"
#include "wire/address.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

namespace {

using pollux::Prng;
namespace wire = pollux::wire;

struct Options {
  std::string kind;
  wire::Ipv4Address to;
  std::uint16_t port = 0;
  wire::MacAddress mac;
  wire::Ipv4Prefix from;
  std::uint64_t rate = 20'000;
  double seconds = 1;
  std::uint64_t seed = 1;
};

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  if (argc < 3 || argc % 2 == 0) return std::nullopt;
  options.kind = argv[2];
  for (int i = 3; i < argc; i += 2) {
    const std::string_view option{argv[i]};
    const std::string_view value{argv[i + 1]};
    if (option == "--to") {
      const std::size_t colon = value.find(':');
      const auto address = wire::Ipv4Address::parse(value.substr(0, colon));
      if (!address || colon == value.npos) return std::nullopt;
      options.to = *address;
      options.port = static_cast<std::uint16_t>(std::atoi(argv[i + 1] + colon + 1));
    } else if (option == "--mac") {
      const auto mac = wire::MacAddress::parse(value);
      if (!mac) return std::nullopt;
      options.mac = *mac;
    } else if (option == "--from") {
      const auto prefix = wire::Ipv4Prefix::parse(value);
      if (!prefix) return std::nullopt;
      options.from = *prefix;
    } else if (option == "--rate") {
      options.rate = std::strtoull(argv[i + 1], nullptr, 10);
    } else if (option == "--seconds") {
      options.seconds = std::strtod(argv[i + 1], nullptr);
    } else if (option == "--seed") {
      options.seed = std::strtoull(argv[i + 1], nullptr, 10);
    } else {
      return std::nullopt;
    }
  }
  return options;
}

class Flood {
 public:
  Flood(const Options& options, const pollux::interop::PacketSocket& socket)
      : options_(options), socket_(socket), prng_(options.seed) {}

  /// Sends the next frames of that kind; false when there is no such kind.
  bool step() {
    const std::string& kind = options_.kind;
    if (kind == "syn") {
      segment(wire::control::syn);
    } else if (kind == "ack") {
      segment(wire::control::ack);
    } else if (kind == "rst") {
      segment(wire::control::rst);
    } else if (kind == "fin") {
      segment(wire::control::fin | wire::control::ack);
    } else if (kind == "land") {
      write_segment(wire::control::syn, options_.to, options_.port);
      send_datagram(options_.to, {});
    } else if (kind == "tiny") {
      tiny();
    } else if (kind == "overlap") {
      overlap();
    } else {
      return false;
    }
    return true;
  }
  std::uint64_t sent() const noexcept { return sent_; }
  std::uint64_t refused() const noexcept { return refused_; }

 private:
  struct Fragment {
    std::uint16_t identification = 0;
    std::uint16_t offset_bytes = 0;
    std::uint16_t from = 0;  // of payload_
    std::uint16_t size = 20;
    bool more = false;
  };
  static constexpr std::size_t payload_at = wire::EthernetFields::size + wire::Ipv4Fields::size;
  static constexpr wire::MacAddress own_mac{{2, 0, 0, 0, 0xF1, 0x0D}};

  std::byte* payload() noexcept { return frame_.data() + payload_at; }

  wire::Ipv4Address source() noexcept {
    const std::uint32_t host = prng_.next32() & ~options_.from.mask();
    return wire::Ipv4Address{options_.from.network().value() | host};
  }
  /// A port that kernels give to their clients.
  std::uint16_t client_port() noexcept {
    return static_cast<std::uint16_t>(32'768 + prng_.below(28'232));
  }

  void write_segment(std::uint8_t control, wire::Ipv4Address from, std::uint16_t from_port) {
    const wire::TcpFields fields{.source_port = from_port,
                                 .destination_port = options_.port,
                                 .seq = wire::SeqNum{prng_.next32()},
                                 .ack = wire::SeqNum{prng_.next32()},
                                 .control = control,
                                 .window = 65'535};
    wire::Sum sum = wire::pseudo_header(from, options_.to, wire::protocol::tcp, fields.size);
    sum.add(fields.write({payload(), fields.size}));
    wire::store_u16(payload() + wire::TcpView::checksum_offset, wire::fold(sum));
  }

  void segment(std::uint8_t control) {
    const wire::Ipv4Address from = source();
    write_segment(control, from, client_port());
    send_datagram(from, {});
  }

  void tiny() {
    const wire::Ipv4Address from = source();
    write_segment(wire::control::syn, from, client_port());
    std::array<std::byte, 20> segment;
    std::memcpy(segment.data(), payload(), segment.size());
    const auto id = static_cast<std::uint16_t>(prng_.next());
    const std::uint16_t pieces = prng_.chance(0.5) ? 3 : 2;
    for (std::uint16_t i = 0; i < pieces; ++i) {
      const auto at = static_cast<std::uint16_t>(8 * i);
      const auto size = static_cast<std::uint16_t>(i == 2 ? 4 : 8);
      std::memcpy(payload(), segment.data() + at, size);
      send_datagram(from, {id, at, 0, size, i != 2});
    }
  }

  void overlap() {
    for (std::size_t i = 0; i < 64; ++i) payload()[i] = static_cast<std::byte>(prng_.next());
    const auto id = static_cast<std::uint16_t>(prng_.below(16));
    const auto at = static_cast<std::uint16_t>(8 * (prng_.chance(0.02) ? 8185 : prng_.below(8)));
    const auto size = static_cast<std::uint16_t>(8 * (1 + prng_.below(8)));
    send_datagram(source(), {id, at, 0, size, prng_.chance(0.9)});
  }

  /// What payload() holds, as a whole datagram or as that part of one.
  void send_datagram(wire::Ipv4Address from, const Fragment& part) {
    wire::EthernetFields{options_.mac, own_mac, wire::ether_type::ipv4}.write(frame_);
    const wire::Ipv4Fields ip{
        .total_length = static_cast<std::uint16_t>(wire::Ipv4Fields::size + part.size),
        .identification = part.identification,
        .more_fragments = part.more,
        .fragment_offset_bytes = part.offset_bytes,
        .protocol = wire::protocol::tcp,
        .source = from,
        .destination = options_.to};
    ip.write(std::span{frame_}.subspan(wire::EthernetFields::size));
    ++(socket_.send(std::span{frame_}.first(payload_at + part.size)) ? sent_ : refused_);
  }

  const Options& options_;
  const pollux::interop::PacketSocket& socket_;
  Prng prng_;
  std::array<std::byte, 256> frame_{};
  std::uint64_t sent_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Options> options = parse(argc, argv);
  if (!options) {
    std::fprintf(stderr, "error: arguments: not those that the head of flood.cc names\n");
    return 2;
  }
  using pollux::interop::PacketSocket;
  const auto socket = PacketSocket::open(argv[1], PacketSocket::Use::send);
  if (!socket) return 3;
  Flood flood{*options, *socket};
  // In portions of a millisecond, by the clock: what was missed in a pause is not made up for at
  // once, which would be another test.
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>{options->seconds});
  auto next = Clock::now();
  while (Clock::now() < end) {
    for (std::uint64_t i = 0; i < (options->rate + 999) / 1000; ++i) {
      if (!flood.step()) {
        std::fprintf(stderr, "error: %s: no such kind\n", options->kind.c_str());
        return 2;
      }
    }
    next =
        std::max(next + std::chrono::milliseconds{1}, Clock::now() - std::chrono::milliseconds{5});
    std::this_thread::sleep_until(next);
  }
  std::printf("{\"sent\": %llu, \"refused\": %llu}\n",
              static_cast<unsigned long long>(flood.sent()),
              static_cast<unsigned long long>(flood.refused()));
  return 0;
}
