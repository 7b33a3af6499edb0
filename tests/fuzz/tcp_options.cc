// TCP options from values: what is written is read again, and nothing is written beside it.

#include "wire/tcp_options.h"

#include <algorithm>
#include <vector>

#include "input.h"
#include "wire/checksum.h"

namespace pollux::fuzz {
namespace {

void run(Input in) {
  const std::uint8_t which = in.u8();
  wire::TcpOptions options;
  if ((which & 1) != 0) options.mss = in.u16();
  if ((which & 2) != 0) options.window_scale = static_cast<std::uint8_t>(in.below(15));
  options.sack_permitted = (which & 4) != 0;
  if ((which & 8) != 0) options.timestamps = wire::Timestamps{in.u32(), in.u32()};
  options.sack_count = static_cast<std::uint8_t>((which >> 4) % 5);
  if (which >> 4 == 15 && options.mss) {
    const std::uint8_t words = static_cast<std::uint8_t>(in.below(8));
    wire::FastOpenCookie cookie{.size = static_cast<std::uint8_t>(words == 0 ? 0 : 2 + 2 * words)};
    for (std::size_t i = 0; i < cookie.size; ++i) cookie.bytes[i] = std::byte{in.u8()};
    options.set_fast_open(cookie);
  }
  for (std::size_t i = 0; i < options.sack_count; ++i) {
    options.sack[i] = {wire::SeqNum{in.u32()}, wire::SeqNum{in.u32()}};
  }

  const std::size_t size = wire::options_size(options);
  POLLUX_REQUIRE(size % 4 == 0 && size <= wire::TcpOptions::max_size);
  // On the heap, so that a sanitizer sees what is written past the size.
  std::vector<std::byte> out(size);
  POLLUX_REQUIRE(wire::fold(wire::write_options(options, out)) == plain_checksum(out));

  const wire::TcpOptions read = wire::parse_options(out);
  while (options.sack_count > read.sack_count) {
    // Left off for want of room, and for nothing else.
    POLLUX_REQUIRE(size + 8 + (read.sack_count == 0 ? 4u : 0u) > wire::TcpOptions::max_size);
    options.sack[--options.sack_count] = {};
  }
  POLLUX_REQUIRE(read == options);
}

}  // namespace
}  // namespace pollux::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pollux::fuzz::run({data, size});
  return 0;
}
