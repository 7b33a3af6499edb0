#include "wire/address_set.h"

#include <algorithm>

namespace pollux::wire {
namespace {

/// Whether every address of first..last is a unicast host's. The three blocks that are not (0/8,
/// 127/8, 224/3) are compared as numbers, since a wide range may span one.
bool all_unicast(std::uint64_t first, std::uint64_t last) {
  const auto block = [](std::uint64_t top_octet) { return top_octet << 24; };
  return first >= block(1) && last < block(224) && (last < block(127) || first >= block(128));
}

}  // namespace

bool AddressSet::add(Ipv4Prefix prefix, std::uint32_t count) {
  const std::uint64_t first = prefix.address.value();
  const std::uint64_t last = first + count - 1;
  if (count == 0 || prefix.length > 32 || !all_unicast(first, last)) return false;
  const Ipv4Address final_address{static_cast<std::uint32_t>(last)};
  if (!prefix.contains(final_address) || prefix.broadcast() == final_address) return false;
  const auto same_network = [&](const Ipv4Prefix& known) {
    return known.length == prefix.length && known.contains(prefix.address);
  };
  const bool known = std::any_of(prefixes_.begin(), prefixes_.end(), same_network);
  if (ranges_.size() == max_ranges || (!known && prefixes_.size() == max_prefixes)) return false;

  insert({prefix.address.value(), count});
  if (!primary_) primary_ = prefix.address;
  if (!known) {
    const auto shorter = [&](const Ipv4Prefix& other) { return other.length < prefix.length; };
    prefixes_.insert(std::find_if(prefixes_.begin(), prefixes_.end(), shorter), prefix);
    only_broadcast_ = prefixes_.front().broadcast().value_or(Ipv4Address{});
  }
  return true;
}

void AddressSet::insert(Range range) {
  const auto end_of = [](const Range& r) { return std::uint64_t{r.first} + r.count; };
  std::uint64_t first = range.first;
  std::uint64_t end = end_of(range);
  // All that overlap or touch the new one become one with it.
  auto from = std::find_if(ranges_.begin(), ranges_.end(),
                           [&](const Range& r) { return end_of(r) >= first; });
  auto to = from;
  for (; to != ranges_.end() && to->first <= end; ++to) {
    first = std::min<std::uint64_t>(first, to->first);
    end = std::max(end, end_of(*to));
  }
  from = ranges_.erase(from, to);
  ranges_.insert(from,
                 {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(end - first)});
  front_ = ranges_.front();
  size_ = 0;
  for (const Range& r : ranges_) size_ += r.count;
}

bool AddressSet::contains_in_rest(Ipv4Address a) const noexcept {
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), a.value(),
                       [](std::uint32_t value, const Range& r) { return value < r.first; });
  if (after == ranges_.begin()) return false;
  const Range& candidate = *std::prev(after);
  return a.value() - candidate.first < candidate.count;
}

Ipv4Address AddressSet::nth(std::size_t i) const noexcept {
  POLLUX_ASSERT(i < size_);
  for (const Range& range : ranges_) {
    if (i < range.count) return Ipv4Address{range.first + static_cast<std::uint32_t>(i)};
    i -= range.count;
  }
  return {};
}

bool AddressSet::on_link(Ipv4Address a) const noexcept {
  return std::any_of(prefixes_.begin(), prefixes_.end(),
                     [a](const Ipv4Prefix& prefix) { return prefix.contains(a); });
}

bool AddressSet::is_some_broadcast(Ipv4Address a) const noexcept {
  return std::any_of(prefixes_.begin(), prefixes_.end(),
                     [a](const Ipv4Prefix& prefix) { return prefix.broadcast() == a; }) &&
         !contains(a);
}

std::optional<Ipv4Address> AddressSet::source_for(Ipv4Address neighbor) const noexcept {
  for (const Ipv4Prefix& prefix : prefixes_) {
    if (prefix.contains(neighbor)) return prefix.address;
  }
  return primary_;
}

}  // namespace pollux::wire
