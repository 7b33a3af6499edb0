#pragma once

#include <cstdint>

#include "cli/options.h"
#include "pipeline/config.h"

namespace pollux::run {

/// What the shared options say about every pipeline. `pool` is how many packets the stack's own
/// pool has beyond what is on its way: half of them may be kept, sent or received, so that there
/// are always some to send with.
inline pipeline::Config base_config(const cli::SharedOptions& options, bool huge_pages,
                                    std::uint64_t seed, std::uint32_t pool) {
  pipeline::Config config;
  config.owned_packets = pool / 4;
  config.receive_pieces = pool / 4;
  config.connections = options.connections;
  config.orphans = options.orphans;
  // Whoever is refused gets some time to stop sending.
  config.app_timers = options.connections;
  config.tcp = options.tcp;
  config.tcp.syn_again = 2ms;  // docs/decisions/0005
  config.huge_pages = huge_pages;
  config.seed = seed;
  return config;
}

/// A seed that nobody can foretell, or the one that was asked for.
std::uint64_t seed_of(const cli::SharedOptions& options);

}  // namespace pollux::run
