#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "cli/options.h"

namespace pollux::doctor {

/// What the doctor is asked to do.
enum class Task { report, reserve, release, bind, unbind, device };

/// The options of pollux-doctor as values.
struct Options {
  Task task = Task::report;
  std::string self;  // how the program was called
  std::string root;  // a folder in place of /; empty: none
  std::string json;  // empty: none; "-": standard output
  // Huge pages.
  unsigned node = 0;
  std::uint64_t page_bytes = std::uint64_t{2} << 20;
  std::optional<std::uint64_t> count;
  // Cards.
  std::string address;
  std::string driver;  // empty: vfio-pci to bind, the kernel's choice to unbind
  unsigned force = 0;  // how often
  // Devices.
  std::string device;
  std::string peer;
  Duration wait = 10s;
  bool no_huge = false;
  cli::LogLevel log_level = cli::LogLevel::error;
  std::vector<std::string> eal;

  /// Where lines for people go.
  std::FILE* human() const noexcept { return json == "-" ? stderr : stdout; }
};

/// Reads a command line; everything that is found wrong in it ends with exit code 2.
cli::Parsed<Options> parse(int argc, const char* const* argv);

}  // namespace pollux::doctor
