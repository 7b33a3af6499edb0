#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "doctor/checks.h"

namespace pollux::doctor {
namespace {

constexpr std::uint64_t usual_page = std::uint64_t{2} << 20;
constexpr std::uint64_t usual_bytes = std::uint64_t{1} << 30;

std::uint64_t reserved_bytes(const Node& node) {
  std::uint64_t bytes = 0;
  for (const Pages& pages : node.pages) bytes += pages.reserved * pages.page_bytes;
  return bytes;
}
std::uint64_t free_bytes(const Node& node) {
  std::uint64_t bytes = 0;
  for (const Pages& pages : node.pages) bytes += pages.free * pages.page_bytes;
  return bytes;
}

/// "512 of 512 pages of 2M free", for each size of which there are some.
std::string pages_text(const Node& node) {
  std::string text;
  for (const Pages& pages : node.pages) {
    if (pages.reserved == 0) continue;
    if (!text.empty()) text += ", ";
    text += fmt::format("{} of {} pages of {} free", pages.free, pages.reserved,
                        size_name(pages.page_bytes));
  }
  return text;
}

/// Makes a GiB, or as much as a quarter of what is free.
std::string reserve(const Machine& machine, const Node& node) {
  const bool usual = std::any_of(node.pages.begin(), node.pages.end(),
                                 [](const Pages& pages) { return pages.page_bytes == usual_page; });
  const std::uint64_t page = usual ? usual_page : node.pages.front().page_bytes;
  std::uint64_t bytes = usual_bytes;
  if (node.free_bytes) bytes = std::min(bytes, *node.free_bytes / 4);
  return machine.command(fmt::format("hugepages reserve --node {} --size {} --count {}",
                                     node.number, size_name(page),
                                     std::max<std::uint64_t>(bytes / page, 1)));
}

}  // namespace

Findings check_huge_pages(const Machine& machine) {
  Findings out;
  const bool none = std::all_of(machine.nodes.begin(), machine.nodes.end(),
                                [](const Node& node) { return reserved_bytes(node) == 0; });
  for (const Node& node : machine.nodes) {
    Finding finding{.name = fmt::format("huge pages of node {}", node.number), .text = {}};
    if (node.pages.empty()) {
      finding.level = Level::fail;
      finding.text = "the kernel knows none";
      finding.advice = "a kernel with CONFIG_HUGETLBFS, or every program with --no-huge";
    } else if (reserved_bytes(node) == 0) {
      finding.level = none ? Level::fail : Level::warn;
      finding.text = "none are reserved: each access to a connection may miss the TLB";
      finding.command = reserve(machine, node);
    } else if (free_bytes(node) == 0) {
      finding.level = Level::warn;
      finding.text = pages_text(node) + ": others use them all";
      finding.command = reserve(machine, node);
    } else {
      finding.text = pages_text(node);
    }
    out.push_back(std::move(finding));
  }
  return out;
}

Findings check_mount(const Machine& machine) {
  Finding finding{.name = "hugetlbfs", .text = {}};
  std::string places;
  std::istringstream mounts(machine.root.text("/proc/mounts").value_or(""));
  for (std::string line; std::getline(mounts, line);) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 4 || words[2] != "hugetlbfs") continue;
    if (!places.empty()) places += ", ";
    places += words[1];
    for (std::string_view rest = words[3]; !rest.empty();) {
      const std::string_view option = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), option.size() + 1));
      if (option.starts_with("pagesize=")) places += fmt::format(" ({})", option);
    }
  }
  if (!places.empty()) {
    finding.text = "mounted on " + places;
    return {finding};
  }
  const std::string place = machine.root.path("/dev/hugepages");
  finding.level = Level::warn;
  finding.text = "not mounted: Pollux does without, other programs with DPDK do not";
  finding.command = fmt::format("mkdir -p {0} && mount -t hugetlbfs hugetlbfs {0}", place);
  return {finding};
}

}  // namespace pollux::doctor
