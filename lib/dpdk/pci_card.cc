// Of rte_dev.h: how EAL says what it hears of vfio. No other way tells of it.
#define ALLOW_EXPERIMENTAL_API

#include "dpdk/pci_card.h"

#include <fcntl.h>
#include <rte_dev.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace pollux::dpdk {
namespace {

/// The devices that the kernel wants back, by address.
struct Wanted {
  std::mutex mutex;
  std::set<std::string> addresses;
  bool heard = false;  // EAL tells us
};

/// Never destroyed: EAL's interrupt thread outlives main().
Wanted& wanted() {
  static auto* const all = new Wanted;
  return *all;
}

/// EAL calls this on its interrupt thread when vfio-pci's driver in the kernel asks for a device.
void note_request(const char* name, rte_dev_event_type event, void* /*unused*/) {
  if (event != RTE_DEV_EVENT_REMOVE) return;
  const std::lock_guard lock(wanted().mutex);
  wanted().addresses.emplace(name);
}

/// Once for all devices, and never undone: DPDK 22.11's rte_dev_event_callback_unregister() takes
/// the callbacks of other devices away, too.
void hear_requests() {
  if (wanted().heard) return;
  wanted().heard = rte_dev_event_callback_register(nullptr, note_request, nullptr) == 0;
}

}  // namespace

PciCard::PciCard(std::string address, const std::string& devices)
    : address_(std::move(address)),
      config_(open((devices + "/" + address_ + "/config").c_str(), O_RDONLY | O_CLOEXEC)) {
  const std::lock_guard lock(wanted().mutex);
  wanted().addresses.erase(address_);
  hear_requests();
}

PciCard::~PciCard() {
  if (config_ >= 0) close(config_);
}

bool PciCard::taken_away() const noexcept {
  std::uint8_t byte = 0;
  // The file of a device that was removed stays open, and has nothing behind it.
  if (config_ >= 0 && pread(config_, &byte, 1, 0) < 0 && errno == ENODEV) return true;
  const std::lock_guard lock(wanted().mutex);
  return wanted().addresses.contains(address_);
}

bool PciCard::answers(void (*pause)()) const noexcept {
  if (responds()) return true;
  pause();
  return responds();
}

void PciCard::wait_for_reset() noexcept {
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

bool PciCard::responds() const noexcept {
  // Command and status (PCI 3.0 s.6.2) have bits that are always zero. Who has made the device
  // stands before them, but is all ones in a virtual function.
  std::uint32_t command_and_status = 0;
  if (config_ < 0) return true;
  return pread(config_, &command_and_status, sizeof command_and_status, 4) ==
             sizeof command_and_status &&
         command_and_status != 0xFFFF'FFFF;
}

}  // namespace pollux::dpdk
