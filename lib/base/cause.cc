#include "base/cause.h"

#include <array>
#include <cstddef>

namespace pollux {

std::string_view name(Cause cause) noexcept {
  constexpr std::array<std::string_view, static_cast<std::size_t>(Cause::count_)> names = {
      "none",    "by_us",     "by_peer",     "aborted",     "reset",    "reset_at_end",
      "refused", "timed_out", "unreachable", "no_neighbor", "no_memory"};
  return names[static_cast<std::size_t>(cause)];
}

}  // namespace pollux
