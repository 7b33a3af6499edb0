#include "doctor/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

namespace pollux::doctor {
namespace {

constexpr std::string_view node_root = "/sys/devices/system/node";
constexpr std::string_view no_iommu_switch =
    "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";
constexpr std::string_view pages_of_all = "/sys/kernel/mm/hugepages";

bool contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

/// The number behind `prefix` in a name that is nothing else.
std::optional<std::uint64_t> number_after(std::string_view name, std::string_view prefix,
                                          std::string_view suffix = {}) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  if (name.size() < suffix.size()) return std::nullopt;
  name.remove_suffix(suffix.size());
  std::uint64_t value = 0;
  const auto [at, error] = std::from_chars(name.data(), name.data() + name.size(), value);
  if (error != std::errc{} || at != name.data() + name.size()) return std::nullopt;
  return value;
}

std::uint64_t count(const Root& root, const std::string& path) {
  const auto value = root.number(path);
  return value && *value > 0 ? static_cast<std::uint64_t>(*value) : 0;
}

std::vector<Pages> pages_in(const Root& root, const std::string& folder) {
  std::vector<Pages> out;
  for (const std::string& name : root.list(folder)) {
    const auto kib = number_after(name, "hugepages-", "kB");
    if (!kib) continue;
    const std::string path = folder + "/" + name;
    out.push_back({.page_bytes = *kib << 10,
                   .reserved = count(root, path + "/nr_hugepages"),
                   .free = count(root, path + "/free_hugepages")});
  }
  std::sort(out.begin(), out.end(),
            [](const Pages& a, const Pages& b) { return a.page_bytes < b.page_bytes; });
  return out;
}

/// "MemFree:   123 kB" of a text whose lines may begin with "Node 0 ".
std::optional<std::uint64_t> memory_line(const std::optional<std::string>& text,
                                         std::string_view label) {
  if (!text) return std::nullopt;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> words = words_of(line);
    const auto at = std::find(words.begin(), words.end(), label);
    if (at == words.end() || at + 1 == words.end()) continue;
    std::uint64_t kib = 0;
    std::from_chars((at + 1)->data(), (at + 1)->data() + (at + 1)->size(), kib);
    return kib << 10;
  }
  return std::nullopt;
}

/// The first interface of a device, itself or of the virtio device that it stands for.
std::string interface_of(const Root& root, const std::string& device) {
  for (const std::string& name : root.list(device + "/net")) return name;
  for (const std::string& child : root.list(device)) {
    if (!child.starts_with("virtio")) continue;
    for (const std::string& name : root.list(device + "/" + child + "/net")) return name;
  }
  return {};
}

std::string hexadecimal(const std::optional<std::string>& text) {
  return text && text->starts_with("0x") ? text->substr(2) : std::string{"????"};
}

}  // namespace

bool Card::given() const {
  // Mellanox's stay with the kernel's driver, which shares them.
  constexpr std::array<std::string_view, 6> fit{"vfio-pci",  "igb_uio",   "uio_pci_generic",
                                                "mlx4_core", "mlx5_core", "mana"};
  return std::find(fit.begin(), fit.end(), driver) != fit.end();
}

std::string pages_folder(const Root& root, unsigned node, std::uint64_t page_bytes) {
  const std::string of_node = fmt::format("{}/node{}/hugepages", node_root, node);
  const bool known = root.exists(of_node) || root.exists(fmt::format("{}/node0", node_root));
  return fmt::format("{}/hugepages-{}kB", known ? of_node : std::string{pages_of_all},
                     page_bytes >> 10);
}

