#include "internet/route.h"

#include <utility>
#include <vector>

#include "base/prng.h"
#include "datagrams.h"

namespace pollux::internet {
namespace {

using wire::Ipv4Prefix;

TEST(RouteTable, WithoutRoutesAllIsOnLink) {
  const RouteTable routes{own_addresses()};
  EXPECT_EQ(routes.next_hop(peer), peer);
  EXPECT_EQ(routes.next_hop(Ipv4Address{8, 8, 8, 8}), (Ipv4Address{8, 8, 8, 8}));
  EXPECT_EQ(routes.source_for(Ipv4Address{8, 8, 8, 8}), us);
}

TEST(RouteTable, GatewayTakesWhatIsNotConnected) {
  RouteTable routes{own_addresses()};
  ASSERT_TRUE(routes.add({Ipv4Address{}, 0}, peer));
  EXPECT_EQ(routes.next_hop(Ipv4Address{8, 8, 8, 8}), peer);
  EXPECT_EQ(routes.next_hop(Ipv4Address{10, 0, 0, 77}), (Ipv4Address{10, 0, 0, 77}));
  EXPECT_EQ(routes.next_hop(Ipv4Address{10, 0, 1, 77}), peer);
}

TEST(RouteTable, LongestPrefixWins) {
  RouteTable routes{own_addresses()};
  const Ipv4Address a{10, 0, 0, 11};
  const Ipv4Address b{10, 0, 0, 12};
  const Ipv4Address c{10, 0, 0, 13};
  ASSERT_TRUE(routes.add({Ipv4Address{172, 16, 0, 0}, 12}, a));
  ASSERT_TRUE(routes.add({Ipv4Address{172, 16, 5, 0}, 24}, b));
  ASSERT_TRUE(routes.add({Ipv4Address{172, 16, 5, 9}, 32}, c));
  EXPECT_EQ(routes.next_hop(Ipv4Address{172, 16, 1, 1}), a);
  EXPECT_EQ(routes.next_hop(Ipv4Address{172, 16, 5, 1}), b);
  EXPECT_EQ(routes.next_hop(Ipv4Address{172, 16, 5, 9}), c);
}

TEST(RouteTable, AHostRouteWithinAConnectedNetworkIsTaken) {
  RouteTable routes{own_addresses()};
  ASSERT_TRUE(routes.add({Ipv4Address{10, 0, 0, 128}, 25}, peer));
  EXPECT_EQ(routes.next_hop(Ipv4Address{10, 0, 0, 129}), peer);
  EXPECT_EQ(routes.next_hop(Ipv4Address{10, 0, 0, 127}), (Ipv4Address{10, 0, 0, 127}));
}

TEST(RouteTable, NoWayToWhatIsNoHostElsewhere) {
  RouteTable routes{own_addresses()};
  ASSERT_TRUE(routes.add({Ipv4Address{}, 0}, peer));
  for (const Ipv4Address none : {Ipv4Address{}, Ipv4Address{127, 0, 0, 1},
                                 Ipv4Address{224, 0, 0, 5}, Ipv4Address{255, 255, 255, 255},
                                 Ipv4Address{241, 0, 0, 1}, Ipv4Address{10, 0, 0, 255}, us}) {
    EXPECT_FALSE(routes.next_hop(none)) << none.to_string();
    EXPECT_FALSE(routes.source_for(none)) << none.to_string();
  }
}

TEST(RouteTable, RefusesNextHopsThatAreNone) {
  RouteTable routes{own_addresses()};
  const Ipv4Prefix net{Ipv4Address{172, 16, 0, 0}, 12};
  EXPECT_FALSE(routes.add(net, us));
  EXPECT_FALSE(routes.add(net, Ipv4Address{}));
  EXPECT_FALSE(routes.add(net, Ipv4Address{10, 0, 0, 255}));
  EXPECT_FALSE(routes.add(net, Ipv4Address{224, 0, 0, 1}));
  EXPECT_FALSE(routes.add({Ipv4Address{10, 0, 0, 9}, 24}, peer)) << "connected";
}

TEST(RouteTable, SecondRouteForANetworkReplacesTheFirst) {
  RouteTable routes{own_addresses()};
  ASSERT_TRUE(routes.add({Ipv4Address{172, 16, 0, 0}, 12}, peer));
  ASSERT_TRUE(routes.add({Ipv4Address{172, 17, 3, 4}, 12}, Ipv4Address{10, 0, 0, 9}));
  EXPECT_EQ(routes.next_hop(Ipv4Address{172, 16, 0, 1}), (Ipv4Address{10, 0, 0, 9}));
}

TEST(RouteTable, IsBounded) {
  RouteTable routes{own_addresses()};
  for (std::uint32_t i = 0; i < RouteTable::max_routes; ++i) {
    ASSERT_TRUE(routes.add({Ipv4Address{0xAC100000 + i}, 32}, peer));
  }
  EXPECT_FALSE(routes.add({Ipv4Address{192, 168, 0, 0}, 16}, peer));
}

TEST(RouteTable, SourceIsOfTheNextHopsNetwork) {  // MUST-44
  wire::AddressSet own = own_addresses();
  ASSERT_TRUE(own.add({Ipv4Address{192, 168, 3, 7}, 24}));
  RouteTable routes{own};
  ASSERT_TRUE(routes.add({Ipv4Address{}, 0}, Ipv4Address{192, 168, 3, 1}));
  EXPECT_EQ(routes.source_for(Ipv4Address{8, 8, 8, 8}), (Ipv4Address{192, 168, 3, 7}));
  EXPECT_EQ(routes.source_for(peer), us);
}

TEST(RouteTable, AgreesWithALinearModel) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    Prng random{seed};
    const wire::AddressSet own = own_addresses();
    RouteTable routes{own};
    std::vector<std::pair<Ipv4Prefix, Ipv4Address>> model;
    for (std::uint64_t n = random.below(40); n > 0; --n) {
      // Near one another, so that networks nest and are replaced.
      const Ipv4Prefix net{Ipv4Address{0xAC100000 + static_cast<std::uint32_t>(random.below(4096))},
                           static_cast<std::uint8_t>(16 + random.below(17))};
      const Ipv4Address hop{10, 0, 0, static_cast<std::uint8_t>(6 + random.below(200))};
      ASSERT_TRUE(routes.add(net, hop));
      model.emplace_back(net, hop);
    }
    for (int i = 0; i < 500; ++i) {
      const Ipv4Address a{0xAC100000 + static_cast<std::uint32_t>(random.below(5000))};
      Ipv4Address expected = a;
      int longest = -1;
      for (const auto& [net, hop] : model) {
        if (net.contains(a) && net.length >= longest) {
          longest = net.length;
          expected = hop;
        }
      }
      ASSERT_EQ(routes.next_hop(a), expected) << a.to_string();
    }
  }
}

}  // namespace
}  // namespace pollux::internet
