#include "transport/tcp/isn.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <set>
#include <vector>

#include "base/prng.h"

namespace pollux::tcp {
namespace {

const SipKey key{0x0123456789abcdef, 0xfedcba9876543210};
const wire::Ipv4Address here{10, 0, 0, 1};
const wire::Ipv4Address there{10, 0, 0, 2};

wire::FourTuple tuple_at(std::uint16_t local_port) { return {here, there, local_port, 80}; }

TEST(InitialSequence, MovesOneEveryFourMicroseconds) {  // MUST-8
  const wire::FourTuple tuple = tuple_at(5000);
  const Instant start{};
  const wire::SeqNum at_zero = initial_sequence_number(tuple, key, start);
  EXPECT_EQ(initial_sequence_number(tuple, key, start + 3999ns), at_zero);
  EXPECT_EQ(initial_sequence_number(tuple, key, start + 4us), at_zero + 1);
  EXPECT_EQ(initial_sequence_number(tuple, key, start + 1s), at_zero + 250'000);
  EXPECT_EQ(initial_sequence_number(tuple, key, start - 1ns), at_zero - 1);
  // A whole turn of the clock: 2^32 times 4 us, some 4.77 hours.
  EXPECT_EQ(initial_sequence_number(tuple, key, start + 4us * (std::int64_t{1} << 32)), at_zero);
}

TEST(InitialSequence, ANewIncarnationStartsBeyondTheOldOne) {
  Prng prng{1};
  for (int i = 0; i < 10'000; ++i) {
    const wire::FourTuple tuple = tuple_at(static_cast<std::uint16_t>(prng.next()));
    const Instant before{Duration{static_cast<std::int64_t>(prng.below(1ull << 60))}};
    const Instant after =
        before + Duration{static_cast<std::int64_t>(prng.below(8'000'000'000'000))};
    const wire::SeqNum old = initial_sequence_number(tuple, key, before);
    ASSERT_LE(old, initial_sequence_number(tuple, key, after + 4us)) << i;
    ASSERT_LT(old, initial_sequence_number(tuple, key, after + 8us)) << i;
  }
}

TEST(InitialSequence, TellsWhenItWasMade) {
  Prng prng{2};
  for (int i = 0; i < 10'000; ++i) {
    const wire::FourTuple tuple = tuple_at(static_cast<std::uint16_t>(prng.next()));
    const Instant made{Duration{static_cast<std::int64_t>(prng.below(1ull << 60))}};
    const wire::SeqNum iss = initial_sequence_number(tuple, key, made);
    const Duration later{static_cast<std::int64_t>(prng.below(3'999'996'000))};
    const auto told = opened_at(iss, tuple, key, made + later, 4s);
    ASSERT_TRUE(told) << i;
    ASSERT_LE(*told, made);
    ASSERT_LT(made - *told, 4us);
    ASSERT_FALSE(opened_at(iss, tuple, key, made + 4s + 4us + later, 4s));
    ASSERT_FALSE(opened_at(iss, tuple, key, made - 4us, 4s)) << "it is not made yet";
    ASSERT_FALSE(opened_at(iss + (1u << 30), tuple, key, made, 4s)) << "not ours";
  }
}

TEST(InitialSequence, TuplesAndKeysAreUnrelated) {  // MUST-9, SHLD-1
  const Instant now{1h};
  std::set<std::uint32_t> seen;
  int bits = 0;
  std::uint32_t previous = 0;
  for (std::uint32_t port = 1; port <= 10'000; ++port) {
    const auto value =
        initial_sequence_number(tuple_at(static_cast<std::uint16_t>(port)), key, now).value();
    seen.insert(value);
    bits += std::popcount(value ^ previous);
    previous = value;
  }
  EXPECT_GT(seen.size(), 9'990u);
  EXPECT_NEAR(bits, 160'000, 2'000);
  EXPECT_NE(initial_sequence_number(tuple_at(1), key, now),
            initial_sequence_number(tuple_at(1), SipKey{1, 2}, now));
}

TEST(InitialSequence, EveryPartOfTheTupleCounts) {
  const Instant now{};
  const wire::FourTuple base{here, there, 1000, 2000};
  std::set<std::uint32_t> seen{initial_sequence_number(base, key, now).value()};
  const wire::FourTuple others[] = {{there, there, 1000, 2000}, {here, here, 1000, 2000},
                                    {there, here, 1000, 2000},  {here, there, 1001, 2000},
                                    {here, there, 1000, 2001},  {here, there, 2000, 1000}};
  for (const wire::FourTuple& other : others) {
    seen.insert(initial_sequence_number(other, key, now).value());
  }
  EXPECT_EQ(seen.size(), 7u);
}

TEST(EphemeralPorts, TakesEveryPortOfEveryAddressOnceARound) {
  EphemeralPorts ports{key};
  for (std::uint8_t host = 1; host <= 3; ++host) {
    std::vector<bool> used(65536);
    const wire::Ipv4Address local{10, 0, 0, host};
    for (std::uint32_t i = 0; i < EphemeralPorts::count; ++i) {
      const auto port = ports.pick(local, there, 80, [&](std::uint16_t p) { return used[p]; });
      ASSERT_TRUE(port.has_value());
      ASSERT_GE(*port, EphemeralPorts::first);
      ASSERT_FALSE(used[*port]);
      used[*port] = true;
    }
    EXPECT_EQ(ports.pick(local, there, 80, [&](std::uint16_t p) { return used[p]; }), std::nullopt);
  }
}

TEST(EphemeralPorts, TellsWhichPortsComeNext) {
  EphemeralPorts ports{key};
  const wire::Ipv4Address local{10, 0, 0, 1};
  const wire::Ipv4Address remote{10, 0, 0, 2};
  std::array<std::uint16_t, 4> told{};
  for (std::uint32_t i = 0; i < EphemeralPorts::count + 10; ++i) {
    const auto port = ports.pick(local, remote, 80, [](std::uint16_t) { return false; });
    if (i >= told.size()) {
      ASSERT_EQ(*port, told[i % told.size()]);
    }
    told[i % told.size()] = ports.peek(local, remote, 80, told.size() - 1);
  }
}

TEST(EphemeralPorts, ASteadyLoadIsServedAtTheFirstTry) {
  // 30,000 ports are always resting, released in the order in which they were taken.
  EphemeralPorts ports{key};
  std::vector<bool> used(65536);
  std::vector<std::uint16_t> order;
  std::uint64_t asked = 0;
  for (std::size_t i = 0; i < 500'000; ++i) {
    if (i >= 30'000) used[order[i - 30'000]] = false;
    const auto port =
        ports.pick(here, there, 80, [&](std::uint16_t p) { return ++asked, bool{used[p]}; });
    ASSERT_TRUE(port.has_value());
    used[*port] = true;
    order.push_back(*port);
  }
  EXPECT_EQ(asked, 500'000u);
}

TEST(EphemeralPorts, RefusedPortsAreNeverGivenAndTriesAreBounded) {
  EphemeralPorts ports{key};
  std::uint32_t asked = 0;
  const auto only_4242 = [&](std::uint16_t port) { return ++asked, port != 4242; };
  EXPECT_EQ(ports.pick(here, there, 80, only_4242), 4242);
  EXPECT_LE(asked, EphemeralPorts::count);
  asked = 0;
  const auto nothing = [&](std::uint16_t) { return ++asked, true; };
  EXPECT_EQ(ports.pick(here, there, 80, nothing, 10), std::nullopt);
  EXPECT_EQ(asked, 10u);
  EXPECT_EQ(ports.pick(here, there, 80, nothing, 0), std::nullopt);
  EXPECT_EQ(asked, 10u);
  // A search that is cut off goes on where it stopped, so that it ends.
  asked = 0;
  std::uint32_t calls = 0;
  while (!ports.pick(here, there, 80, only_4242, 100).has_value()) ++calls;
  EXPECT_LE(calls, EphemeralPorts::count / 100 + 1);
}

TEST(EphemeralPorts, DestinationsStartAtUnrelatedPlaces) {
  std::set<std::uint16_t> starts;
  for (std::uint8_t host = 0; host < 200; ++host) {
    EphemeralPorts ports{key};
    starts.insert(*ports.pick(here, wire::Ipv4Address{10, 1, 0, host}, 80,
                              [](std::uint16_t) { return false; }));
  }
  EXPECT_GT(starts.size(), 195u);
  const auto first_of = [](SipKey k) {
    EphemeralPorts ports{k};
    return *ports.pick(here, there, 80, [](std::uint16_t) { return false; });
  };
  EXPECT_NE(first_of({1, 1}), first_of({2, 2}));
}

}  // namespace
}  // namespace pollux::tcp
