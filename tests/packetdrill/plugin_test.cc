#include <array>
#include <string>
#include <thread>
#include <vector>

#include "plugin_fixture.h"

namespace pollux {
namespace {

TEST_F(Plugin, CarriesAConnectionFromSynToFin) {
  const int listener = listening_socket();
  establish();
  const int fd = accept(listener);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(calls.write(self, fd, "hello", 5), 5);
  const Heard text = hear();
  EXPECT_EQ(text.text, "hello");
  EXPECT_EQ(text.seq, ack);
  ack += 5;
  send(control::ack, "to you");
  int waiting = 0;
  EXPECT_EQ(calls.ioctl(self, fd, 0x541B /* SIOCINQ */, &waiting), 0);
  EXPECT_EQ(waiting, 6);
  std::array<char, 16> buffer{};
  EXPECT_EQ(calls.recv(self, fd, buffer.data(), buffer.size(), MSG_PEEK), 6);
  EXPECT_EQ(calls.read(self, fd, buffer.data(), buffer.size()), 6);
  EXPECT_EQ(std::string(buffer.data(), 6), "to you");
  EXPECT_EQ(hear().ack, seq);  // the delayed ACK
  EXPECT_EQ(calls.close(self, fd), 0);
  EXPECT_EQ(hear().control, control::fin | control::ack);
  ack += 1;
  send(control::fin | control::ack);
  EXPECT_EQ(hear().ack, seq);
}

TEST_F(Plugin, SaysWhatLinuxSays) {
  EXPECT_EQ(calls.read(self, 77, nullptr, 0), -1);
  EXPECT_EQ(errno, EBADF);
  const int fd = calls.socket(self, AF_INET, SOCK_STREAM, IPPROTO_TCP);
  EXPECT_EQ(calls.socket(self, AF_INET6, SOCK_STREAM, 0), -1);
  EXPECT_EQ(errno, EAFNOSUPPORT);
  EXPECT_EQ(calls.fcntl(self, fd, F_GETFL), O_RDWR);
  be_nonblocking(fd);
  EXPECT_EQ(calls.fcntl(self, fd, F_GETFL), O_RDWR | O_NONBLOCK);
  char byte = 0;
  EXPECT_EQ(calls.read(self, fd, &byte, 1), -1);
  EXPECT_EQ(errno, ENOTCONN);
  EXPECT_EQ(calls.read(self, fd, nullptr, 1), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(calls.write(self, fd, nullptr, 1), -1);
  EXPECT_EQ(errno, EFAULT);
  const iovec missing{nullptr, 1};
  EXPECT_EQ(calls.writev(self, fd, &missing, 1), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(calls.accept(self, fd, nullptr, nullptr), -1);
  EXPECT_EQ(errno, EINVAL);
  const sockaddr_in to = address_of(peer, peer_port);
  const auto* const where = reinterpret_cast<const sockaddr*>(&to);
  EXPECT_EQ(calls.connect(self, fd, where, sizeof to), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  EXPECT_EQ(hear().control, control::syn);
  EXPECT_EQ(calls.connect(self, fd, where, sizeof to), -1);
  EXPECT_EQ(errno, EALREADY);
  ack = {};
  seq = wire::SeqNum{0};
  int reused = -1;
  socklen_t size = sizeof reused;
  EXPECT_EQ(calls.getsockopt(self, fd, SOL_SOCKET, SO_REUSEADDR, &reused, &size), 0);
  EXPECT_EQ(reused, 0);
  EXPECT_EQ(calls.epoll_create(self, 1), -1);
  EXPECT_EQ(errno, ENOSYS);
}

TEST_F(Plugin, AnOpenThatIsRefusedTellsSo) {
  const int fd = calls.socket(self, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const sockaddr_in to = address_of(peer, peer_port);
  EXPECT_EQ(calls.connect(self, fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), -1);
  ack = hear().seq + 1;
  send(control::rst | control::ack);
  int error = 0;
  socklen_t size = sizeof error;
  EXPECT_EQ(calls.getsockopt(self, fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
  EXPECT_EQ(error, ECONNREFUSED);
  EXPECT_EQ(calls.getsockopt(self, fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
  EXPECT_EQ(error, 0) << "told once";
}

TEST_F(Plugin, ClockGoesByCallsAlone) {
  const long long begin = now();
  EXPECT_EQ(now(), begin + 1);
  EXPECT_EQ(calls.usleep(self, 2'000'000), 0);
  EXPECT_EQ(now(), begin + 2'000'002);
}

TEST_F(Plugin, ReceivingRunsTheClockToTheNextTimer) {
  const int fd = calls.socket(self, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const sockaddr_in to = address_of(peer, peer_port);
  const long long begin = now();
  EXPECT_EQ(calls.connect(self, fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), -1);
  EXPECT_EQ(hear().usecs, begin);
  EXPECT_NEAR(static_cast<double>(hear().usecs - begin), 1e6, 2e3);  // RFC 6298: the first RTO
  EXPECT_NEAR(static_cast<double>(hear().usecs - begin), 3e6, 4e3);
}

TEST_F(Plugin, ASilentStackIsAnErrorAfterTenSeconds) {
  std::array<std::byte, 100> buffer;
  std::size_t n = buffer.size();
  long long usecs = 0;
  const long long begin = now();
  EXPECT_EQ(calls.netdev_receive(self, buffer.data(), &n, &usecs), -1);
  EXPECT_EQ(n, 0u);
  EXPECT_NEAR(static_cast<double>(now() - begin), 10e6, 10.0);
}

TEST_F(Plugin, ABlockedCallEndsAtTheMomentThatItWaitedFor) {
  const int listener = listening_socket();
  long long ended = 0;
  int fd = -1;
  std::thread caller([&] {
    fd = accept(listener);
    ended = now();
  });
  // As packetdrill does: the script goes on when the call is seen to sleep.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  calls.usleep(self, 100'000);
  send(control::syn, {}, {.mss = std::uint16_t{1'000}});
  ack = hear().seq + 1;
  calls.usleep(self, 100'000);
  const long long before = now();
  send(control::ack);
  calls.usleep(self, 300'000);
  caller.join();
  EXPECT_GE(fd, 0);
  EXPECT_NEAR(static_cast<double>(ended - before), 0, 50);
}

TEST_F(Plugin, ASegmentForNobodyIsReset) {
  send(control::syn);
  const Heard answer = hear();
  EXPECT_EQ(answer.control, control::rst | control::ack);
  EXPECT_EQ(answer.ack, seq);
}

TEST_F(Plugin, PollTellsOfAll) {
  const int listener = listening_socket();
  std::array<pollfd, 2> fds{{{listener, POLLIN, 0}, {-1, 0, 0}}};
  EXPECT_EQ(calls.poll(self, fds.data(), 1, 0), 0);
  establish();
  EXPECT_EQ(calls.poll(self, fds.data(), 1, 0), 1);
  const int fd = accept(listener);
  fds[0] = {fd, POLLIN | POLLOUT, 0};
  EXPECT_EQ(calls.poll(self, fds.data(), 1, 0), 1);
  EXPECT_EQ(fds[0].revents, POLLOUT);
  send(control::fin | control::ack);
  EXPECT_EQ(calls.poll(self, fds.data(), 1, 0), 1);
  EXPECT_EQ(fds[0].revents, POLLIN | POLLOUT);
  char byte = 0;
  EXPECT_EQ(calls.read(self, fd, &byte, 1), 0);
}

TEST_F(Plugin, ACallThatWaitsForWhatCannotComeEnds) {
  const int listener = listening_socket();
  EXPECT_EQ(accept(listener), -1);
  EXPECT_EQ(errno, EINTR);
}

TEST_F(Plugin, DatagramsComeAndGo) {
  const int fd = calls.socket(self, AF_INET, SOCK_DGRAM, IPPROTO_UDP);
  const sockaddr_in here = address_of(own, own_port);
  EXPECT_EQ(calls.bind(self, fd, reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
  const sockaddr_in to = address_of(peer, peer_port);
  const auto* const where = reinterpret_cast<const sockaddr*>(&to);
  EXPECT_EQ(calls.sendto(self, fd, "hello", 5, 0, where, sizeof to), 5);
  std::array<std::byte, 2'000> buffer;
  std::size_t n = buffer.size();
  long long usecs = 0;
  ASSERT_EQ(calls.netdev_receive(self, buffer.data(), &n, &usecs), 0);
  EXPECT_EQ(n, wire::Ipv4Fields::size + 8 + 5);
  // Back to where it came from.
  wire::Ipv4Fields ip;
  ip.source = peer;
  ip.destination = own;
  ip.protocol = wire::protocol::udp;
  ip.total_length = static_cast<std::uint16_t>(n);
  ip.write(std::span{buffer}.first(n));
  const std::span udp = std::span{buffer}.subspan(wire::Ipv4Fields::size, n - 20);
  wire::store_u16(udp.data(), peer_port);
  wire::store_u16(udp.data() + 2, own_port);
  wire::store_u16(udp.data() + 6, 0);  // no checksum
  EXPECT_EQ(calls.netdev_send(self, buffer.data(), n), 0);
  pollfd ready{fd, POLLIN, 0};
  EXPECT_EQ(calls.poll(self, &ready, 1, 0), 1);
  std::array<char, 16> text{};
  sockaddr_in from{};
  socklen_t size = sizeof from;
  EXPECT_EQ(calls.recv(self, fd, text.data(), text.size(), MSG_PEEK), 5);
  EXPECT_EQ(calls.recvfrom(self, fd, text.data(), text.size(), 0,
                           reinterpret_cast<sockaddr*>(&from), &size),
            5);
  EXPECT_EQ(std::string(text.data(), 5), "hello");
  EXPECT_EQ(ntohs(from.sin_port), peer_port);
  EXPECT_EQ(calls.recv(self, fd, text.data(), text.size(), MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(Plugin, APeekSeesAllThatIsThere) {
  const int listener = listening_socket();
  establish();
  const int fd = accept(listener);
  for (const char* const text : {"to ", "you, ", "and more"}) send(control::ack, text);
  std::array<char, 64> text{};
  EXPECT_EQ(calls.recv(self, fd, text.data(), text.size(), MSG_PEEK), 16);
  EXPECT_EQ(std::string(text.data(), 16), "to you, and more");
  EXPECT_EQ(calls.recv(self, fd, text.data(), 4, MSG_PEEK), 4);
  EXPECT_EQ(calls.read(self, fd, text.data(), text.size()), 16);
}

TEST_F(Plugin, WhoStopsListeningResetsWhomItHasNotAccepted) {
  const int listener = listening_socket();
  establish();
  const auto established = ack;
  peer_port = 30'001;
  seq = wire::SeqNum{5'000};
  ack = {};
  send(control::syn, {}, {.mss = std::uint16_t{1'000}});
  const wire::SeqNum half_open = hear().seq + 1;
  EXPECT_EQ(calls.close(self, listener), 0);
  for (int i = 0; i < 2; ++i) {
    const Heard reset = hear();
    EXPECT_EQ(reset.control, control::rst | control::ack);
    EXPECT_EQ(reset.seq, reset.to_port == 30'000 ? established : half_open);
  }
  ack = half_open;
  send(control::ack);
  EXPECT_EQ(hear().control, control::rst) << "nobody knows of it any more";
  const int again = listening_socket();
  EXPECT_GE(again, 0);
  establish();
  EXPECT_GE(accept(again), 0);
}

class PluginWithAll : public Plugin {
 protected:
  PluginWithAll() : Plugin("ts=1,sack=1,wscale=9,rcvbuf=100000") {}
};

TEST_F(PluginWithAll, OffersWhatItsFlagsSay) {
  const int fd = calls.socket(self, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const sockaddr_in to = address_of(peer, peer_port);
  EXPECT_EQ(calls.connect(self, fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), -1);
  const Heard syn = hear();
  EXPECT_TRUE(syn.options.sack_permitted);
  EXPECT_TRUE(syn.options.timestamps);
  EXPECT_EQ(syn.options.window_scale, 9);
  EXPECT_EQ(syn.options.mss, 1'460);
}

TEST_F(Plugin, OffersNothingThatItsFlagsForbid) {
  const int fd = calls.socket(self, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const sockaddr_in to = address_of(peer, peer_port);
  EXPECT_EQ(calls.connect(self, fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), -1);
  const Heard syn = hear();
  EXPECT_FALSE(syn.options.sack_permitted);
  EXPECT_FALSE(syn.options.timestamps);
}

}  // namespace
}  // namespace pollux
