#include "base/proc.h"

#include <fstream>
#include <string>

namespace pollux {

std::size_t proc_bytes(const char* file, std::string_view label) {
  std::ifstream words(file);
  for (std::string word; words >> word;) {
    std::size_t kib = 0;
    if (word == label && words >> kib) return kib << 10;
  }
  return 0;
}

}  // namespace pollux
