#include "doctor/mending.h"

#include <algorithm>
#include <vector>

#include "unit/doctor/tree.h"

namespace pollux::doctor {
namespace {

using test::Tree;

constexpr const char* pool = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB";

/// Has a limit of pages, some of which are in use, and no more.
Root::Kernel memory(Tree& tree, unsigned most, unsigned used) {
  return [&tree, most, used](std::string_view path, std::string_view text) {
    if (path.find("nr_hugepages") == path.npos) return;
    const auto asked = static_cast<unsigned>(std::stoul(std::string(text)));
    const unsigned now = std::clamp(asked, used, most);
    const std::string folder(path.substr(0, path.rfind('/')));
    tree.file(path, std::to_string(now) + "\n");
    tree.file(folder + "/free_hugepages", std::to_string(now - used) + "\n");
  };
}

TEST(Pages, AreReservedInAdditionAndReleased) {
  Tree tree;
  tree.node(0, 0).node(1, 8);
  const Root root{tree.path(), memory(tree, 100, 2)};
  const auto more = reserve_pages(root, {.node = 1, .count = 4});
  ASSERT_TRUE(more) << more.error().why;
  EXPECT_EQ(*more, "node 1: 12 pages of 2M, before 8; 10 are free");
  const auto fewer = release_pages(root, {.node = 1, .count = 4});
  ASSERT_TRUE(fewer) << fewer.error().why;
  EXPECT_EQ(tree.text(std::string(pool) + "/nr_hugepages"), "8\n");
  const auto all = release_pages(root, {.node = 1, .count = std::nullopt});
  ASSERT_TRUE(all) << all.error().why;
  EXPECT_EQ(tree.text(std::string(pool) + "/nr_hugepages"), "2\n");
}

TEST(Pages, AreAllReservedOrNone) {
  Tree tree;
  tree.node(0, 0).node(1, 8);
  const Root root{tree.path(), memory(tree, 10, 0)};
  const auto more = reserve_pages(root, {.node = 1, .count = 4});
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().kind, Error::Kind::machine);
  EXPECT_EQ(more.error().remedy, "pollux-doctor hugepages reserve --node 1 --size 2M --count 2");
  EXPECT_EQ(tree.text(std::string(pool) + "/nr_hugepages"), "8\n");
}

TEST(Pages, ThatAreInUseAreNotReleased) {
  Tree tree;
  tree.node(0, 0).node(1, 8, 3);
  const Root root{tree.path(), memory(tree, 10, 5)};
  const auto fewer = release_pages(root, {.node = 1, .count = 4});
  ASSERT_FALSE(fewer);
  EXPECT_EQ(fewer.error().why, "3 of 8 are free");
  EXPECT_EQ(fewer.error().remedy, "pollux-doctor hugepages release --node 1 --size 2M --count 3");
  EXPECT_EQ(tree.text(std::string(pool) + "/nr_hugepages"), "8\n");
}

TEST(Pages, OfWhatIsNotThereAreNamed) {
  Tree tree;
  tree.node(0, 0).node(1, 8);
  const Root root{tree.path()};
  auto wrong = reserve_pages(root, {.node = 7, .count = 4});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().remedy, "--node 0, 1");
  std::filesystem::remove_all(
      tree.at("/sys/devices/system/node/node0/hugepages/hugepages-1048576kB"));
  wrong = reserve_pages(root, {.node = 0, .page_bytes = 1u << 30, .count = 1});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().why, "the kernel knows no pages of that size");
  EXPECT_EQ(wrong.error().remedy, "--size 2M");
}

/// Does what Linux does with what is written to the files of the PCI bus. `owner` is the driver
/// that takes a device that nobody has named one for; drivers in `deaf` take none.
struct Bus {
  Tree& tree;
  std::string owner;
  std::vector<std::string> deaf = {};
  std::vector<std::string> writes = {};

  static constexpr const char* devices = "/sys/bus/pci/devices/";

  void operator()(std::string_view path, std::string_view text) {
    writes.emplace_back(path);
    if (path.ends_with("/unbind")) {
      std::filesystem::remove(tree.at(std::string(devices) + std::string(text) + "/driver"));
    }
    if (!path.ends_with("/drivers_probe")) return;
    const std::string device = devices + std::string(text);
    std::string wanted = tree.text(device + "/driver_override");
    wanted.erase(wanted.find_last_not_of('\n') + 1);
    if (wanted.empty()) wanted = owner;
    if (std::filesystem::is_symlink(tree.at(device + "/driver"))) return;
    if (std::find(deaf.begin(), deaf.end(), wanted) != deaf.end()) return;
    tree.link(device + "/driver", "../../../../bus/pci/drivers/" + wanted);
  }
};

constexpr const char* address = "0000:03:00.0";

/// A card of the kernel's, and vfio-pci behind an IOMMU.
Tree& with_vfio(Tree& tree) {
  tree.card(address, "i40e", "eth1", 0, "5");
  return tree.folder("/sys/bus/pci/drivers/vfio-pci");
}

std::string driver(const Tree& tree) {
  return Root{tree.path()}.link_name(std::string(Bus::devices) + address + "/driver");
}

