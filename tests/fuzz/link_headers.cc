// Ethernet, VLAN and ARP: what can be parsed is written back as it was.

#include <algorithm>
#include <array>

#include "input.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/vlan.h"

namespace pollux::fuzz {
namespace {

template <std::size_t N>
void same(std::span<const std::byte> read, const std::array<std::byte, N>& written) {
  POLLUX_REQUIRE(read.size() >= N && std::equal(written.begin(), written.end(), read.begin()));
}

void arp(std::span<const std::byte> payload) {
  const auto view = wire::ArpView::parse(payload);
  if (!view) return;
  std::array<std::byte, wire::ArpFields::size> out{};
  wire::ArpFields{view->operation(), view->sender_hardware(), view->sender_protocol(),
                  view->target_hardware(), view->target_protocol()}
      .write(out);
  same(payload, out);
}

void vlan(std::span<const std::byte> payload) {
  const auto view = wire::VlanView::parse(payload);
  POLLUX_REQUIRE(view.has_value() == (payload.size() >= wire::VlanView::header_size));
  if (!view) return;
  std::array<std::byte, wire::VlanFields::size> out{};
  wire::VlanFields{view->id(), view->type(), view->priority(), view->drop_eligible()}.write(out);
  same(payload, out);
  POLLUX_REQUIRE(view->payload().size() == payload.size() - out.size());
  arp(view->payload());
}

void ethernet(std::span<const std::byte> frame) {
  const auto view = wire::EthernetView::parse(frame);
  POLLUX_REQUIRE(view.has_value() == (frame.size() >= wire::EthernetView::header_size));
  if (!view) return;
  std::array<std::byte, wire::EthernetFields::size> out{};
  wire::EthernetFields{view->destination(), view->source(), view->type()}.write(out);
  same(frame, out);
  POLLUX_REQUIRE(inside(view->payload(), frame));
  if (view->type() == wire::ether_type::arp) arp(view->payload());
  if (view->type() == wire::ether_type::vlan) vlan(view->payload());
}

}  // namespace
}  // namespace pollux::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pollux::fuzz::ethernet(std::as_bytes(std::span{data, size}));
  return 0;
}
