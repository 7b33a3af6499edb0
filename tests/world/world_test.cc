#include "sim/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "toy_host.h"

namespace pollux::sim {
namespace {

const LinkOptions rough{.bits_per_second = 1'000'000'000,
                        .delay = 100us,
                        .jitter = 50us,
                        .reorder = 0.1,
                        .loss = 0.05,
                        .duplicate = 0.02,
                        .corrupt = 0.01};

/// One sender and one echo, joined by a cable.
struct Pair {
  explicit Pair(std::uint64_t seed, const LinkOptions& options, HostOptions echo_options = {})
      : world(seed, {.trace = true}),
        a(world.add_device({.name = "a", .mac = toy_mac(1)})),
        b(world.add_device({.name = "b", .mac = toy_mac(2)})),
        cable(world.connect(a, b, options)),
        sender(a, toy_mac(2), 100, 20, 1ms, 200),
        echo(b) {
    world.add_host(sender, {&a}, {.name = "sender"});
    world.add_host(echo, {&b}, echo_options);
  }
  World world;
  Device& a;
  Device& b;
  Cable cable;
  ToySender sender;
  ToyEcho echo;
};

TEST(World, ACleanLinkBringsEverythingBackInOrderAndOnTime) {
  Pair pair{1, {.delay = 250us}};
  const Result<bool> idle = pair.world.run_until_idle(at(10s));
  ASSERT_TRUE(idle.ok());
  EXPECT_TRUE(*idle);
  const auto& heard = pair.sender.heard();
  ASSERT_EQ(heard.size(), 2000u);
  for (std::uint32_t i = 0; i < heard.size(); ++i) {
    EXPECT_EQ(heard[i], (ToySender::Heard{at(i / 20 * 1ms + 500us), i, 200}));
  }
  EXPECT_EQ(pair.world.now(), at(99ms + 500us));
  EXPECT_EQ(pair.world.frames_under_way(), 0u);
  EXPECT_EQ(pair.world.frames().live(), 0u);
}

TEST(World, TheSameSeedGivesTheSameRunAndAnotherDoesNot) {
  const auto run = [](std::uint64_t seed) {
    Pair pair{seed, rough, {.name = "echo", .wake_delay = 30us}};
    EXPECT_TRUE(pair.world.run_until_idle(at(10s)).ok());
    return std::pair{pair.world.trace_hash(), pair.sender.heard()};
  };
  const auto first = run(5);
  EXPECT_EQ(first, run(5));
  EXPECT_NE(first.first, run(6).first);
  EXPECT_GT(first.second.size(), 1500u);
}

TEST(World, TheTraceKnowsOfOneChangedByte) {
  const auto run = [](std::size_t size) {
    Pair pair{5, {}};
    ToySender other{pair.a, toy_mac(2), 1, 1, 1ms, size};
    pair.world.add_host(other, {&pair.a});
    EXPECT_TRUE(pair.world.run_until(at(1ms)).ok());
    return pair.world.trace_hash();
  };
  EXPECT_EQ(run(100), run(100));
  EXPECT_NE(run(100), run(101));
}

TEST(World, NoFrameIsLostCountOf) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Pair pair{seed, rough};
    ASSERT_TRUE(pair.world.run_until_idle(at(10s)).ok());
    const LinkCounts& there = pair.cable.there.counts();
    const LinkCounts& back = pair.cable.back.counts();
    EXPECT_EQ(there.offered, 2000u);
    EXPECT_EQ(there.arrived, there.offered + there.duplicated - there.lost);
    EXPECT_EQ(pair.echo.heard(), there.arrived);
    EXPECT_EQ(back.offered, pair.b.counts().sent);
    EXPECT_EQ(pair.sender.heard().size(), back.arrived);
    EXPECT_EQ(pair.world.frames().live(), 0u);
  }
}

TEST(World, RunUntilStopsThereAndGoesOn) {
  Pair pair{1, {.delay = 250us}};
  ASSERT_TRUE(pair.world.run_until(at(10ms)).ok());
  EXPECT_EQ(pair.world.now(), at(10ms));
  EXPECT_EQ(pair.sender.heard().size(), 200u);
  EXPECT_EQ(pair.world.frames_under_way(), 20u);
  ASSERT_TRUE(pair.world.run_for(500us).ok());
  EXPECT_EQ(pair.sender.heard().size(), 220u);
  const Result<bool> idle = pair.world.run_until_idle(at(20ms));
  ASSERT_TRUE(idle.ok());
  EXPECT_FALSE(*idle);
}

