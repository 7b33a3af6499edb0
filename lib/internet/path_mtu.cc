#include "internet/path_mtu.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

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

const PathMtuCache::Entry* PathMtuCache::live(wire::Ipv4Address destination,
                                              Instant now) const noexcept {
  if (used_ == 0) return nullptr;
  for (const Entry& entry : entries_[set_of(destination)]) {
    if (entry.mtu != 0 && entry.destination == destination && now < entry.expires) return &entry;
  }
  return nullptr;
}

PathMtuCache::Entry* PathMtuCache::live(wire::Ipv4Address destination, Instant now) noexcept {
  return const_cast<Entry*>(std::as_const(*this).live(destination, now));
}

std::uint16_t PathMtuCache::find(wire::Ipv4Address destination, Instant now) const noexcept {
  const Entry* const entry = live(destination, now);
  return entry != nullptr ? std::min(entry->mtu, link_mtu_) : link_mtu_;
}

bool PathMtuCache::find_narrow(wire::Ipv4Address destination, Instant now) const noexcept {
  const Entry* const entry = live(destination, now);
  return entry != nullptr && entry->narrow;
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
    say(destination, least, true, now);
    if (least < quoted_length) return least;
    return std::nullopt;
  }
  if (asked > current || asked >= link_mtu_) {
    if (Entry* const entry = live(destination, now); entry != nullptr && !entry->said) {
      entry->suggested = asked;
      loses(destination, asked + 1, now);
      entry->probe_at = now;
    }
    if (current < quoted_length) return current;
    return std::nullopt;
  }
  say(destination, asked, narrow(destination, now), now);
  return asked;
}

void PathMtuCache::say(wire::Ipv4Address destination, std::uint16_t mtu, bool narrow,
                       Instant now) noexcept {
  Entry& entry = keep(destination, mtu, now);
  entry.narrow = narrow;
  entry.said = true;
  any_narrow_ = any_narrow_ || narrow;
}

/// A new entry, in place of what there was about the destination.
PathMtuCache::Entry& PathMtuCache::keep(wire::Ipv4Address destination, std::uint16_t mtu,
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
  *place = {.destination = destination, .mtu = mtu, .expires = now + lifetime, .probe_at = now};
  return *place;
}

void PathMtuCache::black_hole(wire::Ipv4Address destination, std::uint16_t mtu,
                              Instant now) noexcept {
  const std::uint16_t least = std::max(mtu, minimum);
  if (least >= this->mtu(destination, now)) return;
  Entry known;
  if (const Entry* const entry = live(destination, now)) known = *entry;
  Entry& entry = keep(destination, least, now);
  entry.narrow = known.narrow;
  entry.lost = known.said ? static_cast<std::uint16_t>(known.mtu + 1) : known.lost;
  entry.suggested = known.said ? known.mtu : known.suggested;
}

std::uint16_t PathMtuCache::found(wire::Ipv4Address destination, Instant now) const noexcept {
  const Entry* const entry = live(destination, now);
  return entry != nullptr && !entry->said ? entry->mtu : std::uint16_t{0};
}

/// What to try of what is more than `low` and at most `high`; 0 when nothing is left.
std::uint16_t PathMtuCache::next_size(const Entry& entry, std::uint16_t low,
                                      std::uint16_t high) noexcept {
  if (high <= low) return 0;
  if (entry.lost == 0 || high < entry.lost) return high;
  if (low < entry.suggested && entry.suggested < entry.lost) return entry.suggested;
  // Of the Internet: RFC 1191's plateaus, IPv6's least, what kinds of tunnels leave of Ethernet's,
  // and jumbo frames.
  constexpr std::uint16_t common[] = {1006, 1024, 1280, 1400, 1420, 1450, 1460, 1476,
                                      1480, 1492, 1500, 2002, 4352, 8166, 9000};
  const auto* const from = std::upper_bound(std::begin(common), std::end(common), low);
  const auto* const to = std::lower_bound(from, std::end(common), entry.lost);
  return from == to ? std::uint16_t{0} : from[(to - from) / 2];
}

std::optional<std::uint16_t> PathMtuCache::probe_size(wire::Ipv4Address destination,
                                                      std::uint16_t low, std::uint16_t high,
                                                      Instant now) noexcept {
  Entry* const entry = live(destination, now);
  if (entry == nullptr) return high;
  if (entry->said || now < entry->probe_at) return std::nullopt;
  const std::uint16_t from = std::max(low, entry->mtu);
  if (entry->tries >= max_probes && next_size(*entry, from, high) == entry->tried) {
    loses(destination, entry->tried, now);
  }
  const std::uint16_t size = next_size(*entry, from, high);
  if (size == 0) return std::nullopt;
  return size;
}

void PathMtuCache::probing(wire::Ipv4Address destination, std::uint16_t low, std::uint16_t size,
                           Instant now) noexcept {
  Entry* entry = live(destination, now);
  if (entry == nullptr) entry = &keep(destination, std::max(low, minimum), now);
  entry->tries = entry->tried == size ? static_cast<std::uint8_t>(entry->tries + 1) : 1;
  entry->tried = size;
  entry->probe_at = now + probe_interval;
  entry->expires = now + lifetime;
}

void PathMtuCache::takes(wire::Ipv4Address destination, std::uint16_t size, Instant now) noexcept {
  Entry* const entry = live(destination, now);
  if (entry == nullptr || entry->said) return;
  entry->mtu = std::max(entry->mtu, size);
  if (entry->lost <= entry->mtu) entry->lost = 0;
  entry->probe_at = now;
}

void PathMtuCache::loses(wire::Ipv4Address destination, std::uint16_t size, Instant now) noexcept {
  Entry* const entry = live(destination, now);
  if (entry == nullptr || entry->said || size <= entry->mtu) return;
  if (entry->lost == 0 || size < entry->lost) entry->lost = size;
  entry->tries = 0;
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
