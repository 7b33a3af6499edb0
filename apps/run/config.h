#pragma once

#include <cstdint>

#include "cli/options.h"
#include "pipeline/config.h"

namespace pollux::run {

/// What the shared options say about every pipeline.
inline pipeline::Config base_config(const cli::SharedOptions& options, bool huge_pages,
                                    std::uint64_t seed) {
  pipeline::Config config;
  config.connections = options.connections;
  config.tcp.min_rto = options.min_rto;
  config.huge_pages = huge_pages;
  config.seed = seed;
  return config;
}

/// A seed that nobody can foretell, or the one that was asked for.
std::uint64_t seed_of(const cli::SharedOptions& options);

}  // namespace pollux::run
