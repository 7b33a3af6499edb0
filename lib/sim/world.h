#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "base/result.h"
#include "base/time.h"
#include "sim/device.h"
#include "sim/frame.h"
#include "sim/link.h"
#include "sim/pcap.h"
#include "sim/switch.h"

namespace pollux::sim {

/// What a World can run: a stack, or a toy. poll() does all that can be done now; next_event() is
/// when it wants to be polled although nothing arrives.
template <class H>
concept Host = requires(H host, const H seen, Instant now) {
  {host.poll(now)};
  { seen.next_event() } -> std::convertible_to<std::optional<Instant>>;
};

/// How a World deals with one host.
struct HostOptions {
  std::string name{};
  /// A host that something arrives for is polled up to this much later, as if its core had been
  /// busy: frames pile up into bursts meanwhile.
  Duration wake_delay{0};
};

/// A World's bounds, and what it keeps account of.
struct WorldOptions {
  std::size_t frames = 16'384;
  std::size_t frame_room = 2048;
  /// The World gives up after this many steps at one and the same instant.
  std::uint64_t steps_without_time = 1'000'000;
  /// Keep trace_hash(), which reads every byte once more.
  bool trace = false;
};

/// Both directions of a cable.
struct Cable {
  Link& there;
  Link& back;
  void set_up(bool up) {
    there.set_up(up);
    back.set_up(up);
  }
};

/// A network in one thread and virtual time. A step goes to the earliest of the next arrivals and
/// the hosts' own events, lets frames arrive and polls those hosts. Everything follows from the
/// seed, the order of the calls below and the hosts' own behaviour: a run repeats bit by bit.
///
/// Hosts hold frames, so they are made after the World and destroyed before it, and a World with
/// frames still live asserts. Hosts may be spoken to between runs; each run polls them all first.
class World {
 public:
  explicit World(std::uint64_t seed, WorldOptions options = {});
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Building. What is returned lives as long as the World.
  Device& add_device(DeviceOptions options);
  /// As Switch{stations}; with 0 it is a hub.
  Switch& add_switch(std::size_t stations = 1024);
  Cable connect(Device& a, Device& b, const LinkOptions& there, const LinkOptions& back);
  Cable connect(Device& a, Device& b, const LinkOptions& both) { return connect(a, b, both, both); }
  /// `there` leads to the switch.
  Cable connect(Device& a, Switch& to, const LinkOptions& there, const LinkOptions& back);
  /// The host is polled for these devices; it stays the caller's.
  template <Host H>
  void add_host(H& host, std::initializer_list<Device*> devices, HostOptions options = {}) {
    add(HostEntry{.host = &host,
                  .poll = [](void* h, Instant now) { static_cast<H*>(h)->poll(now); },
                  .next_event = [](const void* h) -> std::optional<Instant> {
                    return static_cast<const H*>(h)->next_event();
                  },
                  .options = std::move(options),
                  .devices = {},
                  .wake = {},
                  .event = {}},
        devices);
  }

  /// From now on the host is not polled for that long, as if its core had been taken away. What
  /// arrives meanwhile waits in its devices, as far as they have room.
  template <Host H>
  void pause(const H& host, Duration time) {
    pause_host(&host, time);
  }

  // Running. An error is a livelock, or a capture that cannot be written.
  Instant now() const noexcept { return now_; }
  /// Lets everything happen that is due by then; the clock stands there afterwards.
  Status run_until(Instant when);
  Status run_for(Duration time) { return run_until(now_ + time); }
  /// Runs until nothing is on its way and no host wants anything (true), or until what is next is
  /// later than `limit` (false). The clock stands at the last thing that happened.
  Result<bool> run_until_idle(Instant limit);

  // Looking.
  /// Writes what every device sends and receives from now on; nullptr: no longer. One interface a
  /// device, and the writer outlives its use.
  Status capture(PcapWriter* writer);
  FramePool& frames() noexcept { return frames_; }
  /// Depends on each frame that was sent or has arrived, its place, its time and its bytes.
  std::uint64_t trace_hash() const noexcept { return trace_; }
  std::uint64_t steps() const noexcept { return steps_; }
  std::uint64_t polls() const noexcept { return polls_; }
  /// Frames on links and in devices' rings.
  std::size_t frames_under_way() const noexcept;

 private:
  struct HostEntry {
    void* host;
    void (*poll)(void*, Instant);
    std::optional<Instant> (*next_event)(const void*);
    HostOptions options;
    std::vector<std::size_t> devices;
    std::optional<Instant> wake;   // something has arrived: poll then
    std::optional<Instant> event;  // what next_event() said after the last poll
    Instant paused_until{};
    /// When it is polled next.
    std::optional<Instant> due() const noexcept;
  };
  struct Port {
    Device* device;
    Link* egress = nullptr;
    std::optional<std::size_t> host;
    std::uint32_t interface = 0;
  };
  /// A link, and whom it leads to: a port, or a switch and one of its ports.
  struct Wire {
    Link* link;
    Switch* to_switch;
    std::size_t to_port;
  };

  void add(HostEntry entry, std::initializer_list<Device*> devices);
  void pause_host(const void* host, Duration time);
  std::size_t port_of(const Device& device) const noexcept;
  Link& add_link(const LinkOptions& options);
  void wake_all();
  std::optional<Instant> next() const noexcept;
  Status step();
  void arrive(Wire& wire);
  void poll(HostEntry& host);
  void fetch(Port& port);
  void record(const Port& port, const Frame& frame, Direction direction);
  Error livelock() const;

  WorldOptions options_;
  Prng prng_;
  FramePool frames_;
  Instant now_{};
  std::deque<Device> devices_;
  std::deque<Switch> switches_;
  std::deque<Link> links_;
  std::vector<Port> ports_;
  std::vector<Wire> wires_;
  std::deque<HostEntry> hosts_;
  PcapWriter* writer_ = nullptr;
  std::optional<Error> capture_error_;
  std::uint64_t trace_ = 0xcbf29ce484222325;
  std::uint64_t steps_ = 0;
  std::uint64_t polls_ = 0;
  std::uint64_t steps_here_ = 0;  // since the clock last moved
};

}  // namespace pollux::sim
