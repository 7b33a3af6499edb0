#include "base/error.h"

#include <cstdio>

namespace pollux {

std::string format_error(const Error& error) {
  constexpr char digits[] = "0123456789abcdef";
  std::string line;
  for (const char c : "error: " + error.what + ": " + error.why + "; try: " + error.remedy) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7F) {
      line += {'\\', 'x', digits[code >> 4], digits[code & 0xF]};
    } else {
      line += c;
    }
  }
  return line;
}

int print_error(const Error& error) {
  std::fputs((format_error(error) + '\n').c_str(), stderr);
  return static_cast<int>(error.kind);
}

}  // namespace pollux
