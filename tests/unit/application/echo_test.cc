#include "application/echo.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "fake_stack.h"

namespace pollux::application {
namespace {

static_assert(Application<UdpEcho> && Application<TcpEcho> && Application<TcpDiscard>);

TEST(TcpEcho, GivesBackWhatCameThroughAnyWindow) {
  FakeStack<TcpEcho::Session> stack;
  TcpEcho echo{7};
  echo.on_start(stack);
  EXPECT_TRUE(echo.listening());
  EXPECT_TRUE(stack.ports.contains(7));
  auto stream = stack.open();
  auto& c = stack.connections[0];
  c.window = 3;
  c.input = {"hello ", "world"};
  echo.on_readable(stream);
  EXPECT_EQ(c.output, "hel");
  c.peer_closed = true;
  echo.on_peer_closed(stream);
  EXPECT_FALSE(c.closed);
  while (c.taken != c.output.size()) {
    c.taken = c.output.size();
    echo.on_writable(stream);
  }
  EXPECT_EQ(c.output, "hello world");
  EXPECT_TRUE(c.closed);
  EXPECT_FALSE(c.reset);
}

TEST(TcpDiscard, CountsAndSaysNothing) {
  FakeStack<TcpDiscard::Session> stack;
  TcpDiscard discard{9};
  discard.on_start(stack);
  EXPECT_TRUE(discard.listening());
  auto stream = stack.open();
  auto& c = stack.connections[0];
  c.input = {"hello ", "world"};
  discard.on_readable(stream);
  EXPECT_EQ(discard.discarded(), 11u);
  EXPECT_FALSE(c.closed);
  c.peer_closed = true;
  discard.on_peer_closed(stream);
  EXPECT_TRUE(c.closed);
  EXPECT_EQ(c.output, "");
}

/// A stack that only knows datagrams.
struct DatagramStack {
  bool bind(std::uint16_t port) noexcept { return port != 0; }
  bool send_datagram(Endpoint from, Endpoint to, std::span<const std::byte> bytes) noexcept {
    local = from;
    remote = to;
    sent.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return works;
  }
  Endpoint local;
  Endpoint remote;
  std::string sent;
  bool works = true;
};

TEST(UdpEcho, AnswersFromWhereItWasAsked) {
  DatagramStack stack;
  UdpEcho echo{7};
  echo.on_start(stack);
  EXPECT_TRUE(echo.bound());
  const std::string_view text = "ping";
  const Datagram datagram{{wire::Ipv4Address{10, 0, 0, 1}, 7},
                          {wire::Ipv4Address{10, 0, 0, 2}, 4000},
                          std::as_bytes(std::span{text.data(), text.size()})};
  echo.on_datagram(stack, datagram);
  EXPECT_EQ(stack.sent, "ping");
  EXPECT_EQ(stack.local, datagram.local);
  EXPECT_EQ(stack.remote, datagram.remote);
  stack.works = false;
  echo.on_datagram(stack, datagram);
  EXPECT_EQ(echo.echoed(), 1u);
  EXPECT_EQ(echo.failed(), 1u);
  UdpEcho nowhere{0};
  nowhere.on_start(stack);
  EXPECT_FALSE(nowhere.bound());
}

TEST(UdpEcho, DoesNotAnswerAnotherEcho) {
  for (const std::uint16_t port : {std::uint16_t{7}, std::uint16_t{7007}}) {
    DatagramStack stack;
    UdpEcho echo{7007};
    const Datagram datagram{
        {wire::Ipv4Address{10, 0, 0, 1}, 7007}, {wire::Ipv4Address{10, 0, 0, 2}, port}, {}};
    echo.on_datagram(stack, datagram);
    EXPECT_EQ(stack.remote.port, 0u);
    EXPECT_EQ(echo.refused(), 1u);
    EXPECT_EQ(echo.echoed() + echo.failed(), 0u);
  }
}

}  // namespace
}  // namespace pollux::application
