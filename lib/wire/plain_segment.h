#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/inline.h"
#include "wire/address.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/field.h"
#include "wire/ipv4.h"
#include "wire/seq_num.h"
#include "wire/tcp.h"

namespace pollux::wire {

/// What nearly every frame is: a TCP segment in IPv4 without options, not a fragment, in an
/// Ethernet frame without a tag. A default one is of nothing, and only parse makes it readable.
class PlainSegment {
 public:
  PlainSegment() noexcept = default;

  /// False, and `out` is unchanged, for any other frame and for one whose lengths are not right:
  /// EthernetView, Ipv4View and TcpView tell what it is. Neither addresses, ports nor checksums are
  /// looked at.
  POLLUX_INLINE static bool parse(std::span<const std::byte> frame, PlainSegment& out) noexcept {
    if (frame.size() < text_at_least) return false;
    const std::byte* const at = frame.data();
    // The Ethernet type, then version and header length: 0x45; any TOS; total length, number.
    const std::uint64_t front = load_u64(at + ip - 2);
    constexpr std::uint64_t plain_type = std::uint64_t{ether_type::ipv4} << 48 | 0x4500ull << 32;
    if ((front & 0xFFFF'FF00'0000'0000) != plain_type) return false;
    // More fragments, and their offset; any TTL; the protocol.
    if ((load_u32(at + ip + 6) & 0x3FFF'00FF) != protocol::tcp) return false;
    const std::size_t length = front >> 16 & 0xFFFF;
    const std::size_t header = load_u8(at + tcp + 12) >> 2 & 0x3C;
    if (header < TcpView::min_header_size || length < tcp - ip + header ||
        length > frame.size() - ip) {
      return false;
    }
    out.frame_ = at;
    out.end_ = static_cast<std::uint32_t>(ip + length);
    out.text_at_ = static_cast<std::uint32_t>(tcp + header);
    return true;
  }

  /// The frame's destination, as word_of() has it.
  std::uint64_t destination_mac() const noexcept { return load_u64(frame_) >> 16; }
  std::uint8_t ecn() const noexcept { return load_u8(frame_ + ip + 1) & 3; }
  Ipv4Address source() const noexcept { return Ipv4Address{load_u32(frame_ + addresses)}; }
  Ipv4Address destination() const noexcept { return Ipv4Address{load_u32(frame_ + addresses + 4)}; }
  /// Both: the source, and the destination below it.
  std::uint64_t address_pair() const noexcept { return load_u64(frame_ + addresses); }
  /// And the ports. Of a segment for us it is our connection's name.
  FourTuple tuple() const noexcept {
    const std::uint64_t pair = address_pair();
    const std::uint32_t ports = load_u32(frame_ + tcp);
    return {.local = Ipv4Address{static_cast<std::uint32_t>(pair)},
            .remote = Ipv4Address{static_cast<std::uint32_t>(pair >> 32)},
            .local_port = static_cast<std::uint16_t>(ports),
            .remote_port = static_cast<std::uint16_t>(ports >> 16)};
  }
  std::uint16_t source_port() const noexcept { return load_u16(frame_ + tcp); }
  std::uint16_t destination_port() const noexcept { return load_u16(frame_ + tcp + 2); }
  SeqNum seq() const noexcept { return SeqNum{load_u32(frame_ + tcp + 4)}; }
  /// Means something only with control::ack.
  SeqNum ack() const noexcept { return SeqNum{load_u32(frame_ + tcp + 8)}; }
  std::uint8_t control() const noexcept { return load_u8(frame_ + tcp + 13); }
  std::uint16_t window() const noexcept { return load_u16(frame_ + tcp + 14); }
  std::span<const std::byte> options() const noexcept {
    constexpr std::size_t at = tcp + TcpView::min_header_size;
    return {frame_ + at, text_at_ - at};
  }
  /// Where the frame's text begins, and how long it is.
  std::uint32_t text_at() const noexcept { return text_at_; }
  std::uint32_t text() const noexcept { return end_ - text_at_; }

  POLLUX_INLINE bool header_checksum_ok() const noexcept {
    return Sum::of_fixed<tcp - ip>(frame_ + ip).is_whole();
  }
  /// Of the segment, with its pseudo-header (RFC 9293 s.3.1): the addresses lie in front of it.
  POLLUX_INLINE bool checksum_ok() const noexcept {
    const auto length = static_cast<std::uint16_t>(end_ - tcp);
    const std::byte* const from = frame_ + addresses;
    // An ACK with timestamps, and all the others.
    constexpr std::size_t ack = tcp - addresses + 32;
    Sum sum = end_ - addresses == ack ? Sum::of_fixed<ack>(from) : Sum{{from, end_ - addresses}};
    return sum.add_to_bytes(static_cast<std::uint16_t>(protocol::tcp + length)).is_whole();
  }

 private:
  static constexpr std::size_t ip = EthernetView::header_size;
  static constexpr std::size_t tcp = ip + Ipv4View::min_header_size;
  static constexpr std::size_t addresses = ip + 12;
  static constexpr std::size_t text_at_least = tcp + TcpView::min_header_size;

  const std::byte* frame_ = nullptr;
  std::uint32_t end_ = 0;
  std::uint32_t text_at_ = 0;
};

}  // namespace pollux::wire