TEST(World, ABusyHostFindsItsFramesInBursts) {
  const auto largest = [](Duration wake_delay) {
    Pair pair{1, {.bits_per_second = 1'000'000'000}};
    ToySender slow{pair.a, toy_mac(2), 20, 64, 1ms, 1000};
    pair.world.add_host(slow, {&pair.a}, {.name = "slow", .wake_delay = wake_delay});
    EXPECT_TRUE(pair.world.run_until_idle(at(10s)).ok());
    return slow.largest_burst();
  };
  EXPECT_EQ(largest(0us), 1u);
  EXPECT_GT(largest(200us), 8u);
}

TEST(World, ARefusedFrameGoesOutLaterWithoutAnyArrival) {
  Pair pair{1, {.delay = 1us}};
  pair.b.options().transmit_room = 7;
  ASSERT_TRUE(pair.world.run_until_idle(at(10s)).ok());
  EXPECT_EQ(pair.sender.heard().size(), 2000u);
  EXPECT_GT(pair.b.counts().transmit_refused, 0u);
}

TEST(World, AFlappingLinkLosesOnlyWhileItIsDown) {
  Pair pair{1, {.delay = 250us}};
  ASSERT_TRUE(pair.world.run_until(at(20ms + 100us)).ok());
  pair.cable.set_up(false);
  ASSERT_TRUE(pair.world.run_until(at(30ms - 1us)).ok());
  pair.cable.set_up(true);
  ASSERT_TRUE(pair.world.run_until_idle(at(10s)).ok());
  EXPECT_EQ(pair.sender.heard().size(), 1800u);
  EXPECT_EQ(pair.sender.heard()[400].number, 600u);
}

/// Wants to be polled at the moment at which it was.
struct Restless {
  void poll(Instant now) { last = now; }
  std::optional<Instant> next_event() const { return last; }
  Instant last{};
};

TEST(World, ALivelockIsAnErrorThatNamesTheHost) {
  World world{1, {.steps_without_time = 1000}};
  Restless host;
  world.add_host(host, {}, {.name = "restless"});
  const Status status = world.run_until(at(1s));
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().why.find("restless (its own event)"), std::string::npos)
      << status.error().why;
}

/// Three senders and an echo around a switch or a hub.
struct Star {
  explicit Star(std::size_t stations) : world(7), middle(world.add_switch(stations)) {
    for (std::uint8_t i = 0; i < 4; ++i) {
      devices[i] = &world.add_device({.name = std::to_string(i), .mac = toy_mac(i)});
      world.connect(*devices[i], middle, {.delay = 10us}, {.delay = 10us});
    }
    for (std::uint8_t i = 1; i < 4; ++i) {
      senders.push_back(std::make_unique<ToySender>(*devices[i], toy_mac(0), 50, 4, i * 1ms, 100u));
      world.add_host(*senders.back(), {devices[i]});
    }
    echo = std::make_unique<ToyEcho>(*devices[0]);
    world.add_host(*echo, {devices[0]});
  }
  World world;
  Switch& middle;
  std::array<Device*, 4> devices{};
  std::vector<std::unique_ptr<ToySender>> senders;
  std::unique_ptr<ToyEcho> echo;
};

TEST(Switch, LearnsWhoSitsWhere) {
  Star star{16};
  ASSERT_TRUE(star.world.run_until_idle(at(10s)).ok());
  // Until the echo's first answer the three first bursts of four are flooded: the other two hear
  // them as well.
  for (const auto& sender : star.senders) EXPECT_EQ(sender->heard().size(), 200u + 8u);
  EXPECT_EQ(star.middle.flooded(), 12u);
  EXPECT_EQ(star.middle.forwarded(), 1200u - 12u);
  EXPECT_EQ(star.world.frames().live(), 0u);
}

TEST(Switch, AsAHubTellsEverybody) {
  Star star{0};
  ASSERT_TRUE(star.world.run_until_idle(at(10s)).ok());
  EXPECT_EQ(star.middle.forwarded(), 0u);
  EXPECT_EQ(star.echo->heard(), 600u);
  for (const auto& sender : star.senders) EXPECT_EQ(sender->heard().size(), 600u + 400u);
}

}  // namespace
}  // namespace pollux::sim
