#include "tests/script_run.h"

#include <algorithm>
#include <utility>

#include "transport/tcp/invariants.h"

namespace pollux::test {

using tcp::Verdict;

namespace {

/// A timer of a script that fires more often than this has run wild.
constexpr int max_timeouts_a_step = 10'000;

}  // namespace

Run::Run(const Setup& setup, SeqNum iss, SeqNum irs)
    : setup_(setup),
      iss_(iss),
      irs_(irs),
      pool_(*tcp::FlightPool::make(setup.flights)),
      waiting_(*tcp::TimeWaitQueue::make(4)),
      now_(Instant{} + 1000s),
      start_(now_) {}

void Run::fail(std::string what) {
  if (failure_.empty()) failure_ = std::move(what);
}

// --- beginnings ---

void Run::open_active() {
  tcb_ = tcp::open_active(setup_.config, iss_, now_);
  phase_ = Phase::connection;
  if (setup_.syn_text != 0) {
    const bool begun = tcp::begin_fast_open(tcb_, pool_, {.cookie = {.size = 8}, .peer_mss = 1000});
    if (!begun) fail("there is no flight for the cookie");
    tcp::send(tcb_, setup_.syn_text);
  }
  emit();
}

void Run::listen() { phase_ = Phase::listening; }

void Run::establish() {
  open_active();
  sends({.seq = 0_seq, .control = syn});
  at(setup_.round_trip);
  arrives({.seq = 0_seq, .ack = 1_seq, .control = syn});
  sends({.seq = 1_seq, .ack = 1_seq});
  start_ = now_;
}

void Run::open_simultaneously() {
  open_active();
  sends({.seq = 0_seq, .control = syn});
  arrives({.seq = 0_seq, .control = syn});
  sends({.seq = 0_seq, .ack = 1_seq, .control = syn});
}

// --- what happens ---

Segment Run::to_wire(const Seg& segment) const {
  Segment out;
  out.seq = irs_ + segment.seq.value();
  if (segment.ack) {
    out.ack = iss_ + segment.ack->value();
    out.control |= wire::control::ack;
  }
  out.control |= segment.control;
  if (segment.push.value_or(false)) out.control |= wire::control::psh;
  out.text = segment.text;
  out.ecn = segment.ecn.value_or(0);
  out.window = segment.window.value_or(setup_.peer_window);
  out.options.mss = segment.mss;
  out.options.window_scale = segment.window_scale;
  out.options.timestamps = segment.timestamps;
  if (out.options.timestamps) out.options.timestamps->echo += Millis32{start_}.raw();
  if (segment.sack) {
    out.options.sack_count = static_cast<std::uint8_t>(segment.sack->size());
    for (std::size_t i = 0; i < segment.sack->size(); ++i) {
      const auto& [left, right] = (*segment.sack)[i];
      out.options.sack[i] = {iss_ + left.value(), iss_ + right.value()};
    }
  }
  if ((segment.control & syn) != 0) {
    if (!segment.mss) out.options.mss = setup_.peer_mss;
    if (!segment.window_scale) out.options.window_scale = setup_.peer_scale;
    out.options.sack_permitted = setup_.peer_sack;
    if (setup_.peer_timestamp && !segment.timestamps) {
      out.options.timestamps = wire::Timestamps{.value = *setup_.peer_timestamp};
    }
  }
  return out;
}

void Run::arrives(const Seg& segment) {
  sends_nothing();
  deliver(to_wire(segment));
  examine();
}

void Run::deliver(const Segment& segment) {
  verdict_ = {};
  switch (phase_) {
    case Phase::closed:
      verdict_.drop = Drop::tcp_no_connection;
      if (const auto reset = tcp::reset_for(segment)) sent_.push_back(*reset);
      return;
    case Phase::listening:
      switch (tcp::listen_arrives(segment)) {
        case tcp::ListenAction::ignore:
          verdict_.drop = Drop::tcp_no_connection;
          return;
        case tcp::ListenAction::reset_reply:
          verdict_.drop = Drop::tcp_no_connection;
          sent_.push_back(*tcp::reset_for(segment));
          return;
        case tcp::ListenAction::half_open:
          half_open_ = tcp::make_half_open(setup_.config, {}, segment, iss_, 0, now_);
          if (setup_.config.fast_open) return open_fast(segment);
          phase_ = Phase::half_open;
          sent_.push_back(tcp::syn_ack(half_open_, setup_.config));
          return;
      }
      return;
    case Phase::half_open:
      return deliver_half_open(segment);
    case Phase::connection:
      return deliver_connection(segment);
    case Phase::time_wait:
      return deliver_time_wait(segment);
  }
}

void Run::open_fast(const Segment& segment) {
  tcb_ = tcp::accept_fast_open(half_open_, setup_.config, segment, now_);
  phase_ = Phase::connection;
  if (tcb_.unread != 0) kept_[0] = tcb_.unread;
  peer_closed_ = !tcb_.may_receive();
  emit();
}

void Run::deliver_half_open(const Segment& segment) {
  using Action = tcp::HalfOpenVerdict::Action;
  const auto verdict = tcp::segment_arrives(half_open_, setup_.config, segment, now_);
  verdict_.drop = verdict.drop;
  switch (verdict.action) {
    case Action::ignore:
      return;
    case Action::send_syn_ack:
      sent_.push_back(tcp::syn_ack_again(half_open_, setup_.config));
      return;
    case Action::acknowledge:
      sent_.push_back(tcp::acknowledgment(half_open_, setup_.config));
      return;
    case Action::reset_reply:
      sent_.push_back(*tcp::reset_for(segment));
      return;
    case Action::drop_entry:
      phase_ = Phase::listening;
      return;
    case Action::make_connection:
      tcb_ = tcp::accept(half_open_, setup_.config, now_);
      phase_ = Phase::connection;
      deliver_connection(segment);
      if (!verdict_.established) fail("the handshake's last ACK did not establish a connection");
      return;
  }
}

void Run::deliver_connection(const Segment& segment) {
  const Verdict verdict = tcp::segment_arrives(tcb_, setup_.config, segment, pool_, now_);
  take(verdict, &segment);
}

void Run::deliver_time_wait(const Segment& segment) {
  using Action = tcp::TimeWaitVerdict::Action;
  const auto verdict = waiting_.segment_arrives(waiting_index_, segment, setup_.config, now_);
  verdict_.drop = verdict.drop;
  switch (verdict.action) {
    case Action::ignore:
      return;
    case Action::close:
      waiting_.erase(waiting_index_);
      phase_ = Phase::closed;
      return;
    case Action::acknowledge:
      sent_.push_back(tcp::acknowledgment(waiting_[waiting_index_]));
      return;
    case Action::reopen:
      waiting_.erase(waiting_index_);
      phase_ = Phase::listening;
      return deliver(segment);
  }
}

void Run::take(const Verdict& verdict, const Segment* segment) {
  verdict_ = verdict;
  if (verdict.established) {
    if (opened_) fail("the handshake completed twice");
    opened_ = true;
  }
  if (verdict.peer_closed) {
    if (peer_closed_) fail("the peer closed twice");
    peer_closed_ = true;
  }
  if (verdict.reset_reply) sent_.push_back(*tcp::reset_for(*segment));
  if (verdict.keep_text) keep(verdict, *segment);
  if (verdict.abort) {
    if (!verdict.closed) fail("a verdict aborts and does not close");
    if (const auto reset = tcp::abort(tcb_)) sent_.push_back(*reset);
  }
  emit_if(verdict.send);
  if (!verdict.closed) return;
  tcp::release(tcb_, pool_);
  end(verdict.cause);
  if (!verdict.time_wait) return;
  phase_ = Phase::time_wait;
  waiting_index_ = waiting_.insert(tcp::make_time_wait(tcb_, {}, setup_.config, now_),
                                   [](std::uint32_t, const tcp::TimeWait&) {});
}

void Run::keep(const Verdict& verdict, const Segment& segment) {
  if (verdict.text_length == 0) fail("no text is to be kept");
  if (verdict.text_offset + verdict.text_length > segment.text) fail("more is kept than came");
  const SeqNum first =
      segment.seq + (segment.has(wire::control::syn) ? 1 : 0) + verdict.text_offset;
  auto begin = static_cast<std::uint32_t>(first - (irs_ + 1));
  std::uint32_t end = begin + verdict.text_length;
  // Joined with what it touches.
  auto it = kept_.upper_bound(begin);
  if (it != kept_.begin() && std::prev(it)->second >= begin) --it;
  while (it != kept_.end() && it->first <= end) {
    begin = std::min(begin, it->first);
    end = std::max(end, it->second);
    it = kept_.erase(it);
  }
  kept_[begin] = end;
}

void Run::end(Cause cause) {
  if (cause == Cause::none) fail("it ended without a cause");
  cause_ = cause;
  phase_ = Phase::closed;
  held_ = false;
}

void Run::emit() {
  if (held_) return;
  Segment segment;
  for (int i = 0; i < 100'000; ++i) {
    const tcp::Emit emit = tcp::next_segment(tcb_, setup_.config, pool_, now_, segment);
    if (emit == tcp::Emit::none) return;
    sent_.push_back(segment);
    if (segment.text > tcb_.mss && segment.cut == 0 &&
        !tcp::is_path_probe(tcb_, pool_, segment.seq)) {
      fail("it is longer than the MSS: " + describe(segment));
    }
    examine();
    if (emit == tcp::Emit::last) return;
  }
  fail("next_segment() does not come to an end");
}

/// As a pipeline does, which asks only when it was told to; and then what it would have missed.
void Run::emit_if(bool told) {
  if (told) return emit();
  if (held_ || tcb_.state == State::closed || verdict_.closed) return;
  Tcb copy = tcb_;
  Segment segment;
  if (tcp::next_segment(copy, setup_.config, pool_, now_, segment) != tcp::Emit::none) {
    fail("there was something to send, but it was not said: " + describe(segment));
  } else if (copy.has_deadline() != tcb_.has_deadline() ||
             (copy.has_deadline() && copy.deadline != tcb_.deadline)) {
    fail("next_segment() had a timer to start, but was not to be called");
  }
}

void Run::writes(std::uint32_t bytes) {
  sends_nothing();
  tcp::send(tcb_, bytes);
  emit();
  examine();
}

void Run::reads(std::uint32_t bytes) {
  sends_nothing();
  if (bytes > tcb_.unread) {
    fail("there is not so much to read: " + std::to_string(tcb_.unread) + " bytes");
    return;
  }
  verdict_ = {};
  emit_if(tcp::receive(tcb_, setup_.config, bytes));
  examine();
}

void Run::shuts_down() {
  sends_nothing();
  take(tcp::shutdown_send(tcb_, setup_.config, now_), nullptr);
  examine();
}

void Run::closes() {
  sends_nothing();
  take(tcp::close(tcb_, setup_.config, tcb_.unread > 0, now_), nullptr);
  examine();
}

void Run::aborts() {
  sends_nothing();
  if (const auto reset = tcp::abort(tcb_)) sent_.push_back(*reset);
  tcp::release(tcb_, pool_);
  end(Cause::aborted);
  examine();
}

void Run::sets(const tcp::Options& options) {
  tcp::set_options(tcb_, setup_.config, options, now_);
  emit();
  examine();
}

void Run::hears_unreachable(Cause cause, bool hard) {
  sends_nothing();
  take(tcp::unreachable(tcb_, cause, hard), nullptr);
  examine();
}

void Run::hears_path_mtu(std::uint16_t mtu) {
  sends_nothing();
  tcp::path_mtu_changed(tcb_, setup_.config, pool_, mtu);
  emit();
  examine();
}

void Run::probes_path(std::uint16_t mtu, bool possible) {
  const bool taken = tcp::probe_path(tcb_, pool_, mtu, now_);
  if (taken != possible) fail(taken ? "a probe of the path is to come" : "no probe of the path");
  examine();
}

void Run::flush() {
  held_ = false;
  emit();
  examine();
}

// --- time ---

std::optional<Instant> Run::next_event() const {
  const auto widen = [&](Millis32 at) {
    return std::chrono::floor<std::chrono::milliseconds>(now_) + (at - Millis32{now_});
  };
  switch (phase_) {
    case Phase::closed:
    case Phase::listening:
      return std::nullopt;
    case Phase::half_open:
      return widen(half_open_.deadline);
    case Phase::connection:
      if (!tcb_.has_deadline()) return std::nullopt;
      return tcb_.deadline_instant(now_);
    case Phase::time_wait:
      return *waiting_.next_deadline(now_);
  }
  return std::nullopt;
}

void Run::fire() {
  switch (phase_) {
    case Phase::closed:
    case Phase::listening:
      return;
    case Phase::half_open:
      switch (tcp::timeout(half_open_, setup_.config, now_)) {
        case tcp::HalfOpenTimeout::early:
          return fail("a half-open entry's deadline was early");
        case tcp::HalfOpenTimeout::resend:
          sent_.push_back(tcp::syn_ack_again(half_open_, setup_.config));
          return;
        case tcp::HalfOpenTimeout::give_up:
          phase_ = Phase::listening;
          return;
      }
      return;
    case Phase::connection:
      return take(tcp::timeout(tcb_, setup_.config, pool_, now_), nullptr);
    case Phase::time_wait:
      waiting_.expire(now_, [&](std::uint32_t, const tcp::TimeWait&) { phase_ = Phase::closed; });
      return;
  }
}

void Run::at(Duration time) {
  sends_nothing();
  const Instant until = start_ + time;
  if (until < now_) return fail("time does not go back");
  for (int i = 0; failure_.empty(); ++i) {
    const std::optional<Instant> next = next_event();
    if (!next || until < *next) break;
    if (i == max_timeouts_a_step) return fail("a timer runs wild");
    now_ = std::max(now_, *next);
    fire();
    examine();
  }
  now_ = until;
}

// --- what is expected ---

void Run::sends(const Seg& expected) {
  if (!failure_.empty()) return;
  if (sent_.empty()) return fail("nothing was sent");
  const Segment actual = sent_.front();
  sent_.pop_front();
  if (actual.has(wire::control::psh) && actual.text == 0) return fail("a push of nothing");
  const bool opening = actual.has(syn);
  if (actual.options.mss.has_value() != opening) return fail("MSS belongs in a SYN");  // MUST-65
  if (actual.options.window_scale && !opening) return fail("a window scale outside of a SYN");
  Segment wanted = actual;
  wanted.seq = iss_ + expected.seq.value();
  wanted.control = expected.control;
  // A reset that answers a segment without an ACK has the sequence number 0 and no other meaning.
  if ((expected.control & rst) != 0 && expected.ack && expected.seq == 0_seq) wanted.seq = 0_seq;
  if (expected.ack) {
    wanted.ack = irs_ + expected.ack->value();
    wanted.control |= wire::control::ack;
  }
  wanted.text = expected.text;
  if (expected.push ? *expected.push : actual.has(wire::control::psh)) {
    wanted.control |= wire::control::psh;
  }
  if (expected.window) wanted.window = *expected.window;
  if (expected.ecn) wanted.ecn = *expected.ecn;
  if (expected.mss) wanted.options.mss = expected.mss;
  if (expected.window_scale) wanted.options.window_scale = expected.window_scale;
  if (expected.timestamps) {
    wanted.options.timestamps = wire::Timestamps{.echo = expected.timestamps->echo};
  }
  if (expected.sack) {
    wanted.options.sack_count = static_cast<std::uint8_t>(expected.sack->size());
    for (std::size_t i = 0; i < expected.sack->size(); ++i) {
      const auto& [left, right] = (*expected.sack)[i];
      wanted.options.sack[i] = {irs_ + left.value(), irs_ + right.value()};
    }
  }
  const bool same = wanted.seq == actual.seq && wanted.control == actual.control &&
                    (!expected.ack || wanted.ack == actual.ack) && wanted.text == actual.text &&
                    wanted.window == actual.window && wanted.ecn == actual.ecn &&
                    wanted.options == actual.options;
  if (!same) fail("sent:     " + describe(actual) + "\nexpected: " + describe(wanted));
}

void Run::sends_nothing() {
  if (!sent_.empty()) fail("this was sent, and not expected: " + describe(sent_.front()));
}

std::string Run::describe(const Segment& segment) const {
  std::string out = "<SEQ=" + std::to_string((segment.seq - iss_));
  if (segment.has(wire::control::ack)) out += "><ACK=" + std::to_string(segment.ack - irs_);
  out += "><CTL=";
  constexpr std::pair<std::uint8_t, const char*> names[] = {{syn, "SYN,"},
                                                            {fin, "FIN,"},
                                                            {rst, "RST,"},
                                                            {wire::control::psh, "PSH,"},
                                                            {wire::control::ack, "ACK,"}};
  for (const auto& [bit, name] : names) {
    if (segment.has(bit)) out += name;
  }
  out += "><TEXT=" + std::to_string(segment.text) + "><WND=" + std::to_string(segment.window);
  if (segment.options.mss) out += "><MSS=" + std::to_string(*segment.options.mss);
  if (segment.options.window_scale) {
    out += "><WSCALE=" + std::to_string(*segment.options.window_scale);
  }
  if (segment.options.timestamps) {
    out += "><TSECR=" + std::to_string(segment.options.timestamps->echo);
  }
  for (const wire::SackBlock& block : segment.options.sack_blocks()) {
    out += "><SACK=" + std::to_string(block.left - irs_) + "-" + std::to_string(block.right - irs_);
  }
  return out + ">";
}

State Run::state() const {
  switch (phase_) {
    case Phase::closed:
      return State::closed;
    case Phase::listening:
      return State::listen;
    case Phase::half_open:
      return State::syn_received;
    case Phase::connection:
      return tcb_.state;
    case Phase::time_wait:
      return State::time_wait;
  }
  return State::closed;
}

/// What has to be true after every event, whatever the script says.
void Run::examine() {
  if (phase_ != Phase::connection) {
    if (pool_.size() != 0) fail("a Flight was not given back");
    return;
  }
  if (const auto broken = tcp::check(tcb_, pool_); !broken.empty()) {
    fail("an invariant does not hold: " + std::string(broken));
  }
  if (tcb_.state == State::syn_sent) return;
  if (last_edge_ && tcb_.rcv_adv < *last_edge_) fail("the receive window's edge has retreated");
  last_edge_ = tcb_.rcv_adv;
  // Every byte before RCV.NXT has been kept.
  const auto reached =
      static_cast<std::uint32_t>(tcb_.rcv_nxt - (irs_ + 1)) - (peer_closed_ ? 1 : 0);
  const bool whole = reached == 0 || (!kept_.empty() && kept_.begin()->first == 0 &&
                                      kept_.begin()->second >= reached);
  if (!whole) fail("RCV.NXT lies after bytes that nobody keeps");
}

}  // namespace pollux::test
