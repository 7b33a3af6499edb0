// How many frames a second a link carries between two cores: one sends and counts what comes back,
// the other answers each frame. Not a test; run by hand on an idle machine.
//   bounce ring|memif|virtio [seconds [buffers [entries [frame bytes [huge|no-huge [window]]]]]]
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "dpdk/clock.h"
#include "dpdk/eal.h"
#include "dpdk/port_pair.h"
#include "dpdk/ring_link.h"

namespace {

using namespace pollux;

struct Arguments {
  std::string kind = "ring";
  double seconds = 1;
  std::uint32_t buffers = 16'384;
  std::uint32_t entries = 4'096;
  std::size_t frame = 60;
  bool no_huge = false;
  std::size_t window = 512;
};

Arguments parse(int count, char** words) {
  Arguments out;
  if (count > 1) out.kind = words[1];
  if (count > 2) out.seconds = std::atof(words[2]);
  if (count > 3) out.buffers = static_cast<std::uint32_t>(std::atoi(words[3]));
  if (count > 4) out.entries = static_cast<std::uint32_t>(std::atoi(words[4]));
  if (count > 5) out.frame = static_cast<std::size_t>(std::atoi(words[5]));
  if (count > 6) out.no_huge = std::string(words[6]) == "no-huge";
  if (count > 7) out.window = static_cast<std::size_t>(std::atoi(words[7]));
  return out;
}

/// Sends as fast as it goes until `end`, with at most `window` frames under way, and counts what
/// returns.
template <link::Device D>
std::uint64_t send_and_count(D& device, std::size_t frame, std::size_t window,
                             const dpdk::TscClock& clock, Instant end) {
  packet::Burst<typename D::Packet, link::burst_size> in;
  packet::Burst<typename D::Packet, link::burst_size> out;
  std::uint64_t returned = 0;
  std::uint64_t under_way = 0;
  std::uint64_t sum = 0;
  while (clock.now() < end) {
    while (!out.full() && under_way + out.size() < window) {
      auto packet = device.allocate();
      if (!packet) break;
      const auto bytes = packet.append(frame);
      std::memset(bytes.data(), 0x5A, frame < 64 ? frame : 64);
      out.push(std::move(packet));
    }
    under_way += device.transmit(out);
    device.receive(in);
    for (auto& packet : in) sum += static_cast<std::uint64_t>(packet.bytes()[12]);
    returned += in.size();
    under_way -= in.size();
    in.clear();
  }
  std::atomic_signal_fence(std::memory_order_seq_cst);
  return sum == 1 ? 0 : returned;
}

/// Answers each frame with a new one of its length, as a stack does.
template <link::Device D>
void answer(D& device, const std::atomic<bool>& stop) {
  packet::Burst<typename D::Packet, link::burst_size> in;
  packet::Burst<typename D::Packet, link::burst_size> out;
  while (!stop.load(std::memory_order_relaxed)) {
    if (out.empty()) device.receive(in);
    for (auto& packet : in) {
      auto reply = device.allocate();
      if (!reply) break;
      const auto bytes = reply.append(packet.bytes().size());
      std::memcpy(bytes.data(), packet.bytes().data(), bytes.size() < 64 ? bytes.size() : 64);
      out.push(std::move(reply));
    }
    in.clear();
    device.transmit(out);
  }
}

template <link::Device D>
void measure(dpdk::Eal& eal, D& near, D& far, const Arguments& arguments) {
  std::atomic<bool> stop = false;
  std::uint64_t returned = 0;
  const std::size_t window = arguments.window;
  const dpdk::TscClock clock;
  const auto length =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(arguments.seconds));
  Instant begin;
  Instant end;
  eal.launch(2, [&](std::size_t worker) {
    if (worker == 1) return answer(far, stop);
    begin = clock.now();
    returned = send_and_count(near, arguments.frame, window, clock, begin + length);
    end = clock.now();
    stop = true;
  });
  eal.wait();
  const double seconds = std::chrono::duration<double>(end - begin).count();
  std::printf("%s: %.2f M frames/s there and back (%s)\n", arguments.kind.c_str(),
              static_cast<double>(returned) / seconds / 1e6,
              std::string(eal.memory_reason()).c_str());
}

int fail(const Error& error) {
  std::fprintf(stderr, "error: %s: %s; try: %s\n", error.what.c_str(), error.why.c_str(),
               error.remedy.c_str());
  return static_cast<int>(error.kind);
}

Result<dpdk::Eal> start(const Arguments& arguments, std::size_t bytes) {
  return dpdk::Eal::start({.cores = {0, 1}, .no_huge = arguments.no_huge, .memory_bytes = bytes});
}

int over_ring(const Arguments& arguments) {
  const dpdk::RingLinkOptions ring{.entries = arguments.entries, .buffers = arguments.buffers};
  Result<dpdk::Eal> eal = start(arguments, dpdk::RingLink::bytes_for(ring));
  if (!eal) return fail(eal.error());
  Result<dpdk::RingLink> link = dpdk::RingLink::create(ring);
  if (!link) return fail(link.error());
  auto near = link->queue(0, 0);
  auto far = link->queue(1, 0);
  measure(*eal, near, far, arguments);
  return 0;
}

int over_pair(dpdk::PairKind kind, const Arguments& arguments) {
  const dpdk::PortOptions port{.descriptors = static_cast<std::uint16_t>(arguments.entries),
                               .stack_buffers = arguments.buffers};
  Result<dpdk::Eal> eal = start(arguments, dpdk::PortPair::bytes_for(port));
  if (!eal) return fail(eal.error());
  Result<dpdk::PortPair> link = dpdk::PortPair::open(*eal, kind, port);
  if (!link) return fail(link.error());
  auto near = link->near.queue(0);
  auto far = link->far.queue(0);
  measure(*eal, near, far, arguments);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const Arguments arguments = parse(count, words);
  if (arguments.kind == "ring") return over_ring(arguments);
  if (arguments.kind == "memif") return over_pair(dpdk::PairKind::memif, arguments);
  if (arguments.kind == "virtio") return over_pair(dpdk::PairKind::virtio, arguments);
  return fail({.what = arguments.kind, .why = "no such link", .remedy = "ring, memif or virtio"});
}
