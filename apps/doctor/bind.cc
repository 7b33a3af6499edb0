#include <fmt/format.h>

#include <algorithm>

#include "doctor/machine.h"
#include "doctor/mending.h"

namespace pollux::doctor {
namespace {

constexpr std::string_view bus = "/sys/bus/pci";

Error lacking(std::string what, std::string why, std::string remedy) {
  return {Error::Kind::machine, std::move(what), std::move(why), std::move(remedy)};
}

std::string device_folder(const std::string& address) {
  return fmt::format("{}/devices/{}", bus, address);
}

std::string driver_of(const Root& root, const std::string& address) {
  return root.link_name(device_folder(address) + "/driver");
}

std::string named(const std::string& driver) { return driver.empty() ? "no driver" : driver; }

/// Whoever takes the card that carries the default route away may not come back to say sorry.
Status check_route(const Root& root, const std::string& what, const BindRequest& request) {
  if (request.force >= 2) return std::monostate{};
  for (const Card& card : cards(root)) {
    if (card.address != request.address || !card.default_route) continue;
    return lacking(what, fmt::format("its interface {} carries the default route", card.interface),
                   what + " --force --force");
  }
  return std::monostate{};
}

/// vfio lends a group of the IOMMU whole: a card whose group has others in the kernel's hands can
/// be bound, and not opened.
Status check_group(const Root& root, const std::string& what, const BindRequest& request) {
  const std::string group = root.link_name(device_folder(request.address) + "/iommu_group");
  if (group.empty() || request.force >= 1) return std::monostate{};
  const std::string folder = fmt::format("/sys/kernel/iommu_groups/{}/devices", group);
  std::string others;
  for (const std::string& other : root.list(folder)) {
    if (other == request.address) continue;
    const std::string driver = driver_of(root, other);
    // Bridges may stay with the kernel.
    const bool bridge =
        root.text(device_folder(other) + "/class").value_or("").starts_with("0x0604");
    if (driver.empty() || driver == request.driver || driver == "pci-stub" || bridge) continue;
    others += fmt::format("{}{} ({})", others.empty() ? "" : ", ", other, driver);
  }
  if (others.empty()) return std::monostate{};
  return lacking(
      what, fmt::format("its IOMMU group {} has others in the kernel's hands: {}", group, others),
      what + " --force");
}

Status check_vfio(const Root& root, const std::string& what, const BindRequest& request) {
  if (request.driver != "vfio-pci") return std::monostate{};
  if (!root.list("/sys/kernel/iommu_groups").empty()) return std::monostate{};
  if (does_without_iommu(root)) return std::monostate{};
  return lacking(what, "there is no IOMMU, without which vfio-pci drives nothing",
                 leave_without_iommu(
                     root, fmt::format("pollux-doctor bind {} --driver uio_pci_generic{}",
                                       request.address, request.force == 0 ? "" : " --force")));
}

/// Takes the device from whom it is with and lets the bus look again. An empty driver lets it
/// choose.
Status move(const Root& root, const std::string& what, const std::string& address,
            const std::string& driver) {
  const std::string folder = device_folder(address);
  if (Status done = root.write(folder + "/driver_override", driver + "\n", what); !done)
    return done;
  if (!driver_of(root, address).empty()) {
    if (Status done = root.write(folder + "/driver/unbind", address, what); !done) return done;
  }
  return root.write(fmt::format("{}/drivers_probe", bus), address, what);
}

Result<std::string> change(const Root& root, const std::string& what, const BindRequest& request) {
  const std::string before = driver_of(root, request.address);
  if (!request.driver.empty() && before == request.driver) {
    return fmt::format("{}: {} has it already", request.address, before);
  }
  const Status moved = move(root, what, request.address, request.driver);
  if (!root.acts()) {
    if (!moved) return moved.error();
    return fmt::format("{}: {} -> {}, once a kernel reads it", request.address, named(before),
                       request.driver.empty() ? "the kernel's choice" : request.driver);
  }
  const std::string after = driver_of(root, request.address);
  const bool taken = request.driver.empty() ? !after.empty() : after == request.driver;
  if (moved && taken) {
    return fmt::format("{}: {} -> {}", request.address, named(before), named(after));
  }
  // As it was: who held it gets it again.
  if (after != before) static_cast<void>(move(root, what, request.address, before));
  if (!moved) {
    return lacking(what, moved.error().what + ": " + moved.error().why, moved.error().remedy);
  }
  return lacking(what,
                 request.driver.empty() ? "no driver of the kernel's takes it"
                                        : request.driver + " does not take it",
                 "`dmesg`, for what the kernel says");
}

Status check_device(const Root& root, const std::string& what, const BindRequest& request) {
  if (!root.exists(device_folder(request.address))) {
    return lacking(what, "there is no such PCI device", "an address that `pollux-doctor` lists");
  }
  const std::string folder = fmt::format("{}/drivers/{}", bus, request.driver);
  if (request.driver.empty() || root.exists(folder)) return std::monostate{};
  return lacking(what, fmt::format("the kernel has no driver {} for PCI devices", request.driver),
                 "modprobe " + request.driver);
}

}  // namespace

Result<std::string> bind_card(const Root& root, const BindRequest& request) {
  BindRequest wanted = request;
  if (wanted.driver.empty()) wanted.driver = "vfio-pci";
  std::string what = "pollux-doctor bind " + wanted.address;
  if (!request.driver.empty()) what += " --driver " + request.driver;
  if (Status fine = check_device(root, what, wanted); !fine) return fine.error();
  if (driver_of(root, wanted.address) != wanted.driver) {
    if (Status fine = check_route(root, what, wanted); !fine) return fine.error();
    if (Status fine = check_vfio(root, what, wanted); !fine) return fine.error();
    if (Status fine = check_group(root, what, wanted); !fine) return fine.error();
  }
  return change(root, what, wanted);
}

Result<std::string> unbind_card(const Root& root, const BindRequest& request) {
  std::string what = "pollux-doctor unbind " + request.address;
  if (!request.driver.empty()) what += " --driver " + request.driver;
  if (Status fine = check_device(root, what, request); !fine) return fine.error();
  if (Status fine = check_route(root, what, request); !fine) return fine.error();
  return change(root, what, request);
}

}  // namespace pollux::doctor
