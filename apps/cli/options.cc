#include "cli/options.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/about.h"
#include "cli/arguments.h"
#include "cli/environment.h"
#include "cli/error.h"
#include "cli/option_table.h"
#include "cli/profile_options.h"

namespace pollux::cli {
namespace {

Error usage(std::string what, std::string why, std::string remedy) {
  return Error{Error::Kind::usage, std::move(what), std::move(why), std::move(remedy)};
}

const OptionRow* find_row(std::string_view name) {
  const std::vector<OptionRow>& rows = option_table();
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [&](const OptionRow& row) { return row.text.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

/// The programs that know an option, for those who gave it to another.
std::string owners(const OptionRow& row) {
  std::string out;
  for (const About* about : abouts) {
    if (!row.belongs_to(about->program)) continue;
    if (!out.empty()) out += " or ";
    out += about->name;
  }
  return out;
}

/// An option and its value as error lines name them.
std::string what_of(const Argument& argument, const OptionRow& row) {
  std::string out = argument.name;
  if (!row.text.value.empty()) out += ' ' + in_quotes(argument.value);
  if (!argument.file.empty()) out += fmt::format(" in {}", in_quotes(argument.file));
  return out;
}

Status check_known(const About& about, const Argument& argument, const OptionRow& row) {
  if (!row.belongs_to(about.program)) {
    return usage(argument.name, fmt::format("not an option of {}", about.name), owners(row));
  }
  return std::monostate{};
}

Status apply(const About& about, Draft& draft, const std::vector<Argument>& arguments) {
  for (const Argument& argument : arguments) {
    const OptionRow& row = *find_row(argument.name);
    if (Status known = check_known(about, argument, row); !known) return known;
    const std::string what = what_of(argument, row);
    if (row.of_device() && draft.shared.devices.empty() && argument.name != "--device" &&
        draft.first_before.empty()) {
      draft.first_before = what;
    }
    if (Status taken = row.take(draft, argument.value); !taken) {
      const Error& error = taken.error();
      std::string remedy =
          error.remedy.empty() ? fmt::format("{} {}", row.text.name, row.example) : error.remedy;
      return usage(what, error.why, std::move(remedy));
    }
    if (!draft.has(argument.name)) draft.given.push_back(argument.name);
  }
  return std::monostate{};
}

/// The command line wins: what it names is taken out of the file's list, and a device of its own
/// takes the place of all of the file's devices.
Result<std::vector<Argument>> merge(std::vector<Argument> file, const std::vector<Argument>& line) {
  const auto named = [](const std::vector<Argument>& arguments, std::string_view name) {
    return std::count_if(arguments.begin(), arguments.end(),
                         [&](const Argument& argument) { return argument.name == name; });
  };
  const bool own_devices = named(line, "--device") > 0;
  for (const Argument& argument : line) {
    if (find_row(argument.name)->of_device() && !own_devices && named(file, "--device") > 1) {
      return usage(what_of(argument, *find_row(argument.name)),
                   "the file has several devices, and it belongs to none of them",
                   "--device before it, or the file");
    }
  }
  // Two names for how a connection ends.
  const bool own_end = named(line, "--close") + named(line, "--reset") > 0;
  std::erase_if(file, [&](const Argument& argument) {
    if (own_end && (argument.name == "--close" || argument.name == "--reset")) return true;
    if (own_devices && find_row(argument.name)->of_device()) return true;
    return named(line, argument.name) > 0;
  });
  file.insert(file.end(), line.begin(), line.end());
  return file;
}

/// Everything that was typed, in the order in which it counts.
Result<std::vector<Argument>> gather(const About& about, std::vector<Argument> line) {
  const std::string* path = nullptr;
  for (const Argument& argument : line) {
    if (argument.name == "--config") path = &argument.value;
  }
  if (path == nullptr) return line;
  if (path->empty()) return usage("--config ''", "names no file", "--config pollux.toml");
  Result<std::vector<Argument>> file = read_config(*path, texts(about.program));
  if (!file) return file.error();
  return merge(std::move(file).value(), line);
}

/// Options of a device that stand before it are its own when there is only one.
Status settle_devices(const About& about, Draft& draft) {
  if (about.program == Program::bench) return std::monostate{};
  std::vector<DeviceOptions>& devices = draft.shared.devices;
  if (devices.empty()) {
    return usage("--device", fmt::format("{} needs one", about.name), "--device tap:pollux0");
  }
  if (draft.first_before.empty()) return std::monostate{};
  if (devices.size() > 1) {
    return usage(draft.first_before, "stands before the first of several devices",
                 "the --device that it belongs to, then the option");
  }
  DeviceOptions& device = devices.front();
  DeviceOptions& before = draft.before;
  std::vector<pipeline::AddressRange>& addresses = device.interface.addresses;
  std::vector<pipeline::Route>& routes = device.interface.routes;
  addresses.insert(addresses.begin(), before.interface.addresses.begin(),
                   before.interface.addresses.end());
  routes.insert(routes.begin(), before.interface.routes.begin(), before.interface.routes.end());
  if (!device.interface.vlan) device.interface.vlan = before.interface.vlan;
  if (!device.mac) device.mac = before.mac;
  if (!device.mtu) device.mtu = before.mtu;
  return std::monostate{};
}

Status check_addresses(const DeviceOptions& device) {
  const std::vector<pipeline::AddressRange>& ranges = device.interface.addresses;
  const std::string what = fmt::format("--device {}", in_quotes(device.spec));
  if (ranges.empty()) return usage(what, "has no --address", "--address 10.0.0.2/24 after it");
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const std::uint64_t first = ranges[i].prefix.address.value();
    for (std::size_t j = 0; j < i; ++j) {
      const std::uint64_t other = ranges[j].prefix.address.value();
      if (first < other + ranges[j].count && other < first + ranges[i].count) {
        return usage(fmt::format("--address '{}'", ranges[i].prefix.to_string()),
                     fmt::format("overlaps with '{}'", ranges[j].prefix.to_string()),
                     "each address once");
      }
    }
  }
  return std::monostate{};
}

/// The network's own address and its broadcast address (but in a /31 or /32, RFC 3021).
bool is_nobodys(wire::Ipv4Address address, const wire::Ipv4Prefix& network) {
  return network.length < 31 && network.contains(address) &&
         (address == network.network() || network.broadcast() == address);
}

/// Next hops must be somebody else, on link.
Status check_routes(const DeviceOptions& device) {
  const std::vector<pipeline::AddressRange>& ranges = device.interface.addresses;
  const std::vector<pipeline::Route>& routes = device.interface.routes;
  for (const pipeline::Route& route : routes) {
    const std::string what = route.destination.length == 0
                                 ? fmt::format("--gateway '{}'", route.next_hop.to_string())
                                 : fmt::format("--route '{}={}'", route.destination.to_string(),
                                               route.next_hop.to_string());
    const bool on_link = std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
      return range.prefix.contains(route.next_hop);
    });
    if (!on_link) return usage(what, "in no network of this device", "a next hop that is on link");
    for (const pipeline::AddressRange& range : ranges) {
      if (route.next_hop.value() - range.prefix.address.value() < range.count) {
        return usage(what, "is an address of this device itself", "the neighbour's address");
      }
      if (is_nobodys(route.next_hop, range.prefix)) {
        return usage(what, "is no host's address in that network", "the neighbour's address");
      }
    }
    if (std::count_if(routes.begin(), routes.end(), [&](const pipeline::Route& other) {
          return other.destination == route.destination;
        }) > 1) {
      return usage(what, "a next hop for this prefix stands there already", "one for each prefix");
    }
  }
  return std::monostate{};
}

/// A target must be somebody else's address.
Status check_target(const application::Endpoint& target, const pipeline::AddressRange& range) {
  const auto refused = [&](std::string why) {
    return usage(fmt::format("--target '{}:{}'", target.address.to_string(), target.port),
                 std::move(why), "the address of what is to be loaded");
  };
  if (target.address.value() - range.prefix.address.value() < range.count) {
    return refused("is an address of pollux-load itself");
  }
  if (is_nobodys(target.address, range.prefix)) {
    return refused(fmt::format("is no host's address in '{}'", range.prefix.to_string()));
  }
  return std::monostate{};
}

/// SYNs alone ask for nothing, and nothing is kept of them that could be waited for.
Status check_syn_only(const Draft& draft) {
  if (!draft.client.syn_only) return std::monostate{};
  if (!draft.client.cps && !draft.has("--search")) {
    return usage("--syn-only", "without a rate there is no end of SYNs", "--cps 1000000 with it");
  }
  for (const std::string_view name :
       {"--concurrency", "--requests", "--pipeline", "--path", "--method", "--header", "--data",
        "--close", "--reset", "--hold", "--hold-interval", "--fast-open", "--scenario"}) {
    if (draft.has(name)) {
      return usage("--syn-only", fmt::format("together with {}: SYNs open no connection", name),
                   "one of the two");
    }
  }
  for (const FailIf& rule : draft.client.fail_if) {
    if (rule.of_latency()) {
      return usage(fmt::format("--fail-if {}", in_quotes(rule.text)), "SYNs alone are not timed",
                   "--fail-if 'failed>0', or no --syn-only");
    }
  }
  return std::monostate{};
}

/// A search chooses the rate, and changes it.
Status check_search(const Draft& draft) {
  for (const std::string_view name : {"--search-from", "--search-resolution"}) {
    if (draft.has(name) && !draft.has("--search") && !draft.has("--profile")) {
      return usage(std::string{name}, "without --search", "--search with it");
    }
  }
  if (!draft.has("--search")) return std::monostate{};
  if (draft.client.hold || draft.scenario == Scenario::hold) {
    return usage("--search", "together with --hold, which opens connections once",
                 "one of the two");
  }
  if (draft.has("--ramp")) {
    return usage("--search", "together with --ramp", "--warmup, which each step has");
  }
  if (draft.has("--duration") && draft.shared.duration == Duration{0}) {
    return usage("--duration '0'", "a step of --search has an end", "--duration 10");
  }
  if (draft.client.cps && *draft.client.cps < draft.search.from) {
    return usage(fmt::format("--cps '{}'", *draft.client.cps),
                 fmt::format("the search begins above it, at {}", draft.search.from),
                 "a lower --search-from");
  }
  for (const FailIf& rule : draft.client.fail_if) {
    if (rule.below && (rule.metric == "cps" || rule.metric == "rps")) {
      return usage(fmt::format("--fail-if {}", in_quotes(rule.text)),
                   "every low rate of --search fails so", "--search-from");
    }
  }
  return std::monostate{};
}

/// What options of the client say together.
Status check_client(const About& about, const Draft& draft) {
  if (about.program == Program::load && draft.client.targets.empty()) {
    return usage("--target", "pollux-load needs one", "--target 10.0.0.1:80");
  }
  for (const application::Endpoint& target : draft.client.targets) {
    for (const DeviceOptions& device : draft.shared.devices) {
      for (const pipeline::AddressRange& range : device.interface.addresses) {
        if (Status fine = check_target(target, range); !fine) return fine;
      }
    }
  }
  if (draft.client.path == "*" && draft.client.method != "OPTIONS") {
    return usage("--path '*'", "is for --method OPTIONS alone", "--method OPTIONS, or --path /");
  }
  if (draft.has("--reset") && draft.has("--close")) {
    return usage("--reset", "together with --close", "one of the two");
  }
  if (Status fine = check_syn_only(draft); !fine) return fine;
  if (Status fine = check_search(draft); !fine) return fine;
  if (Status fine = check_profile(draft); !fine) return fine;
  const bool holds = draft.client.hold || draft.scenario == Scenario::hold;
  if (draft.has("--hold-interval") && !holds) {
    return usage("--hold-interval", "without --hold", "--hold with it");
  }
  if (draft.has("--beside") && !draft.client.syn_only) {
    return usage("--beside", "without --syn-only", "--syn-only with it");
  }
  for (const std::string_view name : {"--search", "--profile", "--syn-only", "--hold"}) {
    const bool given = draft.has(name) || (name == "--hold" && holds);
    if (draft.has("--held") && given) {
      return usage("--held", fmt::format("together with {}", name), "one of the two");
    }
  }
  if (draft.has("--beside") && draft.has("--search")) {
    return usage("--beside", "together with --search", "one of the two");
  }
  return std::monostate{};
}

/// What follows from other options where nothing was said.
void fill_in(const About& about, Draft& draft) {
  if (about.program != Program::httpd && !draft.has("--duration")) draft.shared.duration = 10s;
  draft.client.limited = draft.has("--concurrency");
  if (draft.has("--profile")) fill_in_profile(draft);
  if (draft.has("--search")) {
    draft.client.search = draft.search;
    draft.client.search->most = draft.client.cps;
  }
  if (draft.client.data && !draft.has("--method")) draft.client.method = "POST";
  switch (draft.scenario) {
    case Scenario::cps:
      break;
    case Scenario::requests:
      if (!draft.has("--requests")) draft.client.requests = 1'000;
      break;
    case Scenario::hold:
      draft.client.hold = true;
      break;
    case Scenario::bulk:
      if (!draft.has("--path")) draft.client.path = "/bytes/1048576";
      if (!draft.has("--concurrency")) draft.client.concurrency = 16;
      if (!draft.has("--requests")) draft.client.requests = 100;
      break;
  }
  // What is held beside the load is silent for as long as that lasts.
  if (draft.client.held != 0 && !draft.has("--idle-timeout")) draft.server.idle_timeout = 0s;
  if (draft.client.hold) {
    // What is held was opened at the start, and asks for as long as it is held.
    if (!draft.has("--warmup")) draft.client.warmup = 0s;
    if (!draft.has("--requests")) draft.client.requests = UINT64_MAX;
    if (!draft.has("--idle-timeout")) {
      draft.server.idle_timeout =
          std::max<Duration>(draft.server.idle_timeout, 2 * draft.client.hold_interval);
      if (const auto& profile = draft.client.profile) {
        draft.server.idle_timeout += profile->ramp_up + profile->sustain;
      }
    }
  }
}

/// The connections of the client must fit where they are kept; unless a bound was asked for, the
/// bound follows.
Status settle_connections(const About& about, Draft& draft) {
  const std::uint64_t cores = std::max<std::size_t>(draft.shared.cores.size(), 1);
  const std::uint64_t clients =
      about.program == Program::bench ? std::max<std::uint64_t>(cores / 2, 1) : cores;
  const std::uint64_t room = clients * draft.shared.connections;
  const std::uint64_t wanted = std::uint64_t{draft.client.concurrency} + draft.client.held;
  if (about.program == Program::httpd || wanted <= room) return std::monostate{};
  if (draft.has("--connections")) {
    return usage(draft.client.held == 0
                     ? fmt::format("--concurrency '{}'", draft.client.concurrency)
                     : fmt::format("--held '{}'", draft.client.held),
                 fmt::format("more than the {} that --connections leaves room for", room),
                 "a larger --connections");
  }
  // Some are on their way out while others come.
  draft.shared.connections =
      static_cast<std::uint32_t>(draft.client.held == 0 ? wanted : wanted + wanted / 64);
  return std::monostate{};
}

/// A generator closes what it has opened itself, all at once where paths are long: it bounds its
/// connections already.
void settle_orphans(const About& about, Draft& draft) {
  if (about.program == Program::load && draft.shared.orphans == 0) {
    draft.shared.orphans = draft.shared.connections;
  }
}

/// What two things would write to, or open, at once.
Status check_shared(const SharedOptions& shared) {
  for (std::size_t i = 0; i < shared.devices.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (shared.devices[i].spec != shared.devices[j].spec) continue;
      return usage(fmt::format("--device {}", in_quotes(shared.devices[i].spec)), "given twice",
                   "each device once, with all its --address after it");
    }
  }
  if (!shared.capture.empty() && shared.capture == shared.json) {
    return usage(fmt::format("--capture {}", in_quotes(shared.capture)),
                 "the summary of --json goes there", "another file");
  }
  return std::monostate{};
}

