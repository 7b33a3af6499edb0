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

constexpr std::uint32_t front_mask = 0xfffc'0000;

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

/// 14 bits of hash of the four-tuple, which a segment past a gap bears out; 14 of hash of all else,
/// too; three of MSS; and the last of the period's number, so that each has to be made once only.
SeqNum SynCookies::cookie(const wire::FourTuple& tuple, SeqNum irs, std::uint32_t mss_class,
                          std::uint32_t agreed, std::int64_t in_period) const noexcept {
  const std::uint64_t numbers = ports(tuple) | irs.value();
  const auto time = static_cast<std::uint64_t>(in_period);
  const std::uint64_t hash = siphash24_words(key_, addresses(tuple), numbers,
                                             time << 10 | std::uint64_t{agreed << 3 | mss_class});
  return SeqNum{front(tuple, in_period) | (static_cast<std::uint32_t>(hash >> 46) & 0x3fff) << 4 |
                mss_class << 1 | static_cast<std::uint32_t>(time & 1)};
}

std::uint32_t SynCookies::front(const wire::FourTuple& tuple,
                                std::int64_t in_period) const noexcept {
  const std::uint64_t hash =
      siphash24_words(key_, addresses(tuple), ports(tuple) | static_cast<std::uint32_t>(in_period));
  return static_cast<std::uint32_t>(hash >> 32) & front_mask;
}

std::int64_t SynCookies::made_in(SeqNum cookie, Instant now) noexcept {
  const std::int64_t in_period = period_of(now);
  return in_period - ((in_period ^ cookie.value()) & 1);
}

bool SynCookies::acknowledges(const wire::FourTuple& tuple, const Segment& segment,
                              Instant now) const noexcept {
  const SeqNum iss = segment.ack - 1;
  return front(tuple, made_in(iss, now)) == (iss.value() & front_mask);
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
  if (!acknowledges(tuple, segment, now)) return std::nullopt;
  HalfOpen entry;
  entry.tuple = tuple;
  entry.iss = segment.ack - 1;
  entry.irs = segment.seq - 1;
  const std::uint32_t mss_class = entry.iss.value() >> 1 & 0x7;
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
