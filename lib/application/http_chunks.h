#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pollux::application {

/// The framing of a chunked body (RFC 9112 s.7.1) up to the end of its last chunk's line, by the
/// letter: sizes of up to 64 bits, extensions with tokens and quoted strings, which are checked and
/// forgotten. The trailers behind it are header fields, and are read as such.
class HttpChunks {
 public:
  enum class Event : std::uint8_t {
    none,      // wants more bytes
    chunk,     // a chunk of left() > 0 bytes begins
    trailers,  // the last chunk's line is complete
    bad
  };
  struct Step {
    std::size_t used = 0;
    Event event = Event::none;
  };
  /// The most bytes between the data of one chunk and that of the next.
  static constexpr std::uint32_t max_line = 16'384;

  /// Reads on, up to the next event; data of a chunk is skipped.
  Step feed(std::span<const std::byte> bytes) noexcept;
  /// Bytes of the chunk that has begun and that have not been fed yet.
  std::uint64_t left() const noexcept { return at_ == At::data ? size_ : 0; }

 private:
  enum class At : std::uint8_t {
    first_digit,
    size,
    before_extension,  // blanks after the size or a value: only a ";" may follow
    extension,
    extension_name,
    after_name,
    value,
    token,
    quoted,
    escaped,
    after_quoted,
    line_feed,
    data,
    data_return,
    data_feed,
    bad
  };

  At next(char c) noexcept;
  At next_in_extension(char c) noexcept;
  At digit(char c) noexcept;

  std::uint64_t size_ = 0;  // of the chunk; counts down through its data
  std::uint32_t line_size_ = 0;
  At at_ = At::first_digit;
};

}  // namespace pollux::application
