// Two stacks over real drivers at their worst: buffers that run out, rings that are full, frames
// that are too long or very long, tags, cards that are gone.
#define ALLOW_EXPERIMENTAL_API  // of rte_dev.h, to speak for EAL

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "dpdk/drivers.h"
#include "dpdk/pci_card.h"
#include "two_stacks.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

// What drivers call when their device is unplugged, which no installed header declares.
struct rte_eth_dev;
extern "C" rte_eth_dev* rte_eth_dev_allocated(const char* name);
extern "C" int rte_eth_dev_callback_process(rte_eth_dev* device, rte_eth_event_type event,
                                            void* argument);

namespace pollux {
namespace {

using dpdk::PairKind;
using test::Host;

class Worst : public test::TwoStacks, public testing::WithParamInterface<PairKind> {
 protected:
  void open(const dpdk::PortOptions& options) { TwoStacks::open(GetParam(), options); }

  /// A ping of so many bytes from the far end to the near one, beside what its stack sends.
  bool ping(std::size_t bytes = 56) {
    auto packet = far->queue.allocate();
    if (!packet || packet.tailroom() < wire::IcmpView::header_size + bytes) return false;
    const auto message = packet.append(wire::IcmpView::header_size + bytes);
    std::fill(message.begin(), message.end(), std::byte{});
    wire::IcmpFields::echo_request(1, 1).write(message);
    wire::Ipv4Fields ip;
    ip.protocol = wire::protocol::icmp;
    ip.source = far->address;
    ip.destination = near->address;
    ip.total_length = static_cast<std::uint16_t>(wire::Ipv4Fields::size + message.size());
    ip.write(packet.prepend(wire::Ipv4Fields::size));
    wire::EthernetFields{near->queue.mac(), far->queue.mac(), wire::ether_type::ipv4}.write(
        packet.prepend(wire::EthernetFields::size));
    dpdk::Queue::Burst burst;
    burst.push(std::move(packet));
    return far->queue.transmit(burst) == 1;
  }
};

TEST_P(Worst, FewBuffersAreForWhoIsHereAndForTheControlSide) {
  // The near end's pool has no more for itself than text that is not read takes.
  open({.descriptors = 256, .stack_buffers = 1'024});
  near->config.few_buffers = 512;
  near->app.read_at_most = 1;
  near->app.read_every = std::chrono::hours{1};
  far->config.tcp.send_buffer = 4 << 20;
  near->config.tcp.receive_buffer = 4 << 20;
  far->config.send_pieces = 16'384;
  // What a device keeps in its rings is not the stack's: as much is taken from it by hand.
  std::vector<dpdk::Mbuf> taken;
  start(*far, *near, 1'200'000);  // more than there is room for at first
  ASSERT_TRUE(until([&] { return far->app.connected == 1; }));
  while (near->queue.spare_buffers() > 1'024) taken.push_back(near->queue.allocate());
  ASSERT_TRUE(until([&] { return near->count(Drop::tcp_no_buffer) != 0; }));
  EXPECT_LT(near->queue.spare_buffers(), 512u);
  EXPECT_GE(near->queue.spare_buffers(), 128u) << "what is left is for others";

  ASSERT_TRUE(far->stack->connect({near->address, test::port}).ok());
  ASSERT_TRUE(until([&] { return near->count(Drop::tcp_syn_shed) != 0; }));
  EXPECT_EQ(near->app.accepted, 1u);
  ASSERT_TRUE(ping());
  EXPECT_TRUE(until([&] { return near->count(Event::icmp_echoes_answered) == 1; }));
  EXPECT_TRUE(far->app.closed.empty()) << "the established live on";

  taken.clear();
  EXPECT_TRUE(until([&] { return far->app.connected == 2; })) << "and SYNs are welcome again";
}

TEST_P(Worst, AFullRingLosesNoText) {
  open({.descriptors = 256, .stack_buffers = 4'096});
  constexpr std::uint32_t size = 4'000'000;
  start(*near, *far, size);
  ASSERT_TRUE(until([&] { return far->app.received > 100'000; }));
  // The far end is away: what the near one may send fills the ring, and answers find no room.
  const std::uint64_t sent = near->count(Event::frames_sent);
  const test::Patience patience;
  while (near->count(SendDrop::device_full) == 0 && patience) {
    ping();
    for (int i = 0; i < 8; ++i) poll(*near);
  }
  EXPECT_NE(near->count(SendDrop::device_full), 0u);
  EXPECT_GT(near->count(Event::frames_sent), sent);
  EXPECT_TRUE(until([&] { return far->app.received == size; }));
  EXPECT_EQ(far->app.wrong, 0u);
  EXPECT_EQ(far->count(Event::tcp_out_of_order), 0u) << "what found no room was sent later";
}

TEST_P(Worst, JumboFramesCarryAsMuchAsTheyCan) {
  constexpr std::uint32_t size = 20'000'000;
  open({.mtu = 9'000, .descriptors = 256, .stack_buffers = 4'096});
  start(*near, *far, size);
  EXPECT_TRUE(until([&] { return far->app.received == size; }));
  EXPECT_EQ(far->app.wrong, 0u);
  EXPECT_LT(far->count(Event::frames_received), size / 8'000);
  ASSERT_TRUE(ping(8'900));
  EXPECT_TRUE(until([&] { return near->count(Event::icmp_echoes_answered) == 1; }));
}

TEST_P(Worst, WhatIsTooLongForUsIsCountedAndTcpAgreesOnLess) {
  constexpr std::uint32_t size = 1'000'000;
  const dpdk::PortOptions narrow{.descriptors = 256, .stack_buffers = 4'096};
  dpdk::PortOptions wide = narrow;
  wide.mtu = 9'000;
  TwoStacks::open(GetParam(), narrow, wide);
  start(*far, *near, size);
  near->app.send_bytes = size;
  EXPECT_TRUE(until([&] { return near->app.received == size && far->app.received == size; }));
  EXPECT_EQ(far->count(Event::tcp_retransmitted), 0u);
  EXPECT_EQ(pair->near.stats().rx_errors, 0u);
  ASSERT_TRUE(ping(8'000));
  ASSERT_TRUE(ping());
  EXPECT_TRUE(until([&] { return near->count(Event::icmp_echoes_answered) == 1; }));
  EXPECT_EQ(pair->near.stats().rx_errors, 1u);
}

TEST_P(Worst, ATagIsOfBothEnds) {
  constexpr std::uint32_t size = 1'000'000;
  open({.descriptors = 256, .stack_buffers = 4'096});
  near->config.interface.vlan = far->config.interface.vlan = std::uint16_t{7};
  start(*near, *far, size);
  EXPECT_TRUE(until([&] { return far->app.received == size; }));
  EXPECT_EQ(far->app.wrong, 0u);
  ASSERT_TRUE(ping());  // untagged
  EXPECT_TRUE(until([&] { return near->count(Drop::vlan_other) == 1; }));
  EXPECT_EQ(near->count(Event::icmp_echoes_answered), 0u);
}

/// As a card would that says of every frame that its checksums are good, and spoils every 50th.
std::uint16_t flatter(std::uint16_t, std::uint16_t, rte_mbuf** frames, std::uint16_t count,
                      std::uint16_t, void* seen) {
  for (std::uint16_t i = 0; i < count; ++i) {
    frames[i]->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    if (++*static_cast<std::uint64_t*>(seen) % 50 != 0 || frames[i]->data_len < 500) continue;
    *rte_pktmbuf_mtod_offset(frames[i], char*, 400) ^= 1;
  }
  return count;
}

TEST_P(Worst, AFlagThatLiesIsBelievedNoMore) {
  constexpr std::uint32_t size = 4'000'000;
  open({.descriptors = 256, .stack_buffers = 4'096});
  std::uint16_t number = 0;
  const char* const name = GetParam() == PairKind::memif ? "net_memif0" : "net_vhost0";
  ASSERT_EQ(rte_eth_dev_get_port_by_name(name, &number), 0);
  std::uint64_t seen = 0;
  const auto* const spoiling = rte_eth_add_rx_callback(number, 0, flatter, &seen);
  ASSERT_NE(spoiling, nullptr);
  start(*far, *near, size);
  EXPECT_TRUE(until([&] { return near->app.received == size; }));
  EXPECT_EQ(near->app.wrong, 0u);
  EXPECT_GT(near->count(Drop::tcp_bad_checksum), 1u);
  EXPECT_GT(near->count(Event::checksum_offload_lies), 0u);
  rte_eth_remove_rx_callback(number, 0, spoiling);
}

INSTANTIATE_TEST_SUITE_P(Pairs, Worst, testing::Values(PairKind::memif, PairKind::virtio),
                         [](const auto& kind) {
                           return kind.param == PairKind::memif ? "memif" : "virtio";
                         });

TEST(Removal, IsHeardOfFromTheDriver) {
  const auto spec = test::must(dpdk::DeviceSpec::parse("vdev:net_null0,size=64"));
  if (!dpdk::Drivers::find().has("net_null")) GTEST_SKIP() << "DPDK's net_null is not installed";
  dpdk::Port port = test::must(dpdk::Port::open(test::eal(), spec, {.stack_buffers = 1'024}));
  {
    dpdk::Queue queue = port.queue(0);
    dpdk::Queue::Burst burst;
    EXPECT_TRUE(port.tend());
    EXPECT_NE(queue.receive(burst), 0u);
    burst.clear();
    EXPECT_FALSE(port.gone());

    rte_eth_dev_callback_process(rte_eth_dev_allocated("net_null0"), RTE_ETH_EVENT_INTR_RMV,
                                 nullptr);
    EXPECT_TRUE(port.gone());
    EXPECT_FALSE(port.tend());
    EXPECT_EQ(queue.receive(burst), 0u) << "its driver is not called any more";
    burst.push(queue.allocate());
    EXPECT_EQ(queue.transmit(burst), 0u);
  }
  const dpdk::PortStats before = port.stats();
  EXPECT_NE(before.rx_packets, 0u);
  EXPECT_EQ(port.close(), 0u);
  EXPECT_EQ(port.stats().rx_packets, before.rx_packets) << "it is still known what it has counted";
}

/// A folder that looks like sysfs's of a card, whose configuration space begins with some bytes.
class Card {
 public:
  static constexpr const char* address = "0000:7f:1e.3";
  static inline const std::vector<unsigned char> something{0xf4, 0x1a, 0x41, 0x10,
                                                           0x06, 0x00, 0x10, 0x00};
  static inline const std::vector<unsigned char> nothing = std::vector<unsigned char>(64, 0xff);

  Card() {
    std::filesystem::create_directories(file_.parent_path());
    begins_with(something);
  }
  ~Card() { std::filesystem::remove_all(devices_); }
  Card(const Card&) = delete;
  Card& operator=(const Card&) = delete;

  void begins_with(const std::vector<unsigned char>& bytes) {
    std::ofstream(file_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  std::string devices() const { return devices_.string(); }

 private:
  std::filesystem::path devices_ = testing::TempDir() + "/cards-" + std::to_string(getpid());
  std::filesystem::path file_ = devices_ / address / "config";
};

TEST(Removal, ACardThatIsNotThereDoesNotAnswer) {
  Card made;
  const dpdk::PciCard card(Card::address, made.devices());
  EXPECT_TRUE(card.answers());
  made.begins_with({0xff, 0xff, 0xff, 0xff, 0x06, 0x00, 0x10, 0x00});  // a virtual function
  EXPECT_TRUE(card.answers());
  made.begins_with(Card::nothing);
  EXPECT_FALSE(card.answers());
  EXPECT_FALSE(card.taken_away()) << "that is the kernel's to say: one in a reset is silent, too";
  made.begins_with({});
  EXPECT_FALSE(card.answers());
}

TEST(Removal, ACardThatIsSilentOnceIsAskedAgain) {
  static Card made;
  const dpdk::PciCard card(Card::address, made.devices());
  made.begins_with(Card::nothing);
  EXPECT_TRUE(card.answers([] { made.begins_with(Card::something); }));
  made.begins_with(Card::nothing);
  EXPECT_FALSE(card.answers([] {}));
}

TEST(Removal, ACardThatTheKernelWantsBackIsGone) {
  (void)test::eal();
  Card made;
  const auto ask_for = [](const char* address) {
    rte_dev_event_callback_process(address, RTE_DEV_EVENT_REMOVE);
  };
  { const dpdk::PciCard other("0000:7f:1e.2", made.devices()); }
  ask_for(Card::address);  // another one, before
  const dpdk::PciCard card(Card::address, made.devices());
  EXPECT_FALSE(card.taken_away());
  ask_for("0000:7f:1e.2");
  rte_dev_event_callback_process(Card::address, RTE_DEV_EVENT_ADD);
  EXPECT_FALSE(card.taken_away());
  ask_for(Card::address);
  EXPECT_TRUE(card.taken_away());
  EXPECT_TRUE(card.answers());
}

}  // namespace
}  // namespace pollux
