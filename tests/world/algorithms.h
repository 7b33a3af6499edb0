#pragma once

#include <array>
#include <string_view>

#include "transport/tcp/config.h"

namespace pollux::world {

/// What seeds draw from, and what throughput is measured of.
inline constexpr std::array congestion_algorithms{tcp::Congestion::reno, tcp::Congestion::cubic};

inline std::string_view name(tcp::Congestion congestion) {
  switch (congestion) {
    case tcp::Congestion::reno:
      return "reno";
    case tcp::Congestion::cubic:
      return "cubic";
  }
  return "?";
}

}  // namespace pollux::world
