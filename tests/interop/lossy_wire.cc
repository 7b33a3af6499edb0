// Joins two interfaces of a network namespace by sim::Link, in real time:
//   lossy_wire LEFT RIGHT [--loss P] [--duplicate P] [--reorder P] [--corrupt P] [--delay-us N]
//              [--jitter-us N] [--reorder-us N] [--mbit N] [--queue-kib N] [--seed N]
// Both directions are alike, each with a seed of its own. It prints `ready`, works until it is sent
// SIGTERM, and then prints what it did to the frames, as JSON.

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/time.h"
#include "packet_socket.h"
#include "sim/frame.h"
#include "sim/link.h"

namespace {

using pollux::Duration;
using pollux::Instant;
using pollux::interop::PacketSocket;
using namespace std::chrono_literals;

struct Options {
  pollux::sim::LinkOptions link;
  std::uint64_t seed = 1;
};

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string_view option{argv[i]};
    const double value = std::strtod(argv[i + 1], nullptr);
    const auto number = static_cast<std::uint64_t>(value);
    const Duration time = std::chrono::microseconds{number};
    if (option == "--loss") {
      options.link.loss = value;
    } else if (option == "--duplicate") {
      options.link.duplicate = value;
    } else if (option == "--reorder") {
      options.link.reorder = value;
    } else if (option == "--corrupt") {
      options.link.corrupt = value;
    } else if (option == "--delay-us") {
      options.link.delay = time;
    } else if (option == "--jitter-us") {
      options.link.jitter = time;
    } else if (option == "--reorder-us") {
      options.link.reorder_delay = time;
    } else if (option == "--mbit") {
      options.link.bits_per_second = number * 1'000'000;
    } else if (option == "--queue-kib") {
      options.link.queue_bytes = number * 1024;
    } else if (option == "--seed") {
      options.seed = number;
    } else {
      return std::nullopt;
    }
  }
  if (argc < 3 || argc % 2 == 0) return std::nullopt;
  return options;
}

Instant now() { return Instant{std::chrono::steady_clock::now().time_since_epoch()}; }

volatile std::sig_atomic_t ending = 0;

/// One direction: what comes in at one interface goes out at the other.
class Direction {
 public:
  Direction(const PacketSocket& from, const PacketSocket& to, pollux::sim::FramePool& pool,
            const Options& options, std::uint64_t seed)
      : from_(from), to_(to), pool_(pool), link_(options.link, seed) {}

  void take_in() {
    // So many that the other direction and the clock get their turn.
    for (int i = 0; i < 256; ++i) {
      const std::optional<std::size_t> size = from_.receive(buffer_);
      if (!size) return;
      pollux::sim::Frame frame = pool_.allocate();
      if (!frame || *size > frame.tailroom()) {
        ++no_room_;
        continue;
      }
      std::memcpy(frame.append(*size).data(), buffer_.data(), *size);
      link_.send(std::move(frame), now());
    }
  }
  void bring_out() {
    const Instant until = now();
    while (const pollux::sim::Frame frame = link_.take_arrival(until)) {
      if (!to_.send(frame.bytes())) ++not_taken_;
    }
  }
  std::optional<Instant> next() const { return link_.next_arrival(); }

  void print(const char* name) const {
    const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    const pollux::sim::LinkCounts& counts = link_.counts();
    std::printf(R"("%s": {"offered": %llu, "arrived": %llu, "lost": %llu, "duplicated": %llu, )"
                R"("reordered": %llu, "corrupted": %llu, "queue_full": %llu, "no_room": %llu, )"
                R"("not_taken": %llu})",
                name, number(counts.offered), number(counts.arrived), number(counts.lost),
                number(counts.duplicated), number(counts.reordered), number(counts.corrupted),
                number(counts.queue_full), number(no_room_), number(not_taken_));
  }

 private:
  const PacketSocket& from_;
  const PacketSocket& to_;
  pollux::sim::FramePool& pool_;
  pollux::sim::Link link_;
  std::array<std::byte, 2048> buffer_;
  std::uint64_t no_room_ = 0;
  std::uint64_t not_taken_ = 0;
};

/// Sleeps until a frame comes, one is due, or a signal arrives.
void sleep(std::array<pollfd, 2>& files, const Direction& a, const Direction& b,
           const sigset_t& signals) {
  std::optional<Instant> next = a.next();
  if (b.next() && (!next || *b.next() < *next)) next = b.next();
  timespec wait{};
  if (next) {
    const Duration left = std::max(*next - now(), Duration{0});
    wait.tv_sec = std::chrono::floor<std::chrono::seconds>(left).count();
    wait.tv_nsec = static_cast<long>((left % 1s).count());
  }
  ::ppoll(files.data(), files.size(), next ? &wait : nullptr, &signals);
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Options> options = parse(argc, argv);
  if (!options) {
    std::fprintf(stderr, "error: arguments: not those that the head of lossy_wire.cc names\n");
    return 2;
  }
  // The signal comes while ppoll sleeps, and at no other time: none is missed.
  sigset_t all, none;
  sigemptyset(&none);
  sigemptyset(&all);
  sigaddset(&all, SIGTERM);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  std::signal(SIGTERM, [](int) { ending = 1; });

  const std::optional<PacketSocket> left =
      PacketSocket::open(argv[1], PacketSocket::Use::send_and_receive);
  const std::optional<PacketSocket> right =
      PacketSocket::open(argv[2], PacketSocket::Use::send_and_receive);
  if (!left || !right) return 3;
  pollux::sim::FramePool pool{16384};
  {
    Direction there{*left, *right, pool, *options, options->seed * 2};
    Direction back{*right, *left, pool, *options, options->seed * 2 + 1};
    std::array<pollfd, 2> files{{{left->file(), POLLIN, 0}, {right->file(), POLLIN, 0}}};
    std::printf("ready\n");
    std::fflush(stdout);
    while (ending == 0) {
      there.take_in();
      back.take_in();
      there.bring_out();
      back.bring_out();
      sleep(files, there, back, none);
    }
    std::printf("{");
    there.print("there");
    std::printf(", ");
    back.print("back");
    std::printf("}\n");
  }
  return 0;
}
