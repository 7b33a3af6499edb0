#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "base/memory.h"
#include "base/result.h"

namespace pollux::load {

/// How long the body of the reply under way is, for each stream: what follows its head's empty
/// line. Of a body in chunks that is the chunks as they come, and an interim reply (1xx) counts as
/// the head. Memory follows use.
class BodyMeter {
 public:
  /// Of nobody, for those who ask for no size.
  BodyMeter() noexcept = default;
  static Result<BodyMeter> make(std::uint32_t streams) {
    auto places = Reservation::make(std::size_t{streams} * sizeof(Place));
    if (!places) return places.error();
    BodyMeter out;
    out.places_ = std::move(*places);
    return out;
  }

  /// The next bytes of that stream's reply.
  void feed(std::uint32_t stream, std::span<const std::byte> bytes) noexcept {
    Place& at = place(stream);
    std::size_t used = 0;
    while (at.matched != end_of_head.size() && used != bytes.size()) {
      const auto next = static_cast<char>(bytes[used++]);
      if (next == end_of_head[at.matched]) {
        ++at.matched;
      } else {
        // After a line's end a CR may begin it anew.
        at.matched = next == end_of_head[0] ? 1 : 0;
      }
    }
    at.body += bytes.size() - used;
  }
  /// How long it was: it is over, or given up.
  std::uint64_t take(std::uint32_t stream) noexcept {
    return std::exchange(place(stream), Place{}).body;
  }

 private:
  static constexpr std::string_view end_of_head = "\r\n\r\n";
  /// Memory that was never touched reads as one that has not begun.
  struct Place {
    std::uint64_t body : 61 = 0;
    std::uint64_t matched : 3 = 0;  // bytes of the end of a head that have come
  };
  Place& place(std::uint32_t stream) noexcept {
    return reinterpret_cast<Place*>(places_.data())[stream];
  }

  Reservation places_;
};

}  // namespace pollux::load
