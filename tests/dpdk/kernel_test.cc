// Ports on interfaces of the kernel: a tap, and one end of a veth through af_packet or af_xdp. All
// inside a network namespace that this process makes for itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "dpdk/port.h"
#include "environment.h"
#include "frames.h"
#include "network.h"

#ifndef KERNEL_KIND
#error "which kind: -DKERNEL_KIND=tap, af_packet or af_xdp"
#endif

namespace pollux {
namespace {

using dpdk::DeviceSpec;

constexpr DeviceSpec::Kind kind = DeviceSpec::Kind::KERNEL_KIND;
constexpr bool is_tap = kind == DeviceSpec::Kind::tap;

/// Ours, and the kernel's that sees what ours sends: the same one for a tap.
const char* const device = is_tap ? "plx-tap" : "plx-near";
const char* const peer = is_tap ? "plx-tap" : "plx-far";

/// af_xdp's driver does not return what lies in its rings; that goes with the pool.
constexpr std::size_t kept_by_driver = kind == DeviceSpec::Kind::af_xdp ? 3 * 1'024 : 0;

class KernelPort : public testing::Test {
 protected:
  void SetUp() override {
    if (refusal) GTEST_SKIP() << *refusal;
    if (!is_tap) {
      if (!test::run("ip link add plx-near type veth peer name plx-far 2>/dev/null")) {
        GTEST_SKIP() << "no veth can be made (ip is missing, or the kernel's module)";
      }
      // A veth's frames carry unfinished checksums, because no wire will see them.
      if (!test::run("ethtool -K plx-far tx off >/dev/null 2>&1")) {
        GTEST_SKIP() << "ethtool is missing, or cannot set the veth's offloads";
      }
      ASSERT_TRUE(test::run("ip link set plx-near up && ip link set plx-far up"));
    }
    test::eal();
  }
  void TearDown() override {
    if (!is_tap && !refusal) test::run("ip link delete plx-near");
  }

  static dpdk::Port open(const dpdk::PortOptions& options = {}) {
    const DeviceSpec spec{.kind = kind, .target = device};
    dpdk::Port port = test::must(dpdk::Port::open(test::eal(), spec, options));
    const Status up = port.wait_for_link(std::chrono::seconds(5));
    EXPECT_TRUE(up) << (up ? "" : test::text_of(up.error()));
    return port;
  }

