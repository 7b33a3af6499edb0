#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/arguments.h"
#include "cli/options.h"

/// The table of all options: one row each, with the function that takes its value.
namespace pollux::cli {

enum class Program : std::uint8_t { httpd = 1, load = 2, bench = 4 };

/// Everything that any program can be told, while it is being put together.
struct Draft {
  SharedOptions shared;
  ServerOptions server;
  ClientOptions client;
  Link link = Link::ring;
  Scenario scenario = Scenario::cps;
  bool together = false;
  ProfileOptions profile;          // of --profile
  SearchOptions search;            // of --search, which may stand behind its options
  DeviceOptions before;            // options of a device that stand before any --device
  std::string first_before;        // the first such option, as error lines name it
  std::vector<std::string> given;  // the names of the options seen

  bool has(std::string_view name) const;
  /// The device that an option of a device belongs to.
  DeviceOptions& device() { return shared.devices.empty() ? before : shared.devices.back(); }
};

struct OptionRow {
  OptionText text;
  std::uint8_t programs;     // Program values, or-ed
  std::string_view example;  // a value that is right
  /// Takes a value. The error has `why`, perhaps `remedy`; the rest is filled in from the row.
  Status (*take)(Draft& draft, const std::string& value);

  /// It belongs to the --device before it.
  bool of_device() const { return text.group == "Device"; }
  bool belongs_to(Program program) const {
    return (programs & static_cast<std::uint8_t>(program)) != 0;
  }
};

const std::vector<OptionRow>& option_table();

}  // namespace pollux::cli
