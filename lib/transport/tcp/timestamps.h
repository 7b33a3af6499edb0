#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/segment.h"
#include "transport/tcp/tcb.h"

/// For the files of this room only: RFC 7323, timestamps and what they protect from.
namespace pollux::tcp {

/// What a segment's text gives up to the option.
inline constexpr std::uint16_t timestamps_size = 12;

/// Whether our SYN has the option: on a link of tiny datagrams there is no room for it.
inline bool offers_timestamps(const Config& config) noexcept {
  return config.timestamps && config.mss >= min_mss + timestamps_size;
}

/// The effective send MSS where each segment has the option (RFC 6691 s.2).
inline std::uint16_t text_beside_timestamps(std::uint16_t mss) noexcept {
  return std::max<std::uint16_t>(mss > timestamps_size ? mss - timestamps_size : 0, min_mss);
}

/// The period that ts_recent is marked with, of 2^26 ms (18.6 hours): 64 of them come round with
/// Millis32.
inline std::uint32_t period_of(const Now& now) noexcept { return Millis32{now}.raw() >> 26; }

/// By signed distance, as sequence numbers compare (s.5.2).
inline bool is_before(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b) < 0;
}

inline void take_timestamp(Tcb& tcb, std::uint32_t value, const Now& now) noexcept {
  tcb.ts_recent = value;
  tcb.ts_period = period_of(now) & 0x3F;
}

/// Both SYNs had the option; the peer's said `value`.
inline void agree_on_timestamps(Tcb& tcb, std::uint32_t value, const Now& now) noexcept {
  tcb.timestamps = true;
  tcb.mss = text_beside_timestamps(tcb.mss);
  take_timestamp(tcb, value, now);
}

/// Protection against wrapped sequence numbers (s.5.3 R1): whether the segment is older than what
/// has come. A timestamp of more than 24 days ago says nothing (s.5.5); a segment without one is
/// taken as it is, for some middleboxes leave it off, and a reset counts by its number alone.
inline bool is_old(const Tcb& tcb, const Segment& segment, const Now& now) noexcept {
  if (!tcb.timestamps || !segment.options.timestamps || segment.has(control::rst)) return false;
  if (!is_before(segment.options.timestamps->value, tcb.ts_recent)) return false;
  return ((period_of(now) - tcb.ts_period) & 0x3F) < 31;
}

/// The option of a segment that a Tcb or a HalfOpen sends.
inline void put_timestamps(const auto& sender, Segment& out) noexcept {
  if (sender.timestamps) out.options.timestamps = wire::Timestamps{.echo = sender.ts_recent};
}
inline void put_timestamps(const auto& sender, PlainSegment& out) noexcept {
  out.timestamps = sender.timestamps;
  out.echo = sender.ts_recent;
}

}  // namespace pollux::tcp
