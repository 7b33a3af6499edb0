#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/assert.h"
#include "wire/address.h"

namespace pollux::wire {

/// The own addresses of one interface, as sorted, merged ranges, and the networks that they connect
/// it to. It grows at set-up only; afterwards it is read on the data path.
class AddressSet {
 public:
  /// Bounds on what add() takes: more is a mistake of whoever wrote the command line.
  static constexpr std::size_t max_ranges = 4096;
  static constexpr std::size_t max_prefixes = 256;

  /// Adds `count` consecutive addresses from prefix.address on, and the prefix as connected. False,
  /// and nothing is added, when one of them is no unicast host address or lies outside the prefix
  /// or is its broadcast address, when count is 0, or when a bound is reached. Adding what is there
  /// already is fine.
  [[nodiscard]] bool add(Ipv4Prefix prefix, std::uint32_t count = 1);

  /// Whether the address is one of ours. One comparison when all are consecutive.
  bool contains(Ipv4Address a) const noexcept {
    if (a.value() - front_.first < front_.count) return true;
    return ranges_.size() > 1 && contains_in_rest(a);
  }
  /// How many addresses there are.
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  /// The i-th in rising order, i < size().
  Ipv4Address nth(std::size_t i) const noexcept;
  /// Calls f(Ipv4Address) for each, rising.
  template <class F>
  void for_each(F&& f) const {
    for (const Range& range : ranges_) {
      for (std::uint32_t i = 0; i < range.count; ++i) f(Ipv4Address{range.first + i});
    }
  }

  /// The connected networks, longest prefix first; in each, `address` is the first own address that
  /// was added with it.
  std::span<const Ipv4Prefix> prefixes() const noexcept { return prefixes_; }
  /// Whether one of them contains the address.
  bool on_link(Ipv4Address a) const noexcept;
  /// Whether it is the broadcast address of one of them (RFC 922 s.7), and not one of ours.
  bool is_directed_broadcast(Ipv4Address a) const noexcept {
    if (prefixes_.size() <= 1 && a != only_broadcast_) return false;
    return is_some_broadcast(a);
  }
  /// Whether a datagram to it is for every host here: the limited broadcast or a directed one.
  bool is_broadcast(Ipv4Address a) const noexcept {
    return a.is_limited_broadcast() || is_directed_broadcast(a);
  }
  /// The own address to speak to a neighbour from: that of the longest connected network which
  /// contains it, else the first one added (RFC 1122 s.3.3.4.3). Nothing when there are none.
  std::optional<Ipv4Address> source_for(Ipv4Address neighbor) const noexcept;

 private:
  struct Range {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
  };
  bool contains_in_rest(Ipv4Address a) const noexcept;
  bool is_some_broadcast(Ipv4Address a) const noexcept;
  void insert(Range range);

  Range front_;  // == ranges_.front(), without the way to it
  std::vector<Range> ranges_;
  std::vector<Ipv4Prefix> prefixes_;
  Ipv4Address only_broadcast_;  // of a single prefix
  std::optional<Ipv4Address> primary_;
  std::size_t size_ = 0;
};

/// Whether an address may stand for a single host: not this network, loopback, multicast or
/// reserved. Directed broadcasts are known to an AddressSet alone.
constexpr bool is_unicast_host(Ipv4Address a) noexcept {
  constexpr Ipv4Address first{1, 0, 0, 0};
  constexpr Ipv4Address first_multicast{224, 0, 0, 0};  // what is reserved lies behind
  return a.value() - first.value() < first_multicast.value() - first.value() && !a.is_loopback();
}

}  // namespace pollux::wire
