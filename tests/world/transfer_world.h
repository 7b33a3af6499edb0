#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "pipeline/config.h"
#include "sim/device.h"
#include "sim/link.h"
#include "sim/world.h"
#include "transfer_app.h"

namespace pollux::world {

/// 1 while a stack is polled, else 0: for a program that counts what happens meanwhile.
extern int polling;

/// Everything that one world of transfers depends on. `clients` stacks open connections to all of
/// `servers`; with two_way the servers open as many to the clients. One of each is joined by a
/// cable, more by a switch.
struct TransferPlan {
  std::uint64_t seed = 0;
  std::uint32_t clients = 1;
  std::uint32_t servers = 1;
  bool two_way = true;
  TransferOptions transfers;
  sim::LinkOptions there;
  sim::LinkOptions back;
  Duration wake_delay{0};
  sim::DeviceOptions device;  // name and mac are filled in
  pipeline::Config stack;     // addresses and seed are filled in
  std::size_t frames = 32'768;
  /// What all must have ended by, TIME-WAIT excluded.
  Duration limit = 1h;
  /// Cut and mended again at these times.
  Duration down_at{0};
  Duration up_at{0};
};

/// The plan that a seed draws: two hosts, each opening 500 connections to the other over a link
/// that loses, doubles, reorders and spoils frames.
TransferPlan rough_plan(std::uint64_t seed, std::uint32_t connections = 500);

/// One line for each thing that a plan chose, for a report.
std::string to_string(const TransferPlan& plan);

/// What came of it. No problem: every byte was right, every connection ended in good order, all
/// frames and entries came back, and the counters add up.
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
