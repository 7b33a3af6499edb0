#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "application/application.h"
#include "base/error.h"
#include "dpdk/clock.h"
#include "host/devices.h"
#include "host/signals.h"
#include "pipeline/pipeline.h"

/// A whole program's outside: DPDK, a device, a core that polls, signals, the end.
namespace pollux::host {

/// What a program runs on: one device, one core, one stack. Texts are as users type them, and are
/// checked by run().
struct Options {
  std::string device = {};   // "tap:pollux0", "pci:0000:00:04.0": see dpdk::DeviceSpec::parse
  std::string address = {};  // "10.0.0.1/24"
  std::string gateway = {};  // "10.0.0.254"; empty: everybody is on link
  /// The most connections at once, half-open ones apart.
  std::uint32_t connections = 65'536;
  tcp::Config tcp = {};
  std::optional<unsigned> core = {};       // nothing: the first that this process may run on
  bool no_huge = false;                    // do without huge pages even where there are some
  std::chrono::milliseconds wait{10'000};  // for the other side of a memif or vhost
};

/// A seed that nobody can foretell.
std::uint64_t fresh_seed();

/// The bounds of a stack that fit its pool of packets, of which `pool` are its own beyond what is
/// on its way: half of them may be kept, sent or received, so that there are always some to send
/// with.
pipeline::Config stack_config(std::uint32_t connections, std::uint32_t pool);

/// The device of `options`, opened, and what its stack is to be made of.
struct Site {
  static Result<Site> open(const Options& options);
  Devices devices;
  pipeline::Config stack;
};

/// Runs `application` on a core of its own, and returns when somebody asks for the end (SIGINT,
/// SIGTERM) or application.done(), if it has that, says so, or with an error when the device is
/// taken away; what is then still open is reset. The calling thread waits meanwhile. Once a
/// process.
template <application::Application A>
Status run(const Options& options, A& application) {
  install_signal_handlers();
  auto site = Site::open(options);
  if (!site) return site.error();
  const dpdk::TscClock clock;
  auto queue = site->devices.ports.front().queue(0);
  Status outcome = std::monostate{};
  site->devices.run(1, [&](std::size_t) {
    using Stack = pipeline::Pipeline<dpdk::Queue, A>;
    auto stack = Stack::make(site->stack, queue, application, clock.now());
    if (!stack) {
      outcome = stack.error();
      return;
    }
    const auto over = [&application] {
      if constexpr (requires {
                      { application.done() } -> std::convertible_to<bool>;
                    }) {
        if (application.done()) return true;
      }
      return stop_requested();
    };
    (*stack)->start(clock.now());
    while (!over()) (*stack)->poll(clock.now());
    (*stack)->stop(clock.now());
  });
  if (outcome && !site->devices.losses().empty()) return site->devices.losses().front();
  return outcome;
}

/// The exit code of a program that ends so: 0, or that of the error, which is printed.
inline int exit_code(const Status& status) { return status ? 0 : print_error(status.error()); }

}  // namespace pollux::host
