// What it takes to read and to write each header.

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "opaque.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"
#include "wire/udp.h"
#include "wire/vlan.h"

namespace pollux::wire {
namespace {

using bench::opaque;
using Buffer = std::array<std::byte, 128>;

constexpr Ipv4Address source{10, 0, 0, 1};
constexpr Ipv4Address destination{10, 0, 0, 2};
constexpr MacAddress mac{{2, 0, 0, 0, 0, 1}};

const EthernetFields ethernet{mac, mac, ether_type::ipv4};
const VlanFields vlan{.id = 7, .type = ether_type::ipv4};
const ArpFields arp{arp_operation::request, mac, source, mac, destination};
const Ipv4Fields ipv4{
    .total_length = 92, .protocol = protocol::tcp, .source = source, .destination = destination};
const UdpFields udp{.source_port = 4000, .destination_port = 7, .length = 72};
const IcmpFields icmp = IcmpFields::echo_request(1, 2);
const TcpFields tcp{.source_port = 40'000,
                    .destination_port = 80,
                    .seq = SeqNum{1},
                    .ack = SeqNum{2},
                    .control = control::ack,
                    .options_length = 12,
                    .window = 65'535};

template <class Fields>
Buffer written(const Fields& fields) {
  Buffer out{};
  fields.write(out);
  return out;
}

/// `fields.write(to)` of what the optimiser knows nothing of.
template <class Fields>
void write(benchmark::State& state, const Fields& fields, std::size_t size = Fields::size) {
  Buffer buffer{};
  Fields values = fields;
  for (auto _ : state) {
    benchmark::DoNotOptimize(values);
    values.write(std::span{opaque(buffer.data()), size});
    benchmark::ClobberMemory();
  }
}

void ethernet_write(benchmark::State& state) { write(state, ethernet); }
void vlan_write(benchmark::State& state) { write(state, vlan); }
void arp_write(benchmark::State& state) { write(state, arp); }
void ipv4_write(benchmark::State& state) { write(state, ipv4); }
void udp_write(benchmark::State& state) { write(state, udp); }
void icmp_write_64_bytes(benchmark::State& state) { write(state, icmp, 64); }
void tcp_write(benchmark::State& state) { write(state, tcp, TcpFields::size + 12); }
BENCHMARK(ethernet_write);
BENCHMARK(vlan_write);
BENCHMARK(arp_write);
BENCHMARK(ipv4_write);
BENCHMARK(udp_write);
BENCHMARK(icmp_write_64_bytes);
BENCHMARK(tcp_write);

/// `read(bytes)` says something of all that a stage looks at, so that nothing is left out.
template <class Read>
void parse(benchmark::State& state, Buffer buffer, std::size_t size, Read&& read) {
  for (auto _ : state) {
    const std::span<const std::byte> bytes{opaque(buffer.data()), size};
    benchmark::DoNotOptimize(read(bytes));
  }
}

void ethernet_parse(benchmark::State& state) {
  parse(state, written(ethernet), 64, [](std::span<const std::byte> bytes) {
    const auto view = EthernetView::parse(bytes);
    return view ? std::pair{view->destination() == mac, view->type()}
                : std::pair{false, ether_type::arp};
  });
}
void vlan_parse(benchmark::State& state) {
  parse(state, written(vlan), 64, [](std::span<const std::byte> bytes) {
    const auto view = VlanView::parse(bytes);
    return view ? view->id() + view->type() : 0;
  });
}
void arp_parse(benchmark::State& state) {
  parse(state, written(arp), 46, [](std::span<const std::byte> bytes) {
    const auto view = ArpView::parse(bytes);
    return view ? view->operation() + view->sender_protocol().value() +
                      view->target_protocol().value()
                : 0;
  });
}
void ipv4_parse(benchmark::State& state) {
  parse(state, written(ipv4), 92, [](std::span<const std::byte> bytes) {
    Ipv4View view;
    if (Ipv4View::parse(bytes, view) != Drop::none || view.is_fragment()) return std::uint32_t{0};
    return view.source().value() + view.destination().value() + view.protocol();
  });
}
void ipv4_parse_and_check(benchmark::State& state) {
  parse(state, written(ipv4), 92, [](std::span<const std::byte> bytes) {
    Ipv4View view;
    return Ipv4View::parse(bytes, view) == Drop::none && view.checksum_ok();
  });
}
void udp_parse(benchmark::State& state) {
  parse(state, written(udp), 72, [](std::span<const std::byte> bytes) {
    UdpView view;
    if (UdpView::parse(bytes, view) != Drop::none) return std::size_t{0};
    return view.source_port() + view.destination_port() + view.payload().size();
  });
}
void icmp_parse(benchmark::State& state) {
  parse(state, written(icmp), 64, [](std::span<const std::byte> bytes) {
    IcmpView view;
    return IcmpView::parse(bytes, view) == Drop::none && !view.is_error() && view.is_echo();
  });
}
void tcp_parse(benchmark::State& state) {
  parse(state, written(tcp), 72, [](std::span<const std::byte> bytes) {
    TcpView view;
    if (TcpView::parse(bytes, view) != Drop::none) return std::size_t{0};
    return view.source_port() + view.destination_port() + view.seq().value() + view.ack().value() +
           view.control() + view.window() + view.options().size() + view.text().size();
  });
}
BENCHMARK(ethernet_parse);
BENCHMARK(vlan_parse);
BENCHMARK(arp_parse);
BENCHMARK(ipv4_parse);
BENCHMARK(ipv4_parse_and_check);
BENCHMARK(udp_parse);
BENCHMARK(icmp_parse);
BENCHMARK(tcp_parse);

TcpOptions none() { return {}; }
TcpOptions timestamps() { return {.timestamps = Timestamps{1000, 2000}}; }
TcpOptions of_a_syn() {
  return {.mss = std::uint16_t{1460},
          .window_scale = std::uint8_t{7},
          .sack_permitted = true,
          .timestamps = Timestamps{1000, 2000}};
}
TcpOptions three_blocks() {
  TcpOptions out = timestamps();
  out.sack_count = 3;
  out.sack = {{{SeqNum{100}, SeqNum{200}}, {SeqNum{300}, SeqNum{400}}, {SeqNum{500}, SeqNum{600}}}};
  return out;
}

void options_parse(benchmark::State& state, TcpOptions options) {
  Buffer buffer{};
  write_options(options, buffer);
  parse(state, buffer, options_size(options),
        [](std::span<const std::byte> bytes) { return parse_options(bytes); });
}
void options_write(benchmark::State& state, TcpOptions options) {
  Buffer buffer{};
  for (auto _ : state) {
    benchmark::DoNotOptimize(options);
    const std::size_t size = options_size(options);
    benchmark::DoNotOptimize(write_options(options, {opaque(buffer.data()), size}));
  }
}
BENCHMARK_CAPTURE(options_parse, none, none());
BENCHMARK_CAPTURE(options_parse, timestamps, timestamps());
BENCHMARK_CAPTURE(options_parse, of_a_syn, of_a_syn());
BENCHMARK_CAPTURE(options_parse, three_sack_blocks, three_blocks());
BENCHMARK_CAPTURE(options_write, none, none());
BENCHMARK_CAPTURE(options_write, timestamps, timestamps());
BENCHMARK_CAPTURE(options_write, of_a_syn, of_a_syn());
BENCHMARK_CAPTURE(options_write, three_sack_blocks, three_blocks());

}  // namespace
}  // namespace pollux::wire
