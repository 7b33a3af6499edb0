#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "doctor/checks.h"
#include "doctor/root.h"

namespace pollux::test {

/// A made-up /sys, /proc and /dev in a folder of its own.
class Tree {
 public:
  Tree() {
    std::string name = (std::filesystem::temp_directory_path() / "doctor-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }
  std::string at(std::string_view path) const { return path_ + std::string(path); }

  Tree& file(std::string_view path, std::string_view text = "") {
    const std::filesystem::path full = at(path);
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
    return *this;
  }
  Tree& folder(std::string_view path) {
    std::filesystem::create_directories(at(path));
    return *this;
  }
  Tree& link(std::string_view path, std::string_view target) {
    const std::filesystem::path full = at(path);
    std::filesystem::create_directories(full.parent_path());
    std::filesystem::remove(full);
    std::filesystem::create_symlink(target, full);
    return *this;
  }
  std::string text(std::string_view path) const {
    std::ifstream file(at(path));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// A node with so many pages of 2 MiB, all free unless said otherwise.
  Tree& node(unsigned number, unsigned reserved, int free = -1) {
    const std::string node = "/sys/devices/system/node/node" + std::to_string(number);
    file(node + "/meminfo", "Node 0 MemTotal: 16777216 kB\nNode 0 MemFree: 8388608 kB\n");
    const std::string pages = node + "/hugepages/hugepages-2048kB";
    file(pages + "/nr_hugepages", std::to_string(reserved) + "\n");
    file(pages + "/free_hugepages",
         std::to_string(free < 0 ? static_cast<int>(reserved) : free) + "\n");
    file(node + "/hugepages/hugepages-1048576kB/nr_hugepages", "0\n");
    return file(node + "/hugepages/hugepages-1048576kB/free_hugepages", "0\n");
  }

  /// A network card; no driver: "", no interface: "".
  Tree& card(const std::string& address, const std::string& driver, const std::string& interface,
             int node = 0, const std::string& group = "") {
    const std::string device = "/sys/bus/pci/devices/" + address;
    file(device + "/class", "0x020000\n").file(device + "/vendor", "0x8086\n");
    file(device + "/device", "0x1572\n").file(device + "/numa_node", std::to_string(node) + "\n");
    file(device + "/driver_override", "(null)\n");
    if (!driver.empty()) {
      const std::string folder = "/sys/bus/pci/drivers/" + driver;
      file(folder + "/bind").file(folder + "/unbind");
      link(device + "/driver", "../../../../bus/pci/drivers/" + driver);
    }
    file("/sys/bus/pci/drivers_probe");
    if (!interface.empty()) {
      folder(device + "/net/" + interface);
      file("/sys/class/net/" + interface + "/operstate", "up\n");
    }
    if (!group.empty()) {
      link(device + "/iommu_group", "../../../../kernel/iommu_groups/" + group);
      link("/sys/kernel/iommu_groups/" + group + "/devices/" + address,
           "../../../../bus/pci/devices/" + address);
    }
    return *this;
  }

  doctor::Machine machine() const { return doctor::Machine::look(doctor::Root{path_}, "doc"); }

 private:
  std::string path_;
};

/// The finding of that name, or a test that fails.
inline doctor::Finding find(const doctor::Findings& findings, std::string_view name) {
  for (const doctor::Finding& finding : findings) {
    if (finding.name == name) return finding;
  }
  ADD_FAILURE() << "nothing is said of " << name;
  return {};
}

}  // namespace pollux::test
