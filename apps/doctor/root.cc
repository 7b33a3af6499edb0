#include "doctor/root.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

namespace pollux::doctor {

Root::Root(std::string prefix, Kernel kernel)
    : prefix_(std::move(prefix)), kernel_(std::move(kernel)) {
  while (!prefix_.empty() && prefix_.back() == '/') prefix_.pop_back();
}

bool Root::exists(std::string_view path) const {
  return access(this->path(path).c_str(), F_OK) == 0;
}
bool Root::readable_and_writable(std::string_view path) const {
  return access(this->path(path).c_str(), R_OK | W_OK) == 0;
}
bool Root::writable(std::string_view path) const {
  return access(this->path(path).c_str(), W_OK) == 0;
}

std::optional<std::string> Root::text(std::string_view path) const {
  std::ifstream file(this->path(path));
  if (!file) return std::nullopt;
  std::string out{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) return std::nullopt;
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

std::optional<std::int64_t> Root::number(std::string_view path) const {
  const std::optional<std::string> found = text(path);
  if (!found) return std::nullopt;
  std::int64_t value = 0;
  const char* const end = found->data() + found->size();
  const auto [at, error] = std::from_chars(found->data(), end, value);
  if (error != std::errc{} || at != end) return std::nullopt;
  return value;
}

std::vector<std::string> Root::list(std::string_view folder) const {
  std::vector<std::string> names;
  DIR* const dir = opendir(path(folder).c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    return strverscmp(a.c_str(), b.c_str()) < 0;
  });
  return names;
}

std::string Root::link_name(std::string_view path) const {
  std::array<char, PATH_MAX> target;
  const ssize_t size = readlink(this->path(path).c_str(), target.data(), target.size());
  if (size <= 0) return {};
  const std::string_view whole(target.data(), static_cast<std::size_t>(size));
  return std::string(whole.substr(whole.rfind('/') + 1));
}

Status Root::write(std::string_view path, std::string_view text, const std::string& command) const {
  const std::string full = this->path(path);
  const int file = open(full.c_str(), O_WRONLY | O_CLOEXEC | (prefix_.empty() ? 0 : O_TRUNC));
  int failure = file < 0 ? errno : 0;
  if (file >= 0) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written != static_cast<ssize_t>(text.size())) failure = written < 0 ? errno : EIO;
    close(file);
  }
  if (failure != 0) {
    const bool right = failure == EACCES || failure == EPERM;
    return Error{Error::Kind::machine, full, strerror(failure),
                 right ? "as root: " + command : "`dmesg`, for what the kernel says"};
  }
  if (kernel_) kernel_(path, text);
  return std::monostate{};
}

std::vector<unsigned> numbers_of(std::string_view list) {
  std::vector<unsigned> out;
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), part.size() + 1));
    unsigned first = 0;
    const char* const end = part.data() + part.size();
    auto [at, error] = std::from_chars(part.data(), end, first);
    if (error != std::errc{}) continue;
    unsigned last = first;
    if (at != end && *at == '-') std::from_chars(at + 1, end, last);
    constexpr unsigned most = 65'536;
    for (unsigned each = first; each <= last && each < most; ++each) out.push_back(each);
  }
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::istringstream stream{std::string(text)};
  return {std::istream_iterator<std::string>(stream), {}};
}

}  // namespace pollux::doctor
