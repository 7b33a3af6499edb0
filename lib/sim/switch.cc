#include "sim/switch.h"

#include <utility>

#include "wire/ethernet.h"

namespace pollux::sim {

std::size_t Switch::add_port(Link& egress) {
  egress_.push_back(&egress);
  return egress_.size() - 1;
}

std::optional<std::size_t> Switch::port_of(const wire::MacAddress& mac) const noexcept {
  for (const Station& station : table_) {
    if (station.mac == mac) return station.port;
  }
  return std::nullopt;
}

void Switch::learn(const wire::MacAddress& mac, std::size_t port) {
  if (mac.is_group()) return;
  for (Station& station : table_) {
    if (station.mac == mac) {
      station.port = port;
      return;
    }
  }
  if (table_.size() < stations_) table_.push_back({mac, port});
}

void Switch::forward(Frame frame, std::size_t port, Instant now) {
  const auto ethernet = wire::EthernetView::parse(frame.bytes());
  if (!ethernet) {
    ++dropped_;
    return;
  }
  learn(ethernet->source(), port);
  const wire::MacAddress destination = ethernet->destination();
  if (const auto to = destination.is_group() ? std::nullopt : port_of(destination)) {
    if (*to == port) {
      ++dropped_;
      return;
    }
    ++forwarded_;
    egress_[*to]->send(std::move(frame), now);
    return;
  }
  ++flooded_;
  for (std::size_t i = 0; i < egress_.size(); ++i) {
    if (i == port) continue;
    if (Frame copy = frame.clone()) egress_[i]->send(std::move(copy), now);
  }
}

}  // namespace pollux::sim
