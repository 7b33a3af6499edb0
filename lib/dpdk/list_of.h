#pragma once

#include <string>

namespace pollux::dpdk {

/// Numbers as EAL's options and people write them: "0,2,5".
template <class Numbers>
std::string list_of(const Numbers& numbers) {
  std::string text;
  for (const auto number : numbers) {
    if (!text.empty()) text += ',';
    text += std::to_string(number);
  }
  return text;
}

}  // namespace pollux::dpdk
