// A TCP segment as it arrives, options and all. What its options mean is written and read again.

#include <algorithm>
#include <array>
#include <vector>

#include "input.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

namespace pollux::fuzz {
namespace {

void fields_survive(const wire::TcpView& read) {
  std::array<std::byte, wire::TcpView::max_header_size> out{};
  const wire::TcpFields fields{.source_port = read.source_port(),
                               .destination_port = read.destination_port(),
                               .seq = read.seq(),
                               .ack = read.ack(),
                               .control = read.control(),
                               .options_length = static_cast<std::uint8_t>(read.options().size()),
                               .window = read.window(),
                               .checksum = read.checksum(),
                               .urgent_pointer = read.urgent_pointer()};
  const wire::Sum sum = fields.write(out);
  const auto written = std::span<const std::byte>{out}.first(wire::TcpFields::size);
  POLLUX_REQUIRE(wire::fold(sum) == plain_checksum(written));
  const auto header = read.header();
  for (std::size_t i = 0; i < written.size(); ++i) {
    // Four bits behind the data offset are reserved (RFC 9293 s.3.1): sent as 0.
    const std::byte mask{static_cast<std::uint8_t>(i == 12 ? 0xF0 : 0xFF)};
    POLLUX_REQUIRE((header[i] & mask) == written[i]);
  }
}

void options(std::span<const std::byte> bytes) {
  const wire::TcpOptions read = wire::parse_options(bytes);
  POLLUX_REQUIRE(read.sack_count <= wire::TcpOptions::max_sack_blocks);
  POLLUX_REQUIRE(!read.window_scale || *read.window_scale <= wire::TcpOptions::max_window_scale);
  std::array<std::byte, wire::TcpOptions::max_size> out{};
  const std::size_t size = wire::options_size(read);
  POLLUX_REQUIRE(size <= out.size() && size % 4 == 0);
  const auto written = std::span{out}.first(size);
  POLLUX_REQUIRE(wire::fold(wire::write_options(read, written)) == plain_checksum(written));
  const wire::TcpOptions again = wire::parse_options(written);
  POLLUX_REQUIRE(again.mss == read.mss && again.window_scale == read.window_scale);
  POLLUX_REQUIRE(again.sack_permitted == read.sack_permitted);
  POLLUX_REQUIRE(again.timestamps == read.timestamps);
  // Blocks come last, and give way to the rest.
  POLLUX_REQUIRE(again.sack_count <= read.sack_count);
  POLLUX_REQUIRE(again.sack_count == read.sack_count || size + 8 > out.size());
  const auto kept = again.sack_blocks();
  POLLUX_REQUIRE(std::equal(kept.begin(), kept.end(), read.sack_blocks().begin()));
}

void segment(std::span<const std::byte> bytes) {
  wire::TcpView view;
  if (wire::TcpView::parse(bytes, view) != Drop::none) return;
  POLLUX_REQUIRE(inside(view.header(), bytes) && inside(view.text(), bytes));
  POLLUX_REQUIRE(view.header().size() + view.text().size() == bytes.size());
  fields_survive(view);
  const auto pseudo =
      wire::pseudo_header(wire::Ipv4Address{10, 0, 0, 1}, wire::Ipv4Address{10, 0, 0, 2},
                          wire::protocol::tcp, static_cast<std::uint16_t>(bytes.size()));
  POLLUX_REQUIRE(view.checksum_ok(pseudo) == (plain_checksum(bytes, pseudo.partial()) == 0));
  options(view.options());
}

}  // namespace
}  // namespace pollux::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span{data, size});
  pollux::fuzz::segment(bytes);
  // All of it as options too: the header in front of them leaves room for forty bytes alone.
  pollux::fuzz::options(bytes);
  return 0;
}
