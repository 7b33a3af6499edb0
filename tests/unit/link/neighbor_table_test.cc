#include "link/neighbor_table.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/prng.h"

namespace pollux::link {
namespace {

using Kind = NeighborTable::Action::Kind;
using State = NeighborTable::State;
using wire::Ipv4Address;
using wire::MacAddress;

constexpr Ipv4Address peer{10, 0, 0, 1};
constexpr MacAddress mac_a{{2, 0, 0, 0, 0, 0xA}};
constexpr MacAddress mac_b{{2, 0, 0, 0, 0, 0xB}};

/// A table and its clock; run_to() does what a pipeline does between two events.
struct Clocked {
  explicit Clocked(NeighborTable::Config config = {})
      : table(std::move(*NeighborTable::make(config, Instant{}))) {}

  struct Seen {
    Instant when;
    NeighborTable::Action action;
  };

  std::vector<Seen> run_to(Instant end) {
    std::vector<Seen> seen;
    const auto note = [&](const NeighborTable::Action& action) { seen.push_back({now, action}); };
    while (const std::optional<Instant> next = table.next_deadline()) {
      if (*next > end) break;
      now = std::max(now, *next);
      table.advance(now, note);
    }
    now = end;
    table.advance(now, note);
    return seen;
  }
  std::vector<Seen> run(Duration time) { return run_to(now + time); }

  NeighborTable::Lookup lookup(Ipv4Address a = peer) { return table.lookup(a, now); }

  NeighborTable table;
  Instant now{};
};

std::vector<std::pair<Duration, Kind>> brief(const std::vector<Clocked::Seen>& seen) {
  std::vector<std::pair<Duration, Kind>> out;
  for (const Clocked::Seen& one : seen) {
    out.emplace_back(one.when.time_since_epoch(), one.action.kind);
  }
  return out;
}
using Brief = std::vector<std::pair<Duration, Kind>>;

TEST(NeighborTable, FirstLookupAsksAtOnceByBroadcast) {
  Clocked c;
  c.now = Instant{123'456'789ns};
  c.table.advance(c.now, [](const auto&) { FAIL() << "nothing is due"; });
  const NeighborTable::Lookup lookup = c.lookup();
  EXPECT_EQ(lookup.state, State::waiting);
  EXPECT_TRUE(lookup.request_due);
  ASSERT_TRUE(c.table.next_deadline());
  EXPECT_LE(*c.table.next_deadline(), c.now);
  std::vector<NeighborTable::Action> actions;
  c.table.advance(c.now, [&](const NeighborTable::Action& a) { actions.push_back(a); });
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].kind, Kind::request_broadcast);
  EXPECT_EQ(actions[0].address, peer);
  EXPECT_EQ(actions[0].mac, MacAddress::broadcast());
  EXPECT_EQ(actions[0].id, lookup.id);
  // A second datagram waits too, but asks for nothing more.
  const NeighborTable::Lookup again = c.lookup();
  EXPECT_EQ(again.state, State::waiting);
  EXPECT_EQ(again.id, lookup.id);
  EXPECT_FALSE(again.request_due);
}

TEST(NeighborTable, AnswerResolvesAndIsReportedOnce) {
  Clocked c;
  const NeighborId id = c.lookup().id;
  c.run(0s);
  const NeighborTable::Learned learned = c.table.learn(peer, mac_a, false, c.now);
  EXPECT_TRUE(learned.known);
  ASSERT_TRUE(learned.resolved);
  EXPECT_EQ(learned.resolved->id, id);
  EXPECT_EQ(learned.resolved->address, peer);
  EXPECT_EQ(learned.resolved->mac, mac_a);
  const NeighborTable::Lookup lookup = c.lookup();
  EXPECT_EQ(lookup.state, State::resolved);
  EXPECT_EQ(lookup.mac, mac_a);
  EXPECT_FALSE(c.table.learn(peer, mac_b, false, c.now).resolved);
  EXPECT_EQ(c.lookup().mac, mac_b) << "the newest word counts";
}

