#pragma once

#include <algorithm>
#include <chrono>

#include "base/time.h"
#include "transport/tcp/config.h"
#include "transport/tcp/tcb.h"

/// The retransmission time-out (RFC 6298; RFC 9293 MUST-18).
namespace pollux::tcp {

/// Takes the time between a segment's sending and the ACK of its last byte. Karn's algorithm is the
/// caller's: a segment that was sent twice gives no sample. Undoes the back-off (RFC 6298 s.5).
inline void sample_round_trip(Tcb& tcb, std::chrono::microseconds round_trip) noexcept {
  // Longer ones would not fit when scaled, and no estimate needs them.
  constexpr std::chrono::microseconds longest{1 << 27};
  // At least 1 us, so that srtt_8 == 0 always means that there was no sample.
  const auto r = static_cast<std::int32_t>(
      std::clamp(round_trip, std::chrono::microseconds{1}, longest).count());
  if (tcb.srtt_8 == 0) {  // (2.2): SRTT = R, RTTVAR = R / 2
    tcb.srtt_8 = static_cast<std::uint32_t>(r) * 8;
    tcb.rttvar_4 = static_cast<std::uint32_t>(r) * 2;
  } else {  // (2.3): RTTVAR first, with alpha = 1/8 and beta = 1/4
    const std::int32_t error = r - static_cast<std::int32_t>(tcb.srtt_8 / 8);
    const std::uint32_t size = static_cast<std::uint32_t>(error < 0 ? -error : error);
    tcb.rttvar_4 += size - tcb.rttvar_4 / 4;
    tcb.srtt_8 = std::max<std::uint32_t>(tcb.srtt_8 + static_cast<std::uint32_t>(error), 1);
  }
  tcb.backoff = 0;
}

/// (5.5): the time-out doubled for each that has passed, at most config.max_rto.
Duration backed_off(const Tcb& tcb, const Config& config, Duration rto) noexcept;

/// The RTO in force, back-off included: at most config.max_rto.
inline Duration retransmission_timeout(const Tcb& tcb, const Config& config) noexcept {
  constexpr std::chrono::microseconds granularity{1000};  // G of RFC 6298: the timers' resolution
  constexpr Duration rto_after_lost_syn = 3s;             // (5.7), when data transmission begins
  Duration rto = config.initial_rto;
  if (tcb.srtt_8 != 0) {  // (2.3), (2.4)
    const std::chrono::microseconds srtt{tcb.srtt_8 / 8};
    const std::chrono::microseconds margin{tcb.rttvar_4};
    rto = std::max<Duration>(config.min_rto, srtt + std::max(granularity, margin));
  } else if (tcb.syn_resent && tcb.syn_acked) {
    rto = std::max(rto, rto_after_lost_syn);
  }
  return tcb.backoff == 0 ? std::min(rto, config.max_rto) : backed_off(tcb, config, rto);
}

}  // namespace pollux::tcp
