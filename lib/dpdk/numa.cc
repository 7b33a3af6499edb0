#include "dpdk/numa.h"

#include <numa.h>
#include <numaif.h>

#include <algorithm>
#include <set>

namespace pollux::dpdk {

Topology Topology::find() {
  Topology out;
  if (numa_available() < 0) return out;
  const int cores = numa_num_configured_cpus();
  for (int core = 0; core < cores; ++core) out.node_of_core.push_back(numa_node_of_cpu(core));
  return out;
}

int Topology::node_of(unsigned core) const noexcept {
  const bool several = std::any_of(node_of_core.begin(), node_of_core.end(), [&](int node) {
    return node >= 0 && node != node_of_core.front();
  });
  return several && core < node_of_core.size() ? node_of_core[core] : -1;
}

std::optional<std::string> far_away(const Topology& topology, unsigned core, int port_node) {
  const int node = topology.node_of(core);
  if (node < 0 || port_node < 0 || node == port_node) return std::nullopt;
  std::string near;
  for (unsigned each = 0; each < topology.node_of_core.size(); ++each) {
    if (topology.node_of_core[each] != port_node) continue;
    if (!near.empty()) near += ",";
    near += std::to_string(each);
  }
  return "core " + std::to_string(core) + " is on node " + std::to_string(node) +
         " and the device on node " + std::to_string(port_node) +
         ", so that each packet crosses between them" +
         (near.empty() ? "" : "; near are --cores " + near);
}

OnNode::OnNode(int node) noexcept {
  if (node < 0 || node >= static_cast<int>(most_nodes)) return;
  if (get_mempolicy(&mode_, nodes_, most_nodes, nullptr, 0) != 0) return;
  Mask wanted{};
  constexpr int bits = 8 * sizeof wanted[0];
  wanted[node / bits] = 1ul << node % bits;
  set_ = set_mempolicy(MPOL_PREFERRED, wanted, most_nodes) == 0;
}

OnNode::~OnNode() {
  if (set_) set_mempolicy(mode_, nodes_, most_nodes);
}

}  // namespace pollux::dpdk
