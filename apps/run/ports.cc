#include "run/ports.h"

#include <fmt/core.h>

#include <chrono>
#include <utility>

#include "cli/error.h"
#include "cli/report.h"
#include "dpdk/device_spec.h"
#include "dpdk/kernel_interface.h"
#include "dpdk/numa.h"
#include "run/banner.h"
#include "run/steering.h"

namespace pollux::run {
namespace {

dpdk::LogLevel level_of(cli::LogLevel level) {
  switch (level) {
    case cli::LogLevel::error:
      return dpdk::LogLevel::error;
    case cli::LogLevel::warning:
      return dpdk::LogLevel::warning;
    case cli::LogLevel::info:
      return dpdk::LogLevel::info;
    case cli::LogLevel::debug:
      return dpdk::LogLevel::debug;
  }
  return dpdk::LogLevel::error;
}

/// What comes to a channel of an interface that nobody polls goes to the kernel.
void warn_of_channels(std::FILE* out, const dpdk::Port& port) {
  if (port.spec().kind != dpdk::DeviceSpec::Kind::af_xdp) return;
  const std::string& interface = port.spec().target;
  const unsigned channels = dpdk::channels_of(interface);
  if (channels <= port.queues()) return;
  fmt::print(out, "{}",
             cli::banner_line(
                 "warning", fmt::format("{0} has {1} channels, and the kernel keeps what comes to "
                                        "all but {2}; try: ethtool -L {0} combined {2}",
                                        interface, channels, port.queues())));
}

/// How the flows of a port have come to their cores in the end.
std::string steering_of(const PortSteering& port) {
  if (port.steering == nullptr || !port.steering->device_lied()) return port.text;
  return "software (the device's queues were not those of its Toeplitz sum: rings between cores)";
}

}  // namespace

dpdk::EalOptions eal_options(const cli::SharedOptions& options, std::vector<unsigned> cores,
                             std::size_t memory_bytes) {
  dpdk::EalOptions out;
  out.cores = std::move(cores);
  out.no_huge = options.no_huge;
  out.memory_bytes = memory_bytes;
  out.log_level = level_of(options.log_level);
  out.extra = options.eal;
  return out;
}

Result<Devices> Devices::open(const cli::SharedOptions& options) {
  const auto chosen =
      dpdk::worker_cores({options.cores.begin(), options.cores.end()}, dpdk::allowed_cores());
  if (!chosen) return chosen.error();
  const std::vector<unsigned>& cores = *chosen;
  std::vector<host::DeviceOptions> wanted;
  for (const cli::DeviceOptions& device : options.devices) {
    auto spec = dpdk::DeviceSpec::parse(device.spec);
    if (!spec) return spec.error();
    dpdk::PortOptions port;
    port.queues = static_cast<std::uint16_t>(cores.size());
    port.fewer_queues = true;
    port.mac = device.mac;
    if (device.mtu) port.mtu = *device.mtu;
    port.stack_buffers = stack_buffers;
    port.spread_flows = cores.size() > 1;
    port.segmentation = options.segmentation;
    port.merging = options.merging;
    port.descriptors = options.rings;
    wanted.push_back({std::move(*spec), port});
  }
  auto opened = host::Devices::open(eal_options(options, cores, 0), wanted);
  if (!opened) return opened.error();
  for (const dpdk::Port& port : opened->ports) {
    if (options.steering == cli::Steering::rss && cores.size() > 1 && !port.spreads_flows()) {
      return Error{Error::Kind::machine, "--steering rss",
                   port.driver() + " does not spread flows over its queues", "--steering auto"};
    }
    if (options.steering == cli::Steering::rss && port.queues() < cores.size()) {
      return Error{Error::Kind::machine, "--steering rss",
                   fmt::format("{} has {} queues for {} cores", port.spec().to_string(),
                               port.queues(), cores.size()),
                   "--steering auto, or fewer --cores"};
    }
  }
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(options.wait);
  if (Status up = opened->wait_for_links(limit); !up) return up.error();
  Devices out{std::move(*opened)};
  for (const dpdk::Port& port : out.ports) {
    auto steering = PortSteering::create(options.steering, port, cores.size());
    if (!steering) return steering.error();
    out.steerings.push_back(std::move(*steering));
  }
  return out;
}

Devices::~Devices() {
  steerings.clear();  // what is on its way between cores goes back
  for (dpdk::Port& port : ports) {
    // The driver of this one keeps what was in its rings until the process ends.
    if (port.spec().kind == dpdk::DeviceSpec::Kind::af_xdp) continue;
    const std::string device = port.spec().to_string();
    if (const std::size_t lost = port.close(); lost != 0) {
      fmt::print(stderr, "warning: {}: {} packet buffers were never given back\n", device, lost);
    }
  }
}

void Devices::print_banner(const cli::SharedOptions& options) const {
  std::FILE* const out = options.human();
  const auto topology = dpdk::Topology::find();
  std::vector<dpdk::PacketMemory> packets;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const dpdk::Port& port = ports[i];
    fmt::print(
        out, "{}",
        cli::banner_line("device", fmt::format("{} ({}), {}, {} queue{}", port.spec().to_string(),
                                               port.driver(), port.mac().to_string(), port.queues(),
                                               port.queues() == 1 ? "" : "s")));
    fmt::print(out, "{}", cli::banner_line("offloads", port.offloads()));
    fmt::print(out, "{}", cli::banner_line("steering", steerings[i].text));
    warn_of_channels(out, port);
    for (const unsigned core : eal->cores()) {
      const auto warning = dpdk::far_away(topology, core, port.numa_socket());
      if (warning) fmt::print(out, "{}", cli::banner_line("warning", *warning));
    }
    for (std::uint16_t queue = 0; queue < port.queues(); ++queue) {
      packets.push_back({eal->cores()[queue], port.buffer_nodes(queue)});
    }
  }
  warn_of_far_packets(out, *eal, topology, packets);
  std::fflush(out);
}

