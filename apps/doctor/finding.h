#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pollux::doctor {

/// ok: as it should be. warn: Pollux runs, but more slowly than it could, or not with every kind of
/// device. fail: it does not run, or not as it should.
enum class Level { ok, warn, fail };

/// One line of the report.
struct Finding {
  Level level = Level::ok;
  /// What was looked at: "huge pages of node 0".
  std::string name;
  /// How it is.
  std::string text;
  /// What mends it, to be typed as it stands; empty where no command does, or nothing is wrong.
  std::string command = {};
  /// What mends it and is no command: a setting of the machine, a restart.
  std::string advice = {};
  /// The command needs no privilege.
  bool anybody = false;
};

using Findings = std::vector<Finding>;

/// "ok", "warn", "fail".
std::string_view name(Level level) noexcept;

}  // namespace pollux::doctor
