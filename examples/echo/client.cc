// Sends its standard input to an echo server, and prints what comes back.

#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>

#include "application/copy.h"
#include "host/run.h"

namespace {

using pollux::application::Stream;

class EchoClient {
 public:
  struct Session {};

  EchoClient(pollux::wire::Ipv4Address server, std::string text)
      : server_(server), text_(std::move(text)) {}

  void on_start(auto& stack) noexcept {
    if (const auto opened = stack.connect({server_, 7}); !opened) end(name(opened.error()));
  }
  void on_connected(Stream auto& stream) noexcept { send(stream); }
  void on_writable(Stream auto& stream) noexcept { send(stream); }
  void on_readable(Stream auto& stream) noexcept {
    for (auto text = stream.readable(); !text.empty(); text = stream.readable()) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      stream.consume(text.size());
    }
  }
  void on_peer_closed(Stream auto& stream) noexcept { stream.close(); }
  void on_closed(auto&, auto, Session&, pollux::Cause cause) noexcept {
    good_ = cause == pollux::Cause::by_us;
    end(good_ ? "" : name(cause));
  }
  bool done() const noexcept { return over_; }
  bool good() const noexcept { return good_; }

 private:
  void end(std::string_view why) noexcept {
    if (!why.empty()) std::fprintf(stderr, "error: the connection: %s\n", why.data());
    over_ = true;
  }
  void send(Stream auto& stream) noexcept {
    sent_ += pollux::application::write(stream, std::string_view{text_}.substr(sent_));
    if (sent_ == text_.size()) stream.shutdown_send();
  }

  pollux::wire::Ipv4Address server_;
  std::string text_;
  std::size_t sent_ = 0;
  bool over_ = false;
  bool good_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  const auto server = pollux::wire::Ipv4Address::parse(argc == 4 ? argv[3] : "");
  if (!server) {
    std::fputs("usage: echo-client DEVICE ADDRESS SERVER, as in tap:echo1 10.0.0.2/24 10.0.0.1\n",
               stderr);
    return 2;
  }
  EchoClient client{*server, std::string(std::istreambuf_iterator<char>{std::cin}, {})};
  const auto ran = pollux::host::run({.device = argv[1], .address = argv[2]}, client);
  return ran && !client.good() ? 1 : pollux::host::exit_code(ran);
}
