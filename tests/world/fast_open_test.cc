#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>

#include "middlebox.h"
#include "sim/world.h"
#include "stack_setup.h"

/// Fast Open (RFC 7413) between two stacks, as applications see it: what a round trip costs, and
/// what boxes on the way do to it.
namespace pollux::world {
namespace {

constexpr Duration delay = 10ms;  // one way
constexpr Duration round_trip = 2 * delay;

/// A client behind a box that may do something, and a server, which says `reply` bytes as soon as
/// it has a connection.
class FastOpens : public testing::Test {
 protected:
  static constexpr std::uint32_t request = 50;
  static constexpr std::uint32_t reply = 100;
  static constexpr wire::Ipv4Address outside{10, 0, 0, 200};
  static constexpr wire::MacAddress box_left_mac{{2, 0, 0, 0, 1, 1}};
  static constexpr wire::MacAddress box_right_mac{{2, 0, 0, 0, 1, 2}};

  sim::World world{1};
  sim::Device& client_device = world.add_device({.name = "client", .mac = left_mac});
  sim::Device& server_device = world.add_device({.name = "server", .mac = right_mac});
  sim::Device& box_left = world.add_device({.name = "box, left", .mac = box_left_mac});
  sim::Device& box_right = world.add_device({.name = "box, right", .mac = box_right_mac});
  sim::Cable cable = world.connect(box_right, server_device, {.delay = delay});
  pipeline::Config client_config = config_of(left_address);
  pipeline::Config server_config = config_of(right_address);
  ProbeApp client_app;
  ProbeApp server_app;
  std::optional<Middlebox> box;
  std::unique_ptr<Stack> client;
  std::unique_ptr<Stack> server;

  void start(const MiddleboxOptions& options = {}) {
    world.connect(client_device, box_left, {});
    box.emplace(box_left, box_right, options);
    box->add_left({left_address, left_mac});
    box->add_right({right_address, right_mac});
    client_config.tcp.fast_open = server_config.tcp.fast_open = true;
    server_app.listen_port = port;
    server_app.send_bytes = reply;
    client = std::move(*Stack::make(client_config, client_device, client_app, world.now()));
    server = std::move(*Stack::make(server_config, server_device, server_app, world.now()));
    world.add_host(*client, {&client_device}, {.name = "client"});
    world.add_host(*server, {&server_device}, {.name = "server"});
    world.add_host(*box, {&box_left, &box_right}, {.name = "box"});
    client->start(world.now());
    server->start(world.now());
    run_for(1s);
    exchange();  // the addresses are resolved, and a cookie may have come
  }
  void run_for(Duration time) { ASSERT_TRUE(world.run_for(time).ok()); }

  /// A request is ready before its SYN leaves.
  application::StreamId open(std::optional<bool> fast_open = std::nullopt) {
    client_app.received = server_app.received = 0;
    client->poll(world.now());  // so that it knows the time
    const auto opened =
        client->connect({right_address, port}, {.limits = {.fast_open = fast_open}});
    EXPECT_TRUE(opened);
    const auto bytes = client_app.pattern().bytes(ProbeApp::pattern_stream, 0, request);
    EXPECT_TRUE(client->stream(*opened)->send({bytes.data(), request}));
    return *opened;
  }

  /// One connection that says something and hears the reply: how long that took, from the open on.
  Duration exchange(std::optional<bool> fast_open = std::nullopt) {
    const application::StreamId opened = open(fast_open);
    const Instant start = world.now();
    while (client_app.received < reply && world.now() - start < 10s) run_for(1ms);
    const Duration took = world.now() - start;
    if (auto stream = client->stream(opened)) stream->close();
    run_for(5s);
    EXPECT_EQ(client_app.received, reply);
    EXPECT_EQ(server_app.received, request);
    EXPECT_EQ(client_app.wrong + server_app.wrong, 0u);
    EXPECT_EQ(client->connections_in_use() + server->connections_in_use(), 0u);
    return took;
  }
  std::uint64_t taken() const { return server->counters()[Event::tcp_fast_opens_taken]; }
};

TEST_F(FastOpens, SaveARoundTrip) {
  start();
  const Duration fast = exchange();
  EXPECT_EQ(taken(), 1u);
  const Duration ordinary = exchange(false);
  EXPECT_EQ(taken(), 1u);
  EXPECT_LT(fast, round_trip + 3ms);
  EXPECT_GE(ordinary, 2 * round_trip);
  EXPECT_EQ(client->counters()[Event::tcp_fast_opens_taken], 1u);
}

TEST_F(FastOpens, MayBeAskedForByOneConnectionAlone) {
  start();
  exchange(false);
  EXPECT_EQ(taken(), 0u);
  exchange(true);
  EXPECT_EQ(taken(), 1u);
}

TEST_F(FastOpens, OptionsThatABoxTakesOutLeaveAnOrdinaryHandshake) {
  start({.strip = MiddleboxOptions::all_kinds});
  for (int i = 0; i < 3; ++i) EXPECT_LT(exchange(), 2 * round_trip + 3ms);
  EXPECT_EQ(taken(), 0u);
  EXPECT_EQ(client->counters()[Event::tcp_retransmitted], 0u);
}

TEST_F(FastOpens, BehindANatTheCookieIsOfTheOuterAddress) {
  start({.nat = NatOptions{.outside = outside}});
  EXPECT_LT(exchange(), round_trip + 3ms);
  EXPECT_EQ(taken(), 1u);
}

TEST_F(FastOpens, WhenTheNatsAddressChangesTheCookieIsWrongOnce) {
  start({.nat = NatOptions{.outside = outside, .moves = true}});
  EXPECT_LT(exchange(), round_trip + 3ms);
  box->forget();
  EXPECT_GE(exchange(), 2 * round_trip) << "the text goes again behind an ordinary handshake";
  EXPECT_LT(exchange(), round_trip + 3ms) << "with the cookie that came by it";
  EXPECT_EQ(server->counters()[Event::tcp_fast_opens_tried], 3u);
  EXPECT_EQ(taken(), 2u);
}

TEST_F(FastOpens, ASynThatIsLostIsMendedAndTheNextIsOrdinary) {
  start();
  cable.set_up(false);
  const application::StreamId opened = open();
  run_for(500ms);
  cable.set_up(true);
  run_for(700ms);
  EXPECT_EQ(client_app.received, reply);
  EXPECT_EQ(server_app.received, request);
  EXPECT_EQ(taken(), 0u);
  client->stream(opened)->close();
  run_for(100ms);
  EXPECT_GE(exchange(), 2 * round_trip) << "the path rests";
  EXPECT_GE(exchange(), 2 * round_trip) << "it asks again";
  EXPECT_LT(exchange(), round_trip + 3ms);
}

}  // namespace
}  // namespace pollux::world