TEST(NeighborTable, UnknownSpeakerIsLearntOnlyWhenAllowed) {
  Clocked c;
  EXPECT_FALSE(c.table.learn(peer, mac_a, false, c.now).known);
  EXPECT_EQ(c.table.size(), 0u);
  EXPECT_TRUE(c.table.learn(peer, mac_a, true, c.now).known);
  EXPECT_EQ(c.lookup().state, State::resolved);
}

TEST(NeighborTable, ThreeRequestsInVainFailAndGoOnEverySecondForAMinute) {
  Clocked c;
  c.lookup();
  const Brief start = brief(c.run(4s));
  EXPECT_EQ(start, (Brief{{0s, Kind::request_broadcast},
                          {1s, Kind::request_broadcast},
                          {2s, Kind::request_broadcast},
                          {3s, Kind::failed},
                          {3s, Kind::request_broadcast},
                          {4s, Kind::request_broadcast}}));
  const Brief rest = brief(c.run(200s));
  ASSERT_FALSE(rest.empty());
  for (std::size_t i = 0; i < rest.size(); ++i) {
    EXPECT_EQ(rest[i].second, Kind::request_broadcast);
    EXPECT_EQ(rest[i].first, 5s + std::chrono::seconds(i));
  }
  EXPECT_EQ(rest.back().first, 59s) << "wanted at 0, so asked until a minute later";
  EXPECT_EQ(c.table.size(), 0u);
  EXPECT_FALSE(c.table.next_deadline());
}

TEST(NeighborTable, UnreachableFromFailureToAnswerWhileItIsAskedEverySecond) {
  Clocked c;
  c.lookup();
  c.run_to(Instant{3s});
  EXPECT_EQ(c.lookup().state, State::unreachable);
  for (int tenths = 31; tenths <= 200; ++tenths) {
    c.run_to(Instant{tenths * 100ms});
    EXPECT_EQ(c.lookup().state, State::unreachable) << tenths;
  }
  EXPECT_EQ(brief(c.run_to(Instant{23s})), (Brief{{21s, Kind::request_broadcast},
                                                  {22s, Kind::request_broadcast},
                                                  {23s, Kind::request_broadcast}}));
  ASSERT_TRUE(c.table.learn(peer, mac_a, false, c.now).resolved);
  EXPECT_EQ(c.lookup().state, State::resolved);
}

TEST(NeighborTable, OneThatNobodyWantedForAMinuteIsSoughtAfresh) {
  Clocked c;
  c.lookup();
  c.run_to(Instant{59s});
  EXPECT_EQ(c.lookup().state, State::unreachable);
  c.run_to(Instant{130s});
  EXPECT_EQ(c.table.size(), 0u);
  EXPECT_EQ(c.lookup().state, State::waiting);
}

TEST(NeighborTable, AnswerAfterFailureIsReported) {
  Clocked c;
  const NeighborId id = c.lookup().id;
  c.run_to(Instant{10s});
  const NeighborTable::Learned learned = c.table.learn(peer, mac_a, false, c.now);
  ASSERT_TRUE(learned.resolved);
  EXPECT_EQ(learned.resolved->id, id);
  EXPECT_EQ(c.lookup().state, State::resolved);
}

TEST(NeighborTable, UsedEntryIsAskedByUnicastAndResolvesMeanwhile) {
  Clocked c;
  c.table.learn(peer, mac_a, true, c.now);
  c.run_to(Instant{10s});
  EXPECT_EQ(c.lookup().state, State::resolved);
  const auto seen = c.run_to(Instant{30s});
  ASSERT_EQ(brief(seen), (Brief{{30s, Kind::request_unicast}}));
  EXPECT_EQ(seen[0].action.mac, mac_a);
  EXPECT_EQ(c.lookup().state, State::resolved);
  c.table.learn(peer, mac_a, false, c.now);
  EXPECT_TRUE(brief(c.run_to(Instant{59s})).empty()) << "confirmed, so no further poll";
  EXPECT_EQ(c.lookup().state, State::resolved);
}

