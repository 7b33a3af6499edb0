#pragma once

#include <cstdint>

namespace pollux::wire {

/// A TCP sequence number: 32 bits compared modulo 2^32 (RFC 9293 s.3.4). Nothing converts to or
/// from it silently, and there is no <=>: the order is not transitive. a - b is a signed distance.
class SeqNum {
 public:
  constexpr SeqNum() noexcept = default;
  explicit constexpr SeqNum(std::uint32_t value) noexcept : value_(value) {}
  constexpr std::uint32_t value() const noexcept { return value_; }

  friend constexpr bool operator==(SeqNum, SeqNum) noexcept = default;
  friend constexpr std::int32_t operator-(SeqNum a, SeqNum b) noexcept {
    return static_cast<std::int32_t>(a.value_ - b.value_);
  }
  friend constexpr bool operator<(SeqNum a, SeqNum b) noexcept { return a - b < 0; }
  friend constexpr bool operator<=(SeqNum a, SeqNum b) noexcept { return a - b <= 0; }
  friend constexpr bool operator>(SeqNum a, SeqNum b) noexcept { return a - b > 0; }
  friend constexpr bool operator>=(SeqNum a, SeqNum b) noexcept { return a - b >= 0; }
  friend constexpr SeqNum operator+(SeqNum a, std::uint32_t n) noexcept {
    return SeqNum{a.value_ + n};
  }
  friend constexpr SeqNum operator-(SeqNum a, std::uint32_t n) noexcept {
    return SeqNum{a.value_ - n};
  }
  constexpr SeqNum& operator+=(std::uint32_t n) noexcept {
    value_ += n;
    return *this;
  }

 private:
  std::uint32_t value_ = 0;
};

/// The later of the two.
constexpr SeqNum max(SeqNum a, SeqNum b) noexcept { return a < b ? b : a; }
/// The earlier of the two.
constexpr SeqNum min(SeqNum a, SeqNum b) noexcept { return b < a ? b : a; }

}  // namespace pollux::wire
