#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "application/application.h"
#include "application/http_grammar.h"
#include "base/slab.h"

namespace pollux::application {

/// The bytes of one request, made once and sent any number of times as StaticSpans. They stay where
/// they are as long as this object lives, wherever it is moved to.
class HttpClientRequest {
 public:
  struct Parts {
    std::string method = "GET";
    std::string target = "/";
    std::string host = "pollux";        // used unless `fields` have a Host
    std::vector<std::string> fields{};  // "Name: value"
    std::vector<std::byte> body{};
  };

  /// Host, and Content-Length where there is a body or the method wants one, are added unless the
  /// fields have them. Parts that would make another message than they say (blanks and controls in
  /// the method or target, line ends or a missing name in a field) are a programmer's error: see
  /// usable().
  explicit HttpClientRequest(const Parts& parts);
  /// GET of "/".
  HttpClientRequest() : HttpClientRequest(Parts{}) {}
  /// Whether the parts can be sent as they are.
  static bool usable(const Parts& parts) noexcept;
  /// Whether the fields name the host, so that `host` plays no part.
  static bool has_host(const Parts& parts) noexcept;

  /// The request; `closes`: with "Connection: close", unless the fields speak of the connection.
  std::span<const std::byte> bytes(bool closes) const noexcept {
    return closes ? closing_ : keeping_;
  }
  /// `size` of its bytes from `from` on, with their sum where these are all.
  StaticSpan span(bool closes, std::size_t from, std::uint32_t size) const noexcept {
    const auto all = bytes(closes);
    const bool whole = size == all.size();
    const std::uint16_t sum = closes ? closing_sum_ : keeping_sum_;
    return {all.data() + from, size, whole ? sum : std::uint16_t{0}, whole};
  }
  bool method_is_head() const noexcept { return method_is_head_; }

 private:
  std::vector<std::byte> keeping_;
  std::vector<std::byte> closing_;
  std::uint16_t keeping_sum_ = 0;
  std::uint16_t closing_sum_ = 0;
  bool method_is_head_ = false;
};

/// What feeding some bytes of a reply has come to.
enum class ReplyOutcome : std::uint8_t {
  incomplete,  // all bytes were used, more are wanted
  complete,    // one reply is whole; bytes behind it were not used
  bad          // not HTTP, or no parser was left; the connection is of no use any more
};

/// One connection's place in the replies that it waits for.
class ReplyState {
 public:
  /// Of the reply that was last complete, or whose head is: its status, and whether the server
  /// keeps the connection behind it.
  std::uint16_t status() const noexcept { return status_; }
  bool keep_alive() const noexcept { return keep_alive_; }
  /// Nothing of the next reply has come.
  bool at_start() const noexcept { return part_ == Part::head && parser_ == 0xFFFF'FFFF; }

 private:
  friend class ReplyParser;
  enum class Part : std::uint8_t { head, body, chunks, until_close };

  std::uint64_t left_ = 0;              // bytes of body
  std::uint32_t parser_ = 0xFFFF'FFFF;  // borrowed, or none
  std::uint16_t status_ = 0;
  Part part_ = Part::head;
  bool keep_alive_ = false;
};
static_assert(sizeof(ReplyState) == 16);

/// Reads the replies of all connections of one core (RFC 9112 s.6.3). A head that equals the last
/// one read is recognised by its bytes and not parsed; one that comes in pieces, or announces
/// chunks, borrows a parser from a slab until it is over. Interim replies (1xx) are passed over.
class ReplyParser {
 public:
  struct Fed {
    std::size_t consumed = 0;
    ReplyOutcome outcome = ReplyOutcome::incomplete;
  };

  /// `to_head`: the requests are HEAD, whose replies have no body. `parsers`: how many replies may
  /// be half read at one time, about 200 bytes each, taken when used; none where not even their
  /// address space can be had.
  explicit ReplyParser(bool to_head, std::uint32_t parsers = 65'536);

  /// Reads on, up to the end of one reply. After `complete` the state is ready for the next.
  Fed feed(ReplyState& state, std::span<const std::byte> bytes) noexcept {
    if (state.part_ == Part::head && equals_last_head(bytes)) [[likely]] {
      if (state.parser_ == Parsers::none) [[likely]] {
        begin_body(state, last_);
        return body(state, bytes, last_head_size_);
      }
    }
    return feed_slowly(state, bytes);
  }
  /// The server has sent its last byte. True when that completes a reply, whose length only this
  /// could tell.
  bool finish(ReplyState& state) noexcept;
  /// Gives back what the connection has borrowed; it is over.
  void release(ReplyState& state) noexcept;

  /// Off only to test that this changes nothing.
  void use_short_cut(bool on) noexcept { short_cut_ = on; }
  std::uint32_t parsers_in_use() const noexcept { return parsers_.size(); }

 private:
  using Part = ReplyState::Part;
  using Parsers = Slab<HttpGrammar>;
  static constexpr std::size_t longest_short_cut = 512;

  /// What a head says.
  struct Head {
    std::uint64_t length = 0;
    std::uint16_t status = 0;
    Part part = Part::body;
    bool keep_alive = false;
  };

  bool equals_last_head(std::span<const std::byte> bytes) const noexcept {
    return last_head_size_ != 0 && bytes.size() >= last_head_size_ &&
           std::memcmp(bytes.data(), last_head_.data(), last_head_size_) == 0;
  }
  static void begin_body(ReplyState& state, const Head& head) noexcept {
    state.part_ = head.part;
    state.left_ = head.length;
    state.status_ = head.status;
    state.keep_alive_ = head.keep_alive;
  }
  /// Reads what follows the head from bytes[used] on.
  Fed body(ReplyState& state, std::span<const std::byte> bytes, std::size_t used) noexcept {
    if (state.part_ != Part::body) return body_slowly(state, bytes, used);
    const std::size_t rest = bytes.size() - used;
    if (rest < state.left_) {
      state.left_ -= rest;
      return {bytes.size(), ReplyOutcome::incomplete};
    }
    used += static_cast<std::size_t>(state.left_);
    state.part_ = Part::head;
    return {used, ReplyOutcome::complete};
  }

  Fed feed_slowly(ReplyState& state, std::span<const std::byte> bytes) noexcept;
  Fed body_slowly(ReplyState& state, std::span<const std::byte> bytes, std::size_t used) noexcept;
  Head judge(const HttpGrammar& grammar) const noexcept;
  void remember(std::span<const std::byte> bytes, const Head& head) noexcept;
  Fed bad(ReplyState& state, std::size_t used) noexcept;

  HttpGrammar fresh_;  // never fed: copied where a reply begins
  Parsers parsers_;
  std::array<std::byte, longest_short_cut> last_head_{};
  std::size_t last_head_size_ = 0;  // 0: none yet
  Head last_;
  bool to_head_;
  bool short_cut_ = true;
};

}  // namespace pollux::application
