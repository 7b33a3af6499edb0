#include "dpdk/numa.h"

#include <gtest/gtest.h>
#include <numaif.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "base/memory.h"

namespace pollux {
namespace {

using dpdk::OnNode;
using dpdk::Topology;

/// Two nodes of two cores each, and a processor of which nothing is known.
const Topology two{{0, 1, 0, 1, -1}};

TEST(Topology, CountsOnlyWhereThereAreSeveralNodes) {
  EXPECT_EQ(two.node_of(0), 0);
  EXPECT_EQ(two.node_of(3), 1);
  EXPECT_EQ(two.node_of(4), -1);
  EXPECT_EQ(two.node_of(99), -1);
  EXPECT_EQ((Topology{{0, 0, 0}}.node_of(1)), -1);
  EXPECT_EQ((Topology{{0, 0, -1}}.node_of(1)), -1);
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

TEST(Topology, OfThisMachineHasANodeForEachCore) {
  const Topology here = Topology::find();
  if (here.node_of_core.empty()) GTEST_SKIP() << "the kernel knows no nodes";
  EXPECT_GE(here.node_of_core.size(), std::thread::hardware_concurrency());
  EXPECT_GE(here.node_of_core.front(), 0);
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
