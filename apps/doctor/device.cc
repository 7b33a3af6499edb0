#include "doctor/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "cli/environment.h"
#include "cli/error.h"
#include "cli/report.h"
#include "cli/summary.h"
#include "doctor/trials.h"
#include "dpdk/device_spec.h"
#include "dpdk/eal.h"
#include "dpdk/port.h"
#include "dpdk/rss.h"

namespace pollux::doctor {
namespace {

using dpdk::DeviceSpec;
using Json = nlohmann::ordered_json;

/// What spreads flows does so over several queues. A memif's peer need not have them.
dpdk::PortOptions port_options(const DeviceSpec& spec) {
  dpdk::PortOptions out;
  const bool spreads = spec.kind == DeviceSpec::Kind::tap || spec.kind == DeviceSpec::Kind::pci;
  out.queues = spreads ? 2 : 1;
  out.descriptors = 512;
  out.stack_buffers = 4'096;
  out.spread_flows = true;
  out.merging = true;
  out.believing = true;
  return out;
}

/// Devices that are there by themselves come before those that need another: a socket, an
/// interface.
bool waits_for_other(const DeviceSpec& spec) {
  const bool client = spec.kind == DeviceSpec::Kind::memif && spec.role == DeviceSpec::Role::client;
  return client || spec.kind == DeviceSpec::Kind::virtio_user ||
         spec.kind == DeviceSpec::Kind::af_packet || spec.kind == DeviceSpec::Kind::af_xdp;
}

/// What could stand at the other end; empty where nobody knows.
std::string possible_peer(const DeviceSpec& spec) {
  switch (spec.kind) {
    case DeviceSpec::Kind::tap:
      return "af_packet:" + spec.target;
    case DeviceSpec::Kind::vhost:
      return "virtio-user:" + spec.target;
    case DeviceSpec::Kind::virtio_user:
      return "vhost:" + spec.target;
    case DeviceSpec::Kind::memif:
      return fmt::format("memif:{},role={}", spec.target,
                         spec.role == DeviceSpec::Role::client ? "server" : "client");
    case DeviceSpec::Kind::pci:
    case DeviceSpec::Kind::af_packet:
    case DeviceSpec::Kind::af_xdp:
    case DeviceSpec::Kind::vdev:
      return {};
  }
  return {};
}

/// Both ports, and EAL below them.
struct Bench {
  std::unique_ptr<dpdk::Eal> eal;
  std::unique_ptr<dpdk::Port> port;
  std::unique_ptr<dpdk::Port> peer;  // null: none
};

Result<Bench> open(const Options& options, const DeviceSpec& spec,
                   const std::optional<DeviceSpec>& peer) {
  const bool peer_first = peer && waits_for_other(spec);
  const DeviceSpec& first = peer_first ? *peer : spec;
  // Before DPDK starts, which it can only once; what the first one makes is looked for later.
  if (Status there = dpdk::check_machine(first); !there) return there.error();
  dpdk::EalOptions start;
  start.no_huge = options.no_huge;
  start.memory_bytes = dpdk::Port::bytes_for(port_options(spec));
  if (peer) start.memory_bytes += dpdk::Port::bytes_for(port_options(*peer));
  start.log_level = static_cast<dpdk::LogLevel>(options.log_level);
  start.extra = options.eal;
  for (const DeviceSpec* each : {&spec, peer ? &*peer : nullptr}) {
    if (each == nullptr) continue;
    if (each->kind == DeviceSpec::Kind::pci) {
      start.pci_devices.push_back(each->target);
    } else {
      start.virtual_devices = true;
    }
  }
  auto eal = dpdk::Eal::start(start);
  if (!eal) return eal.error();
  Bench out;
  out.eal = std::make_unique<dpdk::Eal>(*std::move(eal));
  const auto opened = [&](const DeviceSpec& what, std::unique_ptr<dpdk::Port>& to) -> Status {
    auto port = dpdk::Port::open(*out.eal, what, port_options(what));
    if (!port) return port.error();
    to = std::make_unique<dpdk::Port>(*std::move(port));
    return std::monostate{};
  };
  if (Status done = opened(first, peer_first ? out.peer : out.port); !done) return done.error();
  if (peer) {
    if (Status done = opened(peer_first ? spec : *peer, peer_first ? out.port : out.peer); !done) {
      return done.error();
    }
  }
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out.empty() ? "none" : out;
}

void print_capabilities(std::FILE* out, const dpdk::Port& port) {
  const dpdk::Advertised says = port.advertised();
  const auto line = [&](std::string_view label, const std::string& text) {
    fmt::print(out, "{}", cli::banner_line(label, text));
  };
  line("device",
       fmt::format("{} ({}), {}", port.spec().to_string(), port.driver(), port.mac().to_string()));
  line("link", port.link_text());
  line("node", port.numa_socket() < 0 ? "any" : fmt::format("{}", port.numa_socket()));
  line("queues",
       fmt::format("{} to receive, {} to transmit, {} flows", says.receive_queues,
                   says.transmit_queues, says.spreads_flows ? "spreads" : "does not spread"));
  line("MTU", fmt::format("{} to {}", says.least_mtu, says.most_mtu));
  line("says that it receives", joined(says.receive));
  line("says that it transmits", joined(says.transmit));
}

/// Half a second for what is under way, on a machine that may be busy.
bool patient(unsigned n) {
  using Clock = std::chrono::steady_clock;
  static Clock::time_point begin;
  if (n == 0) begin = Clock::now();
  if (n % 64 == 63) std::this_thread::sleep_for(std::chrono::microseconds(100));
  return Clock::now() - begin < std::chrono::milliseconds(500);
}

std::vector<dpdk::Queue> queues_of(const dpdk::Port& port) {
  std::vector<dpdk::Queue> out;
  for (std::uint16_t i = 0; i < port.queues(); ++i) out.push_back(port.queue(i));
  return out;
}

Result<std::vector<Trial>> try_offloads(const dpdk::Port& port, const dpdk::Port& peer) {
  std::vector<dpdk::Queue> ours = queues_of(port);
  std::vector<dpdk::Queue> theirs = queues_of(peer);
  Trials<dpdk::Queue, dpdk::Queue> trials{ours, theirs, patient};
  const bool sends = trials.sends();
  const bool receives = trials.receives();
  if (!sends && !receives) {
    return Error{Error::Kind::machine, "--peer " + peer.spec().to_string(),
                 fmt::format("no frame goes from {} to it, nor back", port.spec().to_string()),
                 "a --peer that is its other end, and `ip link set up` of what lies between"};
  }
  std::vector<Trial> out;
  const auto add = [&](std::vector<Trial> more) {
    for (Trial& trial : more) out.push_back(std::move(trial));
  };
  if (sends) {
    add(trials.transmit());
  } else {
    out.push_back({"transmit", Outcome::lies, "no frame comes to the peer"});
  }
  if (receives) {
    add(trials.receive(port.merges()));
    if (port.spreads_flows() && port.queues() > 1) {
      const auto key = port.spreading_key();
      out.push_back(trials.spreading(
          [&](const wire::FourTuple& tuple) { return dpdk::toeplitz(key, tuple); }));
    }
  } else {
    out.push_back({"receive", Outcome::lies, "no frame of the peer's comes"});
  }
  return out;
}

std::string to_json(const Options& options, const dpdk::Port& port,
                    const std::vector<Trial>& trials) {
  const dpdk::Advertised says = port.advertised();
  Json out;
  out["schema"] = "pollux.doctor.device.1";
  out["program"] = "pollux-doctor";
  out["device"] = port.spec().to_string();
  out["peer"] = options.peer;
  out["driver"] = port.driver();
  out["mac"] = port.mac().to_string();
  out["link_up"] = port.link_up();
  out["node"] = port.numa_socket();
  out["queues"] = {{"receive", says.receive_queues}, {"transmit", says.transmit_queues}};
  out["mtu"] = {{"least", says.least_mtu}, {"most", says.most_mtu}};
  out["spreads_flows"] = says.spreads_flows;
  out["advertised"] = {{"receive", says.receive}, {"transmit", says.transmit}};
  out["trials"] = Json::array();
  for (const Trial& trial : trials) {
    out["trials"].push_back(
        {{"offload", trial.offload}, {"outcome", name(trial.outcome)}, {"detail", trial.detail}});
  }
  out["environment"] = {
      {"cpu", cli::cpu_model()}, {"dpdk", dpdk::Eal::version()}, {"pollux", cli::version()}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// What was found, whatever it is; a failure to say so comes before `code`.
int finish(const Options& options, const dpdk::Port& port, const std::vector<Trial>& trials,
           int code) {
  if (std::fflush(options.human()) != 0) {
    return cli::print_error({Error::Kind::machine, "the report", "it cannot be written",
                             "another place for standard output"});
  }
  if (options.json.empty()) return code;
  const Status written = cli::write_json(options.json, to_json(options, port, trials));
  return written ? code : cli::print_error(written.error());
}

}  // namespace

std::string_view name(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::works:
      return "works";
    case Outcome::lies:
      return "lies";
    case Outcome::silent:
      return "silent";
  }
  return {};
}

int examine_device(const Options& options) {
  const auto spec = DeviceSpec::parse(options.device);
  if (!spec) return cli::print_error(spec.error());
  std::optional<DeviceSpec> peer;
  // The kernel's side of a tap is always there.
  const std::string other = options.peer.empty() && spec->kind == DeviceSpec::Kind::tap
                                ? possible_peer(*spec)
                                : options.peer;
  if (!other.empty()) {
    const auto parsed = DeviceSpec::parse(other);
    if (!parsed) return cli::print_error(parsed.error());
    peer = *parsed;
  }
  auto bench = open(options, *spec, peer);
  if (!bench) return cli::print_error(bench.error());
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(options.wait);
  Status up = bench->port->wait_for_link(limit);
  if (up && bench->peer) up = bench->peer->wait_for_link(limit);
  std::FILE* const out = options.human();
  print_capabilities(out, *bench->port);
  if (!up) return finish(options, *bench->port, {}, cli::print_error(up.error()));
  if (!bench->peer) {
    const std::string hint = possible_peer(*spec);
    fmt::print(out, "{}",
               cli::banner_line("not tried", fmt::format("whether that is true; try: --peer {}",
                                                         hint.empty() ? "SPEC" : hint)));
    return finish(options, *bench->port, {}, 0);
  }
  const auto trials = try_offloads(*bench->port, *bench->peer);
  if (!trials) {
    return finish(options, *bench->port, {}, cli::print_error(trials.error()));
  }
  bool lies = false;
  for (const Trial& trial : *trials) {
    fmt::print(out, "{:<6} {}: {}\n", name(trial.outcome), trial.offload, trial.detail);
    lies = lies || trial.outcome == Outcome::lies;
  }
  if (trials->empty()) fmt::print(out, "it offers nothing that could be tried\n");
  return finish(options, *bench->port, *trials, lies ? 1 : 0);
}

}  // namespace pollux::doctor
