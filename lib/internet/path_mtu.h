#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "wire/address.h"

namespace pollux::internet {

/// What ICMP has said of the largest datagram on the way to some destinations (RFC 1191). Bounded:
/// of a full set of four the estimate that ages first gives way.
class PathMtuCache {
 public:
  /// No message lowers an estimate below this. RFC 1191 s.3 would allow 68, but a forged message
  /// would then cost a bulk transfer forty times its packets. What a narrower path asks for is left
  /// to its routers: they may cut (docs/decisions/0016).
  static constexpr std::uint16_t minimum = 552;
  /// After this an estimate is forgotten, and the link's MTU tried again (RFC 1191 s.6.3).
  static constexpr Duration lifetime = 10min;

  /// `link_mtu` is the device's; `capacity` is rounded up to a multiple of four, at most 2^20.
  PathMtuCache(std::uint16_t link_mtu, std::uint32_t capacity = 1024);

  /// The largest datagram to send there, in bytes: never above the link's MTU.
  std::uint16_t mtu(wire::Ipv4Address destination, Instant now) const noexcept {
    if (used_ == 0) [[likely]]
      return link_mtu_;
    return find(destination, now);
  }

  /// Whether routers on the way there are to cut datagrams (no DF), since the path has been said to
  /// take less than the minimum.
  bool narrow(wire::Ipv4Address destination, Instant now) const noexcept {
    if (!any_narrow_) [[likely]]
      return false;
    return find_narrow(destination, now);
  }

  /// A "fragmentation needed" has come, and quotes a datagram of ours of `quoted_length` bytes.
  /// `reported` is its next-hop MTU; 0 from old routers means the next lower plateau (RFC 1191
  /// s.7.1). A message never raises an estimate (s.6.3), it only makes an equal one last; and one
  /// that calls a datagram too big for a link on which it fits is not believed. Gives what
  /// datagrams must keep to now, whether it is news or not, since each connection hears of its own
  /// datagrams; nothing when the quoted one does. Below the minimum the path becomes narrow().
  std::optional<std::uint16_t> learn(wire::Ipv4Address destination, std::uint16_t reported,
                                     std::uint16_t quoted_length, Instant now) noexcept;

  /// The greatest of RFC 1191's plateaus (s.7.1, table 7-1) that is below `length`, or 68.
  static std::uint16_t plateau_below(std::uint16_t length) noexcept;

 private:
  static constexpr std::size_t ways = 4;
  struct Entry {
    wire::Ipv4Address destination;
    std::uint16_t mtu = 0;  // 0: never used
    bool narrow = false;
    Instant expires;
  };
  std::uint16_t find(wire::Ipv4Address destination, Instant now) const noexcept;
  bool find_narrow(wire::Ipv4Address destination, Instant now) const noexcept;
  void keep(wire::Ipv4Address destination, std::uint16_t mtu, bool narrow, Instant now) noexcept;
  std::size_t set_of(wire::Ipv4Address destination) const noexcept;

  std::uint16_t link_mtu_;
  std::uint32_t used_ = 0;
  bool any_narrow_ = false;  // ever
  std::size_t sets_;
  std::vector<std::array<Entry, ways>> entries_;
};

}  // namespace pollux::internet
