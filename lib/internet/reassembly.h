#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/counters.h"
#include "base/memory.h"
#include "base/result.h"
#include "base/time.h"
#include "wire/address.h"
#include "wire/ipv4.h"

namespace pollux::internet {

/// What adding a fragment did to it and to those held before. Every fragment is a received frame,
/// and ends as delivered, dropped, or still held: frames_held() moves by
/// +1 for the new one, -concluded, -evicted.
struct Reassembled {
  /// Why `concluded` frames were dropped; none when they are delivered, or nothing was concluded.
  Drop drop = Drop::none;
  /// Frames, this one included, that `drop` or `datagram` speaks of. 0: this one is held.
  std::uint32_t concluded = 0;
  /// Frames of another, older datagram that made room: count as Drop::fragment_no_room.
  std::uint32_t evicted = 0;
  /// The whole datagram, when complete: a header with a right length and checksum and no fragment
  /// fields, and the payload. It lies here until the next call of any function that is not const.
  std::span<const std::byte> datagram;
};

/// Puts fragments together (RFC 791 s.3.2), with the hole descriptors of RFC 815 kept in the holes
/// themselves. Bounded in datagrams, in bytes (each has room for the largest datagram there is, in
/// pages that are touched as they are used), in fragments of one datagram and in time.
///
/// A fragment that overlaps what is there and says something else condemns its datagram, and all
/// that comes of it later (RFC 5722 s.4, which holds for IPv4 as well); one that repeats it is a
/// duplicate and no more. Fragments that hide a TCP header's flags are refused (RFC 1858 s.3, RFC
/// 3128 s.4). ECN is joined by RFC 3168 s.5.3.
class Reassembler {
 public:
  struct Config {
    std::uint32_t datagrams = 64;
    std::uint32_t fragments = 256;  // of one datagram
    Duration timeout = 30s;         // after the first of them came (RFC 791 s.3.2, as amended)
  };
  static Result<Reassembler> make(const Config& config);

  /// A datagram for which Ipv4Verdict::is_fragment was set. Drops: fragment_malformed,
  /// fragment_tiny, fragment_duplicate, fragment_overlap, fragment_no_room (too many fragments).
  [[nodiscard]] Reassembled add(const wire::Ipv4View& fragment, Instant now) noexcept;

  struct Expired {
    /// Frames that were held: count as Drop::fragment_timeout.
    std::uint32_t frames = 0;
    /// The first fragment's header and the front of its payload, for ICMP time exceeded (code 1);
    /// empty when it never came (RFC 792: then none is sent), or nothing may be said.
    std::span<const std::byte> first;
  };
  /// Gives up what is older than the timeout: calls expired(const Expired&) for each datagram.
  template <class F>
  void expire(Instant now, F&& expired) noexcept {
    if (!deadline_ || now < *deadline_) return;
    for (Entry& entry : entries_) {
      if (!entry.in_use || now < entry.deadline) continue;
      const Expired gone{entry.frames, first_of(entry)};
      release(entry);
      expired(gone);
    }
    find_deadline();
  }
  /// When expire() next has something to do.
  std::optional<Instant> next_deadline() const noexcept { return deadline_; }

  /// Gives up everything; returns how many frames, which count as Drop::fragment_shutdown.
  std::uint32_t flush() noexcept;
  /// Frames that have arrived and are neither delivered nor dropped yet.
  std::uint32_t frames_held() const noexcept { return frames_held_; }

 private:
  struct Key {
    wire::Ipv4Address source;
    wire::Ipv4Address destination;
    std::uint16_t identification = 0;
    std::uint8_t protocol = 0;
    friend bool operator==(const Key&, const Key&) noexcept = default;
  };
  struct Entry {
    Key key;
    bool in_use = false;
    Drop condemned = Drop::none;     // why what still comes of it is dropped
    std::uint8_t ecn_seen = 0;       // one bit a codepoint
    std::uint8_t header_length = 0;  // of the first fragment, 0 until it is there
    std::uint16_t first_hole = 0;
    std::uint16_t first_length = 0;  // payload of the first fragment
    std::uint32_t end = 0;           // of the payload, 0 until the last fragment is there
    std::uint32_t reached = 0;       // of what came so far, the end
    std::uint32_t frames = 0;
    Instant deadline;
  };
  enum class Fit : std::uint8_t { fits, duplicate, contradicts };

  Reassembler(const Config& config, Reservation memory);
  std::byte* payload_of(const Entry& entry) noexcept;
  const std::byte* payload_of(const Entry& entry) const noexcept;
  std::span<const std::byte> first_of(const Entry& entry) const noexcept;
  Entry& entry_for(const Key& key, Instant now, std::uint32_t& evicted) noexcept;
  Fit insert(Entry& entry, const wire::Ipv4View& fragment) noexcept;
  Reassembled condemn(Entry& entry, Drop why) noexcept;
  Reassembled complete(Entry& entry) noexcept;
  void release(Entry& entry) noexcept;
  void find_deadline() noexcept;

  Config config_;
  Reservation memory_;
  std::vector<Entry> entries_;
  std::optional<Instant> deadline_;
  std::uint32_t frames_held_ = 0;
};

}  // namespace pollux::internet
