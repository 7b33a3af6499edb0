// usage: connection_cost CONNECTIONS [pollux-bench option...]
//
// Responder and generator on one thread over a ring link, as pollux-bench sets them up, in time
// that goes on by 5 us a round: the same instructions in every run. Two runs of different length
// under callgrind tell what a connection costs, both ends together: see tools/cost.

#include <fmt/core.h>

#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "bench/plan.h"
#include "cli/error.h"
#include "dpdk/eal.h"
#include "dpdk/ring_link.h"
#include "load/generator.h"
#include "run/config.h"
#include "run/lane.h"
#include "run/ports.h"
#include "run/responder.h"

namespace pollux {
namespace {

constexpr Duration round_time = 5us;
constexpr std::uint64_t seed = 1;

/// The value, or the end of the program with what a user would read.
template <class T>
T must(Result<T> result) {
  if (!result) std::exit(cli::print_error(result.error()));
  return *std::move(result);
}

int measure(const cli::BenchOptions& options, std::uint64_t connections) {
  const auto plan = must(bench::Plan::make(options, {dpdk::allowed_cores().front()}, seed));
  dpdk::RingLinkOptions ring;
  auto eal = must(dpdk::Eal::start(
      run::eal_options(options.shared, plan.cores, dpdk::RingLink::bytes_for(ring))));
  auto link = must(dpdk::RingLink::create(ring));
  using Server = run::Lane<dpdk::RingQueue, run::Responder>;
  using Client = run::Lane<dpdk::RingQueue, load::Generator>;
  Instant now{1s};
  auto server = must(Server::make(link.queue(0, 0), must(run::make_responder(options.server)),
                                  plan.server_config(options, 0, false), now));
  const auto config = plan.client_config(options, 0, false);
  auto asked = must(generator_options(options, plan, 0));
  asked.streams = config.connections;
  auto client = must(
      Client::make(link.queue(1, 0), must(load::Generator::make(std::move(asked))), config, now));
  server->start(now);
  client->start(now);
  server->begin_measuring(now);
  client->begin_measuring(now);
  std::uint64_t rounds = 0;
  for (; client->tally().completed < connections; ++rounds) {
    server->poll(now);
    client->poll(now);
    now += round_time;
  }
  fmt::print("{} connections in {} rounds, {} failed, {} frames\n",
             std::uint64_t{client->tally().completed}, rounds,
             std::uint64_t{client->tally().failed}, client->frames());
  client->stop(now, run::Leftover::aborted);
  server->stop(now, run::Leftover::aborted);
  return client->tally().failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace pollux

int main(int argc, char** argv) {
  using namespace pollux;
  const std::uint64_t connections = argc < 2 ? 0 : std::strtoull(argv[1], nullptr, 10);
  if (connections == 0) {
    fmt::print(stderr, "usage: connection_cost CONNECTIONS [pollux-bench option...]\n");
    return 2;
  }
  const auto parsed = cli::parse_bench(argc - 1, argv + 1);
  return parsed.options ? measure(*parsed.options, connections) : parsed.finish();
}
