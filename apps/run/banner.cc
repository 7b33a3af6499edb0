#include "run/banner.h"

#include <fmt/core.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/proc.h"
#include "cli/report.h"

namespace pollux::run {

OnCore::OnCore(unsigned core) : memory_(dpdk::Topology::find().memory_node_of(core)) {
  if (core >= CPU_SETSIZE || sched_getaffinity(0, sizeof before_, &before_) != 0) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  moved_ = sched_setaffinity(0, sizeof one, &one) == 0;
}

OnCore::~OnCore() {
  if (moved_) sched_setaffinity(0, sizeof before_, &before_);
}

std::size_t resident_bytes() {
  // proc(5): size, resident, shared; huge pages of the kernel's pool are in none of them.
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0, resident = 0;
  file >> size >> resident;
  return file ? resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) : 0;
}

void warn_of_far_packets(std::FILE* out, const dpdk::Eal& eal, const dpdk::Topology& topology,
                         std::span<const dpdk::PacketMemory> packets) {
  auto text = dpdk::far_packets(topology, packets, eal.huge_pages());
  if (!text) return;
  if (!eal.memory_remedy().empty()) *text += fmt::format("; try: {}", eal.memory_remedy());
  fmt::print(out, "{}", cli::banner_line("warning", *text));
}

void print_memory(std::FILE* out, const dpdk::Eal& eal, const Room& room) {
  std::string tables;
  if (eal.huge_pages()) {
    const std::size_t now = resident_bytes();
    const std::size_t taken = now > room.resident_before ? now - room.resident_before : 0;
    // Of Linux 4.14 and later; what the kernel's pool has given is not in it.
    const std::size_t huge = proc_bytes("/proc/self/smaps_rollup", "AnonHugePages:");
    tables = cli::taken_text(taken, huge, room.connections, room.pipelines);
  } else {
    tables =
        fmt::format("a connection takes {} bytes when it needs them", room.bytes_per_connection);
  }
  fmt::print(
      out, "{}",
      cli::banner_line(
          "memory", fmt::format("{} ({}); {}", eal.huge_pages() ? "huge pages" : "ordinary pages",
                                eal.memory_reason(), tables)));
  std::fflush(out);
}

}  // namespace pollux::run
