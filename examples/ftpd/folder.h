#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace ftpd {

/// A file that is open for reading, or nothing; closed with its owner by close() alone, because it
/// lies in a connection's session, which is never destroyed.
struct File {
  int descriptor = -1;
  int error = 0;  // errno, where there is none

  explicit operator bool() const noexcept { return descriptor >= 0; }
  std::uint64_t size() const noexcept;
  void close() noexcept;
};

/// The folder that is served. Names are relative to it, and lead nowhere else: neither by "..", nor
/// by a link.
class Folder {
 public:
  explicit Folder(const char* path);

  bool good() const noexcept { return root_ >= 0; }
  /// A file's content.
  File open(const std::string& name) const noexcept;
  /// What is in a folder, or a file's own line: a line each, as `ls -l` prints them or names alone.
  File list(const std::string& name, bool names_alone) const noexcept;
  bool is_folder(const std::string& name) const noexcept;

 private:
  int open_beneath(const std::string& name, int flags) const noexcept;

  int root_;
};

/// `name` as seen from the folder `from`, without dots and slashes to spare; empty is the root.
/// Whoever leaves the root upwards stays there.
std::string resolve(std::string_view from, std::string_view name);

}  // namespace ftpd
