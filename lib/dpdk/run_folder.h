#pragma once

#include <string>
#include <vector>

namespace pollux::dpdk {

/// The folder in which DPDK keeps what a process shows to others, and Pollux its own sockets. DPDK
/// makes it, and neither removes it nor minds when it cannot be made.
class RunFolder {
 public:
  /// "pollux-" and the number of this process: DPDK's file prefix, and the folder's name.
  static std::string file_prefix();
  /// The names of the folders in `parent` that killed processes of this user have left there.
  static std::vector<std::string> left_in(const std::string& parent);

  /// Before EAL starts. Where this user may not write to DPDK's usual place, DPDK is pointed to one
  /// of this process's own (RUNTIME_DIRECTORY in the environment).
  RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  /// Removes the folder, what is in it, what killed processes have left meanwhile, and the folders
  /// around it that are empty then.
  ~RunFolder();

  /// Once EAL has started, with the path that it tells. Removes what processes of ours that were
  /// killed have left.
  void adopt(std::string path);
  const std::string& path() const noexcept { return path_; }

 private:
  std::string own_place_;
  std::string path_;
};

}  // namespace pollux::dpdk
