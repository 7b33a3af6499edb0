#pragma once

#include <string>

namespace pollux::dpdk {

/// A PCI device that one of DPDK's drivers uses: what the kernel still has of it. Few drivers hear
/// that their device is gone.
///
/// uio_pci_generic lets a device go at once. Its registers stay mapped: what is written there is
/// lost, and what is read is all ones (QEMU: zeros). vfio-pci waits until its user lets go.
class PciCard {
 public:
  /// Of the bus address in full, "0000:00:04.0"; EAL has attached it. Where the file of its
  /// configuration space cannot be opened, it is held to be there.
  explicit PciCard(std::string address, const std::string& devices = "/sys/bus/pci/devices");
  ~PciCard();
  PciCard(const PciCard&) = delete;
  PciCard& operator=(const PciCard&) = delete;

  /// Whether the kernel has removed it, for good: what is at that address later is another. Or
  /// wants to, and waits until this process lets go of it.
  bool taken_away() const noexcept;
  /// Whether its driver may be called: those that wait for a register to change do so for ever, or
  /// nearly, when it is not there. One that does not respond is asked again after a `pause`: while
  /// it is reset, it may be silent for 100 ms (PCI Express 6.0 s.6.6.2).
  bool answers(void (*pause)() = wait_for_reset) const noexcept;
  /// Whether its configuration space can be read now.
  bool responds() const noexcept;

 private:
  static void wait_for_reset() noexcept;

  std::string address_;
  int config_;  // the file of its configuration space; negative: none
};

}  // namespace pollux::dpdk
