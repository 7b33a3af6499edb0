#include "link/neighbor_table.h"

#include <algorithm>
#include <bit>

namespace pollux::link {
namespace {

/// Before every time there is: a timer armed for it is due at once.
constexpr Instant at_once{Duration::min()};
/// How many entries one eviction looks at: a lookup takes bounded time in a full table too.
constexpr std::uint32_t eviction_effort = 128;

}  // namespace

Result<NeighborTable> NeighborTable::make(const Config& config, Instant now) {
  POLLUX_ASSERT(config.capacity > 0 && config.capacity < (1u << 30));
  auto wheel = TimerWheel::make(config.capacity, now);
  if (!wheel) return wheel.error();
  return NeighborTable{config, std::move(*wheel)};
}

NeighborTable::NeighborTable(const Config& config, TimerWheel wheel)
    : config_(config),
      wheel_(std::move(wheel)),
      bucket_(config.requests_per_second, config.burst),
      entries_(config.capacity),
      index_(std::bit_ceil(std::size_t{config.capacity} * 2)),
      mask_(index_.size() - 1),
      shift_(64 - static_cast<unsigned>(std::countr_zero(index_.size()))) {
  free_.reserve(config.capacity);
  for (NeighborId id = config.capacity; id > 0; --id) free_.push_back(id - 1);
}

NeighborTable::Lookup NeighborTable::lookup_slowly(wire::Ipv4Address next_hop,
                                                   Instant now) noexcept {
  NeighborId id = index_[find(next_hop)].id;
  if (id == no_id) {
    id = create(next_hop, true);
    if (id == no_id) return {State::table_full, {}, 0, false};
    set_phase(entries_[id], Phase::incomplete);
    entries_[id].wanted_at = now;
    wheel_.arm(id, at_once);
    return {State::waiting, {}, id, true};
  }
  Entry& entry = entries_[id];
  if (entry.phase == Phase::stale) {
    set_phase(entry, Phase::probing);
    entry.used = true;
    entry.attempts = 0;
    wheel_.arm(id, at_once);
    return {State::resolved, entry.mac, id, true};
  }
  entry.wanted_at = now;
  if (entry.phase == Phase::incomplete) return {State::waiting, {}, id, false};
  POLLUX_ASSERT(entry.phase == Phase::failed);
  return {State::unreachable, {}, id, false};
}

NeighborTable::Learned NeighborTable::learn(wire::Ipv4Address address, wire::MacAddress mac,
                                            bool create_new, Instant now) noexcept {
  NeighborId id = index_[find(address)].id;
  if (id == no_id) {
    if (!create_new) return {};
    id = create(address, false);
    if (id == no_id) return {};
    confirm(id, mac, now);
    return {true, std::nullopt};
  }
  const bool news = entries_[id].unresolved();
  confirm(id, mac, now);
  if (!news) return {true, std::nullopt};
  return {true, Resolved{id, address, mac}};
}

void NeighborTable::confirm(NeighborId id, wire::MacAddress mac, Instant now) noexcept {
  Entry& entry = entries_[id];
  entry.mac = mac;
  set_phase(entry, Phase::reachable);
  entry.used = false;
  entry.reserved = false;
  entry.attempts = 0;
  entry.since = now;
  wheel_.arm(id, now + config_.confirmed_for);
}

std::optional<NeighborTable::Action> NeighborTable::timeout(NeighborId id, Instant now) noexcept {
  Entry& entry = entries_[id];
  switch (entry.phase) {
    case Phase::free:
    case Phase::stale:
      return std::nullopt;
    case Phase::incomplete:
      if (entry.attempts < config_.requests) return request(id, now);
      set_phase(entry, Phase::failed);
      // The question stays open while somebody wants the answer, so the next request is due now.
      wheel_.arm(id, at_once);
      return Action{Action::Kind::failed, id, entry.address, {}};
    case Phase::failed:
      if (now - entry.wanted_at < config_.wanted_for) return request(id, now);
      forget(id);
      return std::nullopt;
    case Phase::reachable:
      if (entry.used) {
        set_phase(entry, Phase::probing);
        entry.used = false;
        entry.attempts = 0;
        return request(id, now);
      }
      if (now - entry.since >= config_.stale_after) {
        set_phase(entry, Phase::stale);
      } else {
        wheel_.arm(id, entry.since + config_.stale_after);
      }
      return std::nullopt;
    case Phase::probing:
      if (entry.attempts < config_.requests) return request(id, now);
      if (!entry.used) {
        forget(id);
        return std::nullopt;
      }
      // The address may have moved to other hardware: everybody is asked.
      set_phase(entry, Phase::incomplete);
      entry.mac = {};
      entry.attempts = 0;
      entry.wanted_at = now;
      return request(id, now);
  }
  return std::nullopt;
}

std::optional<NeighborTable::Action> NeighborTable::request(NeighborId id, Instant now) noexcept {
  Entry& entry = entries_[id];
  if (!entry.reserved) {
    const Instant turn = bucket_.reserve(now);
    if (turn > now) {
      entry.reserved = true;
      wheel_.arm(id, turn);
      return std::nullopt;
    }
  }
  entry.reserved = false;
  // A failed entry goes on asking without an end to count to.
  if (entry.attempts < config_.requests) ++entry.attempts;
  entry.requested_at = now;
  wheel_.arm(id, now + config_.retry);
  const bool known = entry.phase == Phase::probing;
  return Action{known ? Action::Kind::request_unicast : Action::Kind::request_broadcast, id,
                entry.address, known ? entry.mac : wire::MacAddress::broadcast()};
}

NeighborId NeighborTable::create(wire::Ipv4Address address, bool wanted) noexcept {
  const bool too_many = wanted && unresolved_ >= (config_.capacity + 1) / 2;
  if (too_many || free_.empty()) {
    const NeighborId victim = evict(too_many ? Displaces::failed
                                    : wanted ? Displaces::idle
                                             : Displaces::unused);
    if (victim == no_id) return no_id;
    forget(victim);
  }
  const NeighborId id = free_.back();
  free_.pop_back();
  entries_[id] = Entry{};
  entries_[id].address = address;
  index_[find(address)] = {address, id};
  ++size_;
  return id;
}

/// A clock over the entries. Those for which datagrams wait stay. A new neighbour that we want to
/// reach takes the place of one unused since the hand last came by; one that merely asked for us
/// takes only what was not used since it was confirmed, so that strangers cannot push out peers.
NeighborId NeighborTable::evict(Displaces whom) noexcept {
  const std::uint32_t effort = std::min(2 * config_.capacity, eviction_effort);
  for (std::uint32_t i = 0; i < effort; ++i) {
    const NeighborId id = hand_;
    hand_ = hand_ + 1 == config_.capacity ? 0 : hand_ + 1;
    Entry& entry = entries_[id];
    switch (entry.phase) {
      case Phase::free:
      case Phase::incomplete:
      case Phase::probing:
        break;
      case Phase::failed:
        return id;
      case Phase::stale:
        if (whom == Displaces::failed) break;
        return id;
      case Phase::reachable:
        if (whom == Displaces::failed) break;
        if (!entry.used) return id;
        if (whom == Displaces::idle) entry.used = false;
        break;
    }
  }
  return no_id;
}

void NeighborTable::set_phase(Entry& entry, Phase phase) noexcept {
  unresolved_ -= entry.unresolved() ? 1 : 0;
  entry.phase = phase;
  unresolved_ += entry.unresolved() ? 1 : 0;
}

void NeighborTable::forget(NeighborId id) noexcept {
  std::size_t hole = find(entries_[id].address);
  POLLUX_ASSERT(index_[hole].id == id);
  // Those behind it that the gap would cut off from their home move up.
  for (std::size_t at = (hole + 1) & mask_; index_[at].id != no_id; at = (at + 1) & mask_) {
    const std::size_t distance = (at - home(index_[at].address)) & mask_;
    if (distance < ((at - hole) & mask_)) continue;
    index_[hole] = index_[at];
    hole = at;
  }
  index_[hole] = Slot{};
  wheel_.cancel(id);
  set_phase(entries_[id], Phase::free);
  free_.push_back(id);
  --size_;
}

void NeighborTable::forget_resolved() noexcept {
  for (NeighborId id = 0; id != entries_.size(); ++id) {
    if (entries_[id].phase >= Phase::stale) forget(id);
  }
}

}  // namespace pollux::link
