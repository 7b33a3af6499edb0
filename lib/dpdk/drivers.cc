#include "dpdk/drivers.h"

#include <dirent.h>
#include <dlfcn.h>
#include <rte_build_config.h>
#include <rte_version.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace pollux::dpdk {
namespace {

/// Whether DPDK is a library of its own, whose drivers are files beside it. A program that DPDK was
/// linked into has its drivers in it, too.
bool dpdk_is_shared() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&rte_version), &info) == 0 || info.dli_fname == nullptr) {
    return false;
  }
  return std::string_view{info.dli_fname}.find("librte_") != std::string_view::npos;
}

}  // namespace

Drivers Drivers::find() {
  if (!dpdk_is_shared() || std::string_view{RTE_EAL_PMD_PATH}.empty()) return {};
  return in_folder(RTE_EAL_PMD_PATH);
}

Drivers Drivers::in_folder(std::string folder) {
  Drivers found{.folder = std::move(folder), .names = {}};
  DIR* const dir = opendir(found.folder.c_str());
  if (dir == nullptr) return found;
  while (const dirent* entry = readdir(dir)) {
    constexpr std::string_view start = "librte_net_";
    const std::string_view file = entry->d_name;
    const std::size_t end = file.find(".so");
    if (!file.starts_with(start) || end == std::string_view::npos) continue;
    constexpr std::size_t prefix = std::string_view{"librte_"}.size();
    std::string name(file.substr(prefix, end - prefix));
    if (std::find(found.names.begin(), found.names.end(), name) == found.names.end()) {
      found.names.push_back(std::move(name));
    }
  }
  closedir(dir);
  std::sort(found.names.begin(), found.names.end());
  return found;
}

bool Drivers::has(const std::string& name) const {
  return folder.empty() || std::binary_search(names.begin(), names.end(), name);
}

std::optional<std::string> driver_name(DeviceSpec::Kind kind) {
  switch (kind) {
    case DeviceSpec::Kind::tap:
      return "net_tap";
    case DeviceSpec::Kind::memif:
      return "net_memif";
    case DeviceSpec::Kind::vhost:
      return "net_vhost";
    case DeviceSpec::Kind::virtio_user:
      return "net_virtio";
    case DeviceSpec::Kind::af_packet:
      return "net_af_packet";
    case DeviceSpec::Kind::af_xdp:
      return "net_af_xdp";
    case DeviceSpec::Kind::pci:
    case DeviceSpec::Kind::vdev:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string install_command(const std::vector<std::string>& drivers) {
  // Debian names the package after the driver and the version of DPDK's interface, which is the
  // year of its long-term release. --reinstall also mends a package whose file is gone.
  std::string command = "apt-get install --reinstall";
  for (std::string name : drivers) {
    std::replace(name.begin(), name.end(), '_', '-');
    command += " librte-" + name + std::to_string(RTE_VER_YEAR + (RTE_VER_MONTH == 11 ? 1 : 0));
  }
  return command;
}

}  // namespace pollux::dpdk
