// Sends back whatever it is sent (RFC 862).

#include <cstdio>

#include "application/copy.h"
#include "host/run.h"

namespace {

using pollux::application::Stream;

class EchoServer {
 public:
  struct Session {};  // a connection needs nothing of its own

  void on_start(auto& stack) noexcept { listening_ = bool{stack.listen(7)}; }
  void on_readable(Stream auto& stream) noexcept { echo(stream); }
  // There is room again. Until now nothing was read, so the peer's window has closed by itself.
  void on_writable(Stream auto& stream) noexcept { echo(stream); }
  // Behind the last byte that it sent, all of which went back.
  void on_peer_closed(Stream auto& stream) noexcept { stream.close(); }

  /// Nobody can be served.
  bool done() const noexcept { return !listening_; }

 private:
  void echo(Stream auto& stream) noexcept {
    for (auto text = stream.readable(); !text.empty(); text = stream.readable()) {
      const auto n = pollux::application::write(stream, text);
      if (n == 0) return;
      stream.consume(n);
    }
  }

  bool listening_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: echo-server DEVICE ADDRESS, as in tap:echo0 10.0.0.1/24\n");
    return 2;
  }
  EchoServer server;
  return pollux::host::exit_code(
      pollux::host::run({.device = argv[1], .address = argv[2]}, server));
}
