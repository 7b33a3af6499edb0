#include "doctor/checks.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "doctor/report.h"
#include "unit/doctor/tree.h"

namespace pollux::doctor {
namespace {

using test::find;
using test::Tree;

TEST(HugePages, NoneAnywhereIsAFailureWithTheCommandThatMakesSome) {
  Tree tree;
  tree.node(0, 0).node(1, 0);
  const Findings findings = check_huge_pages(tree.machine());
  ASSERT_EQ(findings.size(), 2u);
  for (const unsigned node : {0u, 1u}) {
    EXPECT_EQ(findings[node].level, Level::fail);
    EXPECT_EQ(findings[node].command, "doc hugepages reserve --node " + std::to_string(node) +
                                          " --size 2M --count 512 --root " + tree.path());
  }
}

TEST(HugePages, ANodeWithoutAnyIsAWarningWhereAnotherHasSome) {
  Tree tree;
  tree.node(0, 512).node(1, 0);
  const Findings findings = check_huge_pages(tree.machine());
  EXPECT_EQ(find(findings, "huge pages of node 0").level, Level::ok);
  EXPECT_EQ(find(findings, "huge pages of node 0").text, "512 of 512 pages of 2M free");
  EXPECT_EQ(find(findings, "huge pages of node 1").level, Level::warn);
}

TEST(HugePages, ThatOthersUseThemAllIsSaid) {
  Tree tree;
  tree.node(0, 512, 0);
  const Finding finding = find(check_huge_pages(tree.machine()), "huge pages of node 0");
  EXPECT_EQ(finding.level, Level::warn);
  EXPECT_NE(finding.text.find("0 of 512"), std::string::npos) << finding.text;
  EXPECT_FALSE(finding.command.empty());
}

TEST(HugePages, NoMoreAreAskedForThanAQuarterOfWhatIsFree) {
  Tree tree;
  tree.node(0, 0).file("/sys/devices/system/node/node0/meminfo",
                       "Node 0 MemTotal: 2097152 kB\nNode 0 MemFree: 1048576 kB\n");
  EXPECT_NE(check_huge_pages(tree.machine()).front().command.find("--count 128 "),
            std::string::npos);
}

TEST(HugePages, NodesWithoutMemoryAreNotSpokenOf) {
  Tree tree;
  tree.node(0, 1).node(1, 0).file("/sys/devices/system/node/node1/meminfo",
                                  "Node 1 MemTotal: 0 kB\n");
  EXPECT_EQ(check_huge_pages(tree.machine()).size(), 1u);
}

TEST(HugePages, AKernelWithoutNodesHasOnePool) {
  Tree tree;
  tree.file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "4\n")
      .file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "3\n");
  EXPECT_EQ(find(check_huge_pages(tree.machine()), "huge pages of node 0").text,
            "3 of 4 pages of 2M free");
  EXPECT_EQ(pages_folder(Root{tree.path()}, 0, 2u << 20),
            "/sys/kernel/mm/hugepages/hugepages-2048kB");
}

TEST(HugePages, AKernelWithoutAnyIsToldOfByWords) {
  Tree tree;
  const Finding finding = check_huge_pages(tree.machine()).front();
  EXPECT_EQ(finding.level, Level::fail);
  EXPECT_TRUE(finding.command.empty());
  EXPECT_FALSE(finding.advice.empty());
}

TEST(Mount, IsFoundOrMade) {
  Tree tree;
  tree.file("/proc/mounts", "proc /proc proc rw 0 0\n");
  Finding finding = check_mount(tree.machine()).front();
  EXPECT_EQ(finding.level, Level::warn);
  EXPECT_EQ(finding.command, "mkdir -p " + tree.at("/dev/hugepages") +
                                 " && mount -t hugetlbfs hugetlbfs " + tree.at("/dev/hugepages"));
  tree.file("/proc/mounts",
            "a /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\nb /mnt/1g hugetlbfs rw 0 0\n");
  finding = check_mount(tree.machine()).front();
  EXPECT_EQ(finding.level, Level::ok);
  EXPECT_EQ(finding.text, "mounted on /dev/hugepages (pagesize=2M), /mnt/1g");
}

