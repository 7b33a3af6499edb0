#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "transfer_plan.h"

namespace pollux::world {

/// 1 while a stack is polled, else 0: for a program that counts what happens meanwhile.
extern int polling;

/// What came of it. No problem: every byte was right, every connection ended in good order, all
/// frames and entries came back, the counters add up, and at no time was there nothing to be seen
/// of it for longest_silence(). Where may_fail says that a connection may fail, only that each had
/// an end.
struct TransferReport {
  std::vector<std::string> problems;
  std::string ledger;    // Ledger::to_string()
  std::string counters;  // of each stack, all that are not zero
  std::uint32_t connections = 0;
  std::uint32_t streams = 0;   // that were begun
  std::uint32_t complete = 0;  // of them, verified to the last byte
  std::uint64_t frames = 0;
  std::uint64_t trace = 0;  // World::trace_hash()
  std::uint64_t bytes = 0;
  Instant ended{};
  bool ok() const { return problems.empty(); }
};

/// Runs it to its end. A path makes it write a capture of every frame.
TransferReport run(const TransferPlan& plan, const std::string& capture = {});

}  // namespace pollux::world
