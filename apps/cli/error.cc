#include "cli/error.h"

#include <fmt/format.h>

namespace pollux::cli {

std::string in_quotes(std::string_view value) {
  constexpr std::size_t most = 60;
  if (value.size() <= most) return fmt::format("'{}'", value);
  return fmt::format("'{}...'", value.substr(0, most));
}

}  // namespace pollux::cli
