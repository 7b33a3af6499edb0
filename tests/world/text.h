#pragma once

#include <ostream>
#include <sstream>
#include <string>

#include "base/time.h"

namespace pollux::world {

inline std::ostream& operator<<(std::ostream& out, Duration duration) {
  return out << duration.count() / 1000 << " us";
}

/// One line out of many parts.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  static_cast<void>((out << ... << parts));
  return out.str();
}

}  // namespace pollux::world
