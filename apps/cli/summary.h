#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/counters.h"
#include "base/histogram.h"
#include "base/result.h"
#include "cli/criteria.h"
#include "cli/search.h"
#include "cli/sustain.h"

namespace pollux::cli {

/// What one run came to: plain values, in the order and under the names of the JSON summary,
/// "pollux.summary.1". Names there are a contract; more may be added, none renamed.
struct Summary {
  struct Connections {
    std::uint64_t attempted = 0, established = 0, completed = 0;
    std::uint64_t failed = 0;                // all that did not complete
    std::uint64_t timed_out = 0, reset = 0;  // parts of failed
    std::uint64_t aborted = 0, open = 0;     // at the end of the run; neither is a failure
    std::uint64_t peak_open = 0;
    std::uint64_t held_back = 0;  // polls of a closed loop without a port or memory for one more
    std::uint64_t open_from_warmup = 0;  // at the end; these are counted nowhere else
    std::uint64_t not_set_up_in_warmup = 0;
    /// Before the measured time was over; none: all that were completed.
    std::optional<std::uint64_t> completed_in_time = std::nullopt;
    /// In the measured time, the warm-up's among them; none: those of the measured time alone.
    std::optional<std::uint64_t> completed_meanwhile = std::nullopt;
  };
  struct Failures {
    std::uint64_t refused = 0, unreachable = 0, no_arp = 0, timeout = 0, reset = 0, bad_reply = 0;
    std::uint64_t no_resources = 0;  // no port, or no memory, for another connection
    std::uint64_t closed_early = 0;  // by the server, after good replies, with requests left
  };
  struct Cps {
    double mean = 0, min = 0, max = 0;
    std::vector<double> per_second;  // whole seconds only
  };
  struct Requests {
    std::uint64_t sent = 0, answered = 0;
    std::map<unsigned, std::uint64_t> status;
    std::uint64_t bad = 0;
    double per_second = 0;
    /// Before the measured time was over; none: all that were answered.
    std::optional<std::uint64_t> answered_in_time = std::nullopt;
  };
  /// Microseconds; all 0 when there is no sample.
  struct Latency {
    std::uint64_t samples = 0;
    double min = 0, p50 = 0, p90 = 0, p99 = 0, p999 = 0, max = 0;
  };
  /// received = delivered + sum of drops.
  struct Packets {
    std::uint64_t rx = 0, tx = 0, delivered = 0;
    double rx_per_connection = 0, tx_per_connection = 0;
  };
  struct Bytes {
    std::uint64_t rx = 0, tx = 0;
  };
  struct Tcp {
    std::uint64_t retransmitted = 0, out_of_order = 0, duplicate = 0, syn_cookies_sent = 0,
                  syn_cookies_accepted = 0, fast_opens_tried = 0, fast_opens_taken = 0,
                  challenge_acks = 0, time_wait = 0, orphans_reset = 0;
  };
  struct Memory {
    std::uint64_t bytes_per_connection = 0, connections_capacity = 0;
    bool huge_pages = false;
  };
  struct Core {
    unsigned core = 0;
    std::string role;  // "server", "client"
    double busy = 0;   // share of its time, 0 to 1
    double cycles_per_packet = 0, cycles_per_connection = 0;
  };
  /// Of a client: whether it was itself the limit.
  struct Generator {
    double busy = 0;           // share of its core's time, 0 to 1: the busiest core's
    Latency late{};            // of a rate: how long after it was due each connection was opened
    std::uint64_t behind = 0;  // of a rate: due when the measured time was over, and not opened
    bool limited = false;  // these are more than 0.5 % of what was opened, and than one poll opens
  };
  /// Connections that were kept open beside the load; they are counted nowhere else.
  struct Held {
    std::uint64_t asked = 0, open = 0;  // open: at the end
    std::uint64_t lost = 0;             // ended since they were opened
    double opened_in_s = 0;
  };
  /// Whole connections beside SYNs alone; they are counted nowhere else, but for their requests.
  struct Beside {
    std::uint64_t attempted = 0, completed = 0, failed = 0;
    std::uint64_t open() const { return attempted - completed - failed; }
    Latency connect{};
  };
  struct Stalls {
    double share = 0;  // of the time, 0 to 1
    double longest_us = 0;
    std::uint64_t over_1ms = 0;
  };
  struct Environment {
    std::string cpu;
    std::uint64_t tsc_hz = 0;
    std::string dpdk, pollux, link, steering, offloads;
    bool steered = false;  // of several cores: frames may have been handed over
    std::uint64_t handed_over = 0;
    std::uint64_t lost_between_cores = 0;
    Stalls stalls;
  };
  using Named = std::map<std::string, std::uint64_t>;

  std::string program;
  double duration_s = 0;  // without the warm-up
  Connections connections;
  Failures failures;
  Cps cps;
  Requests requests;
  Latency connect, first_byte, close;
  Packets packets;
  Bytes bytes;
  Tcp tcp;
  Named drops, send_drops, events;  // those that are not zero
  /// Of the devices themselves, and of frames that the stack has never seen, or has sent: dpdk's
  /// PortStats.
  Named device_drops;
  Memory memory;
  std::vector<Core> cores;
  std::optional<Generator> generator = std::nullopt;
  std::optional<Held> held = std::nullopt;
  std::optional<Beside> beside = std::nullopt;
  std::optional<Search> search = std::nullopt;          // all else is then of its best step
  std::optional<Sustain> sustain = std::nullopt;        // of an iteration of RFC 9411
  std::optional<ProfileReport> profile = std::nullopt;  // all else is then of what counts
  Environment environment;
};

/// The figures of one clock, from a histogram of nanoseconds.
Summary::Latency latency_of(const Histogram& histogram);

/// Puts in what the stack counted: packets, bytes, tcp, drops, send_drops, events. For several
/// cores, add their Counters up first.
void take_counters(Summary& summary, const Counters& counters);

/// What follows from the other values: cps from its per_second (from what was completed in
/// duration_s where the run had no whole second), requests per second, packets per completed
/// connection; whether the generator was the limit. What came after the measured time is in no
/// rate. Call it last.
void derive(Summary& summary);

/// The object of "pollux.summary.1", with line ends and indents.
std::string to_json(const Summary& summary);

/// What pollux-bench prints: one object with "server", "client" and "scenario".
std::string to_json(std::string_view scenario, const Summary& server, const Summary& client);

/// Writes a summary to standard output ("-") or to a file: whole or not at all, over whatever
/// ordinary file was there. Anything else (a pipe, a terminal, /dev/null) is written to as it is.
Status write_json(const std::string& path, const std::string& json);

}  // namespace pollux::cli