Status settle(const About& about, Draft& draft) {
  if (Status fine = settle_devices(about, draft); !fine) return fine;
  if (Status fine = check_shared(draft.shared); !fine) return fine;
  for (const DeviceOptions& device : draft.shared.devices) {
    if (Status fine = check_addresses(device); !fine) return fine;
    if (Status fine = check_routes(device); !fine) return fine;
  }
  if (Status fine = check_client(about, draft); !fine) return fine;
  fill_in(about, draft);
  if (Status fine = settle_connections(about, draft); !fine) return fine;
  settle_orphans(about, draft);
  return std::monostate{};
}

/// The whole way from argv to a draft; `Options` is made of its parts by the caller.
template <class Options, class Make>
Parsed<Options> parse(const About& about, int argc, const char* const* argv, Make make) {
  const auto refused = [](const Error& error) {
    return Parsed<Options>{std::nullopt, static_cast<int>(error.kind), format_error(error)};
  };
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  // Read with all programs' options, so that one of another program is named as such.
  const Result<CommandLine> line =
      read_command_line(words, about.name, texts(std::nullopt), texts(about.program));
  if (!line) return refused(line.error());
  if ((*line).help) return {std::nullopt, 0, help_of(about)};
  if ((*line).version) return {std::nullopt, 0, fmt::format("{} {}", about.name, version())};
  Draft draft;
  const Result<std::vector<Argument>> arguments = gather(about, (*line).arguments);
  if (!arguments) return refused(arguments.error());
  if (Status applied = apply(about, draft, *arguments); !applied) return refused(applied.error());
  if (Status settled = settle(about, draft); !settled) return refused(settled.error());
  return {make(std::move(draft)), 0, {}};
}

}  // namespace

