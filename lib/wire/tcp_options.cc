#include "wire/tcp_options.h"

#include <algorithm>

#include "base/assert.h"
#include "wire/field.h"

namespace pollux::wire {
namespace {

enum Kind : std::uint8_t {
  end_of_list = 0,
  no_operation = 1,
  maximum_segment_size = 2,
  window_scale_shift = 3,
  sack_permitted_kind = 4,
  sack_kind = 5,
  timestamps_kind = 8,
};

constexpr std::size_t sack_block_size = 8;

void parse_sack(std::span<const std::byte> value, TcpOptions& out) noexcept {
  const std::size_t count = value.size() / sack_block_size;
  if (value.size() % sack_block_size != 0 || count == 0 || count > out.sack.size()) return;
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* const at = value.data() + i * sack_block_size;
    out.sack[i] = {SeqNum{load_u32(at)}, SeqNum{load_u32(at + 4)}};
  }
  out.sack_count = static_cast<std::uint8_t>(count);
}

// `value` is what follows kind and length. A length that is not the option's own makes it unknown.
void parse_one(std::uint8_t kind, std::span<const std::byte> value, TcpOptions& out) noexcept {
  switch (kind) {
    case maximum_segment_size:
      if (value.size() == 2) out.mss = load_u16(value.data());
      break;
    case window_scale_shift:
      if (value.size() == 1) {
        out.window_scale = std::min(load_u8(value.data()), TcpOptions::max_window_scale);
      }
      break;
    case sack_permitted_kind:
      if (value.empty()) out.sack_permitted = true;
      break;
    case sack_kind:
      parse_sack(value, out);
      break;
    case timestamps_kind:
      if (value.size() == 8) {
        out.timestamps = Timestamps{load_u32(value.data()), load_u32(value.data() + 4)};
      }
      break;
    default:
      break;
  }
}

/// The bytes of all options but SACK.
std::size_t size_without_sack(const TcpOptions& options) noexcept {
  std::size_t size = 0;
  if (options.mss) size += 4;
  if (options.timestamps) {
    size += 12;  // SACK-permitted takes the place of the two NOPs
  } else if (options.sack_permitted) {
    size += 4;
  }
  if (options.window_scale) size += 4;
  return size;
}

std::size_t sack_blocks_to_write(const TcpOptions& options) noexcept {
  const std::size_t room = TcpOptions::max_size - size_without_sack(options);
  return std::min<std::size_t>(options.sack_count, (room - 4) / sack_block_size);
}

/// Writes one option after another; options_size has made sure of the room.
class Writer {
 public:
  explicit Writer(std::span<std::byte> to) noexcept : to_(to) {}
  std::size_t written() const noexcept { return written_; }

  void u8(std::uint8_t value) noexcept { store_u8(take(1), value); }
  void u16(std::uint16_t value) noexcept { store_u16(take(2), value); }
  void u32(std::uint32_t value) noexcept { store_u32(take(4), value); }
  void head(std::uint8_t kind, std::size_t length) noexcept {
    u8(kind);
    u8(static_cast<std::uint8_t>(length));
  }
  void no_operations(int n) noexcept {
    for (int i = 0; i < n; ++i) u8(no_operation);
  }

 private:
  std::byte* take(std::size_t n) noexcept {
    POLLUX_ASSERT(to_.size() - written_ >= n);
    std::byte* const at = to_.data() + written_;
    written_ += n;
    return at;
  }
  std::span<std::byte> to_;
  std::size_t written_ = 0;
};

void write_sack(const TcpOptions& options, Writer& writer) noexcept {
  const std::size_t count = sack_blocks_to_write(options);
  if (count == 0) return;
  writer.no_operations(2);
  writer.head(sack_kind, 2 + count * sack_block_size);
  for (std::size_t i = 0; i < count; ++i) {
    writer.u32(options.sack[i].left.value());
    writer.u32(options.sack[i].right.value());
  }
}

}  // namespace

TcpOptions parse_options(std::span<const std::byte> bytes) noexcept {
  TcpOptions out;
  std::size_t i = 0;
  while (i < bytes.size()) {
    const std::uint8_t kind = load_u8(&bytes[i]);
    if (kind == end_of_list) break;
    if (kind == no_operation) {
      ++i;
      continue;
    }
    if (bytes.size() - i < 2) break;
    const std::size_t length = load_u8(&bytes[i + 1]);
    if (length < 2 || length > bytes.size() - i) break;
    parse_one(kind, bytes.subspan(i + 2, length - 2), out);
    i += length;
  }
  return out;
}

std::size_t options_size(const TcpOptions& options) noexcept {
  const std::size_t blocks = sack_blocks_to_write(options);
  return size_without_sack(options) + (blocks == 0 ? 0 : 4 + blocks * sack_block_size);
}

void write_options(const TcpOptions& options, std::span<std::byte> to) noexcept {
  POLLUX_ASSERT(to.size() >= options_size(options));
  POLLUX_ASSERT(options.sack_count <= options.sack.size());
  Writer writer{to};
  if (options.mss) {
    writer.head(maximum_segment_size, 4);
    writer.u16(*options.mss);
  }
  if (options.sack_permitted) {
    if (!options.timestamps) writer.no_operations(2);
    writer.head(sack_permitted_kind, 2);
  }
  if (options.timestamps) {
    if (!options.sack_permitted) writer.no_operations(2);
    writer.head(timestamps_kind, 10);
    writer.u32(options.timestamps->value);
    writer.u32(options.timestamps->echo);
  }
  if (options.window_scale) {
    writer.no_operations(1);
    writer.head(window_scale_shift, 3);
    writer.u8(*options.window_scale);
  }
  write_sack(options, writer);
  POLLUX_ASSERT(writer.written() == options_size(options));
}

}  // namespace pollux::wire
