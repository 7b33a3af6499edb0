#include "dpdk/numa.h"

#include <gtest/gtest.h>
#include <numaif.h>

#include <algorithm>
#include <array>
#include <string>
#include <thread>
#include <vector>

#include "base/memory.h"
#include "dpdk/huge_pages.h"

namespace pollux {
namespace {

using dpdk::HugePages;
using dpdk::NodePages;
using dpdk::OnNode;
using dpdk::Topology;
using dpdk::WantedPages;

/// Two nodes of two cores each, and a processor of which nothing is known.
const Topology two{{0, 1, 0, 1, -1}};

TEST(Topology, CountsOnlyWhereThereAreSeveralNodes) {
  EXPECT_EQ(two.node_of(0), 0);
  EXPECT_EQ(two.node_of(3), 1);
  EXPECT_EQ(two.node_of(4), -1);
  EXPECT_EQ(two.node_of(99), -1);
  EXPECT_EQ((Topology{{0, 0, 0}}.node_of(1)), -1);
  EXPECT_EQ((Topology{{0, 0, -1}}.node_of(1)), -1);
  EXPECT_EQ((Topology{{-1, 0, 0}}.node_of(1)), -1) << "the first is offline";
  EXPECT_EQ(Topology{}.node_of(0), -1);
}

TEST(Topology, APortOnAnotherNodeIsFarAndTheNearCoresAreNamed) {
  EXPECT_FALSE(dpdk::far_away(two, 1, 1));
  const auto warning = dpdk::far_away(two, 0, 1);
  ASSERT_TRUE(warning);
  EXPECT_EQ(*warning,
            "core 0 is on node 0 and the device on node 1, so that each packet crosses between "
            "them; near are --cores 1,3");
  EXPECT_EQ(*dpdk::far_away(two, 0, 7),
            "core 0 is on node 0 and the device on node 7, so that each packet crosses between "
            "them");
}

TEST(Topology, NothingIsFarOfAVirtualDeviceNorOnOneNode) {
  EXPECT_FALSE(dpdk::far_away(two, 0, -1));
  EXPECT_FALSE(dpdk::far_away(two, 4, 1));
  EXPECT_FALSE(dpdk::far_away(Topology{{0, 0}}, 0, 0));
  EXPECT_FALSE(dpdk::far_away(Topology{{0, 0}}, 0, 1));
}

TEST(Topology, TheNodeOfSeveralCoresIsThatOfAll) {
  EXPECT_EQ(two.node_of_all(std::array{1u, 3u}), 1);
  EXPECT_EQ(two.node_of_all(std::array{0u, 1u}), -1);
  EXPECT_EQ(two.node_of_all({}), -1);
  EXPECT_EQ((Topology{{0, 0}}.node_of_all(std::array{0u, 1u})), -1);
}

TEST(Topology, MemoryIsOnTheNodesThatTheUserHasChosen) {
  EXPECT_EQ(two.memory_node_of(1), 1);
  const Topology both{two.node_of_core, {0, 1}};
  EXPECT_EQ(both.memory_node_of(0), 0);
  EXPECT_EQ(both.memory_node_of(1), 1);
  const Topology first{two.node_of_core, {0}};
  EXPECT_EQ(first.memory_node_of(0), 0);
  EXPECT_EQ(first.memory_node_of(1), 0);
  EXPECT_EQ(first.node_of(1), 1) << "the core is where it is";
  EXPECT_EQ((Topology{{0, 0}, {0}}.memory_node_of(1)), -1);
}

TEST(Topology, MemoryOfANodeThatHasNoneIsOnTheNearest) {
  EXPECT_TRUE(two.has_memory(1));
  const Topology without{two.node_of_core, {}, false, {0, 0}};
  EXPECT_TRUE(without.has_memory(0));
  EXPECT_FALSE(without.has_memory(1));
  EXPECT_FALSE(without.has_memory(7));
  EXPECT_EQ(without.memory_node_of(0), 0);
  EXPECT_EQ(without.memory_node_of(1), 0);
  EXPECT_EQ(without.node_of(1), 1) << "the core is where it is";
  EXPECT_EQ((Topology{two.node_of_core, {7}, false, {0, 0}}.memory_node_of(1)), 7)
      << "the user's word";
  EXPECT_EQ((Topology{two.node_of_core, {}, false, {-1, -1}}.memory_node_of(1)), -1);
}

TEST(FarPackets, AreNamedWithTheirCoresAndNodes) {
  const auto warning = [](const std::vector<dpdk::PacketMemory>& packets) {
    return dpdk::far_packets(two, packets, true).value_or("");
  };
  EXPECT_EQ(warning({}), "");
  EXPECT_EQ(warning({{0, {0}}, {1, {1}}, {4, {0, 1}}, {3, {}}}), "");
  EXPECT_EQ(warning({{1, {0}}, {0, {0}}}),
            "packets of core 1 are on node 0, since node 1 has too few huge pages");
  EXPECT_EQ(warning({{3, {0, 1}}, {1, {0}}, {3, {0}}, {0, {1}}}),
            "packets of core 0 are on node 1, since node 0 has too few huge pages, of cores 1,3 "
            "are on node 0, since node 1 has too few huge pages");
  const std::vector<dpdk::PacketMemory> far{{1, {0}}};
  EXPECT_FALSE(dpdk::far_packets(Topology{{0, 0}}, far, true));
  EXPECT_EQ(*dpdk::far_packets(two, far, false),
            "packets of core 1 are on node 0, since node 1 has too little free memory");
}

TEST(FarPackets, AreNoneWhereTheUserSpreadsMemory) {
  const std::vector<dpdk::PacketMemory> spread{{1, {0, 1}}};
  const auto warning = [&](bool interleaved) {
    return dpdk::far_packets(Topology{two.node_of_core, {0, 1}, interleaved}, spread, false);
  };
  EXPECT_FALSE(warning(true));
  EXPECT_TRUE(warning(false));
  EXPECT_TRUE(dpdk::far_packets(Topology{two.node_of_core, {1, 2}, true}, spread, false))
      << "not over this one";
}

TEST(FarPackets, OfANodeWithoutProcessorsAreNotForLackOfHugePages) {
  const Topology bound{two.node_of_core, {2}};
  const std::vector<dpdk::PacketMemory> far{{1, {0}}};
  EXPECT_EQ(*dpdk::far_packets(bound, far, true),
            "packets of core 1 are on node 0, since node 2 has no processors, and DPDK takes huge "
            "pages only of nodes that have some (--no-huge takes ordinary ones)");
  EXPECT_EQ(*dpdk::far_packets(bound, far, false),
            "packets of core 1 are on node 0, since node 2 has too little free memory");
}

TEST(FarPackets, AreNoneOfACoreWhoseNodeHasNoMemory) {
  const std::vector<dpdk::PacketMemory> nearest{{1, {0}}};
  EXPECT_FALSE(dpdk::far_packets(Topology{two.node_of_core, {}, false, {0, 0}}, nearest, true));
}

constexpr std::size_t mebi = std::size_t{1} << 20;

/// Pages of 2 MiB of a node.
NodePages pages(int node, std::size_t reserved, std::size_t free) {
  return {.node = node, .page_bytes = 2 * mebi, .reserved = reserved, .free = free};
}
HugePages judged(const std::vector<NodePages>& there, const std::vector<WantedPages>& wanted) {
  return HugePages::judge(there, wanted);
}

TEST(HugePages, OfOneNodeAreEnoughOrAreNot) {
  const auto enough = judged({pages(0, 50, 40)}, {{.bytes = 80 * mebi}});
  EXPECT_TRUE(enough.usable);
  EXPECT_EQ(enough.reason, "80 MiB of huge pages are free");
  EXPECT_EQ(enough.node_mib, std::vector<std::size_t>{80});
  EXPECT_EQ(enough.remedy, "");
  const auto few = judged({pages(0, 50, 40)}, {{.bytes = 81 * mebi}});
  EXPECT_FALSE(few.usable);
  EXPECT_EQ(few.reason,
            "only 80 MiB of huge pages are free, 81 MiB are needed; try: "
            "pollux-doctor hugepages reserve --node 0 --size 2M --count 1");
  const auto none = judged({pages(0, 0, 0)}, {{.bytes = 3 * mebi}});
  EXPECT_EQ(none.reason,
            "no huge pages are reserved; try: "
            "pollux-doctor hugepages reserve --node 0 --size 2M --count 2");
  EXPECT_EQ(judged({}, {{.bytes = 3 * mebi}}).reason, none.reason);
}

TEST(HugePages, OfEachNodeAreTakenForItsOwnCores) {
  const auto found = judged({pages(0, 50, 40), pages(1, 50, 50)},
                            {{.bytes = 30 * mebi, .node = 0},
                             {.bytes = 61 * mebi, .node = 1},
                             {.bytes = 9 * mebi, .node = 1, .there_alone = true}});
  EXPECT_TRUE(found.usable);
  EXPECT_EQ(found.node_mib, (std::vector<std::size_t>{30, 70}));
  EXPECT_EQ(found.reason, "80 MiB of huge pages are free on node 0, 100 MiB on node 1");
  EXPECT_EQ(found.remedy, "");
}

TEST(HugePages, ThatANodeLacksAreLentByAnother) {
  const auto found = judged({pages(0, 60, 60), pages(1, 5, 5), pages(3, 50, 50)},
                            {{.bytes = 100 * mebi, .node = 0}, {.bytes = 41 * mebi, .node = 1}});
  EXPECT_TRUE(found.usable);
  EXPECT_EQ(found.node_mib, (std::vector<std::size_t>{120, 10, 0, 11}));
  EXPECT_EQ(found.remedy, "pollux-doctor hugepages reserve --node 1 --size 2M --count 16");
}

TEST(HugePages, AreAskedForOnEachNodeThatLacksThem) {
  const auto found = judged({pages(0, 4, 2), pages(1, 0, 0)},
                            {{.bytes = 6 * mebi, .node = 0}, {.bytes = 8 * mebi, .node = 1}});
  EXPECT_FALSE(found.usable);
  EXPECT_EQ(found.reason,
            "only 4 MiB of huge pages are free, 14 MiB are needed; try: "
            "pollux-doctor hugepages reserve --node 0 --size 2M --count 1 && "
            "pollux-doctor hugepages reserve --node 1 --size 2M --count 4");
}

TEST(HugePages, OfOtherNodesAreNoneForADriver) {
  const auto found = judged(
      {pages(0, 100, 100), pages(1, 8, 2)},
      {{.bytes = 10 * mebi, .node = 0}, {.bytes = 48 * mebi, .node = 1, .there_alone = true}});
  EXPECT_FALSE(found.usable);
  EXPECT_EQ(found.reason,
            "only 4 MiB of huge pages are free on node 1, where a driver needs 48 MiB; try: "
            "pollux-doctor hugepages reserve --node 1 --size 2M --count 22");
}

TEST(HugePages, OfANodeThatHasNoneAreNotAdvisedForADriver) {
  const auto found = judged({pages(0, 100, 100)},
                            {{.bytes = 10 * mebi, .node = 0},
                             {.bytes = 17 * mebi, .node = 1, .there_alone = true}});
  EXPECT_FALSE(found.usable);
  EXPECT_EQ(found.reason,
            "a driver needs 17 MiB of huge pages of node 1, where DPDK can have none");
}

TEST(HugePages, SmallerThanAMebibyteAreTakenByWholeOnes) {
  // As of a machine whose ordinary pages are of 64 KiB, or of ARM's contiguous ones.
  const NodePages small{.node = 0, .page_bytes = mebi / 16, .reserved = 50, .free = 40};
  const auto found = judged({small, pages(1, 50, 50)},
                            {{.bytes = 3 * mebi, .node = 0}, {.bytes = 3 * mebi, .node = 1}});
  EXPECT_TRUE(found.usable);
  EXPECT_EQ(found.node_mib, (std::vector<std::size_t>{2, 4})) << "2.5 MiB are free";
}

TEST(HugePages, ThatMayBeAnywhereAreWhereThereIsRoom) {
  const auto found = judged({pages(0, 50, 10), pages(1, 50, 50)},
                            {{.bytes = 12 * mebi, .node = 0}, {.bytes = 30 * mebi}});
  EXPECT_TRUE(found.usable);
  EXPECT_EQ(found.node_mib, (std::vector<std::size_t>{20, 22}));
  EXPECT_EQ(found.remedy, "");
  EXPECT_EQ(
      judged({pages(0, 50, 10), pages(1, 50, 50)}, {{.bytes = 30 * mebi, .node = 7}}).node_mib,
      (std::vector<std::size_t>{20, 10}))
      << "a node without memory";
}

TEST(Topology, OfThisMachineHasANodeForEachCore) {
  const Topology here = Topology::find();
  if (here.node_of_core.empty()) GTEST_SKIP() << "the kernel knows no nodes";
  EXPECT_GE(here.node_of_core.size(), std::thread::hardware_concurrency());
  EXPECT_GE(here.node_of_core.front(), 0);
  EXPECT_TRUE(std::any_of(here.node_of_core.begin(), here.node_of_core.end(),
                          [&](int node) { return here.has_memory(node); }));
}

/// The policy of the page, and the node that it lies on.
struct Page {
  int mode = -1;
  int node = -1;
};
Page look_at(std::byte* page) {
  Page out;
  get_mempolicy(&out.mode, nullptr, 0, page, MPOL_F_ADDR);
  get_mempolicy(&out.node, nullptr, 0, page, MPOL_F_NODE | MPOL_F_ADDR);
  return out;
}

class NodeMemory : public testing::Test {
 protected:
  void SetUp() override {
    int mode = 0;
    if (get_mempolicy(&mode, nullptr, 0, nullptr, 0) != 0) GTEST_SKIP() << "no memory policies";
    if (mode != MPOL_DEFAULT) GTEST_SKIP() << "somebody else places this process's memory";
  }
};

TEST_F(NodeMemory, StaysOnItsNodeWhoeverTouchesItFirst) {
  for (const bool huge : {false, true}) {
    Reservation memory;
    {
      const OnNode here{0};
      memory = std::move(*Reservation::make(std::size_t{8} << 20, huge));
    }
    std::thread{[&] { memory.data()[0] = std::byte{1}; }}.join();
    const Page page = look_at(memory.data());
    EXPECT_EQ(page.mode, MPOL_PREFERRED) << (huge ? "huge" : "ordinary") << " pages";
    EXPECT_EQ(page.node, 0);
  }
}

/// The calling thread's policy, which the test restores.
int mode_of_thread() {
  int mode = -1;
  get_mempolicy(&mode, nullptr, 0, nullptr, 0);
  return mode;
}

TEST_F(NodeMemory, IsWhereTheUserWantsItWhereThatIsSaid) {
  const unsigned long first = 1;
  for (const int mode : {MPOL_BIND, MPOL_INTERLEAVE, MPOL_PREFERRED}) {
    ASSERT_EQ(set_mempolicy(mode, &first, 8 * sizeof first), 0);
    {
      const OnNode here{0};
      EXPECT_EQ(mode_of_thread(), mode);
      EXPECT_EQ(look_at(Reservation::make(4'096)->data()).mode, mode);
    }
    EXPECT_EQ(mode_of_thread(), mode);
    EXPECT_EQ(Topology::find().chosen_nodes, std::vector<int>{0});
  }
  set_mempolicy(MPOL_DEFAULT, nullptr, 0);
  EXPECT_TRUE(Topology::find().chosen_nodes.empty());
}

/// Memory that is to be on `node` while the user says `mode` of both nodes: its policy.
int mode_within(int mode, int node) {
  const unsigned long both = 3;
  EXPECT_EQ(set_mempolicy(mode, &both, 8 * sizeof both), 0);
  int found = -1;
  {
    const OnNode here{node};
    found = mode_of_thread();
  }
  const auto after = dpdk::MemoryPolicy::find();
  EXPECT_TRUE(after && after->mode == mode && after->count() == 2 && after->has(1));
  set_mempolicy(MPOL_DEFAULT, nullptr, 0);
  return found;
}

TEST_F(NodeMemory, IsOnItsNodeWhereTheUserNamesItAmongOthers) {
  if (!Topology::find().several()) GTEST_SKIP() << "one node";
  EXPECT_EQ(mode_within(MPOL_BIND, 1), MPOL_PREFERRED);
  EXPECT_EQ(mode_within(MPOL_BIND, 2), MPOL_BIND) << "the user has not named it";
  EXPECT_EQ(mode_within(MPOL_INTERLEAVE, 1), MPOL_INTERLEAVE);
}

TEST_F(NodeMemory, MayBeAnywhereForAMoment) {
  const unsigned long first = 1;
  ASSERT_EQ(set_mempolicy(MPOL_BIND, &first, 8 * sizeof first), 0);
  {
    const dpdk::AnyNode anywhere;
    EXPECT_EQ(mode_of_thread(), MPOL_DEFAULT);
  }
  EXPECT_EQ(mode_of_thread(), MPOL_BIND);
  EXPECT_EQ(Topology::find().chosen_nodes, std::vector<int>{0});
  set_mempolicy(MPOL_DEFAULT, nullptr, 0);
}

TEST_F(NodeMemory, ThatIsToBeWhereTheThreadIsIsNoChoiceOfANode) {
  // As numactl --localalloc says it, and EAL once it has started.
  ASSERT_EQ(set_mempolicy(MPOL_LOCAL, nullptr, 0), 0);
  {
    const OnNode here{0};
    EXPECT_EQ(mode_of_thread(), MPOL_PREFERRED);
  }
  EXPECT_EQ(mode_of_thread(), MPOL_LOCAL);
  EXPECT_TRUE(Topology::find().chosen_nodes.empty());
  set_mempolicy(MPOL_DEFAULT, nullptr, 0);
}

TEST_F(NodeMemory, TellsWhichNodesItIsOn) {
  const OnNode here{0};
  auto memory = std::move(*Reservation::make(std::size_t{8} << 20));
  EXPECT_TRUE(dpdk::nodes_of({memory.data(), memory.size()}).empty()) << "not touched yet";
  for (std::size_t at = 0; at < memory.size(); at += 4'096) memory.data()[at] = std::byte{1};
  EXPECT_EQ(dpdk::nodes_of({memory.data(), memory.size()}), std::vector<int>{0});
  EXPECT_EQ(dpdk::nodes_of({memory.data() + 5'000, 1}), std::vector<int>{0});
}

TEST_F(NodeMemory, IsAsBeforeAfterwardsAndWithoutANode) {
  { const OnNode here{0}; }
  { const OnNode nowhere{-1}; }
  { const OnNode missing{1'000'000}; }
  int mode = -1;
  get_mempolicy(&mode, nullptr, 0, nullptr, 0);
  EXPECT_EQ(mode, MPOL_DEFAULT);
  auto memory = std::move(*Reservation::make(4'096));
  memory.data()[0] = std::byte{1};
  EXPECT_EQ(look_at(memory.data()).mode, MPOL_DEFAULT);
}

}  // namespace
}  // namespace pollux
