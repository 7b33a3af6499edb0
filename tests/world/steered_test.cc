// Two stacks on the two queues of one card: what comes to one and belongs to the other.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "pattern.h"
#include "raw_tcp.h"
#include "sim/world.h"
#include "stack_setup.h"
#include "wire/vlan.h"

namespace pollux::world {
namespace {

/// One queue of a card of two, whose flows of odd ports come to the second.
class SteeredDevice {
 public:
  using Packet = sim::Frame;
  using Burst = sim::Device::Burst;

  SteeredDevice(sim::Device& device, std::uint16_t queue) : home(queue), device_(device) {}

  void receive(Burst& burst) noexcept {
    device_.receive(burst);
    for (; !carried.empty() && !burst.full(); carried.pop_back()) {
      burst.push(std::move(carried.back()));
    }
  }
  std::size_t transmit(Burst& burst) noexcept { return device_.transmit(burst); }
  Packet allocate() noexcept { return device_.allocate(); }
  wire::MacAddress mac() const noexcept { return device_.mac(); }
  std::uint16_t mtu() const noexcept { return device_.mtu(); }
  link::Capabilities capabilities() const noexcept { return device_.capabilities(); }
  bool comes_home(const wire::FourTuple& flow) const noexcept {
    return flow.remote_port % 2 == home;
  }
  bool knows_homes() const noexcept { return knows; }
  bool carry_home(const wire::FourTuple& flow, Packet frame) noexcept {
    EXPECT_FALSE(comes_home(flow));
    if (others == nullptr) return false;
    others->carried.push_back(std::move(frame));
    return true;
  }

  std::uint16_t home;  // of the ports that are that, modulo 2
  bool knows = true;
  SteeredDevice* others = nullptr;
  std::vector<Packet> carried;

