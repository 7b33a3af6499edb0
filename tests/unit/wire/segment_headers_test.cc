#include "wire/segment_headers.h"

#include <gtest/gtest.h>

#include "base/prng.h"
#include "bytes.h"
#include "wire/tcp.h"

namespace pollux::wire {
namespace {

using testing::Bytes;

constexpr std::size_t ip = Ipv4Fields::size;

/// The same by the headers' own writers.
Bytes written_one_by_one(const SegmentHeaders& h, const Bytes& behind, SegmentHeaders::Left left) {
  Bytes out(SegmentHeaders::size);
  const auto length = static_cast<std::uint16_t>(TcpFields::size + h.options_length + h.text);
  const Ipv4Fields datagram{.tos = h.tos,
                            .total_length = static_cast<std::uint16_t>(ip + length),
                            .identification = static_cast<std::uint16_t>(h.fragment >> 16),
                            .dont_fragment = (h.fragment & 0x4000) != 0,
                            .ttl = h.ttl,
                            .protocol = protocol::tcp,
                            .source = h.tuple.local,
                            .destination = h.tuple.remote};
  if (left.ipv4) {
    datagram.write_without_checksum(out);
  } else {
    datagram.write(out);
  }
  const auto tcp = std::span{out}.subspan(ip);
  Sum sum = pseudo_header(h.tuple.local, h.tuple.remote, protocol::tcp, left.cut ? 0 : length);
  const std::uint16_t pseudo = sum.partial();
  TcpFields fields{.source_port = h.tuple.local_port,
                   .destination_port = h.tuple.remote_port,
                   .seq = h.seq,
                   .ack = h.ack,
                   .control = h.control,
                   .options_length = h.options_length,
                   .window = h.window};
  Bytes segment(TcpFields::size + h.options_length);  // the writer asks for room for the options
  fields.write(segment);
  sum.add(std::span{segment}.first(TcpFields::size)).add(behind);
  fields.checksum = left.tcp ? pseudo : fold(sum);
  fields.write(segment);
  std::copy_n(segment.begin(), tcp.size(), tcp.begin());
  return out;
}

TEST(SegmentHeaders, AreWhatTheirOwnWritersWrite) {
  Prng random{1};
  for (int i = 0; i < 100'000; ++i) {
    const std::size_t options = random.below(11) * 4;
    const std::size_t text = random.chance(0.2) ? 0 : random.below(1461 - options);
    Bytes behind(options + text);
    for (std::byte& each : behind) each = std::byte(random.below(256));
    const SegmentHeaders headers{
        .tuple = {Ipv4Address{static_cast<std::uint32_t>(random.next())},
                  Ipv4Address{static_cast<std::uint32_t>(random.next())},
                  static_cast<std::uint16_t>(random.next()),
                  static_cast<std::uint16_t>(random.next())},
        .fragment =
            random.chance(0.5) ? 0x4000 : static_cast<std::uint32_t>(random.below(65536)) << 16,
        .tos = static_cast<std::uint8_t>(random.next()),
        .ttl = static_cast<std::uint8_t>(random.next()),
        .control = static_cast<std::uint8_t>(random.next()),
        .options_length = static_cast<std::uint8_t>(options),
        .seq = SeqNum{static_cast<std::uint32_t>(random.next())},
        .ack = SeqNum{static_cast<std::uint32_t>(random.next())},
        .window = static_cast<std::uint16_t>(random.next()),
        .text = static_cast<std::uint32_t>(text),
        .behind = Sum{behind}.partial()};
    const SegmentHeaders::Left left{
        .ipv4 = random.chance(0.5), .tcp = random.chance(0.5), .cut = false};
    Bytes out(SegmentHeaders::size);
    headers.write(out.data(), left);
    ASSERT_EQ(out, written_one_by_one(headers, behind, left)) << i;
    const SegmentHeaders::Left to_cut{.ipv4 = left.ipv4, .tcp = true, .cut = true};
    headers.write(out.data(), to_cut);
    ASSERT_EQ(out, written_one_by_one(headers, behind, to_cut)) << i;
  }
}

}  // namespace
}  // namespace pollux::wire
