#include "transport/tcp/syn_cookies.h"

#include <algorithm>

#include "transport/tcp/timestamps.h"

namespace pollux::tcp {

namespace {

/// What a timestamp's low bits say: four of window scale, one of selective acknowledgments, and one
/// of ECN.
constexpr std::uint32_t options_mask = 0x3f;
constexpr std::uint32_t scale_mask = 0xf;
constexpr std::uint32_t not_scaled = 0xf;
constexpr std::uint32_t sack_bit = 0x10;
constexpr std::uint32_t ecn_bit = 0x20;
/// Beside them in the hash alone, so that a peer without timestamps has agreed to nothing.
constexpr std::uint32_t timestamps_bit = 0x40;

// A cookie: 20 bits of hash of all that it vouches for; eight bits of hash of the four-tuple and of
// the cookie's other bits; three of MSS; and the last of the period's number, so that each has to
// be made once only. What a peer goes on to say when the connection has ended must not make
// another, which would begin in the midst of its text: when it acknowledges anything beside the
// cookie, all 28 bits ought to be others, and when it does not, 20.
constexpr std::uint32_t check_mask = 0xff0;
constexpr std::uint32_t mss_class_of(SeqNum cookie) noexcept { return cookie.value() >> 1 & 7; }

std::uint64_t addresses(const wire::FourTuple& tuple) noexcept {
  return std::uint64_t{tuple.local.value()} << 32 | tuple.remote.value();
}

std::uint64_t ports(const wire::FourTuple& tuple) noexcept {
  return std::uint64_t{tuple.local_port} << 48 | std::uint64_t{tuple.remote_port} << 32;
}

std::uint32_t options_of(const HalfOpen& entry) noexcept {
  return (entry.scaled ? entry.snd_shift : not_scaled) | (entry.sack ? sack_bit : 0) |
         (entry.ecn ? ecn_bit : 0);
}

std::uint32_t class_of(std::uint16_t mss) noexcept {
  const auto& classes = SynCookies::mss_classes;
  const auto above = std::upper_bound(classes.begin() + 1, classes.end(), mss);
  return static_cast<std::uint32_t>(above - classes.begin()) - 1;
}

/// Whether the echo is of a timestamp that may have been a cookie's.
bool recent(std::uint32_t echo, Instant now) noexcept {
  const auto since = Millis32{now} - Millis32::from_raw(echo);
  return since >= 0ms && since <= 2 * SynCookies::period + std::chrono::milliseconds{options_mask};
}

}  // namespace

SeqNum SynCookies::cookie(const wire::FourTuple& tuple, SeqNum irs, std::uint32_t mss_class,
                          std::uint32_t agreed, std::int64_t in_period) const noexcept {
  const std::uint64_t numbers = ports(tuple) | irs.value();
  const auto time = static_cast<std::uint64_t>(in_period);
  const std::uint64_t hash = siphash24_words(key_, addresses(tuple), numbers,
                                             time << 10 | std::uint64_t{agreed << 3 | mss_class});
  const SeqNum unchecked{static_cast<std::uint32_t>(hash >> 44) << 12 | mss_class << 1 |
                         static_cast<std::uint32_t>(time & 1)};
  return unchecked + check_bits(tuple, unchecked, in_period);
}

std::uint32_t SynCookies::check_bits(const wire::FourTuple& tuple, SeqNum cookie,
                                     std::int64_t in_period) const noexcept {
  const std::uint64_t where = ports(tuple) | static_cast<std::uint32_t>(in_period);
  // Its complement, so that no other hash is of the same words.
  const std::uint64_t others = ~std::uint64_t{cookie.value() & ~check_mask};
  return static_cast<std::uint32_t>(siphash24_words(key_, addresses(tuple), where, others)) &
         check_mask;
}

std::int64_t SynCookies::made_in(SeqNum cookie, Instant now) noexcept {
  const std::int64_t in_period = period_of(now);
  return in_period - ((in_period ^ cookie.value()) & 1);
}

bool SynCookies::acknowledges(const wire::FourTuple& tuple, const Segment& segment,
                              Instant now) const noexcept {
  const SeqNum iss = segment.ack - 1;
  return check_bits(tuple, iss, made_in(iss, now)) == (iss.value() & check_mask);
}

Segment SynCookies::answer(const wire::FourTuple& tuple, const Segment& syn, const Config& config,
                           Instant now) noexcept {
  last_sent_ = period_of(now);
  HalfOpen entry = make_half_open(config, tuple, syn, {}, 0, now);
  // What could not be remembered is not agreed to.
  if (!entry.timestamps) entry.scaled = entry.sack = entry.ecn = false;
  const std::uint32_t agreed = entry.timestamps ? timestamps_bit | options_of(entry) : 0;
  entry.iss = cookie(tuple, syn.seq, class_of(entry.peer_mss), agreed, last_sent_);
  Segment out = syn_ack(entry, config);
  // The latest time with these low bits, so that the connection's timestamps go on from there.
  if (entry.timestamps) {
    out.options.timestamps->value = (Millis32{now}.raw() - options_of(entry)) & options_mask;
  }
  return out;
}

std::optional<HalfOpen> SynCookies::take(const wire::FourTuple& tuple, Segment& segment,
                                         std::uint16_t listener, Instant now) const noexcept {
  HalfOpen entry;
  entry.tuple = tuple;
  entry.iss = segment.ack - 1;
  entry.irs = segment.seq - 1;
  const std::uint32_t mss_class = mss_class_of(entry.iss);
  entry.peer_mss = mss_classes[mss_class];
  entry.peer_window = segment.window;  // the SYN's is forgotten
  entry.listener = listener;
  entry.from_cookie = true;
  const auto made_with = [&](std::uint32_t agreed) {
    return cookie(tuple, entry.irs, mss_class, agreed, made_in(entry.iss, now)) == entry.iss;
  };
  auto& timestamps = segment.options.timestamps;
  const std::uint32_t options = timestamps ? timestamps->echo & options_mask : 0;
  if (timestamps && recent(timestamps->echo, now) && made_with(timestamps_bit | options)) {
    entry.timestamps = true;
    entry.ts_recent = timestamps->value;
    const std::uint32_t scale = options & scale_mask;
    entry.scaled = scale != not_scaled;
    if (entry.scaled) entry.snd_shift = static_cast<std::uint8_t>(scale);
    entry.sack = (options & sack_bit) != 0;
    entry.ecn = (options & ecn_bit) != 0;
    timestamps->echo = Millis32{now}.raw() + 1;
    return entry;
  }
  if (made_with(0)) return entry;
  return std::nullopt;
}

}  // namespace pollux::tcp
