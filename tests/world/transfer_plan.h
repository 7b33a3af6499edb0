#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "hostile_host.h"
#include "middlebox.h"
#include "pipeline/config.h"
#include "sim/device.h"
#include "sim/link.h"
#include "transfer_app.h"

namespace pollux::world {

/// Something that is done to the network at a time of its own.
struct Happening {
  enum class Kind : std::uint8_t {
    down,    // every cable is cut
    up,      // and mended
    forget,  // the middlebox loses its table
    pause    // a host is not polled for a while
  };
  Duration at{0};
  Kind kind = Kind::down;
  std::uint32_t host = 0;  // which of them pauses, and for how long
  Duration time{0};
};

/// Everything that one world of transfers depends on. `clients` stacks open connections to all of
/// `servers`; with two_way the servers open as many to the clients. One of each is joined by a
/// cable, more by a switch; a middlebox stands between the switch of the clients and that of the
/// servers.
struct TransferPlan {
  std::uint64_t seed = 0;
  std::string topology = "by hand";  // for a report
  std::uint32_t clients = 1;
  std::uint32_t servers = 1;
  bool two_way = true;
  TransferOptions transfers;
  /// A host's cable, or the switch's end of it; with a middlebox what leads from it to the servers,
  /// and to the clients.
  sim::LinkOptions there;
  sim::LinkOptions back;
  /// With a middlebox: all other cables.
  sim::LinkOptions edge;
  std::optional<MiddleboxOptions> middlebox;
  /// Beside the others, at the switch, towards the first server.
  std::optional<HostileOptions> hostile;
  Duration wake_delay{0};
  sim::DeviceOptions device;  // name and mac are filled in
  pipeline::Config stack;     // addresses and seed are filled in
  /// Where servers differ.
  std::optional<tcp::Config> server_tcp;
  std::size_t frames = 32'768;
  std::size_t frame_room = 2048;
  /// What all must have ended by, TIME-WAIT excluded.
  Duration limit = 1h;
  /// In order of time.
  std::vector<Happening> happenings;
  /// The longest that nothing may happen, where it is less than longest_silence().
  std::optional<Duration> silence;
};

/// The longest that nothing may happen while a network delivers: no byte is read, no connection
/// comes up or ends. A segment that is lost is sent again after at most max_rto, so this is eight
/// losses in a row at the very least, or a host that waits for nothing.
inline Duration longest_silence(const tcp::Config& config) { return 4 * config.max_rto; }

/// The plan that a seed draws: two hosts, each opening 500 connections to the other over a link
/// that loses, doubles, reorders and spoils frames.
TransferPlan rough_plan(std::uint64_t seed, std::uint32_t connections = 500);

/// One line for each thing that a plan chose, for a report.
std::string to_string(const TransferPlan& plan);

}  // namespace pollux::world
