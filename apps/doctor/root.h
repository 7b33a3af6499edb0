#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pollux::doctor {

/// Where /sys, /proc, /dev and the like are looked for: below a folder, which for the machine
/// itself is none. All that the doctor reads of the machine and writes to it goes through here, so
/// that every check can be shown a machine that there is not.
class Root {
 public:
  /// What stands in for the kernel after a write in a tree of files: it gets the path, without the
  /// prefix, and the text.
  using Kernel = std::function<void(std::string_view path, std::string_view text)>;

  explicit Root(std::string prefix = {}, Kernel kernel = {});

  /// "" or the folder, without a slash at its end.
  const std::string& prefix() const noexcept { return prefix_; }
  std::string path(std::string_view path) const { return prefix_ + std::string(path); }
  /// Whether what is written changes anything beside the file.
  bool acts() const noexcept { return prefix_.empty() || kernel_ != nullptr; }

  bool exists(std::string_view path) const;
  /// As this process may open it.
  bool readable_and_writable(std::string_view path) const;
  bool writable(std::string_view path) const;
  /// A file's text without the white space at its end.
  std::optional<std::string> text(std::string_view path) const;
  std::optional<std::int64_t> number(std::string_view path) const;
  /// The names in a folder, in the order of the alphabet; numbers in them count as numbers.
  std::vector<std::string> list(std::string_view folder) const;
  /// The last part of what a symbolic link says; empty where it is none.
  std::string link_name(std::string_view path) const;

  /// Writes to a file that is there, at once. The error is of the machine, and says why; where the
  /// right to it is missing, `command` is what root is to type.
  Status write(std::string_view path, std::string_view text, const std::string& command) const;

 private:
  std::string prefix_;
  Kernel kernel_;
};

/// The numbers of a list as the kernel writes it: "0-2,5". What cannot be read is left out.
std::vector<unsigned> numbers_of(std::string_view list);
/// The words between white space.
std::vector<std::string> words_of(std::string_view text);

}  // namespace pollux::doctor