TEST(NeighborTable, SilentNeighborInUseIsPolledThenSoughtThenFailed) {
  Clocked c;
  c.table.learn(peer, mac_a, true, c.now);
  c.lookup();
  c.run_to(Instant{32s});
  EXPECT_EQ(c.lookup().state, State::resolved) << "still, while it is polled";
  EXPECT_EQ(brief(c.run_to(Instant{33s})), (Brief{{33s, Kind::request_broadcast}}));
  EXPECT_EQ(c.lookup().state, State::waiting);
  EXPECT_EQ(brief(c.run_to(Instant{36s})), (Brief{{34s, Kind::request_broadcast},
                                                  {35s, Kind::request_broadcast},
                                                  {36s, Kind::failed},
                                                  {36s, Kind::request_broadcast}}));
}

TEST(NeighborTable, SilentNeighborThatNobodyUsesAnyMoreIsForgottenQuietly) {
  Clocked c;
  c.table.learn(peer, mac_a, true, c.now);
  c.lookup();
  EXPECT_EQ(brief(c.run_to(Instant{100s})), (Brief{{30s, Kind::request_unicast},
                                                   {31s, Kind::request_unicast},
                                                   {32s, Kind::request_unicast}}));
  EXPECT_EQ(c.table.size(), 0u);
}

TEST(NeighborTable, StaleEntryIsUnaskedUntilItIsUsedAndResolvesAtOnceThen) {
  Clocked c;
  c.table.learn(peer, mac_a, true, c.now);
  EXPECT_TRUE(c.run_to(Instant{1h}).empty());
  EXPECT_FALSE(c.table.next_deadline());
  const NeighborTable::Lookup found = c.lookup();
  EXPECT_EQ(found.state, State::resolved);
  EXPECT_EQ(found.mac, mac_a);
  EXPECT_TRUE(found.request_due);
  EXPECT_EQ(brief(c.run(500ms)), (Brief{{1h, Kind::request_unicast}}));
  c.table.learn(peer, mac_a, false, c.now);
  EXPECT_TRUE(c.run(29s).empty());
  EXPECT_EQ(c.lookup().state, State::resolved);
}

TEST(NeighborTable, StaleEntryThatIsSilentIsSoughtByBroadcast) {
  Clocked c;
  c.table.learn(peer, mac_a, true, c.now);
  c.run_to(Instant{1h});
  c.lookup();
  EXPECT_EQ(brief(c.run_to(Instant{1h + 3s})), (Brief{{1h, Kind::request_unicast},
                                                      {1h + 1s, Kind::request_unicast},
                                                      {1h + 2s, Kind::request_unicast},
                                                      {1h + 3s, Kind::request_broadcast}}));
  EXPECT_EQ(c.lookup().state, State::waiting);
}

TEST(NeighborTable, StaleEntriesGiveWayToWhoeverNeedsTheirPlace) {
  NeighborTable::Config config;
  config.capacity = 8;
  Clocked c{config};
  for (std::uint8_t i = 1; i <= 8; ++i) {
    c.table.learn(Ipv4Address{10, 0, 0, i}, mac_a, true, c.now);
  }
  c.run_to(Instant{1h});
  for (std::uint8_t i = 1; i <= 4; ++i) {
    EXPECT_TRUE(c.table.learn(Ipv4Address{10, 0, 1, i}, mac_b, true, c.now).known);
    EXPECT_EQ(c.lookup(Ipv4Address{10, 0, 1, i}).state, State::resolved);
    EXPECT_EQ(c.lookup(Ipv4Address{10, 0, 2, i}).state, State::waiting);
  }
  EXPECT_EQ(c.table.size(), 8u);
}

TEST(NeighborTable, AStaleOneIsForgottenWithTheOthersWhenTheLinkChanges) {
  Clocked c;
  c.table.learn(peer, mac_a, true, c.now);
  c.run_to(Instant{1h});
  c.table.forget_resolved();
  EXPECT_EQ(c.table.size(), 0u);
}

TEST(NeighborTable, LateUseOfAnOldEntryStillAsksBeforeItIsStale) {
  Clocked c;
  c.table.learn(peer, mac_a, true, c.now);
  c.run_to(Instant{45s});
  EXPECT_EQ(c.lookup().state, State::resolved);
  EXPECT_EQ(brief(c.run_to(Instant{60s})), (Brief{{60s, Kind::request_unicast}}));
}

