#include "sim/world.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace pollux::sim {
namespace {

std::uint64_t stir(std::uint64_t hash, std::uint64_t value) {
  hash ^= value;
  hash *= 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 29);
}

std::uint64_t stir(std::uint64_t hash, std::span<const std::byte> bytes) {
  hash = stir(hash, bytes.size());
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t n = std::min(bytes.size(), sizeof word);
    std::memcpy(&word, bytes.data(), n);
    hash = stir(hash, word);
    bytes = bytes.subspan(n);
  }
  return hash;
}

/// How much later a device has room again for a host that it refused.
constexpr Duration retry_refused = 10us;

void earlier(std::optional<Instant>& best, std::optional<Instant> other) {
  if (other && (!best || *other < *best)) best = other;
}

}  // namespace

std::optional<Instant> World::HostEntry::due() const noexcept {
  std::optional<Instant> at = wake;
  earlier(at, event);
  if (at) at = std::max(*at, paused_until);
  return at;
}

World::World(std::uint64_t seed, WorldOptions options)
    : options_(options), prng_(seed), frames_(options.frames, options.frame_room) {}

Device& World::add_device(DeviceOptions options) {
  Device& device = devices_.emplace_back(frames_, std::move(options), prng_.next());
  ports_.push_back({.device = &device, .egress = nullptr, .host = {}, .interface = 0});
  return device;
}

Switch& World::add_switch(std::size_t stations) { return switches_.emplace_back(stations); }

Link& World::add_link(const LinkOptions& options) {
  return links_.emplace_back(options, prng_.next());
}

Cable World::connect(Device& a, Device& b, const LinkOptions& there, const LinkOptions& back) {
  Cable cable{add_link(there), add_link(back)};
  ports_[port_of(a)].egress = &cable.there;
  ports_[port_of(b)].egress = &cable.back;
  wires_.push_back({&cable.there, nullptr, port_of(b)});
  wires_.push_back({&cable.back, nullptr, port_of(a)});
  return cable;
}

Cable World::connect(Device& a, Switch& to, const LinkOptions& there, const LinkOptions& back) {
  Cable cable{add_link(there), add_link(back)};
  ports_[port_of(a)].egress = &cable.there;
  wires_.push_back({&cable.there, &to, to.add_port(cable.back)});
  wires_.push_back({&cable.back, nullptr, port_of(a)});
  return cable;
}

void World::add(HostEntry entry, std::initializer_list<Device*> devices) {
  for (const Device* device : devices) {
    const std::size_t port = port_of(*device);
    entry.devices.push_back(port);
    ports_[port].host = hosts_.size();
  }
  hosts_.push_back(std::move(entry));
}

void World::pause_host(const void* host, Duration time) {
  const auto at = std::find_if(hosts_.begin(), hosts_.end(),
                               [&](const HostEntry& entry) { return entry.host == host; });
  POLLUX_ASSERT(at != hosts_.end());
  at->paused_until = std::max(at->paused_until, now_ + time);
}

std::size_t World::port_of(const Device& device) const noexcept {
  const auto at = std::find_if(ports_.begin(), ports_.end(),
                               [&](const Port& port) { return port.device == &device; });
  POLLUX_ASSERT(at != ports_.end());
  return static_cast<std::size_t>(at - ports_.begin());
}

std::size_t World::frames_under_way() const noexcept {
  std::size_t n = 0;
  for (const Link& link : links_) n += link.in_flight();
  for (const Port& port : ports_) n += port.device->waiting();
  return n;
}

void World::wake_all() {
  for (HostEntry& host : hosts_) host.wake = now_;
}

std::optional<Instant> World::next() const noexcept {
  std::optional<Instant> best;
  for (const Link& link : links_) earlier(best, link.next_arrival());
  for (const HostEntry& host : hosts_) earlier(best, host.due());
  return best;
}

Status World::run_until(Instant when) {
  wake_all();
  for (std::optional<Instant> at = next(); at && *at <= when; at = next()) {
    if (Status done = step(); !done) return done;
  }
  if (when > now_) {
    now_ = when;
    steps_here_ = 0;
  }
  return std::monostate{};
}

