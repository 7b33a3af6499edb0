#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "application/http_chunks.h"
#include "application/http_host.h"

namespace pollux::application {

/// What the header fields of one message say that llhttp does not keep.
struct HttpHeaders {
  std::uint8_t hosts = 0;             // Host fields, up to 255
  std::uint8_t transfer_codings = 0;  // Transfer-Encoding fields, up to 255
  bool host_valid = true;
  bool only_chunked = true;       // each Transfer-Encoding is exactly "chunked"
  bool expects_continue = false;  // Expect: 100-continue
};

/// One HTTP/1.x message, read from bytes that come in any pieces: its header fields, its trailers
/// and a reply's status line by llhttp in its strict mode, a chunked body's framing by HttpChunks.
/// Where llhttp forgives what RFC 9112 lets a recipient refuse, this does not: a bare LF, a folded
/// line of a request (s.5.2) and an empty field name are bad. A folded line of a reply must be
/// read. The object may be copied between two pieces.
class HttpGrammar {
 public:
  enum class Event : std::uint8_t {
    none,   // wants more bytes
    head,   // the head is complete
    chunk,  // a chunk of length() > 0 bytes begins
    end,    // the chunked body and its trailers are complete
    bad     // not HTTP; nothing more can be fed
  };
  struct Step {
    std::size_t used = 0;  // bytes that belong to what has been read so far
    Event event = Event::none;
  };
  /// The most bytes of trailers.
  static constexpr std::uint32_t max_trailers = 16'384;

  /// Ready to read the fields of a request, behind its request line, whatever that was.
  static HttpGrammar of_request() noexcept;
  /// Ready to read a reply from its status line on.
  static HttpGrammar of_reply() noexcept;

  /// Reads on, up to the next event. After `head` only a chunked body is fed, after `end` nothing.
  /// How long a head may be is the caller's affair.
  Step feed(std::span<const std::byte> bytes) noexcept;

  /// Bytes of the chunk that has begun and that have not been fed yet.
  std::uint64_t chunk_left() const noexcept { return chunks_.left(); }
  const HttpHeaders& headers() const noexcept { return headers_; }
  /// The rest is valid from `head` on.
  bool has_length() const noexcept;
  std::uint64_t content_length() const noexcept;
  bool chunked() const noexcept;
  bool has_transfer_coding() const noexcept;
  /// What the Connection fields list.
  bool says_close() const noexcept;
  bool says_keep_alive() const noexcept;
  /// Of a reply.
  std::uint16_t status() const noexcept;
  bool version_is_1_0() const noexcept;

 private:
  friend struct HttpCallbacks;
  enum class Part : std::uint8_t { head, chunks, trailers };
  enum class Field : std::uint8_t { other, host, expect, transfer_encoding };
  static constexpr std::size_t text_limit = 24;

  Step feed_fields(std::span<const std::byte> bytes) noexcept;
  Step feed_chunks(std::span<const std::byte> bytes) noexcept;
  Step execute(std::span<const std::byte> bytes) noexcept;
  std::size_t sound_part_of(std::span<const std::byte> bytes) const noexcept;
  void start_request() noexcept;

  /// Keeps the lower-case letters of a name or value, as many as there is room for.
  void add_text(const char* at, std::size_t size) noexcept;
  void name_complete() noexcept;
  void value_part(const char* at, std::size_t size) noexcept;
  void value_complete() noexcept;

  alignas(8) std::array<std::byte, 96> llhttp_{};
  HttpChunks chunks_;
  HttpHeaders headers_;
  Field field_ = Field::other;
  Part part_ = Part::head;
  char previous_ = '\n';
  bool unfolds_ = false;
  bool head_complete_ = false;  // llhttp says so
  HttpHost host_;
  bool host_over_ = false;  // blanks have followed the Host's value
  std::uint8_t text_size_ = 0;
  std::uint32_t trailers_size_ = 0;
  std::array<char, text_limit> text_{};
};

}  // namespace pollux::application
