#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/cause.h"
#include "pattern.h"
#include "text.h"

namespace pollux::world {

/// What can go wrong with a transfer, each a bug of a stack in a world that loses nothing for good.
enum class Wrong : std::uint8_t {
  unknown_stream,  // a header that nobody wrote
  wrong_byte,      // a byte that differs from what was sent
  too_long,        // more bytes than were sent
  twice,           // a stream that was received before
  cut_short,       // the end came before the last byte
  ended_early,     // on_closed() before this side had sent or received all
  bad_cause,       // not closed in good order
  connect_failed,  // connect() had an error
  callback_order,  // a callback that may not come (now)
  count_
};
inline std::string_view name(Wrong wrong) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(Wrong::count_)> names{
      "unknown_stream", "wrong_byte", "too_long",       "twice",         "cut_short",
      "ended_early",    "bad_cause",  "connect_failed", "callback_order"};
  return names[static_cast<std::size_t>(wrong)];
}

/// What all hosts of a world write down: who sent which stream, and what came of it. Its memory is
/// all taken at construction, so that it can be written to while allocations are counted.
class Ledger {
 public:
  struct Stream {
    std::uint32_t size = 0;
    bool received = false;
  };
  struct Finding {
    Wrong wrong;
    std::uint32_t stream;
    std::uint64_t detail;
  };

  explicit Ledger(std::size_t streams) : streams_(streams) { findings_.reserve(most_findings); }

  const Pattern& pattern() const { return pattern_; }

  /// A stream of `size` bytes will be sent; its number.
  std::uint32_t begin(std::uint32_t size) {
    if (begun_ == streams_.size()) {
      find(Wrong::unknown_stream, begun_, streams_.size());
      return 0;
    }
    streams_[begun_].size = size;
    return begun_++;
  }
  /// The stream of that number, or null and a finding.
  const Stream* look_up(std::uint32_t number) {
    if (number < begun_) return &streams_[number];
    find(Wrong::unknown_stream, number, 0);
    return nullptr;
  }
  /// All of a stream has come, and was right.
  void complete(std::uint32_t number) {
    if (streams_[number].received) return find(Wrong::twice, number, 0);
    streams_[number].received = true;
    ++completed_;
    bytes_ += streams_[number].size;
  }
  void closed(Cause cause) { ++closed_[static_cast<std::size_t>(cause)]; }
  void find(Wrong wrong, std::uint32_t stream, std::uint64_t detail) {
    ++wrong_;
    if (findings_.size() < most_findings) findings_.push_back({wrong, stream, detail});
  }

  std::uint32_t begun() const { return begun_; }
  std::uint32_t completed() const { return completed_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t closed_by(Cause cause) const { return closed_[static_cast<std::size_t>(cause)]; }
  std::uint64_t wrong() const { return wrong_; }
  const std::vector<Finding>& findings() const { return findings_; }
  std::string to_string() const {
    std::string out =
        text("streams ", begun_, ", complete ", completed_, ", bytes ", bytes_, ", ends");
    for (std::size_t i = 0; i < closed_.size(); ++i) {
      if (closed_[i] == 0) continue;
      out += text(" ", pollux::name(static_cast<Cause>(i)), " ", closed_[i]);
    }
    out += text(", wrong ", wrong_);
    for (const Finding& finding : findings_) {
      out +=
          text("\n  ", name(finding.wrong), " stream ", finding.stream, " (", finding.detail, ")");
    }
    return out;
  }

 private:
  static constexpr std::size_t most_findings = 10;
  Pattern pattern_;
  std::vector<Stream> streams_;
  std::uint32_t begun_ = 0;
  std::uint32_t completed_ = 0;
  std::uint64_t bytes_ = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(Cause::count_)> closed_{};
  std::uint64_t wrong_ = 0;
  std::vector<Finding> findings_;
};

}  // namespace pollux::world
