#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/options.h"
#include "dpdk/eal.h"
#include "dpdk/port.h"
#include "host/devices.h"
#include "run/capture.h"
#include "run/monitor.h"
#include "run/steering.h"

namespace pollux::run {

/// EAL as the shared options ask for it.
dpdk::EalOptions eal_options(const cli::SharedOptions& options, std::vector<unsigned> cores,
                             std::size_t memory_bytes);

/// The ports of all --device options.
struct Devices : host::Devices {
  /// Packets that each pipeline has for itself.
  static constexpr std::uint32_t stack_buffers = 32'768;

  std::vector<PortSteering> steerings = {};  // of each port

  explicit Devices(host::Devices opened) noexcept : host::Devices(std::move(opened)) {}
  Devices(Devices&&) noexcept = default;
  Devices& operator=(Devices&&) = delete;
  /// Closes the ports. Warns of buffers that have not come back: the stack, which is gone by then,
  /// or the driver has lost them.
  ~Devices();

  /// Checks every spec, starts EAL with memory for all of them, opens the ports and waits for
  /// their peers.
  static Result<Devices> open(const cli::SharedOptions& options);
  /// Prints the start-up banner, but for its line about memory (run/banner.h).
  void print_banner(const cli::SharedOptions& options) const;
  /// The host's, and says at once what it has found out.
  void tend();
  /// What the summary says of a run on them.
  Facts facts(std::string program, const cli::SharedOptions& options,
              std::size_t bytes_per_connection) const;

 private:
  std::size_t told_ = 0;  // of the losses
};

/// The recorder of --capture with an interface for each end, or null where nothing is captured.
Result<std::unique_ptr<Recorder>> make_recorder(const cli::SharedOptions& options,
                                                const dpdk::TscClock& clock,
                                                const std::vector<std::string>& interfaces);
/// The same with an interface for each device.
Result<std::unique_ptr<Recorder>> make_recorder(const cli::SharedOptions& options,
                                                const dpdk::TscClock& clock);
/// Whether the capture is whole; the exit code where it is not.
int finish_recording(Recorder* recorder);

}  // namespace pollux::run
