#include "dpdk/numa.h"

#include <numa.h>
#include <numaif.h>

#include <algorithm>
#include <set>

namespace pollux::dpdk {

std::optional<MemoryPolicy> MemoryPolicy::find() noexcept {
  MemoryPolicy out;
  if (get_mempolicy(&out.mode, out.nodes.data(), most_nodes, nullptr, 0) != 0) return {};
  return out;
}

bool MemoryPolicy::names_nodes() const noexcept {
  return std::any_of(nodes.begin(), nodes.end(), [](unsigned long word) { return word != 0; });
}

Topology Topology::find() {
  Topology out;
  if (numa_available() < 0) return out;
  const int cores = numa_num_configured_cpus();
  for (int core = 0; core < cores; ++core) out.node_of_core.push_back(numa_node_of_cpu(core));
  const auto policy = MemoryPolicy::find();
  for (std::size_t node = 0; policy && node < MemoryPolicy::most_nodes; ++node) {
    if (policy->has(node)) out.chosen_nodes.push_back(static_cast<int>(node));
  }
  return out;
}

int Topology::node_of(unsigned core) const noexcept {
  const bool several = std::any_of(node_of_core.begin(), node_of_core.end(), [&](int node) {
    return node >= 0 && node != node_of_core.front();
  });
  return several && core < node_of_core.size() ? node_of_core[core] : -1;
}

int Topology::memory_node_of(unsigned core) const noexcept {
  const int own = node_of(core);
  if (own < 0 || chosen_nodes.empty()) return own;
  const bool may = std::find(chosen_nodes.begin(), chosen_nodes.end(), own) != chosen_nodes.end();
  return may ? own : chosen_nodes[core % chosen_nodes.size()];
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
  if (node < 0 || node >= static_cast<int>(MemoryPolicy::most_nodes)) return;
  const auto before = MemoryPolicy::find();
  if (!before || before->names_nodes()) return;
  mode_ = before->mode;
  MemoryPolicy wanted;
  const auto bit = static_cast<std::size_t>(node);
  wanted.nodes[bit / wanted.word_bits] = 1ul << bit % wanted.word_bits;
  set_ = set_mempolicy(MPOL_PREFERRED, wanted.nodes.data(), wanted.most_nodes) == 0;
}

OnNode::~OnNode() {
  if (set_) set_mempolicy(mode_, nullptr, 0);
}

AnyNode::AnyNode() noexcept : before_(MemoryPolicy::find()) {
  if (before_) set_mempolicy(MPOL_DEFAULT, nullptr, 0);
}

AnyNode::~AnyNode() {
  if (before_) set_mempolicy(before_->mode, before_->nodes.data(), before_->most_nodes);
}

}  // namespace pollux::dpdk
