#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "interface.h"
#include "wire/checksum.h"
#include "wire/field.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

/// The plug-in as packetdrill uses it: loaded by its name, driven through its table of functions.
namespace pollux {

namespace control = wire::control;

inline constexpr wire::Ipv4Address own{192, 168, 0, 1};
inline constexpr wire::Ipv4Address peer{192, 0, 2, 1};
inline constexpr std::uint16_t own_port = 8080;

inline sockaddr_in address_of(wire::Ipv4Address address, std::uint16_t port) {
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

}  // namespace pollux
