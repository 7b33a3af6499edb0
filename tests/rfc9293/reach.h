#pragma once

#include "tests/script.h"

namespace pollux::test {

/// A synchronized state, reached from Script::established() at time 0 with no text either way.
struct Reached {
  State state;
  SeqNum snd_nxt;  // ours
  SeqNum rcv_nxt;  // ours: what the peer sends next
  SeqNum snd_una;  // the peer's ACK that changes nothing
};

inline constexpr Reached synchronized_states[] = {
    {State::established, 1_seq, 1_seq, 1_seq}, {State::fin_wait_1, 2_seq, 1_seq, 1_seq},
    {State::fin_wait_2, 2_seq, 1_seq, 2_seq},  {State::close_wait, 1_seq, 2_seq, 1_seq},
    {State::closing, 2_seq, 2_seq, 1_seq},     {State::last_ack, 2_seq, 2_seq, 1_seq},
    {State::time_wait, 2_seq, 2_seq, 2_seq},
};

/// Adds the steps to a script that is in ESTABLISHED. Only the sending side is shut down, so that
/// text is still welcome.
inline void reach(Script& script, State state) {
  const auto peer_closes = [&] { script.arrives({.seq = 1_seq, .ack = 1_seq, .control = fin}); };
  const auto we_close = [&](SeqNum ack) {
    script.shuts_down().sends({.seq = 1_seq, .ack = ack, .control = fin});
  };
  switch (state) {
    case State::fin_wait_1:
      we_close(1_seq);
      break;
    case State::fin_wait_2:
      we_close(1_seq);
      script.arrives({.seq = 1_seq, .ack = 2_seq});
      break;
    case State::close_wait:
      peer_closes();
      script.sends({.seq = 1_seq, .ack = 2_seq});
      break;
    case State::closing:
      we_close(1_seq);
      peer_closes();
      script.sends({.seq = 2_seq, .ack = 2_seq});
      break;
    case State::last_ack:
      peer_closes();
      script.sends({.seq = 1_seq, .ack = 2_seq});
      we_close(2_seq);
      break;
    case State::time_wait:
      we_close(1_seq);
      script.arrives({.seq = 1_seq, .ack = 2_seq, .control = fin});
      script.sends({.seq = 2_seq, .ack = 2_seq});
      break;
    case State::established:
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::syn_received:
      break;
  }
  script.state(state);
}

}  // namespace pollux::test
