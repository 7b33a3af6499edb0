#include "cli/environment.h"

#include <fstream>

namespace pollux::cli {

std::string_view version() noexcept { return POLLUX_VERSION; }

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != line.npos) return line.substr(colon + 2);
  }
  return "unknown";
}

}  // namespace pollux::cli
