// Two four-tuples under one tag of the connection table, which is half of their hash: a segment of
// one is not the other's.

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/prng.h"
#include "raw_tcp_fixture.h"
#include "transport/tcp/connection_table.h"

namespace pollux::world {
namespace {

class SameTag : public RawTcpPeer {
 protected:
  /// A table of one page, in which the same tag means the same bucket.
  SameTag() {
    app.listen_port = port;
    config.connections = config.half_open = config.time_wait = 2;
  }

  /// A port of the peer's, and two that belong together, its own and one of the stack's where
  /// nobody listens, whose four-tuples have the same tag.
  struct Ports {
    std::uint16_t open;
    std::uint16_t other;
    std::uint16_t others_peer;
  };
  std::optional<Ports> find_ports() const {
    Prng random{config.seed};
    const std::uint64_t first = random.next();
    const auto key = tcp::TupleKey::derived({first, random.next()});
    const auto tag = [&](std::uint16_t own, unsigned peers) {
      return static_cast<std::uint32_t>(
          tcp::hash({right_address, left_address, own, static_cast<std::uint16_t>(peers)}, key));
    };
    std::unordered_map<std::uint32_t, std::uint16_t> open;
    for (unsigned at = 1024; at < 65'536; ++at) {
      open[tag(port, at)] = static_cast<std::uint16_t>(at);
    }
    for (std::uint16_t other = 8; other < 60; ++other) {
      if (other == port) continue;
      for (unsigned at = 1024; at < 65'536; ++at) {
        if (const auto found = open.find(tag(other, at)); found != open.end()) {
          return Ports{found->second, other, static_cast<std::uint16_t>(at)};
        }
      }
    }
    return std::nullopt;
  }
};

TEST_F(SameTag, DoesNotTakeAStrangersSegments) {
  const auto ports = find_ports();
  ASSERT_TRUE(ports);
  start();
  RawTcp known{raw, right_mac, {left_address, right_address, ports->open, port}};
  RawTcp stranger{raw, right_mac, {left_address, right_address, ports->others_peer, ports->other}};
  establish(known);
  ASSERT_EQ(stack->connections_in_use(), 1u);

  stranger.send({.seq = raw_iss + 1, .control = control::rst, .ack = known.ack});
  run_for(10ms);
  EXPECT_EQ(stack->connections_in_use(), 1u);
  stranger.send({.seq = raw_iss, .control = control::syn});
  run_for(10ms);
  const auto refusal = stranger.heard();
  ASSERT_EQ(refusal.size(), 1u);
  EXPECT_TRUE(refusal[0].control & control::rst);

  known.send({.seq = raw_iss + 1, .control = control::rst});
  run_for(10ms);
  EXPECT_EQ(stack->connections_in_use(), 0u);
}

}  // namespace
}  // namespace pollux::world
