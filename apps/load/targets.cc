#include "load/targets.h"

#include <algorithm>
#include <iterator>

namespace pollux::load {
namespace {

bool reaches(const cli::DeviceOptions& device, wire::Ipv4Address target) {
  const auto& ranges = device.interface.addresses;
  const auto& routes = device.interface.routes;
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return range.prefix.contains(target); }) ||
         std::any_of(routes.begin(), routes.end(),
                     [&](const auto& route) { return route.destination.contains(target); });
}

}  // namespace

std::vector<application::Endpoint> targets_of(const std::vector<cli::DeviceOptions>& devices,
                                              std::size_t device,
                                              const std::vector<application::Endpoint>& targets) {
  std::vector<application::Endpoint> out;
  std::copy_if(targets.begin(), targets.end(), std::back_inserter(out), [&](const auto& target) {
    return reaches(devices[device], target.address) ||
           std::none_of(devices.begin(), devices.end(),
                        [&](const auto& other) { return reaches(other, target.address); });
  });
  return out.empty() ? targets : out;
}

}  // namespace pollux::load
