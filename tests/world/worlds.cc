// Runs simulated networks by seed: worlds [--seed N | --from N --count N] [--topology NAME]
// [--connections N] [--verbose] [--capture FILE]. A seed that fails is run again with a capture.

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "topology.h"
#include "transfer_world.h"

/// Of the sanitizers, where they are built in.
extern "C" void __sanitizer_set_death_callback(void (*)()) __attribute__((weak));

namespace {

using pollux::world::draw_plan;
using pollux::world::Topology;
using pollux::world::topology_of;
using pollux::world::TransferPlan;
using pollux::world::TransferReport;

/// Worlds that once found a bug: they run first, always.
struct Regression {
  Topology topology;
  std::uint64_t seed;
  std::uint32_t connections;
};
constexpr Regression regressions[] = {{Topology::two_hosts, 20, 500}};

struct Options {
  std::uint64_t from = 1;
  std::uint64_t count = 200;
  std::uint32_t connections = 100;
  std::optional<Topology> topology;
  bool verbose = false;
  bool regressions = true;
  std::string capture;
};

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option{argv[i]};
    if (option == "--verbose") {
      options.verbose = true;
      continue;
    }
    if (i + 1 == argc) return std::nullopt;
    const char* const value = argv[++i];
    const std::uint64_t number = std::strtoull(value, nullptr, 10);
    if (option == "--seed") {
      options.from = number;
      options.count = 1;
      options.regressions = false;
    } else if (option == "--from") {
      options.from = number;
    } else if (option == "--count") {
      options.count = number;
    } else if (option == "--connections") {
      options.connections = static_cast<std::uint32_t>(number);
    } else if (option == "--topology") {
      options.topology = topology_of(std::string_view{value});
      if (!options.topology) return std::nullopt;
    } else if (option == "--capture") {
      options.capture = value;
    } else {
      return std::nullopt;
    }
  }
  return options;
}

/// Where a failed world's capture goes.
std::string capture_path(const TransferPlan& plan) {
  const char* const folder = std::getenv("TMPDIR");
  return std::string{folder != nullptr ? folder : "/tmp"} + "/pollux-world-" + plan.topology + "-" +
         std::to_string(plan.seed) + ".pcapng";
}

std::string replay(const TransferPlan& plan, std::uint32_t connections) {
  return "worlds --topology " + plan.topology + " --seed " + std::to_string(plan.seed) +
         " --connections " + std::to_string(connections) + " --verbose";
}

void print(const TransferPlan& plan, const TransferReport& report, std::uint32_t connections) {
  std::printf("seed %llu, %s%s\n%s\n  %s%s\n", static_cast<unsigned long long>(plan.seed),
              plan.topology.c_str(), report.ok() ? "" : " FAILED", to_string(plan).c_str(),
              report.ledger.c_str(), report.counters.c_str());
  std::printf("  trace %016llx\n", static_cast<unsigned long long>(report.trace));
  for (const std::string& problem : report.problems)
    std::printf("  problem: %s\n", problem.c_str());
  std::printf("  replay: %s\n", replay(plan, connections).c_str());
}

/// What is said of the world under way when an assertion or a sanitizer ends the program.
std::string last_words;

void say_last_words() {
  static_cast<void>(!write(STDERR_FILENO, last_words.data(), last_words.size()));
}

void prepare_for_death() {
  static_cast<void>(std::signal(SIGABRT, [](int) { say_last_words(); }));
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(say_last_words);
}

struct Totals {
  std::uint64_t seeds = 0;
  std::uint64_t failed = 0;
  std::uint64_t connections = 0;
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;
};

void run_world(Topology topology, std::uint64_t seed, std::uint32_t connections,
               const Options& options, Totals& totals) {
  const TransferPlan plan = draw_plan(topology, seed, connections);
  last_words = "died in seed " + std::to_string(seed) + ", " + plan.topology + "\n" +
               to_string(plan) + "\n  replay: " + replay(plan, connections) + "\n";
  const TransferReport report = run(plan, options.capture);
  ++totals.seeds;
  totals.connections += report.connections;
  totals.frames += report.frames;
  totals.bytes += report.bytes;
  if (!report.ok()) ++totals.failed;
  if (!report.ok() || options.verbose) print(plan, report, connections);
  if (!report.ok() && options.capture.empty()) {
    const std::string path = capture_path(plan);
    const bool again = !run(plan, path).ok();
    std::printf("  %s with a capture: %s\n", again ? "failed again" : "DID NOT FAIL AGAIN",
                path.c_str());
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Options> options = parse(argc, argv);
  if (!options) {
    std::fprintf(stderr,
                 "usage: worlds [--seed N | --from N --count N] [--topology NAME]"
                 " [--connections N] [--verbose] [--capture FILE]\ntopologies:");
    for (std::uint8_t i = 0; i < static_cast<std::uint8_t>(Topology::count_); ++i) {
      std::fprintf(stderr, " %s", std::string{name(static_cast<Topology>(i))}.c_str());
    }
    std::fprintf(stderr, "\n");
    return 2;
  }
  prepare_for_death();
  const auto begin = std::chrono::steady_clock::now();
  Totals totals;
  if (options->regressions) {
    for (const auto& [topology, seed, connections] : regressions) {
      run_world(topology, seed, connections, *options, totals);
    }
  }
  for (std::uint64_t i = 0; i < options->count; ++i) {
    const std::uint64_t seed = options->from + i;
    run_world(options->topology.value_or(topology_of(seed)), seed, options->connections, *options,
              totals);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%llu worlds, %llu failed: %llu connections, %llu frames, %llu bytes, %.1f s\n",
              static_cast<unsigned long long>(totals.seeds),
              static_cast<unsigned long long>(totals.failed),
              static_cast<unsigned long long>(totals.connections),
              static_cast<unsigned long long>(totals.frames),
              static_cast<unsigned long long>(totals.bytes), took.count());
  return totals.failed == 0 ? 0 : 1;
}
