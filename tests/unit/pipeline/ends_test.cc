#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <vector>

#include "pipeline/pipeline.h"
#include "sim/device.h"
#include "sim/world.h"

/// Every connection ends in one on_closed(), whoever ends it and from wherever.
namespace pollux::pipeline {
namespace {

using application::StreamId;

constexpr wire::Ipv4Address server_address{10, 0, 0, 1};
constexpr wire::Ipv4Address client_address{10, 0, 0, 2};
constexpr std::uint16_t port = 7;
constexpr std::array<std::byte, 10> line{};

enum class Move { none, abort, close, close_within, consume };

/// Lays hands on a stream at a moment that is not its own.
struct Meddler {
  struct Session {};
  // What to do.
  int connections = 0;  // to open at start
  bool listens = false;
  bool sends = false;                // a line, once up
  bool shuts = false;                // its half, once up
  bool reads = true;                 // or leaves what comes
  Move at_start = Move::none;        // to each connection
  Move at_poll = Move::none;         // to `victim`
  Move at_last_read = Move::none;    // to the first of three, when the last can be read
  Move at_new_in_poll = Move::none;  // opens one in on_poll(), and does this to it
  std::optional<StreamId> victim;
  bool reopens = false;  // when one has ended
  // What happened.
  std::vector<StreamId> up;
  std::vector<Cause> closed;
  int readable = 0;
  std::optional<Result<StreamId, application::StackError>> reopened;

  void on_start(auto& stack) noexcept {
    if (listens) static_cast<void>(stack.listen(port));
    for (int i = 0; i < connections; ++i) {
      const auto id = stack.connect({server_address, port});
      if (at_start != Move::none) act(stack, *id, at_start);
    }
  }
  void on_accepted(application::Stream auto& stream) noexcept { begin(stream); }
  void on_connected(application::Stream auto& stream) noexcept { begin(stream); }
  void on_readable(application::Stream auto& stream) noexcept {
    ++readable;
    if (at_last_read != Move::none && up.size() == 3) {
      act(stream.stack(), up.front(), std::exchange(at_last_read, Move::none));
    }
    if (reads) read(stream);
  }
  void on_closed(auto& stack, StreamId, Session&, Cause cause) noexcept {
    closed.push_back(cause);
    if (reopens) reopened = stack.connect({server_address, port});
  }
  void on_poll(auto& stack) noexcept {
    if (at_poll != Move::none && victim) act(stack, *victim, std::exchange(at_poll, Move::none));
    if (at_new_in_poll != Move::none) {
      const auto id = stack.connect({server_address, port});
      act(stack, *id, std::exchange(at_new_in_poll, Move::none));
    }
  }

 private:
  void begin(auto& stream) noexcept {
    up.push_back(stream.id());
    if (sends) static_cast<void>(stream.send({line.data(), line.size()}));
    if (shuts) stream.shutdown_send();
  }
  static void read(auto& stream) noexcept {
    for (auto bytes = stream.readable(); !bytes.empty(); bytes = stream.readable()) {
      stream.consume(bytes.size());
    }
  }
  static void act(auto& stack, StreamId id, Move move) noexcept {
    auto stream = stack.stream(id);
    if (!stream) return;
    if (move == Move::abort) stream->abort();
    if (move == Move::close) stream->close();
    if (move == Move::close_within) {
      EXPECT_TRUE(stream->close_within(10s));
    }
    if (move == Move::consume) read(*stream);
  }
};

class Ends : public testing::Test {
 protected:
  using Stack = Pipeline<sim::Device, Meddler>;

  static Config config_for(wire::Ipv4Address own) {
    Config config;
    config.interface.addresses = {{{own, 24}, 1}};
    config.connections = config.half_open = config.time_wait = config.flights = 16;
    config.send_pieces = config.receive_pieces = 64;
    config.seed = own.value();
    return config;
  }
  void start() {
    world_.connect(server_device_, client_device_, {.delay = 1ms});
    server_ = std::move(
        *Stack::make(config_for(server_address), server_device_, server_app_, world_.now()));
    client_ = std::move(
        *Stack::make(config_for(client_address), client_device_, client_app_, world_.now()));
    world_.add_host(*server_, {&server_device_});
    world_.add_host(*client_, {&client_device_});
    server_->start(world_.now());
    client_->start(world_.now());
  }
  void run_for(Duration time) {
    const auto status = world_.run_for(time);
    ASSERT_TRUE(status) << status.error().why;
  }
  /// The peer sends a line and both ends shut their halves; the server leaves the line unread.
  void end_with_unread_text() {
    server_app_.listens = server_app_.shuts = true;
    server_app_.reads = false;
    client_app_.connections = 1;
    client_app_.sends = client_app_.shuts = true;
    start();
    run_for(1s);
    ASSERT_EQ(server_app_.up.size(), 1u);
    ASSERT_EQ(server_app_.readable, 1);
    ASSERT_TRUE(server_app_.closed.empty()) << "the end is told behind the last byte";
    ASSERT_EQ(server_->connections_in_use(), 1u);
    server_app_.victim = server_app_.up[0];
  }
  void expect_nothing_left() {
    run_for(5min);
    EXPECT_EQ(server_->connections_in_use(), 0u);
    EXPECT_EQ(client_->connections_in_use(), 0u);
    EXPECT_EQ(world_.frames().live(), 0u);
  }

