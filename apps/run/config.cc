#include "run/config.h"

#include <random>

namespace pollux::run {

std::uint64_t seed_of(const cli::SharedOptions& options) {
  if (options.seed) return *options.seed;
  std::random_device source;
  return std::uint64_t{source()} << 32 | source();
}

}  // namespace pollux::run
