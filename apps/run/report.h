#pragma once

#include <string_view>

#include "cli/options.h"
#include "cli/summary.h"
#include "run/ports.h"

namespace pollux::run {

/// Prints the table and writes the JSON of a program that has a server's end alone, then ends the
/// capture, where there is one; the exit code: 1 when a device was taken away.
int finish(const cli::SharedOptions& options, const cli::Summary& server, const Devices& devices,
           Recorder* recorder);
/// The same for a client's end: also 1 when a condition holds, or when nothing came through. What
/// could not be written takes nothing away from what is said of the run, and comes first as a code.
int finish(const cli::SharedOptions& options, const cli::ClientOptions& asked,
           const cli::Summary& client, const Devices& devices, Recorder* recorder);
/// The same for pollux-bench, which has no devices.
int finish(const cli::SharedOptions& options, const cli::ClientOptions& asked,
           std::string_view scenario, const cli::Summary& server, const cli::Summary& client,
           Recorder* recorder);

}  // namespace pollux::run
