// A fuzzer's main without libFuzzer, for any compiler: runs each file of the folders, and each
// file, that it is given, once. A child process does it, so that the parent can name the file at
// which it ended. Exit 1 on that, and when there was no file at all.

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <string>
#include <vector>

#include "input.h"

namespace {

std::vector<std::string> files_of(int count, char** paths) {
  std::vector<std::string> files;
  for (int i = 0; i < count; ++i) {
    if (!std::filesystem::is_directory(paths[i])) {
      files.emplace_back(paths[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator{paths[i]}) {
      files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// False when it cannot be read.
bool run(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  if (!file) return false;
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  // Exactly as many as there are, so that a sanitizer sees a read past the end.
  const std::vector<std::uint8_t> bytes{text.begin(), text.end()};
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> files = files_of(count - 1, arguments + 1);
  if (files.empty()) {
    std::fprintf(stderr, "usage: %s FILE|FOLDER...: no file was found\n", arguments[0]);
    return 1;
  }
  void* const shared = mmap(nullptr, sizeof(std::atomic<std::size_t>), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  auto& done = *new (shared) std::atomic<std::size_t>{0};
  const pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    while (done < files.size() && run(files[done])) ++done;
    return done == files.size() ? 0 : 1;
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) return 1;
  if (status != 0) {
    const char* const at = done < files.size() ? files[done].c_str() : "the end";
    std::fprintf(stderr, "FAILED at %s\nagain: %s %s\n", at, arguments[0], at);
    return 1;
  }
  std::printf("%zu inputs\n", files.size());
  return 0;
}
