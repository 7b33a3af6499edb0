#pragma once

#include <sched.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>

#include "dpdk/eal.h"
#include "dpdk/numa.h"

namespace pollux::run {

/// While it lives, the calling thread runs on one processor, and memory that it takes comes from
/// that one's node.
class OnCore {
 public:
  explicit OnCore(unsigned core);
  ~OnCore();
  OnCore(const OnCore&) = delete;
  OnCore& operator=(const OnCore&) = delete;

 private:
  cpu_set_t before_{};
  bool moved_ = false;
  dpdk::OnNode memory_;
};

/// What this process has in ordinary memory now, in bytes: all but the packets.
std::size_t resident_bytes();

/// What the pipelines are made for.
struct Room {
  std::size_t resident_before = 0;  // resident_bytes(), before there was any
  std::uint64_t connections = 0;    // of each
  std::size_t pipelines = 1;
  std::size_t bytes_per_connection = 0;
};

/// A line of warning where packets are not on the NUMA node of their core, with what mends it.
void warn_of_far_packets(std::FILE* out, const dpdk::Eal& eal, const dpdk::Topology& topology,
                         std::span<const dpdk::PacketMemory> packets);

/// The banner's line about memory, the last one: once all pipelines are made.
void print_memory(std::FILE* out, const dpdk::Eal& eal, const Room& room);

}  // namespace pollux::run
