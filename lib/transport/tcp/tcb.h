#pragma once

#include <cstdint>

#include "base/cause.h"
#include "base/time.h"
#include "wire/seq_num.h"

namespace pollux::tcp {

using wire::SeqNum;

/// RFC 9293 s.3.3.2. LISTEN is not a Tcb's state: listeners and their half-open entries are in listener.h.
enum class State : std::uint8_t {
  closed,
  listen,
  syn_sent,
  syn_received,
  established,
  fin_wait_1,
  fin_wait_2,
  close_wait,
  closing,
  last_ack,
  time_wait
};

}  // namespace pollux::tcp
