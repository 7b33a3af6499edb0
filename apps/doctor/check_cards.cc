#include <fmt/format.h>

#include <algorithm>

#include "doctor/checks.h"

namespace pollux::doctor {
namespace {

bool vfio_card(const Card& card) { return card.driver == "vfio-pci"; }
/// One that could be handed over.
bool candidate(const Card& card) { return !card.default_route && !card.given(); }

Finding check_iommu(const Machine& machine) {
  const std::size_t groups = machine.root.list("/sys/kernel/iommu_groups").size();
  Finding finding{.name = "IOMMU", .text = {}};
  const bool in_use = std::any_of(machine.cards.begin(), machine.cards.end(), vfio_card);
  const bool wanted = std::any_of(machine.cards.begin(), machine.cards.end(), candidate);
  if (groups != 0) {
    finding.text = fmt::format("on, {} groups", groups);
  } else if (does_without_iommu(machine.root)) {
    finding.level = Level::warn;
    finding.text = "none, and vfio does without: a card can write to all memory";
    finding.advice = "intel_iommu=on iommu=pt on the kernel's command line, and a restart";
  } else if (!in_use && !wanted) {
    finding.text = "none, and no card that needs it";
  } else {
    finding.level = in_use ? Level::fail : Level::warn;
    finding.text = "none: vfio-pci drives no card";
    finding.advice =
        "intel_iommu=on iommu=pt on the kernel's command line, and a restart; where "
        "there is none, let vfio do without, or bind cards to uio_pci_generic";
    finding.command = leave_without_iommu(machine.root, "modprobe uio_pci_generic");
  }
  return finding;
}

Finding check_vfio_module(const Machine& machine) {
  Finding finding{.name = "vfio", .text = "vfio-pci is there"};
  const bool wanted = std::any_of(machine.cards.begin(), machine.cards.end(), candidate);
  const bool in_use = std::any_of(machine.cards.begin(), machine.cards.end(), vfio_card);
  if (!machine.root.exists("/sys/bus/pci/drivers/vfio-pci")) {
    finding.level = wanted ? Level::warn : Level::ok;
    finding.text = wanted ? "the kernel's driver vfio-pci is absent: it is to hold cards for DPDK"
                          : "the kernel's driver vfio-pci is absent, and no card needs it";
    if (wanted) finding.command = "modprobe vfio-pci";
  } else if (in_use && !machine.root.readable_and_writable("/dev/vfio/vfio")) {
    finding.level = Level::fail;
    const bool there = machine.root.exists("/dev/vfio/vfio");
    finding.text = there ? "/dev/vfio/vfio is not for this user" : "/dev/vfio/vfio is not there";
    finding.command = there ? "chmod 666 " + machine.root.path("/dev/vfio/vfio") : "modprobe vfio";
  }
  return finding;
}

/// "8086:1572 by vfio-pci, node 0".
std::string card_text(const Card& card) {
  std::string text = card.ids;
  text += card.driver.empty() ? ", no driver" : " by " + card.driver;
  if (card.node >= 0) text += fmt::format(", node {}", card.node);
  if (!card.interface.empty()) text += fmt::format(", {} {}", card.interface, card.link);
  return text;
}

Finding check_card(const Machine& machine, const Card& card) {
  Finding finding{.name = "card " + card.address, .text = card_text(card)};
  const bool pages = std::any_of(machine.nodes.begin(), machine.nodes.end(), [&](const Node& node) {
    return static_cast<int>(node.number) == card.node &&
           std::any_of(node.pages.begin(), node.pages.end(),
                       [](const Pages& each) { return each.reserved != 0; });
  });
  if (card.default_route) {
    finding.text += ", carries the default route: left alone";
  } else if (!card.given()) {
    finding.level = Level::warn;
    finding.text += ": not in DPDK's hands";
    finding.command = machine.command("bind " + card.address);
  } else if (const std::string file = "/dev/vfio/" + card.group;
             vfio_card(card) && !card.group.empty() && machine.root.exists(file) &&
             !machine.root.readable_and_writable(file)) {
    finding.level = Level::fail;
    finding.text += fmt::format(": {} is not for this user", file);
    finding.command = fmt::format("chown {} {}", machine.user.id, machine.root.path(file));
  } else if (card.node >= 0 && machine.nodes.size() > 1 && !pages) {
    finding.level = Level::warn;
    finding.text += ": its node has no huge pages, and those of others are far";
    finding.command = machine.command(
        fmt::format("hugepages reserve --node {} --size 2M --count 512", card.node));
  } else {
    finding.text += ": --device pci:" + card.address;
  }
  return finding;
}

}  // namespace

Findings check_vfio(const Machine& machine) {
  return {check_iommu(machine), check_vfio_module(machine)};
}

Findings check_cards(const Machine& machine) {
  Findings out;
  for (const Card& card : machine.cards) out.push_back(check_card(machine, card));
  if (out.empty()) {
    out.push_back({.name = "cards",
                   .text = "no network card on the PCI bus; tap, memif, vhost and "
                           "virtio-user need none"});
  }
  return out;
}

}  // namespace pollux::doctor
