#include "dpdk/steering.h"

#include <rte_errno.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/vlan.h"

namespace pollux::dpdk {
namespace {

/// Frames that wait for a core. It may be away for as long as a card's own ring would bear.
constexpr unsigned ring_entries = 4'096;

/// An IPv4 datagram at the front of what an Ethernet frame carries, with or without a tag.
bool find_ipv4(std::span<const std::byte> frame, wire::Ipv4View& out) noexcept {
  const auto ethernet = wire::EthernetView::parse(frame);
  if (!ethernet) return false;
  std::uint16_t type = ethernet->type();
  auto payload = ethernet->payload();
  if (type == wire::ether_type::vlan) {
    const auto tag = wire::VlanView::parse(payload);
    if (!tag) return false;
    type = tag->type();
    payload = tag->payload();
  }
  return type == wire::ether_type::ipv4 && wire::Ipv4View::parse(payload, out) == Drop::none;
}

bool has_ports(const wire::Ipv4View& ip) noexcept {
  const std::uint8_t protocol = ip.protocol();
  return !ip.is_fragment() && ip.payload().size() >= 4 &&
         (protocol == wire::protocol::tcp || protocol == wire::protocol::udp);
}

/// Whether it is the first of its flow that we see.
bool begins_flow(std::span<const std::byte> frame) noexcept {
  wire::Ipv4View ip;
  if (!find_ipv4(frame, ip) || !has_ports(ip) || ip.protocol() != wire::protocol::tcp) return false;
  wire::TcpView tcp;
  return wire::TcpView::parse(ip.payload(), tcp) == Drop::none &&
         (tcp.control() & wire::control::syn) != 0;
}

}  // namespace

Steering::Steering(SteeringOptions options) : options_(std::move(options)), sum_(options_.key) {}
Steering::~Steering() = default;

Result<std::unique_ptr<Steering>> Steering::create(SteeringOptions options) {
  static std::atomic<unsigned> made = 0;
  const auto has_all = [&] {
    std::vector<bool> seen(options.cores);
    for (const std::uint16_t home : options.homes) {
      if (home >= options.cores) return false;
      seen[home] = true;
    }
    return std::find(seen.begin(), seen.end(), false) == seen.end();
  };
  // What a device tells may be anything; one that leaves a core without flows, or whose key is too
  // short for a sum, is not asked.
  constexpr std::size_t shortest_key = 16;
  if (options.key.size() < shortest_key || !has_all()) {
    if (!options.homes.empty()) options.device_spreads = false;
    options.key = rss_key(40);
    options.homes.clear();
    for (std::uint16_t i = 0; i < 128; ++i) {
      options.homes.push_back(static_cast<std::uint16_t>(i % options.cores));
    }
  }
  std::unique_ptr<Steering> out{new Steering(std::move(options))};
  const std::string name = "pollux-steer" + std::to_string(made.fetch_add(1)) + "-";
  for (std::uint16_t i = 0; i < out->options_.cores; ++i) {
    auto core = std::make_unique<Core>();
    const auto ring = [&](const char* which) {
      return PacketRing{rte_ring_create((name + std::to_string(i) + which).c_str(), ring_entries,
                                        SOCKET_ID_ANY, RING_F_SC_DEQ)};
    };
    const bool has_queue = i < out->options_.queues;
    core->in = ring("i");
    if (has_queue) core->out = ring("o");
    if (!core->in || (has_queue && !core->out)) {
      return Error{.kind = Error::Kind::machine,
                   .what = "--steering software",
                   .why = std::string("cannot create a ring (") + rte_strerror(rte_errno) + ")",
                   .remedy = "more huge pages, or --no-huge"};
    }
    core->staged.resize(out->options_.cores);
    core->count.resize(out->options_.cores);
    out->cores_.push_back(std::move(core));
  }
  return out;
}

std::optional<std::uint16_t> Steering::home_of(std::span<const std::byte> frame) const noexcept {
  wire::Ipv4View ip;
  if (!find_ipv4(frame, ip)) return std::nullopt;
  wire::FourTuple tuple{.local = ip.destination(), .remote = ip.source()};
  if (has_ports(ip)) {
    tuple.remote_port = wire::load_u16(ip.payload().data());
    tuple.local_port = wire::load_u16(ip.payload().data() + 2);
  } else if (!ip.is_fragment()) {
    return std::nullopt;
  }
  return home_of(tuple);
}

void Steering::take_in(std::uint16_t core, Burst& burst) noexcept {
  const std::size_t before = burst.size();
  const unsigned got = rte_ring_sc_dequeue_burst(
      cores_[core]->in.get(), reinterpret_cast<void**>(as_array(burst.data() + before)),
      static_cast<unsigned>((burst.room() + 1) / 2), nullptr);
  burst.resize_after_fill(before + got);
}

bool Steering::software(std::uint16_t core) const noexcept {
  return !options_.device_spreads || device_lied() || cores_[core]->right < enough;
}

/// What the first packet of a flow says of the device.
void Steering::judge(Core& core, bool home, std::span<const std::byte> frame) noexcept {
  if (!options_.device_spreads || device_lied() || !begins_flow(frame)) return;
  if (home) {
    if (core.right < enough) ++core.right;
  } else {
    lied_.store(true, std::memory_order_relaxed);
  }
}

void Steering::sort(std::uint16_t core, Burst& burst, std::size_t first) noexcept {
  Core& here = *cores_[core];
  if (!software(core)) {
    if (++here.bursts % seldom != 0) return;
    for (std::size_t i = first; i < burst.size(); ++i) {
      const auto home = home_of(burst[i].bytes());
      if (home) judge(here, *home == core, burst[i].bytes());
    }
    // Flows that have begun here stay, as long as the device is believed.
    if (!software(core)) return;
  }
  std::size_t kept = first;
  bool others = false;
  for (std::size_t i = first; i < burst.size(); ++i) {
    const auto home = home_of(burst[i].bytes());
    if (home) judge(here, *home == core, burst[i].bytes());
    if (!home || *home == core) {
      if (kept != i) burst[kept] = std::move(burst[i]);
      ++kept;
    } else {
      here.staged[*home][here.count[*home]++] = burst[i].release();
      others = true;
    }
  }
  burst.resize_after_fill(kept);
  if (!others) return;
  std::uint64_t handed = 0;
  std::uint64_t lost = 0;
  for (std::uint16_t to = 0; to < options_.cores; ++to) {
    const unsigned n = std::exchange(here.count[to], std::uint16_t{0});
    if (n == 0) continue;
    rte_mbuf** const frames = here.staged[to].data();
    const unsigned taken = rte_ring_mp_enqueue_burst(
        cores_[to]->in.get(), reinterpret_cast<void* const*>(frames), n, nullptr);
    handed += taken;
    lost += n - taken;
    for (unsigned i = taken; i < n; ++i) Mbuf{frames[i]};
  }
  here.handed_over.fetch_add(handed, std::memory_order_relaxed);
  if (lost != 0) here.dropped.fetch_add(lost, std::memory_order_relaxed);
}

bool Steering::carry_home(std::uint16_t core, const wire::FourTuple& flow, Mbuf frame) noexcept {
  rte_mbuf* const raw = frame.release();
  const bool taken = rte_ring_mp_enqueue(cores_[home_of(flow)]->in.get(), raw) == 0;
  if (!taken) Mbuf{raw};
  Core& here = *cores_[core];
  (taken ? here.handed_over : here.dropped).fetch_add(1, std::memory_order_relaxed);
  return taken;
}

std::size_t Steering::send_through(std::uint16_t core, Burst& burst) noexcept {
  rte_ring* const ring = cores_[core % options_.queues]->out.get();
  const unsigned sent =
      rte_ring_mp_enqueue_burst(ring, reinterpret_cast<void* const*>(as_array(burst.data())),
                                static_cast<unsigned>(burst.size()), nullptr);
  for (unsigned i = 0; i < sent; ++i) (void)burst.data()[i].release();
  burst.remove_front(sent);
  return sent;
}

void Steering::take_out(std::uint16_t core, Burst& burst) noexcept {
  const std::size_t before = burst.size();
  const unsigned got = rte_ring_sc_dequeue_burst(
      cores_[core]->out.get(), reinterpret_cast<void**>(as_array(burst.data() + before)),
      static_cast<unsigned>(burst.room()), nullptr);
  burst.resize_after_fill(before + got);
}

void Steering::begin_counting(std::uint16_t core) noexcept {
  cores_[core]->handed_over.store(0, std::memory_order_relaxed);
  cores_[core]->dropped.store(0, std::memory_order_relaxed);
}

std::uint64_t Steering::handed_over() const noexcept {
  std::uint64_t total = 0;
  for (const auto& core : cores_) total += core->handed_over.load(std::memory_order_relaxed);
  return total;
}

std::uint64_t Steering::dropped() const noexcept {
  std::uint64_t total = 0;
  for (const auto& core : cores_) total += core->dropped.load(std::memory_order_relaxed);
  return total;
}

void SteeredQueue::receive_steered(Burst& burst) noexcept {
  steering_->take_in(core_, burst);
  if (!has_queue_) return;
  const std::size_t first = burst.size();
  queue_.receive(burst);
  steering_->sort(core_, burst, first);
  pass_on();
}

bool SteeredQueue::pass_on() noexcept {
  if (steering_ == nullptr || !has_queue_ || steering_->queues() == steering_->cores())
    return false;
  steering_->take_out(core_, others_);
  const bool some = !others_.empty();
  queue_.transmit(others_);
  return some;
}

}  // namespace pollux::dpdk
