#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "wire/checksum.h"
#include "wire/field.h"
#include "wire/seq_num.h"

namespace pollux::wire {

/// Received text past a gap: from `left` up to, not including, `right` (RFC 2018 s.3).
struct SackBlock {
  SeqNum left{};
  SeqNum right{};
  friend constexpr bool operator==(const SackBlock&, const SackBlock&) noexcept = default;
};

/// TSval and TSecr (RFC 7323 s.3.2).
struct Timestamps {
  std::uint32_t value = 0;
  std::uint32_t echo = 0;
  friend constexpr bool operator==(const Timestamps&, const Timestamps&) noexcept = default;
};

/// A cookie of TCP Fast Open (RFC 7413 s.4.1.1). One of no bytes asks for a cookie.
struct FastOpenCookie {
  static constexpr std::size_t min_size = 4;
  static constexpr std::size_t max_size = 16;
  std::array<std::byte, max_size> bytes{};  // those past the size are zero
  std::uint8_t size = 0;                    // even
  friend constexpr bool operator==(const FastOpenCookie&, const FastOpenCookie&) noexcept = default;
};

/// The options that this TCP knows. Which segments may carry which is not decided here.
struct TcpOptions {
  static constexpr std::size_t max_size = 40;
  static constexpr std::size_t max_sack_blocks = 4;
  static constexpr std::uint8_t max_window_scale = 14;

  std::optional<std::uint16_t> mss{};
  std::optional<std::uint8_t> window_scale{};
  bool sack_permitted : 1 = false;
  /// The length that a Fast Open option has: two more than its cookie's; 0 without one. The cookie
  /// lies where SACK blocks do, which no SYN has, so that no other segment pays for it.
  std::uint8_t fast_open_length : 7 = 0;
  std::uint8_t sack_count = 0;  // how many of `sack` mean something
  std::optional<Timestamps> timestamps{};
  std::array<SackBlock, max_sack_blocks> sack{};

  /// Timestamps and nothing else, as in nearly every segment.
  bool timestamps_alone() const noexcept {
    return timestamps.has_value() && !mss && !window_scale && !sack_permitted && sack_count == 0;
  }
  std::span<const SackBlock> sack_blocks() const noexcept {
    return std::span{sack}.first(sack_count);
  }
  /// What the Fast Open option says, where there is one; it means something in a SYN only.
  std::optional<FastOpenCookie> fast_open() const noexcept;
  /// Takes the place of SACK blocks.
  void set_fast_open(const FastOpenCookie& cookie) noexcept;
  friend bool operator==(const TcpOptions&, const TcpOptions&) noexcept = default;
};
static_assert(sizeof(TcpOptions) <= 52);

/// parse_options() for those that are less usual.
void parse_any_options(std::span<const std::byte> bytes, TcpOptions& out) noexcept;

/// Timestamps alone, as RFC 7323 appendix A lays them out: two NOPs, kind and length, the values.
inline constexpr std::size_t timestamps_size = 12;
inline constexpr std::uint32_t timestamps_front = 0x0101'080A;

/// Reads the options part of a TCP header; total, for any bytes. Unknown kinds are passed over (RFC
/// 9293 MUST-6), and so are known ones of another length than theirs; at a length under 2 or past
/// the end, what follows means nothing and is ignored (MUST-7). Of a repeated option the last
/// counts, and SACK blocks before a cookie. A window scale over 14 is 14 (RFC 7323 s.2.3).
inline void parse_options(std::span<const std::byte> bytes, TcpOptions& out) noexcept {
  // What all but the first segments of a connection have: timestamps, as RFC 7323 appendix A lays
  // them out, and nothing else.
  if (bytes.size() != timestamps_size || load_u32(bytes.data()) != timestamps_front) [[unlikely]]
    return parse_any_options(bytes, out);
  out = TcpOptions{};
  out.timestamps = Timestamps{load_u32(&bytes[4]), load_u32(&bytes[8])};
}
inline TcpOptions parse_options(std::span<const std::byte> bytes) noexcept {
  TcpOptions out;
  parse_options(bytes, out);
  return out;
}

/// How many bytes write_options writes: a multiple of 4, at most 40. SACK blocks that do not fit
/// beside the other options are left off, the last first.
std::size_t options_size(const TcpOptions& options) noexcept;

/// Writes options_size(options) bytes at the front of `to`: MSS, SACK-permitted, timestamps, window
/// scale, SACK, each aligned to 4 bytes by NOPs before it; last, and with the NOPs behind it, Fast
/// Open, but only beside an MSS, that is in a SYN. Returns the sum of what it wrote.
Sum write_options(const TcpOptions& options, std::span<std::byte> to) noexcept;
/// The same with another TSval than the options have.
Sum write_options(const TcpOptions& options, std::uint32_t value, std::span<std::byte> to) noexcept;

/// What write_options() writes where timestamps_alone() is so; returns its words, added up.
inline std::uint64_t write_timestamps(const Timestamps& timestamps, std::byte* to) noexcept {
  store_u32(to, timestamps_front);
  store_u32(to + 4, timestamps.value);
  store_u32(to + 8, timestamps.echo);
  return std::uint64_t{timestamps_front} + timestamps.value + timestamps.echo;
}

}  // namespace pollux::wire