 private:
  sim::Device& device_;
};
static_assert(link::Device<SteeredDevice> && link::Steered<SteeredDevice>);
using SteeredStack = pipeline::Pipeline<SteeredDevice, ProbeApp>;

class Fragments : public testing::Test {
 protected:
  sim::World world{1};
  // Whatever the raw host sends comes to the first queue.
  sim::Device& raw_device = world.add_device({.name = "raw", .mac = left_mac});
  sim::Device& deaf_device = world.add_device({.name = "raw 2", .mac = left_mac});
  sim::Device& first_queue = world.add_device({.name = "queue 0", .mac = right_mac});
  sim::Device& second_queue = world.add_device({.name = "queue 1", .mac = right_mac});
  RawHost raw{raw_device, left_address};
  RawHost deaf{deaf_device, left_address};
  SteeredDevice first_device{first_queue, 0};
  SteeredDevice second_device{second_queue, 1};
  pipeline::Config config = config_of(right_address);
  ProbeApp first_app;
  ProbeApp second_app;
  std::unique_ptr<SteeredStack> first;
  std::unique_ptr<SteeredStack> second;
  static constexpr wire::SeqNum iss{1'000};
  RawTcp peer{raw, right_mac, {left_address, right_address, 4001, port}};
  RawTcp hears{deaf, right_mac, {left_address, right_address, 4001, port}};

  void SetUp() override {
    world.connect(raw_device, first_queue, {.delay = 1ms});
    world.connect(deaf_device, second_queue, {.delay = 1ms});
    first_device.others = &second_device;
    second_device.others = &first_device;
    first_app.listen_port = second_app.listen_port = port;
    first = std::move(*SteeredStack::make(config, first_device, first_app, world.now()));
    second = std::move(*SteeredStack::make(config, second_device, second_app, world.now()));
    first->tell_neighbors_to(*second);
    second->tell_neighbors_to(*first);
    world.add_host(raw, {&raw_device});
    world.add_host(deaf, {&deaf_device});
    world.add_host(*first, {&first_queue});
    world.add_host(*second, {&second_queue});
    for (auto* stack : {first.get(), second.get()}) stack->start(world.now());
    run_for(10s);
  }
  void TearDown() override {
    for (auto* stack : {first.get(), second.get()}) {
      const Counters& counters = stack->counters();
      EXPECT_EQ(counters[Event::frames_received],
                counters[Event::frames_delivered] + counters.dropped() + stack->frames_held());
    }
  }
  void run_for(Duration time) {
    const Status status = world.run_for(time);
    ASSERT_TRUE(status.ok()) << status.error().what << ": " << status.error().why;
  }
  /// Its options make it longer than one fragment.
  void send_syn_in_fragments() {
    send_in_fragments({.seq = iss,
                       .control = control::syn,
                       .mss = std::uint16_t{1460},
                       .window_scale = std::uint8_t{0}});
  }
  void send_in_fragments(const RawSegment& segment) {
    const auto whole = peer.bytes(segment);
    for (std::size_t at = 0; at < whole.size(); at += 24) peer.send_fragment(whole, at, 24);
    run_for(10ms);
    run_for(1s);  // which begins with a poll: the second stack finds what was carried
  }
};

TEST_F(Fragments, OfASiblingsFlowAreCarriedHome) {
  send_syn_in_fragments();
  const auto answers = hears.heard();
  ASSERT_GE(answers.size(), 1u);
  ASSERT_EQ(answers[0].control, control::syn | control::ack);
  std::vector<std::byte> text(1'000);
  const auto pattern = second_app.pattern().bytes(ProbeApp::pattern_stream, 0, text.size());
  text.assign(pattern.begin(), pattern.end());
  send_in_fragments({.seq = iss + 1,
                     .control = control::ack | control::psh,
                     .ack = answers[0].seq + 1,
                     .text = text});
  EXPECT_EQ(first_app.accepted, 0u);
  EXPECT_EQ(second_app.accepted, 1u);
  EXPECT_EQ(second_app.received, text.size());
  EXPECT_EQ(second_app.wrong, 0u);
  EXPECT_EQ(first->counters()[Event::handed_over], 2u);
  EXPECT_EQ(first->counters().dropped(), 0u);
  EXPECT_EQ(first->counters()[Event::tcp_resets_sent], 0u);
}

TEST_F(Fragments, OfAFlowOfItsOwnStay) {
  peer.tuple().local_port = 4000;
  send_syn_in_fragments();
  EXPECT_EQ(first->counters()[Event::handed_over], 0u);
  EXPECT_EQ(first->half_open_in_use(), 1u);
}

// As a device has put it that was believed.
TEST_F(Fragments, OfAFlowThatLivesElsewhereThanAtHomeStay) {
  first_device.home = 1;
  peer.send({.seq = iss, .control = control::syn, .mss = std::uint16_t{1460}});
  run_for(10ms);
  const auto answers = peer.heard();
  ASSERT_EQ(answers.size(), 1u);
  first_device.home = 0;
  const auto text = first_app.pattern().bytes(ProbeApp::pattern_stream, 0, 1'000);
  send_in_fragments({.seq = iss + 1,
                     .control = control::ack | control::psh,
                     .ack = answers[0].seq + 1,
                     .text = {text.begin(), text.end()}});
  EXPECT_EQ(first_app.received, text.size());
  EXPECT_EQ(first->counters()[Event::handed_over], 0u);
}

class TaggedFragments : public Fragments {
 protected:
  TaggedFragments() { config.interface.vlan = 5; }
};

TEST_F(TaggedFragments, AreCarriedWithTheirTag) {
  const auto whole = peer.bytes({.seq = iss,
                                 .control = control::syn,
                                 .mss = std::uint16_t{1460},
                                 .window_scale = std::uint8_t{0}});
  for (std::size_t at = 0; at < whole.size(); at += 24) {
    const auto part = std::span{whole}.subspan(at, std::min<std::size_t>(24, whole.size() - at));
    std::vector<std::byte> frame(18 + wire::Ipv4Fields::size + part.size());
    wire::EthernetFields{right_mac, left_mac, wire::ether_type::vlan}.write(frame);
    wire::VlanFields{.id = 5, .type = wire::ether_type::ipv4}.write(std::span{frame}.subspan(14));
    wire::Ipv4Fields ip;
    ip.total_length = static_cast<std::uint16_t>(wire::Ipv4Fields::size + part.size());
    ip.identification = 1;
    ip.more_fragments = at + part.size() != whole.size();
    ip.fragment_offset_bytes = static_cast<std::uint16_t>(at);
    ip.protocol = wire::protocol::tcp;
    ip.source = left_address;
    ip.destination = right_address;
    ip.write(std::span{frame}.subspan(18));
    std::copy(part.begin(), part.end(), frame.end() - std::ssize(part));
    raw.send_frame(frame);
  }
  run_for(10ms);
  run_for(10ms);
  EXPECT_EQ(first->counters()[Event::handed_over], 1u);
  EXPECT_EQ(second->half_open_in_use(), 1u);
}

TEST_F(Fragments, ThatCannotBeCarriedAreCounted) {
  first_device.others = nullptr;
  send_syn_in_fragments();
  EXPECT_EQ(first->counters()[Drop::hand_over_full], 2u);
  first_device.others = &second_device;
  // Longer than a frame.
  send_in_fragments(
      {.seq = iss + 1, .control = control::ack, .text = std::vector<std::byte>(5'000)});
  EXPECT_GT(first->counters()[Drop::tcp_wrong_core], 100u);
  EXPECT_EQ(first->counters()[Event::tcp_resets_sent], 0u);
}

// Where the other end alone knows what comes to which queue.
TEST_F(Fragments, OfAFlowThatMayBeAnybodysAreDroppedNotReset) {
  first_device.knows = false;
  peer.tuple().local_port = 4000;
  send_syn_in_fragments();
  EXPECT_EQ(first->counters()[Drop::tcp_wrong_core], 2u);
  EXPECT_EQ(first->counters()[Event::tcp_resets_sent], 0u);
}

}  // namespace
}  // namespace pollux::world
