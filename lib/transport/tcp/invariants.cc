#include "transport/tcp/invariants.h"

#include "transport/tcp/recovery.h"
#include "transport/tcp/tcp.h"

namespace pollux::tcp {

namespace {

std::string_view check_sending(const Tcb& tcb) noexcept {
  if (tcb.snd_nxt < tcb.snd_una) return "SND.UNA =< SND.NXT does not hold";
  if (tcb.snd_pos < tcb.snd_una) return "sending goes on before SND.UNA";
  if (tcb.snd_nxt < tcb.snd_pos) return "sending goes on after SND.NXT";
  if (tcb.stream_end() < tcb.snd_nxt) return "more was sent than is queued";
  // ISS means something only until our SYN is acknowledged: then the numbers go round.
  if (!tcb.syn_acked && tcb.snd_una != tcb.iss) return "syn_acked does not match SND.UNA";
  if (tcb.snd_end < (tcb.syn_acked ? tcb.snd_una - 1 : tcb.iss + 1)) {
    return "the queue ends before it begins";
  }
  if (tcb.max_snd_wnd < tcb.snd_wnd) return "MAX.SND.WND is not the largest window";
  if (tcb.mss < min_mss) return "the MSS is too small";
  if (tcb.snd_shift > 14 || tcb.rcv_shift > 14) return "a window scale over 14";
  if (tcb.timing && (tcb.timed_seq <= tcb.snd_una || tcb.snd_nxt < tcb.timed_seq)) {
    return "a segment is timed that is not in flight";
  }
  return {};
}

std::string_view check_windows(const Tcb& tcb) noexcept {
  if (tcb.state == State::syn_sent) return {};
  if (!tcb.syn_acked && !tcb.synchronized() && tcb.rcv_nxt != tcb.irs + 1) {
    return "RCV.NXT is not after IRS";
  }
  if (tcb.rcv_adv < tcb.rcv_nxt) return "the receive window's edge is before RCV.NXT";
  if (tcb.synchronized() && tcb.syn_acked && tcb.cwnd < tcb.mss && tcb.cwnd != 0) {
    return "cwnd is less than a segment";
  }
  if (tcb.recovering && (tcb.recover < tcb.snd_una || tcb.snd_nxt < tcb.recover)) {
    return "fast recovery ends at a number that is not in flight";
  }
  return {};
}

std::string_view check_timers(const Tcb& tcb) noexcept {
  // What accept() returns is about to see the ACK of its SYN.
  const bool accepted = tcb.state == State::syn_received && !tcb.active_open;
  if (tcb.in_flight() > 0 && !tcb.retransmit_armed && !accepted) {
    return "something is in flight and no timer would send it again";
  }
  if (tcb.paced && tcb.flight == no_flight) return "text waits, and nothing knows until when";
  if (!tcb.has_deadline()) return {};
  bool met = tcb.paced;
  const auto late = [&](bool armed, Millis32 at) {
    met = met || (armed && at == tcb.deadline);
    return armed && at < tcb.deadline;
  };
  if (late(tcb.retransmit_armed, tcb.retransmit_at) || late(tcb.ack_armed, tcb.ack_at) ||
      late(tcb.idle_armed, tcb.idle_at)) {
    return "a timer is before the deadline";
  }
  return met ? std::string_view{} : "the deadline is no timer's";
}

std::string_view check_board(const Scoreboard& board) noexcept {
  std::uint32_t sacked = 0;
  std::uint32_t lost = 0;
  for (std::uint8_t i = 0; i < board.size(); ++i) {
    const Scoreboard::Range range = board[i];
    if (range.right <= range.left) return "a range of the scoreboard is empty";
    if (range.sacked && range.lost) return "what has arrived is lost";
    if (range.sacked) sacked += range.size();
    if (range.lost) lost += range.size();
  }
  if (sacked != board.sacked()) return "what has arrived is not what the scoreboard says";
  return lost == board.lost() ? std::string_view{} : "what is lost is not what the scoreboard says";
}

std::string_view check_state(const Tcb& tcb) noexcept {
  switch (tcb.state) {
    case State::listen:
      return "a Tcb cannot be in LISTEN";
    case State::syn_sent:
    case State::syn_received:
      if (tcb.syn_acked) return "our SYN is acknowledged, yet the handshake is not over";
      return {};
    case State::established:
    case State::close_wait:
      if (tcb.fin_queued) return "a FIN is queued before CLOSE";
      if (!tcb.syn_acked && tcb.active_open) return "established without the ACK of our SYN";
      return {};
    case State::fin_wait_1:
    case State::closing:
    case State::last_ack:
      if (!tcb.fin_queued) return "no FIN is queued after CLOSE";
      if (tcb.fin_acked()) return "our FIN is acknowledged, and the state does not say so";
      return {};
    case State::fin_wait_2:
    case State::time_wait:
      if (!tcb.fin_acked()) return "the state says that our FIN is acknowledged, and it is not";
      if (tcb.retransmit_armed) return "the retransmission timer runs for nothing";
      return {};
    case State::closed:
      return tcb.has_deadline() ? "a timer of a closed connection runs" : std::string_view{};
  }
  return "no such state";
}

}  // namespace

std::string_view check(const Tcb& tcb, const FlightPool& flights) noexcept {
  if (const auto broken = check(tcb); !broken.empty()) return broken;
  const Sending* const sending = scoreboard_of(tcb, flights);
  if (sending == nullptr) return tcb.mend ? "something is lost, and no scoreboard knows it" : "";
  if (!tcb.sack) return "a scoreboard without SACK";
  if (tcb.state == State::closed) return {};
  const Scoreboard& board = sending->board;
  if (board.front() != tcb.snd_una) return "the scoreboard does not begin at SND.UNA";
  if (board.back() != tcb.snd_nxt) return "the scoreboard does not end at SND.NXT";
  if ((board.lost() != 0 || sending->probe_due) && !tcb.mend) return "what is lost is forgotten";
  if (sending->path.state == PathProbe::State::out && sending->path.right <= tcb.snd_una) {
    return "a probe of the path has arrived, and is awaited";
  }
  return check_board(board);
}

std::string_view check(const Tcb& tcb) noexcept {
  if (const auto broken = check_state(tcb); !broken.empty()) return broken;
  if (tcb.state == State::closed) return {};
  if (const auto broken = check_sending(tcb); !broken.empty()) return broken;
  if (const auto broken = check_windows(tcb); !broken.empty()) return broken;
  return check_timers(tcb);
}

}  // namespace pollux::tcp
