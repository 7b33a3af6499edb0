#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "application/application.h"
#include "base/time.h"
#include "cli/fail_if.h"
#include "cli/profile.h"
#include "cli/search.h"
#include "pipeline/config.h"
#include "wire/address.h"

/// The options of the programs as values: checked, complete, and without a word about DPDK.
namespace pollux::cli {

/// One --device and the options that stand behind it.
struct DeviceOptions {
  std::string spec;  // as typed; what it may say is decided where devices are opened
  pipeline::InterfaceConfig interface;
  std::optional<wire::MacAddress> mac;
  std::optional<std::uint16_t> mtu;
};

enum class Steering : std::uint8_t { automatic, rss, software };
enum class LogLevel : std::uint8_t { error, warning, info, debug };

/// What all programs have in common.
struct SharedOptions {
  std::vector<DeviceOptions> devices;  // pollux-bench: none
  std::vector<std::uint16_t> cores;    // empty: the program chooses
  Steering steering = Steering::automatic;
  bool no_huge = false;
  std::optional<bool> segmentation;       // the device cuts TCP packets; none: by its driver
  bool merging = false;                   // packets of several segments are taken
  std::uint16_t rings = 1'024;            // entries of each of a device's rings
  std::uint32_t connections = 1'048'576;  // the most that a core keeps
  std::uint32_t orphans = 0;              // of them, after close(); 0: half
  Duration wait = 10s;                    // for a memif's peer
  Duration duration = 0s;                 // 0: until stopped
  Duration stats_interval = 1s;           // 0: no live line
  std::string json;                       // empty: none; "-": standard output
  std::string capture;                    // empty: none
  tcp::Config tcp;
  LogLevel log_level = LogLevel::error;
  std::vector<std::string> eal;  // words for DPDK, split already
  std::optional<std::uint64_t> seed;

  /// Where lines for people go: standard output, unless the summary has that for itself.
  std::FILE* human() const noexcept { return json == "-" ? stderr : stdout; }
};

/// What the responder serves.
struct ServerOptions {
  std::vector<std::uint16_t> listen{80};
  std::uint32_t body_bytes = 128;        // of a made-up body
  std::optional<std::string> body_file;  // the content of the file, instead of a made-up body
  bool keep_alive = true;                // as the client asks; false: close after each reply
  Duration head_timeout = 60s;           // from a head's first byte to its last; 0: no limit
  Duration idle_timeout = 300s;          // without a request; 0: no limit
};

enum class Close : std::uint8_t { server, client, reset };

/// What the generator asks for, and how fast.
struct ClientOptions {
  std::vector<application::Endpoint> targets;  // pollux-bench: none
  std::optional<std::uint64_t> cps;            // connections a second; none: closed loop
  std::uint32_t concurrency = 800;
  bool limited = false;        // `concurrency` was asked for: with `cps`, too, it is a bound
  std::uint64_t requests = 1;  // per connection
  std::uint32_t pipeline = 1;  // requests under way at once on a connection
  std::string path = "/";
  std::string method = "GET";
  std::vector<std::string> headers;  // "Name: value"
  std::optional<std::string> data;   // the request's body
  Close close = Close::server;
  bool hold = false;  // open `concurrency` connections and keep them
  Duration hold_interval = 30s;
  Duration ramp = 0s;
  Duration warmup = 1s;
  bool syn_only = false;                  // SYNs at `cps`, and a reset for each answer
  std::uint64_t beside = 0;               // whole connections a second beside them
  std::uint32_t held = 0;                 // opened first, and kept with nothing said on them
  std::optional<SearchOptions> search;    // `cps` is then its bound
  std::optional<ProfileOptions> profile;  // and with it, what is to be reached
  Objective objective;
  std::vector<FailIf> fail_if;
};

enum class Link : std::uint8_t { ring, memif, virtio };
enum class Scenario : std::uint8_t { cps, requests, hold, bulk };

struct HttpdOptions {
  SharedOptions shared;
  ServerOptions server;
};

struct LoadOptions {
  SharedOptions shared;
  ClientOptions client;
};

struct BenchOptions {
  SharedOptions shared;
  ServerOptions server;
  ClientOptions client;
  Link link = Link::ring;
  Scenario scenario = Scenario::cps;
  bool together = false;              // each core has a server and its client
  std::optional<std::uint16_t> mtu;   // of both ends
  std::optional<std::uint16_t> vlan;  // of both ends
};

/// What a command line comes to: options to run with, or a text to print and an exit code.
template <class Options>
struct Parsed {
  std::optional<Options> options;
  int exit_code = 0;
  std::string text;  // for standard output when exit_code is 0, else one line for standard error

  /// Prints the text where it belongs; for a main() that has no options to run with.
  int finish() const {
    std::fprintf(exit_code == 0 ? stdout : stderr, "%s\n", text.c_str());
    return exit_code;
  }
};

/// Reads a command line (argv[0] is skipped) and the file of --config. Everything that is found
/// wrong in either, files that cannot be read or written included, ends with exit code 2. Names of
/// devices and core numbers are looked at later, by the machine (exit code 3).
Parsed<HttpdOptions> parse_httpd(int argc, const char* const* argv);
Parsed<LoadOptions> parse_load(int argc, const char* const* argv);
Parsed<BenchOptions> parse_bench(int argc, const char* const* argv);

/// The names that JSON and people read.
std::string_view name(Link link) noexcept;
std::string_view name(Scenario scenario) noexcept;
std::string_view name(Steering steering) noexcept;

}  // namespace pollux::cli