TEST(Bind, HandsACardOverAndUnbindGivesItBack) {
  Tree tree;
  with_vfio(tree);
  Bus kernel{tree, "i40e"};
  const Root root{tree.path(), std::ref(kernel)};
  const auto bound = bind_card(root, {.address = address, .driver = {}});
  ASSERT_TRUE(bound) << bound.error().why;
  EXPECT_EQ(*bound, "0000:03:00.0: i40e -> vfio-pci");
  EXPECT_EQ(driver(tree), "vfio-pci");
  const auto again = bind_card(root, {.address = address, .driver = {}});
  ASSERT_TRUE(again) << again.error().why;
  EXPECT_EQ(*again, "0000:03:00.0: vfio-pci has it already");
  tree.file("/sys/bus/pci/drivers/vfio-pci/unbind");
  const auto back = unbind_card(root, {.address = address, .driver = {}});
  ASSERT_TRUE(back) << back.error().why;
  EXPECT_EQ(*back, "0000:03:00.0: vfio-pci -> i40e");
  EXPECT_EQ(tree.text(std::string(Bus::devices) + address + "/driver_override"), "\n");
}

TEST(Bind, RefusesTheDefaultRouteUnlessToldTwice) {
  Tree tree;
  with_vfio(tree).file("/proc/net/route",
                       "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU\n"
                       "eth1 00000000 010200C0 0003 0 0 0 00000000 0\n");
  Bus kernel{tree, "i40e"};
  const Root root{tree.path(), std::ref(kernel)};
  for (const unsigned force : {0u, 1u}) {
    for (auto* const change : {&bind_card, &unbind_card}) {
      const auto refused = (*change)(root, {.address = address, .driver = {}, .force = force});
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().why, "its interface eth1 carries the default route");
      EXPECT_TRUE(refused.error().remedy.ends_with(" 0000:03:00.0 --force --force"));
      EXPECT_TRUE(kernel.writes.empty());
    }
  }
  EXPECT_TRUE(bind_card(root, {.address = address, .driver = {}, .force = 2}));
  EXPECT_EQ(driver(tree), "vfio-pci");
}

TEST(Bind, NamesADriverThatIsAbsent) {
  Tree tree;
  tree.card(address, "i40e", "eth1", 0, "5");
  const auto refused = bind_card(Root{tree.path()}, {.address = address, .driver = {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Error::Kind::machine);
  EXPECT_EQ(refused.error().why, "the kernel has no driver vfio-pci for PCI devices");
  EXPECT_EQ(refused.error().remedy, "modprobe vfio-pci");
  const auto other = bind_card(Root{tree.path()}, {.address = address, .driver = "igb_uio"});
  EXPECT_EQ(other.error().remedy, "modprobe igb_uio");
}

TEST(Bind, NamesADeviceThatIsNotThere) {
  Tree tree;
  const auto refused = bind_card(Root{tree.path()}, {.address = "0000:09:00.0", .driver = {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().why, "there is no such PCI device");
}

TEST(Bind, WantsAnIommuOrLeaveToDoWithout) {
  Tree tree;
  tree.card(address, "i40e", "eth1").folder("/sys/bus/pci/drivers/vfio-pci");
  Bus kernel{tree, "i40e"};
  const Root root{tree.path(), std::ref(kernel)};
  const BindRequest request{.address = address, .driver = {}};
  EXPECT_EQ(bind_card(root, request).error().remedy, "modprobe vfio enable_unsafe_noiommu_mode=1");
  tree.folder("/sys/module/vfio");  // built without that
  EXPECT_EQ(bind_card(root, request).error().remedy,
            std::string("pollux-doctor bind ") + address + " --driver uio_pci_generic");
  const std::string knob = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";
  tree.file(knob, "N\n");
  EXPECT_EQ(bind_card(root, request).error().remedy, "echo 1 > " + tree.at(knob));
  EXPECT_EQ(driver(tree), "i40e");
  tree.file(knob, "Y\n");
  EXPECT_TRUE(bind_card(root, request));
}

TEST(Bind, WantsTheWholeIommuGroup) {
  Tree tree;
  with_vfio(tree);
  tree.card("0000:03:00.1", "i40e", "eth2", 0, "5");
  tree.card("0000:03:00.2", "pcieport", "", 0, "5");
  tree.file("/sys/bus/pci/devices/0000:03:00.2/class", "0x060400\n");
  Bus kernel{tree, "i40e"};
  const Root root{tree.path(), std::ref(kernel)};
  const auto refused = bind_card(root, {.address = address, .driver = {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().why,
            "its IOMMU group 5 has others in the kernel's hands: 0000:03:00.1 (i40e)");
  EXPECT_TRUE(bind_card(root, {.address = address, .driver = {}, .force = 1}));
}

TEST(Bind, ThatFailsLeavesTheCardWhereItWas) {
  Tree tree;
  with_vfio(tree);
  Bus kernel{tree, "i40e", {"vfio-pci"}};
  const Root root{tree.path(), std::ref(kernel)};
  const auto refused = bind_card(root, {.address = address, .driver = {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().why, "vfio-pci does not take it");
  EXPECT_EQ(driver(tree), "i40e");
}

TEST(Bind, InATreeThatNobodyServesIsOnlyWritten) {
  Tree tree;
  with_vfio(tree);
  const auto written = bind_card(Root{tree.path()}, {.address = address, .driver = {}});
  ASSERT_TRUE(written) << written.error().why;
  EXPECT_EQ(tree.text(std::string(Bus::devices) + address + "/driver_override"), "vfio-pci\n");
  EXPECT_EQ(tree.text("/sys/bus/pci/drivers/i40e/unbind"), address);
  EXPECT_EQ(tree.text("/sys/bus/pci/drivers_probe"), address);
}

}  // namespace
}  // namespace pollux::doctor
