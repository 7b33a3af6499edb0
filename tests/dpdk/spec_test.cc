// What can be looked at without starting DPDK: device specifications, EAL's arguments, Toeplitz
// sums.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "dpdk/device_spec.h"
#include "dpdk/eal.h"
#include "dpdk/offloads.h"
#include "dpdk/rss.h"

namespace pollux::dpdk {
namespace {

using Kind = DeviceSpec::Kind;
using Role = DeviceSpec::Role;

TEST(DeviceSpec, EveryFormIsUnderstood) {
  const struct {
    std::string text;
    DeviceSpec expected;
  } rows[] = {
      {"tap:pollux0", {Kind::tap, "pollux0", {}}},
      {"tap:fifteen-letters", {Kind::tap, "fifteen-letters", {}}},
      {"memif:/run/m.sock", {Kind::memif, "/run/m.sock", Role::automatic}},
      {"memif:/run/m.sock,role=server", {Kind::memif, "/run/m.sock", Role::server}},
      {"memif:m.sock,role=client", {Kind::memif, "m.sock", Role::client}},
      {"vhost:/tmp/v", {Kind::vhost, "/tmp/v", {}}},
      {"virtio-user:/tmp/v", {Kind::virtio_user, "/tmp/v", {}}},
      {"pci:0000:00:04.0", {Kind::pci, "0000:00:04.0", {}}},
      {"pci:3B:00.1", {Kind::pci, "0000:3b:00.1", {}}},
      {"af_packet:eth0", {Kind::af_packet, "eth0", {}}},
      {"af_xdp:veth-1", {Kind::af_xdp, "veth-1", {}}},
      {"vdev:net_null0,size=64", {Kind::vdev, "net_null0,size=64", {}}},
  };
  for (const auto& row : rows) {
    const auto spec = DeviceSpec::parse(row.text);
    ASSERT_TRUE(spec) << row.text << ": " << spec.error().why;
    EXPECT_EQ(*spec, row.expected) << row.text;
    EXPECT_EQ(*DeviceSpec::parse(spec->to_string()), row.expected);
  }
}

TEST(DeviceSpec, OnlyWhatNeedsPhysicalAddressesMindsOrdinaryPages) {
  for (const char* const text : {"tap:x0", "memif:/run/m.sock", "pci:0000:ff:1f.7"}) {
    EXPECT_TRUE(check_memory(*DeviceSpec::parse(text), false, "--no-huge")) << text;
  }
}

TEST(DeviceSpec, ErrorsNameTheWrongPart) {
  const struct {
    std::string text;
    std::string part;
  } rows[] = {
      {"", "no kind of device \"\""},
      {"eth0", "no kind of device \"eth0\""},
      {"tun:x", "no kind of device \"tun\""},
      {"TAP:x", "no kind of device \"TAP\""},
      {"tap", "nothing stands after \"tap\""},
      {"tap:", "nothing stands after \"tap\""},
      {"memif:", "nothing stands after \"memif\""},
      {"tap:sixteen-letters!", "longer than 15"},
      {"tap:a/b", "\"a/b\""},
      {"tap:a b", "\"a b\""},
      {"tap:a%d", "\"a%d\""},
      {"tap:..", "\"..\""},
      {"memif:@a", "abstract"},
      {"tap:a,mac=fixed", "\"a,mac=fixed\""},
      {"af_packet:a:b", "\"a:b\""},
      {"memif:,role=server", "path is empty"},
      {"memif:/m,role=master", "\"role=master\""},
      {"memif:/m,zero-copy=yes", "\"zero-copy=yes\""},
      {"memif:/m,role=server,role=client", "\"role=server,role=client\""},
      {"memif:/m,", "\"\" is no option"},
      {"memif:/" + std::string(107, 'x'), "107 bytes"},
      {"vhost:/a,b", "comma"},
      {"virtio-user:/tmp/", "folder"},
      {"pci:eth0", "\"eth0\" is no PCI address"},
      {"pci:0000:00:04", "no PCI address"},
      {"pci:0000:00:0g.0", "no PCI address"},
  };
  for (const auto& row : rows) {
    const auto spec = DeviceSpec::parse(row.text);
    ASSERT_FALSE(spec) << row.text;
    EXPECT_EQ(spec.error().kind, Error::Kind::usage);
    EXPECT_EQ(spec.error().what, "--device " + row.text);
    EXPECT_NE(spec.error().why.find(row.part), std::string::npos)
        << row.text << ": " << spec.error().why;
    EXPECT_FALSE(spec.error().remedy.empty());
  }
}

TEST(DeviceSpec, AnUnknownKindGetsAListOfAllKinds) {
  const auto spec = DeviceSpec::parse("wifi:x");
  for (const char* kind :
       {"tap:", "memif:", "vhost:", "virtio-user:", "pci:", "af_packet:", "af_xdp:", "vdev:"}) {
    EXPECT_NE(spec.error().remedy.find(kind), std::string::npos) << kind;
  }
}

TEST(DeviceSpec, TheLongestPathFits) {
  EXPECT_TRUE(DeviceSpec::parse("memif:/" + std::string(106, 'x')));
}

TEST(Devargs, NameTheDeviceAndItsShape) {
  const auto text = [](std::string_view spec, const DevargsOptions& options = {}) {
    return devargs(*DeviceSpec::parse(spec), options);
  };
  EXPECT_EQ(text("tap:t7", {.index = 3}), "net_tap3,iface=t7");
  EXPECT_EQ(text("memif:/m,role=client", {.ring_entries = 2'048}),
            "net_memif0,socket=/m,socket-abstract=no,id=0,role=client,rsize=11,bsize=2048");
  EXPECT_EQ(text("memif:/m,role=server", {.mtu = 9'000}),
            "net_memif0,socket=/m,socket-abstract=no,id=0,role=server,rsize=10,bsize=16384");
  EXPECT_EQ(text("vhost:/v", {.index = 1, .queues = 4}), "net_vhost1,iface=/v,queues=4");
  EXPECT_EQ(text("vhost:/v", {.merging = true}), "net_vhost0,iface=/v,queues=1,tso=1");
  EXPECT_EQ(text("virtio-user:/v", {.merging = true}),
            "net_virtio_user0,path=/v,queues=1,queue_size=1024,packed_vq=1,mrg_rxbuf=1,in_order=1");
  EXPECT_EQ(text("virtio-user:/v", {.queues = 2, .ring_entries = 512}),
            "net_virtio_user0,path=/v,queues=2,queue_size=512,packed_vq=1,mrg_rxbuf=0,in_order=1");
  EXPECT_EQ(text("af_packet:e"),
            "net_af_packet0,iface=e,qpairs=1,blocksz=4096,framesz=2048,framecnt=1024");
  EXPECT_EQ(text("af_packet:e", {.mtu = 9'000}),
            "net_af_packet0,iface=e,qpairs=1,blocksz=36864,framesz=9216,framecnt=1024");
  EXPECT_EQ(text("af_xdp:e", {.queues = 2}), "net_af_xdp0,iface=e,start_queue=0,queue_count=2");
  EXPECT_EQ(text("pci:00:04.0"), "0000:00:04.0");
  EXPECT_EQ(text("vdev:net_null9,copy=1"), "net_null9,copy=1");
  EXPECT_EQ(device_name(*DeviceSpec::parse("vdev:net_null9,copy=1"), 5), "net_null9");
}

/// What a device of that driver might say of itself.
rte_eth_dev_info told_by(const char* driver) {
  rte_eth_dev_info info{};
  info.driver_name = driver;
  info.tx_offload_capa = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
                         RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  info.rx_offload_capa = RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_TCP_LRO;
  info.tx_desc_lim.nb_seg_max = 40;
  info.tx_desc_lim.nb_mtu_seg_max = 40;
  return info;
}

dpdk::Offloads chosen(const rte_eth_dev_info& info, const dpdk::PortOptions& options,
                      rte_eth_conf& conf) {
  return choose_offloads(info, DeviceSpec::Kind::pci, options, 2'048, conf);
}

TEST(Offloads, ACardsOwnAreUsedUnlessSwitchedOff) {
  rte_eth_conf conf{};
  EXPECT_EQ(chosen(told_by("net_ixgbe"), {}, conf).to_string(),
            "transmit IPv4 checksum, transmit TCP checksum, receive checksums, TCP segmentation");
  EXPECT_NE(conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO, 0u);
  EXPECT_EQ(conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO, 0u);
  conf = {};
  const auto off = chosen(told_by("net_ixgbe"), {.segmentation = false}, conf);
  EXPECT_EQ(off.capabilities.transmit_tcp_text, 0u);
  EXPECT_TRUE(off.capabilities.transmit_tcp_checksum);
  EXPECT_EQ(conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO, 0u);
}

TEST(Offloads, OfOthersOnlyWhatIsAskedFor) {
  rte_eth_conf conf{};
  EXPECT_EQ(chosen(told_by("net_other"), {}, conf).to_string(), "none");
  EXPECT_EQ(conf.txmode.offloads | conf.rxmode.offloads, 0u);
  const auto asked = chosen(told_by("net_other"), {.segmentation = true, .merging = true}, conf);
  EXPECT_EQ(asked.to_string(),
            "transmit IPv4 checksum, TCP segmentation, packets of several TCP segments");
  EXPECT_FALSE(asked.capabilities.transmit_tcp_checksum) << "segments that are sent alone";
  EXPECT_EQ(asked.mtu_margin, 0u);
  EXPECT_EQ(chosen(told_by("net_tap"), {.segmentation = true}, conf).mtu_margin, 18u);
}

TEST(Offloads, AVirtioCardSpreadsFlowsWhereItsHostDoes) {
  rte_eth_conf conf{};
  rte_eth_dev_info info = told_by("net_virtio");
  const PortOptions four{.queues = 4, .spread_flows = true};
  EXPECT_EQ(chosen(info, four, conf).to_string(), "none");
  EXPECT_EQ(conf.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
  info.flow_type_rss_offloads = RTE_ETH_RSS_NONFRAG_IPV4_TCP;
  info.hash_key_size = 40;
  const Offloads spread = chosen(info, four, conf);
  EXPECT_EQ(spread.to_string(), "flow spreading") << "its checksums are its host's affair";
  EXPECT_EQ(spread.spreading_key, rss_key(40));
  EXPECT_EQ(conf.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
}

TEST(Offloads, ALongPacketHasNoMoreBuffersThanTheDeviceTakes) {
  rte_eth_conf conf{};
  rte_eth_dev_info info = told_by("net_ixgbe");
  EXPECT_EQ(chosen(info, {}, conf).capabilities.transmit_tcp_text, 65'535u);
  info.tx_desc_lim.nb_seg_max = 9;
  EXPECT_EQ(chosen(info, {}, conf).capabilities.transmit_tcp_text, 8u * 2'048);
  info.tx_desc_lim.nb_mtu_seg_max = 2;
  EXPECT_EQ(chosen(info, {}, conf).capabilities.transmit_tcp_text, 0u);
  info = told_by("net_ixgbe");
  info.tx_offload_capa &= ~std::uint64_t{RTE_ETH_TX_OFFLOAD_MULTI_SEGS};
  EXPECT_EQ(chosen(info, {}, conf).capabilities.transmit_tcp_text, 0u);
}

/// A folder of this test's own, which goes with it.
class Folder : public testing::Test {
 protected:
  Folder() {
    std::string name = testing::TempDir() + "pollux-spec-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~Folder() override {
    unlink(socket_path().c_str());
    rmdir(path_.c_str());
  }
  std::string socket_path() const { return path_ + "/s"; }
  /// A listening socket at socket_path(); closed, it leaves its file.
  int listen_at() const {
    const int file = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_path().c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(file, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(file, 1), 0);
    return file;
  }
  static Status check(const std::string& text) { return check_machine(*DeviceSpec::parse(text)); }

  std::string path_;
};

TEST_F(Folder, ThatIsMissingIsNamed) {
  for (const char* kind : {"memif:", "vhost:", "virtio-user:"}) {
    const Status status = check(kind + path_ + "/missing/s");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind, Error::Kind::machine);
    EXPECT_NE(status.error().why.find(path_ + "/missing"), std::string::npos);
    EXPECT_EQ(status.error().remedy, "mkdir -p " + path_ + "/missing");
  }
}

TEST_F(Folder, WithoutTheSocketIsEnoughForServersButNotForVirtioUser) {
  EXPECT_TRUE(check("memif:" + socket_path()));
  EXPECT_TRUE(check("memif:" + socket_path() + ",role=client")) << "a client waits";
  EXPECT_TRUE(check("vhost:" + socket_path()));
  const Status status = check("virtio-user:" + socket_path());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, Error::Kind::machine);
}

TEST_F(Folder, WithASocketThatSomebodyListensOn) {
  const int file = listen_at();
  EXPECT_TRUE(check("virtio-user:" + socket_path()));
  EXPECT_FALSE(check("vhost:" + socket_path()));
  EXPECT_FALSE(check("memif:" + socket_path() + ",role=server"));
  EXPECT_TRUE(check("memif:" + socket_path()));
  EXPECT_EQ(resolved_role(*DeviceSpec::parse("memif:" + socket_path())), Role::client);
  EXPECT_LT(accept(file, nullptr, nullptr), 0) << "nobody was bothered";
  close(file);
}

TEST_F(Folder, WithASocketThatADeadServerLeft) {
  close(listen_at());
  EXPECT_FALSE(check("virtio-user:" + socket_path()));
  EXPECT_EQ(resolved_role(*DeviceSpec::parse("memif:" + socket_path())), Role::server);
  EXPECT_EQ(access(socket_path().c_str(), F_OK), 0);
  EXPECT_TRUE(check("memif:" + socket_path()));
  EXPECT_NE(access(socket_path().c_str(), F_OK), 0) << "it was in the way, and is removed";
}

TEST_F(Folder, WithAFileThatIsNoSocket) {
  FILE* const file = std::fopen(socket_path().c_str(), "w");
  std::fclose(file);
  EXPECT_FALSE(check("vhost:" + socket_path()));
  EXPECT_FALSE(check("virtio-user:" + socket_path()));
  EXPECT_EQ(access(socket_path().c_str(), F_OK), 0) << "somebody's file stays";
}

TEST_F(Folder, ThatCannotBeWrittenTo) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  chmod(path_.c_str(), 0500);
  EXPECT_FALSE(check("vhost:" + socket_path()));
  chmod(path_.c_str(), 0700);
}

TEST(CheckMachine, AnInterfaceThatIsNotThereIsNamed) {
  for (const char* text : {"af_packet:no-such-if", "af_xdp:no-such-if"}) {
    const Status status = check_machine(*DeviceSpec::parse(text));
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind, Error::Kind::machine);
    EXPECT_EQ(status.error().why, "there is no interface no-such-if");
  }
  EXPECT_TRUE(check_machine(*DeviceSpec::parse("af_packet:lo")));
}

TEST(CheckMachine, ATapCannotHaveAnotherInterfacesName) {
  const Status status = check_machine(*DeviceSpec::parse("tap:lo"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, Error::Kind::machine);
}

TEST(CheckMachine, APciDeviceThatIsNotThere) {
  const Status status = check_machine(*DeviceSpec::parse("pci:ffff:ff:1f.7"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().why, "there is no such PCI device");
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

TEST(EalArguments, PinWorkersAndLeaveTheMainThreadFree) {
  const auto words = eal_arguments({.cores = {5, 2}}, {2, 3, 5}, false, "pollux-1");
  ASSERT_TRUE(words);
  EXPECT_TRUE(contains(*words, "--lcores=0@5,1@2,2@(2,3,5)"));
  EXPECT_TRUE(contains(*words, "--main-lcore=2"));
  EXPECT_TRUE(contains(*words, "--file-prefix=pollux-1"));
  for (const char* word : {"--no-huge", "--no-pci", "--no-shconf", "--no-telemetry"}) {
    EXPECT_TRUE(contains(*words, word)) << word;
  }
  EXPECT_FALSE(contains(*words, "--in-memory"));
}

TEST(EalArguments, WithoutCoresTheFirstAllowedOneWorks) {
  const auto words = eal_arguments({}, {7}, false, "p");
  EXPECT_TRUE(contains(*words, "--lcores=0@7,1@(7)"));
}

TEST(EalArguments, WithHugePagesNothingIsWrittenToDisk) {
  const auto words = eal_arguments({}, {0}, true, "p");
  EXPECT_TRUE(contains(*words, "--in-memory"));
  EXPECT_TRUE(contains(*words, "--single-file-segments"));
  EXPECT_FALSE(contains(*words, "--no-huge"));
}

TEST(EalArguments, MemoryIsTakenOfEachNodeWhereThereAreSeveral) {
  const auto several = eal_arguments({}, {0}, true, "p", {100, 0, 7});
  EXPECT_TRUE(contains(*several, "--socket-mem=100,0,7"));
  EXPECT_FALSE(contains(*several, "-m"));
  EXPECT_TRUE(contains(*eal_arguments({}, {0}, true, "p"), "-m"));
  EXPECT_TRUE(contains(*eal_arguments({}, {0}, false, "p", {100, 0, 7}), "-m"));
  for (const char* own : {"-m 50", "-m50", "--socket-mem 50", "--socket-mem=50"}) {
    const auto users = eal_arguments({.extra = {own}}, {0}, true, "p", {100, 0, 7});
    EXPECT_FALSE(contains(*users, "--socket-mem=100,0,7")) << own;
    EXPECT_FALSE(contains(*eal_arguments({.extra = {own}}, {0}, false, "p"), "112")) << own;
  }
  const auto other = eal_arguments({.extra = {"--match-allocations"}}, {0}, true, "p", {100});
  EXPECT_TRUE(contains(*other, "--socket-mem=100")) << "no -m";
}

TEST(EalArguments, TheUsersOwnComeLastAndReplaceOurs) {
  const auto words =
      eal_arguments({.extra = {"-m 100 --log-level=lib.eal:8", "--telemetry"}}, {0}, false, "p");
  ASSERT_TRUE(words);
  EXPECT_EQ(std::count(words->begin(), words->end(), "-m"), 1);
  EXPECT_FALSE(contains(*words, "--no-telemetry"));
  EXPECT_EQ(words->back(), "--telemetry");
  EXPECT_TRUE(contains(*words, "--log-level=lib.eal:8"));
}

TEST(EalArguments, OnlyTheNamedPciDevicesAreTouched) {
  const auto words = eal_arguments({.pci_devices = {"0000:00:04.0"}}, {0}, true, "p");
  EXPECT_TRUE(contains(*words, "--allow=0000:00:04.0"));
  EXPECT_FALSE(contains(*words, "--no-pci"));
  EXPECT_FALSE(contains(*words, "--iova-mode=va"));
  const auto users = eal_arguments({.extra = {"-a0000:00:04.0"}}, {0}, true, "p");
  EXPECT_FALSE(contains(*users, "--no-pci"));
}

TEST(EalArguments, WrongCoresAreNamed) {
  const auto absent = eal_arguments({.cores = {0, 9}}, {0, 1}, false, "p");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().kind, Error::Kind::machine);
  EXPECT_EQ(absent.error().what, "--cores: core 9");
  EXPECT_NE(absent.error().why.find("0,1"), std::string::npos);
  const auto twice = eal_arguments({.cores = {1, 1}}, {0, 1}, false, "p");
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().kind, Error::Kind::usage);
  EXPECT_EQ(twice.error().what, "--cores: core 1");
  const auto beyond = eal_arguments({.cores = {4'000}}, {0, 4'000}, false, "p");
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().what, "--cores: core 4000");
  for (const char* own : {"-l 0-3", "-l0-3", "-c1", "--lcores=0"}) {
    const auto placed = eal_arguments({.extra = {own}}, {0}, false, "p");
    ASSERT_FALSE(placed) << own;
    EXPECT_EQ(placed.error().remedy, "--cores");
  }
  const auto none = eal_arguments({}, {}, false, "p");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, Error::Kind::machine);
}

/// The key and sums that Microsoft publishes for checking implementations of receive-side scaling.
TEST(Toeplitz, AgreesWithThePublishedVectors) {
  constexpr std::array<std::uint8_t, 40> key{
      0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
      0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
      0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
  using wire::Ipv4Address;
  const struct {
    Ipv4Address destination;
    std::uint16_t destination_port;
    Ipv4Address source;
    std::uint16_t source_port;
    std::uint32_t sum;
  } rows[] = {
      {{161, 142, 100, 80}, 1766, {66, 9, 149, 187}, 2794, 0x51ccc178},
      {{65, 69, 140, 83}, 4739, {199, 92, 111, 2}, 14230, 0xc626b0ea},
      {{12, 22, 207, 184}, 38024, {24, 19, 198, 95}, 12898, 0x5c2b394a},
      {{209, 142, 163, 6}, 2217, {38, 27, 205, 30}, 48228, 0xafc7327f},
      {{202, 188, 127, 2}, 1303, {153, 39, 163, 191}, 44251, 0x10e828a2},
  };
  for (const auto& row : rows) {
    const wire::FourTuple tuple{.local = row.destination,
                                .remote = row.source,
                                .local_port = row.destination_port,
                                .remote_port = row.source_port};
    EXPECT_EQ(toeplitz(key, tuple), row.sum);
  }
}

TEST(Toeplitz, BothDirectionsAgreeUnderOurKey) {
  const std::vector<std::uint8_t> key = rss_key(40);
  const wire::FourTuple there{.local = wire::Ipv4Address{10, 0, 0, 1},
                              .remote = wire::Ipv4Address{192, 168, 7, 9},
                              .local_port = 80,
                              .remote_port = 54'321};
  const wire::FourTuple back{.local = there.remote,
                             .remote = there.local,
                             .local_port = there.remote_port,
                             .remote_port = there.local_port};
  EXPECT_EQ(toeplitz(key, there), toeplitz(key, back));
  EXPECT_NE(toeplitz(key, there), 0u);
}

}  // namespace
}  // namespace pollux::dpdk
