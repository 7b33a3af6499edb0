#include "transfer_plan.h"

#include <array>

#include "algorithms.h"
#include "base/prng.h"
#include "text.h"

namespace pollux::world {

TransferPlan rough_plan(std::uint64_t seed, std::uint32_t connections) {
  Prng prng{seed ^ 0x9E3779B97F4A7C15};
  const auto one_of = [&prng](auto... choices) {
    const std::array all{choices...};
    return all[prng.below(all.size())];
  };
  TransferPlan plan;
  plan.seed = seed;
  plan.transfers.connections = connections;
  plan.transfers.concurrency = one_of(5u, 50u, 200u, 500u);
  plan.transfers.chunk = one_of(100u, 1460u, 4000u, 20000u);
  plan.transfers.pause = one_of(0.0, 0.02, 0.2);
  sim::LinkOptions link;
  link.bits_per_second =
      one_of(0ull, 10'000'000ull, 100'000'000ull, 1'000'000'000ull, 10'000'000'000ull);
  link.queue_bytes = one_of(std::size_t{64} << 10, std::size_t{256} << 10, std::size_t{4} << 20);
  link.delay = one_of(Duration{0}, Duration{10us}, Duration{200us}, Duration{5ms}, Duration{40ms});
  link.jitter = one_of(Duration{0}, Duration{100us}, Duration{3ms});
  link.reorder = one_of(0.01, 0.05, 0.2);
  link.reorder_delay = one_of(Duration{100us}, Duration{2ms}, Duration{20ms});
  link.loss = 0.05;
  link.duplicate = 0.02;
  link.corrupt = 0.01;
  plan.there = plan.back = link;
  plan.wake_delay = one_of(Duration{0}, Duration{20us}, Duration{1ms});
  plan.device.mtu = one_of(std::uint16_t{1500}, std::uint16_t{1500}, std::uint16_t{576});
  pipeline::Config& stack = plan.stack;
  stack.connections = 4096;
  stack.half_open = 4096;
  stack.time_wait = 4096;
  stack.flights = one_of(64u, 4096u);
  stack.send_pieces = 16'384;
  stack.receive_pieces = 16'384;
  stack.neighbors = 64;
  // All are enough for any run of losses: a peer that found TIME-WAIT or FIN-WAIT-2 over would be
  // reset, and rightly; one whose half-open entry was given up would wait for ever.
  stack.tcp.syn_ack_retries = 12;
  stack.tcp.msl = 2min;
  stack.tcp.fin_wait_2_timeout = 15min;
  stack.tcp.orphan_timeout = 1h;
  stack.tcp.receive_buffer = one_of(4096u, 32'768u, 262'144u);
  stack.tcp.send_buffer = one_of(2048u, 32'768u, 262'144u);
  stack.tcp.delayed_ack = one_of(Duration{0}, Duration{40ms}, Duration{200ms});
  stack.tcp.initial_window = one_of(std::uint8_t{1}, std::uint8_t{4}, std::uint8_t{10});
  stack.tcp.window_scale = one_of(std::uint8_t{0}, std::uint8_t{3}, std::uint8_t{7});
  stack.tcp.offer_window_scale = prng.chance(0.7);
  stack.tcp.min_rto = one_of(Duration{50ms}, Duration{200ms}, Duration{1s});
  return plan;
}

namespace {

std::string to_string(const sim::LinkOptions& link) {
  return text(link.bits_per_second, " bit/s, queue ", link.queue_bytes, ", delay ", link.delay,
              ", jitter ", link.jitter, ", reorder ", link.reorder, " by ", link.reorder_delay,
              ", loss ", link.loss, link.burst_loss ? " and bursts" : "", ", duplicate ",
              link.duplicate, ", corrupt ", link.corrupt);
}

const char* on(bool option) { return option ? "on" : "off"; }

std::string to_string(const tcp::Config& tcp) {
  return text("receive buffer ", tcp.receive_buffer, ", send buffer ", tcp.send_buffer,
              ", delayed ACK ", tcp.delayed_ack, ", initial window ", int{tcp.initial_window},
              ", scale ", tcp.offer_window_scale ? int{tcp.window_scale} : -1, ", min RTO ",
              tcp.min_rto, ", timestamps ", on(tcp.timestamps), ", SACK ", on(tcp.sack), ", Nagle ",
              on(tcp.nagle), ", congestion ", name(tcp.congestion), ", pacing ",
              on(tcp.pacing != tcp::Pacing::off), ", fast open ", on(tcp.fast_open));
}

std::string to_string(const MiddleboxOptions& box) {
  std::string out = "\n  box:";
  if (box.strip != 0) {
    out +=
        text(" strips kinds ", std::hex, box.strip, std::dec, box.strip_syns_only ? " of SYNs" : "",
             box.strip_to_the_right_only ? " to the servers" : "");
  }
  if (box.shift_left != 0 || box.shift_right != 0) {
    out += text(" shifts numbers by ", box.shift_left, " and ", box.shift_right);
  }
  if (box.nat) {
    out += text(" NAT", box.nat->same_ports_again ? ", same ports again" : "",
                box.nat->syn_only ? ", SYNs make entries" : "");
  }
  if (box.thin) out += text(" thins ACKs to one of ", box.thin->most, " in ", box.thin->hold);
  return out;
}

std::string to_string(const std::vector<Happening>& happenings) {
  constexpr std::array names{"down", "up", "forget", "pause"};
  std::string out = "\n  happenings:";
  for (const Happening& happening : happenings) {
    out += text(" ", names[static_cast<std::size_t>(happening.kind)], " at ", happening.at);
    if (happening.kind == Happening::Kind::pause) {
      out += text(" (host ", happening.host, ", for ", happening.time, ")");
    }
  }
  return out;
}

}  // namespace

std::string to_string(const TransferPlan& plan) {
  std::string out =
      text("  hosts: ", plan.clients, " clients, ", plan.servers, " servers, wake delay ",
           plan.wake_delay, ", mtu ", plan.device.mtu, ", cuts up to ", plan.device.cuts_up_to,
           ", merges up to ", plan.device.merges_up_to, "\n  there: ", to_string(plan.there),
           "\n  back: ", to_string(plan.back), "\n  transfers: ", plan.transfers.connections,
           " a side, ", plan.transfers.concurrency, " at once, chunk ", plan.transfers.chunk,
           ", pause ", plan.transfers.pause, ", flights ", plan.stack.flights,
           "\n  tcp: ", to_string(plan.stack.tcp));
  if (plan.server_tcp) out += text("\n  servers' tcp: ", to_string(*plan.server_tcp));
  if (plan.middlebox) out += to_string(*plan.middlebox);
  if (plan.hostile) out += text("\n  hostile: ", name(plan.hostile->kind));
  if (!plan.happenings.empty()) out += to_string(plan.happenings);
  return out;
}

}  // namespace pollux::world
