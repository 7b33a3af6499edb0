#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "sim/frame.h"
#include "sim/link.h"
#include "wire/address.h"

namespace pollux::sim {

/// Joins the cables of many hosts. It forwards as soon as a frame has come in whole, learns who
/// sits where from the source addresses (at most `stations` of them), and floods what it does not
/// know. As a hub it learns nothing.
class Switch {
 public:
  explicit Switch(std::size_t stations = 1024) : stations_(stations) {}
  static Switch hub() { return Switch{0}; }

  /// A port whose frames leave through `egress`, which must outlive the switch; its number.
  std::size_t add_port(Link& egress);
  /// A frame that came in at a port goes to the port of its destination, or to all others.
  void forward(Frame frame, std::size_t port, Instant now);

  std::size_t ports() const noexcept { return egress_.size(); }
  std::uint64_t forwarded() const noexcept { return forwarded_; }
  std::uint64_t flooded() const noexcept { return flooded_; }
  /// Too short for an Ethernet header, or for the very port that they came in at.
  std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  struct Station {
    wire::MacAddress mac;
    std::size_t port;
  };
  std::optional<std::size_t> port_of(const wire::MacAddress& mac) const noexcept;
  void learn(const wire::MacAddress& mac, std::size_t port);

  std::size_t stations_;
  std::vector<Link*> egress_;
  std::vector<Station> table_;
  std::uint64_t forwarded_ = 0;
  std::uint64_t flooded_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace pollux::sim
