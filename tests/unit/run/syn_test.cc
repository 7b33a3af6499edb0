// SYNs of which nobody keeps anything: what leaves, what is made of the answers, and what remains.

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "application/http.h"
#include "generator_world.h"
#include "load/generator.h"

namespace pollux::load {
namespace {

class SynOnly : public GeneratorTest {
 protected:
  static cli::ClientOptions syns(std::uint64_t rate) {
    auto options = to_server();
    options.cps = rate;
    options.syn_only = true;
    return options;
  }
  void expect_nothing_kept() const {
    EXPECT_EQ(client_->connections_in_use(), 0u);
    EXPECT_EQ(client_->time_wait_in_use(), 0u);
    EXPECT_EQ(client_->entries_in_use(), 0u);
    EXPECT_EQ(server_->connections_in_use(), 0u);
    EXPECT_EQ(server_->half_open_in_use(), 0u);
    EXPECT_EQ(server_->time_wait_in_use(), 0u);
  }
  std::uint64_t count(Event event) const { return client_->counters()[event]; }
};

TEST_F(SynOnly, EveryAnswerIsResetAndNothingRemains) {
  start(syns(20'000));
  run_for(100ms);
  measure_for(1s);
  run_for(100ms);
  EXPECT_TRUE(generator_->idle());
  expect_nothing_kept();
  stop();
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().attempted}), 20'000, 20);
  EXPECT_EQ(tally().established, tally().attempted);
  EXPECT_EQ(tally().completed, tally().attempted);
  EXPECT_EQ(tally().failed, 0u);
  EXPECT_EQ(tally().requests_sent, 0u);
  expect_balanced(tally());
  // SYN, SYN,ACK, RST, and nothing else.
  EXPECT_EQ(count(Event::tcp_segments_received), count(Event::tcp_resets_sent));
  EXPECT_EQ(count(Event::tcp_segments_sent), 2 * count(Event::tcp_resets_sent));
  EXPECT_EQ(count(Event::tcp_active_opens), 0u);
  EXPECT_EQ(client_->counters()[Drop::tcp_no_connection], 0u) << "an answer is delivered";
  EXPECT_EQ(responder_->tally().attempted, 0u);
}

TEST_F(SynOnly, CookiesAreResetToo) {
  server_cookies_ = tcp::SynCookieUse::always;
  start(syns(20'000));
  measure_for(1s);
  run_for(100ms);
  expect_nothing_kept();
  stop();
  EXPECT_EQ(tally().completed, tally().attempted);
  EXPECT_GE(server_->counters()[Event::tcp_syn_cookies_sent], tally().attempted);
  EXPECT_EQ(server_->counters()[Event::tcp_syn_cookies_sent], count(Event::tcp_resets_sent));
  EXPECT_EQ(server_->counters()[Event::tcp_passive_opens], 0u);
}

TEST_F(SynOnly, MoreThanTheServerKeepsIsAnsweredAllTheSame) {
  server_half_open_ = 64;
  start(syns(100'000), {.delay = 10ms});
  run_for(100ms);
  measure_for(300ms);
  run_for(100ms);
  expect_nothing_kept();
  stop();
  EXPECT_EQ(tally().completed, tally().attempted);
  EXPECT_GT(server_->counters()[Event::tcp_syn_cookies_sent], 20'000u);
}

TEST_F(SynOnly, WhoIsRefusedFails) {
  start(syns(1'000), {.delay = 1ms}, 81);
  measure_for(1s);
  run_for(100ms);
  expect_nothing_kept();
  stop();
  EXPECT_GE(tally().attempted, 995u);
  EXPECT_EQ(tally().refused, tally().attempted);
  EXPECT_EQ(tally().failed, tally().attempted);
  EXPECT_EQ(tally().established, 0u);
  EXPECT_EQ(count(Event::tcp_resets_sent), 0u);
  expect_balanced(tally());
}

TEST_F(SynOnly, WhatIsNotAnsweredHasTimedOut) {
  start(syns(10'000), {.delay = 1ms});
  run_for(100ms);
  responder_->begin_measuring(world_.now());
  generator_->begin_measuring(world_.now());
  run_for(500ms);
  cable_->set_up(false);
  run_for(500ms);
  generator_->wind_down(world_.now());
  run_for(100ms);
  EXPECT_FALSE(generator_->idle());
  stop();
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().completed}), 5'000, 50);
  EXPECT_EQ(tally().timed_out, tally().failed);
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().failed}), 5'000, 50);
  EXPECT_TRUE(generator_->idle());
  expect_balanced(tally());
}

TEST_F(SynOnly, NobodyAnswersArpIsNamed) {
  auto options = syns(100);
  options.targets = {{wire::Ipv4Address{10, 0, 0, 99}, 80}};
  start(options);
  run_for(5s);
  measure_for(1s);
  stop();
  // Those that left while it was asked for once more were not answered, and no more is known.
  EXPECT_GE(tally().attempted, 99u);
  EXPECT_GT(tally().no_arp, 0u);
  EXPECT_EQ(tally().no_arp + tally().timed_out, tally().failed);
  expect_balanced(tally());
}

TEST_F(SynOnly, AnswersToTheWarmUpAreNotCounted) {
  start(syns(1'000), {.delay = 40ms});
  run_for(1s);
  measure_for(60ms);
  EXPECT_NEAR(static_cast<double>(std::uint64_t{tally().attempted}), 60, 2);
  EXPECT_EQ(tally().completed, 0u) << "their answers take 80 ms";
  run_for(200ms);
  EXPECT_EQ(tally().completed, tally().attempted);
  stop();
}

/// Sends SYNs when a test says so, and notes what comes back.
class Caller {
 public:
  struct Session {};
  void on_closed(auto&, application::StreamId, Session&, Cause) noexcept {}
  void on_syn_answer(auto& stack, const application::SynAnswer& answer) noexcept {
    answers.push_back(answer);
    if (unlistens != 0) stack.unlisten(unlistens);
  }
  std::vector<application::SynAnswer> answers;
  std::uint16_t unlistens = 0;  // when an answer comes
};

class LoneSyn : public testing::Test {
 protected:
  using Asking = pipeline::Pipeline<sim::Device, Caller>;
  using Served = pipeline::Pipeline<sim::Device, Responder>;

  LoneSyn() {
    auto config = config_for(client_address, 2);
    config.interface.addresses = {{{client_address, 24}, 3}};
    server_ =
        std::move(*Served::make(config_for(server_address, 1), near_, responder_, world_.now()));
    stack_ = std::move(*Asking::make(config, far_, caller_, world_.now()));
    world_.add_host(*server_, {&near_});
    world_.add_host(*stack_, {&far_});
    server_->start(world_.now());
    stack_->start(world_.now());
    run_for(10s);
  }
  void run_for(Duration time) { ASSERT_TRUE(world_.run_for(time)); }
  /// The stack's clock is that of its last poll, which may be long ago.
  void send(std::uint64_t turn) {
    run_for(Duration{0});
    ASSERT_TRUE(stack_->send_syn(to_, turn));
  }

  const application::Endpoint to_{server_address, 80};
  sim::World world_{7};
  sim::Device& near_ = world_.add_device({.name = "server", .mac = {{2, 0, 0, 0, 0, 1}}});
  sim::Device& far_ = world_.add_device({.name = "client", .mac = {{2, 0, 0, 0, 0, 2}}});
  sim::Cable cable_ = world_.connect(near_, far_, {.delay = 1ms});
  Responder responder_{std::move(*application::HttpResponder::make({}))};
  Caller caller_;
  std::unique_ptr<Served> server_;
  std::unique_ptr<Asking> stack_;
};

TEST_F(LoneSyn, TurnsMeetEveryAddressAndPortOnce) {
  send(0);
  run_for(10ms);
  for (std::uint64_t turn = 0; turn < 3'000; ++turn) {
    send(turn);
    if (turn % 32 == 31) run_for(10ms);
  }
  run_for(10ms);
  // And after all pairs of three addresses and 64,512 ports the first comes again.
  send(3 * 64'512);
  run_for(10ms);
  ASSERT_EQ(caller_.answers.size(), 3'002u);
  const auto& first = caller_.answers.front();
  EXPECT_EQ(first.local, caller_.answers[1].local);
  EXPECT_EQ(first.local, caller_.answers.back().local);
  std::set<std::pair<std::uint32_t, std::uint16_t>> pairs;
  std::set<std::uint32_t> addresses;
  for (const auto& answer : caller_.answers) {
    EXPECT_EQ(answer.remote, to_);
    EXPECT_TRUE(answer.accepted);
    EXPECT_GE(answer.local.port, 1024);
    pairs.emplace(answer.local.address.value(), answer.local.port);
    addresses.insert(answer.local.address.value());
  }
  EXPECT_EQ(pairs.size(), 3'000u);
  EXPECT_EQ(addresses.size(), 3u);
}

TEST_F(LoneSyn, TheAnswerKnowsWhenItLeft) {
  send(5);
  run_for(20ms);
  const Instant sent = world_.now();
  send(6);
  run_for(20ms);
  ASSERT_EQ(caller_.answers.size(), 2u);
  EXPECT_LE(caller_.answers[1].sent, sent);
  EXPECT_LT(sent - caller_.answers[1].sent, 4us);
  EXPECT_EQ(caller_.answers[1].sent - caller_.answers[0].sent, 20ms);
}

TEST_F(LoneSyn, WhatAnswersNoneOfThemIsNotTold) {
  const auto dropped = stack_->counters()[Drop::tcp_no_connection];
  // An ordinary connection of the server's stack to a port where nobody listens: a stray SYN; and
  // an answer so late that nobody knows it any more.
  ASSERT_TRUE(server_->connect({client_address, 4'000}));
  run_for(100ms);
  EXPECT_TRUE(caller_.answers.empty());
  EXPECT_EQ(stack_->counters()[Drop::tcp_no_connection], dropped + 1);
  cable_.there.options().delay = 5s;
  send(1);
  run_for(20s);
  EXPECT_TRUE(caller_.answers.empty());
  EXPECT_GE(stack_->counters()[Drop::tcp_no_connection], dropped + 2);
}

// The ACK of a handshake comes in one burst behind the answer by which its listener ends.
TEST_F(LoneSyn, ItsAnswerMayEndAListener) {
  send(0);
  run_for(10ms);
  ASSERT_TRUE(stack_->listen(4'000));
  caller_.unlistens = 4'000;
  run_for(Duration{0});
  ASSERT_TRUE(server_->connect({client_address, 4'000}));
  run_for(500us);
  send(3);  // from the address of the first, which the server knows
  run_for(1ms);
  ASSERT_EQ(stack_->half_open_in_use(), 1u);
  world_.pause(*stack_, 5ms);
  run_for(20ms);
  EXPECT_EQ(caller_.answers.size(), 2u);
  EXPECT_EQ(stack_->half_open_in_use(), 0u);
  EXPECT_EQ(stack_->connections_in_use(), 0u);
  EXPECT_EQ(server_->connections_in_use(), 0u) << "nobody has told it";
}

TEST_F(LoneSyn, AConnectionOfTheStackIsLeftAlone) {
  ASSERT_TRUE(stack_->connect(to_));
  run_for(100ms);
  ASSERT_EQ(stack_->connections_in_use(), 1u);
  const auto mine = stack_->stream_at(0)->local();
  // The server finds out where each of the addresses is, and has room for a few answers meanwhile.
  for (std::uint64_t turn = 0; turn < 3; ++turn) ASSERT_TRUE(stack_->send_syn(to_, turn + 1'000));
  run_for(100ms);
  ASSERT_EQ(caller_.answers.size(), 3u);
  caller_.answers.clear();
  std::uint32_t refused = 0;
  for (std::uint64_t turn = 0; turn < 3 * 64'512; ++turn) {
    const auto sent = stack_->send_syn(to_, turn);
    if (!sent) {
      ++refused;
      EXPECT_EQ(sent.error(), application::StackError::in_use);
    }
    if (turn % 32 == 31) run_for(100us);
  }
  run_for(100ms);
  EXPECT_EQ(refused, 1u);
  EXPECT_EQ(stack_->connections_in_use(), 1u);
  for (const auto& answer : caller_.answers) EXPECT_NE(answer.local, mine);
  EXPECT_EQ(caller_.answers.size(), 3 * 64'512u - 1);
}

TEST_F(LoneSyn, ThereMustBeAWay) {
  using application::StackError;
  EXPECT_EQ(stack_->send_syn({server_address, 0}, 1).error(), StackError::invalid);
  EXPECT_EQ(stack_->send_syn({{224, 0, 0, 1}, 80}, 1).error(), StackError::invalid);
  EXPECT_EQ(stack_->send_syn({{10, 0, 0, 255}, 80}, 1).error(), StackError::no_route);
  ASSERT_TRUE(stack_->send_syn({{10, 0, 0, 99}, 80}, 1)) << "it waits for the neighbour";
  run_for(10s);
  EXPECT_EQ(stack_->send_syn({{10, 0, 0, 99}, 80}, 1).error(), StackError::no_neighbor);
  stack_->stop(world_.now());
  EXPECT_EQ(stack_->send_syn(to_, 1).error(), StackError::stopped);
}

}  // namespace
}  // namespace pollux::load
