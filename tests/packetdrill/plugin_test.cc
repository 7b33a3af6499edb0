// The plug-in as packetdrill uses it: loaded by its name, driven through its table of functions.
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "interface.h"
#include "wire/checksum.h"
#include "wire/field.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

namespace pollux {
namespace {

namespace control = wire::control;

constexpr wire::Ipv4Address own{192, 168, 0, 1};
constexpr wire::Ipv4Address peer{192, 0, 2, 1};
constexpr std::uint16_t own_port = 8080;

sockaddr_in address_of(wire::Ipv4Address address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(address.value());
  return out;
}

struct Heard {
  std::uint8_t control = 0;
  wire::SeqNum seq{};
  wire::SeqNum ack{};
  std::string text;
  wire::TcpOptions options;
  std::uint16_t window = 0;
  std::uint16_t to_port = 0;
  long long usecs = 0;
};

class Plugin : public testing::Test {
 protected:
  explicit Plugin(const char* flags = "iw=10,ts=0,sack=0") {
    library_ = dlopen(std::getenv("POLLUX_PLUGIN"), RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) {
      ADD_FAILURE() << dlerror();
      std::abort();
    }
    void* const init = dlsym(library_, "packetdrill_interface_init");
    reinterpret_cast<void (*)(const char*, packetdrill_interface*)>(init)(flags, &calls);
    self = calls.userdata;
  }
  ~Plugin() override {
    calls.free(self);
    dlclose(library_);
  }

  int listening_socket() {
    const int fd = calls.socket(self, AF_INET, SOCK_STREAM, IPPROTO_TCP);
    EXPECT_GE(fd, 0);
    const sockaddr_in at = address_of(own, own_port);
    EXPECT_EQ(calls.bind(self, fd, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(calls.listen(self, fd, 1), 0);
    return fd;
  }
  /// From the peer, as its numbers stand.
  void send(std::uint8_t bits, const std::string& text = {}, wire::TcpOptions options = {}) {
    const std::size_t more = wire::options_size(options);
    std::vector<std::byte> datagram(wire::Ipv4Fields::size + wire::TcpFields::size + more +
                                    text.size());
    const std::span tcp = std::span{datagram}.subspan(wire::Ipv4Fields::size);
    wire::TcpFields fields;
    fields.source_port = peer_port;
    fields.destination_port = stack_port;
    fields.seq = seq;
    fields.ack = ack;
    fields.control = bits;
    fields.window = 65'535;
    fields.options_length = static_cast<std::uint8_t>(more);
    fields.write(tcp);
    wire::write_options(options, tcp.subspan(wire::TcpFields::size));
    if (!text.empty()) {
      std::memcpy(tcp.data() + wire::TcpFields::size + more, text.data(), text.size());
    }
    const auto pseudo =
        wire::pseudo_header(peer, own, wire::protocol::tcp, static_cast<std::uint16_t>(tcp.size()));
    wire::store_u16(tcp.data() + wire::TcpView::checksum_offset,
                    wire::fold(wire::add(pseudo, wire::Sum{tcp})));
    wire::Ipv4Fields ip;
    ip.source = peer;
    ip.destination = own;
    ip.protocol = wire::protocol::tcp;
    ip.total_length = static_cast<std::uint16_t>(datagram.size());
    ip.write(datagram);
    EXPECT_EQ(calls.netdev_send(self, datagram.data(), datagram.size()), 0);
    seq += static_cast<std::uint32_t>(text.size() + ((bits & (control::syn | control::fin)) != 0));
  }
  Heard hear() {
    std::array<std::byte, 2'000> buffer;
    std::size_t n = buffer.size();
    Heard out;
    if (calls.netdev_receive(self, buffer.data(), &n, &out.usecs) != 0) {
      ADD_FAILURE() << "nothing was sent";
      return out;
    }
    wire::Ipv4View ip;
    wire::TcpView tcp;
    EXPECT_EQ(wire::Ipv4View::parse(std::span{buffer}.first(n), ip), Drop::none);
    EXPECT_EQ(wire::TcpView::parse(ip.payload(), tcp), Drop::none);
    EXPECT_TRUE(tcp.checksum_ok(ip.pseudo_header()));
    stack_port = tcp.source_port();
    out.control = tcp.control();
    out.seq = tcp.seq();
    out.ack = tcp.ack();
    out.options = wire::parse_options(tcp.options());
    out.window = tcp.window();
    out.to_port = tcp.destination_port();
    const auto text = tcp.text();
    out.text.assign(reinterpret_cast<const char*>(text.data()), text.size());
    return out;
  }
  /// The peer opens; ack and seq stand behind the SYNs then.
  void establish() {
    send(control::syn, {}, {.mss = std::uint16_t{1'000}});
    const Heard answer = hear();
    EXPECT_EQ(answer.control, control::syn | control::ack);
    EXPECT_EQ(answer.ack, seq);
    ack = answer.seq + 1;
    send(control::ack);
  }
  long long now() {
    timeval time{};
    EXPECT_EQ(calls.gettimeofday(self, &time, nullptr), 0);
    return time.tv_sec * 1'000'000LL + time.tv_usec;
  }
  int accept(int fd) { return calls.accept(self, fd, nullptr, nullptr); }
  void be_nonblocking(int fd) { EXPECT_EQ(calls.fcntl(self, fd, F_SETFL, O_RDWR | O_NONBLOCK), 0); }

  void set(int fd, int level, int name, int value) {
    EXPECT_EQ(calls.setsockopt(self, fd, level, name, &value, sizeof value), 0) << name;
  }
  int get(int fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    EXPECT_EQ(calls.getsockopt(self, fd, level, name, &value, &size), 0) << name;
    return value;
  }

  packetdrill_interface calls{};
  void* self = nullptr;
  wire::SeqNum seq{1'000};
  wire::SeqNum ack{};
  std::uint16_t stack_port = own_port;
  std::uint16_t peer_port = 30'000;

 private:
  void* library_ = nullptr;
};

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

TEST_F(Plugin, ALingerOfNothingResets) {
  const int listener = listening_socket();
  establish();
  const int fd = accept(listener);
  const linger none{.l_onoff = 1, .l_linger = 0};
  EXPECT_EQ(calls.setsockopt(self, fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
  EXPECT_EQ(calls.close(self, fd), 0);
  EXPECT_NE(hear().control & control::rst, 0);
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
