#pragma once

#include <cstdint>
#include <utility>

#include "base/memory.h"
#include "base/result.h"
#include "base/time.h"

namespace pollux::load {

/// When the requests that are under way were sent: of each stream its last `depth`, by number.
/// Memory follows use.
class SendTimes {
 public:
  /// Of nobody.
  SendTimes() noexcept = default;
  static Result<SendTimes> make(std::uint32_t streams, std::uint32_t depth) {
    auto times = Reservation::make(std::size_t{streams} * depth * sizeof(Instant));
    if (!times) return times.error();
    SendTimes out;
    out.times_ = std::move(*times);
    out.depth_ = depth;
    return out;
  }

  Instant& at(std::uint32_t stream, std::uint64_t request) noexcept {
    return reinterpret_cast<Instant*>(
        times_.data())[std::size_t{stream} * depth_ + static_cast<std::size_t>(request % depth_)];
  }

 private:
  Reservation times_;
  std::uint32_t depth_ = 1;
};

}  // namespace pollux::load
