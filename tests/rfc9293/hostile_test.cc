// Segments that no honest peer sends, at random, and calls and timers between them: whatever comes,
// invariants.h holds, nothing is borrowed for ever, what is sent lies within what was queued, and
// once the peer is honest again all of it arrives.

#include <gtest/gtest.h>

#include <string>

#include "base/prng.h"
#include "transport/tcp/invariants.h"
#include "transport/tcp/listener.h"
#include "transport/tcp/tcp.h"
#include "transport/tcp/time_wait.h"

namespace pollux::tcp {
namespace {

class Hostile {
 public:
  explicit Hostile(std::uint64_t seed)
      : random_(seed),
        pool_(*FlightPool::make(1)),
        now_(Instant{} + std::chrono::milliseconds{random_.next32()}) {
    config_.receive_buffer = 1 + static_cast<std::uint32_t>(random_.below(200'000));
    config_.window_scale = static_cast<std::uint8_t>(random_.below(15));
    config_.mss = static_cast<std::uint16_t>(random_.below(3000));
    config_.data_retries = static_cast<std::uint8_t>(random_.below(6));
    config_.keepalive_idle = 1s;
    config_.keepalive_interval = 100ms;
  }

  std::string run() {
    const SeqNum iss{random_.chance(0.5) ? 0xFFFF'FF00u : random_.next32()};
    irs_ = SeqNum{random_.chance(0.5) ? 0xFFFF'FFF0u : random_.next32()};
    if (random_.chance(0.5)) {
      tcb_ = open_active(config_, iss, now_);
    } else {
      Segment syn = any_segment();
      syn.control = control::syn;
      syn.seq = irs_;
      HalfOpen entry = make_half_open(config_, {}, syn, iss, 0, now_);
      tcb_ = accept(entry, config_, now_);
      Segment ack = any_segment();
      ack.seq = irs_ + 1;
      ack.ack = iss + 1;
      ack.control = control::ack;
      if (segment_arrives(entry, config_, ack, now_).action !=
          HalfOpenVerdict::Action::make_connection) {
        return "a good ACK does not make a connection";
      }
      take(segment_arrives(tcb_, config_, ack, pool_, now_));
    }
    const auto steps = static_cast<int>(random_.below(300));
    for (int step = 0; step < steps && failure_.empty() && !over_; ++step) one_step();
    if (random_.chance(0.8)) make_peace();
    release(tcb_, pool_);
    if (pool_.size() != 0) fail("a Flight was not given back");
    return failure_;
  }

 private:
  void one_step() {
    now_ += std::chrono::microseconds{random_.chance(0.3) ? random_.below(2'000'000)
                                                          : random_.below(1000)};
    std::uint64_t what = random_.below(100);
    // Calls while a handshake lasts are rare, and lead through transitions of their own.
    if (tcb_.state == State::syn_received && random_.chance(0.3)) what = 84 + random_.below(2);
    if (what < 70) {
      take(segment_arrives(tcb_, config_, any_segment(), pool_, now_));
    } else if (what < 78) {
      if (tcb_.may_send()) send(tcb_, static_cast<std::uint32_t>(random_.below(5000)));
      emit();
    } else if (what < 84) {
      const auto n = static_cast<std::uint32_t>(random_.below(std::uint64_t{tcb_.unread} + 1));
      if (receive(tcb_, config_, n)) emit();
    } else if (what < 85) {
      take(shutdown_send(tcb_, config_, now_));
    } else if (what < 86) {
      if (random_.chance(0.3)) take(close(tcb_, config_, random_.chance(0.5), now_));
    } else if (what < 88) {
      const auto mtu = static_cast<std::uint16_t>(random_.below(3000));
      if (random_.chance(0.3)) {
        path_mtu_changed(tcb_, config_, pool_, mtu);
      } else if (random_.chance(0.1)) {
        path_takes(tcb_, pool_, mtu);
      } else {
        static_cast<void>(probe_path(tcb_, pool_, mtu, now_));
      }
      emit();
    } else if (what < 89) {
      take(unreachable(tcb_, Cause::unreachable, random_.chance(0.2)));
    } else if (what < 91) {
      const Duration limit = random_.chance(0.5) ? Duration{0} : Duration{500ms};
      set_options(tcb_, config_, {random_.chance(0.5), random_.chance(0.5), limit}, now_);
      emit();
    } else {
      if (tcb_.has_deadline() && random_.chance(0.8)) {
        now_ = std::max(now_, tcb_.deadline_instant(now_));
      }
      take(timeout(tcb_, config_, pool_, now_));
    }
    if (const auto broken = check(tcb_, pool_); !broken.empty()) fail(std::string(broken));
    // As after some gigabytes: what it began with means nothing any more.
    if (tcb_.syn_acked && random_.chance(0.02)) tcb_.iss = SeqNum{random_.next32()};
    if (tcb_.syn_acked && random_.chance(0.02)) tcb_.irs = SeqNum{random_.next32()};
  }

  /// From here on the peer is honest and has a large window: whatever was done to the connection
  /// before, all that is queued has to be acknowledged in the end, and a FIN as well.
  void make_peace() {
    if (tcb_.may_send() && random_.chance(0.5)) take(shutdown_send(tcb_, config_, now_));
    if (!over_) emit();
    for (int i = 0; failure_.empty() && !over_ && tcb_.snd_una != tcb_.stream_end(); ++i) {
      if (i == 20'000) return fail("an honest peer does not hear all of it");
      if (tcb_.in_flight() > 0) {
        Segment honest;
        honest.seq = tcb_.state == State::syn_sent ? irs_ : tcb_.rcv_nxt;
        honest.ack = tcb_.snd_nxt;
        honest.window = 20'000;
        honest.control = control::ack;
        if (tcb_.state == State::syn_sent) honest.control |= control::syn;
        take(segment_arrives(tcb_, config_, honest, pool_, now_));
        continue;
      }
      if (!tcb_.has_deadline()) return fail("what is queued waits, and no timer runs");
      now_ = std::max(now_, tcb_.deadline_instant(now_));
      take(timeout(tcb_, config_, pool_, now_));
    }
  }

  /// Numbers near those that matter, or anywhere.
  SeqNum near(SeqNum left, SeqNum right) {
    switch (random_.below(6)) {
      case 0:
        return left + static_cast<std::uint32_t>(random_.below(5)) - 2;
      case 1:
        return right + static_cast<std::uint32_t>(random_.below(5)) - 2;
      case 2:
        return left - static_cast<std::uint32_t>(random_.below(3000));
      case 3:
        return SeqNum{random_.next32()};
      default:
        return left + static_cast<std::uint32_t>(random_.below(
                          static_cast<std::uint32_t>(right - left) + std::uint64_t{1}));
    }
  }

  Segment any_segment() {
    Segment out;
    out.seq = tcb_.state == State::closed || tcb_.state == State::syn_sent
                  ? irs_
                  : near(tcb_.rcv_nxt, tcb_.rcv_adv);
    out.ack = near(tcb_.snd_una, tcb_.snd_nxt);
    if (random_.chance(0.5)) {
      out.text = static_cast<std::uint32_t>(random_.below(random_.chance(0.1) ? 65'000 : 3000));
    }
    const std::uint16_t windows[] = {0, 1, 100, 5000, 65'535};
    out.window = windows[random_.below(5)];
    if (random_.chance(0.02)) out.control |= control::rst;
    const bool opening = tcb_.state <= State::syn_received;
    if (random_.chance(opening ? 0.5 : 0.95)) out.control |= control::ack;
    if (random_.chance(opening ? 0.8 : 0.02)) out.control |= control::syn;
    if (random_.chance(0.03)) out.control |= control::fin;
    if (random_.chance(0.03)) out.control |= control::urg;
    if (random_.chance(0.5)) out.options.mss = static_cast<std::uint16_t>(random_.below(3000));
    if (random_.chance(0.5))
      out.options.window_scale = static_cast<std::uint8_t>(random_.below(20));
    return out;
  }

  void take(const Verdict& verdict) {
    if (verdict.keep_text && verdict.text_length == 0) fail("no text is to be kept");
    if (verdict.drop != Drop::none && verdict.keep_text) fail("discarded, and kept");
    if (verdict.closed != (verdict.cause != Cause::none)) fail("closed without a cause");
    if (verdict.time_wait && !verdict.closed) fail("TIME-WAIT, and goes on");
    if (const auto broken = check(tcb_, pool_); !broken.empty()) {
      fail(std::string(broken));
    }
    if (verdict.send) emit();
    if (const auto broken = check(tcb_, pool_); !broken.empty()) fail(std::string(broken));
    if (!verdict.closed) return;
    over_ = true;
    if (verdict.time_wait) {
      auto queue = *TimeWaitQueue::make(1);
      const std::uint32_t index =
          queue.insert(make_time_wait(tcb_, {}, config_, now_), [](auto, const auto&) {});
      for (int i = 0; i < 10; ++i) {
        static_cast<void>(queue.segment_arrives(index, any_segment(), config_, now_));
      }
    }
    if (verdict.abort) static_cast<void>(abort(tcb_));
  }

  void emit() {
    Segment out;
    for (int i = 0; i < 10'000; ++i) {
      const Emit emit = next_segment(tcb_, config_, pool_, now_, out);
      if (emit != Emit::more && tcb_.state != State::closed && tcb_.state != State::time_wait &&
          tcb_.snd_una != tcb_.stream_end() && !tcb_.retransmit_armed) {
        fail("something is in flight or waits, and no timer runs for it");
      }
      if (emit == Emit::none) return;
      if (out.has(control::rst)) fail("a reset from next_segment()");
      if (out.text > tcb_.mss) fail("a segment is larger than the MSS");
      const SeqNum end = out.seq + out.len();
      if (out.len() > 0 && (out.seq < tcb_.snd_una || tcb_.stream_end() < end)) {
        fail("what was sent does not lie in the queue");
      }
      if (const auto broken = check(tcb_, pool_); !broken.empty()) fail(std::string(broken));
      if (emit == Emit::last) return;
    }
    fail("next_segment() does not come to an end");
  }

  void fail(std::string what) {
    if (failure_.empty()) failure_ = std::move(what);
  }

  Prng random_;
  FlightPool pool_;
  Config config_;
  Instant now_;
  SeqNum irs_;
  Tcb tcb_;
  bool over_ = false;
  std::string failure_;
};

TEST(Hostile, InvariantsHoldWhateverComes) {
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    const std::string failure = Hostile{seed}.run();
    ASSERT_EQ(failure, "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace pollux::tcp
