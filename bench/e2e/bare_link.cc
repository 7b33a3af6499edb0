// usage: bare_link memif|virtio [--seconds S] [--frame BYTES] [--window FRAMES] [--cores A,B]
//                               [--no-huge]
//
// How many frames a second a core can take and give back over a link when it does nothing else: the
// first core swaps the addresses of each frame and sends the same buffer back, the second makes new
// frames, keeps --window of them under way, and counts those that return. The ports are those of
// pollux-bench, opened and driven by the same code, so that what a stack reaches over them is a
// share of this. Prints one JSON object; bench/e2e/run.py reads it.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <variant>
#include <vector>

#include "cli/error.h"
#include "dpdk/clock.h"
#include "dpdk/eal.h"
#include "dpdk/port_pair.h"
#include "host/signals.h"

namespace pollux {
namespace {

using Queue = dpdk::Queue;
constexpr std::size_t address_bytes = 6;  // an Ethernet header begins with two of them
constexpr Duration warm_up = 200ms;

struct Options {
  std::string link;
  double seconds = 1;
  std::size_t frame = 86;
  std::size_t window = 512;
  std::vector<unsigned> cores;
  bool no_huge = false;
};

/// What the measured time has shown.
struct Outcome {
  std::uint64_t returned = 0;
  Duration measured{0};
  Duration busy{0};  // of the core that sends back: in rounds that moved a frame
  Duration total{0};
};

/// The first core: swaps and sends back until `stop`. What the link does not take stays first.
void send_back(Queue& queue, const dpdk::TscClock& clock, const std::atomic<bool>& measuring,
               const std::atomic<bool>& stop, Outcome& outcome) {
  Queue::Burst burst;
  Instant now = clock.now();
  while (!stop.load(std::memory_order_relaxed)) {
    const std::size_t waiting = burst.size();
    queue.receive(burst);
    for (std::size_t i = waiting; i < burst.size(); ++i) {
      std::byte* const header = burst[i].mutable_bytes().data();
      std::array<std::byte, address_bytes> kept;
      std::memcpy(kept.data(), header, address_bytes);
      std::memcpy(header, header + address_bytes, address_bytes);
      std::memcpy(header + address_bytes, kept.data(), address_bytes);
    }
    const std::size_t moved = burst.size() - waiting + queue.transmit(burst);
    const Instant after = clock.now();
    if (measuring.load(std::memory_order_relaxed)) {
      if (moved != 0) outcome.busy += after - now;
      outcome.total += after - now;
    }
    now = after;
  }
}

/// The second core: sends, and counts what returns after the warm-up.
void send_and_count(Queue& queue, const dpdk::TscClock& clock, const Options& options,
                    std::atomic<bool>& measuring, Outcome& outcome) {
  const auto length =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.seconds));
  Queue::Burst out;
  Queue::Burst in;
  std::size_t under_way = 0;
  std::uint64_t returned = 0;
  const Instant begin = clock.now() + warm_up;
  Instant now = clock.now();
  Instant measured_from = begin;
  for (; now < begin + length && !host::stop_requested(); now = clock.now()) {
    if (now >= begin && !measuring.load(std::memory_order_relaxed)) {
      returned = 0;
      measured_from = now;
      measuring.store(true, std::memory_order_relaxed);
    }
    while (!out.full() && under_way + out.size() < options.window) {
      auto frame = queue.allocate();
      if (!frame) break;
      // Addresses and a type that is nobody's; the rest is as the buffer's last user left it.
      std::memset(frame.append(options.frame).data(), 0x5A, 2 * address_bytes + 2);
      out.push(std::move(frame));
    }
    under_way += queue.transmit(out);
    queue.receive(in);
    returned += in.size();
    under_way -= in.size();
    in.clear();
  }
  measuring.store(false, std::memory_order_relaxed);
  outcome.returned = returned;
  outcome.measured = now - measured_from;
}

int measure(const Options& options) {
  const bool memif = options.link == "memif";
  dpdk::PortOptions port;
  dpdk::PortOptions far_port = port;
  far_port.first_worker = 1;
  auto eal = dpdk::Eal::start({.cores = options.cores,
                               .no_huge = options.no_huge,
                               .memory_bytes = dpdk::PortPair::bytes_for(port),
                               .virtual_devices = true});
  if (!eal) return cli::print_error(eal.error());
  auto link = dpdk::PortPair::open(*eal, memif ? dpdk::PairKind::memif : dpdk::PairKind::virtio,
                                   port, far_port);
  if (!link) return cli::print_error(link.error());
  Queue near = link->near.queue(0);
  Queue far = link->far.queue(0);
  const dpdk::TscClock clock;
  std::atomic<bool> measuring = false;
  std::atomic<bool> stop = false;
  Outcome outcome;
  eal->launch(2, [&](std::size_t worker) {
    if (worker == 0) return send_back(near, clock, measuring, stop, outcome);
    send_and_count(far, clock, options, measuring, outcome);
    stop = true;
  });
  eal->wait();
  if (host::stop_requested()) return 1;
  const auto seconds_of = [](Duration d) { return std::chrono::duration<double>(d).count(); };
  const double seconds = seconds_of(outcome.measured);
  const double total = seconds_of(outcome.total);
  fmt::print(
      "{{\"link\": \"{}\", \"frames_per_second\": {:.0f}, \"seconds\": {:.3f}, "
      "\"frame_bytes\": {}, \"window\": {}, \"busy\": {:.3f}, \"tsc_hz\": {}, "
      "\"huge_pages\": {}}}\n",
      options.link, static_cast<double>(outcome.returned) / seconds, seconds, options.frame,
      options.window, total > 0 ? seconds_of(outcome.busy) / total : 0.0, clock.hz(),
      eal->huge_pages());
  return 0;
}

/// Or the code to exit with.
std::variant<Options, int> parse(int argc, char** argv) {
  Options out;
  CLI::App app{"How many frames a second a core can take and give back over a link."};
  app.add_option("link", out.link, "memif or virtio")
      ->required()
      ->check(CLI::IsMember({"memif", "virtio"}));
  app.add_option("--seconds", out.seconds, "how long is measured")->check(CLI::PositiveNumber);
  app.add_option("--frame", out.frame, "bytes of each")->check(CLI::Range(60, 1'514));
  app.add_option("--window", out.window, "how many are under way")->check(CLI::Range(1, 4'096));
  app.add_option("--cores", out.cores, "A,B: sends back, and sends")->delimiter(',')->expected(2);
  app.add_flag("--no-huge", out.no_huge, "do without huge pages");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!out.cores.empty()) return out;
  const std::vector<unsigned> allowed = dpdk::allowed_cores();
  if (allowed.size() < 2) {
    return cli::print_error({Error::Kind::machine, "the cores", "two are needed, one may be used",
                             "another taskset or cpuset"});
  }
  out.cores = {allowed.front(), allowed.back()};
  return out;
}

}  // namespace
}  // namespace pollux

int main(int argc, char** argv) {
  using namespace pollux;
  const auto parsed = parse(argc, argv);
  if (const int* const code = std::get_if<int>(&parsed)) return *code;
  host::install_signal_handlers();
  return measure(std::get<Options>(parsed));
}