std::string limits(std::string_view locked, std::string_view space, std::string_view files) {
  return "Limit                     Soft Limit           Hard Limit           Units     \n"
         "Max open files            " +
         std::string(files) +
         "    20000    files     \n"
         "Max locked memory         " +
         std::string(locked) +
         "    8388608    bytes     \n"
         "Max address space         " +
         std::string(space) + "    unlimited    bytes     \n";
}

TEST(Rights, OfRootAreAll) {
  Tree tree;
  tree.file("/dev/net/tun").file("/proc/self/limits", limits("8388608", "unlimited", "1024"));
  tree.file("/proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n");
  for (const Finding& finding : check_rights(tree.machine())) {
    EXPECT_EQ(finding.level, Level::ok) << finding.name << ": " << finding.text;
  }
}

TEST(Rights, OfAnOrdinaryUserAreFewer) {
  Tree tree;
  tree.file("/dev/net/tun").file("/proc/self/limits", limits("8388608", "unlimited", "512"));
  tree.file("/proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n");
  Machine machine = tree.machine();
  machine.self = "/opt/pollux/pollux-doctor";
  const Findings findings = check_rights(machine);
  const Finding who = find(findings, "permissions");
  EXPECT_EQ(who.level, Level::warn);
  EXPECT_NE(who.text.find("user 1000"), std::string::npos);
  EXPECT_NE(who.command.find("setcap cap_net_admin,cap_net_raw+ep"), std::string::npos);
  EXPECT_NE(who.command.find("/opt/pollux/pollux-httpd"), std::string::npos);
  EXPECT_EQ(find(findings, "locked memory").level, Level::warn);
  EXPECT_EQ(find(findings, "locked memory").command, "prlimit --memlock=unlimited --pid $$");
  EXPECT_EQ(find(findings, "open files").level, Level::warn);
}

TEST(Rights, WhoHasTheCapabilitiesMayUseInterfaces) {
  Tree tree;
  tree.file("/proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000003000\n");
  EXPECT_EQ(find(check_rights(tree.machine()), "permissions").level, Level::ok);
}

TEST(Rights, ALimitedAddressSpaceIsAFailure) {
  Tree tree;
  tree.file("/proc/self/limits", limits("unlimited", "1073741824", "1024"));
  const Finding finding = find(check_rights(tree.machine()), "address space");
  EXPECT_EQ(finding.level, Level::fail);
  EXPECT_NE(finding.text.find("1024 MiB"), std::string::npos);
}

TEST(Rights, WithoutTunThereIsNoTap) {
  Tree tree;
  EXPECT_EQ(find(check_rights(tree.machine()), "/dev/net/tun").command, "modprobe tun");
}

TEST(Flags, AreThoseThatDpdkIsBuiltFor) {
  constexpr const char* all =
      "flags\t\t: ssse3 sse4_1 sse4_2 popcnt avx2 avx512f constant_tsc nonstop_tsc pdpe1gb\n";
  const auto judged = [](std::string text, const std::string& without) {
    if (!without.empty()) text.erase(text.find(" " + without), without.size() + 1);
    Tree tree;
    tree.file("/proc/cpuinfo", "processor\t: 0\n" + text);
    return check_flags(tree.machine()).front();
  };
  EXPECT_EQ(judged(all, "").level, Level::ok);
  EXPECT_EQ(judged(all, "avx512f").level, Level::ok);
  EXPECT_EQ(judged(all, "avx2").level, Level::warn);
  EXPECT_EQ(judged(all, "nonstop_tsc").level, Level::warn);
  EXPECT_EQ(judged(all, "sse4_2").level, Level::fail);
  EXPECT_NE(judged(all, "sse4_2").text.find("sse4_2 missing"), std::string::npos);
}

TEST(Cores, IsolationIsFoundOrAdvised) {
  Tree tree;
  tree.file("/sys/devices/system/cpu/online", "0-7\n");
  tree.file("/sys/devices/system/cpu/isolated", "\n");
  Finding finding = find(check_cores(tree.machine()), "isolated cores");
  EXPECT_EQ(finding.level, Level::warn);
  EXPECT_NE(finding.advice.find("isolcpus=1-7 nohz_full=1-7 rcu_nocbs=1-7"), std::string::npos);
  tree.file("/sys/devices/system/cpu/isolated", "2-5\n");
  finding = find(check_cores(tree.machine()), "isolated cores");
  EXPECT_EQ(finding.level, Level::ok);
  EXPECT_EQ(finding.text, "2-5 of 8 processors: --cores 2-5");
}

