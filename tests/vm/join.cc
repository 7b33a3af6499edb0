// Joins two devices: what comes from one leaves by the other, until it is told to end. So everyday
// tools on a tap reach a guest whose card has only a DPDK program at its other end.
//   join SPEC SPEC
#include <cstdio>
#include <vector>

#include "base/error.h"
#include "dpdk/device_spec.h"
#include "dpdk/port.h"
#include "host/devices.h"
#include "host/signals.h"

namespace {

using namespace pollux;

/// A guest's card wants as many queues of a vhost as it has.
constexpr std::uint16_t queues = 2;

/// One way of one queue. What the other side does not take is lost.
void carry(dpdk::Queue& from, dpdk::Queue& to) {
  dpdk::Queue::Burst frames;
  from.receive(frames);
  while (!frames.empty() && to.transmit(frames) != 0) {
  }
  frames.clear();
}

int join(char** words) {
  std::vector<host::DeviceOptions> wanted;
  for (int i = 1; i <= 2; ++i) {
    auto spec = dpdk::DeviceSpec::parse(words[i]);
    if (!spec) return print_error(spec.error());
    wanted.push_back({std::move(*spec), {.queues = queues}});
  }
  auto devices = host::Devices::open({.no_huge = true}, wanted);
  if (!devices) return print_error(devices.error());
  std::puts("ready");
  std::fflush(stdout);
  devices->run(1, [&](std::size_t) {
    std::vector<dpdk::Queue> left;
    std::vector<dpdk::Queue> right;
    for (std::uint16_t i = 0; i < queues; ++i) {
      left.push_back(devices->ports[0].queue(i));
      right.push_back(devices->ports[1].queue(i));
    }
    while (!host::stop_requested()) {
      for (std::uint16_t i = 0; i < queues; ++i) {
        carry(left[i], right[i]);
        carry(right[i], left[i]);
      }
    }
  });
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) {
    std::fputs("usage: join SPEC SPEC\n", stderr);
    return 2;
  }
  pollux::host::install_signal_handlers();
  return join(words);
}
