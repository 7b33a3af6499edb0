#include "transport/tcp/listener.h"

#include <algorithm>

#include "transport/tcp/challenge.h"
#include "transport/tcp/congestion.h"
#include "transport/tcp/ecn.h"
#include "transport/tcp/timers.h"
#include "transport/tcp/timestamps.h"
#include "transport/tcp/window.h"

namespace pollux::tcp {

namespace {

/// The RTO of the entry's next SYN: no round trip is known, so it is the initial one, doubled each
/// time (RFC 6298 (5.5)).
Duration syn_timeout(const HalfOpen& entry, const Config& config) noexcept {
  Duration rto = config.initial_rto;
  for (int i = 0; i < entry.retries && rto < config.max_rto; ++i) rto *= 2;
  return std::min(rto, config.max_rto);
}

/// An acknowledgment, at most once in 512 ms (RFC 5961 s.7).
HalfOpenVerdict challenge(HalfOpen& entry, Drop drop, const Now& now) noexcept {
  using Action = HalfOpenVerdict::Action;
  const auto slot = static_cast<std::uint16_t>(challenge_slot<65'535>(now));
  if (slot == entry.challenge_slot) return {Action::ignore, drop};
  entry.challenge_slot = slot;
  return {Action::acknowledge, drop, true};
}

}  // namespace

ListenAction listen_arrives(const Segment& segment) noexcept {
  if (segment.has(control::rst)) return ListenAction::ignore;       // first
  if (segment.has(control::ack)) return ListenAction::reset_reply;  // second
  if (segment.has(control::syn)) return ListenAction::half_open;    // third
  return ListenAction::ignore;                                      // fourth
}

bool agrees_on_timestamps(const Config& config, const Segment& syn) noexcept {
  return offers_timestamps(config) && syn.options.timestamps.has_value();
}

HalfOpen make_half_open(const Config& config, const wire::FourTuple& tuple, const Segment& syn,
                        SeqNum iss, std::uint16_t listener, const Now& now) noexcept {
  HalfOpen entry;
  entry.tuple = tuple;
  entry.iss = iss;
  entry.irs = syn.seq;
  entry.created = Micros32{now};
  entry.peer_mss = syn.options.mss.value_or(default_mss);  // MUST-15
  entry.peer_window = syn.window;
  entry.listener = listener;
  entry.scaled = config.offer_window_scale && syn.options.window_scale.has_value();
  if (entry.scaled) {
    entry.snd_shift = std::min(*syn.options.window_scale, wire::TcpOptions::max_window_scale);
  }
  entry.sack = config.sack && syn.options.sack_permitted;
  entry.ecn = accepts_ecn(config, syn);
  entry.timestamps = agrees_on_timestamps(config, syn);
  if (entry.timestamps) entry.ts_recent = syn.options.timestamps->value;
  entry.fast_open = config.fast_open && syn.options.fast_open_length != 0;
  entry.deadline = later(now, syn_timeout(entry, config));
  return entry;
}

Segment syn_ack(const HalfOpen& entry, const Config& config) noexcept {
  Segment out;
  out.seq = entry.iss;
  out.ack = entry.irs + 1;
  out.control = control::syn | control::ack;
  out.window = syn_window(config);
  out.options.mss = config.mss;  // MUST-14
  if (entry.scaled) out.options.window_scale = offered_scale(config);
  out.options.sack_permitted = entry.sack;
  if (entry.ecn) out.control |= control::ece;
  put_timestamps(entry, out);
  return out;
}

Segment syn_ack_again(HalfOpen& entry, const Config& config) noexcept {
  entry.resent = true;
  return syn_ack(entry, config);
}

Segment acknowledgment(const HalfOpen& entry, const Config& config) noexcept {
  Segment out;
  out.seq = entry.iss + 1;
  out.ack = entry.irs + 1;
  out.control = control::ack;
  const int shift = entry.scaled ? offered_scale(config) : 0;
  out.window = static_cast<std::uint16_t>(syn_window(config) >> shift);
  put_timestamps(entry, out);
  return out;
}

Segment reset(const HalfOpen& entry) noexcept {
  Segment out;
  out.seq = entry.iss + 1;
  out.ack = entry.irs + 1;
  out.control = control::rst | control::ack;
  put_timestamps(entry, out);
  return out;
}

HalfOpenVerdict segment_arrives(HalfOpen& entry, const Config& config, const Segment& segment,
                                const Now& now) noexcept {
  using Action = HalfOpenVerdict::Action;
  const SeqNum rcv_nxt = entry.irs + 1;
  const SeqNum rcv_adv = rcv_nxt + syn_window(config);
  const bool reset = segment.has(control::rst);
  const bool syn = segment.has(control::syn);

  if (entry.timestamps && segment.options.timestamps && !reset &&
      is_before(segment.options.timestamps->value, entry.ts_recent)) {
    return challenge(entry, Drop::tcp_paws, now);  // RFC 7323 s.5.3
  }
  // First, check sequence number. The SYN that we know is old, but tells that ours was lost.
  if (syn && !reset && segment.seq == entry.irs) {
    if (segment.has(control::ack)) return challenge(entry, Drop::tcp_bad_sequence, now);
    // One that no longer asks for ECN has fallen back (RFC 3168 s.6.1.1, s.6.1.1.1).
    entry.ecn = entry.ecn && accepts_ecn(config, segment);
    return {Action::send_syn_ack, Drop::tcp_bad_sequence};
  }
  const std::uint32_t length = reset ? 0 : segment.len();  // a reset counts by its number alone
  const bool acceptable = length == 0 ? rcv_nxt <= segment.seq && segment.seq < rcv_adv
                                      : segment.seq < rcv_adv && rcv_nxt < segment.seq + length;
  if (!acceptable) {
    if (reset) return {Action::ignore, Drop::tcp_bad_reset};
    if (!always_answered(segment)) return challenge(entry, Drop::tcp_bad_sequence, now);
    return {Action::acknowledge, Drop::tcp_bad_sequence};
  }
  // Second, check the RST bit (RFC 5961 s.3).
  if (reset) {
    if (segment.seq != rcv_nxt) return challenge(entry, Drop::tcp_bad_reset, now);
    return {Action::drop_entry, Drop::tcp_bad_reset};
  }
  // Fourth, check the SYN bit.
  if (syn) return {Action::drop_entry, Drop::tcp_unexpected_syn};
  // Fifth, check the ACK field.
  if (!segment.has(control::ack)) return {Action::ignore, Drop::tcp_no_ack};
  if (segment.ack != entry.iss + 1) return {Action::reset_reply, Drop::tcp_bad_ack};
  return {Action::make_connection, Drop::none};
}

HalfOpenTimeout timeout(HalfOpen& entry, const Config& config, const Now& now) noexcept {
  if (Millis32{now} < entry.deadline) return HalfOpenTimeout::early;
  if (entry.retries >= config.syn_ack_retries) return HalfOpenTimeout::give_up;
  ++entry.retries;
  entry.deadline = later(now, syn_timeout(entry, config));
  return HalfOpenTimeout::resend;
}

Tcb accept(const HalfOpen& entry, const Config& config, const Now& now) noexcept {
  Tcb tcb;
  tcb.state = State::syn_received;
  tcb.iss = entry.iss;
  tcb.irs = entry.irs;
  tcb.snd_una = tcb.recover = entry.iss;
  tcb.snd_nxt = tcb.snd_pos = tcb.snd_end = entry.iss + 1;
  tcb.rcv_nxt = entry.irs + 1;
  tcb.rcv_adv = tcb.rcv_nxt + syn_window(config);
  tcb.snd_wl1 = entry.irs;
  tcb.snd_wnd = tcb.max_snd_wnd = entry.peer_window;
  tcb.mss = std::max(std::min(entry.peer_mss, config.mss), min_mss);  // MUST-16
  tcb.scale_offered = config.offer_window_scale;
  if (entry.scaled) {
    tcb.snd_shift = entry.snd_shift & 0xF;
    tcb.rcv_shift = offered_scale(config) & 0xF;
  }
  tcb.sack = entry.sack;
  tcb.ecn = entry.ecn;
  if (entry.timestamps) agree_on_timestamps(tcb, entry.ts_recent, now);
  tcb.nagle = config.nagle;
  tcb.sent_at = Millis32{now};
  tcb.syn_resent = entry.resent;
  if (!entry.resent && !entry.from_cookie) {  // Karn
    tcb.timing = true;
    tcb.timed_seq = tcb.snd_nxt;
    tcb.timed_at = entry.created;
  }
  return tcb;
}

Tcb accept_fast_open(const HalfOpen& entry, const Config& config, const Segment& syn,
                     const Now& now) noexcept {
  Tcb tcb = accept(entry, config, now);
  tcb.state = State::established;
  tcb.snd_nxt = tcb.snd_pos = entry.iss;
  tcb.timing = false;
  const std::uint32_t text = std::min(syn.text, tcb.rcv_wnd());
  tcb.unread = text;
  tcb.rcv_nxt += text;
  if (syn.has(control::fin) && text == syn.text && tcb.rcv_wnd() > 0) {
    tcb.rcv_nxt += 1;
    tcb.state = State::close_wait;
  }
  open_congestion_window(tcb, config);
  return tcb;
}

}  // namespace pollux::tcp
