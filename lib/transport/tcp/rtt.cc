#include "transport/tcp/rtt.h"

#include <algorithm>

namespace pollux::tcp {

Duration backed_off(const Tcb& tcb, const Config& config, Duration rto) noexcept {
  constexpr int max_doublings = 32;  // 1 us of min_rto doubled so often is over an hour
  for (int i = 0; i < std::min<int>(tcb.backoff, max_doublings) && rto < config.max_rto; ++i) {
    rto *= 2;
  }
  return std::min(rto, config.max_rto);
}

}  // namespace pollux::tcp
