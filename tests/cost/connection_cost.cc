// usage: connection_cost CONNECTIONS [pollux-bench option...]
//
// Responder and generator on one thread over a ring link, as pollux-bench sets them up, in time
// that goes on by 5 us a round: the same instructions in every run. It completes that many
// connections, calls half_time(), and completes as many again: what callgrind counts within
// poll_server() and poll_client() from then on is the difference between a run of twice as many and
// one of as many, in which all that is done once cancels out. tests/cost/budget.py reads it.

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

using Server = run::Lane<dpdk::RingQueue, run::Responder>;
using Client = run::Lane<dpdk::RingQueue, load::Generator>;

}  // namespace

// Callgrind is told of these by name: they stay functions of their own, whatever the optimiser
// knows, and within them all is as in the programs.
[[gnu::noipa]] void poll_server(Server& server, Instant now) { server.poll(now); }
[[gnu::noipa]] void poll_client(Client& client, Instant now) { client.poll(now); }
[[gnu::noipa]] void half_time() {}

namespace {

int measure(const cli::BenchOptions& options, std::uint64_t connections) {
  const auto plan = must(bench::Plan::make(options, {dpdk::allowed_cores().front()}, seed));
  dpdk::RingLinkOptions ring;
  auto eal = must(dpdk::Eal::start(
      run::eal_options(options.shared, plan.cores, dpdk::RingLink::bytes_for(ring))));
  auto link = must(dpdk::RingLink::create(ring));
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
  const auto poll_until = [&](std::uint64_t completed) {
    for (; client->tally().completed < completed; now += round_time) {
      poll_server(*server, now);
      poll_client(*client, now);
    }
    return std::uint64_t{client->tally().completed};
  };
  const std::uint64_t at_half = poll_until(connections);
  const std::uint64_t frames_at_half = client->frames();
  half_time();
  const std::uint64_t counted = poll_until(at_half + connections) - at_half;
  const std::uint64_t failed{client->tally().failed};
  fmt::print("{{\"build\": \"{}\", \"connections\": {}, \"failed\": {}, \"frames\": {}}}\n",
             POLLUX_BUILD, counted, failed, client->frames() - frames_at_half);
  client->stop(now, run::Leftover::aborted);
  server->stop(now, run::Leftover::aborted);
  return failed == 0 ? 0 : 1;
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
