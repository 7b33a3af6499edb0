#include <netinet/tcp.h>

#include <array>
#include <string>

#include "plugin_fixture.h"

/// What packetdrill's sockets are told by setsockopt(), as the peer sees it.
namespace pollux {
namespace {

TEST_F(Plugin, TellsHowAConnectionDoes) {
  const int listener = listening_socket();
  establish();
  const int fd = accept(listener);
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  const std::string text(2'500, 'x');
  EXPECT_EQ(calls.write(self, fd, text.data(), text.size()), 2'500);
  struct {
    struct tcp_info known;
    std::array<char, 200> later;
  } info;
  std::memset(&info, 0xFF, sizeof info);
  socklen_t size = sizeof info;
  EXPECT_EQ(calls.getsockopt(self, fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  EXPECT_EQ(size, sizeof info);
  EXPECT_EQ(info.known.tcpi_state, TCP_ESTABLISHED);
  EXPECT_EQ(info.known.tcpi_ca_state, TCP_CA_Open);
  EXPECT_EQ(info.known.tcpi_snd_mss, 1'000u);
  EXPECT_EQ(info.known.tcpi_advmss, 1'460u);
  EXPECT_EQ(info.known.tcpi_snd_cwnd, 10u);
  EXPECT_EQ(info.known.tcpi_unacked, 3u);
  EXPECT_EQ(info.later.back(), 0);
}

TEST_F(Plugin, SegmentsAreAsLongAsTheSocketSays) {
  const int listener = listening_socket();
  set(listener, IPPROTO_TCP, TCP_MAXSEG, 1'100);
  send(control::syn, {}, {.mss = std::uint16_t{1'300}});
  const Heard answer = hear();
  EXPECT_EQ(answer.options.mss, 1'100);
  ack = answer.seq + 1;
  send(control::ack);
  const int fd = accept(listener);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_MAXSEG), 1'100);
  const std::string text(2'000, 'x');
  EXPECT_EQ(calls.write(self, fd, text.data(), text.size()), 2'000);
  EXPECT_EQ(hear().text.size(), 1'100u);

  const int client = calls.socket(self, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  set(client, IPPROTO_TCP, TCP_MAXSEG, 900);
  const sockaddr_in to = address_of(peer, peer_port);
  EXPECT_EQ(calls.connect(self, client, reinterpret_cast<const sockaddr*>(&to), sizeof to), -1);
  Heard next = hear();
  while (next.control != control::syn) next = hear();
  EXPECT_EQ(next.options.mss, 900);
}

TEST_F(Plugin, ASmallSendBufferTakesNoMoreThanItSays) {
  const int listener = listening_socket();
  establish();
  const int fd = accept(listener);
  be_nonblocking(fd);
  set(fd, SOL_SOCKET, SO_SNDBUF, 6'000);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_SNDBUF), 12'000) << "as Linux counts";
  const std::string text(20'000, 'x');
  EXPECT_EQ(calls.write(self, fd, text.data(), text.size()), 8'000);
  EXPECT_EQ(calls.write(self, fd, text.data(), text.size()), -1);
  EXPECT_EQ(errno, EAGAIN);
  ack += 3'000;
  send(control::ack);
  EXPECT_EQ(calls.write(self, fd, text.data(), text.size()), 3'000);
}

TEST_F(Plugin, AReceiveBufferIsTheWindow) {
  const int listener = listening_socket();
  set(listener, SOL_SOCKET, SO_RCVBUF, 5'000);
  send(control::syn, {}, {.mss = std::uint16_t{1'000}});
  const Heard answer = hear();
  EXPECT_EQ(answer.window, 5'000);
  ack = answer.seq + 1;
  send(control::ack, std::string(1'000, 'x'));
  send(control::ack, std::string(1'000, 'x'));
  EXPECT_EQ(hear().window, 3'000);
}

TEST_F(Plugin, KeepAliveGoesByTheSocketsOwnTimes) {
  const int listener = listening_socket();
  establish();
  const int fd = accept(listener);
  EXPECT_EQ(get(fd, IPPROTO_TCP, TCP_KEEPIDLE), 7'200);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 3);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, 2);
  const long long begin = now();
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5);
  const Heard first = hear();
  EXPECT_EQ(first.seq, ack - 1);
  EXPECT_NEAR(static_cast<double>(first.usecs - begin), 5e6, 2e3);
  EXPECT_NEAR(static_cast<double>(hear().usecs - begin), 8e6, 4e3);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_ERROR), 0);
  calls.usleep(self, 3'100'000);
  EXPECT_EQ(get(fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
}

TEST_F(Plugin, ALingerOfNothingResets) {
  const int listener = listening_socket();
  establish();
  const int fd = accept(listener);
  const linger none{.l_onoff = 1, .l_linger = 0};
  EXPECT_EQ(calls.setsockopt(self, fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
  EXPECT_EQ(calls.close(self, fd), 0);
  EXPECT_NE(hear().control & control::rst, 0);
}

TEST_F(Plugin, ACorkHoldsBackWhatFillsNoSegment) {
  const int listener = listening_socket();
  establish();
  const int fd = accept(listener);
  set(fd, IPPROTO_TCP, TCP_CORK, 1);
  EXPECT_EQ(calls.write(self, fd, "some", 4), 4);
  int queued = 0;
  EXPECT_EQ(calls.ioctl(self, fd, 0x5411 /* SIOCOUTQ */, &queued), 0);
  EXPECT_EQ(queued, 4);
  const std::string text(1'000, 'x');
  EXPECT_EQ(calls.write(self, fd, text.data(), text.size()), 1'000);
  EXPECT_EQ(hear().text.size(), 1'000u);
  ack += 1'000;
  send(control::ack);
  const long long begin = now();
  calls.usleep(self, 50'000);
  set(fd, IPPROTO_TCP, TCP_CORK, 0);
  const Heard rest = hear();
  EXPECT_EQ(rest.text, "xxxx");
  EXPECT_GE(rest.usecs - begin, 50'000);
  EXPECT_NE(rest.control & control::psh, 0);
}

TEST_F(Plugin, WhatIsCorkedLeavesWithNodelayAndWithTheFin) {
  const int listener = listening_socket();
  establish();
  const int fd = accept(listener);
  EXPECT_EQ(calls.send(self, fd, "one ", 4, MSG_MORE), 4);
  EXPECT_EQ(calls.send(self, fd, "two", 3, MSG_MORE), 3);
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  const Heard unfinished = hear();
  EXPECT_EQ(unfinished.text, "one two");
  EXPECT_EQ(unfinished.control & control::psh, 0) << "more follows";
  EXPECT_EQ(calls.send(self, fd, "three ", 6, MSG_MORE), 6);
  EXPECT_EQ(calls.write(self, fd, "four", 4), 4);
  const Heard whole = hear();
  EXPECT_EQ(whole.text, "three four");
  EXPECT_NE(whole.control & control::psh, 0);
  set(fd, IPPROTO_TCP, TCP_CORK, 1);
  EXPECT_EQ(calls.write(self, fd, "last", 4), 4);
  EXPECT_EQ(calls.shutdown(self, fd, SHUT_WR), 0);
  const Heard last = hear();
  EXPECT_EQ(last.text, "last");
  EXPECT_NE(last.control & control::fin, 0);
}

}  // namespace
}  // namespace pollux
