#include "transport/tcp/path_probe.h"

#include <algorithm>

#include "transport/tcp/recovery.h"
#include "transport/tcp/timestamps.h"

namespace pollux::tcp {

namespace {

/// Segments behind the probe, by which its loss is noticed without the timer (RFC 5681 s.3.2).
constexpr std::uint32_t segments_behind = 3;

std::uint16_t headers_of(const Tcb& tcb) noexcept {
  constexpr std::uint16_t ipv4_and_tcp = 40;
  return ipv4_and_tcp + (tcb.timestamps ? timestamps_size : 0);
}

void raise(Tcb& tcb, std::uint32_t mss) noexcept {
  tcb.mss = std::max(tcb.mss, static_cast<std::uint16_t>(mss));
  tcb.cwnd = std::max<std::uint32_t>(tcb.cwnd, tcb.mss);
}

}  // namespace

std::uint16_t datagram_size(const Tcb& tcb, std::uint16_t mss) noexcept {
  return static_cast<std::uint16_t>(mss + headers_of(tcb));
}

std::uint16_t text_in_datagram(const Tcb& tcb, std::uint16_t mtu) noexcept {
  const std::uint16_t headers = headers_of(tcb);
  return std::max(static_cast<std::uint16_t>(mtu > headers ? mtu - headers : 0), min_mss);
}

bool probe_path(Tcb& tcb, FlightPool& flights, std::uint16_t mtu, const Now& now) noexcept {
  const std::uint16_t size = text_in_datagram(tcb, mtu);
  if (!tcb.sack || !tcb.synchronized() || !tcb.syn_acked || size <= tcb.mss) return false;
  // Most that are asked have too little to send: they need borrow nothing.
  if (tcb.snd_end - tcb.snd_pos < static_cast<std::int32_t>(size)) return false;
  Sending* const sending = begin_scoreboard(tcb, flights, tcb.snd_una, now);
  if (sending == nullptr || sending->path.state != PathProbe::State::none) return false;
  if (!may_probe_path(tcb, *sending, size)) return false;
  sending->path = {};
  sending->path.state = PathProbe::State::due;
  sending->path.size = size;
  update_mend(tcb, flights);
  return true;
}

void path_takes(Tcb& tcb, FlightPool& flights, std::uint16_t mtu) noexcept {
  if (!tcb.synchronized() || tcb.in_episode()) return;
  raise(tcb, text_in_datagram(tcb, mtu));
  Sending* const sending = sending_of(tcb, flights);
  if (sending == nullptr || sending->path.state != PathProbe::State::due) return;
  sending->path = {};
  update_mend(tcb, flights);
}

bool may_probe_path(const Tcb& tcb, const Sending& sending, std::uint32_t size) noexcept {
  const Scoreboard& board = sending.board;
  if (tcb.in_episode() || tcb.retries != 0 || tcb.resend_first || tcb.probe) return false;
  if (tcb.snd_pos != tcb.snd_nxt || board.lost() != 0 || board.sacked() != 0) return false;
  if (sending.probe_due || sending.probe_out) return false;
  const std::uint32_t wanted = size + segments_behind * tcb.mss;
  const std::uint32_t room = tcb.snd_wnd > tcb.in_flight() ? tcb.snd_wnd - tcb.in_flight() : 0;
  return tcb.snd_end - tcb.snd_pos >= static_cast<std::int32_t>(wanted) && room >= wanted &&
         tcb.cwnd >= wanted;
}

void path_probe_sent(PathProbe& probe, SeqNum left, SeqNum right, bool is_probe,
                     bool again) noexcept {
  if (is_probe) {
    probe.state = PathProbe::State::out;
    probe.left = left;
    probe.right = right;
  } else if (again && probe.state == PathProbe::State::out && left < probe.right &&
             probe.left < right) {
    probe.state = PathProbe::State::none;  // whether the long one has arrived cannot be told
  }
}

bool is_path_probe(const Tcb& tcb, const FlightPool& flights, SeqNum seq) noexcept {
  const Sending* const sending = sending_of(tcb, flights);
  return sending != nullptr && sending->path.state == PathProbe::State::out &&
         sending->path.left == seq;
}

void judge_path_probe(Tcb& tcb, Sending& sending, Verdict& verdict) noexcept {
  PathProbe& probe = sending.path;
  const bool out = probe.state == PathProbe::State::out;
  if (!out && probe.state != PathProbe::State::lost) return;
  if (probe.right <= tcb.snd_una) {
    probe.state = PathProbe::State::none;
    if (!out) return;
    raise(tcb, probe.size);
    verdict.path_news = PathNews::takes;
  } else if (out && sending.board.is_lost(probe.left)) {
    // Among others that are lost it says nothing (s.7.6.4).
    probe.state = PathProbe::State::none;
    if (!sending.board.all_lost_once(probe.left, probe.right)) return;
    probe.state = PathProbe::State::lost;
    verdict.path_news = PathNews::loses;
  } else {
    return;
  }
  verdict.path_mtu = datagram_size(tcb, probe.size);
}

bool only_path_probe_lost(const Sending& sending) noexcept {
  const PathProbe& probe = sending.path;
  return probe.state == PathProbe::State::lost &&
         sending.board.all_lost_once(probe.left, probe.right);
}

}  // namespace pollux::tcp
