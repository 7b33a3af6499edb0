#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dpdk/numa.h"

namespace pollux::dpdk {

/// Huge pages of one size on a NUMA node.
struct NodePages {
  int node = 0;
  std::size_t page_bytes = 0;
  std::size_t reserved = 0;
  std::size_t free = 0;
};

/// What is wanted of huge pages.
struct WantedPages {
  std::size_t bytes = 0;
  int node = -1;  // -1: wherever they are
  /// Those of other nodes do not serve, where they serve otherwise, though far away.
  bool there_alone = false;
};

/// Whether the machine has the huge pages that a run needs, and in words why or why not.
struct HugePages {
  bool usable = false;
  /// One clause for the banner: "no huge pages are reserved".
  std::string reason;
  /// What to take of each node, in MiB, by its number; empty where there is but one.
  std::vector<std::size_t> node_mib = {};
  /// Where they are usable, and a node has too few, so that others lend theirs: what reserves them,
  /// a command.
  std::string remedy = {};

  /// Looks before EAL starts, because EAL can start only once: there must be free huge pages for
  /// all that is wanted, and the kernel must let this process map them. No hugetlbfs mount is
  /// needed.
  static HugePages find(std::span<const WantedPages> wanted, const Topology& topology);
  /// The same on a machine that has these, whose kernel lets all of them be mapped.
  static HugePages judge(std::span<const NodePages> there, std::span<const WantedPages> wanted);
};

/// HugePages::reason, "why; try: remedy", in two; the second is empty where there is none.
std::pair<std::string, std::string> why_and_remedy(std::string_view reason);

/// While it lives, packet pools take no memory that is meant for the drivers of devices, as much of
/// it as there is.
class RoomForDrivers {
 public:
  explicit RoomForDrivers(std::span<const WantedPages> wanted);
  ~RoomForDrivers();
  RoomForDrivers(const RoomForDrivers&) = delete;
  RoomForDrivers& operator=(const RoomForDrivers&) = delete;

 private:
  std::vector<void*> held_;
};

}  // namespace pollux::dpdk
