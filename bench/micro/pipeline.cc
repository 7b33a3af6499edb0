// Two whole stacks, joined by simulated devices back to back: no driver and no link between them,
// so that all there is to measure is pipelines. Both ends together, on one thread.

#include "pipeline/pipeline.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "application/echo.h"
#include "application/http.h"
#include "application/http_client.h"
#include "application/http_reply.h"
#include "sim/device.h"
#include "sim/frame.h"

namespace pollux::pipeline {
namespace {

using application::Endpoint;
using application::HttpClientRequest;
using application::HttpReplies;
using application::StreamId;

constexpr Duration round_time = 5us;
constexpr wire::Ipv4Address server_address{10, 0, 0, 1};
// Enough for every connection of a run to have a four-tuple of its own.
constexpr AddressRange client_addresses{{wire::Ipv4Address{10, 0, 1, 0}, 16}, 500};

/// Keeps so many connections open, one after the other, and says its text on each: once, again
/// after every reply of `reply_size` bytes, or without end.
class Client {
 public:
  enum class Says : std::uint8_t { once, after_each_reply, without_end };
  struct Session {
    std::uint64_t heard = 0;
  };

  Client(std::uint16_t port, unsigned connections, Says says, std::span<const std::byte> text,
         std::uint64_t reply_size)
      : port_(port),
        connections_(connections),
        says_(says),
        text_{text.data(), static_cast<std::uint32_t>(text.size())},
        reply_size_(reply_size) {}

  std::uint64_t completed() const { return completed_; }
  std::uint64_t replies() const { return replies_; }
  std::uint64_t heard() const { return heard_; }

  void on_start(auto& stack) noexcept { open(stack); }
  void on_connected(application::Stream auto& stream) noexcept {
    // The others follow the first, for which the way to the server was found.
    for (; opened_ < connections_; ++opened_) open(stream.stack());
    say(stream);
  }
  void on_writable(application::Stream auto& stream) noexcept {
    if (says_ == Says::without_end) say(stream);
  }
  void on_readable(application::Stream auto& stream) noexcept {
    Session& session = stream.session();
    for (auto bytes = stream.readable(); !bytes.empty(); bytes = stream.readable()) {
      session.heard += bytes.size();
      heard_ += bytes.size();
      stream.consume(bytes.size());
    }
    if (says_ == Says::without_end || session.heard < reply_size_) return;
    session.heard -= reply_size_;
    ++replies_;
    if (says_ == Says::after_each_reply) say(stream);
  }
  void on_peer_closed(application::Stream auto& stream) noexcept { stream.close(); }
  void on_closed(auto& stack, StreamId, Session&, Cause cause) noexcept {
    if (cause != Cause::by_peer && cause != Cause::by_us && cause != Cause::aborted) std::abort();
    ++completed_;
    open(stack);
  }

 private:
  void open(auto& stack) noexcept {
    static_cast<void>(stack.connect(Endpoint{server_address, port_}));
  }
  void say(application::Stream auto& stream) noexcept {
    while (stream.writable() >= text_.size && stream.send(text_)) {
      if (says_ != Says::without_end) return;
    }
  }

