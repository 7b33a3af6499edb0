#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "cli/options.h"
#include "load/generator.h"
#include "pipeline/config.h"

namespace pollux::bench {

/// How pollux-bench lays out a run: which core polls what, who has which address. Server i and
/// client i are joined by queue i of the link; each pair has a network of its own, so that nothing
/// has to be spread.
struct Plan {
  /// Packets that each end has for itself, beside those on the link.
  static constexpr std::uint32_t stack_buffers = 8'192;

  std::vector<unsigned> cores;
  std::size_t pairs = 1;
  bool together = false;               // a core polls both ends of a pair in turn
  std::uint32_t client_addresses = 1;  // of each pair
  std::uint64_t seed = 0;

  /// `allowed` are the processors that this process may use. With one core, or where that is
  /// asked for, each polls both ends of a pair in turn; else the first half serves.
  static Result<Plan> make(const cli::BenchOptions& options, const std::vector<unsigned>& allowed,
                           std::uint64_t seed);

  std::size_t server_core(std::size_t pair) const noexcept { return pair; }
  std::size_t client_core(std::size_t pair) const noexcept {
    return together ? pair : pairs + pair;
  }
  application::Endpoint target(const cli::BenchOptions& options, std::size_t pair) const noexcept;
  pipeline::Config server_config(const cli::BenchOptions& options, std::size_t pair,
                                 bool huge_pages) const;
  pipeline::Config client_config(const cli::BenchOptions& options, std::size_t pair,
                                 bool huge_pages) const;
};

/// What the generator of one pair is to do.
Result<load::GeneratorOptions> generator_options(const cli::BenchOptions& options, const Plan& plan,
                                                 std::size_t pair);

}  // namespace pollux::bench
