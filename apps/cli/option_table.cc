#include "cli/option_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cli/value.h"

namespace pollux::cli {
namespace {

constexpr std::uint8_t httpd = static_cast<std::uint8_t>(Program::httpd);
constexpr std::uint8_t load = static_cast<std::uint8_t>(Program::load);
constexpr std::uint8_t bench = static_cast<std::uint8_t>(Program::bench);
constexpr std::uint8_t with_device = httpd | load;
constexpr std::uint8_t serving = httpd | bench;
constexpr std::uint8_t loading = load | bench;
constexpr std::uint8_t all = httpd | load | bench;

constexpr std::uint64_t most_connections = std::uint64_t{1} << 28;
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 30;
constexpr double longest = 31'536'000;  // a year
constexpr std::size_t most_ports = 64;  // what a stack listens on

Status fine() { return std::monostate{}; }
Error refuse(std::string why, std::string remedy = {}) {
  return Error{Error::Kind::usage, {}, std::move(why), std::move(remedy)};
}

/// Puts a parsed value where it belongs, or passes its error on.
template <class To, class T>
Status keep(To& to, Result<T> parsed) {
  if (!parsed) return parsed.error();
  to = static_cast<To>(std::move(parsed).value());
  return fine();
}
template <class Element, class T>
Status append(std::vector<Element>& to, Result<T> parsed) {
  if (!parsed) return parsed.error();
  to.push_back(std::move(parsed).value());
  return fine();
}

/// One of a closed set of words.
template <class E, std::size_t N>
Status choose(E& to, const std::string& value,
              const std::array<std::pair<std::string_view, E>, N>& words) {
  std::string known;
  for (const auto& [word, meaning] : words) {
    if (value == word) {
      to = meaning;
      return fine();
    }
    if (!known.empty()) known += word == words.back().first ? " or " : ", ";
    known += word;
  }
  return refuse(fmt::format("not {}", known));
}

/// The option's value when it is one that takes part in HTTP as it stands.
bool is_token(std::string_view text) {
  // RFC 9110 s.5.6.2.
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           marks.find(c) != marks.npos;
  });
}

bool is_visible(std::string_view text, bool spaces) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return static_cast<unsigned char>(c) > 0x20 ? c != 0x7F : spaces && (c == ' ' || c == '\t');
  });
}

// --- the device

Status take_device(Draft& draft, const std::string& value) {
  if (value.find_first_not_of(' ') == value.npos) return refuse("names no device");
  draft.shared.devices.emplace_back().spec = value;
  return fine();
}

Status take_address(Draft& draft, const std::string& value) {
  return append(draft.device().interface.addresses, parse_address_range(value));
}

Status take_gateway(Draft& draft, const std::string& value) {
  const Result<wire::Ipv4Address> gateway = parse_host(value);
  if (!gateway) return gateway.error();
  std::vector<pipeline::Route>& routes = draft.device().interface.routes;
  std::erase_if(routes, [](const pipeline::Route& r) { return r.destination.length == 0; });
  routes.push_back({wire::Ipv4Prefix{wire::Ipv4Address{}, 0}, *gateway});
  return fine();
}

Status take_route(Draft& draft, const std::string& value) {
  return append(draft.device().interface.routes, parse_route(value));
}

Status take_mac(Draft& draft, const std::string& value) {
  return keep(draft.device().mac, parse_mac(value));
}

Status take_mtu(Draft& draft, const std::string& value) {
  const Result<std::uint64_t> mtu = parse_number(value, 88, 9216);  // a segment of 48 bytes
  if (!mtu) return mtu.error();
  draft.device().mtu = static_cast<std::uint16_t>(*mtu);
  return fine();
}

Status take_vlan(Draft& draft, const std::string& value) {
  const Result<std::uint64_t> vlan = parse_number(value, 1, 4094);
  if (!vlan) return vlan.error();
  draft.device().interface.vlan = static_cast<std::uint16_t>(*vlan);
  return fine();
}

// --- the machine and the run

Status take_steering(Draft& draft, const std::string& value) {
  return choose(draft.shared.steering, value,
                std::array{std::pair{std::string_view{"auto"}, Steering::automatic},
                           std::pair{std::string_view{"rss"}, Steering::rss},
                           std::pair{std::string_view{"software"}, Steering::software}});
}

