#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "wire/address.h"

namespace pollux::internet {

/// What is known of the largest datagram on the way to some destinations: what ICMP has said of it
/// (RFC 1191), and what segments have shown (RFC 4821). All connections to a destination share it
/// (s.5.2). Bounded: of a full set of four the estimate that ages first gives way.
class PathMtuCache {
 public:
  /// No message lowers an estimate below this. RFC 1191 s.3 would allow 68, but a forged message
  /// would then cost a bulk transfer forty times its packets. What a narrower path asks for is left
  /// to its routers: they may cut (docs/decisions/0016).
  static constexpr std::uint16_t minimum = 552;
  /// After this an estimate is forgotten, and the link's MTU tried again (RFC 1191 s.6.3).
  static constexpr Duration lifetime = 10min;
  /// After a probe nobody tries another for so long, unless it arrives.
  static constexpr Duration probe_interval = 5s;
  /// A size that was tried so often, and never with a clear end, counts as one that is lost.
  static constexpr std::uint8_t max_probes = 3;

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
  /// datagrams; nothing when the quoted one does. Below the minimum the path becomes narrow(). One
  /// about a probe says what to try next.
  std::optional<std::uint16_t> learn(wire::Ipv4Address destination, std::uint16_t reported,
                                     std::uint16_t quoted_length, Instant now) noexcept;

  /// Datagrams of more than `mtu` bytes seem to vanish on the way there, and no message says why.
  void black_hole(wire::Ipv4Address destination, std::uint16_t mtu, Instant now) noexcept;

  /// What datagrams have shown to arrive there where ICMP has said nothing; else 0.
  std::uint16_t found(wire::Ipv4Address destination, Instant now) const noexcept;
  /// The size that a connection should try there whose datagrams are of `low` bytes and may be of
  /// `high`; nothing where that is not due. At first it is all that was lost, since an outage looks
  /// as a black hole does; then the middle of the common sizes between what arrives and what does
  /// not (RFC 4821 s.7.3). What ICMP has said holds for its lifetime.
  std::optional<std::uint16_t> probe_size(wire::Ipv4Address destination, std::uint16_t low,
                                          std::uint16_t high, Instant now) noexcept;
  /// It does so.
  void probing(wire::Ipv4Address destination, std::uint16_t low, std::uint16_t size,
               Instant now) noexcept;
  /// It has arrived, or it alone was lost.
  void takes(wire::Ipv4Address destination, std::uint16_t size, Instant now) noexcept;
  void loses(wire::Ipv4Address destination, std::uint16_t size, Instant now) noexcept;

  /// The greatest of RFC 1191's plateaus (s.7.1, table 7-1) that is below `length`, or 68.
  static std::uint16_t plateau_below(std::uint16_t length) noexcept;

 private:
  static constexpr std::size_t ways = 4;
  struct Entry {
    wire::Ipv4Address destination;
    std::uint16_t mtu = 0;  // 0: never used
    bool narrow = false;
    bool said = false;            // by ICMP: nothing larger is tried
    std::uint8_t tries = 0;       // of `tried`
    std::uint16_t tried = 0;      // by the last probe
    std::uint16_t lost = 0;       // the least that is; 0: nothing
    std::uint16_t suggested = 0;  // to be tried next
    Instant expires;
    Instant probe_at;
  };
  std::uint16_t find(wire::Ipv4Address destination, Instant now) const noexcept;
  bool find_narrow(wire::Ipv4Address destination, Instant now) const noexcept;
  const Entry* live(wire::Ipv4Address destination, Instant now) const noexcept;
  Entry* live(wire::Ipv4Address destination, Instant now) noexcept;
  Entry& keep(wire::Ipv4Address destination, std::uint16_t mtu, Instant now) noexcept;
  void say(wire::Ipv4Address destination, std::uint16_t mtu, bool narrow, Instant now) noexcept;
  static std::uint16_t next_size(const Entry& entry, std::uint16_t low,
                                 std::uint16_t high) noexcept;
  std::size_t set_of(wire::Ipv4Address destination) const noexcept;

  std::uint16_t link_mtu_;
  std::uint32_t used_ = 0;
  bool any_narrow_ = false;  // ever
  std::size_t sets_;
  std::vector<std::array<Entry, ways>> entries_;
};

}  // namespace pollux::internet
