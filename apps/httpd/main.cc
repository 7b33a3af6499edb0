// pollux-httpd: the responder behind one or more devices.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/error.h"
#include "cli/options.h"
#include "cli/signals.h"
#include "dpdk/clock.h"
#include "run/banner.h"
#include "run/config.h"
#include "run/fleet.h"
#include "run/ports.h"
#include "run/report.h"
#include "run/responder.h"

namespace pollux::httpd {
namespace {

using Lane = run::Lane<run::Recorded<dpdk::Queue>, run::Responder>;

int serve(const cli::HttpdOptions& options) {
  auto devices = run::Devices::open(options.shared);
  if (!devices) return cli::print_error(devices.error());
  devices->print_banner(options.shared);
  const dpdk::TscClock clock;
  const std::uint64_t seed = run::seed_of(options.shared);
  std::vector<std::string> interfaces;
  for (const auto& device : options.shared.devices) interfaces.push_back(device.spec);
  const auto recorder = run::make_recorder(options.shared, clock, interfaces);
  if (!recorder) return cli::print_error(recorder.error());
  const std::size_t resident_before = run::resident_bytes();
  run::Fleet<Lane, run::NoLane> fleet{devices->eal->cores().size()};
  for (std::size_t d = 0; d < devices->ports.size(); ++d) {
    for (std::size_t core = 0; core < fleet.servers.size(); ++core) {
      const run::OnCore here{devices->eal->cores()[core]};
      auto config = run::base_config(options.shared, devices->eal->huge_pages(), seed + core,
                                     run::Devices::stack_buffers);
      config.interface = options.shared.devices[d].interface;
      auto responder = run::make_responder(options.server);
      if (!responder) return cli::print_error(responder.error());
      auto lane =
          Lane::make(run::Recorded{devices->ports[d].queue(static_cast<std::uint16_t>(core)),
                                   recorder->get(), static_cast<std::uint32_t>(d)},
                     std::move(*responder), config, clock.now());
      if (!lane) return cli::print_error(lane.error());
      for (std::size_t other = 0; other < core; ++other) {
        run::introduce(*fleet.servers[other].back(), **lane);
      }
      fleet.servers[core].push_back(std::move(*lane));
    }
  }
  run::print_memory(
      options.shared.human(), *devices->eal,
      {resident_before, options.shared.connections, devices->ports.size() * fleet.servers.size(),
       Lane::Pipeline::bytes_per_connection()});
  auto outcome =
      fleet.run(options.shared, Duration{0}, *devices->eal, clock, [&] { devices->tend(); });
  run::Facts facts{"pollux-httpd",
                   options.shared.devices.front().spec,
                   run::steering_text(devices->ports.front()),
                   devices->eal->huge_pages(),
                   Lane::Pipeline::bytes_per_connection(),
                   options.shared.connections};
  auto summary = run::summarize(facts, outcome.ends.front(), outcome.per_second.front(),
                                devices->eal->cores(), outcome.cores, clock);
  for (const auto& lanes : fleet.servers) {
    for (const auto& lane : lanes) {
      if (Status served = run::all_ports_served(lane->application()); !served) {
        return cli::print_error(served.error());
      }
      run::add_replies(summary, lane->application().counters());
    }
  }
  cli::derive(summary);
  return run::finish(options.shared, summary, recorder->get());
}

}  // namespace
}  // namespace pollux::httpd

int main(int argc, char** argv) {
  using namespace pollux;
  const auto parsed = cli::parse_httpd(argc, argv);
  if (!parsed.options) return parsed.finish();
  cli::install_signal_handlers();
  return httpd::serve(*parsed.options);
}