std::vector<Node> nodes(const Root& root) {
  std::vector<Node> out;
  for (const std::string& name : root.list(node_root)) {
    const auto number = number_after(name, "node");
    if (!number) continue;
    const std::string folder = fmt::format("{}/{}", node_root, name);
    const auto meminfo = root.text(folder + "/meminfo");
    if (memory_line(meminfo, "MemTotal:") == 0) continue;  // processors alone
    out.push_back({.number = static_cast<unsigned>(*number),
                   .pages = pages_in(root, folder + "/hugepages"),
                   .free_bytes = memory_line(meminfo, "MemFree:")});
  }
  if (!out.empty()) return out;
  return {{.number = 0,
           .pages = pages_in(root, std::string{pages_of_all}),
           .free_bytes = memory_line(root.text("/proc/meminfo"), "MemFree:")}};
}

std::vector<std::string> default_interfaces(const Root& root) {
  std::vector<std::string> out;
  const auto add = [&](const std::string& name) {
    if (name != "lo" && !contains(out, name)) out.push_back(name);
  };
  // proc(5): the interface, then destination and, eighth, mask in hexadecimal.
  std::istringstream ipv4(root.text("/proc/net/route").value_or(""));
  for (std::string line; std::getline(ipv4, line);) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() > 7 && words[1] == "00000000" && words[7] == "00000000") add(words[0]);
  }
  // Destination, the length of its prefix, ..., and last the interface.
  std::istringstream ipv6(root.text("/proc/net/ipv6_route").value_or(""));
  for (std::string line; std::getline(ipv6, line);) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() > 9 && words[1] == "00" && words[0] == std::string(32, '0')) {
      add(words.back());
    }
  }
  return out;
}

std::vector<Card> cards(const Root& root) {
  const std::vector<std::string> defaults = default_interfaces(root);
  std::vector<Card> out;
  for (const std::string& address : root.list("/sys/bus/pci/devices")) {
    const std::string device = "/sys/bus/pci/devices/" + address;
    // A base class of 2: network controllers.
    if (!root.text(device + "/class").value_or("").starts_with("0x02")) continue;
    Card card{.address = address,
              .ids = hexadecimal(root.text(device + "/vendor")) + ":" +
                     hexadecimal(root.text(device + "/device")),
              .driver = root.link_name(device + "/driver"),
              .node = static_cast<int>(root.number(device + "/numa_node").value_or(-1)),
              .interface = interface_of(root, device),
              .link = {},
              .group = root.link_name(device + "/iommu_group"),
              .default_route = false};
    if (!card.interface.empty()) {
      card.link = root.text("/sys/class/net/" + card.interface + "/operstate").value_or("unknown");
      card.default_route = contains(defaults, card.interface);
    }
    out.push_back(std::move(card));
  }
  return out;
}

User user(const Root& root) {
  User out;
  std::istringstream lines(root.text("/proc/self/status").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() > 2 && words[0] == "Uid:") {
      const std::string& effective = words[2];
      std::from_chars(effective.data(), effective.data() + effective.size(), out.id);
    }
    if (words.size() > 1 && words[0] == "CapEff:") {
      std::from_chars(words[1].data(), words[1].data() + words[1].size(), out.capabilities, 16);
    }
  }
  return out;
}

bool does_without_iommu(const Root& root) { return root.text(std::string{no_iommu_switch}) == "Y"; }

std::string leave_without_iommu(const Root& root, std::string_view otherwise) {
  if (root.exists(std::string{no_iommu_switch})) {
    return fmt::format("echo 1 > {}", root.path(std::string{no_iommu_switch}));
  }
  if (root.exists("/sys/module/vfio")) return std::string{otherwise};
  return "modprobe vfio enable_unsafe_noiommu_mode=1";
}

std::string size_name(std::uint64_t page_bytes) {
  constexpr std::uint64_t mebi = 1u << 20;
  constexpr std::uint64_t gibi = 1u << 30;
  if (page_bytes % gibi == 0) return fmt::format("{}G", page_bytes / gibi);
  if (page_bytes % mebi == 0) return fmt::format("{}M", page_bytes / mebi);
  return fmt::format("{}K", page_bytes >> 10);
}

}  // namespace pollux::doctor
