#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/summary.h"

/// The lines that people read, as text with line ends; where they go is SharedOptions::human().
namespace pollux::cli {

/// One line of the start-up banner: "steering: software (net_tap cannot spread flows)".
std::string banner_line(std::string_view label, std::string_view text);

/// What was taken at the start, in bytes, for so many pipelines of so many connections each, and
/// what to do where less than three quarters of it lie in the kernel's transparent huge pages.
std::string taken_text(std::size_t taken, std::size_t huge, std::uint64_t connections,
                       std::size_t pipelines);

/// What the line of one interval shows. Rates are of that interval, counts since the start.
struct Live {
  double elapsed_s = 0;
  bool warming_up = false;
  double cps = 0;
  double rps = 0;
  std::uint64_t open = 0;
  std::uint64_t failed = 0;
  std::uint64_t dropped = 0;
  double busy = 0;  // share of the interval, 0 to 1, mean over the cores
};

/// "   3.0 s   cps 1,204,511   rps ...". Every line has the same shape.
std::string live_line(const Live& live);

/// The same while connections are opened that are kept beside the load: how many of how many are
/// open, and how many more each second.
std::string held_line(double elapsed_s, std::uint64_t open, std::uint64_t asked, double rate);

/// The table at the end of a run: connections and why they failed, rates, packets per connection,
/// latencies, drops, cores, and what the machine itself took from them.
std::string table(const Summary& summary);

/// The same for both ends of one process: the client's whole, of the server what differs.
std::string table(std::string_view scenario, const Summary& server, const Summary& client);

/// One line of a search: its step of that number.
std::string step_line(std::size_t number, const Search::Step& step);

/// One line of a run of RFC 9411: its iteration of that number, counted from 0.
std::string passage_line(const ProfileReport& report, std::size_t number);

/// What such a run has come to: its iterations, and of the one that counts the phases, the key
/// performance indicators and the criteria.
std::string profile_text(const ProfileReport& report);

/// "timeout 3, reset 1": those that are not zero, or nothing.
std::string failures_text(const Summary::Failures& failures);

/// 1204511 -> "1,204,511".
std::string grouped(std::uint64_t number);

}  // namespace pollux::cli
