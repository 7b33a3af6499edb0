// pollux-load: the generator behind one or more devices.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/error.h"
#include "cli/options.h"
#include "cli/signals.h"
#include "dpdk/clock.h"
#include "load/generator.h"
#include "run/config.h"
#include "run/fleet.h"
#include "run/ports.h"
#include "run/report.h"

namespace pollux::load {
namespace {

using Lane = run::Lane<run::Recorded<dpdk::Queue>, Generator>;

int generate(const cli::LoadOptions& options) {
  auto devices = run::Devices::open(options.shared);
  if (!devices) return cli::print_error(devices.error());
  if (Status fine = devices->check_answers_come_home(); !fine)
    return cli::print_error(fine.error());
  devices->print_banner(options.shared);
  const dpdk::TscClock clock;
  const std::uint64_t seed = run::seed_of(options.shared);
  std::vector<std::string> interfaces;
  for (const auto& device : options.shared.devices) interfaces.push_back(device.spec);
  const auto recorder = run::make_recorder(options.shared, clock, interfaces);
  if (!recorder) return cli::print_error(recorder.error());
  run::Fleet<run::NoLane, Lane> fleet{devices->eal->cores().size()};
  const std::size_t shares = devices->ports.size() * fleet.clients.size();
  std::size_t share = 0;
  for (std::size_t d = 0; d < devices->ports.size(); ++d) {
    for (std::size_t core = 0; core < fleet.clients.size(); ++core) {
      auto config = run::base_config(options.shared, devices->eal->huge_pages(), seed + share,
                                     run::Devices::stack_buffers);
      config.interface = options.shared.devices[d].interface;
      auto options_of = generator_options(options.client, shares, share);
      if (!options_of) return cli::print_error(options_of.error());
      options_of->streams = config.connections;
      auto generator = Generator::make(std::move(*options_of));
      if (!generator) return cli::print_error(generator.error());
      auto lane =
          Lane::make(run::Recorded{devices->ports[d].queue(static_cast<std::uint16_t>(core)),
                                   recorder->get(), static_cast<std::uint32_t>(d)},
                     std::move(*generator), config, clock.now());
      if (!lane) return cli::print_error(lane.error());
      for (std::size_t other = 0; other < core; ++other) {
        run::introduce(*fleet.clients[other].back(), **lane);
      }
      fleet.clients[core].push_back(std::move(*lane));
      ++share;
    }
  }
  auto outcome = fleet.run(options.shared, options.client.warmup, *devices->eal, clock,
                           [&] { devices->tend(); });
  if (const int code = run::finish_recording(recorder->get()); code != 0) return code;
  run::Facts facts{"pollux-load",
                   options.shared.devices.front().spec,
                   run::steering_text(devices->ports.front()),
                   devices->eal->huge_pages(),
                   Lane::Pipeline::bytes_per_connection(),
                   options.shared.connections};
  const auto summary = run::summarize(facts, outcome.ends.front(), outcome.per_second.front(),
                                      devices->eal->cores(), outcome.cores, clock);
  return run::finish(options.shared, options.client.fail_if, summary);
}

}  // namespace
}  // namespace pollux::load

int main(int argc, char** argv) {
  using namespace pollux;
  const auto parsed = cli::parse_load(argc, argv);
  if (!parsed.options) return parsed.finish();
  cli::install_signal_handlers();
  return load::generate(*parsed.options);
}
