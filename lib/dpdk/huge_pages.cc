#include "dpdk/huge_pages.h"

#include <dirent.h>
#include <rte_malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <string_view>

namespace pollux::dpdk {
namespace {

std::size_t read_number(const std::string& path) {
  std::ifstream file(path);
  std::size_t value = 0;
  file >> value;
  return file ? value : 0;
}

/// The numbers in the names of a folder's entries that begin with `prefix`: "node1".
std::vector<std::size_t> numbers_in(const std::string& folder, std::string_view prefix) {
  std::vector<std::size_t> found;
  DIR* const dir = opendir(folder.c_str());
  if (dir == nullptr) return found;
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    std::size_t number = 0;
    if (name.starts_with(prefix) &&
        std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number).ec ==
            std::errc{}) {
      found.push_back(number);
    }
  }
  closedir(dir);
  return found;
}

/// Every size of huge page that the kernel knows, read from folders named hugepages-2048kB.
void add_pages(const std::string& folder, int node, std::vector<NodePages>& out) {
  for (const std::size_t kib : numbers_in(folder, "hugepages-")) {
    const std::string path = folder + "/hugepages-" + std::to_string(kib) + "kB";
    out.push_back({.node = node,
                   .page_bytes = kib << 10,
                   .reserved = read_number(path + "/nr_hugepages"),
                   .free = read_number(path + "/free_hugepages")});
  }
}

/// Of each node that has processors, for EAL knows no others, and memory for this process. A kernel
/// without nodes has one pool.
std::vector<NodePages> pages_of(const Topology& topology) {
  std::vector<NodePages> out;
  const auto& cores = topology.node_of_core;
  const std::string nodes = "/sys/devices/system/node";
  for (const std::size_t number : numbers_in(nodes, "node")) {
    const auto node = static_cast<int>(number);
    if (!cores.empty() && std::find(cores.begin(), cores.end(), node) == cores.end()) continue;
    if (!topology.has_memory(node)) continue;
    add_pages(nodes + "/node" + std::to_string(number) + "/hugepages", node, out);
  }
  if (out.empty()) add_pages("/sys/kernel/mm/hugepages", 0, out);
  return out;
}

/// Maps `pages` pages without touching them: the kernel sets them aside or refuses at once, which
/// takes limits of the control group into account and needs no mount. Returns 0 or an errno.
int try_mapping(std::size_t page_bytes, std::size_t pages) {
  const auto size_flag = static_cast<unsigned>(std::countr_zero(page_bytes)) << 26;
  const int fd = memfd_create("pollux-huge-page-check", MFD_CLOEXEC | MFD_HUGETLB | size_flag);
  if (fd < 0) return errno;
  const std::size_t bytes = pages * page_bytes;
  int failure = 0;
  void* const mapped = ftruncate(fd, static_cast<off_t>(bytes)) != 0
                           ? MAP_FAILED
                           : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) {
    failure = errno;
  } else {
    munmap(mapped, bytes);
  }
  close(fd);
  return failure;
}

/// What a node has, in bytes, and what is wanted of it.
struct Share {
  std::size_t reserved = 0;
  std::size_t free = 0;
  std::size_t wanted = 0;
  std::size_t alone = 0;  // of that: what no other node serves for

  std::size_t spare() const noexcept { return free > wanted ? free - wanted : 0; }
  std::size_t missing() const noexcept { return wanted > free ? wanted - free : 0; }
};
using Shares = std::map<int, Share>;

/// What reserves all that nodes lack.
std::string reserve_command(const Shares& shares) {
  constexpr std::size_t page = std::size_t{2} << 20;
  std::string text;
  for (const auto& [node, share] : shares) {
    if (share.missing() == 0) continue;
    if (!text.empty()) text += " && ";
    text += "pollux-doctor hugepages reserve --node " + std::to_string(node) +
            " --size 2M --count " + std::to_string((share.missing() + page - 1) / page);
  }
  return text;
}

