// pollux-bench: responder and generator in one process, over an in-process link.

#include <fmt/core.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/plan.h"
#include "cli/error.h"
#include "cli/options.h"
#include "cli/report.h"
#include "dpdk/clock.h"
#include "dpdk/eal.h"
#include "dpdk/port_pair.h"
#include "dpdk/ring_link.h"
#include "host/signals.h"
#include "load/generator.h"
#include "run/banner.h"
#include "run/config.h"
#include "run/fleet.h"
#include "run/held.h"
#include "run/ports.h"
#include "run/profile.h"
#include "run/report.h"
#include "run/responder.h"
#include "run/search.h"

namespace pollux::bench {
namespace {

constexpr std::string_view steering = "none (one queue for each pair of cores)";

/// Of the server's end and the client's.
using Offloads = std::array<std::string, 2>;

std::string text_of(const Offloads& offloads) {
  const auto& [server, client] = offloads;
  return server == client ? server : fmt::format("server {}; client {}", server, client);
}

void print_banner(const cli::BenchOptions& options, const dpdk::Eal& eal, const Offloads& offloads,
                  std::span<const dpdk::PacketMemory> packets) {
  std::FILE* const out = options.shared.human();
  fmt::print(out, "{}", cli::banner_line("link", cli::name(options.link)));
  fmt::print(out, "{}", cli::banner_line("offloads", text_of(offloads)));
  fmt::print(out, "{}", cli::banner_line("steering", steering));
  run::warn_of_far_packets(out, eal, dpdk::Topology::find(), packets);
  std::fflush(out);
}

/// Builds both ends over the queues that `queue(end, i)` gives, runs them, and reports.
template <class MakeQueue>
int run_over(const cli::BenchOptions& options, const Plan& plan, dpdk::Eal& eal,
             const Offloads& offloads, MakeQueue&& queue) {
  using Queue = run::Recorded<decltype(queue(0, 0))>;
  using ServerLane = run::Lane<Queue, run::Responder>;
  using ClientLane = run::Lane<Queue, load::Generator>;
  const bool huge = eal.huge_pages();
  const dpdk::TscClock clock;
  const auto recorder = run::make_recorder(options.shared, clock, {"server", "client"});
  if (!recorder) return cli::print_error(recorder.error());
  const auto recorded = [&](std::size_t end, std::size_t i) {
    return Queue{queue(end, i), recorder->get(), static_cast<std::uint32_t>(end)};
  };
  const std::size_t resident_before = run::resident_bytes();
  run::Fleet<ServerLane, ClientLane> fleet{plan.cores.size()};
  for (std::size_t i = 0; i < plan.pairs; ++i) {
    auto responder = run::make_responder(options.server);
    if (!responder) return cli::print_error(responder.error());
    {
      const run::OnCore here{plan.cores[plan.server_core(i)]};
      auto server = ServerLane::make(recorded(0, i), std::move(*responder),
                                     plan.server_config(options, i, huge), clock.now());
      if (!server) return cli::print_error(server.error());
      fleet.servers[plan.server_core(i)].push_back(std::move(*server));
    }
    const run::OnCore here{plan.cores[plan.client_core(i)]};
    auto asked = generator_options(options, plan, i);
    if (!asked) return cli::print_error(asked.error());
    const auto config = plan.client_config(options, i, huge);
    asked->streams = config.connections;
    asked->fast_open = options.shared.tcp.fast_open;
    auto generator = load::Generator::make(std::move(*asked));
    if (!generator) return cli::print_error(generator.error());
    auto client = ClientLane::make(recorded(1, i), std::move(*generator), config, clock.now());
    if (!client) return cli::print_error(client.error());
    fleet.clients[plan.client_core(i)].push_back(std::move(*client));
  }
  const auto connections = plan.client_config(options, 0, huge).connections;
  run::print_memory(
      options.shared.human(), eal,
      {resident_before, connections, 2 * plan.pairs, ClientLane::Pipeline::bytes_per_connection()});
  run::Facts facts{
      "pollux-bench", std::string{cli::name(options.link)},         std::string{steering},
      huge,           ServerLane::Pipeline::bytes_per_connection(), connections,
      offloads[0]};
  run::Facts client_facts = facts;
  client_facts.bytes_per_connection = ClientLane::Pipeline::bytes_per_connection();
  client_facts.offloads = offloads[1];
  client_facts.beside = options.client.beside != 0;
  if (options.client.held != 0) {
    auto opened = run::open_held(fleet, options.shared, options.client.held, eal, clock);
    if (!opened) {
      cli::print_error(opened.error());
      return 1;
    }
    client_facts.held = run::held_of(options.client, *opened);
  }
  const auto summaries_of = [&](const run::Outcome& outcome) {
    std::vector out{run::summarize(facts, outcome.ends[0], outcome.per_second[0], plan.cores,
                                   outcome.cores, clock),
                    run::summarize(client_facts, outcome.ends[1], outcome.per_second[1], plan.cores,
                                   outcome.cores, clock)};
    for (const auto& lanes : fleet.servers) {
      for (const auto& lane : lanes) {
        run::add_replies(out.front(), std::as_const(*lane).application().counters());
      }
    }
    cli::derive(out.front());
    return out;
  };
  const std::vector<cli::Summary> ends = [&] {
    if (options.client.profile) {
      auto found = run::profile(options.shared, options.client, [&](const cli::Iteration& next) {
        load::set_iteration(fleet.clients, next);
        const run::Outcome outcome = fleet.run_iteration(options.shared, next, eal, clock);
        auto summaries = summaries_of(outcome);
        summaries.back().sustain = run::sustain_of(outcome.ends.back(), outcome.samples);
        return summaries;
      });
      fleet.stop(eal, clock);
      return found;
    }
    if (!options.client.search) {
      return summaries_of(fleet.run(options.shared, options.client.warmup, eal, clock));
    }
    auto found = run::search(options.shared, options.client, [&](std::uint64_t rate) {
      load::set_rate(fleet.clients, rate);
      return summaries_of(fleet.run_step(options.shared, options.client.warmup, eal, clock));
    });
    fleet.stop(eal, clock);
    return found;
  }();
  for (const auto& lanes : fleet.servers) {
    for (const auto& lane : lanes) {
      if (Status served = run::all_ports_served(lane->application()); !served) {
        return cli::print_error(served.error());
      }
    }
  }
  return run::finish(options.shared, options.client, cli::name(options.scenario), ends[0], ends[1],
                     recorder->get());
}

int bench(const cli::BenchOptions& options) {
  auto plan = Plan::make(options, dpdk::allowed_cores(), run::seed_of(options.shared));
  if (!plan) return cli::print_error(plan.error());
  dpdk::RingLinkOptions ring;
  ring.queues = static_cast<std::uint16_t>(plan->pairs);
  for (std::size_t i = 0; i < plan->pairs; ++i) {
    ring.cores.push_back(plan->cores[plan->server_core(i)]);
  }
  dpdk::PortOptions port;
  port.queues = ring.queues;
  if (options.mtu) ring.mtu = port.mtu = *options.mtu;
  port.segmentation = options.shared.segmentation;
  port.merging = options.shared.merging;
  port.descriptors = options.shared.rings;
  const bool rings = options.link == cli::Link::ring;
  const std::size_t memory =
      rings ? dpdk::RingLink::bytes_for(ring) : dpdk::PortPair::bytes_for(port);
  auto start = run::eal_options(options.shared, plan->cores, memory);
  if (rings) start.memory_cores = plan->pairs;  // whose servers' cores are the first
  start.virtual_devices = !rings;
  auto eal = dpdk::Eal::start(start);
  if (!eal) return cli::print_error(eal.error());
  std::vector<dpdk::PacketMemory> packets;
  if (rings) {
    auto link = dpdk::RingLink::create(ring);
    if (!link) return cli::print_error(link.error());
    const std::string none = "none (both ends compute and check real sums)";
    for (std::size_t i = 0; i < plan->pairs; ++i) {
      packets.push_back({ring.cores[i], link->buffer_nodes(i)});
    }
    print_banner(options, *eal, {none, none}, packets);
    return run_over(options, *plan, *eal, {none, none},
                    [&](std::size_t end, std::size_t i) { return link->queue(end, i); });
  }
  dpdk::PortOptions clients = port;
  clients.first_worker = plan->client_core(0);
  auto pair = dpdk::PortPair::open(
      *eal, options.link == cli::Link::memif ? dpdk::PairKind::memif : dpdk::PairKind::virtio, port,
      clients);
  if (!pair) return cli::print_error(pair.error());
  for (std::uint16_t i = 0; i < port.queues; ++i) {
    packets.push_back({plan->cores[plan->server_core(i)], pair->near.buffer_nodes(i)});
    packets.push_back({plan->cores[plan->client_core(i)], pair->far.buffer_nodes(i)});
  }
  const Offloads offloads{pair->near.offloads(), pair->far.offloads()};
  print_banner(options, *eal, offloads, packets);
  return run_over(options, *plan, *eal, offloads, [&](std::size_t end, std::size_t i) {
    return (end == 0 ? pair->near : pair->far).queue(static_cast<std::uint16_t>(i));
  });
}

}  // namespace
}  // namespace pollux::bench

int main(int argc, char** argv) {
  using namespace pollux;
  const auto parsed = cli::parse_bench(argc, argv);
  if (!parsed.options) return parsed.finish();
  host::install_signal_handlers();
  return bench::bench(*parsed.options);
}
