#pragma once

#include <string>
#include <string_view>

namespace pollux::cli {

/// This version of Pollux, "0.1.0".
std::string_view version() noexcept;

/// The processor's name as /proc/cpuinfo has it; "unknown" where it has none.
std::string cpu_model();

}  // namespace pollux::cli