  sim::World world_{1};
  sim::Device& server_device_ = world_.add_device({.name = "server", .mac = {{2, 0, 0, 0, 0, 1}}});
  sim::Device& client_device_ = world_.add_device({.name = "client", .mac = {{2, 0, 0, 0, 0, 2}}});
  Meddler server_app_;
  Meddler client_app_;
  std::unique_ptr<Stack> server_;
  std::unique_ptr<Stack> client_;
};

TEST_F(Ends, ANeighbourIsAbortedAfterItsTurn) {
  server_app_.listens = true;
  server_app_.at_last_read = Move::abort;
  client_app_.connections = 3;
  client_app_.sends = true;
  start();
  run_for(1s);
  ASSERT_EQ(server_app_.up.size(), 3u);
  EXPECT_EQ(server_app_.closed, std::vector{Cause::aborted});
  EXPECT_EQ(client_app_.closed, std::vector{Cause::reset_at_end});
  EXPECT_EQ(server_->connections_in_use(), 2u);
}

TEST_F(Ends, ANeighbourWithUnreadTextIsClosedAfterItsTurn) {
  server_app_.listens = true;
  server_app_.reads = false;
  server_app_.at_last_read = Move::close;
  client_app_.connections = 3;
  client_app_.sends = true;
  start();
  run_for(1s);
  EXPECT_EQ(server_app_.closed, std::vector{Cause::aborted});
  EXPECT_EQ(client_app_.closed, std::vector{Cause::reset_at_end});
  EXPECT_EQ(server_->connections_in_use(), 2u);
}

TEST_F(Ends, AbortInOnPoll) {
  server_app_.listens = true;
  client_app_.connections = 1;
  start();
  run_for(1s);
  ASSERT_EQ(client_app_.up.size(), 1u);
  client_app_.victim = client_app_.up[0];
  client_app_.at_poll = Move::abort;
  run_for(1s);
  EXPECT_EQ(client_app_.closed, std::vector{Cause::aborted});
  EXPECT_EQ(server_app_.closed, std::vector{Cause::reset});
  expect_nothing_left();
}

TEST_F(Ends, OpenedAndClosedInOnePoll) {
  server_app_.listens = true;
  start();
  client_app_.at_new_in_poll = Move::close;
  run_for(1s);
  EXPECT_EQ(client_app_.closed, std::vector{Cause::by_us});
  client_app_.at_new_in_poll = Move::abort;
  run_for(1s);
  EXPECT_EQ(client_app_.closed, (std::vector{Cause::by_us, Cause::aborted}));
  expect_nothing_left();
}

TEST_F(Ends, AbortInOnStart) {
  server_app_.listens = true;
  client_app_.connections = 2;
  client_app_.at_start = Move::abort;
  start();
  run_for(1s);
  EXPECT_EQ(client_app_.closed, (std::vector{Cause::aborted, Cause::aborted}));
  expect_nothing_left();
}

TEST_F(Ends, TheRestIsReadInOnPoll) {
  end_with_unread_text();
  server_app_.at_poll = Move::consume;
  run_for(1s);
  EXPECT_EQ(server_app_.closed.size(), 1u);
  expect_nothing_left();
}

TEST_F(Ends, AReaderThatLeavesTheRestCloses) {
  end_with_unread_text();
  server_app_.at_poll = Move::close;
  run_for(1s);
  EXPECT_EQ(server_app_.closed.size(), 1u);
  expect_nothing_left();
}

TEST_F(Ends, AReaderThatLeavesTheRestAborts) {
  end_with_unread_text();
  server_->stream(*server_app_.victim)->abort();
  run_for(1s);
  EXPECT_EQ(server_app_.closed, std::vector{Cause::aborted});
  expect_nothing_left();
}

TEST_F(Ends, StopEndsWhatIsOverButUnread) {
  end_with_unread_text();
  server_->stop(world_.now());
  EXPECT_EQ(server_app_.closed, std::vector{Cause::aborted});
  EXPECT_EQ(server_->connections_in_use(), 0u);
}

TEST_F(Ends, NothingIsOpenedWhileAStackStops) {
  server_app_.listens = true;
  client_app_.connections = 3;
  client_app_.reopens = true;
  start();
  run_for(1s);
  ASSERT_EQ(client_app_.up.size(), 3u);
  client_->stop(world_.now());
  EXPECT_EQ(client_app_.closed.size(), 3u);
  ASSERT_TRUE(client_app_.reopened);
  ASSERT_FALSE(*client_app_.reopened);
  EXPECT_EQ(client_app_.reopened->error(), application::StackError::stopped);
  expect_nothing_left();
}

TEST_F(Ends, AClosedConnectionThatIsOneTooManyIsReset) {
  server_app_.listens = true;
  server_app_.reads = false;  // and so does not close
  client_app_.connections = 10;
  client_app_.sends = true;
  start();
  run_for(1s);
  ASSERT_EQ(client_app_.up.size(), 10u);
  for (const StreamId id : client_app_.up) client_->stream(id)->close();
  run_for(1s);
  // Of 16 connections half may live on; the server has the others' text, and hears of the resets.
  EXPECT_EQ(client_app_.closed, (std::vector{Cause::aborted, Cause::aborted}));
  EXPECT_EQ(server_app_.closed.size(), 2u);
  EXPECT_EQ(client_->connections_in_use(), 8u);
  EXPECT_EQ(client_->counters()[Event::tcp_orphans_reset], 2u);
  // FIN-WAIT-2 has an end, and makes room.
  run_for(2min);
  EXPECT_EQ(client_->connections_in_use(), 0u);
  client_app_.at_new_in_poll = Move::close;
  run_for(1s);
  EXPECT_EQ(client_->counters()[Event::tcp_orphans_reset], 2u);
}

TEST_F(Ends, CloseWithinALimitResetsWhatIsNotOver) {
  server_app_.listens = true;
  client_app_.connections = 2;
  start();
  run_for(1s);
  ASSERT_EQ(client_app_.up.size(), 2u);
  client_app_.victim = client_app_.up[0];
  client_app_.at_poll = Move::close_within;
  run_for(9s);
  EXPECT_TRUE(client_app_.closed.empty()) << "FIN-WAIT-2: the server has not closed";
  run_for(2s);
  EXPECT_EQ(client_app_.closed, std::vector{Cause::aborted});
  EXPECT_EQ(server_app_.closed, std::vector{Cause::reset});
}

TEST_F(Ends, CloseWithinALimitIsAnOrderlyEndBeforeIt) {
  server_app_.listens = server_app_.shuts = true;
  client_app_.connections = 1;
  start();
  run_for(1s);
  client_app_.victim = client_app_.up[0];
  client_app_.at_poll = Move::close_within;
  run_for(1s);
  EXPECT_EQ(client_app_.closed, std::vector{Cause::by_peer});
  expect_nothing_left();
  EXPECT_EQ(client_->entries_in_use(), 0u);
}

TEST_F(Ends, ACorkHoldsBackForAFifthOfASecondAtMost) {
  server_app_.listens = true;
  client_app_.connections = 1;
  start();
  run_for(1s);
  ASSERT_EQ(client_app_.up.size(), 1u);
  const auto write = [&] {
    auto stream = client_->stream(client_app_.up[0]);
    stream->options({.cork = true});
    EXPECT_TRUE(stream->send({line.data(), line.size()}));
  };
  write();
  run_for(199ms);
  EXPECT_EQ(server_app_.readable, 0);
  run_for(5ms);
  EXPECT_EQ(server_app_.readable, 1);
  // The cork stays for what comes then.
  write();
  run_for(100ms);
  write();
  run_for(90ms);
  EXPECT_EQ(server_app_.readable, 1);
  run_for(20ms);
  EXPECT_EQ(server_app_.readable, 2) << "both lines in one segment";
  run_for(100ms);
  EXPECT_EQ(client_->stream(client_app_.up[0])->unacknowledged(), 0u);
}

TEST_F(Ends, WithoutATimerACorkHoldsNothingBack) {
  server_app_.listens = true;
  client_app_.connections = 1;
  start();
  run_for(1s);
  while (client_->after(1h, 0)) {
  }
  auto stream = client_->stream(client_app_.up[0]);
  stream->options({.cork = true});
  EXPECT_TRUE(stream->send({line.data(), line.size()}));
  EXPECT_FALSE(stream->close_within(1s));
  run_for(10ms);
  EXPECT_EQ(server_app_.readable, 1);
  EXPECT_TRUE(client_app_.closed.empty());
}

}  // namespace
}  // namespace pollux::pipeline