Result<bool> World::run_until_idle(Instant limit) {
  wake_all();
  std::optional<Instant> at = next();
  for (; at && *at <= limit; at = next()) {
    if (Status done = step(); !done) return done.error();
  }
  return !at.has_value();
}

Status World::step() {
  const Instant at = std::max(*next(), now_);
  steps_here_ = at == now_ ? steps_here_ + 1 : 0;
  if (steps_here_ > options_.steps_without_time) return livelock();
  now_ = at;
  ++steps_;
  for (Wire& wire : wires_) arrive(wire);
  for (HostEntry& host : hosts_) {
    if (host.due() && *host.due() <= now_) poll(host);
  }
  if (capture_error_) return *std::exchange(capture_error_, std::nullopt);
  return std::monostate{};
}

void World::arrive(Wire& wire) {
  while (Frame frame = wire.link->take_arrival(now_)) {
    if (wire.to_switch != nullptr) {
      wire.to_switch->forward(std::move(frame), wire.to_port, now_);
      continue;
    }
    Port& port = ports_[wire.to_port];
    record(port, frame, Direction::inbound);
    port.device->deliver(std::move(frame));
    if (!port.host) continue;
    HostEntry& host = hosts_[*port.host];
    if (host.wake) continue;
    const auto most = static_cast<std::uint64_t>(host.options.wake_delay.count());
    host.wake = now_ + Duration{static_cast<Duration::rep>(most == 0 ? 0 : prng_.below(most + 1))};
  }
}

void World::poll(HostEntry& host) {
  ++polls_;
  host.wake = std::nullopt;
  host.poll(host.host, now_);
  for (const std::size_t port : host.devices) {
    fetch(ports_[port]);
    Device& device = *ports_[port].device;
    // A real core polls all the time, so it comes back to a card that took less than it was given,
    // and to what was more than a burst.
    if (device.take_refusal()) host.wake = now_ + retry_refused;
    if (device.has_received()) host.wake = now_;
  }
  host.event = host.next_event(host.host);
}

void World::fetch(Port& port) {
  for (Frame& frame : port.device->sent()) {
    record(port, frame, Direction::outbound);
    if (port.egress != nullptr) {
      port.egress->send(std::move(frame), now_);
    } else {
      frame = Frame{};
    }
  }
  port.device->sent().clear();
}

Status World::capture(PcapWriter* writer) {
  writer_ = nullptr;
  if (writer == nullptr) return std::monostate{};
  for (Port& port : ports_) {
    Result<std::uint32_t> interface = writer->add_interface(port.device->options().name);
    if (!interface) return interface.error();
    port.interface = *interface;
  }
  writer_ = writer;
  return std::monostate{};
}

void World::record(const Port& port, const Frame& frame, Direction direction) {
  if (options_.trace) {
    trace_ = stir(trace_, static_cast<std::uint64_t>(now_.time_since_epoch().count()));
    trace_ = stir(trace_, static_cast<std::uint64_t>(&port - ports_.data()) * 4 +
                              static_cast<std::uint64_t>(direction));
    trace_ = stir(trace_, frame.bytes());
  }
  if (writer_ == nullptr) return;
  Status written = writer_->write(port.interface, now_, frame.bytes(), direction);
  if (!written) {
    capture_error_ = written.error();
    writer_ = nullptr;
  }
}

Error World::livelock() const {
  std::string busy;
  for (const HostEntry& host : hosts_) {
    if (!host.due() || *host.due() > now_) continue;
    busy += busy.empty() ? "host " : ", host ";
    busy +=
        host.options.name + (host.event && *host.event <= now_ ? " (its own event)" : " (frames)");
  }
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (links_[i].next_arrival() && *links_[i].next_arrival() <= now_) {
      busy += (busy.empty() ? "link " : ", link ") + std::to_string(i);
    }
  }
  return Error{Error::Kind::machine,
               "the world stands still at " + std::to_string(now_.time_since_epoch().count()) +
                   " ns after " + std::to_string(steps_here_) + " steps",
               "still due: " + (busy.empty() ? "nothing" : busy),
               "a capture of the last frames; next_event() must be later than the poll"};
}

}  // namespace pollux::sim
