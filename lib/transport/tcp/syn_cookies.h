#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <ratio>

#include "base/siphash.h"
#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/listener.h"
#include "transport/tcp/segment.h"
#include "wire/address.h"

namespace pollux::tcp {

/// SYN cookies (RFC 4987 s.3.6): a listener that keeps nothing of a SYN. What its half-open entry
/// would know comes back in the ACK of our SYN: our initial number is a keyed hash of the peer's
/// number, the four-tuple, the time and what was agreed upon, and says which of eight MSS holds;
/// the peer's window scale, selective acknowledgments and ECN lie in the low bits of our timestamp,
/// so that they are for peers with timestamps only. Our SYN is not repeated: the peer's own, when
/// it comes again, is answered as if it were the first.
class SynCookies {
 public:
  /// A cookie is good in the period that it was made in, and in the next.
  static constexpr Duration period = 64s;
  /// The largest that the peer's MSS is not less than is used, and the first for all below: what
  /// the smallest segment takes, a SYN without the option, IPv6's least MTU, two usual kinds of
  /// tunnel, PPPoE or IPv6, Ethernet, and its jumbo frames.
  static constexpr std::array<std::uint16_t, 8> mss_classes{min_mss, default_mss, 1220, 1360,
                                                            1400,    1440,        1460, 8960};

  explicit SynCookies(SipKey key) noexcept : key_(key) {}

  /// The SYN,ACK that answers a SYN.
  Segment answer(const wire::FourTuple& tuple, const Segment& syn, const Config& config,
                 Instant now) noexcept;

  /// Whether a cookie may come back: one that is still good was sent. As long as this is false, an
  /// ACK that belongs to nothing costs no hash.
  bool awaited(Instant now) const noexcept { return period_of(now) - last_sent_ <= 1; }

  /// The entry that the SYN would have made, for `segment`, an ACK with neither SYN nor RST, to be
  /// given to its accept(). Nothing when it brings no good cookie back, or with it the echo of a
  /// timestamp that says other options than our SYN did: of a connection that the cookie made and
  /// that has ended. The echo is made one that says nothing, for its low bits are no time.
  std::optional<HalfOpen> take(const wire::FourTuple& tuple, Segment& segment,
                               std::uint16_t listener, Instant now) const noexcept;

  /// Whether a segment that take() refuses may be of a peer whose connection a cookie will make
  /// yet: the text before it was lost, or overtaken. Such a peer must not be reset; of others one
  /// in 256 looks like it.
  bool acknowledges(const wire::FourTuple& tuple, const Segment& segment,
                    Instant now) const noexcept;

 private:
  static std::int64_t period_of(Instant now) noexcept {
    return std::chrono::floor<std::chrono::duration<std::int64_t, std::ratio<64>>>(
               now.time_since_epoch())
        .count();
  }
  /// The period, this one or the last, that the cookie may have been made in.
  static std::int64_t made_in(SeqNum cookie, Instant now) noexcept;
  /// The bits of a cookie that follow from its others and the four-tuple, whatever the peer's
  /// number is.
  std::uint32_t check_bits(const wire::FourTuple& tuple, SeqNum cookie,
                           std::int64_t in_period) const noexcept;
  SeqNum cookie(const wire::FourTuple& tuple, SeqNum irs, std::uint32_t mss_class,
                std::uint32_t agreed, std::int64_t in_period) const noexcept;

  SipKey key_;
  std::int64_t last_sent_ = -(std::int64_t{1} << 62);  // the period of the latest cookie
};

}  // namespace pollux::tcp
