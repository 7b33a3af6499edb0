// One test for each script of a folder, named for its file.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "parser.h"
#include "runner.h"

namespace {

using namespace pollux;

class ScriptTest : public testing::Test {
 public:
  explicit ScriptTest(std::string path) : path_(std::move(path)) {}

  void TestBody() override {
    std::ifstream file(path_);
    std::stringstream source;
    source << file.rdbuf();
    try {
      const interpreter::Script script = interpreter::parse(source.str());
      std::string error;
      const auto stack = interpreter::load(std::getenv("POLLUX_PLUGIN"), script.flags, error);
      ASSERT_NE(stack, nullptr) << error;
      if (const auto failure = interpreter::run(script, stack)) {
        ADD_FAILURE() << path_ << ":" << failure->line << ": " << failure->what;
      }
    } catch (const interpreter::SyntaxError& wrong) {
      ADD_FAILURE() << path_ << ":" << wrong.line << ": " << wrong.what;
    }
  }

 private:
  std::string path_;
};

/// A filter of GoogleTest's reads '-' as "but not".
std::string name_of(const std::filesystem::path& path) {
  std::string name = path.stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const char* const folder = std::getenv("POLLUX_SCRIPTS");
  if (folder == nullptr || std::getenv("POLLUX_PLUGIN") == nullptr) {
    std::fputs("POLLUX_SCRIPTS and POLLUX_PLUGIN name the scripts' folder and the plug-in\n",
               stderr);
    return 2;
  }
  std::vector<std::filesystem::path> paths;
  for (const auto& each : std::filesystem::recursive_directory_iterator(folder)) {
    if (each.path().extension() == ".pkt") paths.push_back(each.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    testing::RegisterTest(name_of(path.parent_path()).c_str(), name_of(path).c_str(), nullptr,
                          nullptr, path.c_str(), 1,
                          [path]() -> testing::Test* { return new ScriptTest(path.string()); });
  }
  if (paths.empty()) {
    std::fprintf(stderr, "no scripts in %s\n", folder);
    return 1;
  }
  return RUN_ALL_TESTS();
}
