#include "transfer_world.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/counters.h"
#include "pipeline/pipeline.h"
#include "sim/pcap.h"
#include "text.h"

namespace pollux::world {

int polling = 0;

namespace {

using Stack = pipeline::Pipeline<sim::Device, TransferApp>;
static_assert(sim::Host<Stack>);

struct Host {
  Host(sim::Device& on, TransferOptions options, Ledger& ledger, std::uint64_t seed)
      : device(on), app(std::move(options), ledger, seed) {}
  sim::Device& device;
  TransferApp app;
  std::unique_ptr<Stack> stack;

  void poll(Instant now) {
    polling = 1;
    stack->poll(now);
    polling = 0;
  }
  std::optional<Instant> next_event() const { return stack->next_event(); }
};

wire::Ipv4Address address_of(std::uint32_t host) {
  return wire::Ipv4Address{wire::Ipv4Address{10, 0, 0, 1}.value() + host};
}

std::string to_string(const sim::LinkOptions& link) {
  return text(link.bits_per_second, " bit/s, queue ", link.queue_bytes, ", delay ", link.delay,
              ", jitter ", link.jitter, ", reorder ", link.reorder, " by ", link.reorder_delay,
              ", loss ", link.loss, link.burst_loss ? " and bursts" : "", ", duplicate ",
              link.duplicate, ", corrupt ", link.corrupt);
}

std::string to_string(const Counters& counters) {
  std::string out;
  const auto all = [&](auto count) {
    using Kind = decltype(count);
    for (unsigned i = 0; i < static_cast<unsigned>(count); ++i) {
      const auto kind = static_cast<Kind>(i);
      if (counters[kind] != 0) out += text(" ", name(kind), "=", counters[kind]);
    }
  };
  all(Event::count_);
  all(Drop::count_);
  all(SendDrop::count_);
  return out;
}

std::string to_string(const sim::LinkCounts& counts) {
  return text("offered=", counts.offered, " arrived=", counts.arrived, " lost=", counts.lost,
              " queue_full=", counts.queue_full, " down=", counts.down,
              " duplicated=", counts.duplicated, " corrupted=", counts.corrupted,
              " reordered=", counts.reordered);
}

/// One world on its way.
class Run {
 public:
  Run(const TransferPlan& plan, TransferReport& report)
      : plan_(plan),
        report_(report),
        seeds_(plan.seed),
        ledger_(std::size_t{4} * plan.transfers.connections * (plan.clients + plan.servers)),
        world_(seeds_.next(), {.frames = plan.frames, .trace = true}) {}

  void all(const std::string& capture) {
    build();
    if (!report_.ok()) return;
    if (!capture.empty() && !start_capture(capture)) return;
    for (Host& host : hosts_) host.stack->start(world_.now());
    transfer();
    settle();
    check();
  }

 private:
  void problem(std::string text) { report_.problems.push_back(std::move(text)); }
  bool good(const Status& status) {
    if (status) return true;
    problem(status.error().what + ": " + status.error().why);
    return false;
  }

  void build() {
    const std::uint32_t count = plan_.clients + plan_.servers;
    for (std::uint32_t i = 0; i < count; ++i) add_host(i);
    if (count == 2) {
      cables_.push_back(
          world_.connect(hosts_[0].device, hosts_[1].device, plan_.there, plan_.back));
    } else {
      sim::Switch& middle = world_.add_switch();
      for (Host& host : hosts_) {
        cables_.push_back(world_.connect(host.device, middle, plan_.there, plan_.back));
      }
    }
    for (Host& host : hosts_) {
      if (!host.stack) return;
      world_.add_host(host, {&host.device},
                      {.name = host.device.options().name, .wake_delay = plan_.wake_delay});
    }
  }

  void add_host(std::uint32_t number) {
    const bool client = number < plan_.clients;
    sim::DeviceOptions device = plan_.device;
    device.name = text(client ? "client" : "server", number);
    device.mac = {{2, 0, 0, 0, 0, static_cast<std::uint8_t>(number + 1)}};
    TransferOptions transfers = plan_.transfers;
    const std::uint32_t first = client ? plan_.clients : 0;
    const std::uint32_t last = client ? plan_.clients + plan_.servers : plan_.clients;
    if (client || plan_.two_way) {
      for (std::uint32_t i = first; i < last; ++i) transfers.targets.push_back({address_of(i), 0});
    } else {
      transfers.connections = 0;
    }
    Host& host = hosts_.emplace_back(world_.add_device(device), transfers, ledger_, seeds_.next());
    pipeline::Config config = plan_.stack;
    config.interface.addresses = {{.prefix = {address_of(number), 24}, .count = 1}};
    config.seed = seeds_.next();
    auto stack = Stack::make(config, host.device, host.app, world_.now());
    if (!stack) return problem(stack.error().what + ": " + stack.error().why);
    host.stack = std::move(*stack);
  }

  bool start_capture(const std::string& path) {
    Result<sim::PcapWriter> writer = sim::PcapWriter::create(path);
    if (!writer) {
      problem(writer.error().what + ": " + writer.error().why);
      return false;
    }
    writer_.emplace(std::move(*writer));
    return good(world_.capture(&*writer_));
  }

  bool done() const {
    for (const Host& host : hosts_) {
      if (!host.app.done() || host.stack->connections_in_use() != 0) return false;
    }
    return true;
  }

