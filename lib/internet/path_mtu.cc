#include "internet/path_mtu.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace pollux::internet {

PathMtuCache::PathMtuCache(std::uint16_t link_mtu, std::uint32_t capacity)
    : link_mtu_(link_mtu),
      sets_(std::bit_ceil((std::size_t{std::max(capacity, 1u)} + ways - 1) / ways)),
      entries_(sets_) {
  POLLUX_ASSERT(capacity <= (1u << 20));
}

std::size_t PathMtuCache::set_of(wire::Ipv4Address destination) const noexcept {
  const std::uint64_t mixed = destination.value() * std::uint64_t{0x9E37'79B9'7F4A'7C15};
  return static_cast<std::size_t>(mixed >> 40) & (sets_ - 1);
}

std::uint16_t PathMtuCache::find(wire::Ipv4Address destination, Instant now) const noexcept {
  for (const Entry& entry : entries_[set_of(destination)]) {
    if (entry.mtu != 0 && entry.destination == destination && now < entry.expires) {
      return std::min(entry.mtu, link_mtu_);
    }
  }
  return link_mtu_;
}

bool PathMtuCache::find_narrow(wire::Ipv4Address destination, Instant now) const noexcept {
  for (const Entry& entry : entries_[set_of(destination)]) {
    if (entry.mtu != 0 && entry.destination == destination) {
      return entry.narrow && now < entry.expires;
    }
  }
  return false;
}

std::optional<std::uint16_t> PathMtuCache::learn(wire::Ipv4Address destination,
                                                 std::uint16_t reported,
                                                 std::uint16_t quoted_length,
                                                 Instant now) noexcept {
  const std::uint16_t current = mtu(destination, now);
  const std::uint16_t asked = reported != 0 ? reported : plateau_below(quoted_length);
  if (asked >= quoted_length) return std::nullopt;
  if (asked < minimum) {
    const std::uint16_t least = std::min({minimum, current, link_mtu_});
    keep(destination, least, true, now);
    if (least < quoted_length) return least;
    return std::nullopt;
  }
  if (asked > current || asked >= link_mtu_) {
    if (current < quoted_length) return current;
    return std::nullopt;
  }
  keep(destination, asked, narrow(destination, now), now);
  return asked;
}

void PathMtuCache::keep(wire::Ipv4Address destination, std::uint16_t mtu, bool narrow,
                        Instant now) noexcept {
  std::array<Entry, ways>& set = entries_[set_of(destination)];
  Entry* place = &set.front();
  for (Entry& entry : set) {
    if (entry.mtu != 0 && entry.destination == destination) {
      place = &entry;
      break;
    }
    // An unused one, or else the one that ends first.
    if (place->mtu != 0 && (entry.mtu == 0 || entry.expires < place->expires)) place = &entry;
  }
  if (place->mtu == 0) ++used_;
  *place = {destination, mtu, narrow, now + lifetime};
  any_narrow_ = any_narrow_ || narrow;
}

std::uint16_t PathMtuCache::plateau_below(std::uint16_t length) noexcept {
  constexpr std::uint16_t plateaus[] = {65535, 32000, 17914, 8166, 4352, 2002,
                                        1492,  1006,  508,   296,  68};
  for (const std::uint16_t plateau : plateaus) {
    if (plateau < length) return plateau;
  }
  return 68;
}

}  // namespace pollux::internet