  std::uint16_t port_;
  unsigned connections_;
  Says says_;
  application::StaticSpan text_;
  std::uint64_t reply_size_;
  unsigned opened_ = 1;
  std::uint64_t completed_ = 0;
  std::uint64_t replies_ = 0;
  std::uint64_t heard_ = 0;
};

Config config_for(const AddressRange& own) {
  Config config;
  config.interface.addresses = {own};
  config.connections = config.half_open = 10'000;
  config.flights = 1'000;
  config.send_pieces = config.receive_pieces = 100'000;
  config.owned_packets = 2'000;
  config.seed = own.prefix.address.value();
  return config;
}

/// A server and a client, polled in turn.
template <class Server>
class Pair {
 public:
  Pair(Server server, Client client) : server_(std::move(server)), client_(std::move(client)) {
    server_stack_->start(now_);
    client_stack_->start(now_);
  }
  ~Pair() {
    client_stack_->stop(now_);
    server_stack_->stop(now_);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  /// Runs until `count()` says so.
  template <class Count>
  void run_to(std::uint64_t wanted, Count&& count) {
    for (int rounds = 0; count() < wanted; ++rounds) {
      if (rounds == 1'000'000) std::abort();  // it has come to a halt
      server_stack_->poll(now_);
      hand_over(server_device_, client_device_);
      client_stack_->poll(now_);
      hand_over(client_device_, server_device_);
      now_ += round_time;
    }
  }
  const Client& client() const { return client_; }
  /// Sent by both.
  std::uint64_t frames() const {
    return server_stack_->counters()[Event::frames_sent] +
           client_stack_->counters()[Event::frames_sent];
  }

 private:
  static void hand_over(sim::Device& from, sim::Device& to) {
    for (sim::Frame& frame : from.sent()) to.deliver(std::move(frame));
    from.sent().clear();
  }

  sim::FramePool frames_{16'384};
  sim::Device server_device_{frames_, {.name = "server", .mac = {{2, 0, 0, 0, 0, 1}}}, 1};
  sim::Device client_device_{frames_, {.name = "client", .mac = {{2, 0, 0, 0, 0, 2}}}, 2};
  Server server_;
  Client client_;
  Instant now_{1s};
  std::unique_ptr<Pipeline<sim::Device, Server>> server_stack_ =
      *Pipeline<sim::Device, Server>::make(config_for({{server_address, 16}, 1}), server_device_,
                                           server_, now_);
  std::unique_ptr<Pipeline<sim::Device, Client>> client_stack_ =
      *Pipeline<sim::Device, Client>::make(config_for(client_addresses), client_device_, client_,
                                           now_);
};

/// Each iteration is one more of what `count` counts.
template <class Server, class Count>
void measure(benchmark::State& state, Pair<Server>& pair, std::uint64_t batch, Count&& count) {
  pair.run_to(10 * batch, count);
  std::uint64_t wanted = count();
  const std::uint64_t frames = pair.frames();
  const std::uint64_t before = wanted;
  while (state.KeepRunningBatch(static_cast<std::int64_t>(batch))) {
    pair.run_to(wanted += batch, count);
  }
  state.counters["packets"] =
      static_cast<double>(pair.frames() - frames) / static_cast<double>(count() - before);
}

application::HttpResponder responder() { return *application::HttpResponder::make({}); }

/// From SYN to the last ACK: request with the handshake's ACK, FIN with the reply, six in all.
void connection(benchmark::State& state) {
  const HttpClientRequest request;
  Pair<application::HttpResponder> pair{
      responder(), Client{80, static_cast<unsigned>(state.range(0)), Client::Says::once,
                          request.bytes(true), 0}};
  measure(state, pair, 64, [&] { return pair.client().completed(); });
}
BENCHMARK(connection)->Arg(1)->Arg(64)->Arg(800);

void request_on_a_kept_connection(benchmark::State& state) {
  const HttpClientRequest request;
  const HttpReplies replies{application::default_body(128)};
  Pair<application::HttpResponder> pair{
      responder(),
      Client{80, static_cast<unsigned>(state.range(0)), Client::Says::after_each_reply,
             request.bytes(false), replies.size(HttpReplies::Kind::body_keep_1_1, false)}};
  measure(state, pair, 64, [&] { return pair.client().replies(); });
}
BENCHMARK(request_on_a_kept_connection)->Arg(1)->Arg(64)->Arg(800);

/// A stream of full segments, and the same back. An iteration is one segment's text, both ways.
void bulk_echo(benchmark::State& state) {
  constexpr std::uint64_t segment = 1448;
  const std::vector<std::byte> text(16 * segment);
  Pair<application::TcpEcho> pair{
      application::TcpEcho{},
      Client{7, static_cast<unsigned>(state.range(0)), Client::Says::without_end, text, 0}};
  measure(state, pair, 256, [&] { return pair.client().heard() / segment; });
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * 2 * segment));
}
BENCHMARK(bulk_echo)->Arg(1)->Arg(16);

}  // namespace
}  // namespace pollux::pipeline
