#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dpdk/device_spec.h"

namespace pollux::dpdk {

/// The drivers of network devices that DPDK loads when it starts.
struct Drivers {
  /// Where they lie, a file each; empty where they are part of DPDK itself, or of the program.
  std::string folder;
  /// "net_memif", in the order of the alphabet.
  std::vector<std::string> names;

  static Drivers find();
  /// Those in the folder, by the names of the files: librte_net_memif.so.23.
  static Drivers in_folder(std::string folder);

  /// Whether `name` can be had; also where nobody can tell.
  bool has(const std::string& name) const;
};

/// What a device needs: "net_memif". None where its card decides, or its device arguments.
std::optional<std::string> driver_name(DeviceSpec::Kind kind);

/// What to type, as root, to have these drivers.
std::string install_command(const std::vector<std::string>& drivers);

}  // namespace pollux::dpdk