Status take_log_level(Draft& draft, const std::string& value) {
  return choose(draft.shared.log_level, value,
                std::array{std::pair{std::string_view{"error"}, LogLevel::error},
                           std::pair{std::string_view{"warning"}, LogLevel::warning},
                           std::pair{std::string_view{"info"}, LogLevel::info},
                           std::pair{std::string_view{"debug"}, LogLevel::debug}});
}

/// A whole number of milliseconds.
Status take_ms(Duration& out, const std::string& value, std::uint64_t least, std::uint64_t most) {
  const Result<std::uint64_t> ms = parse_number(value, least, most);
  if (!ms) return ms.error();
  out = std::chrono::milliseconds{*ms};
  return fine();
}

Status take_switch(bool& out, const std::string& value) {
  return choose(out, value,
                std::array{std::pair{std::string_view{"on"}, true},
                           std::pair{std::string_view{"off"}, false}});
}

Status take_tso(Draft& draft, const std::string& value) {
  return choose(draft.shared.segmentation, value,
                std::array{std::pair{std::string_view{"auto"}, std::optional<bool>{}},
                           std::pair{std::string_view{"on"}, std::optional{true}},
                           std::pair{std::string_view{"off"}, std::optional{false}}});
}

Status take_ecn(Draft& draft, const std::string& value) {
  return choose(draft.shared.tcp.ecn, value,
                std::array{std::pair{std::string_view{"on"}, tcp::Ecn::on},
                           std::pair{std::string_view{"accept"}, tcp::Ecn::accept},
                           std::pair{std::string_view{"off"}, tcp::Ecn::off}});
}

Status take_congestion(Draft& draft, const std::string& value) {
  using tcp::Congestion;
  return choose(draft.shared.tcp.congestion, value,
                std::array{std::pair{std::string_view{"cubic"}, Congestion::cubic},
                           std::pair{std::string_view{"reno"}, Congestion::reno}});
}

Status take_pacing(Draft& draft, const std::string& value) {
  return choose(draft.shared.tcp.pacing, value,
                std::array{std::pair{std::string_view{"auto"}, tcp::Pacing::automatic},
                           std::pair{std::string_view{"off"}, tcp::Pacing::off}});
}

Status take_syn_cookies(Draft& draft, const std::string& value) {
  return choose(draft.shared.tcp.syn_cookies, value,
                std::array{std::pair{std::string_view{"auto"}, tcp::SynCookieUse::automatic},
                           std::pair{std::string_view{"always"}, tcp::SynCookieUse::always},
                           std::pair{std::string_view{"never"}, tcp::SynCookieUse::never}});
}

Status take_eal(Draft& draft, const std::string& value) {
  const std::vector<std::string> words = split_words(value);
  if (words.empty()) return refuse("has no words");
  draft.shared.eal.insert(draft.shared.eal.end(), words.begin(), words.end());
  return fine();
}

Status take_output(std::string& to, const std::string& value) {
  if (value.empty()) return refuse("names no file");
  if (Status writable = check_writable(value); !writable) return writable;
  to = value;
  return fine();
}

Status take_json(Draft& draft, const std::string& value) {
  if (value == "-") {
    draft.shared.json = value;
    return fine();
  }
  return take_output(draft.shared.json, value);
}

Status take_capture(Draft& draft, const std::string& value) {
  if (value == "-") return refuse("standard output is for people and for --json", "a file");
  return take_output(draft.shared.capture, value);
}

// --- the server

Status take_listen(Draft& draft, const std::string& value) {
  std::vector<std::uint16_t>& ports = draft.server.listen;
  if (!draft.has("--listen")) ports.clear();
  const Result<std::uint16_t> port = parse_port(value);
  if (!port) return port.error();
  if (std::find(ports.begin(), ports.end(), *port) != ports.end()) {
    return refuse("given twice", "each port once");
  }
  if (ports.size() == most_ports) {
    return refuse(fmt::format("more than {} ports", most_ports), "fewer of them");
  }
  ports.push_back(*port);
  return fine();
}

Status take_body(Draft& draft, const std::string& value) {
  if (value.starts_with('@')) {
    return keep(draft.server.body_file, read_file(value.substr(1), most_bytes));
  }
  draft.server.body_file.reset();
  const Result<std::uint64_t> bytes = parse_number(value, 0, most_bytes);
  if (!bytes) return refuse(bytes.error().why + " and not @FILE");
  draft.server.body_bytes = static_cast<std::uint32_t>(*bytes);
  return fine();
}