TEST(Cores, AGovernorThatSavesPowerIsNamed) {
  Tree tree;
  const std::string cpu = "/sys/devices/system/cpu/cpu";
  EXPECT_EQ(find(check_cores(tree.machine()), "governor").level, Level::ok);
  tree.file(cpu + "0/cpufreq/scaling_governor", "performance\n");
  tree.file(cpu + "1/cpufreq/scaling_governor", "performance\n");
  EXPECT_EQ(find(check_cores(tree.machine()), "governor").level, Level::ok);
  tree.file(cpu + "1/cpufreq/scaling_governor", "powersave\n");
  const Finding finding = find(check_cores(tree.machine()), "governor");
  EXPECT_EQ(finding.level, Level::warn);
  ASSERT_EQ(std::system((finding.command + " > /dev/null").c_str()), 0);
  EXPECT_EQ(tree.text(cpu + "1/cpufreq/scaling_governor"), "performance\n");
  EXPECT_EQ(find(check_cores(tree.machine()), "governor").level, Level::ok);
}

TEST(Iommu, OffMattersWhereACardNeedsIt) {
  Tree tree;
  EXPECT_EQ(find(check_vfio(tree.machine()), "IOMMU").level, Level::ok);
  tree.card("0000:03:00.0", "i40e", "eth1");
  Finding finding = find(check_vfio(tree.machine()), "IOMMU");
  EXPECT_EQ(finding.level, Level::warn);
  EXPECT_EQ(finding.command, "modprobe vfio enable_unsafe_noiommu_mode=1");
  tree.folder("/sys/module/vfio");  // built without that
  EXPECT_EQ(find(check_vfio(tree.machine()), "IOMMU").command, "modprobe uio_pci_generic");
  tree.card("0000:03:00.0", "vfio-pci", "");
  EXPECT_EQ(find(check_vfio(tree.machine()), "IOMMU").level, Level::fail);
  const std::string knob = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";
  tree.file(knob, "N\n");
  finding = find(check_vfio(tree.machine()), "IOMMU");
  ASSERT_EQ(finding.command, "echo 1 > " + tree.at(knob));
  tree.file(knob, "Y\n");  // what the kernel makes of the 1
  EXPECT_EQ(find(check_vfio(tree.machine()), "IOMMU").level, Level::warn);
  tree.folder("/sys/kernel/iommu_groups/0").folder("/sys/kernel/iommu_groups/1");
  finding = find(check_vfio(tree.machine()), "IOMMU");
  EXPECT_EQ(finding.level, Level::ok);
  EXPECT_EQ(finding.text, "on, 2 groups");
}

TEST(Vfio, AnAbsentDriverIsNamedWhereACardWaitsForIt) {
  Tree tree;
  EXPECT_EQ(find(check_vfio(tree.machine()), "vfio").level, Level::ok);
  tree.card("0000:03:00.0", "i40e", "eth1");
  const Finding finding = find(check_vfio(tree.machine()), "vfio");
  EXPECT_EQ(finding.level, Level::warn);
  EXPECT_NE(finding.text.find("vfio-pci is absent"), std::string::npos);
  EXPECT_EQ(finding.command, "modprobe vfio-pci");
}

TEST(Vfio, ItsDeviceMustBeThereForACardThatItHolds) {
  Tree tree;
  tree.card("0000:03:00.0", "vfio-pci", "");
  EXPECT_EQ(find(check_vfio(tree.machine()), "vfio").level, Level::fail);
  tree.file("/dev/vfio/vfio");
  EXPECT_EQ(find(check_vfio(tree.machine()), "vfio").level, Level::ok);
}

