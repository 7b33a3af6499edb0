#include "middlebox.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "raw_host.h"
#include "raw_tcp.h"
#include "sim/world.h"
#include "stack_setup.h"

/// What a middlebox does to single segments, whose sums RawTcp looks at.
namespace pollux::world {
namespace {

class BetweenTwoHosts : public testing::Test {
 protected:
  static constexpr wire::Ipv4Address outside{10, 0, 0, 200};
  static constexpr wire::MacAddress box_left_mac{{2, 0, 0, 0, 1, 1}};
  static constexpr wire::MacAddress box_right_mac{{2, 0, 0, 0, 1, 2}};

  sim::World world{1};
  sim::Device& left_device = world.add_device({.name = "left", .mac = left_mac});
  sim::Device& right_device = world.add_device({.name = "right", .mac = right_mac});
  sim::Device& box_left = world.add_device({.name = "box left", .mac = box_left_mac});
  sim::Device& box_right = world.add_device({.name = "box right", .mac = box_right_mac});
  RawHost left{left_device, left_address};
  RawHost right{right_device, right_address};
  RawTcp client{left, right_mac, {left_address, right_address, 5000, port}};
  RawTcp server{right, left_mac, {right_address, left_address, port, 5000}};
  std::optional<Middlebox> box;

  void start(const MiddleboxOptions& options) {
    world.connect(left_device, box_left, {});
    world.connect(right_device, box_right, {});
    box.emplace(box_left, box_right, options);
    box->add_left({left_address, left_mac});
    box->add_right({right_address, right_mac});
    world.add_host(left, {&left_device});
    world.add_host(right, {&right_device});
    world.add_host(*box, {&box_left, &box_right});
  }
  void run() { ASSERT_TRUE(world.run_for(1ms).ok()); }
  std::optional<RawSegment> crosses(RawTcp& from, RawTcp& to, const RawSegment& segment) {
    from.send(segment);
    run();
    const auto heard = to.heard();
    if (heard.size() != 1) return std::nullopt;
    return heard.front();
  }
  static RawSegment syn() {
    return {.seq = wire::SeqNum{100}, .control = control::syn, .mss = std::uint16_t{1460}};
  }
};

TEST_F(BetweenTwoHosts, WithoutOrdersItChangesNothing) {
  start({});
  const auto heard = crosses(client, server, syn());
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->mss, 1460);
  EXPECT_EQ(heard->seq, wire::SeqNum{100});
  EXPECT_EQ(box->passed(), 1u);
  EXPECT_EQ(box->changed(), 0u);
}

TEST_F(BetweenTwoHosts, AnOptionIsOverwritten) {
  start({.strip = 1u << 2});
  const auto heard = crosses(client, server, syn());
  ASSERT_TRUE(heard);
  EXPECT_FALSE(heard->mss);
  EXPECT_EQ(box->changed(), 1u);
}

TEST_F(BetweenTwoHosts, AnotherKindStays) {
  start({.strip = 1u << 3});
  const auto heard = crosses(client, server, syn());
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->mss, 1460);
}

TEST_F(BetweenTwoHosts, AllOptionsAreCutOutAndTheTextMovesUp) {
  start({.strip = MiddleboxOptions::all_kinds});
  RawSegment segment = syn();
  segment.text = {std::byte{1}, std::byte{2}, std::byte{3}};
  const auto heard = crosses(client, server, segment);
  ASSERT_TRUE(heard);
  EXPECT_FALSE(heard->mss);
  EXPECT_EQ(heard->text, segment.text);
}

TEST_F(BetweenTwoHosts, OneDirectionMayBeLeftAlone) {
  start({.strip = MiddleboxOptions::all_kinds, .strip_to_the_right_only = true});
  const auto heard = crosses(server, client, syn());
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->mss, 1460);
}

TEST_F(BetweenTwoHosts, NumbersAreShiftedThereAndBack) {
  start({.shift_left = 1000, .shift_right = 0xFFFF'FFFF});
  const auto there = crosses(
      client, server, {.seq = wire::SeqNum{100}, .control = control::ack, .ack = wire::SeqNum{50}});
  ASSERT_TRUE(there);
  EXPECT_EQ(there->seq, wire::SeqNum{1100});
  EXPECT_EQ(there->ack, wire::SeqNum{51});
  const auto back =
      crosses(server, client,
              {.seq = wire::SeqNum{51}, .control = control::ack, .ack = wire::SeqNum{1100}});
  ASSERT_TRUE(back);
  EXPECT_EQ(back->seq, wire::SeqNum{50});
  EXPECT_EQ(back->ack, wire::SeqNum{100});
}

class BehindANat : public BetweenTwoHosts {
 protected:
  /// As the server sees the client at first.
  RawTcp seen{right, box_right_mac, {right_address, outside, port, 20'000}};

  void start(const NatOptions& options) { BetweenTwoHosts::start({.nat = options}); }
};

TEST_F(BehindANat, ATableThatIsLostLeadsToAnotherPort) {
  start({.outside = outside});
  ASSERT_TRUE(crosses(client, seen, syn()));
  EXPECT_EQ(seen.remote_port(), 20'000);
  // The client knows nothing of it.
  EXPECT_TRUE(crosses(seen, client, syn()));

  box->forget();
  EXPECT_FALSE(crosses(seen, client, syn()));
  ASSERT_TRUE(crosses(client, seen, syn()));
  EXPECT_EQ(seen.remote_port(), 20'001);
  EXPECT_FALSE(crosses(seen, client, syn())) << "to the old port";
  EXPECT_EQ(box->nat()->refused(), 2u);
}

TEST_F(BehindANat, PortsMayBeGivenOutAgain) {
  start({.outside = outside, .same_ports_again = true});
  ASSERT_TRUE(crosses(client, seen, syn()));
  box->forget();
  ASSERT_TRUE(crosses(client, seen, syn()));
  EXPECT_EQ(seen.remote_port(), 20'000);
}

TEST_F(BehindANat, OnlySynsMayMakeEntries) {
  start({.outside = outside, .syn_only = true});
  const RawSegment ack{.seq = wire::SeqNum{100}, .control = control::ack};
  EXPECT_FALSE(crosses(client, seen, ack));
  EXPECT_TRUE(crosses(client, seen, syn()));
  EXPECT_TRUE(crosses(client, seen, ack));
}

}  // namespace
}  // namespace pollux::world
