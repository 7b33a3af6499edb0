#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/finding.h"
#include "doctor/machine.h"
#include "doctor/root.h"
#include "dpdk/drivers.h"

/// What is looked at, and how it is judged. Every function reads below one root and has no other
/// effect.
namespace pollux::doctor {

/// A machine as it was found, and how the doctor was called.
struct Machine {
  Root root;
  std::string self;  // how to call this program again
  std::vector<Node> nodes;
  std::vector<Card> cards;
  User user;

  static Machine look(Root root, std::string self);
  /// A command line of this program's own for this root.
  std::string command(std::string_view arguments) const;
};

/// A node that has none is a failure where all have none, and slows down its own cores otherwise.
Findings check_huge_pages(const Machine& machine);
/// Pollux needs no mount of hugetlbfs; what else uses DPDK does.
Findings check_mount(const Machine& machine);
/// What an ordinary user may not do, and limits that stand in the way.
Findings check_rights(const Machine& machine);
/// What DPDK is built for, and a clock that goes evenly.
Findings check_flags(const Machine& machine);
/// Cores without other work, at one frequency.
Findings check_cores(const Machine& machine);
/// What cards need of the kernel to be driven from here.
Findings check_vfio(const Machine& machine);
/// One line for each network card.
Findings check_cards(const Machine& machine);
/// What killed processes have left: folders of DPDK's, sockets that nobody listens on.
Findings check_leftovers(const Machine& machine);
Findings check_drivers(const dpdk::Drivers& drivers, std::string_view version);

}  // namespace pollux::doctor
