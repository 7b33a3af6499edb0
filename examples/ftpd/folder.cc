#include "folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <vector>

namespace ftpd {
namespace {

/// One line of `ls -l`.
std::string line_of(const struct stat& about, std::string_view name) {
  std::array<char, 32> date{};
  std::tm time{};
  ::gmtime_r(&about.st_mtime, &time);
  const bool recent = std::time(nullptr) - about.st_mtime < 180 * 24 * 60 * 60;
  std::strftime(date.data(), date.size(), recent ? "%b %d %H:%M" : "%b %d  %Y", &time);
  std::array<char, 128> head{};
  std::snprintf(head.data(), head.size(), "%s 1 ftp ftp %12lld %s ",
                S_ISDIR(about.st_mode) ? "drwxr-xr-x" : "-rw-r--r--",
                static_cast<long long>(about.st_size), date.data());
  return std::string{head.data()}.append(name).append("\r\n");
}

/// A file in memory that holds `text`.
File file_of(const std::string& text) noexcept {
  File out{::memfd_create("listing", MFD_CLOEXEC), 0};
  if (!out ||
      ::pwrite(out.descriptor, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    out.close();
    out.error = errno;
  }
  return out;
}

}  // namespace

std::uint64_t File::size() const noexcept {
  struct stat about {};
  return ::fstat(descriptor, &about) == 0 ? static_cast<std::uint64_t>(about.st_size) : 0;
}

void File::close() noexcept {
  if (descriptor >= 0) ::close(descriptor);
  descriptor = -1;
}

Folder::Folder(const char* path) : root_(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

int Folder::open_beneath(const std::string& name, int flags) const noexcept {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const long found =
      ::syscall(SYS_openat2, root_, name.empty() ? "." : name.c_str(), &how, sizeof how);
  if (found < 0 && errno == EXDEV) errno = ENOENT;  // it leads out
  return static_cast<int>(found);
}

File Folder::open(const std::string& name) const noexcept {
  // Without waiting: a pipe's other end may never come.
  File out{open_beneath(name, O_RDONLY | O_NONBLOCK | O_NOCTTY), errno};
  struct stat about {};
  if (out && (::fstat(out.descriptor, &about) != 0 || !S_ISREG(about.st_mode))) {
    out.close();
    out.error = S_ISDIR(about.st_mode) ? EISDIR : EACCES;
  }
  return out;
}

bool Folder::is_folder(const std::string& name) const noexcept {
  const int found = open_beneath(name, O_PATH | O_DIRECTORY);
  if (found >= 0) ::close(found);
  return found >= 0;
}

File Folder::list(const std::string& name, bool names_alone) const noexcept {
  const std::string own = name.substr(name.rfind('/') + 1);
  std::vector<std::pair<std::string, std::string>> entries;  // name, and how it is reached
  const int folder = open_beneath(name, O_RDONLY | O_DIRECTORY);
  if (folder < 0 && errno == ENOTDIR) {
    entries.emplace_back(own, name);
  } else if (DIR* const stream = folder < 0 ? nullptr : ::fdopendir(folder)) {
    while (const dirent* entry = ::readdir(stream)) {
      const std::string_view found = entry->d_name;
      // Nobody could ask for a name that ends a line.
      if (found == "." || found == ".." || found.find_first_of("\r\n") != found.npos) continue;
      entries.emplace_back(found, name.empty() ? found : name + '/' + std::string{found});
    }
    ::closedir(stream);
  } else {
    return File{-1, errno};
  }
  std::string text;
  for (const auto& [entry, path] : entries) {
    const int found = open_beneath(path, O_PATH);
    struct stat about {};
    if (found < 0) continue;  // a link that leads out, or nowhere
    if (::fstat(found, &about) == 0 && (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))) {
      text += names_alone ? entry + "\r\n" : line_of(about, entry);
    }
    ::close(found);
  }
  return file_of(text);
}

std::string resolve(std::string_view from, std::string_view name) {
  std::string out{name.starts_with('/') ? "" : from};
  while (!name.empty()) {
    const std::string_view part = name.substr(0, name.find('/'));
    name.remove_prefix(std::min(name.size(), part.size() + 1));
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      out.resize(out.find('/') == out.npos ? 0 : out.rfind('/'));
    } else {
      if (!out.empty()) out += '/';
      out += part;
    }
  }
  return out;
}

}  // namespace ftpd
