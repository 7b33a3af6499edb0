#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace pollux::cli {

/// A command line as main() gets it, from the words behind the program's name.
class Command {
 public:
  explicit Command(std::vector<std::string> words) : words_(std::move(words)) {
    words_.insert(words_.begin(), "program");
    for (const std::string& word : words_) pointers_.push_back(word.c_str());
  }
  int argc() const { return static_cast<int>(pointers_.size()); }
  const char* const* argv() const { return pointers_.data(); }

 private:
  std::vector<std::string> words_;
  std::vector<const char*> pointers_;
};

inline Parsed<HttpdOptions> httpd(std::vector<std::string> words) {
  const Command command(std::move(words));
  return parse_httpd(command.argc(), command.argv());
}
inline Parsed<LoadOptions> load(std::vector<std::string> words) {
  const Command command(std::move(words));
  return parse_load(command.argc(), command.argv());
}
inline Parsed<BenchOptions> bench(std::vector<std::string> words) {
  const Command command(std::move(words));
  return parse_bench(command.argc(), command.argv());
}

}  // namespace pollux::cli
