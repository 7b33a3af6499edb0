#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pollux::dpdk {

/// Which NUMA node each processor is on; -1 where nobody knows. Empty where there are no nodes.
struct Topology {
  std::vector<int> node_of_core;
  /// Where the user has said that this process's memory is to come from (numactl's --membind,
  /// --preferred and --interleave, or what else has set the calling thread's policy); empty: no
  /// word.
  std::vector<int> chosen_nodes = {};
  /// It is to be spread over those.
  bool interleaved = false;
  /// For each node the nearest with processors that has memory for this process, mostly itself
  /// (others have none, or a cpuset keeps them away); -1 where there is none. Empty: itself.
  std::vector<int> nearest_memory = {};

  static Topology find();
  /// Whether processors are on more than one node: otherwise nothing is near and nothing far.
  bool several() const noexcept;
  /// -1 where it is not known, or where one node is all there is.
  int node_of(unsigned core) const noexcept;
  /// The one that all of these are on; -1 where they are on several, or as above.
  int node_of_all(std::span<const unsigned> cores) const noexcept;
  /// Whether this process can have memory of a node.
  bool has_memory(int node) const noexcept;
  /// Where the memory of what runs on `core` is to be: on its node, or the nearest that has any,
  /// or, where the user has chosen others, on one of those. -1 where nothing is known of it.
  int memory_node_of(unsigned core) const noexcept;
};

/// Where a thread's memory comes from (set_mempolicy(2)).
struct MemoryPolicy {
  static constexpr std::size_t most_nodes = 1'024;
  static constexpr std::size_t word_bits = 8 * sizeof(unsigned long);

  int mode = 0;  // MPOL_DEFAULT
  std::array<unsigned long, most_nodes / word_bits> nodes = {};

  /// The calling thread's; nothing where the kernel does not tell.
  static std::optional<MemoryPolicy> find() noexcept;
  bool has(std::size_t node) const noexcept {
    return (nodes[node / word_bits] >> node % word_bits & 1) != 0;
  }
  /// How many it names: those that say "of whatever node the thread is on", none.
  std::size_t count() const noexcept;
  bool interleaves() const noexcept;
};

/// Of a PCI device ("0000:00:04.0"); -1 where the machine does not say.
int node_of_pci(const std::string& address);

/// The nodes that memory lies on, lowest first, each once; of a large piece some pages are asked
/// for. Empty where the kernel does not tell, or none of it is in memory.
std::vector<int> nodes_of(std::span<const std::byte> memory);

/// What is far away in a pipeline on `core` whose port is on node `port_node` (-1: on none, as a
/// virtual one): a clause for a warning, or nothing where all is near.
std::optional<std::string> far_away(const Topology& topology, unsigned core, int port_node);

/// Where the packets of a core lie.
struct PacketMemory {
  unsigned core = 0;
  std::vector<int> nodes = {};
};

/// Which cores have packets, in huge pages or not, on another node than they should
/// (Topology::memory_node_of), and why: a clause for a warning, or nothing where none has.
std::optional<std::string> far_packets(const Topology& topology,
                                       std::span<const PacketMemory> packets, bool huge_pages);

/// While it lives, memory that the calling thread takes comes from a node, or, where that has none
/// left, from another; what Reservation::make reserves stays so whoever touches it first. Of node
/// -1 it does nothing. Where the thread's policy names nodes, which is the user's word (numactl's
/// --membind, --preferred and --interleave) or that of an OnNode around it, it chooses among those,
/// and does nothing where it names no other, or is to spread memory over them.
class OnNode {
 public:
  explicit OnNode(int node) noexcept;
  ~OnNode();
  OnNode(const OnNode&) = delete;
  OnNode& operator=(const OnNode&) = delete;

 private:
  std::optional<MemoryPolicy> before_;  // where it is another now
};

/// While it lives, the calling thread has no policy of which node its memory comes from.
class AnyNode {
 public:
  AnyNode() noexcept;
  ~AnyNode();
  AnyNode(const AnyNode&) = delete;
  AnyNode& operator=(const AnyNode&) = delete;

 private:
  std::optional<MemoryPolicy> before_;
};

}  // namespace pollux::dpdk