void Devices::tend() {
  host::Devices::tend();
  for (; told_ != losses().size(); ++told_) cli::print_error(losses()[told_]);
}

Facts Devices::facts(std::string program, const cli::SharedOptions& options,
                     std::size_t bytes_per_connection) const {
  Facts out{std::move(program),      options.devices.front().spec, steering_of(steerings.front()),
            eal->huge_pages(),       bytes_per_connection,         options.connections,
            ports.front().offloads()};
  for (const dpdk::Port& port : ports) {
    const dpdk::PortStats stats = port.stats();
    const auto add = [&](const char* name, std::uint64_t count) {
      if (count != 0) out.device_drops[name] += count;
    };
    add("rx_missed", stats.rx_missed);
    add("rx_no_buffer", stats.rx_no_buffer);
    add("rx_errors", stats.rx_errors);
    add("tx_errors", stats.tx_errors);
  }
  for (const PortSteering& each : steerings) {
    if (each.steering == nullptr) continue;
    out.steered = true;
    out.handed_over += each.steering->handed_over();
    out.lost_between_cores += each.steering->dropped();
  }
  return out;
}

Result<std::unique_ptr<Recorder>> make_recorder(const cli::SharedOptions& options,
                                                const dpdk::TscClock& clock,
                                                const std::vector<std::string>& interfaces) {
  if (options.capture.empty()) return std::unique_ptr<Recorder>{};
  auto recorder = Recorder::create(options.capture, clock);
  if (!recorder) return recorder;
  for (const std::string& name : interfaces) {
    if (auto added = (*recorder)->add_interface(name); !added) return added.error();
  }
  return recorder;
}

Result<std::unique_ptr<Recorder>> make_recorder(const cli::SharedOptions& options,
                                                const dpdk::TscClock& clock) {
  std::vector<std::string> interfaces;
  for (const auto& device : options.devices) interfaces.push_back(device.spec);
  return make_recorder(options, clock, interfaces);
}

int finish_recording(Recorder* recorder) {
  if (recorder == nullptr) return 0;
  if (Status whole = recorder->finish(); !whole) return cli::print_error(whole.error());
  return 0;
}

}  // namespace pollux::run
