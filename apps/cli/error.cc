#include "cli/error.h"

#include <fmt/format.h>

#include <cstdio>

namespace pollux::cli {

std::string format_error(const Error& error) {
  std::string line = fmt::format("error: {}: {}; try: {}", error.what, error.why, error.remedy);
  std::string out;
  for (const char c : line) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7F) {
      out += fmt::format("\\x{:02x}", code);
    } else {
      out += c;
    }
  }
  return out;
}

int print_error(const Error& error) {
  const std::string line = format_error(error) + '\n';
  std::fputs(line.c_str(), stderr);
  return static_cast<int>(error.kind);
}

std::string in_quotes(std::string_view value) {
  constexpr std::size_t most = 60;
  if (value.size() <= most) return fmt::format("'{}'", value);
  return fmt::format("'{}...'", value.substr(0, most));
}

}  // namespace pollux::cli
