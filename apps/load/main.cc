// pollux-load: the generator behind one or more devices.

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "cli/error.h"
#include "cli/options.h"
#include "dpdk/clock.h"
#include "host/signals.h"
#include "load/generator.h"
#include "load/targets.h"
#include "run/deploy.h"
#include "run/fleet.h"
#include "run/held.h"
#include "run/ports.h"
#include "run/profile.h"
#include "run/report.h"
#include "run/search.h"

namespace pollux::load {
namespace {

using Lane = run::Lane<run::Recorded<dpdk::SteeredQueue>, Generator>;

/// What one lane's generator does of all that is asked for.
Result<std::unique_ptr<Generator>> make_generator(const cli::LoadOptions& options,
                                                  const run::Place& place, std::uint32_t streams) {
  cli::ClientOptions client = options.client;
  client.targets = targets_of(options.shared.devices, place.device, options.client.targets);
  auto share = generator_options(client, place.shares, place.share);
  if (!share) return share.error();
  share->streams = streams;
  share->fast_open = options.shared.tcp.fast_open;
  return Generator::make(std::move(*share));
}

int generate(const cli::LoadOptions& options) {
  auto devices = run::Devices::open(options.shared);
  if (!devices) return cli::print_error(devices.error());
  devices->print_banner(options.shared);
  const dpdk::TscClock clock;
  const auto recorder = run::make_recorder(options.shared, clock);
  if (!recorder) return cli::print_error(recorder.error());
  auto lanes = run::deploy<Lane>(options.shared, *devices, recorder->get(), clock,
                                 [&](const run::Place& place, const pipeline::Config& config) {
                                   return make_generator(options, place, config.connections);
                                 });
  if (!lanes) return cli::print_error(lanes.error());
  run::Fleet<run::NoLane, Lane> fleet{lanes->size()};
  fleet.clients = std::move(*lanes);
  const auto tend = [&] { devices->tend(); };
  std::optional<cli::Summary::Held> held;
  if (options.client.held != 0) {
    auto opened =
        run::open_held(fleet, options.shared, options.client.held, *devices->eal, clock, tend);
    if (!opened) {
      cli::print_error(opened.error());
      return 1;
    }
    held = run::held_of(options.client, *opened);
  }
  const auto summary_of = [&](const run::Outcome& outcome) {
    auto facts =
        devices->facts("pollux-load", options.shared, Lane::Pipeline::bytes_per_connection());
    facts.held = held;
    facts.beside = options.client.beside != 0;
    cli::Summary summary = run::summarize(facts, outcome.ends.front(), outcome.per_second.front(),
                                          devices->eal->cores(), outcome.cores, clock);
    if (options.client.profile) {
      summary.sustain = run::sustain_of(outcome.ends.front(), outcome.samples);
    }
    return summary;
  };
  const cli::Summary summary = [&] {
    if (options.client.profile) {
      auto found = run::profile(options.shared, options.client, [&](const cli::Iteration& next) {
        set_iteration(fleet.clients, next);
        return std::vector{
            summary_of(fleet.run_iteration(options.shared, next, *devices->eal, clock, tend))};
      });
      fleet.stop(*devices->eal, clock);
      return std::move(found.back());
    }
    if (!options.client.search) {
      return summary_of(
          fleet.run(options.shared, options.client.warmup, *devices->eal, clock, tend));
    }
    auto found = run::search(options.shared, options.client, [&](std::uint64_t rate) {
      set_rate(fleet.clients, rate);
      return std::vector{summary_of(
          fleet.run_step(options.shared, options.client.warmup, *devices->eal, clock, tend))};
    });
    fleet.stop(*devices->eal, clock);
    return std::move(found.back());
  }();
  return run::finish(options.shared, options.client, summary, *devices, recorder->get());
}

}  // namespace
}  // namespace pollux::load

int main(int argc, char** argv) {
  using namespace pollux;
  const auto parsed = cli::parse_load(argc, argv);
  if (!parsed.options) return parsed.finish();
  host::install_signal_handlers();
  return load::generate(*parsed.options);
}
