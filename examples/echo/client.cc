// Sends its standard input to an echo server, and prints what comes back.

#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include "application/copy.h"
#include "host/run.h"

using pollux::application::Stream;

struct EchoClient {
  struct Session {};

  void on_start(auto& stack) noexcept {
    if (const auto opened = stack.connect({server, 7}); !opened) end(name(opened.error()));
  }
  void on_connected(Stream auto& stream) noexcept { send(stream); }
  void on_writable(Stream auto& stream) noexcept { send(stream); }
  void on_readable(Stream auto& stream) noexcept {
    for (auto bytes = stream.readable(); !bytes.empty(); bytes = stream.readable()) {
      std::fwrite(bytes.data(), 1, bytes.size(), stdout);
      stream.consume(bytes.size());
    }
  }
  void on_peer_closed(Stream auto& stream) noexcept { stream.close(); }
  void on_closed(auto&, auto, Session&, pollux::Cause cause) noexcept {
    good = cause == pollux::Cause::by_us;
    end(good ? "" : name(cause));
  }
  bool done() const noexcept { return over; }

  void send(Stream auto& stream) noexcept {
    sent += pollux::application::write(stream, std::string_view{text}.substr(sent));
    if (sent == text.size()) stream.shutdown_send();
  }
  void end(std::string_view why) noexcept {
    if (!why.empty()) std::fprintf(stderr, "error: the connection: %s\n", why.data());
    over = true;
  }

  pollux::wire::Ipv4Address server;
  std::string text;
  std::size_t sent = 0;
  bool over = false;
  bool good = false;
};

int main(int argc, char** argv) {
  const auto server = pollux::wire::Ipv4Address::parse(argc == 4 ? argv[3] : "");
  if (!server) {
    std::fputs("usage: echo-client DEVICE ADDRESS SERVER, as in tap:echo1 10.0.0.2/24 10.0.0.1\n",
               stderr);
    return 2;
  }
  EchoClient client{.server = *server, .text{std::istreambuf_iterator<char>{std::cin}, {}}};
  const auto ran = pollux::host::run({.device = argv[1], .address = argv[2]}, client);
  return ran && !client.good ? 1 : pollux::host::exit_code(ran);
}
