#pragma once

#include <cstdint>

#include "cli/options.h"
#include "host/run.h"
#include "pipeline/config.h"

namespace pollux::run {

/// What the shared options say about every pipeline. `pool` is how many packets the stack's own
/// pool has beyond what is on its way.
inline pipeline::Config base_config(const cli::SharedOptions& options, bool huge_pages,
                                    std::uint64_t seed, std::uint32_t pool) {
  pipeline::Config config = host::stack_config(options.connections, pool);
  config.orphans = options.orphans;
  config.tcp = options.tcp;
  config.tcp.syn_again = 2ms;  // docs/decisions/0005
  config.huge_pages = huge_pages;
  config.seed = seed;
  return config;
}

/// A seed that nobody can foretell, or the one that was asked for.
std::uint64_t seed_of(const cli::SharedOptions& options);

}  // namespace pollux::run
