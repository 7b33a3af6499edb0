#include "run/report.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "cli/error.h"
#include "cli/report.h"
#include "host/signals.h"

namespace pollux::run {
namespace {

int write(const cli::SharedOptions& options, const std::string& table, const std::string& json) {
  fmt::print(options.human(), "{}", table);
  if (std::fflush(options.human()) != 0 || std::ferror(options.human()) != 0) {
    return cli::print_error({Error::Kind::machine, "the summary",
                             fmt::format("cannot be written: {}", std::strerror(errno)),
                             "another place for standard output"});
  }
  if (options.json.empty()) return 0;
  const Status written = cli::write_json(options.json, json);
  return written ? 0 : cli::print_error(written.error());
}

int judge(const cli::ClientOptions& asked, const cli::Summary& client) {
  if (client.search && !client.search->steps.empty()) {
    // By what its steps were judged already: of the best one no condition holds.
    const auto failed = cli::nothing_found(*client.search);
    if (failed && !host::stop_requested()) fmt::print(stderr, "{}\n", *failed);
    return failed && !host::stop_requested() ? 1 : 0;
  }
  auto failures = cli::failures_of(asked.fail_if, client);
  // Whoever ends a run by a signal has seen enough.
  auto nothing = client.profile           ? cli::not_valid(*client.profile)
                 : host::stop_requested() ? std::nullopt
                                          : cli::nothing_came_through(client, asked.hold);
  if (nothing) failures.push_back(std::move(*nothing));
  for (const std::string& line : failures) fmt::print(stderr, "{}\n", line);
  return failures.empty() ? 0 : 1;
}

int first(int code, int other) { return code != 0 ? code : other; }

int lost(const Devices& devices) { return devices.losses().empty() ? 0 : 1; }

}  // namespace

int finish(const cli::SharedOptions& options, const cli::Summary& server, const Devices& devices,
           Recorder* recorder) {
  const int code = write(options, cli::table(server), cli::to_json(server));
  return first(first(code, finish_recording(recorder)), lost(devices));
}

int finish(const cli::SharedOptions& options, const cli::ClientOptions& asked,
           const cli::Summary& client, const Devices& devices, Recorder* recorder) {
  const int code = write(options, cli::table(client), cli::to_json(client));
  const int judged = first(judge(asked, client), lost(devices));
  return first(first(code, finish_recording(recorder)), judged);
}

int finish(const cli::SharedOptions& options, const cli::ClientOptions& asked,
           std::string_view scenario, const cli::Summary& server, const cli::Summary& client,
           Recorder* recorder) {
  const int code =
      write(options, cli::table(scenario, server, client), cli::to_json(scenario, server, client));
  const int judged = judge(asked, client);
  return first(first(code, finish_recording(recorder)), judged);
}

}  // namespace pollux::run
