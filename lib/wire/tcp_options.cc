#include "wire/tcp_options.h"

#include <algorithm>
#include <bit>

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
  fast_open_kind = 34,
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
  out.fast_open_length = 0;
}

void parse_fast_open(std::span<const std::byte> value, TcpOptions& out) noexcept {
  const bool cookie = value.size() >= FastOpenCookie::min_size &&
                      value.size() <= FastOpenCookie::max_size && value.size() % 2 == 0;
  if ((!value.empty() && !cookie) || out.sack_count != 0) return;
  FastOpenCookie read{.size = static_cast<std::uint8_t>(value.size())};
  std::copy(value.begin(), value.end(), read.bytes.begin());
  out.set_fast_open(read);
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
    case fast_open_kind:
      parse_fast_open(value, out);
      break;
    default:
      break;
  }
}

/// The bytes of a Fast Open option, and of the NOPs behind it.
std::size_t fast_open_size(const TcpOptions& options) noexcept {
  return (options.fast_open_length + std::size_t{3}) / 4 * 4;
}

/// The bytes of all options but SACK.
std::size_t size_without_sack(const TcpOptions& options) noexcept {
  std::size_t size = 0;
  if (options.mss) size += 4 + fast_open_size(options);
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

/// Two bytes of an option, or of padding, as they stand in the upper half of a word.
constexpr std::uint32_t pair(std::uint8_t first, std::uint8_t second) noexcept {
  return std::uint32_t{first} << 24 | std::uint32_t{second} << 16;
}
constexpr std::uint32_t two_no_operations = pair(no_operation, no_operation);
static_assert(timestamps_front == (two_no_operations | pair(timestamps_kind, 10) >> 16));
constexpr std::uint32_t sack_permitted_beside_timestamps =
    pair(sack_permitted_kind, 2) | pair(timestamps_kind, 10) >> 16;
/// Its shift is the last byte.
constexpr std::uint32_t one_window_scale = pair(no_operation, window_scale_shift) | std::uint32_t{3}
                                                                                        << 8;

/// Writes one word after another and sums them; options_size has made sure of the room.
class Writer {
 public:
  explicit Writer(std::span<std::byte> to) noexcept : to_(to) {}
  std::size_t written() const noexcept { return written_; }
  Sum sum() const noexcept { return sum_; }

  void word(std::uint32_t value) noexcept {
    POLLUX_ASSERT(to_.size() - written_ >= 4);
    store_u32(to_.data() + written_, value);
    sum_.add_u32(value);
    written_ += 4;
  }

 private:
  std::span<std::byte> to_;
  std::size_t written_ = 0;
  Sum sum_;
};

void write_sack(const TcpOptions& options, Writer& writer) noexcept {
  const std::size_t count = sack_blocks_to_write(options);
  if (count == 0) return;
  const auto length = static_cast<std::uint8_t>(2 + count * sack_block_size);
  writer.word(two_no_operations | pair(sack_kind, length) >> 16);
  for (std::size_t i = 0; i < count; ++i) {
    writer.word(options.sack[i].left.value());
    writer.word(options.sack[i].right.value());
  }
}

/// All but those that a SYN alone may have beside them.
void write_others(const TcpOptions& options, std::uint32_t value, Writer& writer) noexcept {
  constexpr std::uint32_t sack_permitted_option = pair(sack_permitted_kind, 2);
  if (options.timestamps) {
    writer.word(options.sack_permitted ? sack_permitted_beside_timestamps : timestamps_front);
    writer.word(value);
    writer.word(options.timestamps->echo);
  } else if (options.sack_permitted) {
    writer.word(two_no_operations | sack_permitted_option >> 16);
  }
  if (options.window_scale) {
    writer.word(one_window_scale | *options.window_scale);
  }
  write_sack(options, writer);
}

void write_fast_open(const TcpOptions& options, Writer& writer) noexcept {
  const auto cookie = options.fast_open();
  if (!cookie) return;
  std::array<std::byte, 4 + FastOpenCookie::max_size> bytes;
  bytes.fill(std::byte{no_operation});
  bytes[0] = std::byte{fast_open_kind};
  bytes[1] = std::byte{options.fast_open_length};
  std::copy_n(cookie->bytes.begin(), cookie->size, bytes.begin() + 2);
  for (std::size_t i = 0; i < fast_open_size(options); i += 4) writer.word(load_u32(&bytes[i]));
}

/// What nearly every SYN has, in the order in which it is usually laid out, ours and others': MSS,
/// SACK-permitted beside timestamps, and window scale. False for any other.
bool parse_usual_syn(std::span<const std::byte> bytes, TcpOptions& out) noexcept {
  if (bytes.size() != 20) return false;
  const std::uint32_t first = load_u32(bytes.data());
  const std::uint32_t last = load_u32(&bytes[16]);
  if ((first & 0xFFFF'0000) != pair(maximum_segment_size, 4) ||
      load_u32(&bytes[4]) != sack_permitted_beside_timestamps ||
      (last & 0xFFFF'FF00) != one_window_scale) {
    return false;
  }
  out.mss = static_cast<std::uint16_t>(first);
  out.sack_permitted = true;
  out.timestamps = Timestamps{load_u32(&bytes[8]), load_u32(&bytes[12])};
  out.window_scale = std::min(static_cast<std::uint8_t>(last), TcpOptions::max_window_scale);
  return true;
}

/// Whether that is to be written.
bool is_usual_syn(const TcpOptions& options) noexcept {
  return options.mss && options.sack_permitted && options.timestamps && options.window_scale &&
         options.fast_open_length == 0 && options.sack_count == 0;
}

/// Room for a cookie in blocks, and the other way round.
using BlocksOfCookie = std::array<SackBlock, FastOpenCookie::max_size / sizeof(SackBlock)>;

}  // namespace

std::optional<FastOpenCookie> TcpOptions::fast_open() const noexcept {
  if (fast_open_length == 0) return std::nullopt;
  const BlocksOfCookie blocks{sack[0], sack[1]};
  return FastOpenCookie{std::bit_cast<std::array<std::byte, FastOpenCookie::max_size>>(blocks),
                        static_cast<std::uint8_t>(fast_open_length - 2)};
}

void TcpOptions::set_fast_open(const FastOpenCookie& cookie) noexcept {
  const auto blocks = std::bit_cast<BlocksOfCookie>(cookie.bytes);
  std::copy(blocks.begin(), blocks.end(), sack.begin());
  sack_count = 0;
  fast_open_length = (cookie.size + 2) & 0x7F;
}

void parse_any_options(std::span<const std::byte> bytes, TcpOptions& out) noexcept {
  out = TcpOptions{};
  if (parse_usual_syn(bytes, out)) return;
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
}

std::size_t options_size(const TcpOptions& options) noexcept {
  const std::size_t size = size_without_sack(options);
  if (options.sack_count == 0) [[likely]]
    return size;
  const std::size_t blocks = sack_blocks_to_write(options);
  return size + (blocks == 0 ? 0 : 4 + blocks * sack_block_size);
}

Sum write_options(const TcpOptions& options, std::span<std::byte> to) noexcept {
  return write_options(options, options.timestamps ? options.timestamps->value : 0, to);
}

Sum write_options(const TcpOptions& options, std::uint32_t value,
                  std::span<std::byte> to) noexcept {
  POLLUX_ASSERT(to.size() >= options_size(options));
  POLLUX_ASSERT(options.sack_count <= options.sack.size());
  Writer writer{to};
  if (options.timestamps_alone()) [[likely]]
    return Sum{}.add_numbers(write_timestamps({value, options.timestamps->echo}, to.data()));
  if (is_usual_syn(options)) {
    return store_words(to.data(),
                       std::array<std::uint32_t, 5>{pair(maximum_segment_size, 4) | *options.mss,
                                                    sack_permitted_beside_timestamps, value,
                                                    options.timestamps->echo,
                                                    one_window_scale | *options.window_scale});
  }
  if (options.mss) {
    writer.word(pair(maximum_segment_size, 4) | *options.mss);
    write_others(options, value, writer);
    write_fast_open(options, writer);
  } else {
    write_others(options, value, writer);
  }
  POLLUX_ASSERT(writer.written() == options_size(options));
  return writer.sum();
}

}  // namespace pollux::wire
