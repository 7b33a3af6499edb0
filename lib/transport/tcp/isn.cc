#include "transport/tcp/isn.h"

#include <chrono>
#include <cstddef>
#include <ratio>

namespace pollux::tcp {
namespace {

/// The clock of RFC 9293 s.3.4.1: it wraps in about 4.77 hours.
using Ticks = std::chrono::duration<std::int64_t, std::ratio<4, 1'000'000>>;

std::uint64_t addresses(wire::Ipv4Address local, wire::Ipv4Address remote) noexcept {
  return std::uint64_t{local.value()} << 32 | remote.value();
}

}  // namespace

TupleSecret tuple_secret(const wire::FourTuple& tuple, SipKey key) noexcept {
  const std::uint32_t ports = std::uint32_t{tuple.local_port} << 16 | tuple.remote_port;
  const std::uint64_t secret = siphash24_words(key, addresses(tuple.local, tuple.remote), ports);
  return {.number = static_cast<std::uint32_t>(secret),
          .timestamps = static_cast<std::uint32_t>(secret >> 32)};
}

wire::SeqNum initial_sequence_number(const TupleSecret& secret, Instant now) noexcept {
  const auto ticks = std::chrono::floor<Ticks>(now.time_since_epoch()).count();
  return wire::SeqNum{secret.number} + static_cast<std::uint32_t>(ticks);
}

std::optional<Instant> opened_at(wire::SeqNum iss, const wire::FourTuple& tuple, SipKey key,
                                 Instant now, Duration longest) noexcept {
  const std::int32_t distance = initial_sequence_number(tuple, key, now) - iss;
  const Ticks ago{static_cast<std::uint32_t>(distance)};
  if (ago > longest) return std::nullopt;
  return Instant{std::chrono::floor<Ticks>(now.time_since_epoch()) - ago};
}

EphemeralPorts::Turn EphemeralPorts::find_turn(wire::Ipv4Address local, wire::Ipv4Address remote,
                                               std::uint16_t remote_port) const noexcept {
  // Bit 63 keeps these inputs apart from every tuple's ports, should someone share the key.
  const std::uint64_t hash =
      siphash24_words(key_, addresses(local, remote), std::uint64_t{1} << 63 | remote_port);
  return {.local = local,
          .remote = remote,
          .remote_port = remote_port,
          .position = static_cast<std::uint16_t>(hash % turns),
          .offset = static_cast<std::uint32_t>((hash >> 32) * count >> 32)};
}

}  // namespace pollux::tcp
