#include "transport/tcp/rtt.h"

#include <algorithm>

namespace pollux::tcp {

namespace {

/// G of RFC 6298: the timers' resolution.
constexpr std::chrono::microseconds granularity{1000};
/// Longer ones would not fit when scaled, and no estimate needs them.
constexpr std::chrono::microseconds longest{1 << 27};
/// RFC 6298 (5.7): the RTO when data transmission begins after a SYN had to be sent again.
constexpr Duration rto_after_lost_syn = 3s;
/// 1 us of min_rto doubled so often is over an hour.
constexpr int max_doublings = 32;

}  // namespace

void sample_round_trip(Tcb& tcb, std::chrono::microseconds round_trip) noexcept {
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

Duration retransmission_timeout(const Tcb& tcb, const Config& config) noexcept {
  Duration rto = config.initial_rto;
  if (tcb.srtt_8 != 0) {  // (2.3), (2.4)
    const std::chrono::microseconds srtt{tcb.srtt_8 / 8};
    const std::chrono::microseconds margin{tcb.rttvar_4};
    rto = std::max<Duration>(config.min_rto, srtt + std::max(granularity, margin));
  } else if (tcb.syn_resent && tcb.syn_acked) {
    rto = std::max(rto, rto_after_lost_syn);
  }
  for (int i = 0; i < std::min<int>(tcb.backoff, max_doublings) && rto < config.max_rto; ++i) {
    rto *= 2;  // (5.5)
  }
  return std::min(rto, config.max_rto);
}

}  // namespace pollux::tcp
