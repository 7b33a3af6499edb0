#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/root.h"

/// What there is, read from /sys and /proc: plain facts, judged in checks.h.
namespace pollux::doctor {

/// Huge pages of one size on a node.
struct Pages {
  std::uint64_t page_bytes = 0;
  std::uint64_t reserved = 0;
  std::uint64_t free = 0;
};

/// A NUMA node that has memory.
struct Node {
  unsigned number = 0;
  std::vector<Pages> pages = {};  // the sizes that the kernel knows
  std::optional<std::uint64_t> free_bytes = std::nullopt;
};

/// A network card on the PCI bus.
struct Card {
  std::string address;    // "0000:00:04.0"
  std::string ids;        // "8086:1572"
  std::string driver;     // the kernel's word; empty: none is bound
  int node = -1;          // -1: the machine does not say
  std::string interface;  // of the kernel; empty where it has none
  std::string link;       // of that: "up", "down"
  std::string group;      // of the IOMMU; empty: none
  bool default_route = false;

  /// In the hands of a driver that lets DPDK drive it.
  bool given() const;
};

/// Who asks.
struct User {
  std::uint64_t id = 0;
  std::uint64_t capabilities = ~std::uint64_t{0};

  bool may(unsigned capability) const { return (capabilities >> capability & 1) != 0; }
};

/// The folder of a node's huge pages of one size. A kernel without nodes has one for all.
std::string pages_folder(const Root& root, unsigned node, std::uint64_t page_bytes);
std::vector<Node> nodes(const Root& root);
std::vector<Card> cards(const Root& root);
/// The interfaces that a default route goes out by.
std::vector<std::string> default_interfaces(const Root& root);
User user(const Root& root);
/// Whether vfio has leave to drive cards where there is no IOMMU.
bool does_without_iommu(const Root& root);
/// What gives it that leave; `otherwise` where the kernel's vfio, as Debian's, was built without.
std::string leave_without_iommu(const Root& root, std::string_view otherwise);
/// "2M", "1G"; in KiB where it is neither.
std::string size_name(std::uint64_t page_bytes);

}  // namespace pollux::doctor
