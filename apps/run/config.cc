#include "run/config.h"

#include <fmt/core.h>

#include <cstdio>

#include "host/run.h"

namespace pollux::run {

std::uint64_t seed_of(const cli::SharedOptions& options) {
  if (options.seed) {
    fmt::print(stderr, "warning: --seed lets anybody foretell sequence numbers: for tests only\n");
    return *options.seed;
  }
  return host::fresh_seed();
}

}  // namespace pollux::run
