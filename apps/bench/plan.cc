#include "bench/plan.h"

#include <algorithm>
#include <string>

#include "dpdk/eal.h"
#include "run/config.h"

namespace pollux::bench {
namespace {

/// Pair i has 10.(64 + i).0.0/16: the server is .0.1, the clients are .1.0 and what follows.
wire::Ipv4Prefix server_prefix(std::size_t pair) {
  return {wire::Ipv4Address{10, static_cast<std::uint8_t>(64 + pair), 0, 1}, 16};
}
wire::Ipv4Prefix client_prefix(std::size_t pair) {
  return {wire::Ipv4Address{10, static_cast<std::uint8_t>(64 + pair), 1, 0}, 16};
}
constexpr std::size_t max_pairs = 128;

}  // namespace

Result<Plan> Plan::make(const cli::BenchOptions& options, const std::vector<unsigned>& allowed,
                        std::uint64_t seed) {
  Plan plan;
  plan.seed = seed;
  auto chosen =
      dpdk::worker_cores({options.shared.cores.begin(), options.shared.cores.end()}, allowed);
  if (!chosen) return chosen.error();
  if (options.shared.cores.empty() && allowed.size() > 1) {
    // One core does where there are not two.
    if (auto two = dpdk::worker_cores({allowed[0], allowed[1]}, allowed)) chosen = std::move(two);
  }
  plan.cores = *std::move(chosen);
  plan.together = options.together || plan.cores.size() == 1;
  if (!plan.together && plan.cores.size() % 2 != 0) {
    return Error{Error::Kind::usage, "--cores",
                 std::to_string(plan.cores.size()) + " cores cannot be halved",
                 "--together, or as many for the servers as for the clients"};
  }
  plan.pairs = plan.together ? plan.cores.size() : plan.cores.size() / 2;
  if (plan.pairs > max_pairs) {
    return Error{Error::Kind::usage, "--cores", "more than 128 pairs of ends", "fewer cores"};
  }
  // A source address has 64,512 ports towards the server. Half of them in use leaves each one time
  // to rest, and the connections that are opened while others are in TIME-WAIT find one at once.
  const std::uint32_t each =
      (options.client.concurrency + options.client.held) / static_cast<std::uint32_t>(plan.pairs);
  plan.client_addresses = std::clamp<std::uint32_t>(each / 32'000 + 64, 64, 60'000);
  return plan;
}

application::Endpoint Plan::target(const cli::BenchOptions& options,
                                   std::size_t pair) const noexcept {
  return {server_prefix(pair).address, options.server.listen.front()};
}

pipeline::Config Plan::server_config(const cli::BenchOptions& options, std::size_t pair,
                                     bool huge_pages) const {
  auto config = run::base_config(options.shared, huge_pages, seed + 2 * pair, stack_buffers);
  config.interface.addresses = {{server_prefix(pair), 1}};
  config.interface.vlan = options.vlan;
  config.neighbors = std::max(config.neighbors, 2 * client_addresses);
  config.connections =
      std::max(config.connections, options.client.concurrency + options.client.held + 64);
  return config;
}

pipeline::Config Plan::client_config(const cli::BenchOptions& options, std::size_t pair,
                                     bool huge_pages) const {
  auto config = run::base_config(options.shared, huge_pages, seed + 2 * pair + 1, stack_buffers);
  config.interface.addresses = {{client_prefix(pair), client_addresses}};
  config.interface.vlan = options.vlan;
  config.connections =
      std::max(config.connections, options.client.concurrency + options.client.held + 64);
  if (options.shared.orphans == 0) config.orphans = config.connections;
  return config;
}

Result<load::GeneratorOptions> generator_options(const cli::BenchOptions& options, const Plan& plan,
                                                 std::size_t pair) {
  cli::ClientOptions client = options.client;
  client.targets = {plan.target(options, pair)};
  return load::generator_options(client, plan.pairs, pair);
}

}  // namespace pollux::bench
