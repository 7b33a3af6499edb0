#include "dpdk/run_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

namespace pollux::dpdk {
namespace {

constexpr std::string_view stem = "pollux-";
constexpr const char* variable = "RUNTIME_DIRECTORY";

/// Where DPDK puts its folder if nobody tells it otherwise; empty where that is all users' /tmp, in
/// which the first user's folder shuts out all others.
std::string usual_place() {
  if (getuid() == 0) return "/var/run";
  const char* const place = std::getenv("XDG_RUNTIME_DIR");
  return place == nullptr ? "" : place;
}

bool writable(const std::string& place) {
  if (place.empty() || access(place.c_str(), W_OK | X_OK) != 0) return false;
  const std::string folder = place + "/dpdk";
  return access(folder.c_str(), F_OK) != 0 || access(folder.c_str(), W_OK | X_OK) == 0;
}

bool process_lives(std::string_view digits) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  if (error != std::errc{} || end != digits.data() + digits.size() || pid <= 0) return true;
  return kill(pid, 0) == 0 || errno != ESRCH;
}

/// Removes a folder and the files in it; folders within are not ours and stay.
void remove_folder(const std::string& path) {
  if (path.empty()) return;
  if (DIR* const dir = opendir(path.c_str()); dir != nullptr) {
    while (const dirent* entry = readdir(dir)) {
      if (entry->d_type != DT_DIR) unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
  }
  rmdir(path.c_str());
}

void remove_stale(const std::string& folder) {
  const std::string parent = folder.substr(0, folder.rfind('/'));
  for (const std::string& name : RunFolder::left_in(parent)) remove_folder(parent + "/" + name);
  for (const std::string& name : RunFolder::left_in("/tmp")) {
    const std::string place = "/tmp/" + name;
    remove_folder(place + "/dpdk/" + name);
    rmdir((place + "/dpdk").c_str());
    rmdir(place.c_str());
  }
}

}  // namespace

std::string RunFolder::file_prefix() { return std::string(stem) + std::to_string(getpid()); }

std::vector<std::string> RunFolder::left_in(const std::string& parent) {
  std::vector<std::string> names;
  DIR* const dir = opendir(parent.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(stem) || process_lives(name.substr(stem.size()))) continue;
    struct stat status {};
    const bool known = fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (known && S_ISDIR(status.st_mode) && status.st_uid == geteuid()) names.emplace_back(name);
  }
  closedir(dir);
  return names;
}

RunFolder::RunFolder() {
  if (std::getenv(variable) != nullptr || writable(usual_place())) return;
  own_place_ = "/tmp/" + file_prefix();
  if (mkdir(own_place_.c_str(), 0700) != 0) {
    own_place_.clear();
    return;
  }
  setenv(variable, own_place_.c_str(), 1);
}

RunFolder::~RunFolder() {
  remove_folder(path_);
  if (!path_.empty()) remove_stale(path_);
  if (!path_.empty()) rmdir(path_.substr(0, path_.rfind('/')).c_str());
  if (own_place_.empty()) return;
  rmdir(own_place_.c_str());
  unsetenv(variable);
}

void RunFolder::adopt(std::string path) {
  path_ = std::move(path);
  if (access(path_.c_str(), W_OK | X_OK) != 0) path_.clear();
  if (!path_.empty()) remove_stale(path_);
}

}  // namespace pollux::dpdk