 public:
  static inline std::optional<std::string> refusal;
};

TEST_F(KernelPort, CarriesFramesBothWaysUnchanged) {
  dpdk::Port port = open({.descriptors = 1'024, .stack_buffers = 4'096});
  {
    dpdk::Queue queue = port.queue(0);
    test::RawSocket kernel(peer);
    ASSERT_TRUE(kernel.bound());
    // Few at a time, because nothing holds the kernel's side back when a queue of its is full.
    constexpr std::uint64_t rounds = 200;
    constexpr std::uint64_t each = 8;
    std::uint64_t sent = 0;
    std::uint64_t kernel_received = 0;
    std::uint64_t received = 0;
    dpdk::Queue::Burst out;
    dpdk::Queue::Burst in;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      for (std::uint64_t i = 0; i < each; ++i, ++sent) {
        const std::vector<std::byte> ours = test::test_frame(1, sent);
        auto packet = queue.allocate();
        ASSERT_TRUE(packet);
        std::copy(ours.begin(), ours.end(), packet.append(ours.size()).begin());
        out.push(std::move(packet));
        ASSERT_TRUE(kernel.send(test::test_frame(2, sent)));
      }
      const test::Patience patience;
      while ((kernel_received < sent || received < sent) && patience) {
        queue.transmit(out);
        while (const auto frame = kernel.receive()) {
          if (!test::is_experimental(*frame)) continue;
          ASSERT_EQ(*frame, test::test_frame(1, kernel_received++));
        }
        queue.receive(in);
        for (auto& packet : in) {
          if (!test::is_experimental(packet.bytes())) continue;
          const std::vector<std::byte> got(packet.bytes().begin(), packet.bytes().end());
          ASSERT_EQ(got, test::test_frame(2, received++));
        }
        in.clear();
      }
      ASSERT_EQ(kernel_received, sent);
      ASSERT_EQ(received, sent);
    }
    EXPECT_GE(port.stats().rx_packets, sent);
    EXPECT_GE(port.stats().tx_packets, sent);
  }
  EXPECT_LE(port.close(), kept_by_driver);
}

TEST_F(KernelPort, HasAnAddressThatTheStackCanUse) {
  dpdk::Port port = open();
  const std::string own = port.mac().to_string();
  EXPECT_FALSE(port.mac().is_group());
  if (is_tap) {
    EXPECT_NE(own, test::mac_of(device)) << "the kernel's own address would deafen the stack";
  } else {
    EXPECT_EQ(own, test::mac_of(device)) << "it is the address that the peers see";
  }
  EXPECT_EQ(port.offloads(), "none");
  EXPECT_EQ(port.queue(0).mtu(), 1'500u);
}

TEST_F(KernelPort, TakesTheAddressThatIsAskedFor) {
  const wire::MacAddress wanted{{0x02, 1, 2, 3, 4, 5}};
  dpdk::Port port = open({.mac = wanted});
  EXPECT_EQ(port.mac(), wanted);
  EXPECT_EQ(port.queue(0).mac(), wanted);
  test::RawSocket kernel(peer);
  std::vector<std::byte> frame = test::test_frame(3, 0);
  for (std::size_t i = 0; i < 6; ++i) frame[i] = static_cast<std::byte>(wanted.octets[i]);
  ASSERT_TRUE(kernel.send(frame));
  dpdk::Queue queue = port.queue(0);
  dpdk::Queue::Burst burst;
  const test::Patience patience;
  bool found = false;
  while (!found && patience) {
    queue.receive(burst);
    for (auto& packet : burst) {
      found = found ||
              std::equal(frame.begin(), frame.end(), packet.bytes().begin(), packet.bytes().end());
    }
    burst.clear();
  }
  EXPECT_TRUE(found);
}

TEST_F(KernelPort, AnAddressOfManyIsRefused) {
  const DeviceSpec spec{.kind = kind, .target = device};
  const auto port = dpdk::Port::open(test::eal(), spec, {.mac = wire::MacAddress::broadcast()});
  ASSERT_FALSE(port);
  EXPECT_EQ(port.error().kind, Error::Kind::usage);
}

TEST_F(KernelPort, AnInterfaceThatIsDownIsNoticed) {
  dpdk::Port port = open({.stack_buffers = 1'024});
  EXPECT_TRUE(port.tend());
  const std::uint32_t before = port.queue(0).links();
  const std::string link = std::string("ip link set ") + device;
  ASSERT_TRUE(test::run(link + " down"));
  EXPECT_FALSE(port.tend()) << "it is noticed, whatever the driver says";
  ASSERT_TRUE(test::run(link + " up"));
  const test::Patience patience;
  while (!port.tend() && patience) {
  }
  EXPECT_EQ(port.queue(0).links(), before + 1) << "the stack hears of it";
  EXPECT_FALSE(port.gone());
}

TEST_F(KernelPort, AnInterfaceThatIsDeletedIsGone) {
  dpdk::Port port = open({.stack_buffers = 1'024});
  EXPECT_TRUE(port.tend());
  ASSERT_TRUE(test::run(std::string("ip link delete ") + device));
  EXPECT_FALSE(port.tend());
  EXPECT_TRUE(port.gone());
  dpdk::Queue queue = port.queue(0);
  dpdk::Queue::Burst burst;
  burst.push(queue.allocate());
  EXPECT_EQ(queue.transmit(burst), 0u);
  EXPECT_EQ(queue.receive(burst), 0u);
}

TEST_F(KernelPort, AnInterfaceThatIsDeletedIsNotWaitedFor) {
  if (!is_tap) GTEST_SKIP() << "only a tap's driver says that its interface is down";
  const DeviceSpec spec{.kind = kind, .target = device};
  dpdk::Port port = test::must(dpdk::Port::open(test::eal(), spec, {.stack_buffers = 1'024}));
  ASSERT_TRUE(test::run(std::string("ip link set ") + device + " down"));
  const auto delete_it = []() noexcept {
    test::run(std::string("ip link delete ") + device + " 2>/dev/null");
    return false;
  };
  const Status up = port.wait_for_link(std::chrono::seconds(20), delete_it);
  ASSERT_FALSE(up);
  EXPECT_EQ(up.error().kind, Error::Kind::machine);
  EXPECT_EQ(up.error().why, "it was taken away while its link was waited for");
  EXPECT_TRUE(port.gone());
}

TEST_F(KernelPort, OfFewerChannelsThanCoresHasAQueueForEach) {
  if (kind != DeviceSpec::Kind::af_xdp) GTEST_SKIP() << "others have as many as are asked for";
  const DeviceSpec spec{.kind = kind, .target = device};
  const auto refused = dpdk::Port::open(test::eal(), spec, {.queues = 2});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Error::Kind::machine);
  EXPECT_EQ(refused.error().remedy, "fewer --cores");
  dpdk::Port port = open({.queues = 2, .fewer_queues = true});
  EXPECT_EQ(port.queues(), 1u);
}

TEST_F(KernelPort, CanBeOpenedAgain) {
  if (kept_by_driver != 0) GTEST_SKIP() << "af_xdp's driver keeps the interface until the end";
  for (int i = 0; i < 3; ++i) {
    dpdk::Port port = open({.stack_buffers = 1'024});
    EXPECT_LE(port.close(), kept_by_driver);
  }
  EXPECT_EQ(if_nametoindex(device) == 0, is_tap) << "a tap goes with its port, others stay";
}

TEST_F(KernelPort, AMissingInterfaceIsTheMachinesFault) {
  const DeviceSpec spec{.kind = is_tap ? DeviceSpec::Kind::af_packet : kind,
                        .target = "plx-missing"};
  const auto port = dpdk::Port::open(test::eal(), spec, {});
  ASSERT_FALSE(port);
  EXPECT_EQ(port.error().kind, Error::Kind::machine);
  EXPECT_NE(port.error().why.find("plx-missing"), std::string::npos);
}

}  // namespace
}  // namespace pollux

int main(int count, char** words) {
  testing::InitGoogleTest(&count, words);
  if (pollux::kind == pollux::DeviceSpec::Kind::af_xdp && geteuid() != 0) {
    pollux::KernelPort::refusal = "only root may make AF_XDP sockets";
  } else {
    pollux::KernelPort::refusal = pollux::test::enter_own_network();
  }
  return RUN_ALL_TESTS();
}
