// pollux-httpd: the responder behind one or more devices.

#include <utility>

#include "cli/error.h"
#include "cli/options.h"
#include "dpdk/clock.h"
#include "host/signals.h"
#include "run/deploy.h"
#include "run/fleet.h"
#include "run/ports.h"
#include "run/report.h"
#include "run/responder.h"

namespace pollux::httpd {
namespace {

using Lane = run::Lane<run::Recorded<dpdk::SteeredQueue>, run::Responder>;

int serve(const cli::HttpdOptions& options) {
  auto devices = run::Devices::open(options.shared);
  if (!devices) return cli::print_error(devices.error());
  devices->print_banner(options.shared);
  const dpdk::TscClock clock;
  const auto recorder = run::make_recorder(options.shared, clock);
  if (!recorder) return cli::print_error(recorder.error());
  auto lanes = run::deploy<Lane>(
      options.shared, *devices, recorder->get(), clock,
      [&](const auto&, const auto&) { return run::make_responder(options.server); });
  if (!lanes) return cli::print_error(lanes.error());
  run::Fleet<Lane, run::NoLane> fleet{lanes->size()};
  fleet.servers = std::move(*lanes);
  auto outcome =
      fleet.run(options.shared, Duration{0}, *devices->eal, clock, [&] { devices->tend(); });
  const auto facts =
      devices->facts("pollux-httpd", options.shared, Lane::Pipeline::bytes_per_connection());
  auto summary = run::summarize(facts, outcome.ends.front(), outcome.per_second.front(),
                                devices->eal->cores(), outcome.cores, clock);
  for (const auto& core : fleet.servers) {
    for (const auto& lane : core) {
      if (Status served = run::all_ports_served(lane->application()); !served) {
        return cli::print_error(served.error());
      }
      run::add_replies(summary, lane->application().counters());
    }
  }
  cli::derive(summary);
  return run::finish(options.shared, summary, *devices, recorder->get());
}

}  // namespace
}  // namespace pollux::httpd

int main(int argc, char** argv) {
  using namespace pollux;
  const auto parsed = cli::parse_httpd(argc, argv);
  if (!parsed.options) return parsed.finish();
  host::install_signal_handlers();
  return httpd::serve(*parsed.options);
}
