#include "run/report.h"

#include <fmt/core.h>

#include <string>

#include "cli/error.h"
#include "cli/report.h"

namespace pollux::run {
namespace {

int write(const cli::SharedOptions& options, const std::vector<cli::FailIf>& fail_if,
          const cli::Summary& judged, const std::string& table, const std::string& json) {
  fmt::print(options.human(), "{}", table);
  std::fflush(options.human());
  if (!options.json.empty()) {
    if (Status written = cli::write_json(options.json, json); !written) {
      return cli::print_error(written.error());
    }
  }
  const auto failures = cli::failures_of(fail_if, judged);
  for (const std::string& line : failures) fmt::print(stderr, "{}\n", line);
  return failures.empty() ? 0 : 1;
}

}  // namespace

int finish(const cli::SharedOptions& options, const std::vector<cli::FailIf>& fail_if,
           const cli::Summary& summary) {
  return write(options, fail_if, summary, cli::table(summary), cli::to_json(summary));
}

int finish(const cli::SharedOptions& options, const std::vector<cli::FailIf>& fail_if,
           std::string_view scenario, const cli::Summary& server, const cli::Summary& client) {
  return write(options, fail_if, client, cli::table(scenario, server, client),
               cli::to_json(scenario, server, client));
}

}  // namespace pollux::run
