#pragma once

#include <cstddef>
#include <vector>

#include "application/application.h"
#include "cli/options.h"

namespace pollux::load {

/// Of `targets`, those for device number `device`: each goes to the devices on whose link it is, or
/// that have a route to it, and to all where there is no such device. A device that would have none
/// gets all: everything without a route is on link.
std::vector<application::Endpoint> targets_of(const std::vector<cli::DeviceOptions>& devices,
                                              std::size_t device,
                                              const std::vector<application::Endpoint>& targets);

}  // namespace pollux::load