Parsed<HttpdOptions> parse_httpd(int argc, const char* const* argv) {
  return parse<HttpdOptions>(about_httpd, argc, argv, [](Draft draft) {
    return HttpdOptions{std::move(draft.shared), std::move(draft.server)};
  });
}

Parsed<LoadOptions> parse_load(int argc, const char* const* argv) {
  return parse<LoadOptions>(about_load, argc, argv, [](Draft draft) {
    return LoadOptions{std::move(draft.shared), std::move(draft.client)};
  });
}

Parsed<BenchOptions> parse_bench(int argc, const char* const* argv) {
  return parse<BenchOptions>(about_bench, argc, argv, [](Draft draft) {
    return BenchOptions{std::move(draft.shared), std::move(draft.server),
                        std::move(draft.client), draft.link,
                        draft.scenario,          draft.together,
                        draft.before.mtu,        draft.before.interface.vlan};
  });
}

std::string_view name(Link link) noexcept {
  switch (link) {
    case Link::ring:
      return "ring";
    case Link::memif:
      return "memif";
    case Link::virtio:
      return "virtio";
  }
  return {};
}

std::string_view name(Scenario scenario) noexcept {
  switch (scenario) {
    case Scenario::cps:
      return "cps";
    case Scenario::requests:
      return "requests";
    case Scenario::hold:
      return "hold";
    case Scenario::bulk:
      return "bulk";
  }
  return {};
}

std::string_view name(Steering steering) noexcept {
  switch (steering) {
    case Steering::automatic:
      return "auto";
    case Steering::rss:
      return "rss";
    case Steering::software:
      return "software";
  }
  return {};
}

}  // namespace pollux::cli