Status take_keep_alive(Draft& draft, const std::string& value) {
  return take_switch(draft.server.keep_alive, value);
}

// --- the client

Status take_target(Draft& draft, const std::string& value) {
  return append(draft.client.targets, parse_endpoint(value));
}

Status take_cps(Draft& draft, const std::string& value) {
  draft.client.cps.reset();
  if (value == "max") return fine();
  const Result<std::uint64_t> cps = parse_number(value, 1, 1'000'000'000);
  if (!cps) return refuse(cps.error().why + " and not max");
  draft.client.cps = *cps;
  return fine();
}

Status take_path(Draft& draft, const std::string& value) {
  // RFC 9112 s.3.2.4: the asterisk is for OPTIONS, which stands elsewhere on the line.
  if (!value.starts_with('/') && value != "*") return refuse("does not begin with /");
  if (!is_visible(value, false)) return refuse("has a space or a control character");
  draft.client.path = value;
  return fine();
}

Status take_method(Draft& draft, const std::string& value) {
  if (!is_token(value)) return refuse("not an HTTP method");
  draft.client.method = value;
  return fine();
}

Status take_header(Draft& draft, const std::string& value) {
  const std::size_t colon = value.find(':');
  if (colon == value.npos || !is_token(std::string_view{value}.substr(0, colon))) {
    return refuse("not 'Name: value'");
  }
  if (!is_visible(std::string_view{value}.substr(colon + 1), true)) {
    return refuse("has a control character in its value");
  }
  draft.client.headers.push_back(value);
  return fine();
}

Status take_data(Draft& draft, const std::string& value) {
  if (!value.starts_with('@')) return refuse("not @FILE");
  return keep(draft.client.data, read_file(value.substr(1), most_bytes));
}

Status take_close(Draft& draft, const std::string& value) {
  return choose(draft.client.close, value,
                std::array{std::pair{std::string_view{"server"}, Close::server},
                           std::pair{std::string_view{"client"}, Close::client}});
}

Status take_reset(Draft& draft, const std::string&) {
  draft.client.close = Close::reset;
  return fine();
}

// --- both ends in one process

Status take_link(Draft& draft, const std::string& value) {
  return choose(draft.link, value,
                std::array{std::pair{std::string_view{"ring"}, Link::ring},
                           std::pair{std::string_view{"memif"}, Link::memif},
                           std::pair{std::string_view{"virtio"}, Link::virtio}});
}

Status take_scenario(Draft& draft, const std::string& value) {
  return choose(draft.scenario, value,
                std::array{std::pair{std::string_view{"cps"}, Scenario::cps},
                           std::pair{std::string_view{"requests"}, Scenario::requests},
                           std::pair{std::string_view{"hold"}, Scenario::hold},
                           std::pair{std::string_view{"bulk"}, Scenario::bulk}});
}

Status take_resolution(Draft& draft, const std::string& value) {
  const auto percent = parse_real(value, 0.01, 50);
  if (!percent) return refuse("not a number from 0.01 to 50");
  draft.search.resolution = *percent / 100;
  return fine();
}

Status take_profile(Draft& draft, const std::string& value) {
  return choose(draft.profile.kind, value,
                std::array{std::pair{name(Profile::cps), Profile::cps},
                           std::pair{name(Profile::throughput), Profile::throughput},
                           std::pair{name(Profile::latency), Profile::latency},
                           std::pair{name(Profile::concurrent), Profile::concurrent}});
}

Status take_throughput(Draft& draft, const std::string& value) {
  return keep(draft.profile.throughput, parse_bits(value));
}

Status take_nothing(Draft&, const std::string&) { return fine(); }

}  // namespace

bool Draft::has(std::string_view name) const {
  return std::find(given.begin(), given.end(), name) != given.end();
}

