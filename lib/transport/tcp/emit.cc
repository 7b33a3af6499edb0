#include <algorithm>
#include <array>
#include <type_traits>

#include "base/assert.h"
#include "base/inline.h"
#include "transport/tcp/congestion.h"
#include "transport/tcp/ecn.h"
#include "transport/tcp/fast_open.h"
#include "transport/tcp/pacing.h"
#include "transport/tcp/path_probe.h"
#include "transport/tcp/plain.h"
#include "transport/tcp/recovery.h"
#include "transport/tcp/tcp.h"
#include "transport/tcp/timers.h"
#include "transport/tcp/timestamps.h"
#include "transport/tcp/window.h"

/// What to send now: cutting the queue into segments under the peer's window, cwnd, Nagle's
/// algorithm and silly-window avoidance, and acknowledging, on those segments or alone.
namespace pollux::tcp {

namespace {

/// The next segment, before its bookkeeping.
struct Plan {
  enum class What : std::uint8_t {
    nothing,
    held,  // nothing as yet: there is text, but it is not its time
    syn,
    stream,
    first_again,  // once more, from snd_una
    lost_again,   // once more, from within what is in flight
    probe,
    path_probe,
    ack,
    keepalive
  };
  What what = What::nothing;
  SeqNum seq;
  std::uint32_t text = 0;
  bool fin = false;
  bool sends() const noexcept { return what > What::held; }
  /// SEG.LEN of it.
  std::uint32_t len() const noexcept { return text + (fin ? 1 : 0) + (what == What::syn ? 1 : 0); }
};

/// Our SYN. The first of a fast open has text where its cookie is known, and none that is sent
/// again has: it may be the text that got it lost (RFC 7413 s.4.2.2). All the room for options is
/// left to them, and to those that a middlebox adds.
Plan plan_syn(const Tcb& tcb) noexcept {
  constexpr std::uint32_t options = wire::TcpOptions::max_size;
  Plan plan{.what = Plan::What::syn, .seq = tcb.iss};
  if (!asks_for_fast_open(tcb)) return plan;
  const auto queued = static_cast<std::uint32_t>(tcb.snd_end - tcb.iss) - 1;
  const std::uint32_t segment = std::min(tcb.snd_wnd, std::uint32_t{tcb.mss});
  plan.text = std::min(queued, segment > options ? segment - options : 0);
  return plan;
}

/// What is in flight once more, from `left` on and up to `right`: no more of it than the peer now
/// takes (SHLD-16), which may be nothing.
Plan plan_again(const Tcb& tcb, Plan::What what, SeqNum left, SeqNum right) noexcept {
  const auto before = static_cast<std::uint32_t>(left - tcb.snd_una);
  const std::uint32_t usable = tcb.snd_wnd > before ? tcb.snd_wnd - before : 0;
  const SeqNum end_of_text = min(min(tcb.snd_end, tcb.snd_nxt), right);
  const auto text = static_cast<std::uint32_t>(max(end_of_text, left) - left);
  Plan plan{.what = what, .seq = left};
  plan.text = std::min({text, std::uint32_t{tcb.mss}, usable});
  plan.fin =
      tcb.fin_sent() && right == tcb.snd_nxt && plan.text == text && (text == 0 || text < usable);
  return plan.text != 0 || plan.fin ? plan : Plan{};
}

/// The segment at snd_una once more. One byte of it goes into a closed window, too.
Plan plan_first_again(const Tcb& tcb) noexcept {
  const Plan plan = plan_again(tcb, Plan::What::first_again, tcb.snd_una, tcb.snd_nxt);
  if (plan.what != Plan::What::nothing) return plan;
  return {.what = Plan::What::first_again, .seq = tcb.snd_una, .text = 1};
}

/// What the scoreboard says is lost, where cwnd takes it (RFC 6675 s.5 (C)).
Plan plan_lost_again(const Tcb& tcb, const Sending& sending) noexcept {
  const auto lost = sending.board.first_lost();
  if (!lost) return {};
  const Plan plan = plan_again(tcb, Plan::What::lost_again, lost->left, lost->right);
  return sending.board.pipe() + plan.text <= tcb.cwnd ? plan : Plan{};
}

/// One byte, or a lone FIN, into a closed window (s.3.8.6.1); and what fits where the window is
/// merely small and the override timer has expired (s.3.8.6.2.1 (4)).
Plan plan_probe(const Tcb& tcb) noexcept {
  const auto text = static_cast<std::uint32_t>(max(tcb.snd_end, tcb.snd_una) - tcb.snd_una);
  Plan plan{.what = Plan::What::probe, .seq = tcb.snd_una};
  plan.text = std::min({text, std::uint32_t{tcb.mss}, std::max(tcb.snd_wnd, 1u)});
  plan.fin = tcb.fin_queued && plan.text == text && (text == 0 || text < tcb.snd_wnd);
  return plan;
}

/// Whether the text is worth a segment: the sender's silly-window avoidance (s.3.8.6.2.1, MUST-38)
/// with Nagle's algorithm (s.3.7.4, SHLD-7). All text counts as pushed; a FIN ends the waiting for
/// more. `usable` is what the peer's window takes from snd_pos on.
bool worth_sending(const Tcb& tcb, const Plan& plan, std::uint32_t usable) noexcept {
  if (plan.text >= tcb.mss || plan.fin) return true;
  if (plan.text == 0) return false;
  const bool all = plan.seq + plan.text == tcb.snd_end;
  // Sent again, it may be as small as the window asks; but cwnd alone cuts nothing small.
  if (plan.seq + plan.text <= tcb.snd_nxt) return all || plan.text == usable;
  const bool idle_or_eager =
      plan.seq == tcb.snd_una || !tcb.nagle || (!tcb.syn_acked && plan.seq == tcb.iss + 1);
  return idle_or_eager && (all || plan.text >= tcb.max_snd_wnd / 2);
}

/// What cwnd takes from snd_pos on. With a scoreboard, and nothing to go back to, it is what is
/// believed to be in the network that counts.
POLLUX_INLINE inline std::uint32_t congestion_room(const Tcb& tcb, const Sending* board) noexcept {
  const bool by_board = board != nullptr && tcb.snd_pos == tcb.snd_nxt;
  // A SYN is no text: what follows one has all of the window.
  const SeqNum first = tcb.syn_acked ? tcb.snd_una : tcb.snd_una + 1;
  const std::uint32_t used =
      by_board ? board->board.pipe() : static_cast<std::uint32_t>(tcb.snd_pos - first);
  const std::uint32_t window = tcb.cwnd + (by_board ? 0 : limited_transmit(tcb));
  return window > used ? window - used : 0;
}

std::uint32_t peer_room(const Tcb& tcb) noexcept {
  const auto sent = static_cast<std::uint32_t>(tcb.snd_pos - tcb.snd_una);
  return tcb.snd_wnd > sent ? tcb.snd_wnd - sent : 0;
}

/// Whether it is cwnd that ends a burst, and neither the peer's window nor what is queued: then it
/// may grow. What is only held will go on to whichever comes first.
void note_limit(Tcb& tcb, const FlightPool& flights, bool held) noexcept {
  tcb.cwnd_limited = false;
  tcb.paced = false;
  if (!held && tcb.in_flight() + tcb.mss <= tcb.cwnd) return;  // and still less, with a scoreboard
  const std::uint32_t room = congestion_room(tcb, scoreboard_of(tcb, flights));
  const std::uint32_t to_come = held ? static_cast<std::uint32_t>(tcb.snd_end - tcb.snd_pos) : 0;
  tcb.cwnd_limited = room < std::max<std::uint32_t>(tcb.mss, to_come) && room <= peer_room(tcb);
}

/// The most segments that one packet is cut into: what every driver takes, and few enough that text
/// keeps being clocked out by ACKs.
constexpr std::uint32_t most_segments = 64;

/// The most text that one packet of the stream takes: a segment's or, where the device cuts what is
/// longer, several: of what is paced, no more than a tick's. CWR is for one segment alone (RFC 3168
/// s.6.1.2), and not every device knows.
std::uint32_t longest_text(const Tcb& tcb, const Config& config) noexcept {
  if (config.packet_text <= tcb.mss || tcb.cwr_due) return tcb.mss;
  std::uint32_t segments = most_segments;
  if (paces(tcb, config)) {
    const std::uint64_t tick_text = std::uint64_t{paced_window(tcb)} * 8'000 / tcb.srtt_8;
    segments = std::clamp(static_cast<std::uint32_t>(tick_text / tcb.mss), 2u, most_segments);
  }
  return std::min(config.packet_text, segments * tcb.mss);
}

/// What comes next from the queue at snd_pos, and the FIN behind it. More than a segment is a whole
/// number of full ones.
POLLUX_INLINE inline Plan plan_stream(const Tcb& tcb, const Config& config,
                                      std::uint32_t congestion_room) noexcept {
  if (tcb.snd_pos == tcb.stream_end()) return {};
  const std::uint32_t usable = peer_room(tcb);
  const auto queued = static_cast<std::uint32_t>(tcb.snd_end - tcb.snd_pos);

  Plan plan{.what = Plan::What::stream, .seq = tcb.snd_pos};
  plan.text = std::min({queued, longest_text(tcb, config), usable, congestion_room});
  if (plan.text > tcb.mss) plan.text -= plan.text % tcb.mss;
  plan.fin = tcb.fin_queued && plan.text == queued && plan.text < usable;
  return worth_sending(tcb, plan, usable) ? plan : Plan{};
}

/// A tail loss probe (RFC 8985 s.7.3): new text whatever cwnd says, else the last segment again. It
/// begins a whole number of segments from the front, or with its burst.
Plan plan_tail_probe(const Tcb& tcb, const Config& config, const Scoreboard& board) noexcept {
  const Plan fresh = plan_stream(tcb, config, tcb.mss);
  if (fresh.what != Plan::What::nothing) return fresh;
  const std::uint32_t text = tcb.in_flight() - (tcb.fin_sent() ? 1 : 0);
  const std::uint32_t before = text == 0 ? 0 : (text - 1) / tcb.mss * tcb.mss;
  const SeqNum burst = board.size() == 0 ? tcb.snd_una : board[board.size() - 1].left;
  return plan_again(tcb, Plan::What::lost_again, max(tcb.snd_una + before, burst), tcb.snd_nxt);
}

/// What the scoreboard asks for before anything new.
Plan plan_mending(const Tcb& tcb, const Config& config, const Sending& sending) noexcept {
  const Plan plan = sending.probe_due ? plan_tail_probe(tcb, config, sending.board) : Plan{};
  return plan.what != Plan::What::nothing ? plan : plan_lost_again(tcb, sending);
}

/// A segment longer than the path is known to take: it waits until cwnd has room for all of it.
Plan plan_path_probe(const Tcb& tcb, const Sending& sending) noexcept {
  if (congestion_room(tcb, &sending) < sending.path.size) return {};
  return {.what = Plan::What::path_probe, .seq = tcb.snd_pos, .text = sending.path.size};
}

Plan make_plan(const Tcb& tcb, const Config& config, const FlightPool& flights) noexcept {
  if (tcb.state == State::closed) return {};
  if (!tcb.syn_acked && (tcb.snd_pos == tcb.iss || tcb.resend_first)) return plan_syn(tcb);
  if (tcb.state == State::syn_sent) return {};
  if (tcb.synchronized()) {
    // Full segments would leave no room to tell of what has come past a gap.
    if (tcb.ack_now && tcb.sack && holds_text(tcb, flights)) {
      return {.what = Plan::What::ack, .seq = next_seq(tcb)};
    }
    if (tcb.resend_first) return plan_first_again(tcb);
    if (tcb.probe) return plan_probe(tcb);
    const Sending* const board = scoreboard_of(tcb, flights);
    bool probes_path = false;
    if (tcb.mend && board != nullptr) {
      const Plan plan = plan_mending(tcb, config, *board);
      if (plan.what != Plan::What::nothing) return plan;
      probes_path = board->path.state == PathProbe::State::due &&
                    may_probe_path(tcb, *board, board->path.size);
    }
    const Plan plan = probes_path ? plan_path_probe(tcb, *board)
                                  : plan_stream(tcb, config, congestion_room(tcb, board));
    if (plan.what != Plan::What::nothing) return plan;
  }
  if (tcb.ack_now) return {.what = Plan::What::ack, .seq = next_seq(tcb)};
  // s.3.8.4: no text, and a number that the peer has already acknowledged, so that it answers.
  if (tcb.keepalive_due) return {.what = Plan::What::keepalive, .seq = tcb.snd_nxt - 1};
  return {};
}

/// What is left of a plan before its time. A probe of the tail does not wait, nor does a lone FIN,
/// which is no load, nor anything when there is no ACK to come.
Plan hold_back(const Tcb& tcb, const Sending& sending, const Plan& plan, const Now& now) noexcept {
  const bool may_wait = plan.what == Plan::What::stream || plan.what == Plan::What::lost_again ||
                        plan.what == Plan::What::path_probe;
  if (!may_wait || plan.text == 0 || tcb.in_flight() == 0 || sending.probe_due ||
      !sending.pacer.holds(now)) {
    return plan;
  }
  if (tcb.ack_now) return {.what = Plan::What::ack, .seq = next_seq(tcb)};
  return {.what = Plan::What::held, .seq = plan.seq};
}

/// The window field, and the right edge that the peer learns by it (SHLD-14: it never retreats; the
/// field may say up to 2^rcv_shift - 1 less than the edge as RCV.NXT moves, RFC 7323 s.2.4).
POLLUX_INLINE inline std::uint16_t advertise(Tcb& tcb, const Config& config) noexcept {
  if (tcb.may_receive()) {
    const std::uint32_t advance = right_edge_advance(tcb, config);
    tcb.rcv_adv += advance;
    POLLUX_ASSERT(advance == 0 || tcb.unread + tcb.rcv_wnd() <= config.receive_buffer);
  }
  return static_cast<std::uint16_t>(std::min(tcb.rcv_wnd() >> tcb.rcv_shift, max_window_field));
}

template <Kind kind>
POLLUX_INLINE inline void write_syn(const Tcb& tcb, const Config& config, const FlightPool& flights,
                                    Segment& out) noexcept {
  const bool first = kind == Kind::plain || tcb.state == State::syn_sent;
  out.control = control::syn;
  // What has come with the peer's SYN counts.
  out.window = static_cast<std::uint16_t>(first ? syn_window(config)
                                                : std::min(tcb.rcv_wnd(), max_window_field));
  out.options.mss = config.mss;  // MUST-14
  // The answer to a SYN offers it only where that SYN did (RFC 7323 s.2.2).
  const bool agreed = first || tcb.snd_shift != 0 || tcb.rcv_shift != 0;
  if (tcb.scale_offered && agreed) out.options.window_scale = offered_scale(config);
  if (first && offers_timestamps(config)) out.options.timestamps.emplace();
  if (first) {
    if (asks_for_ecn(tcb, config)) out.control |= control::ece | control::cwr;
  } else if (tcb.ecn) {
    out.control |= control::ece;
  }
  out.options.sack_permitted = tcb.sack || (first && config.sack);
  if (kind == Kind::plain || !asks_for_fast_open(tcb)) return;
  out.options.set_fast_open(flights[tcb.flight].cookie);
}

/// Something is on its way that was sent in an earlier burst.
bool in_second_burst(const Tcb& tcb, const Now& now) noexcept {
  return tcb.in_flight() > 0 && !(tcb.timing && tcb.timed_at == Micros32{now});
}

/// Pacing begins where a scoreboard does, whether or not there is one: what leaves takes its time.
void pace(Tcb& tcb, FlightPool& flights, std::uint32_t bytes, const Now& now) noexcept {
  Sending* sending = sending_of(tcb, flights);
  if (sending == nullptr && in_second_burst(tcb, now)) sending = remember(tcb, flights);
  if (sending != nullptr) sending->pacer.sent(tcb, bytes, sending->rack.round_trip_us(), now);
}

/// What leaves is paced, or is a part of what may leave at once.
void note_pace(Tcb& tcb, const Config& config, FlightPool& flights, std::uint32_t bytes,
               const Now& now) noexcept {
  if (paces(tcb, config)) {
    pace(tcb, flights, bytes, now);
  } else if (Sending* const sending = sending_of(tcb, flights)) {
    sending->pacer.unpaced(bytes);
  }
}

/// Notes in the scoreboard what leaves. One begins where something is on its way that was sent in
/// an earlier burst: of a single burst all is known from the segment that is timed.
void note_sent(Tcb& tcb, FlightPool& flights, SeqNum left, SeqNum right, bool path_probe,
               const Now& now) noexcept {
  if (!tcb.sack || !tcb.syn_acked) return;
  Sending* sending = scoreboard_of(tcb, flights);
  if (sending == nullptr) {
    if (in_second_burst(tcb, now)) sending = begin_scoreboard(tcb, flights, tcb.snd_una, now);
    if (sending == nullptr) return;
  }
  const bool again = left < tcb.snd_nxt;
  sending->board.sent(left, right, Micros32{now}, scoreboard_grain(tcb.srtt_8 / 8));
  if (tcb.recovering) sending->prr_out += static_cast<std::uint32_t>(right - left);
  if (again) sending->undo_pending += static_cast<std::uint32_t>(right - left);
  if (sending->path.state != PathProbe::State::none) [[unlikely]]
    path_probe_sent(sending->path, left, right, path_probe, again);
  if (!sending->probe_due) return;
  sending->probe_due = false;
  sending->probe_out = true;
  sending->probe_again = again;
  sending->probe_end = max(tcb.snd_nxt, right);
  sending->probe_size = static_cast<std::uint32_t>(right - left);
}

/// New text puts off the probe of the tail (RFC 8985 s.7.2), but not beyond the RTO of what is
/// first in flight.
void move_tail_probe(Tcb& tcb, const Config& config, const FlightPool& flights,
                     const Now& now) noexcept {
  if (!tcb.sack || tcb.timer == Timer::reordering || tcb.user_timeout_ms != 0) return;
  const Sending* const sending = scoreboard_of(tcb, flights);
  const bool known = sending != nullptr && sending->board.size() != 0;
  const Duration age = Micros32{now} - (known ? sending->board[0].first_at : tcb.timed_at);
  const Duration left = retransmission_timeout(tcb, config) - age;
  if (age < 0us || left <= 0us) return;
  tcb.retransmit_at = later(now, left);
  tcb.timer = Timer::retransmission;
  arm_tail_probe(tcb, now);
}

/// Accounts for sequence numbers that leave.
template <Kind kind>
POLLUX_INLINE inline void sent(Tcb& tcb, const Config& config, FlightPool& flights,
                               const Plan& plan, const Now& now, bool may_probe) noexcept {
  const SeqNum end = plan.seq + plan.len();
  const bool again = kind == Kind::any && plan.seq < tcb.snd_nxt;
  const bool closed_window_probe = plan.what == Plan::What::probe && tcb.snd_wnd == 0;
  if (kind == Kind::any) {
    note_sent(tcb, flights, plan.seq, end, plan.what == Plan::What::path_probe, now);
    note_pace(tcb, config, flights, plan.len(), now);
  }
  // Nothing before it is on its way: a timer that runs was started for something else, a closed
  // window or silly-window avoidance.
  const bool alone =
      kind == Kind::plain ||
      (plan.seq == tcb.snd_una &&
       (plan.what == Plan::What::stream || plan.what == Plan::What::probe || tcb.in_flight() == 0));
  if (again) {
    tcb.timing = false;  // Karn: its ACK would be ambiguous
  } else if (!closed_window_probe) {
    if (!tcb.timing) {
      tcb.timing = true;
      tcb.timed_seq = end;
      tcb.timed_at = Micros32{now};
    }
    // The user's limit is that of the first that is not acknowledged.
    if (kind == Kind::plain || tcb.user_timeout_ms == 0 || tcb.in_flight() == 0)
      tcb.sent_at = Millis32{now};
  }
  tcb.snd_nxt = kind == Kind::plain ? end : max(tcb.snd_nxt, end);
  switch (plan.what) {
    case Plan::What::first_again:
      tcb.resend_first = false;
      tcb.snd_pos = max(tcb.snd_pos, end);
      break;
    case Plan::What::probe:
      tcb.probe = false;
      // A byte that the peer has no room for is most likely dropped: it will be sent again first.
      tcb.snd_pos = closed_window_probe ? tcb.snd_una : max(tcb.snd_pos, end);
      break;
    case Plan::What::syn:
      tcb.resend_first = false;
      tcb.snd_pos = kind == Kind::plain ? end : max(tcb.snd_pos, end);
      break;
    case Plan::What::stream:
    case Plan::What::path_probe:
      tcb.snd_pos = end;
      break;
    case Plan::What::lost_again:
    case Plan::What::nothing:
    case Plan::What::held:
    case Plan::What::ack:
    case Plan::What::keepalive:
      break;
  }
  if (kind == Kind::plain) {
    arm_retransmit(tcb, config, now, may_probe);
  } else if (alone || !tcb.retransmit_armed) {
    arm_retransmit(tcb, config, now);  // RFC 6298 (5.1)
  } else if (!again) {
    move_tail_probe(tcb, config, flights, now);
  }
}

/// Tells what has come past the gap (RFC 2018 s.4), or twice, where the segment's text leaves room
/// for it.
void put_sack(Tcb& tcb, FlightPool& flights, Segment& out) noexcept {
  if (!tcb.sack || tcb.flight == FlightPool::none || out.has(control::syn)) return;
  constexpr std::uint32_t block = 8;
  constexpr std::uint32_t header = 4;
  const std::uint32_t room = out.text < tcb.mss ? tcb.mss - out.text : 0;
  if (room < header + block) return;
  const std::uint32_t fit = std::min((room - header) / block, tcb.timestamps ? 3u : 4u);
  std::array<OutOfOrder::Range, OutOfOrder::max_reported> ranges;
  OutOfOrder& held = flights[tcb.flight].out_of_order;
  const std::uint8_t count = held.report(static_cast<std::uint8_t>(fit), ranges.data());
  held.reported();
  for (std::uint8_t i = 0; i < count; ++i) {
    out.options.sack[i] = {ranges[i].left, ranges[i].right};
  }
  out.options.sack_count = count;
  if (flight_is_idle(tcb, flights)) release(tcb, flights);
}

template <Kind kind, class Out>
POLLUX_INLINE inline void write(Tcb& tcb, const Config& config, FlightPool& flights,
                                const Plan& plan, const Now& now, Out& out) noexcept {
  // Asked before any of its bits is written.
  const bool may_probe =
      kind == Kind::plain && plan.what == Plan::What::stream && may_probe_tail<Kind::plain>(tcb);
  out = Out{};
  out.seq = plan.seq;
  out.text = plan.text;
  if (plan.what == Plan::What::syn) {
    if constexpr (std::is_same_v<Out, Segment>) write_syn<kind>(tcb, config, flights, out);
  } else {
    out.window = advertise(tcb, config);
    if (plan.fin) out.control |= control::fin;
    // Everything that is queued is in flight with this: the peer need not wait for more.
    if (plan.text > 0 && plan.seq + plan.text == tcb.snd_end) out.control |= control::psh;
    if constexpr (kind == Kind::any) {
      if (plan.what == Plan::What::stream && plan.text > tcb.mss) out.cut = tcb.mss;
      put_ecn(tcb, out, plan.what != Plan::What::probe || tcb.snd_wnd != 0);
    }
  }
  put_timestamps(tcb, out);
  if constexpr (kind == Kind::any) put_sack(tcb, flights, out);
  if (kind == Kind::plain ? plan.what != Plan::What::syn : tcb.state != State::syn_sent) {
    out.control |= control::ack;
    out.ack = tcb.rcv_nxt;
    tcb.ack_now = false;
    tcb.ack_pending = 0;
    tcb.ack_armed = false;
  }
  if (plan.len() > 0) sent<kind>(tcb, config, flights, plan, now, may_probe);
  // Text asks as well as a probe does; an ACK alone asks for nothing.
  if (kind == Kind::any && plan.what != Plan::What::ack) tcb.keepalive_due = false;
}

/// The short way of what the functions of plain.h say is to be sent: it, and then nothing.
template <class Out>
POLLUX_INLINE inline void write_plain(Tcb& tcb, const Config& config, FlightPool& flights,
                                      const Plan& plan, const Now& now, Out& out) noexcept {
  write<Kind::plain>(tcb, config, flights, plan, now, out);
  if (plan.what == Plan::What::ack && tcb.state == State::time_wait) return;
  tcb.cwnd_limited = plan.what == Plan::What::syn;
  tcb.paced = false;
  update_deadline(tcb);
}

[[gnu::noinline]] void write_plain_syn(Tcb& tcb, const Config& config, FlightPool& flights,
                                       const Now& now, Segment& out) noexcept {
  write_plain(tcb, config, flights, {.what = Plan::What::syn, .seq = tcb.iss}, now, out);
}

}  // namespace

void drop_duplicate_report(Segment& ack) noexcept {
  auto& options = ack.options;
  if (options.sack_count == 0) return;
  // RFC 2883 s.4: it lies before the ACK, or within the block behind it.
  const auto first = options.sack[0];
  const bool within = options.sack_count > 1 && options.sack[1].left <= first.left &&
                      first.right <= options.sack[1].right;
  if (ack.ack < first.right && !within) return;
  std::copy(options.sack.begin() + 1, options.sack.begin() + options.sack_count,
            options.sack.begin());
  --options.sack_count;
}

Emit any_next_segment(Tcb& tcb, const Config& config, FlightPool& flights, const Now& now,
                      Segment& out) noexcept {
  if (tcb.state == State::time_wait) {  // all that is left is the ACK of the peer's FIN
    if (!tcb.ack_now) return Emit::none;
    write<Kind::any>(tcb, config, flights, {.what = Plan::What::ack, .seq = tcb.snd_nxt}, now, out);
    return Emit::last;
  }
  if (tcb.in_flight() == 0 && tcb.snd_pos != tcb.snd_end && tcb.synchronized()) {
    restart_after_idle(tcb, config, flights, now);
  }
  Plan plan = make_plan(tcb, config, flights);
  if (tcb.flight != no_flight) plan = hold_back(tcb, flights[tcb.flight].sending, plan, now);
  if (plan.sends()) write<Kind::any>(tcb, config, flights, plan, now, out);
  if (tcb.mend) update_mend(tcb, flights);
  Plan next = may_send_something(tcb) ? make_plan(tcb, config, flights) : Plan{};
  if (tcb.flight != no_flight) next = hold_back(tcb, flights[tcb.flight].sending, next, now);
  const bool more = next.sends();
  const bool held = next.what == Plan::What::held;
  if (!more) note_limit(tcb, flights, held);
  if (!more && !tcb.retransmit_armed && tcb.synchronized() && tcb.snd_pos != tcb.stream_end()) {
    // Something waits and nothing is in flight whose ACK would call us back: the window is closed
    // (s.3.8.6.1, first probe after one RTO) or too small (s.3.8.6.2.1 (4), override).
    tcb.sent_at = Millis32{now};  // the user's limit counts from here
    arm_retransmit(tcb, config, now);
  }
  update_deadline(tcb);
  if (held) await_pace(tcb, flights[tcb.flight].sending.pacer.due(), now);
  if (!plan.sends()) return Emit::none;
  return more ? Emit::more : Emit::last;
}

bool next_plain_segment(Tcb& tcb, const Config& config, FlightPool& flights, const Now& now,
                        PlainSegment& out) noexcept {
  if (!is_plain_sender(tcb)) return false;
  if (sends_plain_text(tcb, config)) {
    Plan plan{.what = Plan::What::stream, .seq = tcb.snd_pos};
    plan.text = static_cast<std::uint32_t>(tcb.snd_end - tcb.snd_pos);
    plan.fin = tcb.fin_queued;
    write_plain(tcb, config, flights, plan, now, out);
    return true;
  }
  if (!sends_plain_ack(tcb, config)) return false;
  write_plain(tcb, config, flights, {.what = Plan::What::ack, .seq = tcb.snd_nxt}, now, out);
  return true;
}

Emit next_segment(Tcb& tcb, const Config& config, FlightPool& flights, const Now& now,
                  Segment& out) noexcept {
  if (sends_plain_syn(tcb) && is_plain_sender(tcb)) {
    write_plain_syn(tcb, config, flights, now, out);
    return Emit::last;
  }
  PlainSegment plain;
  if (next_plain_segment(tcb, config, flights, now, plain)) {
    out = plain.whole();
    return Emit::last;
  }
  return any_next_segment(tcb, config, flights, now, out);
}

}  // namespace pollux::tcp
