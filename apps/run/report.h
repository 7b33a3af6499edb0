#pragma once

#include <string_view>
#include <vector>

#include "cli/fail_if.h"
#include "cli/options.h"
#include "cli/summary.h"

namespace pollux::run {

/// Prints the table and writes the JSON of a program that has a server's end alone; the exit code.
int finish(const cli::SharedOptions& options, const cli::Summary& server);
/// The same for a client's end: 1 when a condition holds, or when nothing came through.
int finish(const cli::SharedOptions& options, const std::vector<cli::FailIf>& fail_if,
           const cli::Summary& client);
/// The same for pollux-bench.
int finish(const cli::SharedOptions& options, const std::vector<cli::FailIf>& fail_if,
           std::string_view scenario, const cli::Summary& server, const cli::Summary& client);

}  // namespace pollux::run
