#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/cause.h"
#include "base/counters.h"
#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/segment.h"
#include "transport/tcp/tcb.h"
#include "transport/tcp/tcp.h"

/// The scripted test: the test is the peer, the wire and the clock of one TCP connection.
namespace pollux::test {

using tcp::Segment;
using tcp::State;
using tcp::Tcb;
using wire::SeqNum;

/// 1_seq is the first byte of text, whoever sends it: numbers in a script count from the sender's
/// initial sequence number.
constexpr SeqNum operator""_seq(unsigned long long n) {
  return SeqNum{static_cast<std::uint32_t>(n)};
}

inline constexpr std::uint8_t fin = wire::control::fin;
inline constexpr std::uint8_t syn = wire::control::syn;
inline constexpr std::uint8_t rst = wire::control::rst;
inline constexpr std::uint8_t urg = wire::control::urg;
inline constexpr std::uint8_t ece = wire::control::ece;
inline constexpr std::uint8_t cwr = wire::control::cwr;

/// A segment as a script writes it. What is left out is, when it arrives, the ordinary thing, and
/// is not looked at when it is sent.
struct Seg {
  SeqNum seq{};
  std::optional<SeqNum> ack{};  // the ACK bit is set exactly when this is
  std::uint8_t control = 0;     // beside ACK and PSH
  std::uint32_t text = 0;
  std::optional<std::uint16_t> window{};  // arriving: the Setup's
  std::optional<std::uint16_t> mss{};
  std::optional<std::uint8_t> window_scale{};
  std::optional<bool> push{};
  std::optional<std::uint8_t> ecn{};  // the datagram's field
  /// Sent: the echo is looked at. Arriving: the echo is in milliseconds of the script's time.
  std::optional<wire::Timestamps> timestamps{};
  /// Sent: all blocks, in order, as the peer counts. Arriving: as we count.
  std::optional<std::vector<std::pair<SeqNum, SeqNum>>> sack{};
};

/// The defaults, but for the windows, which are easier to follow by hand where they are Reno's and
/// leave at once.
constexpr tcp::Config reno() {
  tcp::Config config;
  config.pacing = tcp::Pacing::off;
  config.congestion = tcp::Congestion::reno;
  return config;
}

/// What the two ends of a script are. With config.fast_open each SYN that arrives has a good
/// cookie.
struct Setup {
  tcp::Config config = reno();
  std::uint16_t peer_window = 65535;
  std::optional<std::uint16_t> peer_mss = 1000;  // smaller than ours, so it is the one in force
  std::optional<std::uint8_t> peer_scale{};
  std::optional<std::uint32_t> peer_timestamp{};  // in its SYN
  bool peer_sack = false;
  Duration round_trip{0};  // of the handshake that established() does before the script's time 0
  std::uint32_t flights = 4;
  /// An active OPEN has the peer's cookie, and so much text is queued before its SYN.
  std::uint32_t syn_text = 0;
};

class Run;

/// Steps, recorded and then carried out in the destructor: once for each of several pairs of
/// initial sequence numbers, most of them just below 2^32. Nothing that a script does not expect
/// may be sent, invariants.h is asked after every step, and time stands still but in at().
class Script {
 public:
  /// CLOSED, active OPEN called: the SYN is to be expected.
  static Script active(Setup setup = {});
  /// LISTEN.
  static Script passive(Setup setup = {});
  /// ESTABLISHED by an active OPEN; nothing sent beyond the handshake.
  static Script established(Setup setup = {});
  /// SYN-RECEIVED by a simultaneous open: both SYNs and our SYN,ACK have been sent.
  static Script simultaneous(Setup setup = {});

  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;
  ~Script();

#define POLLUX_WHERE const char *file = __builtin_FILE(), int line = __builtin_LINE()
  // What happens to the end under test.
  Script& arrives(Seg segment, POLLUX_WHERE);
  Script& writes(std::uint32_t bytes, POLLUX_WHERE);
  Script& reads(std::uint32_t bytes, POLLUX_WHERE);
  Script& shuts_down(POLLUX_WHERE);  // the sending side only
  Script& closes(POLLUX_WHERE);
  Script& aborts(POLLUX_WHERE);
  Script& sets(tcp::Options options, POLLUX_WHERE);
  Script& hears_unreachable(Cause cause, bool hard, POLLUX_WHERE);
  Script& hears_path_mtu(std::uint16_t mtu, POLLUX_WHERE);
  /// A longer segment is asked for, and is to come or is not possible now.
  Script& probes_path(std::uint16_t mtu, bool possible = true, POLLUX_WHERE);
  /// Time passes until so long after the script's beginning; timers expire on the way.
  Script& at(Duration time, POLLUX_WHERE);
  /// Nothing is sent until flush(): one poll of the pipeline does several things.
  Script& hold(POLLUX_WHERE);
  Script& flush(POLLUX_WHERE);

  // What is expected of it.
  Script& sends(Seg segment, POLLUX_WHERE);
  /// `count` full segments of `mss` bytes, the first at `seq`, all with the same ACK.
  Script& sends_full(int count, SeqNum seq, SeqNum ack, std::uint32_t mss = 1000, POLLUX_WHERE);
  Script& sends_nothing(POLLUX_WHERE);
  Script& state(State state, POLLUX_WHERE);
  /// Bytes in order that were not read.
  Script& readable(std::uint32_t bytes, POLLUX_WHERE);
  /// The handshake is complete, and it was said so once.
  Script& opened(POLLUX_WHERE);
  Script& peer_closed(POLLUX_WHERE);
  /// It is over, for this reason.
  Script& ends(Cause cause, POLLUX_WHERE);
  /// The last segment that arrived was discarded, for this reason (or not, for none).
  Script& drops(Drop drop, POLLUX_WHERE);
  /// What the last event's Verdict has to satisfy.
  Script& verdict(std::function<bool(const tcp::Verdict&)> holds, POLLUX_WHERE);
  /// What the Tcb has to satisfy.
  Script& check(std::function<void(const Tcb&)> look, POLLUX_WHERE);
  /// Flights in use.
  Script& flights(std::uint32_t count, POLLUX_WHERE);

 private:
  using Act = std::function<void(Run&)>;
  struct Step {
    Act act;
    const char* file;
    int line;
  };
  enum class Start { active, passive, established, simultaneous };

  Script(Start start, Setup setup);
  Script& step(const char* file, int line, Act act);
  void run(std::uint32_t iss, std::uint32_t irs) const;

  Start start_;
  Setup setup_;
  std::vector<Step> steps_;
};
#undef POLLUX_WHERE

}  // namespace pollux::test