// Each row: name, value, help, group; programs; example; what takes it.
const std::vector<OptionRow>& option_table() {
  using D = Draft;
  using V = const std::string;
  // clang-format off
  static const std::vector<OptionRow> rows{
      {{"--device", "SPEC", "tap:NAME, memif:PATH, pci:ADDRESS ... (docs/tuning.md)", "Device"},
       with_device, "tap:pollux0", take_device},
      {{"--address", "A/P", "own address, or range A-B/P", "Device"},
       with_device, "10.0.0.2/24", take_address},
      {{"--gateway", "A", "next hop of all that is not on link", "Device"},
       with_device, "10.0.0.254", take_gateway},
      {{"--route", "PREFIX=A", "next hop of one prefix", "Device"},
       with_device, "10.1.0.0/16=10.0.0.254", take_route},
      {{"--mac", "M", "the device's own MAC address", "Device"},
       with_device, "02:00:00:00:00:01", take_mac},
      {{"--mtu", "N", "largest IPv4 datagram on the link, bytes", "Device"},
       all, "1500", take_mtu},
      {{"--vlan", "ID", "802.1Q tag of all frames", "Device"},
       all, "100", take_vlan},

      {{"--cores", "LIST", "0 or 0,2 or 1-3: one pipeline a core", "Machine"},
       all, "0,1", [](D& d, V& v) { return keep(d.shared.cores, parse_cores(v)); }},
      {{"--steering", "auto|rss|software", "how flows come to cores (auto)", "Machine"},
       all, "auto", take_steering},
      {{"--tso", "auto|on|off", "the device cuts long TCP packets (auto)", "Machine"},
       all, "auto", take_tso},
      {{"--lro", "on|off", "take packets of several TCP segments (off)", "Machine"},
       all, "off", [](D& d, V& v) { return take_switch(d.shared.merging, v); }},
      {{"--rings", "N", "entries of each ring of a device (1024; --link ring: 4096)", "Machine"},
       all, "4096",
       [](D& d, V& v) { return keep(d.shared.rings, parse_power_of_two(v, 64, 16'384)); }},
      {{"--no-huge", "", "do without huge pages", "Machine"},
       all, "", [](D& d, V&) { d.shared.no_huge = true; return fine(); }},
      {{"--connections", "N", "the most connections a core keeps (1048576)", "Machine"},
       all, "1048576",
       [](D& d, V& v) { return keep(d.shared.connections, parse_number(v, 1, most_connections)); }},
      {{"--orphans", "N", "of these, the most that go on after their close (half, a client: all)",
        "Machine"},
       all, "65536",
       [](D& d, V& v) { return keep(d.shared.orphans, parse_number(v, 1, most_connections)); }},
      {{"--wait", "S", "how long a memif waits for its peer, seconds (10)", "Machine"},
       all, "10", [](D& d, V& v) { return keep(d.shared.wait, parse_seconds(v, 0, longest)); }},
      {{"--eal", "ARGS", "words handed to DPDK as they are", "Machine"},
       all, "\"--log-level=8\"", take_eal},
      {{"--seed", "N", "repeatable sequence numbers and hashes: tests only", "Machine"},
       all, "1", [](D& d, V& v) { return keep(d.shared.seed, parse_number(v, 0, UINT64_MAX)); }},

      {{"--timestamps", "on|off", "offer timestamps (on)", "TCP"},
       all, "on", [](D& d, V& v) { return take_switch(d.shared.tcp.timestamps, v); }},
      {{"--sack", "on|off", "offer selective acknowledgments (on)", "TCP"},
       all, "on", [](D& d, V& v) { return take_switch(d.shared.tcp.sack, v); }},
      {{"--ecn", "on|accept|off", "congestion is marked (on); accept: when the peer asks", "TCP"},
       all, "on", take_ecn},
      {{"--congestion", "cubic|reno", "how fast text may leave (cubic)", "TCP"},
       all, "cubic", take_congestion},
      {{"--pacing", "auto|off", "large windows are spread in time (auto)", "TCP"},
       all, "auto", take_pacing},
      {{"--path-probing", "on|off", "find out what the path takes without ICMP (on)", "TCP"},
       all, "on", [](D& d, V& v) { return take_switch(d.shared.tcp.path_probing, v); }},
      {{"--syn-cookies", "auto|always|never", "auto: when half-open entries run out", "TCP"},
       all, "auto", take_syn_cookies},
      {{"--fast-open", "on|off", "text on SYNs, which may come twice (off)", "TCP"},
       all, "on", [](D& d, V& v) { return take_switch(d.shared.tcp.fast_open, v); }},
      {{"--initial-window", "N", "first congestion window, segments (10)", "TCP"},
       all, "10",
       [](D& d, V& v) { return keep(d.shared.tcp.initial_window, parse_number(v, 1, 64)); }},
      {{"--delayed-ack-ms", "N", "how long an ACK waits for another segment (40); 0: not", "TCP"},
       all, "40", [](D& d, V& v) { return take_ms(d.shared.tcp.delayed_ack, v, 0, 499); }},
      {{"--min-rto-ms", "N", "least retransmission time-out (200)", "TCP"},
       all, "200", [](D& d, V& v) { return take_ms(d.shared.tcp.min_rto, v, 1, 60'000); }},
      {{"--msl", "S", "maximum segment lifetime, seconds (30): TIME-WAIT lasts twice that", "TCP"},
       all, "30", [](D& d, V& v) { return keep(d.shared.tcp.msl, parse_seconds(v, 0, 600)); }},
      {{"--ttl", "N", "time to live of TCP's datagrams (64)", "TCP"},
       all, "64", [](D& d, V& v) { return keep(d.shared.tcp.ttl, parse_number(v, 1, 255)); }},
      {{"--dscp", "N", "Diffserv codepoint of TCP's datagrams, 0 to 63 (0)", "TCP"},
       all, "0", [](D& d, V& v) { return keep(d.shared.tcp.dscp, parse_number(v, 0, 63)); }},

      {{"--duration", "S", "length of the run (of --search: of a step), seconds; 0: until stopped",
        "Run"},
       all, "10", [](D& d, V& v) { return keep(d.shared.duration, parse_seconds(v, 0, longest)); }},
      {{"--stats-interval", "S", "a live line every S seconds (1); 0: none", "Run"},
       all, "1",
       [](D& d, V& v) { return keep(d.shared.stats_interval, parse_seconds(v, 0, longest)); }},
      {{"--json", "FILE", "the summary as JSON; - is standard output", "Run"},
       all, "summary.json", take_json},
      {{"--capture", "FILE", "pcapng of what is received and sent", "Run"},
       all, "run.pcapng", take_capture},
      {{"--log-level", "error|warning|info|debug", "how much DPDK says (error)", "Run"},
       all, "warning", take_log_level},
      {{"--config", "FILE", "options from a TOML file; the command line wins", "Run"},
       all, "pollux.toml", take_nothing},

      {{"--listen", "PORT", "serve here (80)", "Server"},
       serving, "80", take_listen},
      {{"--body", "N|@FILE", "the answer's body: N bytes (128), or a file", "Server"},
       serving, "128", take_body},
      {{"--keep-alive", "on|off", "on: as the client asks; off: close after each reply", "Server"},
       serving, "on", take_keep_alive},
      {{"--head-timeout", "S", "a request's head is in within S seconds (60), or 408; 0: no limit",
        "Server"},
       serving, "60",
       [](D& d, V& v) { return keep(d.server.head_timeout, parse_seconds(v, 0, longest)); }},
      {{"--idle-timeout", "S", "a connection without a request is closed after S seconds (300); "
        "0: never", "Server"},
       serving, "300",
       [](D& d, V& v) { return keep(d.server.idle_timeout, parse_seconds(v, 0, longest)); }},

      {{"--target", "A:P", "ask here", "Client"},
       load, "10.0.0.1:80", take_target},
      {{"--cps", "N|max", "connections a second; max (default): closed loop", "Client"},
       loading, "max", take_cps},
      {{"--concurrency", "N", "most connections at once (800); with --cps N: what finds it "
        "reached fails, no bound unless given", "Client"},
       loading, "800",
       [](D& d, V& v) { return keep(d.client.concurrency, parse_number(v, 1, most_connections)); }},
      {{"--requests", "N", "requests per connection (1)", "Client"},
       loading, "1",
       [](D& d, V& v) { return keep(d.client.requests, parse_number(v, 1, UINT32_MAX)); }},
      {{"--pipeline", "N", "requests under way at once per connection (1)", "Client"},
       loading, "1", [](D& d, V& v) { return keep(d.client.pipeline, parse_number(v, 1, 1024)); }},
      {{"--path", "P", "what to ask for (/); * with --method OPTIONS", "Client"},
       loading, "/", take_path},
      {{"--method", "M", "GET, or POST where there is --data", "Client"},
       loading, "GET", take_method},
      {{"--header", "H", "one more header line, 'Name: value'", "Client"},
       loading, "'Accept: */*'", take_header},
      {{"--data", "@FILE", "the request's body", "Client"},
       loading, "@body.bin", take_data},
      {{"--close", "server|client", "who closes first (server)", "Client"},
       loading, "server", take_close},
      {{"--reset", "", "end each connection with RST", "Client"},
       loading, "", take_reset},
      {{"--hold", "", "open --concurrency connections, at --cps, and keep them", "Client"},
       loading, "", [](D& d, V&) { d.client.hold = true; return fine(); }},
      {{"--hold-interval", "S", "a request each every S seconds (30), --pipeline or not", "Client"},
       loading, "30",
       [](D& d, V& v) { return keep(d.client.hold_interval, parse_seconds(v, 0.001, longest)); }},
      {{"--ramp", "S", "reach the full rate over S seconds (0; --profile: 30)", "Client"},
       loading, "5", [](D& d, V& v) { return keep(d.client.ramp, parse_seconds(v, 0, longest)); }},
      {{"--warmup", "S", "run S seconds before counting (1; --hold: 0)", "Client"},
       loading, "1",
       [](D& d, V& v) { return keep(d.client.warmup, parse_seconds(v, 0, longest)); }},
      {{"--fail-if", "EXPR", "exit 1 when it holds: 'p90>1ms', 'cps<1000000'", "Client"},
       loading, "'p90>1ms'", [](D& d, V& v) { return append(d.client.fail_if, parse_fail_if(v)); }},
      {{"--search", "", "find the highest rate without a failure, or at which no --fail-if holds, "
        "up to --cps; each step lasts --warmup and --duration", "Client"},
       loading, "", take_nothing},
      {{"--search-from", "N", "the first step's rate, doubled until one fails (1000)", "Client"},
       loading, "1000",
       [](D& d, V& v) { return keep(d.search.from, parse_number(v, 1, UINT32_MAX)); }},
      {{"--search-resolution", "PERCENT", "how close what passes and what fails are to be (1)",
        "Client"},
       loading, "1", take_resolution},
      {{"--profile", "NAME", "a run of RFC 9411, phases, criteria and all: rfc9411-cps, "
        "rfc9411-throughput, rfc9411-latency or rfc9411-concurrent; --cps, --throughput or "
        "--concurrency is its target, --duration its sustain phase (300)", "Client"},
       loading, "rfc9411-cps", take_profile},
      {{"--throughput", "BPS", "target of a profile, bits a second (10G), both directions",
        "Client"},
       loading, "10G", take_throughput},
      {{"--object", "N", "of a profile: the body that every reply must have, bytes", "Client"},
       loading, "1024",
       [](D& d, V& v) { return keep(d.profile.object, parse_number(v, 0, most_bytes)); }},
      {{"--init", "S", "of a profile: before anything is opened (5)", "Client"},
       loading, "5",
       [](D& d, V& v) { return keep(d.profile.init, parse_seconds(v, 0, longest)); }},
      {{"--ramp-down", "S", "of a profile: to end what is under way (as long as --ramp)",
        "Client"},
       loading, "30",
       [](D& d, V& v) { return keep(d.profile.ramp_down, parse_seconds(v, 0, longest)); }},
      {{"--iteration", "S", "of a profile: sustain phase of what comes before the last iteration "
        "(30)", "Client"},
       loading, "30",
       [](D& d, V& v) { return keep(d.profile.iteration, parse_seconds(v, 1, longest)); }},
      {{"--syn-only", "", "SYNs at --cps that nobody keeps, a RST for each answer, which counts "
        "as completed", "Client"},
       loading, "", [](D& d, V&) { d.client.syn_only = true; return fine(); }},
      {{"--beside", "N", "with --syn-only: N whole connections a second, told apart", "Client"},
       loading, "200",
       [](D& d, V& v) { return keep(d.client.beside, parse_number(v, 1, 1'000'000)); }},
      {{"--held", "N", "open N connections first, and keep them silent beside the load", "Client"},
       loading, "1000000",
       [](D& d, V& v) { return keep(d.client.held, parse_number(v, 1, most_connections)); }},

      {{"--link", "ring|memif|virtio", "between the two ends (ring)", "Bench"},
       bench, "ring", take_link},
      {{"--scenario", "cps|requests|hold|bulk", "what is done (cps)", "Bench"},
       bench, "cps", take_scenario},
      {{"--together", "", "each core polls a server and its client in turn, for as many pairs",
        "Bench"},
       bench, "", [](Draft& d, V&) { d.together = true; return fine(); }},
  };
  // clang-format on
  return rows;
}

}  // namespace pollux::cli
