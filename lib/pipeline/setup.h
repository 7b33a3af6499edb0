#pragma once

// Making, starting and stopping a Pipeline. Included by pipeline.h alone.

#include "pipeline/pipeline.h"

namespace pollux::pipeline {

/// What a segment takes of a datagram besides its text, and the MTU that the least one needs.
inline constexpr std::uint16_t segment_headers = wire::Ipv4Fields::size + wire::TcpFields::size;
/// What every IPv4 datagram has room for, whatever options its TCP header has.
inline constexpr std::uint32_t most_packet_text =
    65'535 - wire::Ipv4Fields::size - wire::TcpView::max_header_size;
inline constexpr std::uint16_t least_mtu = tcp::min_mss + segment_headers;

template <link::Device D, application::Application A>
Result<std::unique_ptr<Pipeline<D, A>>> Pipeline<D, A>::make(const Config& config, D& device,
                                                             A& application, Instant now) {
  const auto wrong = [](std::string what, std::string why) {
    return Error{Error::Kind::usage, std::move(what), std::move(why), "see --help"};
  };
  if (device.mtu() < least_mtu) {
    return wrong("--mtu " + std::to_string(device.mtu()),
                 "the smallest segment, of " + std::to_string(tcp::min_mss) +
                     " bytes, takes datagrams of " + std::to_string(least_mtu));
  }
  wire::AddressSet own;
  for (const AddressRange& range : config.interface.addresses) {
    if (!own.add(range.prefix, range.count)) {
      return wrong("--address " + range.prefix.to_string(),
                   "not the address of a host in its network, or too many of them");
    }
  }
  if (own.empty()) return wrong("--address", "a stack needs an address of its own");
  internet::RouteTable routes{own};
  for (const Route& route : config.interface.routes) {
    if (!routes.add(route.destination, route.next_hop)) {
      return wrong("--route " + route.destination.to_string(),
                   route.next_hop.to_string() + " cannot be a next hop here");
    }
  }
  auto neighbors = link::NeighborTable::make({.capacity = config.neighbors}, now);
  if (!neighbors) return neighbors.error();
  auto reassembly = internet::Reassembler::make({});
  if (!reassembly) return reassembly.error();
  auto tables = Tables::make(config, now);
  if (!tables) return tables.error();
  return std::unique_ptr<Pipeline>(new Pipeline(config, device, application, now, std::move(own),
                                                std::move(routes), std::move(*neighbors),
                                                std::move(*reassembly), std::move(*tables)));
}

template <link::Device D, application::Application A>
Result<typename Pipeline<D, A>::Tables> Pipeline<D, A>::Tables::make(const Config& config,
                                                                     Instant now) {
  const bool huge = config.huge_pages;
  const std::uint32_t entries = config.connections + config.half_open + config.time_wait;
  auto table = tcp::ConnectionTable::make(entries, huge);
  if (!table) return table.error();
  auto connections = Connections::make(config.connections, huge);
  if (!connections) return connections.error();
  auto half_open = HalfOpens::make(config.half_open, huge);
  if (!half_open) return half_open.error();
  auto time_wait = tcp::TimeWaitQueue::make(config.time_wait, huge);
  if (!time_wait) return time_wait.error();
  auto flights = tcp::FlightPool::make(config.flights, huge);
  if (!flights) return flights.error();
  auto send_pieces = SendPieces::make(config.send_pieces, huge);
  if (!send_pieces) return send_pieces.error();
  auto receive_pieces = ReceivePieces::make(config.receive_pieces, huge);
  if (!receive_pieces) return receive_pieces.error();
  auto wheel = TimerWheel::make(config.connections, now, huge);
  if (!wheel) return wheel.error();
  auto half_open_wheel = TimerWheel::make(config.half_open, now, huge);
  if (!half_open_wheel) return half_open_wheel.error();
  auto app_timers = Slab<AppTimer>::make(config.app_timers, huge);
  if (!app_timers) return app_timers.error();
  auto app_timers_wheel = TimerWheel::make(config.app_timers, now, huge);
  if (!app_timers_wheel) return app_timers_wheel.error();
  return Tables{
      std::move(*table),          std::move(*connections),     std::move(*half_open),
      std::move(*time_wait),      std::move(*flights),         std::move(*send_pieces),
      std::move(*receive_pieces), std::move(*wheel),           std::move(*half_open_wheel),
      std::move(*app_timers),     std::move(*app_timers_wheel)};
}

/// What the device decides: the MSS is what its MTU leaves, be it less or more than the usual one,
/// and it may cut packets that are longer.
template <link::Device D, application::Application A>
Config Pipeline<D, A>::checked(Config config, const D& device) noexcept {
  config.tcp.mss = static_cast<std::uint16_t>(device.mtu() - segment_headers);
  config.tcp.packet_text = std::min(device.capabilities().transmit_tcp_text, most_packet_text);
  if (config.orphans == 0) config.orphans = std::max(config.connections / 2, 1u);
  return config;
}

template <link::Device D, application::Application A>
SipKey Pipeline<D, A>::fast_open_key(std::uint64_t seed) noexcept {
  Prng random{~seed};  // none of the keys that come from the other seed, which may be the same
  return {random.next(), random.next()};
}

template <link::Device D, application::Application A>
Pipeline<D, A>::Pipeline(const Config& config, D& device, A& application, Instant now,
                         wire::AddressSet own, internet::RouteTable routes,
                         link::NeighborTable neighbors, internet::Reassembler reassembly,
                         Tables tables)
    : config_(checked(config, device)),
      device_(device),
      application_(application),
      now_(now),
      random_(config.seed),
      table_key_(tcp::TupleKey::derived({random_.next(), random_.next()})),
      isn_key_{random_.next(), random_.next()},
      first_syn_port_(random_.next32() % tcp::EphemeralPorts::count),
      own_mac_(wire::word_of(device.mac())),
      addresses_(std::move(own)),
      transmit_(device, counters_, std::move(neighbors), std::move(routes), config.neighbors,
                config.interface.vlan, static_cast<std::uint16_t>(random_.next()), path_mtu_),
      announcer_(now),
      reassembly_(std::move(reassembly)),
      path_mtu_(device.mtu()),
      table_(std::move(tables.table)),
      connections_(std::move(tables.connections)),
      half_open_(std::move(tables.half_open)),
      time_wait_(std::move(tables.time_wait)),
      flights_(std::move(tables.flights)),
      send_pieces_(std::move(tables.send_pieces)),
      receive_pieces_(std::move(tables.receive_pieces)),
      wheel_(std::move(tables.wheel)),
      half_open_wheel_(std::move(tables.half_open_wheel)),
      ports_(SipKey{random_.next(), random_.next()}),
      sources_(addresses_),
      cookies_(SipKey{random_.next(), random_.next()}),
      fast_open_cookies_(fast_open_key(config.cookie_seed.value_or(config.seed))),
      fast_open_cache_(SipKey{random_.next(), random_.next()}),
      fast_open_backlog_(config.tcp.fast_opens_pending),
      app_timers_(std::move(tables.app_timers)),
      app_timers_wheel_(std::move(tables.app_timers_wheel)) {
  if constexpr (link::Relinked<D>) links_ = device.links();
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::start(Instant now) noexcept {
  now_ = now;
  if constexpr (requires { application_.on_start(*this); }) application_.on_start(*this);
  expire();
  tcp_out();
  transmit_.flush();
}

template <link::Device D, application::Application A>
std::optional<Instant> Pipeline<D, A>::next_event() const noexcept {
  std::optional<Instant> earliest;
  const auto consider = [&earliest](std::optional<Instant> when) {
    if (when && (!earliest || *when < *earliest)) earliest = when;
  };
  // What found no room is tried again soon; in real time, in the next poll.
  if (ready_head_ != none || !transmit_.empty()) consider(now_ + 1ms);
  consider(wheel_.next_deadline());
  consider(half_open_wheel_.next_deadline());
  consider(young_.next_deadline(now_));
  consider(app_timers_wheel_.next_deadline());
  consider(time_wait_.next_deadline(now_));
  consider(transmit_.neighbors().next_deadline());
  consider(announcer_.next_deadline());
  consider(reassembly_.next_deadline());
  return earliest;
}

template <link::Device D, application::Application A>
void Pipeline<D, A>::stop(Instant now) noexcept {
  now_ = now;
  stopped_ = true;
  for (std::uint32_t index = 0; index < connections_.high_water(); ++index) {
    if (connections_.live(index)) abort(connections_[index]);
  }
  application_in();
  tcp_out();
  // What the device has no room for any more.
  ready_head_ = ready_tail_ = none;
  for (std::uint32_t index = 0; index < connections_.high_water(); ++index) {
    if (connections_.live(index)) release(connections_[index]);
  }
  reserved_ = {};
  transmit_.flush();
  transmit_.stop();
  counters_.count(Drop::fragment_shutdown, reassembly_.flush());
}

template <link::Device D, application::Application A>
auto Pipeline<D, A>::stream(application::StreamId id) noexcept -> std::optional<Stream> {
  Connection* c = connections_.find({id.index, id.generation});
  if (c == nullptr || c->finished) return std::nullopt;
  return Stream{*this, *c};
}

template <link::Device D, application::Application A>
auto Pipeline<D, A>::stream_at(std::uint32_t place) noexcept -> std::optional<Stream> {
  if (!connections_.live(place) || connections_[place].finished) return std::nullopt;
  return Stream{*this, connections_[place]};
}

template <link::Device D, application::Application A>
bool Pipeline<D, A>::after(Duration delay, std::uint64_t token) noexcept {
  return set_timer(delay, {.token = token});
}

template <link::Device D, application::Application A>
bool Pipeline<D, A>::set_timer(Duration delay, const AppTimer& timer) noexcept {
  const std::uint32_t index = app_timers_.acquire(timer);
  if (index == Slab<AppTimer>::none) return false;
  app_timers_wheel_.arm(index, now_ + delay);
  return true;
}

}  // namespace pollux::pipeline
