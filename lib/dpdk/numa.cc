#include "dpdk/numa.h"

#include <numa.h>
#include <numaif.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <utility>

#include "dpdk/list_of.h"

namespace pollux::dpdk {
namespace {

bool contains(const std::vector<int>& nodes, int node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

/// Topology::nearest_memory.
std::vector<int> nearest_memory_of(const std::vector<int>& node_of_core) {
  MemoryPolicy allowed;
  if (get_mempolicy(nullptr, allowed.nodes.data(), allowed.most_nodes, nullptr,
                    MPOL_F_MEMS_ALLOWED) != 0) {
    return {};
  }
  std::set<int> nodes(node_of_core.begin(), node_of_core.end());
  nodes.erase(nodes.begin(), nodes.lower_bound(0));
  std::vector<int> with_memory;
  for (const int node : nodes) {
    const bool may = allowed.has(static_cast<std::size_t>(node));
    if (may && numa_node_size64(node, nullptr) > 0) with_memory.push_back(node);
  }
  std::vector<int> out;
  for (const int node : nodes) {
    const auto distance = [node](int other) {
      return node == other ? -1 : numa_distance(node, other);  // 0: nobody knows
    };
    const auto nearest = std::min_element(with_memory.begin(), with_memory.end(),
                                          [&](int a, int b) { return distance(a) < distance(b); });
    out.resize(static_cast<std::size_t>(node) + 1, -1);
    if (nearest != with_memory.end()) out.back() = *nearest;
  }
  return out;
}

}  // namespace

std::optional<MemoryPolicy> MemoryPolicy::find() noexcept {
  MemoryPolicy out;
  if (get_mempolicy(&out.mode, out.nodes.data(), most_nodes, nullptr, 0) != 0) return {};
  return out;
}

std::size_t MemoryPolicy::count() const noexcept {
  std::size_t out = 0;
  for (const unsigned long word : nodes) out += static_cast<std::size_t>(std::popcount(word));
  return out;
}

bool MemoryPolicy::interleaves() const noexcept {
  constexpr int flags = 0x7 << 13;  // MPOL_F_STATIC_NODES and its like
  constexpr int weighted = 6;       // MPOL_WEIGHTED_INTERLEAVE, of Linux 6.9
  return (mode & ~flags) == MPOL_INTERLEAVE || (mode & ~flags) == weighted;
}

Topology Topology::find() {
  Topology out;
  if (numa_available() < 0) return out;
  const int cores = numa_num_configured_cpus();
  for (int core = 0; core < cores; ++core) out.node_of_core.push_back(numa_node_of_cpu(core));
  out.nearest_memory = nearest_memory_of(out.node_of_core);
  const auto policy = MemoryPolicy::find();
  for (std::size_t node = 0; policy && node < MemoryPolicy::most_nodes; ++node) {
    if (policy->has(node)) out.chosen_nodes.push_back(static_cast<int>(node));
  }
  out.interleaved = policy && policy->interleaves();
  return out;
}

bool Topology::several() const noexcept {
  const auto known = [](int node) { return node >= 0; };
  const auto first = std::find_if(node_of_core.begin(), node_of_core.end(), known);
  return std::any_of(first, node_of_core.end(),
                     [&](int node) { return known(node) && node != *first; });
}

int Topology::node_of(unsigned core) const noexcept {
  return several() && core < node_of_core.size() ? node_of_core[core] : -1;
}

int Topology::node_of_all(std::span<const unsigned> cores) const noexcept {
  if (cores.empty()) return -1;
  const int node = node_of(cores.front());
  const bool all =
      std::all_of(cores.begin(), cores.end(), [&](unsigned core) { return node_of(core) == node; });
  return all ? node : -1;
}

bool Topology::has_memory(int node) const noexcept {
  if (nearest_memory.empty()) return true;
  const auto index = static_cast<std::size_t>(node);
  return index < nearest_memory.size() && nearest_memory[index] == node;
}

int Topology::memory_node_of(unsigned core) const noexcept {
  const int own = node_of(core);
  if (own < 0) return -1;
  const int near = nearest_memory.empty() ? own : nearest_memory[static_cast<std::size_t>(own)];
  if (chosen_nodes.empty() || contains(chosen_nodes, near)) return near;
  return chosen_nodes[core % chosen_nodes.size()];
}

int node_of_pci(const std::string& address) {
  std::ifstream file("/sys/bus/pci/devices/" + address + "/numa_node");
  int node = -1;
  return file >> node ? node : -1;
}

std::vector<int> nodes_of(std::span<const std::byte> memory) {
  constexpr std::size_t most = 64;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const auto start = reinterpret_cast<std::uintptr_t>(memory.data()) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(memory.data()) + memory.size();
  const std::size_t step = ((end - start) / most / page + 1) * page;
  std::vector<void*> pages;
  for (auto at = start; at < end; at += step) pages.push_back(reinterpret_cast<void*>(at));
  std::vector<int> found(pages.size(), -1);
  // Without nodes to move them to it tells where they are; of what is in no memory, a negative
  // number.
  if (move_pages(0, pages.size(), pages.data(), nullptr, found.data(), 0) != 0) return {};
  std::set<int> nodes(found.begin(), found.end());
  return {nodes.lower_bound(0), nodes.end()};
}

std::optional<std::string> far_away(const Topology& topology, unsigned core, int port_node) {
  const int node = topology.node_of(core);
  if (node < 0 || port_node < 0 || node == port_node) return std::nullopt;
  std::vector<unsigned> near;
  for (unsigned each = 0; each < topology.node_of_core.size(); ++each) {
    if (topology.node_of_core[each] == port_node) near.push_back(each);
  }
  return "core " + std::to_string(core) + " is on node " + std::to_string(node) +
         " and the device on node " + std::to_string(port_node) +
         ", so that each packet crosses between them" +
         (near.empty() ? "" : "; near are --cores " + list_of(near));
}

std::optional<std::string> far_packets(const Topology& topology,
                                       std::span<const PacketMemory> packets, bool huge_pages) {
  // By the node that they should be on, and those that they are on beside it.
  std::map<std::pair<int, std::vector<int>>, std::set<unsigned>> cores;
  for (const PacketMemory& each : packets) {
    const int wanted = topology.memory_node_of(each.core);
    std::vector<int> far = each.nodes;
    std::erase_if(far, [&](int node) {
      return node == wanted || (topology.interleaved && contains(topology.chosen_nodes, node));
    });
    if (wanted >= 0 && !far.empty()) cores[{wanted, std::move(far)}].insert(each.core);
  }
  std::string text;
  for (const auto& [where, whose] : cores) {
    const auto& [wanted, far] = where;
    text += text.empty() ? "packets of core" : ", of core";
    text += whose.size() == 1 ? " " : "s ";
    text +=
        list_of(whose) + " are on node " + list_of(far) + ", since node " + std::to_string(wanted);
    if (!huge_pages) {
      text += " has too little free memory";
    } else if (contains(topology.node_of_core, wanted)) {
      text += " has too few huge pages";
    } else {
      text +=
          " has no processors, and DPDK takes huge pages only of nodes that have some "
          "(--no-huge takes ordinary ones)";
    }
  }
  if (text.empty()) return std::nullopt;
  return text;
}

OnNode::OnNode(int node) noexcept {
  if (node < 0 || node >= static_cast<int>(MemoryPolicy::most_nodes)) return;
  const auto bit = static_cast<std::size_t>(node);
  const auto before = MemoryPolicy::find();
  if (!before) return;
  const std::size_t named = before->count();
  if (named == 1 || (named != 0 && (before->interleaves() || !before->has(bit)))) return;
  MemoryPolicy wanted;
  wanted.nodes[bit / wanted.word_bits] = 1ul << bit % wanted.word_bits;
  if (set_mempolicy(MPOL_PREFERRED, wanted.nodes.data(), wanted.most_nodes) == 0) before_ = before;
}

OnNode::~OnNode() {
  if (before_) set_mempolicy(before_->mode, before_->nodes.data(), before_->most_nodes);
}

AnyNode::AnyNode() noexcept : before_(MemoryPolicy::find()) {
  if (before_) set_mempolicy(MPOL_DEFAULT, nullptr, 0);
}

AnyNode::~AnyNode() {
  if (before_) set_mempolicy(before_->mode, before_->nodes.data(), before_->most_nodes);
}

}  // namespace pollux::dpdk
