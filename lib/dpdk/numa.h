#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace pollux::dpdk {

/// Which NUMA node each processor is on; -1 where nobody knows. Empty where there are no nodes.
struct Topology {
  std::vector<int> node_of_core;

  static Topology find();
  /// -1 where it is not known, or where one node is all there is.
  int node_of(unsigned core) const noexcept;
};

/// What is far away in a pipeline on `core` whose port is on node `port_node` (-1: on none, as a
/// virtual one): a clause for a warning, or nothing where all is near.
std::optional<std::string> far_away(const Topology& topology, unsigned core, int port_node);

/// While it lives, memory that the calling thread takes comes from a node, or, where that has none
/// left, from another; what Reservation::make reserves stays so whoever touches it first. Of node
/// -1 it does nothing.
class OnNode {
 public:
  explicit OnNode(int node) noexcept;
  ~OnNode();
  OnNode(const OnNode&) = delete;
  OnNode& operator=(const OnNode&) = delete;

 private:
  static constexpr std::size_t most_nodes = 1'024;
  using Mask = unsigned long[most_nodes / (8 * sizeof(unsigned long))];

  bool set_ = false;
  int mode_ = 0;  // before
  Mask nodes_{};
};

}  // namespace pollux::dpdk
