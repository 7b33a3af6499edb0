#include "topology.h"

#include <algorithm>
#include <array>
#include <string>

#include "algorithms.h"
#include "base/prng.h"

namespace pollux::world {
namespace {

using Prng = pollux::Prng;

template <class... Choices>
auto one_of(Prng& prng, Choices... choices) {
  const std::array all{choices...};
  return all[prng.below(all.size())];
}

/// What may be switched on and off, for one stack.
void vary(tcp::Config& tcp, Prng& prng) {
  tcp.sack = prng.chance(0.5);
  tcp.timestamps = prng.chance(0.5);
  tcp.offer_window_scale = prng.chance(0.7);
  tcp.window_scale =
      one_of(prng, std::uint8_t{0}, std::uint8_t{3}, std::uint8_t{7}, std::uint8_t{14});
  tcp.initial_window = one_of(prng, std::uint8_t{1}, std::uint8_t{4}, std::uint8_t{10});
  tcp.delayed_ack = one_of(prng, Duration{0}, Duration{40ms}, Duration{200ms});
  tcp.receive_buffer = one_of(prng, 4096u, 32'768u, 262'144u);
  tcp.send_buffer = one_of(prng, 2048u, 32'768u, 262'144u);
  tcp.min_rto = one_of(prng, Duration{50ms}, Duration{200ms}, Duration{1s});
  tcp.nagle = prng.chance(0.7);
  tcp.congestion = congestion_algorithms[prng.below(congestion_algorithms.size())];
  tcp.pacing = prng.chance(0.7) ? tcp::Pacing::automatic : tcp::Pacing::off;
}

void on_all_hosts(TransferPlan& plan, auto change) {
  change(plan.stack.tcp);
  if (plan.server_tcp) change(*plan.server_tcp);
}

/// In every third world. From a generator of its own, so that the other seeds are what they were.
void vary_fast_open(TransferPlan& plan) {
  Prng prng{~plan.seed};
  if (!prng.chance(0.33)) return;
  plan.transfers.fast_open = plan.transfers.may_repeat = true;
  on_all_hosts(plan, [](tcp::Config& tcp) { tcp.fast_open = true; });
  if (plan.middlebox && plan.middlebox->nat) plan.middlebox->nat->moves = prng.chance(0.5);
}

/// Few connections whose windows grow, where most others are over before.
void lengthen(TransferPlan& plan) {
  plan.transfers.connections = std::max(1u, plan.transfers.connections / 15);
  plan.transfers.largest = 2'000'000;
  plan.transfers.chunk = std::max(plan.transfers.chunk, 4000u);  // or readers take all day
  on_all_hosts(plan, [](tcp::Config& tcp) { tcp.receive_buffer = tcp.send_buffer = 1 << 20; });
}

/// Lost now and then, but not as on the rough link.
sim::LinkOptions fair_link(Prng& prng) {
  sim::LinkOptions link;
  link.bits_per_second = one_of(prng, 0ull, 100'000'000ull, 1'000'000'000ull);
  link.delay = one_of(prng, Duration{10us}, Duration{1ms}, Duration{20ms});
  link.reorder = one_of(prng, 0.0, 0.02);
  link.loss = one_of(prng, 0.0, 0.01, 0.03);
  link.duplicate = one_of(prng, 0.0, 0.01);
  link.corrupt = one_of(prng, 0.0, 0.005);
  return link;
}

/// Whoever loses a peer without a word notices it soon.
void keep_alive(TransferPlan& plan) {
  on_all_hosts(plan, [](tcp::Config& tcp) {
    tcp.keepalive_idle = 60s;
    tcp.keepalive_interval = 10s;
  });
}

/// It all takes long enough for something to happen meanwhile.
void slow_down(TransferPlan& plan) {
  plan.transfers.concurrency = std::min(plan.transfers.concurrency, 20u);
  plan.transfers.pause = 0.2;
  plan.transfers.pause_up_to = 500ms;
}

void share(TransferPlan& plan, std::uint32_t clients, std::uint32_t servers) {
  plan.clients = clients;
  plan.servers = servers;
  plan.two_way = false;
  plan.transfers.connections = std::max(1u, 2 * plan.transfers.connections / clients);
  plan.transfers.concurrency = std::max(1u, plan.transfers.concurrency / clients);
  // What their queues hold together leaves frames to send with.
  const auto frames = static_cast<std::uint32_t>(plan.frames) / (clients + servers);
  plan.stack.owned_packets = plan.stack.receive_pieces = frames / 3;
}

void many_to_one(TransferPlan& plan, Prng& prng) {
  share(plan, 5 + static_cast<std::uint32_t>(prng.below(20)), 1);
  plan.there = plan.back = fair_link(prng);
  // The switch's port to the server is what all of them meet at.
  plan.back.bits_per_second = one_of(prng, 10'000'000ull, 100'000'000ull);
  plan.back.queue_bytes = one_of(prng, std::size_t{16} << 10, std::size_t{64} << 10);
  plan.transfers.concurrency = plan.transfers.connections;
  plan.transfers.largest = std::max(plan.transfers.largest, 50'000u);
}

void bottleneck(TransferPlan& plan, Prng& prng) {
  const auto pairs = 2 + static_cast<std::uint32_t>(prng.below(4));
  share(plan, pairs, pairs);
  plan.transfers.largest = std::max(plan.transfers.largest, 200'000u);
  plan.there = {};
  plan.there.bits_per_second = one_of(prng, 2'000'000ull, 10'000'000ull, 50'000'000ull);
  plan.there.queue_bytes =
      one_of(prng, std::size_t{8'000}, std::size_t{30'000}, std::size_t{120'000});
  plan.there.delay = one_of(prng, Duration{1ms}, Duration{20ms}, Duration{100ms});
  plan.back = plan.there;
  plan.edge = {.bits_per_second = 1'000'000'000, .delay = 20us};
  plan.middlebox.emplace();
}

void asymmetric(TransferPlan& plan, Prng& prng) {
  plan.there = fair_link(prng);
  plan.back = fair_link(prng);
  plan.there.bits_per_second = one_of(prng, 100'000'000ull, 1'000'000'000ull);
  plan.there.delay = one_of(prng, Duration{10us}, Duration{5ms});
  plan.back.bits_per_second = one_of(prng, 1'000'000ull, 10'000'000ull);
  plan.back.queue_bytes = one_of(prng, std::size_t{30'000}, std::size_t{250'000});
  plan.back.delay = one_of(prng, Duration{100ms}, Duration{500ms});
}

void flapping(TransferPlan& plan, Prng& prng) {
  slow_down(plan);
  plan.transfers.may_not_open = true;
  // A SYN may find the link down each time but the last few, and then be lost.
  on_all_hosts(plan, [](tcp::Config& tcp) { tcp.syn_retries = 12; });
  plan.there = plan.back = fair_link(prng);
  Duration at{0};
  const std::uint64_t cycles = 3 + prng.below(6);
  for (std::uint64_t i = 0; i < cycles; ++i) {
    at += one_of(prng, Duration{3ms}, Duration{50ms}, Duration{1s}, Duration{5s});
    at += Duration{static_cast<Duration::rep>(prng.below(20'000'000))};
    plan.happenings.push_back({at, Happening::Kind::down});
    at += one_of(prng, Duration{1ms}, Duration{100ms}, Duration{2s}, Duration{15s});
    plan.happenings.push_back({at, Happening::Kind::up});
  }
}

void nat(TransferPlan& plan, Prng& prng) {
  share(plan, 1 + static_cast<std::uint32_t>(prng.below(4)),
        1 + static_cast<std::uint32_t>(prng.below(3)));
  slow_down(plan);
  plan.transfers.may_fail = true;
  plan.transfers.keepalive = true;
  keep_alive(plan);
  plan.there = plan.back = fair_link(prng);
  plan.edge = {.delay = 20us};
  plan.middlebox.emplace();
  plan.middlebox->nat = NatOptions{.outside = wire::Ipv4Address{10, 0, 0, 200},
                                   .same_ports_again = prng.chance(0.5),
                                   .syn_only = prng.chance(0.5)};
  Duration at{0};
  const std::uint64_t times = 1 + prng.below(4);
  for (std::uint64_t i = 0; i < times; ++i) {
    at += Duration{1 + static_cast<Duration::rep>(prng.below(3'000'000'000))};
    plan.happenings.push_back({at, Happening::Kind::forget});
  }
}

void strips_options(TransferPlan& plan, Prng& prng) {
  plan.there = plan.back = fair_link(prng);
  plan.edge = {.delay = 20us};
  constexpr std::uint32_t mss = 1u << 2;
  constexpr std::uint32_t window_scale = 1u << 3;
  constexpr std::uint32_t sack = 1u << 4 | 1u << 5;
  constexpr std::uint32_t timestamps = 1u << 8;
  MiddleboxOptions& box = plan.middlebox.emplace();
  box.strip = one_of(prng, MiddleboxOptions::all_kinds, mss, window_scale, sack, timestamps,
                     sack | timestamps, window_scale | sack | timestamps);
  box.strip_syns_only = prng.chance(0.5);
  // Who has agreed on timestamps with a peer that has not drops all it hears (RFC 7323 s.3.2), and
  // one that scales windows is misread by one that does not: no fault of either, and no network.
  box.strip_to_the_right_only = (box.strip & (timestamps | window_scale)) == 0 && prng.chance(0.3);
}

void shifts_numbers(TransferPlan& plan, Prng& prng) {
  plan.there = plan.back = fair_link(prng);
  plan.there.loss = plan.back.loss = one_of(prng, 0.01, 0.03);
  plan.edge = {.delay = 20us};
  MiddleboxOptions& box = plan.middlebox.emplace();
  // By little, the blocks speak of other bytes that are in flight; by much, of none.
  box.shift_left = one_of(prng, 1460u, 20'000u, prng.next32());
  box.shift_right = one_of(prng, 0u - 1460u, 0u - 20'000u, prng.next32());
}

void thins_acks(TransferPlan& plan, Prng& prng) {
  plan.there = plan.back = fair_link(prng);
  plan.edge = {.delay = 20us};
  plan.transfers.largest = std::max(plan.transfers.largest, 200'000u);
  plan.middlebox.emplace();
  plan.middlebox->thin = ThinOptions{.most = one_of(prng, 2u, 8u, 64u),
                                     .hold = one_of(prng, Duration{100us}, Duration{20ms})};
}

/// Cards that cut what is sent, and merge what has come while their hosts were busy; and a path
/// that loses, doubles, reorders and spoils segments, none of which knows who cut them.
void offloads(TransferPlan& plan, Prng& prng) {
  plan.there = fair_link(prng);
  plan.back = fair_link(prng);
  plan.there.loss = one_of(prng, 0.0, 0.01, 0.05);
  plan.wake_delay = one_of(prng, Duration{20us}, Duration{200us}, Duration{1ms});
  plan.device.offload = sim::Offload::honest;
  plan.device.cuts_up_to = one_of(prng, 0u, 3'000u, 20'000u, 65'535u);
  plan.device.merges_up_to = one_of(prng, 0u, 4'000u, 65'535u);
  plan.frame_room = 8192;
  lengthen(plan);
}

void hostile(TransferPlan& plan, Hostility kind, Prng& prng) {
  plan.there = plan.back = fair_link(prng);
  keep_alive(plan);
  // The hostile one believes that its own cable loses nothing, and so must the server's.
  plan.there.loss = plan.back.loss = plan.there.corrupt = plan.back.corrupt = 0;
  plan.hostile = HostileOptions{.kind = kind, .every = one_of(prng, Duration{1ms}, Duration{20ms})};
  if (kind != Hostility::shrinks_window && kind != Hostility::random_fields) {
    plan.hostile->unasked = 0;
  }
}

/// What comes meanwhile may be more than the host's device holds.
void pauses(TransferPlan& plan, Prng& prng) {
  slow_down(plan);
  plan.there = plan.back = fair_link(prng);
  plan.device.receive_room = one_of(prng, std::size_t{8}, std::size_t{64}, std::size_t{4096});
  Duration at{0};
  const std::uint64_t times = 3 + prng.below(12);
  for (std::uint64_t i = 0; i < times; ++i) {
    at += Duration{static_cast<Duration::rep>(prng.below(1'000'000'000))};
    const Duration time = one_of(prng, Duration{20ms}, Duration{300ms}, Duration{1s});
    const auto host = static_cast<std::uint32_t>(prng.below(2));
    plan.happenings.push_back({at, Happening::Kind::pause, host, time});
    at += time;
  }
  // A SYN that met a pause says that a round trip takes a second and a half, which makes an RTO of
  // three times that (RFC 6298 (2.2)), and it is doubled where what is sent then is lost as well.
  // With neither option no ACK of what was sent again says how long a round trip takes, and the
  // back-off stays (s.5).
  const tcp::Config& ours = plan.stack.tcp;
  const tcp::Config theirs = plan.server_tcp.value_or(ours);
  if ((ours.sack && theirs.sack) || (ours.timestamps && theirs.timestamps)) plan.silence = 20s;
}

/// More SYNs than there are half-open entries: those of the others are answered with cookies.
void flood(TransferPlan& plan, Prng& prng) {
  hostile(plan, Hostility::floods, prng);
  slow_down(plan);
  plan.stack.half_open = 16;
  plan.hostile->connections = 0;
  plan.hostile->unasked = 5000;
  plan.hostile->every = 1ms;
}

}  // namespace

std::string_view name(Topology topology) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(Topology::count_)> names{
      "two-hosts",     "many-to-one",    "bottleneck",     "asymmetric",       "flapping",
      "nat",           "strips-options", "shifts-numbers", "thins-acks",       "offloads",
      "falls-silent",  "shrinks-window", "acks-unsent",    "sacks-unreceived", "floods",
      "random-fields", "pauses"};
  return names[static_cast<std::size_t>(topology)];
}

std::optional<Topology> topology_of(std::string_view wanted) {
  for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(Topology::count_); ++i) {
    if (name(static_cast<Topology>(i)) == wanted) return static_cast<Topology>(i);
  }
  return std::nullopt;
}

Topology topology_of(std::uint64_t seed) {
  return static_cast<Topology>(
      Prng{seed ^ 0x70B01061}.below(static_cast<std::uint64_t>(Topology::count_)));
}

TransferPlan draw_plan(Topology topology, std::uint64_t seed, std::uint32_t connections) {
  TransferPlan plan = rough_plan(seed, connections);
  plan.topology = std::string{name(topology)};
  Prng prng{seed ^ 0xC2B2AE3D27D4EB4F};
  // Half of the rough worlds are as they come, with nothing that users have is switched off.
  if (topology != Topology::two_hosts || seed % 2 != 0) {
    vary(plan.stack.tcp, prng);
    if (prng.chance(0.5)) {
      plan.server_tcp = plan.stack.tcp;
      vary(*plan.server_tcp, prng);
    }
    if (prng.chance(0.25)) lengthen(plan);
  }
  switch (topology) {
    case Topology::two_hosts:
      break;
    case Topology::many_to_one:
      many_to_one(plan, prng);
      break;
    case Topology::bottleneck:
      bottleneck(plan, prng);
      break;
    case Topology::asymmetric:
      asymmetric(plan, prng);
      break;
    case Topology::flapping:
      flapping(plan, prng);
      break;
    case Topology::nat:
      nat(plan, prng);
      break;
    case Topology::strips_options:
      strips_options(plan, prng);
      break;
    case Topology::shifts_numbers:
      shifts_numbers(plan, prng);
      break;
    case Topology::thins_acks:
      thins_acks(plan, prng);
      break;
    case Topology::offloads:
      offloads(plan, prng);
      break;
    case Topology::falls_silent:
      hostile(plan, Hostility::falls_silent, prng);
      break;
    case Topology::shrinks_window:
      hostile(plan, Hostility::shrinks_window, prng);
      break;
    case Topology::acks_unsent:
      hostile(plan, Hostility::acks_unsent, prng);
      break;
    case Topology::sacks_unreceived:
      hostile(plan, Hostility::sacks_unreceived, prng);
      // What it says has come, and has not, takes a time-out a segment, of up to a minute each.
      plan.limit = 4h;
      break;
    case Topology::floods:
      flood(plan, prng);
      break;
    case Topology::random_fields:
      hostile(plan, Hostility::random_fields, prng);
      break;
    case Topology::pauses:
      pauses(plan, prng);
      break;
    case Topology::count_:
      break;
  }
  vary_fast_open(plan);
  return plan;
}

}  // namespace pollux::world
