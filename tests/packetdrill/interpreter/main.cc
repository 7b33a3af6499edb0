// packetdrill-run: runs scripts against the plug-in, each on a fresh stack, without packetdrill.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "parser.h"
#include "runner.h"

namespace {

using namespace pollux;

constexpr const char* usage =
    "usage: packetdrill-run [--plugin FILE] SCRIPT...\n"
    "Runs scripts in packetdrill's language against libpollux-packetdrill.so, by default the one\n"
    "beside this program. Exit 0: all passed; 1: one failed; 2: one cannot be read.\n";

/// 0, 1 or 2, as the program exits.
int run_file(const std::string& plugin, const std::string& path) {
  std::ifstream file(path);
  std::stringstream source;
  if (!file || !(source << file.rdbuf())) {
    std::fprintf(stderr, "error: %s: it cannot be read, or is empty; try: --help\n", path.c_str());
    return 2;
  }
  try {
    const interpreter::Script script = interpreter::parse(source.str());
    std::string error;
    const auto stack = interpreter::load(plugin, script.flags, error);
    if (stack == nullptr) {
      std::fprintf(stderr, "error: %s: %s; try: --plugin\n", plugin.c_str(), error.c_str());
      return 2;
    }
    if (const auto failure = interpreter::run(script, stack)) {
      std::fprintf(stderr, "%s:%d: %s\n", path.c_str(), failure->line, failure->what.c_str());
      return 1;
    }
  } catch (const interpreter::SyntaxError& wrong) {
    std::fprintf(stderr, "%s:%d: %s\n", path.c_str(), wrong.line, wrong.what.c_str());
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string plugin =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libpollux-packetdrill.so";
  int first = 1;
  for (; first < argc && std::string_view{argv[first]}.starts_with("--"); ++first) {
    const std::string_view option = argv[first];
    if (option == "--plugin" && first + 1 < argc) {
      plugin = argv[++first];
    } else {
      std::fputs(usage, option == "--help" ? stdout : stderr);
      return option == "--help" ? 0 : 2;
    }
  }
  if (first >= argc) {
    std::fputs(usage, stderr);
    return 2;
  }
  int worst = 0;
  int passed = 0;
  for (int i = first; i < argc; ++i) {
    const int result = run_file(plugin, argv[i]);
    passed += result == 0 ? 1 : 0;
    worst = std::max(worst, result);
  }
  std::printf("%d of %d scripts passed\n", passed, argc - first);
  return worst;
}
