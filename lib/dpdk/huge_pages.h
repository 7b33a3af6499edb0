#pragma once

#include <cstddef>
#include <string>

namespace pollux::dpdk {

/// Whether the machine has the huge pages that a run needs, and in words why or why not.
struct HugePages {
  bool usable = false;
  /// One clause for the banner: "no huge pages are reserved".
  std::string reason;

  /// Looks before EAL starts, because EAL can start only once: there must be free huge pages for
  /// `bytes`, and the kernel must let this process map them. No hugetlbfs mount is needed.
  static HugePages find(std::size_t bytes);
};

}  // namespace pollux::dpdk
