#include "run/config.h"

#include <fmt/core.h>

#include <cstdio>
#include <random>

namespace pollux::run {

std::uint64_t seed_of(const cli::SharedOptions& options) {
  if (options.seed) {
    fmt::print(stderr, "warning: --seed lets anybody foretell sequence numbers: for tests only\n");
    return *options.seed;
  }
  std::random_device source;
  return std::uint64_t{source()} << 32 | source();
}

}  // namespace pollux::run
