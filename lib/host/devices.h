#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/result.h"
#include "dpdk/device_spec.h"
#include "dpdk/eal.h"
#include "dpdk/port.h"

namespace pollux::host {

/// A device, and how its port is opened.
struct DeviceOptions {
  dpdk::DeviceSpec spec;
  dpdk::PortOptions port;
};

/// The ports that a program uses, and EAL, which they need: opened together and closed in the right
/// order. One a process, since EAL is.
struct Devices {
  std::unique_ptr<dpdk::Eal> eal;
  std::vector<dpdk::Port> ports;  // one for each device, in their order

  /// Checks that the machine has every device, starts EAL with memory for all of them (what `eal`
  /// says of memory and of PCI devices is filled in here), and opens the ports.
  static Result<Devices> open(dpdk::EalOptions eal, const std::vector<DeviceOptions>& wanted);
  /// Waits for every port's link or peer, up to `limit` each; stop_requested() ends it at once.
  Status wait_for_links(std::chrono::milliseconds limit);
  /// To be called some times a second by a thread that does not poll: finds lost peers again, and
  /// devices that were taken away; when none is left, request_stop().
  void tend();
  /// A line for each device that was taken away while it was in use: the run has failed then.
  const std::vector<Error>& losses() const noexcept { return losses_; }

  /// Calls job(i) on worker i for each i < n, and tends until every one has returned.
  template <class Job>
  void run(std::size_t n, Job&& job) {
    std::atomic<std::size_t> left{n};
    eal->launch(n, [&](std::size_t i) {
      job(i);
      left.fetch_sub(1, std::memory_order_release);
    });
    while (left.load(std::memory_order_acquire) != 0) rest_and_tend();
    eal->wait();
  }

 private:
  void rest_and_tend();

  std::vector<bool> gone_;  // of each port: it is among the losses
  std::vector<Error> losses_;
};

}  // namespace pollux::host