std::string mebibytes(std::size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

/// By node. What may be anywhere goes where there is room, and what finds none to the first.
Shares shares_of(std::span<const NodePages> there, std::span<const WantedPages> wanted) {
  Shares out;
  for (const NodePages& pages : there) {
    Share& share = out[pages.node];
    share.reserved += pages.reserved * pages.page_bytes;
    share.free += pages.free * pages.page_bytes;
  }
  if (out.empty()) out[0] = {};  // the kernel knows none
  std::size_t anywhere = 0;
  for (const WantedPages& each : wanted) {
    const auto found = out.find(each.node);
    if (found == out.end()) {
      anywhere += each.bytes;
      continue;
    }
    found->second.wanted += each.bytes;
    if (each.there_alone) found->second.alone += each.bytes;
  }
  for (auto& [node, share] : out) {
    const std::size_t here = std::min(anywhere, share.spare());
    share.wanted += here;
    anywhere -= here;
  }
  out.begin()->second.wanted += anywhere;
  return out;
}

/// What each node gives: what is wanted of it, and what others lack. There is enough of all; EAL
/// takes whole MiB, which pages of 64 KiB may not fill.
std::vector<std::size_t> mib_of(const Shares& shares) {
  std::vector<std::size_t> out;
  std::size_t lacking = 0;
  for (const auto& [node, share] : shares) lacking += share.missing();
  for (const auto& [node, share] : shares) {
    const std::size_t lent = std::min(lacking, share.spare());
    lacking -= lent;
    const std::size_t bytes = std::min(share.wanted, share.free) + lent;
    out.resize(static_cast<std::size_t>(node) + 1);
    out.back() = std::min((bytes + (1u << 20) - 1) >> 20, share.free >> 20);
  }
  return out;
}

/// "200 MiB of huge pages are free", "... are free on node 0, 20 MiB on node 1".
std::string free_text(const Shares& shares) {
  std::string text;
  for (const auto& [node, share] : shares) {
    text += text.empty() ? mebibytes(share.free) + " of huge pages are free"
                         : ", " + mebibytes(share.free);
    if (shares.size() > 1) text += " on node " + std::to_string(node);
  }
  return text;
}

/// 0 where the kernel lets so much be mapped, or an errno.
int try_mapping_all(std::span<const NodePages> there, std::span<const WantedPages> wanted) {
  std::size_t needed = 0;
  for (const WantedPages& each : wanted) needed += each.bytes;
  std::map<std::size_t, std::size_t> free;  // pages, by their size
  for (const NodePages& pages : there) free[pages.page_bytes] += pages.free;
  const AnyNode anywhere;  // EAL takes pages of the nodes that it is told, whatever the policy
  int failure = 0;
  for (const auto& [page_bytes, count] : free) {
    const std::size_t pages = std::min(count, (needed + page_bytes - 1) / page_bytes);
    if (pages == 0) continue;
    if (const int error = try_mapping(page_bytes, pages); error != 0) {
      failure = error;
    } else {
      needed -= std::min(needed, pages * page_bytes);
    }
  }
  return needed == 0 ? 0 : failure;
}

}  // namespace

HugePages HugePages::judge(std::span<const NodePages> there, std::span<const WantedPages> wanted) {
  const Shares shares = shares_of(there, wanted);
  std::size_t reserved = 0, free = 0, needed = 0;
  for (const auto& [node, share] : shares) {
    reserved += share.reserved;
    free += share.free;
    needed += share.wanted;
  }
  for (const WantedPages& each : wanted) {
    if (!each.there_alone || there.empty() || shares.contains(each.node)) continue;
    return {.reason = "a driver needs " + mebibytes(each.bytes) + " of huge pages of node " +
                      std::to_string(each.node) + ", where DPDK can have none"};
  }
  const std::string remedy = reserve_command(shares);
  const auto lacking = [&remedy](std::string why) {
    return HugePages{.reason = std::move(why) + "; try: " + remedy};
  };
  if (needed > free) {
    if (reserved == 0) return lacking("no huge pages are reserved");
    return lacking("only " + mebibytes(free) + " of huge pages are free, " + mebibytes(needed) +
                   " are needed");
  }
  for (const auto& [node, share] : shares) {
    if (share.alone <= share.free) continue;
    return lacking("only " + mebibytes(share.free) + " of huge pages are free on node " +
                   std::to_string(node) + ", where a driver needs " + mebibytes(share.alone));
  }
  return {
      .usable = true, .reason = free_text(shares), .node_mib = mib_of(shares), .remedy = remedy};
}

HugePages HugePages::find(std::span<const WantedPages> wanted, const Topology& topology) {
  const std::vector<NodePages> there = pages_of(topology);
  HugePages out = judge(there, wanted);
  if (!out.usable) return out;
  if (!topology.several()) out.node_mib.clear();
  if (const int error = try_mapping_all(there, wanted); error != 0) {
    return {.reason = std::string("huge pages cannot be mapped: ") + std::strerror(error)};
  }
  return out;
}

std::pair<std::string, std::string> why_and_remedy(std::string_view reason) {
  constexpr std::string_view between = "; try: ";
  const std::size_t end = reason.find(between);
  if (end == reason.npos) return {std::string(reason), {}};
  return {std::string(reason.substr(0, end)), std::string(reason.substr(end + between.size()))};
}

RoomForDrivers::RoomForDrivers(std::span<const WantedPages> wanted) {
  constexpr std::size_t least = std::size_t{1} << 20;
  for (const WantedPages& each : wanted) {
    // Of what is not all free, as much as there is.
    for (std::size_t bytes = each.bytes; bytes >= least; bytes /= 2) {
      void* const block = rte_malloc_socket(nullptr, bytes, 0, each.node);
      if (block == nullptr) continue;
      held_.push_back(block);
      break;
    }
  }
}

RoomForDrivers::~RoomForDrivers() {
  for (void* const block : held_) rte_free(block);
}

}  // namespace pollux::dpdk
