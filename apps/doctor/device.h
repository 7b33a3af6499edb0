#pragma once

#include "doctor/options.h"

namespace pollux::doctor {

/// Opens the device, prints what it says of itself and, with a peer, whether that is true. Returns
/// the exit code.
int examine_device(const Options& options);

}  // namespace pollux::doctor