TEST(NeighborTable, FullTableRefusesWhileAllAreAskedFor) {
  NeighborTable::Config config;
  config.capacity = 8;
  Clocked c{config};
  for (std::uint8_t i = 1; i <= 4; ++i) {
    EXPECT_EQ(c.lookup(Ipv4Address{10, 0, 0, i}).state, State::waiting);
  }
  EXPECT_EQ(c.lookup(Ipv4Address{10, 0, 0, 5}).state, State::table_full);
  // Once they have failed they give way.
  c.run_to(Instant{3s});
  EXPECT_EQ(c.lookup(Ipv4Address{10, 0, 0, 5}).state, State::waiting);
  EXPECT_EQ(c.table.size(), 4u);
}

TEST(NeighborTable, AddressesThatNobodyHasPushOutNoNeighborAndKeepNoneOut) {
  NeighborTable::Config config;
  config.capacity = 64;
  Clocked c{config};
  const auto known = [](std::uint8_t i) { return Ipv4Address{10, 0, 0, i}; };
  for (std::uint8_t i = 1; i <= 16; ++i) c.table.learn(known(i), mac_a, true, c.now);
  c.lookup(known(1));  // the others are not even in use
  std::uint32_t nobody = 0x0A010000;
  const auto flood = [&](Duration time) {
    for (const Instant end = c.now + time; c.now < end; c.run(1ms)) {
      for (int i = 0; i < 20; ++i) {
        EXPECT_NE(c.lookup(Ipv4Address{++nobody}).state, State::resolved);
      }
    }
  };
  flood(10s);
  for (std::uint8_t i = 1; i <= 16; ++i) {
    EXPECT_EQ(c.lookup(known(i)).state, State::resolved) << int{i};
  }
  for (std::uint8_t i = 17; i <= 32; ++i) {
    EXPECT_TRUE(c.table.learn(known(i), mac_b, true, c.now).known) << int{i};
  }
  flood(10s);
  for (std::uint8_t i = 1; i <= 32; ++i) {
    EXPECT_EQ(c.lookup(known(i)).state, State::resolved) << int{i};
  }
}

TEST(NeighborTable, StrangersDoNotPushOutNeighborsInUse) {
  NeighborTable::Config config;
  config.capacity = 4;
  Clocked c{config};
  for (std::uint8_t i = 1; i <= 4; ++i) {
    c.table.learn(Ipv4Address{10, 0, 0, i}, mac_a, true, c.now);
  }
  for (std::uint8_t i = 1; i <= 3; ++i) c.lookup(Ipv4Address{10, 0, 0, i});
  EXPECT_TRUE(c.table.learn(Ipv4Address{10, 0, 1, 1}, mac_b, true, c.now).known);
  for (std::uint8_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(c.lookup(Ipv4Address{10, 0, 0, i}).state, State::resolved);
  }
  for (std::uint8_t i = 2; i < 100; ++i) {
    c.table.learn(Ipv4Address{10, 0, 1, i}, mac_b, true, c.now);
  }
  for (std::uint8_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(c.lookup(Ipv4Address{10, 0, 0, i}).state, State::resolved);
  }
  // Whom we want to reach ourselves finds room among those not used since.
  EXPECT_EQ(c.lookup(Ipv4Address{10, 0, 2, 1}).state, State::waiting);
}

TEST(NeighborTable, AllRequestsTogetherKeepTheirRate) {
  NeighborTable::Config config;
  config.capacity = 4096;
  config.requests_per_second = 100;
  config.burst = 10;
  Clocked c{config};
  for (std::uint32_t i = 0; i < 1000; ++i) c.lookup(Ipv4Address{0x0A000100 + i});
  std::map<std::uint32_t, int> asked;
  std::size_t requests = 0;
  for (const Clocked::Seen& seen : c.run(20s)) {
    if (seen.action.kind == Kind::failed) continue;
    ++requests;
    ++asked[seen.action.address.value()];
  }
  EXPECT_LE(requests, 10u + 2000u);
  EXPECT_GE(requests, 1990u) << "the rate is used, not wasted";
  EXPECT_EQ(asked.size(), 1000u) << "nobody is forgotten";
  for (const auto& [address, times] : asked) EXPECT_LE(times, 3) << "and nobody goes first twice";
}

