#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/options.h"
#include "dpdk/clock.h"
#include "run/banner.h"
#include "run/capture.h"
#include "run/config.h"
#include "run/lane.h"
#include "run/loop.h"
#include "run/ports.h"

namespace pollux::run {

/// Which of a program's lanes one is.
struct Place {
  std::size_t device = 0;
  std::size_t share = 0;   // among all lanes
  std::size_t shares = 1;  // how many there are
};

/// A lane of every device on every core, by core; the lanes of a device know each other. Each has
/// the application that `make_application(place, config)` gives, of a Result with a unique_ptr.
/// Prints the banner's line about memory.
template <class Lane, class MakeApplication>
Result<std::vector<Lanes<Lane>>> deploy(const cli::SharedOptions& options, Devices& devices,
                                        Recorder* recorder, const dpdk::TscClock& clock,
                                        MakeApplication&& make_application) {
  const auto& cores = devices.eal->cores();
  const std::size_t resident_before = resident_bytes();
  const std::uint64_t seed = seed_of(options);
  std::vector<Lanes<Lane>> lanes(cores.size());
  Place place;
  place.shares = devices.ports.size() * cores.size();
  for (place.device = 0; place.device < devices.ports.size(); ++place.device) {
    for (std::size_t core = 0; core < cores.size(); ++core, ++place.share) {
      const OnCore here{cores[core]};
      auto config = base_config(options, devices.eal->huge_pages(), seed + place.share,
                                Devices::stack_buffers);
      config.cookie_seed = seed;
      config.interface = options.devices[place.device].interface;
      auto application = make_application(std::as_const(place), std::as_const(config));
      if (!application) return application.error();
      auto queue = devices.steerings[place.device].queue(devices.ports[place.device],
                                                         static_cast<std::uint16_t>(core));
      auto lane =
          Lane::make(Recorded{std::move(queue), recorder, static_cast<std::uint32_t>(place.device)},
                     std::move(*application), config, clock.now());
      if (!lane) return lane.error();
      for (std::size_t other = 0; other < core; ++other) introduce(*lanes[other].back(), **lane);
      lanes[core].push_back(std::move(*lane));
    }
  }
  print_memory(
      options.human(), *devices.eal,
      {resident_before, options.connections, place.shares, Lane::Pipeline::bytes_per_connection()});
  return lanes;
}

}  // namespace pollux::run
