// Pipelines of several cores at once, each on a thread of its own: two server queues and one
// client. Built with ThreadSanitizer it shows that nothing but counters and messages is shared.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "heap_packet.h"
#include "pipeline/pipeline.h"

namespace pollux::pipeline {
namespace {

using application::Endpoint;
using application::StreamId;
using testing::ThreadDevice;

constexpr wire::Ipv4Address server_address{10, 0, 0, 1};
constexpr wire::Ipv4Address client_address{10, 0, 0, 2};
constexpr std::uint16_t port = 80;

struct Server {
  struct Session {};
  using Message = int;
  std::atomic<int> messages{0};

  void on_start(auto& stack) noexcept { static_cast<void>(stack.listen(port)); }
  void on_readable(application::Stream auto& stream) noexcept {
    stream.consume(stream.readable().size());
    static constexpr std::byte answer[4]{};
    static_cast<void>(stream.send({answer, sizeof answer}));
    stream.close();
  }
  void on_closed(auto&, StreamId, Session&, Cause) noexcept {}
  void on_message(auto&, int&& n) noexcept { messages.fetch_add(n); }
};

struct Client {
  struct Session {};
  static constexpr int at_once = 32;
  int wanted = 0;
  int opened = 0;
  int live = 0;
  std::atomic<int> completed{0};
  std::atomic<int> failed{0};

  void on_start(auto&) noexcept {}
  void on_poll(auto& stack) noexcept {
    while (opened < wanted && live < at_once && stack.connect(Endpoint{server_address, port})) {
      ++opened;
      ++live;
    }
  }
  void on_connected(application::Stream auto& stream) noexcept {
    static constexpr std::byte question[16]{};
    static_cast<void>(stream.send({question, sizeof question}));
  }
  void on_readable(application::Stream auto& stream) noexcept {
    stream.consume(stream.readable().size());
  }
  void on_peer_closed(application::Stream auto& stream) noexcept { stream.close(); }
  void on_closed(auto&, StreamId, Session&, Cause cause) noexcept {
    --live;
    (cause == Cause::by_peer ? completed : failed).fetch_add(1);
  }
};

Config config_for(wire::Ipv4Address own, std::uint64_t seed) {
  Config config;
  config.interface.addresses = {{{own, 24}, 1}};
  config.connections = 2'000;
  config.half_open = 1'000;
  config.time_wait = 10'000;
  config.seed = seed;
  return config;
}

Instant now() {
  return Instant{
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

TEST(Threads, TwoServerCoresAndAClientShareNothingButFramesNewsAndCounters) {
  constexpr int connections = 2'000;
  const wire::MacAddress server_mac{{2, 0, 0, 0, 0, 1}};
  const wire::MacAddress client_mac{{2, 0, 0, 0, 0, 2}};
  ThreadDevice::Ring to_server0{4096}, to_server1{4096}, from_server0{4096}, from_server1{4096};
  // The client polls one ring, so that its two senders need one each: it has a port for each.
  ThreadDevice server_device0{to_server0, {&from_server0}, server_mac};
  ThreadDevice server_device1{to_server1, {&from_server1}, server_mac};

  struct Both {
    using Packet = testing::HeapPacket;
    ThreadDevice a, b;
    void receive(packet::Burst<Packet, link::burst_size>& burst) noexcept {
      a.receive(burst);
      b.receive(burst);
    }
    std::size_t transmit(packet::Burst<Packet, link::burst_size>& burst) noexcept {
      return a.transmit(burst);
    }
    Packet allocate() noexcept { return a.allocate(); }
    wire::MacAddress mac() const noexcept { return a.mac(); }
    std::uint16_t mtu() const noexcept { return 1500; }
    link::Capabilities capabilities() const noexcept { return {}; }
  };
  Both client_device{{from_server0, {&to_server0, &to_server1}, client_mac},
                     {from_server1, {&to_server0}, client_mac}};

  Server server0, server1;
  Client client;
  client.wanted = connections;
  auto pipe0 = std::move(*Pipeline<ThreadDevice, Server>::make(config_for(server_address, 1),
                                                               server_device0, server0, now()));
  auto pipe1 = std::move(*Pipeline<ThreadDevice, Server>::make(config_for(server_address, 2),
                                                               server_device1, server1, now()));
  pipe0->tell_neighbors_to(*pipe1);
  pipe1->tell_neighbors_to(*pipe0);
  auto pipe2 = std::move(
      *Pipeline<Both, Client>::make(config_for(client_address, 3), client_device, client, now()));

  std::atomic<bool> stop{false};
  const auto loop = [&stop](auto& pipeline) {
    pipeline.start(now());
    while (!stop.load()) pipeline.poll(now());
    pipeline.stop(now());
  };
  std::thread thread0{[&] { loop(*pipe0); }};
  std::thread thread1{[&] { loop(*pipe1); }};
  std::thread thread2{[&] { loop(*pipe2); }};

  const Instant deadline = now() + 60s;
  std::uint64_t seen = 0;
  while (client.completed.load() + client.failed.load() < connections && now() < deadline) {
    seen = pipe0->counters()[Event::tcp_established] + pipe1->counters()[Event::tcp_established];
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  while (!pipe0->post(3) || !pipe1->post(4)) std::this_thread::yield();
  while (server0.messages.load() + server1.messages.load() < 7 && now() < deadline) {
    std::this_thread::yield();
  }
  stop.store(true);
  thread0.join();
  thread1.join();
  thread2.join();

  EXPECT_EQ(client.completed.load(), connections);
  EXPECT_EQ(client.failed.load(), 0);
  EXPECT_EQ(server0.messages.load(), 3);
  EXPECT_EQ(server1.messages.load(), 4);
  EXPECT_LE(seen, static_cast<std::uint64_t>(connections));
  // Both cores have had their part.
  EXPECT_GT(pipe0->counters()[Event::tcp_established], 0u);
  EXPECT_GT(pipe1->counters()[Event::tcp_established], 0u);
  for (const Counters* counters : {&pipe0->counters(), &pipe1->counters(), &pipe2->counters()}) {
    EXPECT_EQ((*counters)[Event::frames_received],
              (*counters)[Event::frames_delivered] + counters->dropped());
  }
}

}  // namespace
}  // namespace pollux::pipeline
