#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "transport/tcp/config.h"

namespace pollux::pipeline {

/// What TCP is told of each connection. Most share the stack's own configuration, profile 0. Those
/// whose application wants something else share it with all that want the same, so that a
/// connection pays a byte for its options and there need be few profiles.
class Profiles {
 public:
  static constexpr std::uint8_t most = 64;
  static constexpr std::uint8_t common = 0;

  explicit Profiles(const tcp::Config& everybodys) noexcept { entries_[common] = {everybodys, 1}; }

  const tcp::Config& operator[](std::uint8_t profile) const noexcept {
    return entries_[profile].config;
  }

  /// The profile that says this, with one user more; nothing when too many different ones are in
  /// use.
  std::optional<std::uint8_t> join(const tcp::Config& config) noexcept {
    std::optional<std::uint8_t> free;
    for (std::uint8_t i = 0; i != most; ++i) {
      Entry& entry = entries_[i];
      if (entry.users == 0) {
        if (!free) free = i;
      } else if (entry.config == config) {
        join(i);
        return i;
      }
    }
    if (free) entries_[*free] = {config, 1};
    return free;
  }
  /// One user more of a profile that is in use.
  void join(std::uint8_t profile) noexcept { entries_[profile].users += profile != common; }
  void leave(std::uint8_t profile) noexcept { entries_[profile].users -= profile != common; }

 private:
  struct Entry {
    tcp::Config config;
    std::uint32_t users = 0;
  };
  std::array<Entry, most> entries_{};
};

}  // namespace pollux::pipeline