TEST(Cards, EachIsNamedWithItsDriverNodeAndLink) {
  Tree tree;
  tree.node(0, 8).node(1, 0);
  tree.card("0000:03:00.0", "i40e", "eth1", 1);
  tree.card("0000:03:00.1", "vfio-pci", "", 0);
  tree.card("0000:81:00.0", "vfio-pci", "", 1);
  tree.card("0000:00:03.0", "igb", "eth0", 0);
  tree.card("0000:04:00.0", "", "", -1);
  tree.card("0000:05:00.0", "mlx5_core", "eth5", 0);
  tree.file("/sys/bus/pci/devices/0000:00:1f.2/class", "0x010601\n");  // a disk
  tree.file("/proc/net/route",
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
            "eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
            "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
  const Findings findings = check_cards(tree.machine());
  ASSERT_EQ(findings.size(), 6u);
  const Finding kernels = find(findings, "card 0000:03:00.0");
  EXPECT_EQ(kernels.level, Level::warn);
  EXPECT_EQ(kernels.text, "8086:1572 by i40e, node 1, eth1 up: not in DPDK's hands");
  EXPECT_EQ(kernels.command, "doc bind 0000:03:00.0 --root " + tree.path());
  EXPECT_EQ(find(findings, "card 0000:03:00.1").level, Level::ok);
  EXPECT_NE(find(findings, "card 0000:03:00.1").text.find("--device pci:0000:03:00.1"),
            std::string::npos);
  EXPECT_EQ(find(findings, "card 0000:81:00.0").level, Level::warn);
  EXPECT_NE(find(findings, "card 0000:81:00.0").command.find("--node 1"), std::string::npos);
  EXPECT_EQ(find(findings, "card 0000:00:03.0").level, Level::ok);
  EXPECT_NE(find(findings, "card 0000:00:03.0").text.find("default route"), std::string::npos);
  EXPECT_NE(find(findings, "card 0000:04:00.0").text.find("no driver"), std::string::npos);
  EXPECT_EQ(find(findings, "card 0000:05:00.0").level, Level::ok);
}

TEST(Cards, AVirtioInterfaceLiesOneFolderDeeper) {
  Tree tree;
  tree.card("0000:00:03.0", "virtio-pci", "");
  tree.folder("/sys/bus/pci/devices/0000:00:03.0/virtio2/net/eth0");
  tree.file("/sys/class/net/eth0/operstate", "down\n");
  const Card card = tree.machine().cards.at(0);
  EXPECT_EQ(card.interface, "eth0");
  EXPECT_EQ(card.link, "down");
}

TEST(Cards, TheDefaultRouteOfIpv6Counts) {
  Tree tree;
  const std::string zero(32, '0');
  tree.file(
      "/proc/net/ipv6_route",
      zero + " 00 " + zero + " 00 " + zero + " ffffffff 00000001 00000000 00200200       lo\n" +
          "fe80000000000000000000000000cafe 80 " + zero + " 00 " + zero +
          " 00000100 00000001 00000000 00000001     eth7\n" + zero + " 00 " + zero +
          " 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth6\n");
  EXPECT_EQ(default_interfaces(Root{tree.path()}), std::vector<std::string>{"eth6"});
}

TEST(Drivers, ThoseThatAreMissingAreNamedWithTheirPackages) {
  Tree tree;
  for (const char* const name : {"tap", "vhost", "virtio", "af_packet", "af_xdp", "i40e"}) {
    tree.file(std::string("/pmds/librte_net_") + name + ".so.23.0");
    tree.file(std::string("/pmds/librte_net_") + name + ".so.23");
  }
  tree.file("/pmds/librte_bus_pci.so.23");
  auto drivers = dpdk::Drivers::in_folder(tree.at("/pmds"));
  EXPECT_EQ(drivers.names.size(), 6u);
  Finding finding = check_drivers(drivers, "DPDK 22.11").front();
  EXPECT_EQ(finding.level, Level::fail);
  EXPECT_NE(finding.text.find("but not net_memif"), std::string::npos) << finding.text;
  EXPECT_TRUE(finding.command.starts_with("apt-get install --reinstall librte-net-memif"));
  tree.file("/pmds/librte_net_memif.so");
  EXPECT_EQ(check_drivers(dpdk::Drivers::in_folder(tree.at("/pmds")), "").front().level, Level::ok);
  EXPECT_EQ(check_drivers(dpdk::Drivers{}, "").front().level, Level::ok);
}

/// A socket file that nobody listens on, or one that somebody does.
int bound_socket(const std::string& path, bool stay) {
  const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  EXPECT_EQ(bind(file, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  listen(file, 1);
  if (!stay) close(file);
  return file;
}

TEST(Leftovers, OfKilledProgramsAreFoundAndRemovedByTheCommand) {
  Tree tree;
  tree.folder("/run/dpdk").folder("/tmp");
  EXPECT_EQ(check_leftovers(tree.machine()).front().level, Level::ok);
  // No process has a number above the kernel's limit.
  tree.file("/run/dpdk/pollux-99999999/config");
  tree.folder("/tmp/pollux-99999999/dpdk");
  tree.folder("/run/dpdk/pollux-" + std::to_string(getpid()));
  bound_socket(tree.at("/run/pollux.sock"), false);
  const int alive = bound_socket(tree.at("/run/memif.sock"), true);
  const Finding finding = check_leftovers(tree.machine()).front();
  EXPECT_EQ(finding.level, Level::warn);
  EXPECT_TRUE(finding.anybody);
  EXPECT_NE(finding.text.find("2 folders"), std::string::npos) << finding.text;
  EXPECT_NE(finding.text.find("1 sockets"), std::string::npos) << finding.text;
  ASSERT_EQ(std::system(finding.command.c_str()), 0) << finding.command;
  EXPECT_EQ(check_leftovers(tree.machine()).front().level, Level::ok);
  EXPECT_TRUE(tree.machine().root.exists("/run/memif.sock"));
  EXPECT_TRUE(tree.machine().root.exists("/run/dpdk/pollux-" + std::to_string(getpid())));
  close(alive);
}

TEST(Report, ALineNamesWhatIsWrongAndWhatMendsIt) {
  const Finding finding{.level = Level::fail, .name = "a", .text = "b", .command = "c"};
  EXPECT_EQ(line_of(finding, true), "fail  a: b; try: c\n");
  EXPECT_EQ(line_of(finding, false), "fail  a: b; try as root: c\n");
  EXPECT_EQ(line_of({.level = Level::warn, .name = "a", .text = "b", .advice = "d"}, true),
            "warn  a: b; see to: d\n");
  EXPECT_EQ(line_of({.name = "a", .text = "b"}, true), "OK    a: b\n");
}

TEST(Report, IsReadyUnlessSomethingFails) {
  const Findings findings{{.name = "a", .text = ""},
                          {.level = Level::warn, .name = "b", .text = ""}};
  EXPECT_TRUE(ready(findings));
  EXPECT_EQ(verdict(findings), "ready: 1 OK, 1 warn, 0 fail\n");
  EXPECT_FALSE(ready({{.level = Level::fail, .name = "a", .text = ""}}));
}

TEST(Report, AsJsonHasEveryFindingAndTheFactsBehindThem) {
  Tree tree;
  tree.node(0, 0).card("0000:03:00.0", "i40e", "eth1", 1, "7");
  const Machine machine = tree.machine();
  const Findings findings = examine(machine, dpdk::Drivers{}, "DPDK 1");
  const auto json = nlohmann::json::parse(to_json(machine, {}, "DPDK 1", findings));
  EXPECT_EQ(json["schema"], "pollux.doctor.1");
  EXPECT_EQ(json["ready"], false);
  EXPECT_EQ(json["checks"].size(), findings.size());
  EXPECT_EQ(json["counts"]["ok"].get<std::size_t>() + json["counts"]["warn"].get<std::size_t>() +
                json["counts"]["fail"].get<std::size_t>(),
            findings.size());
  EXPECT_EQ(json["checks"][0]["status"], "fail");
  EXPECT_EQ(json["checks"][0]["as_root"], true);
  EXPECT_EQ(json["nodes"][0]["huge_pages"][0]["bytes"], 2u << 20);
  EXPECT_EQ(json["cards"][0]["iommu_group"], "7");
  EXPECT_EQ(json["environment"]["dpdk"], "DPDK 1");
}

TEST(Root, ReadsListsAsTheKernelWritesThem) {
  EXPECT_EQ(numbers_of("0-2,5\n"), (std::vector<unsigned>{0, 1, 2, 5}));
  EXPECT_TRUE(numbers_of("").empty());
  EXPECT_TRUE(numbers_of("none").empty());
}

}  // namespace
}  // namespace pollux::doctor
