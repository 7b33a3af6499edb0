#pragma once

#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/inline.h"
#include "wire/address.h"
#include "wire/checksum.h"
#include "wire/field.h"
#include "wire/ipv4.h"
#include "wire/seq_num.h"

namespace pollux::wire {

/// The IPv4 and TCP headers of a segment that is sent, both without their options, which are the
/// caller's to write behind them: what Ipv4Fields and TcpFields would write, in whole words, with
/// both checksums from the values.
struct SegmentHeaders {
  static constexpr std::size_t size = 40;

  FourTuple tuple{};           // `local` is the source
  std::uint32_t fragment = 0;  // the IPv4 header's second word: identification, flags and offset
  std::uint8_t tos = 0;
  std::uint8_t ttl = 64;
  std::uint8_t control = 0;
  std::uint8_t options_length = 0;  // of TCP: bytes, a multiple of 4, at most 40
  SeqNum seq{};
  SeqNum ack{};
  std::uint16_t window = 0;
  std::uint32_t text = 0;    // bytes behind the options
  std::uint64_t behind = 0;  // of options and text: numbers for Sum::add_numbers()

  /// Which checksums a device is to finish: its IPv4 field is then 0, its TCP field the sum of the
  /// pseudo-header, which is counted without a length where it is to be cut.
  struct Left {
    bool ipv4 = false;
    bool tcp = false;
    bool cut = false;
  };

  /// Writes `size` bytes.
  POLLUX_INLINE void write(std::byte* to, Left left) const noexcept {
    POLLUX_ASSERT(options_length % 4 == 0 && options_length <= 40);
    constexpr std::uint32_t tcp_header = 20;
    const std::uint32_t length = tcp_header + options_length + text;  // of the segment
    const std::uint32_t source = tuple.local.value();
    const std::uint32_t destination = tuple.remote.value();
    const std::uint32_t ports = std::uint32_t{tuple.local_port} << 16 | tuple.remote_port;
    const std::uint32_t first = 0x4500'0000 | std::uint32_t{tos} << 16 |
                                static_cast<std::uint16_t>(Ipv4Fields::size + length);
    const std::uint32_t third = std::uint32_t{ttl} << 24 | std::uint32_t{protocol::tcp} << 16;
    const std::uint32_t fourth =
        (tcp_header + options_length) << 26 | std::uint32_t{control} << 16 | window;

    Sum addresses;
    addresses.add_u32(source).add_u32(destination);
    const Sum header = Sum{addresses}.add_u32(first).add_u32(fragment).add_u32(third);
    const Sum pseudo = Sum{addresses}.add_u32(protocol::tcp + (left.cut ? 0 : length));
    const std::uint16_t header_checksum = left.ipv4 ? std::uint16_t{0} : fold(header);
    const std::uint16_t checksum = left.tcp ? pseudo.partial()
                                            : fold(Sum{pseudo}
                                                       .add_numbers(behind)
                                                       .add_u32(ports)
                                                       .add_u32(seq.value())
                                                       .add_u32(ack.value())
                                                       .add_u32(fourth));

    store_u64(to, first, fragment);
    store_u64(to + 8, third | header_checksum, source);
    store_u64(to + 16, destination, ports);
    store_u64(to + 24, seq.value(), ack.value());
    store_u64(to + 32, fourth, std::uint32_t{checksum} << 16);
  }

 private:
  static void store_u64(std::byte* at, std::uint32_t first, std::uint32_t second) noexcept {
    wire::store_u64(at, std::uint64_t{first} << 32 | second);
  }
};

}  // namespace pollux::wire
