#include "internet/reassembly.h"

#include <algorithm>
#include <cstring>

#include "wire/checksum.h"
#include "wire/field.h"

namespace pollux::internet {
namespace {

// One datagram's room: its header ends where its payload begins. The payload's is a full 64 KiB,
// so that the last hole has a place for its descriptor wherever it begins.
constexpr std::size_t header_room = 64;
constexpr std::size_t payload_room = 65536;
constexpr std::size_t slot_size = header_room + payload_room;
constexpr std::uint32_t max_datagram = 65535;

/// The bytes from where it lies to `last` are missing (RFC 815 s.3). Holes begin at multiples of
/// eight and are at least that long, so there is always room for this in the hole itself.
struct Hole {
  std::uint16_t last;  // or infinity, while nobody knows where the datagram ends
  std::uint16_t next;  // where the next hole begins, or no_hole
};
constexpr std::uint16_t infinity = 0xFFFF;
constexpr std::uint16_t no_hole = 0xFFFF;

Hole load(const std::byte* payload, std::uint16_t at) noexcept {
  Hole hole;
  std::memcpy(&hole, payload + at, sizeof hole);
  return hole;
}
void store(std::byte* payload, std::uint16_t at, Hole hole) noexcept {
  std::memcpy(payload + at, &hole, sizeof hole);
}

constexpr std::uint8_t not_ect = 0;
constexpr std::uint8_t congestion_experienced = 3;
constexpr bool seen(std::uint8_t set, std::uint8_t codepoint) noexcept {
  return (set >> codepoint & 1) != 0;
}

/// Whether a fragment is wrong by itself, whatever it belongs to.
bool malformed(const wire::Ipv4View& fragment) noexcept {
  const std::size_t offset = fragment.fragment_offset_bytes();
  const std::size_t size = fragment.payload().size();
  if (size == 0 || (fragment.more_fragments() && size % 8 != 0)) return true;
  return fragment.header_length() + offset + size > max_datagram;
}

/// What a filter reads of TCP's header must come in one piece (RFC 1858 s.3, RFC 3128 s.4).
bool tiny(const wire::Ipv4View& fragment) noexcept {
  if (fragment.protocol() != wire::protocol::tcp) return false;
  const std::size_t offset = fragment.fragment_offset_bytes();
  return offset == 8 || (offset == 0 && fragment.payload().size() < 16);
}

}  // namespace

Result<Reassembler> Reassembler::make(const Config& config) {
  POLLUX_ASSERT(config.datagrams > 0 && config.fragments > 1);
  auto memory = Reservation::make(config.datagrams * slot_size);
  if (!memory) return memory.error();
  return Reassembler{config, std::move(*memory)};
}

Reassembler::Reassembler(const Config& config, Reservation memory)
    : config_(config), memory_(std::move(memory)), entries_(config.datagrams) {}

std::byte* Reassembler::payload_of(const Entry& entry) noexcept {
  const auto index = static_cast<std::size_t>(&entry - entries_.data());
  return memory_.data() + index * slot_size + header_room;
}
const std::byte* Reassembler::payload_of(const Entry& entry) const noexcept {
  const auto index = static_cast<std::size_t>(&entry - entries_.data());
  return memory_.data() + index * slot_size + header_room;
}

std::span<const std::byte> Reassembler::first_of(const Entry& entry) const noexcept {
  if (entry.condemned != Drop::none || entry.header_length == 0) return {};
  return {payload_of(entry) - entry.header_length,
          std::size_t{entry.header_length} + entry.first_length};
}

Reassembled Reassembler::add(const wire::Ipv4View& fragment, Instant now) noexcept {
  POLLUX_ASSERT(fragment.is_fragment());
  if (malformed(fragment)) return {Drop::fragment_malformed, 1, 0, {}};
  if (tiny(fragment)) return {Drop::fragment_tiny, 1, 0, {}};
  const Key key{fragment.source(), fragment.destination(), fragment.identification(),
                fragment.protocol()};
  std::uint32_t evicted = 0;
  Entry& entry = entry_for(key, now, evicted);
  Reassembled result;
  if (entry.condemned != Drop::none) {
    result = {entry.condemned, 1, 0, {}};
  } else if (entry.frames == config_.fragments) {
    result = condemn(entry, Drop::fragment_no_room);
  } else {
    switch (insert(entry, fragment)) {
      case Fit::duplicate:
        result = {Drop::fragment_duplicate, 1, 0, {}};
        break;
      case Fit::contradicts:
        result = condemn(entry, Drop::fragment_overlap);
        break;
      case Fit::fits:
        ++entry.frames;
        ++frames_held_;
        if (entry.first_hole == no_hole) result = complete(entry);
        break;
    }
  }
  result.evicted = evicted;
  return result;
}

Reassembler::Entry& Reassembler::entry_for(const Key& key, Instant now,
                                           std::uint32_t& evicted) noexcept {
  Entry* place = nullptr;
  for (Entry& entry : entries_) {
    if (entry.in_use && entry.key == key) return entry;
    // A free one, or else the oldest: whoever sends more than there is room for loses first.
    if (place == nullptr ||
        (place->in_use && (!entry.in_use || entry.deadline < place->deadline))) {
      place = &entry;
    }
  }
  if (place->in_use) {
    evicted = place->frames;
    release(*place);
  }
  *place = Entry{};
  place->in_use = true;
  place->key = key;
  place->deadline = now + config_.timeout;
  store(payload_of(*place), 0, {infinity, no_hole});
  find_deadline();
  return *place;
}

/// RFC 815 s.3, steps 1 to 8, but that a fragment has to lie in one hole as a whole.
Reassembler::Fit Reassembler::insert(Entry& entry, const wire::Ipv4View& fragment) noexcept {
  const std::span<const std::byte> text = fragment.payload();
  const std::uint16_t first = fragment.fragment_offset_bytes();
  const auto last = static_cast<std::uint16_t>(first + text.size() - 1);
  const std::uint32_t end = last + 1u;
  const bool more = fragment.more_fragments();
  // One end there is, and where a fragment said that more follows it is not.
  if (more ? entry.end != 0 && end >= entry.end
           : (entry.end != 0 ? end != entry.end : end <= entry.reached)) {
    return Fit::contradicts;
  }

  std::byte* const payload = payload_of(entry);
  std::uint16_t before = no_hole;
  std::uint16_t at = entry.first_hole;
  Hole hole{};
  for (; at != no_hole; before = at, at = hole.next) {
    hole = load(payload, at);
    if (first <= hole.last && last >= at) break;
  }
  if (at == no_hole) {
    // All of it is there already.
    const bool same = std::memcmp(payload + first, text.data(), text.size()) == 0;
    return same ? Fit::duplicate : Fit::contradicts;
  }
  if (first < at || last > hole.last) return Fit::contradicts;

  std::uint16_t next = hole.next;
  if (more && last < hole.last) {
    const auto rest = static_cast<std::uint16_t>(end);
    store(payload, rest, {hole.last, next});
    next = rest;
  }
  if (first > at) {
    store(payload, at, {static_cast<std::uint16_t>(first - 1), next});
    next = at;
  }
  if (before == no_hole) {
    entry.first_hole = next;
  } else {
    store(payload, before, {load(payload, before).last, next});
  }
  std::memcpy(payload + first, text.data(), text.size());

  if (!more) entry.end = end;
  entry.reached = std::max(entry.reached, end);
  entry.ecn_seen = static_cast<std::uint8_t>(entry.ecn_seen | 1u << fragment.ecn());
  if (first == 0) {
    const std::span<const std::byte> header = fragment.header();
    entry.header_length = static_cast<std::uint8_t>(header.size());
    entry.first_length = static_cast<std::uint16_t>(text.size());
    std::memcpy(payload - header.size(), header.data(), header.size());
  }
  return Fit::fits;
}

/// The entry stays, empty, so that what still comes of the datagram cannot begin a new one.
Reassembled Reassembler::condemn(Entry& entry, Drop why) noexcept {
  const std::uint32_t frames = entry.frames;
  frames_held_ -= frames;
  entry.frames = 0;
  entry.condemned = why;
  return {why, frames + 1, 0, {}};
}

Reassembled Reassembler::complete(Entry& entry) noexcept {
  const std::uint32_t frames = entry.frames;
  const std::uint32_t total = entry.header_length + entry.end;
  const bool marked = seen(entry.ecn_seen, congestion_experienced);
  std::byte* const header = payload_of(entry) - entry.header_length;
  Reassembled result{Drop::none, frames, 0, {}};
  // The first fragment's options may make it too long after all; and a mark on a datagram that was
  // not open to marks in all its parts is a lie.
  if (total > max_datagram || (marked && seen(entry.ecn_seen, not_ect))) {
    result.drop = Drop::fragment_malformed;
  } else {
    if (marked) {
      wire::store_u8(header + 1, wire::load_u8(header + 1) | congestion_experienced);
    }
    wire::store_u16(header + 2, static_cast<std::uint16_t>(total));
    wire::store_u16(header + 6, 0);
    std::byte* const checksum = header + wire::Ipv4View::checksum_offset;
    wire::store_u16(checksum, 0);
    wire::store_u16(checksum, wire::fold(wire::Sum{{header, entry.header_length}}));
    result.datagram = {header, total};
  }
  release(entry);
  find_deadline();
  return result;
}

void Reassembler::release(Entry& entry) noexcept {
  frames_held_ -= entry.frames;
  entry.frames = 0;
  entry.in_use = false;
}

std::uint32_t Reassembler::flush() noexcept {
  const std::uint32_t frames = frames_held_;
  for (Entry& entry : entries_) {
    if (entry.in_use) release(entry);
  }
  deadline_.reset();
  return frames;
}

void Reassembler::find_deadline() noexcept {
  deadline_.reset();
  for (const Entry& entry : entries_) {
    if (entry.in_use && (!deadline_ || entry.deadline < *deadline_)) deadline_ = entry.deadline;
  }
}

}  // namespace pollux::internet