  void transfer() {
    if (plan_.up_at > plan_.down_at) {
      if (!good(world_.run_until(Instant{plan_.down_at}))) return;
      for (sim::Cable& cable : cables_) cable.set_up(false);
      if (!good(world_.run_until(Instant{plan_.up_at}))) return;
      for (sim::Cable& cable : cables_) cable.set_up(true);
    }
    while (!done() && world_.now() < Instant{plan_.limit}) {
      if (!good(world_.run_for(200ms))) return;
    }
    report_.ended = world_.now();
    for (const Host& host : hosts_) {
      if (!host.app.done()) {
        problem(text(host.device.options().name, ": opened ", host.app.opened(),
                     ", not all ended in ", plan_.limit));
      } else if (host.stack->connections_in_use() != 0) {
        problem(text(host.device.options().name, ": ", host.stack->connections_in_use(),
                     " connections left over"));
      }
    }
  }

  /// TIME-WAIT and what is still on the way come to their end.
  void settle() { static_cast<void>(good(world_.run_for(2 * plan_.stack.tcp.msl + 20min))); }

  void check() {
    for (const Host& host : hosts_) check(host);
    if (world_.frames().live() != 0) {
      problem(text(world_.frames().live(), " frames live at the end, ", world_.frames_under_way(),
                   " of them on their way"));
    }
    if (ledger_.wrong() != 0) problem(text(ledger_.wrong(), " wrong transfers"));
    if (!plan_.transfers.may_fail && ledger_.completed() != ledger_.begun()) {
      problem(text(ledger_.begun() - ledger_.completed(), " streams not complete"));
    }
    std::uint32_t opened = 0;
    std::uint32_t closed = 0;
    for (const Host& host : hosts_) {
      opened += host.app.opened();
      closed += host.app.closed();
      report_.counters +=
          text("\n  ", host.device.options().name, ":", to_string(host.stack->counters()),
               " device_sent=", host.device.counts().sent,
               " device_received=", host.device.counts().received);
      report_.frames += host.device.counts().sent;
    }
    if (!plan_.transfers.may_fail && closed != 2 * opened) {
      problem(text(opened, " connections had ", closed, " ends"));
    }
    for (const sim::Cable& cable : cables_) {
      report_.counters += text("\n  there: ", to_string(cable.there.counts()));
      report_.counters += text("\n  back:  ", to_string(cable.back.counts()));
    }
    report_.ledger = ledger_.to_string();
    report_.connections = opened;
    report_.streams = ledger_.begun();
    report_.complete = ledger_.completed();
    report_.bytes = ledger_.bytes();
    report_.trace = world_.trace_hash();
  }

  void check(const Host& host) {
    const Counters& counters = host.stack->counters();
    const std::string& who = host.device.options().name;
    const auto equal = [&](const char* what, std::uint64_t a, std::uint64_t b) {
      if (a != b) problem(text(who, ": ", what, ": ", a, " != ", b));
    };
    equal("received = delivered + dropped + held", counters[Event::frames_received],
          counters[Event::frames_delivered] + counters.dropped() + host.stack->frames_held());
    equal("received, by the device", counters[Event::frames_received],
          host.device.counts().received);
    equal("sent, by the device", counters[Event::frames_sent], host.device.counts().sent);
    equal("half-open entries left", host.stack->half_open_in_use(), 0);
    equal("TIME-WAIT entries left", host.stack->time_wait_in_use(), 0);
    equal("frames held by reassembly", host.stack->frames_held(), 0);
    if (!plan_.transfers.may_fail) equal("timed out", counters[Event::tcp_timed_out], 0);
  }

  const TransferPlan& plan_;
  TransferReport& report_;
  Prng seeds_;
  Ledger ledger_;
  sim::World world_;
  std::optional<sim::PcapWriter> writer_;
  std::vector<sim::Cable> cables_;
  std::deque<Host> hosts_;  // after the world: they hold its frames
};

}  // namespace

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
  stack.tcp.receive_buffer = one_of(4096u, 32'768u, 262'144u);
  stack.tcp.send_buffer = one_of(2048u, 32'768u, 262'144u);
  stack.tcp.delayed_ack = one_of(Duration{0}, Duration{40ms}, Duration{200ms});
  stack.tcp.initial_window = one_of(std::uint8_t{1}, std::uint8_t{4}, std::uint8_t{10});
  stack.tcp.window_scale = one_of(std::uint8_t{0}, std::uint8_t{3}, std::uint8_t{7});
  stack.tcp.offer_window_scale = prng.chance(0.7);
  stack.tcp.min_rto = one_of(Duration{50ms}, Duration{200ms}, Duration{1s});
  return plan;
}

std::string to_string(const TransferPlan& plan) {
  const tcp::Config& tcp = plan.stack.tcp;
  return text("  hosts: ", plan.clients, " clients, ", plan.servers, " servers, wake delay ",
              plan.wake_delay, ", mtu ", plan.device.mtu, "\n  link: ", to_string(plan.there),
              "\n  transfers: ", plan.transfers.connections, " a side, ",
              plan.transfers.concurrency, " at once, chunk ", plan.transfers.chunk, ", pause ",
              plan.transfers.pause, "\n  tcp: receive buffer ", tcp.receive_buffer,
              ", send buffer ", tcp.send_buffer, ", delayed ACK ", tcp.delayed_ack,
              ", initial window ", int{tcp.initial_window}, ", scale ",
              tcp.offer_window_scale ? int{tcp.window_scale} : -1, ", min RTO ", tcp.min_rto,
              ", flights ", plan.stack.flights);
}

TransferReport run(const TransferPlan& plan, const std::string& capture) {
  TransferReport report;
  Run{plan, report}.all(capture);
  return report;
}

}  // namespace pollux::world