TEST(NeighborTable, ActionsMayLookUp) {
  NeighborTable::Config config;
  config.capacity = 16;
  Clocked c{config};
  c.lookup();
  c.run_to(Instant{2s});
  int failures = 0;
  c.table.advance(Instant{3s}, [&](const NeighborTable::Action& action) {
    if (action.kind != Kind::failed) return;
    ++failures;
    EXPECT_EQ(c.table.lookup(action.address, Instant{3s}).state, State::unreachable);
    for (std::uint8_t i = 2; i < 20; ++i) {
      static_cast<void>(c.table.lookup(Ipv4Address{10, 0, 0, i}, Instant{3s}));
    }
  });
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(c.table.size(), 8u);
}

/// Whatever happens, no address is asked about twice within a second; and one that is looked up all
/// the time and does not answer is asked at least every second.
TEST(NeighborTable, RequestsNeverComeMoreOftenThanAllowed) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Prng random{seed};
    Clocked c;
    std::map<std::uint32_t, Instant> asked;
    const std::uint32_t hosts = 1 + static_cast<std::uint32_t>(random.below(20));
    for (int step = 0; step < 3000; ++step) {
      const Ipv4Address a{0x0A000001 + static_cast<std::uint32_t>(random.below(hosts))};
      const double dice = random.unit();
      if (dice < 0.5) {
        const NeighborTable::Lookup lookup = c.lookup(a);
        EXPECT_NE(lookup.state, State::table_full);
      } else if (dice < 0.55) {
        c.table.learn(a, mac_a, random.chance(0.5), c.now);
      } else {
        const Duration step_time{random.below(random.chance(0.05) ? 40'000'000'000 : 500'000'000)};
        for (const Clocked::Seen& seen : c.run(step_time)) {
          if (seen.action.kind == Kind::failed) continue;
          const auto last = asked.find(seen.action.address.value());
          if (last != asked.end()) {
            EXPECT_GE(seen.when - last->second, 1s);
          }
          asked[seen.action.address.value()] = seen.when;
        }
      }
    }
  }
}

TEST(NeighborTable, WantedAndSilentIsAskedAtLeastEverySecond) {
  Clocked c;
  Instant last{};
  unsigned requests = 0;
  c.lookup();
  for (int i = 0; i < 2000; ++i) {
    for (const Clocked::Seen& seen : c.run(50ms)) {
      if (seen.action.kind == Kind::failed) continue;
      EXPECT_LE(seen.when - last, 1s);
      last = seen.when;
      ++requests;
    }
    c.lookup();
  }
  EXPECT_NEAR(requests, 100, 1);
}

/// The index against a set, through insertions, evictions and removals that move other slots.
TEST(NeighborTable, IndexAgreesWithAModel) {
  NeighborTable::Config config;
  config.capacity = 64;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Prng random{seed};
    Clocked c{config};
    for (int step = 0; step < 5000; ++step) {
      const Ipv4Address a{0x0A000000 + static_cast<std::uint32_t>(random.below(200)) * 0x10001};
      switch (random.below(4)) {
        case 0:
          static_cast<void>(c.lookup(a));
          break;
        case 1: {
          const MacAddress mac{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(random.below(250))}};
          if (c.table.learn(a, mac, true, c.now).known) {
            const NeighborTable::Lookup found = c.lookup(a);
            ASSERT_EQ(found.state, State::resolved);
            ASSERT_EQ(found.mac, mac);
          }
          break;
        }
        default:
          c.run(Duration{random.below(3'000'000'000)});
      }
      std::set<std::uint32_t> seen;
      std::uint32_t resolved = 0;
      c.table.for_each([&](Ipv4Address each, MacAddress, bool resolves) {
        EXPECT_TRUE(seen.insert(each.value()).second) << "twice in the table";
        resolved += resolves ? 1 : 0;
      });
      ASSERT_EQ(seen.size(), c.table.size());
      ASSERT_LE(resolved, seen.size());
    }
  }
}

}  // namespace
}  // namespace pollux::link
