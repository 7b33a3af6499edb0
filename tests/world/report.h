#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

#include "transfer_world.h"

namespace pollux::world {

/// What a failed test says of its world.
inline std::string told(const TransferPlan& plan, const TransferReport& report) {
  std::string out = "seed " + std::to_string(plan.seed) + "\n";
  out += to_string(plan);
  for (const std::string& problem : report.problems) out += "\n  problem: " + problem;
  out += "\n  " + report.ledger + report.counters;
  return out;
}

/// The value of `name=` in the counters of a report, added up over its stacks.
inline std::uint64_t count_of(const TransferReport& report, const std::string& name) {
  const std::string key = " " + name + "=";
  std::uint64_t sum = 0;
  for (std::size_t at = report.counters.find(key); at != std::string::npos;
       at = report.counters.find(key, at + 1)) {
    sum += std::strtoull(report.counters.c_str() + at + key.size(), nullptr, 10);
  }
  return sum;
}

}  // namespace pollux::world
